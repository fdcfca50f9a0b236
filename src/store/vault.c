#include "store/vault.h"

#include "base/limits.h"
#include "crypto/digest.h"
#include "crypto/encode.h"
#include "crypto/random.h"
#include "store/internal.h"
#include "store/lock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define VERSION    "cliproxy-token 1"
#define KEY_ID_LEN 16
/* "cliproxy-token 1 0123456789abcdef\n" */
#define HEAD_LEN (sizeof VERSION + KEY_ID_LEN + 1)
#define FILE_MAX (CPX_TOKEN_MAX + HEAD_LEN + CPX_AEAD_NONCE + CPX_AEAD_TAG)

/* A mapping of its own, so that a core dump leaves it out. */
struct cpx_vault {
  unsigned char key[CPX_AEAD_KEY];
  char key_id[KEY_ID_LEN + 1]; /* "": plain files */
  char folder[PATH_MAX];
};

/* 8 bytes of an HMAC under the key, in hexadecimal. */
static int make_key_id(const unsigned char *key, char id[KEY_ID_LEN + 1]) {
  unsigned char mac[CPX_DIGEST_MAX];
  int err = cpx_hmac(CPX_SHA256, cpx_slice_of((const char *)key, CPX_AEAD_KEY), CPX_SLICE("cliproxy key id"), mac);
  for (size_t i = 0; i < KEY_ID_LEN / 2; i++) (void)snprintf(id + 2 * i, 3, "%02x", mac[i]);
  return err;
}

int cpx_vault_new(const char *folder, const unsigned char key[CPX_AEAD_KEY], cpx_vault **out) {
  if (strlen(folder) >= sizeof(cpx_vault){0}.folder) return CPX_EINVAL;
  cpx_vault *vault = mmap(NULL, sizeof *vault, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (vault == MAP_FAILED) return CPX_ENOMEM;
#ifdef MADV_DONTDUMP
  (void)madvise(vault, sizeof *vault, MADV_DONTDUMP);
#endif
  memcpy(vault->folder, folder, strlen(folder) + 1);
  if (key) {
    memcpy(vault->key, key, CPX_AEAD_KEY);
    int err = make_key_id(key, vault->key_id);
    if (err) {
      cpx_vault_free(vault);
      return err;
    }
  }
  *out = vault;
  return 0;
}

void cpx_vault_free(cpx_vault *vault) {
  if (!vault) return;
  cpx_cleanse(vault, sizeof *vault);
  (void)munmap(vault, sizeof *vault);
}

const char *cpx_vault_folder(const cpx_vault *vault) {
  return vault->folder;
}

static bool is_encrypted(cpx_slice bytes) {
  return cpx_slice_starts(bytes, CPX_SLICE(VERSION " "));
}

/* -- Reading ----------------------------------------------------------------------------------------------------- */

static cpx_slice associated_of(const cpx_token_path *at, char *room, size_t size) {
  int n = snprintf(room, size, "%s\n%s", VERSION, at->label);
  return cpx_slice_of(room, n > 0 ? (size_t)n : 0);
}

static int fail_forged(const cpx_token_path *at, cpx_vault_fault *fault) {
  return cpx_vault_fail(fault, CPX_EFORGED,
                        "%s was changed or cut short, or belongs to another account. Remove it and sign in again",
                        at->path);
}

static bool is_key_id(cpx_slice id) {
  for (size_t i = 0; i < id.n; i++)
    if (!id.p[i] || !strchr("0123456789abcdef", id.p[i])) return false;
  return true;
}

static int open_sealed(const cpx_vault *vault, const cpx_token_path *at, cpx_slice bytes, cpx_buf *out,
                       cpx_vault_fault *fault) {
  cpx_slice id = cpx_slice_of(bytes.p + sizeof VERSION, KEY_ID_LEN);
  if (bytes.n < HEAD_LEN || bytes.p[HEAD_LEN - 1] != '\n' || !is_key_id(id)) return fail_forged(at, fault);
  if (!cpx_slice_eq(id, cpx_slice_str(vault->key_id)))
    return cpx_vault_fail(
        fault, CPX_EACCES,
        "%s was encrypted with another key (id %.*s; the key in use has id %s). Set encryption_key to "
        "the key that it was made with, or sign in again",
        at->path, (int)id.n, id.p, vault->key_id);
  char room[sizeof VERSION + sizeof at->label];
  cpx_slice sealed = cpx_slice_of(bytes.p + HEAD_LEN, bytes.n - HEAD_LEN);
  int err = cpx_aead_open(vault->key, associated_of(at, room, sizeof room), sealed, out);
  if (err == CPX_EFORGED) return fail_forged(at, fault);
  return err ? cpx_vault_fail(fault, err, "cannot decrypt %s: %s", at->path, cpx_error_text(err)) : 0;
}

static int take_text(const cpx_vault *vault, const cpx_token_path *at, cpx_slice bytes, cpx_buf *out,
                     cpx_vault_fault *fault) {
  bool sealed = is_encrypted(bytes);
  if (!*vault->key_id && sealed)
    return cpx_vault_fail(fault, CPX_ESYNTAX, "%s is encrypted, but encryption is switched off", at->path);
  if (*vault->key_id && !sealed) {
    if (cpx_slice_starts(CPX_SLICE(VERSION " "), bytes)) return fail_forged(at, fault); /* the rest of it is missing */
    return cpx_vault_fail(fault, CPX_ESYNTAX, "%s is no encrypted token file", at->path);
  }
  if (sealed) return open_sealed(vault, at, bytes, out, fault);
  int err = cpx_buf_add_slice(out, bytes);
  return err ? cpx_vault_fail(fault, err, "%s: %s", at->path, cpx_error_text(err)) : 0;
}

int cpx_vault_read(const cpx_vault *vault, cpx_slice provider, cpx_slice account, cpx_buf *out,
                   cpx_vault_fault *fault) {
  cpx_token_path at;
  int err = cpx_token_path_of(vault->folder, provider, account, &at, fault);
  if (err) return err;
  cpx_buf bytes;
  cpx_buf_init(&bytes, FILE_MAX);
  err = cpx_store_read(at.path, &bytes, fault);
  if (!err) err = take_text(vault, &at, cpx_buf_slice(&bytes), out, fault);
  cpx_buf_cleanse(&bytes);
  return err;
}

/* -- Writing ----------------------------------------------------------------------------------------------------- */

static int make_file(const cpx_vault *vault, const cpx_token_path *at, cpx_slice text, cpx_buf *file) {
  if (!*vault->key_id) return cpx_buf_add_slice(file, text);
  int err = cpx_buf_printf(file, "%s %s\n", VERSION, vault->key_id);
  char room[sizeof VERSION + sizeof at->label];
  return err ? err : cpx_aead_seal(vault->key, associated_of(at, room, sizeof room), text, file);
}

static int check_text(const cpx_vault *vault, const cpx_token_path *at, cpx_slice text, cpx_vault_fault *fault) {
  if (text.n > CPX_TOKEN_MAX)
    return cpx_vault_fail(fault, CPX_ETOOBIG, "%s would have %zu bytes, more than %lu", at->path, text.n,
                          CPX_TOKEN_MAX);
  if (!*vault->key_id && is_encrypted(text))
    return cpx_vault_fail(fault, CPX_EINVAL, "%s: the text looks like an encrypted file", at->path);
  return 0;
}

int cpx_vault_write(const cpx_vault *vault, cpx_slice provider, cpx_slice account, cpx_slice text,
                    cpx_vault_fault *fault) {
  cpx_token_path at;
  int err = cpx_token_path_of(vault->folder, provider, account, &at, fault);
  if (!err) err = check_text(vault, &at, text, fault);
  if (err) return err;
  cpx_buf file;
  cpx_buf_init(&file, FILE_MAX);
  err = make_file(vault, &at, text, &file);
  if (err) {
    (void)cpx_vault_fail(fault, err, "cannot encrypt %s: %s", at.path, cpx_error_text(err));
  } else {
    int lock = -1;
    err = cpx_folder_make(at.folder, fault);
    if (!err) err = cpx_store_lock(vault->folder, &lock, fault);
    if (!err) err = cpx_store_replace(at.folder, at.temporary, at.path, cpx_buf_slice(&file), fault);
    cpx_store_unlock(lock);
  }
  cpx_buf_cleanse(&file);
  return err;
}

int cpx_vault_remove(const cpx_vault *vault, cpx_slice provider, cpx_slice account, cpx_vault_fault *fault) {
  cpx_token_path at;
  int err = cpx_token_path_of(vault->folder, provider, account, &at, fault);
  if (err) return err;
  if (access(at.folder, F_OK) != 0) return cpx_vault_fail(fault, CPX_ENOTFOUND, "there is no %s", at.path);
  int lock = -1;
  err = cpx_store_lock(vault->folder, &lock, fault);
  if (!err) {
    bool left = unlink(at.temporary) == 0; /* by a killed writer: it holds credentials, too */
    if (unlink(at.path) != 0)
      err = errno == ENOENT ? cpx_vault_fail(fault, CPX_ENOTFOUND, "there is no %s", at.path)
                            : cpx_vault_fail_errno(fault, "remove", at.path, errno);
    if (!err || left) {
      int synced = cpx_folder_sync(at.folder, fault);
      err = err ? err : synced;
    }
  }
  cpx_store_unlock(lock);
  return err;
}

/* -- The key's file ---------------------------------------------------------------------------------------------- */

int cpx_vault_key_read(const char *path, unsigned char key[CPX_AEAD_KEY], cpx_vault_fault *fault) {
  cpx_buf text, bytes;
  cpx_buf_init(&text, 1024);
  cpx_buf_init(&bytes, CPX_VAULT_KEY_DIGITS);
  int err = cpx_store_read(path, &text, fault);
  while (!err && text.len && strchr(" \t\r\n", text.data[text.len - 1])) text.len--;
  if (!err && (text.len != CPX_VAULT_KEY_DIGITS || cpx_hex_decode(cpx_buf_slice(&text), &bytes) != 0))
    err =
        cpx_vault_fail(fault, CPX_ESYNTAX, "%s is no key: expected %lu hexadecimal digits", path, CPX_VAULT_KEY_DIGITS);
  if (!err) memcpy(key, bytes.data, CPX_AEAD_KEY);
  cpx_buf_cleanse(&text);
  cpx_buf_cleanse(&bytes);
  return err;
}

/* A random key as a file. The caller holds the lock. */
static int write_key(const char *folder, const char *path, cpx_vault_fault *fault) {
  unsigned char fresh[CPX_AEAD_KEY];
  char temporary[PATH_MAX];
  cpx_buf text;
  cpx_buf_init(&text, 2 * CPX_VAULT_KEY_DIGITS);
  int err = snprintf(temporary, sizeof temporary, "%s.tmp", path) < (int)sizeof temporary ? 0 : CPX_EINVAL;
  if (!err) err = cpx_random(fresh, sizeof fresh);
  if (!err) err = cpx_hex_encode(cpx_slice_of((const char *)fresh, sizeof fresh), &text);
  if (!err) err = cpx_buf_add_str(&text, "\n");
  if (err)
    (void)cpx_vault_fail(fault, err, "cannot make a key for %s: %s", path, cpx_error_text(err));
  else
    err = cpx_store_replace(folder, temporary, path, cpx_buf_slice(&text), fault);
  cpx_buf_cleanse(&text);
  cpx_cleanse(fresh, sizeof fresh);
  return err;
}

int cpx_vault_key_make(const char *path, unsigned char key[CPX_AEAD_KEY], cpx_vault_fault *fault) {
  int err = cpx_vault_key_read(path, key, fault);
  if (err != CPX_ENOTFOUND) return err;
  const char *slash = strrchr(path, '/');
  char folder[PATH_MAX];
  if (*path != '/' || strlen(path) >= sizeof folder)
    return cpx_vault_fail(fault, CPX_EINVAL, "the path of a key file must be absolute and not too long: %.100s", path);
  (void)snprintf(folder, sizeof folder, "%.*s", slash > path ? (int)(slash - path) : 1, path);
  int lock = -1;
  err = cpx_folder_make(folder, fault);
  if (!err) err = cpx_store_lock(folder, &lock, fault);
  if (!err) err = cpx_vault_key_read(path, key, fault); /* another process may have been first: its key counts */
  if (err == CPX_ENOTFOUND) {
    err = write_key(folder, path, fault);
    if (!err) err = cpx_vault_key_read(path, key, fault);
  }
  cpx_store_unlock(lock);
  return err;
}
