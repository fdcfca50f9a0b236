#include "crypto/verify.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#define RSA_BYTES_MIN 256
#define RSA_BYTES_MAX 1024 /* a check takes a time that grows with the square: 8,192 bits take 0.4 ms */
#define EXPONENT_MAX  4
#define P256_BYTES    32UL

/* A public key of a kind ("RSA", "EC") from its parameters. */
static EVP_PKEY *key_of(const char *kind, OSSL_PARAM *params) {
  EVP_PKEY *key = NULL;
  EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
  if (ctx && (EVP_PKEY_fromdata_init(ctx) != 1 || EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1))
    key = NULL;
  EVP_PKEY_CTX_free(ctx);
  return key;
}

static int check(EVP_PKEY *key, cpx_slice data, const unsigned char *signature, size_t n) {
  EVP_MD_CTX *ctx = EVP_MD_CTX_new();
  int err = CPX_EIO;
  if (ctx && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1) {
    const unsigned char *bytes = (const unsigned char *)(data.n ? data.p : "");
    err = EVP_DigestVerify(ctx, signature, n, bytes, data.n) == 1 ? 0 : CPX_EFORGED;
  }
  EVP_MD_CTX_free(ctx);
  ERR_clear_error(); /* a wrong signature leaves entries behind that the next TLS call would read as its own */
  return err;
}

static cpx_slice without_zeros(cpx_slice s) {
  while (s.n && *s.p == 0) {
    s.p++;
    s.n--;
  }
  return s;
}

static bool is_fit_for_rsa(cpx_slice n, cpx_slice e) {
  if (n.n < RSA_BYTES_MIN || n.n > RSA_BYTES_MAX || e.n == 0 || e.n > EXPONENT_MAX) return false;
  bool is_one = e.n == 1 && e.p[0] == 1;
  return (e.p[e.n - 1] & 1) && !is_one && (n.p[n.n - 1] & 1) && (n.n > RSA_BYTES_MIN || (n.p[0] & 0x80));
}

static EVP_PKEY *rsa_key(cpx_slice n, cpx_slice e) {
  EVP_PKEY *key = NULL;
  OSSL_PARAM *params = NULL;
  OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
  BIGNUM *modulus = BN_bin2bn((const unsigned char *)n.p, (int)n.n, NULL);
  BIGNUM *exponent = BN_bin2bn((const unsigned char *)e.p, (int)e.n, NULL);
  if (builder && modulus && exponent && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
      OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent) == 1)
    params = OSSL_PARAM_BLD_to_param(builder);
  if (params) key = key_of("RSA", params);
  OSSL_PARAM_free(params);
  OSSL_PARAM_BLD_free(builder);
  BN_free(modulus);
  BN_free(exponent);
  return key;
}

int cpx_verify_rs256(cpx_slice n, cpx_slice e, cpx_slice data, cpx_slice signature) {
  n = without_zeros(n);
  e = without_zeros(e);
  if (!is_fit_for_rsa(n, e)) return CPX_EINVAL;
  if (signature.n != n.n) return CPX_EFORGED;
  EVP_PKEY *key = rsa_key(n, e);
  if (!key) {
    ERR_clear_error();
    return CPX_EINVAL;
  }
  int err = check(key, data, (const unsigned char *)signature.p, signature.n);
  EVP_PKEY_free(key);
  return err;
}

/* The key as an uncompressed point (SEC 1 §2.3.3). */
static EVP_PKEY *p256_key(cpx_slice x, cpx_slice y) {
  unsigned char point[1 + 2 * P256_BYTES] = {4};
  char group[] = "P-256";
  memcpy(point + 1, x.p, P256_BYTES);
  memcpy(point + 1 + P256_BYTES, y.p, P256_BYTES);
  OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
                         OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
                         OSSL_PARAM_construct_end()};
  return key_of("EC", params);
}

/* r and s as the DER that OpenSSL reads; NULL when out of memory. The caller frees it with OPENSSL_free. */
static unsigned char *der_of(cpx_slice signature, int *len) {
  const unsigned char *bytes = (const unsigned char *)signature.p;
  unsigned char *der = NULL;
  ECDSA_SIG *sig = ECDSA_SIG_new();
  BIGNUM *r = BN_bin2bn(bytes, (int)P256_BYTES, NULL), *s = BN_bin2bn(bytes + P256_BYTES, (int)P256_BYTES, NULL);
  if (sig && r && s && ECDSA_SIG_set0(sig, r, s) == 1) {
    r = s = NULL; /* sig's now */
    *len = i2d_ECDSA_SIG(sig, &der);
  }
  BN_free(r);
  BN_free(s);
  ECDSA_SIG_free(sig);
  return der;
}

int cpx_verify_es256(cpx_slice x, cpx_slice y, cpx_slice data, cpx_slice signature) {
  if (x.n != P256_BYTES || y.n != P256_BYTES) return CPX_EINVAL;
  if (signature.n != 2 * P256_BYTES) return CPX_EFORGED;
  EVP_PKEY *key = p256_key(x, y);
  if (!key) {
    ERR_clear_error();
    return CPX_EINVAL;
  }
  int len = 0;
  unsigned char *der = der_of(signature, &len);
  int err = der && len > 0 ? check(key, data, der, (size_t)len) : CPX_ENOMEM;
  OPENSSL_free(der);
  EVP_PKEY_free(key);
  return err;
}
