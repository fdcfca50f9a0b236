/* lock.h - one writer at a time in a folder, over all processes: an advisory lock on FOLDER/.lock.
 *
 * The system lets go of it when its holder ends, whatever way.
 */
#ifndef CPX_STORE_LOCK_H
#define CPX_STORE_LOCK_H

#include "store/vault.h"

/* Waits at most CPX_VAULT_LOCK_MS: then CPX_ETIMEOUT. `*lock` is for cpx_store_unlock. */
CPX_MUST_CHECK int cpx_store_lock(const char *folder, int *lock, cpx_vault_fault *fault);
/* Does nothing for -1. */
void cpx_store_unlock(int lock);

#endif
