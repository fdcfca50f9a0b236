/* internal.h - what the parts of the store share: names of files, and writing so that nothing is ever torn. */
#ifndef CPX_STORE_INTERNAL_H
#define CPX_STORE_INTERNAL_H

#include "base/limits.h"
#include "store/vault.h"

#include <limits.h>

#define CPX_TOKEN_SUFFIX ".token"

/* Where an account's file is. `label`, "PROVIDER/ACCOUNT.token", is also the associated data. */
typedef struct cpx_token_path {
  char folder[PATH_MAX], path[PATH_MAX], temporary[PATH_MAX];
  char label[2 * (CPX_VAULT_NAME_MAX + 16)];
} cpx_token_path;

/* CPX_EINVAL for names that cannot be: empty ones, too long ones, those with control characters. */
CPX_MUST_CHECK int cpx_token_path_of(const char *root, cpx_slice provider, cpx_slice account, cpx_token_path *out,
                                     cpx_vault_fault *fault);
/* "a%2Fb" → "a/b", appended; CPX_ESYNTAX for a name that cpx_token_path_of would not make. */
CPX_MUST_CHECK int cpx_token_name_decode(cpx_slice encoded, cpx_buf *out);

const char *cpx_vault_folder(const cpx_vault *vault);

/* Fills `fault` and returns `code`. */
int cpx_vault_fail(cpx_vault_fault *fault, int code, const char *format, ...) CPX_PRINTF(3, 4);
/* CPX_EIO, "cannot WHAT PATH: " and what `error`, an errno, means. */
int cpx_vault_fail_errno(cpx_vault_fault *fault, const char *what, const char *path, int error);

/* A regular file's bytes, at most `out->max`; CPX_ENOTFOUND where there is no such file. */
CPX_MUST_CHECK int cpx_store_read(const char *path, cpx_buf *out, cpx_vault_fault *fault);
/* Replaces a file of `folder`, 0600, by way of `temporary`, and syncs the folder; those above it, too, where the file
 * is new, for then they may be. The caller holds the lock. */
CPX_MUST_CHECK int cpx_store_replace(const char *folder, const char *temporary, const char *path, cpx_slice bytes,
                                     cpx_vault_fault *fault);
CPX_MUST_CHECK int cpx_folder_sync(const char *folder, cpx_vault_fault *fault);
/* Makes an absolute folder, 0700, and those above it that are missing. */
CPX_MUST_CHECK int cpx_folder_make(const char *folder, cpx_vault_fault *fault);

#endif
