/* vault.h - the files in which accounts' credentials lie: FOLDER/PROVIDER/ACCOUNT.token, encrypted or plain.
 *
 * An encrypted file is the line "cliproxy-token 1 KEYID" and a run sealed with AES-256-GCM, whose associated data are
 * the version and PROVIDER/ACCOUNT.token: a file that was moved to another account does not open. KEYID tells keys
 * apart and nothing about them. A plain file is its text. Names are percent-encoded, so that no account leaves its
 * folder.
 *
 * A write goes to a temporary file, which is synced and renamed, and the folder is synced: whenever the process or the
 * machine stops, the file has its old or its new content. Processes that share a folder write one after the other
 * (FOLDER/.lock). Folders are made at the first write, 0700; files are 0600.
 *
 * Owns:    a copy of the key, kept out of core dumps where the system can and wiped at the end.
 * Borrows: its arguments.
 * Bounds:  CPX_TOKEN_MAX a text, CPX_VAULT_NAME_MAX an encoded name, CPX_VAULT_LOCK_MS of waiting.
 * Threads: a vault is not changed once made; every function blocks on the disk, and any thread may call it.
 * Errors:  each function that fails fills `fault` with a sentence that names the file; it holds no secret.
 *          CPX_ENOTFOUND no such account; CPX_EACCES another key; CPX_EFORGED changed, cut short or moved;
 *          CPX_ESYNTAX no encrypted file where those are kept, an encrypted one where plain ones are; CPX_EINVAL a name
 *          or path that cannot be; CPX_ETOOBIG; CPX_ETIMEOUT the lock; CPX_EIO what the system says.
 */
#ifndef CPX_STORE_VAULT_H
#define CPX_STORE_VAULT_H

#include "base/buf.h"
#include "crypto/aead.h"

#define CPX_VAULT_KEY_DIGITS 64UL /* a key as text */

typedef struct cpx_vault cpx_vault;

typedef struct cpx_vault_fault {
  char text[1024];
} cpx_vault_fault;

/* `key`: NULL for plain files. Touches nothing on the disk. */
CPX_MUST_CHECK int cpx_vault_new(const char *folder, const unsigned char key[CPX_AEAD_KEY], cpx_vault **out);
void cpx_vault_free(cpx_vault *vault);

/* Appends the text of an account to `out`: wipe it with cpx_buf_cleanse. */
CPX_MUST_CHECK int cpx_vault_read(const cpx_vault *vault, cpx_slice provider, cpx_slice account, cpx_buf *out,
                                  cpx_vault_fault *fault);
CPX_MUST_CHECK int cpx_vault_write(const cpx_vault *vault, cpx_slice provider, cpx_slice account, cpx_slice text,
                                   cpx_vault_fault *fault);
CPX_MUST_CHECK int cpx_vault_remove(const cpx_vault *vault, cpx_slice provider, cpx_slice account,
                                    cpx_vault_fault *fault);

typedef struct cpx_vault_visitor {
  /* An account's names, decoded. Not 0: stop, and return that. */
  int (*account)(void *user, cpx_slice provider, cpx_slice account);
  /* What was mended or looks wrong: a sentence that names the path. May be NULL. */
  void (*warning)(void *user, const char *text);
  void *user;
} cpx_vault_visitor;

/* Every account, in no order. Takes from others the right to read, and removes what killed writers left behind. A
 * folder that does not exist has none. What cannot be looked at is an error: an account is never left out in silence.
 */
CPX_MUST_CHECK int cpx_vault_visit(const cpx_vault *vault, const cpx_vault_visitor *visitor, cpx_vault_fault *fault);

/* Reads a key: CPX_VAULT_KEY_DIGITS hexadecimal digits, maybe with white space behind them. CPX_ENOTFOUND where there
 * is no file. */
CPX_MUST_CHECK int cpx_vault_key_read(const char *path, unsigned char key[CPX_AEAD_KEY], cpx_vault_fault *fault);
/* Reads it, or makes a random one, under a lock in its folder. Of processes that do so at once all get the same. */
CPX_MUST_CHECK int cpx_vault_key_make(const char *path, unsigned char key[CPX_AEAD_KEY], cpx_vault_fault *fault);

#endif
