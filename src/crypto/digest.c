#include "crypto/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

static const char *const names[] = {"SHA1", "SHA256", "SHA512"};
static const size_t lengths[] = {20, 32, 64};

/* Fetched once: OpenSSL 3 looks an algorithm up in about a microsecond, longer than hashing a key takes. They live as
 * long as the process. */
static const EVP_MD *algorithm(enum cpx_digest kind) {
  static const EVP_MD *fetched[3];
  if (!fetched[kind]) fetched[kind] = EVP_MD_fetch(NULL, names[kind], NULL);
  return fetched[kind];
}

size_t cpx_digest_len(enum cpx_digest kind) {
  return lengths[kind];
}

int cpx_digest(enum cpx_digest kind, cpx_slice data, unsigned char out[CPX_DIGEST_MAX]) {
  const EVP_MD *md = algorithm(kind);
  if (md && EVP_Digest(data.n ? data.p : "", data.n, out, NULL, md, NULL) == 1) return 0;
  memset(out, 0, CPX_DIGEST_MAX);
  return CPX_EIO;
}

int cpx_hmac(enum cpx_digest kind, cpx_slice key, cpx_slice data, unsigned char out[CPX_DIGEST_MAX]) {
  const EVP_MD *md = algorithm(kind);
  unsigned int len = 0;
  const unsigned char *bytes = (const unsigned char *)(data.n ? data.p : "");
  if (md && key.n <= INT32_MAX && HMAC(md, key.n ? key.p : "", (int)key.n, bytes, data.n, out, &len)) return 0;
  memset(out, 0, CPX_DIGEST_MAX);
  return CPX_EIO;
}

bool cpx_secret_eq(cpx_slice a, cpx_slice b) {
  return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}
