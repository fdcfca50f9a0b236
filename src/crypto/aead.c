#include "crypto/aead.h"

#include "crypto/random.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#define OVERHEAD (CPX_AEAD_NONCE + CPX_AEAD_TAG)

static const unsigned char *bytes_of(cpx_slice s) {
  return (const unsigned char *)(s.n ? s.p : "");
}

/* Both directions take key, nonce and associated data first. */
static int begin(EVP_CIPHER_CTX *ctx, bool seals, const unsigned char *key, const unsigned char *nonce,
                 cpx_slice associated) {
  int n = 0;
  if (EVP_CipherInit_ex2(ctx, EVP_aes_256_gcm(), key, nonce, seals, NULL) != 1) return CPX_EIO;
  if (EVP_CipherUpdate(ctx, NULL, &n, bytes_of(associated), (int)associated.n) != 1) return CPX_EIO;
  return 0;
}

static int seal(EVP_CIPHER_CTX *ctx, const unsigned char *key, cpx_slice associated, cpx_slice plain,
                unsigned char *out) {
  int n = 0, rest = 0;
  int err = cpx_random(out, CPX_AEAD_NONCE);
  if (!err) err = begin(ctx, true, key, out, associated);
  if (err) return err;
  unsigned char *text = out + CPX_AEAD_NONCE;
  if (EVP_CipherUpdate(ctx, text, &n, bytes_of(plain), (int)plain.n) != 1 ||
      EVP_CipherFinal_ex(ctx, text + n, &rest) != 1 ||
      EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, CPX_AEAD_TAG, text + plain.n) != 1)
    return CPX_EIO;
  return 0;
}

static int unseal(EVP_CIPHER_CTX *ctx, const unsigned char *key, cpx_slice associated, cpx_slice sealed,
                  unsigned char *out) {
  const unsigned char *nonce = bytes_of(sealed), *text = nonce + CPX_AEAD_NONCE;
  size_t len = sealed.n - OVERHEAD;
  unsigned char tag[CPX_AEAD_TAG];
  memcpy(tag, text + len, sizeof tag);
  int n = 0, rest = 0;
  int err = begin(ctx, false, key, nonce, associated);
  if (err) return err;
  if (EVP_CipherUpdate(ctx, out, &n, text, (int)len) != 1 ||
      EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, CPX_AEAD_TAG, tag) != 1)
    return CPX_EIO;
  return EVP_CipherFinal_ex(ctx, out + n, &rest) == 1 ? 0 : CPX_EFORGED;
}

int cpx_aead_seal(const unsigned char key[CPX_AEAD_KEY], cpx_slice associated, cpx_slice plain, cpx_buf *out) {
  if (plain.n > INT_MAX - OVERHEAD || associated.n > INT_MAX) return CPX_ETOOBIG;
  int err = cpx_buf_reserve(out, plain.n + OVERHEAD);
  if (err) return err;
  EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
  if (!ctx) return CPX_ENOMEM;
  err = seal(ctx, key, associated, plain, (unsigned char *)out->data + out->len);
  EVP_CIPHER_CTX_free(ctx);
  if (!err) out->len += plain.n + OVERHEAD;
  return err;
}

int cpx_aead_open(const unsigned char key[CPX_AEAD_KEY], cpx_slice associated, cpx_slice sealed, cpx_buf *out) {
  if (sealed.n < OVERHEAD) return CPX_EFORGED;
  if (sealed.n > INT_MAX || associated.n > INT_MAX) return CPX_ETOOBIG;
  size_t len = sealed.n - OVERHEAD;
  int err = cpx_buf_reserve(out, len + 1); /* also of an empty text: OpenSSL wants a place to write to */
  if (err) return err;
  EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
  if (!ctx) return CPX_ENOMEM;
  err = unseal(ctx, key, associated, sealed, (unsigned char *)out->data + out->len);
  EVP_CIPHER_CTX_free(ctx);
  if (err)
    cpx_cleanse(out->data + out->len, len);
  else
    out->len += len;
  return err;
}

void cpx_cleanse(void *bytes, size_t n) {
  OPENSSL_cleanse(bytes, n);
}

void cpx_buf_cleanse(cpx_buf *b) {
  if (b->data) cpx_cleanse(b->data, b->cap);
  cpx_buf_deinit(b);
}
