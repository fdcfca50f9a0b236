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
/* The same for errno: "cannot WHAT PATH: REASON"; CPX_ENOTFOUND where there is no such file, else CPX_EIO. */
int cpx_vault_fail_errno(cpx_vault_fault *fault, const char *what, const char *path, int error);

/* A regular file's bytes, at most `out->max`. */
CPX_MUST_CHECK int cpx_file_read(const char *path, cpx_buf *out, cpx_vault_fault *fault);
/* Replaces a file: writes `temporary`, syncs it, renames it to `path`, syncs `folder`. Mode 0600. */
CPX_MUST_CHECK int cpx_file_replace(const char *folder, const char *temporary, const char *path, cpx_slice bytes,
                                    cpx_vault_fault *fault);
/* The same where no `path` exists yet; CPX_EFULL where it does. */
CPX_MUST_CHECK int cpx_file_add(const char *folder, const char *temporary, const char *path, cpx_slice bytes,
                                cpx_vault_fault *fault);
CPX_MUST_CHECK int cpx_folder_sync(const char *folder, cpx_vault_fault *fault);
/* Makes a folder, 0700, and those above it that are missing. */
CPX_MUST_CHECK int cpx_folder_make(const char *folder, cpx_vault_fault *fault);

#endif
