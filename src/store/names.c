/* Names of accounts as names of files. */
#include "store/internal.h"

#include "base/limits.h"

#include <stdio.h>

static bool is_plain(unsigned char c, size_t at) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return strchr("_-@+", c) != NULL || (c == '.' && at > 0); /* no hidden file, nor "." and ".." */
}

/* Writes the encoded name with a NUL; CPX_EINVAL, CPX_ETOOBIG. */
static int encode(cpx_slice name, char out[CPX_VAULT_NAME_MAX + 1]) {
  size_t n = 0;
  if (name.n == 0) return CPX_EINVAL;
  for (size_t i = 0; i < name.n; i++) {
    unsigned char c = (unsigned char)name.p[i];
    if (c < 32 || c == 127) return CPX_EINVAL;
    bool plain = is_plain(c, i);
    if (n + (plain ? 1 : 3) > CPX_VAULT_NAME_MAX) return CPX_ETOOBIG;
    if (plain)
      out[n++] = (char)c;
    else
      n += (size_t)snprintf(out + n, 4, "%%%02X", c);
  }
  out[n] = 0;
  return 0;
}

static int fail_name(cpx_vault_fault *fault, const char *what, cpx_slice name, int err) {
  if (err == CPX_ETOOBIG)
    return cpx_vault_fail(fault, CPX_EINVAL, "the name of the %s is too long: %zu bytes", what, name.n);
  return cpx_vault_fail(fault, CPX_EINVAL, "the name of the %s %s", what,
                        name.n ? "holds a control character" : "is empty");
}

int cpx_token_path_of(const char *root, cpx_slice provider, cpx_slice account, cpx_token_path *out,
                      cpx_vault_fault *fault) {
  char folder[CPX_VAULT_NAME_MAX + 1], file[CPX_VAULT_NAME_MAX + 1];
  int err = encode(provider, folder);
  if (err) return fail_name(fault, "provider", provider, err);
  err = encode(account, file);
  if (err) return fail_name(fault, "account", account, err);
  int a = snprintf(out->folder, sizeof out->folder, "%s/%s", root, folder);
  int b = snprintf(out->path, sizeof out->path, "%s/%s/%s" CPX_TOKEN_SUFFIX, root, folder, file);
  int c = snprintf(out->temporary, sizeof out->temporary, "%s/%s/.%s.tmp", root, folder, file);
  (void)snprintf(out->label, sizeof out->label, "%s/%s" CPX_TOKEN_SUFFIX, folder, file);
  if (a < 0 || b < 0 || c < 0 || b >= (int)sizeof out->path || c >= (int)sizeof out->temporary)
    return cpx_vault_fail(fault, CPX_EINVAL, "the path of the token folder is too long");
  return 0;
}

static int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int cpx_token_name_decode(cpx_slice encoded, cpx_buf *out) {
  size_t before = out->len;
  for (size_t i = 0; i < encoded.n; i++) {
    char c = encoded.p[i];
    if (c == '%') {
      int high = i + 2 < encoded.n ? digit(encoded.p[i + 1]) : -1;
      int low = high >= 0 ? digit(encoded.p[i + 2]) : -1;
      if (low < 0) return CPX_ESYNTAX;
      c = (char)(high * 16 + low);
      i += 2;
    }
    int err = cpx_buf_add(out, &c, 1);
    if (err) return err;
  }
  /* Only what encoding gives is one of ours: each account has one file. */
  char again[CPX_VAULT_NAME_MAX + 1];
  cpx_slice name = cpx_slice_of(out->data ? out->data + before : "", out->len - before);
  bool same = encode(name, again) == 0 && cpx_slice_eq(cpx_slice_str(again), encoded);
  return same ? 0 : CPX_ESYNTAX;
}
