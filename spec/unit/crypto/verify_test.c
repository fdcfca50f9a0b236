/* The signatures of RFC 7515's appendices, and keys that OpenSSL makes here. */
#include "c_test.h"

#include "crypto/encode.h"
#include "crypto/verify.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

static cpx_buf from_base64url(const char *text) {
  cpx_buf b;
  cpx_buf_init(&b, 10000);
  if (cpx_base64url_decode(cpx_slice_str(text), &b)) abort();
  return b;
}

#define CLAIMS "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

/* A token of the RFC: right as it stands; wrong in any byte of data or signature. */
static void check_token(int (*verify)(cpx_slice, cpx_slice, cpx_slice, cpx_slice), const char *a_text,
                        const char *b_text, const char *input, const char *signature_text) {
  cpx_buf a = from_base64url(a_text), b = from_base64url(b_text), signature = from_base64url(signature_text);
  cpx_slice data = cpx_slice_str(input), sig = cpx_buf_slice(&signature);
  CHECK_INT(verify(cpx_buf_slice(&a), cpx_buf_slice(&b), data, sig), 0);
  CHECK_INT(verify(cpx_buf_slice(&a), cpx_buf_slice(&b), cpx_slice_of(data.p, data.n - 1), sig), CPX_EFORGED);
  CHECK_INT(verify(cpx_buf_slice(&a), cpx_buf_slice(&b), data, cpx_slice_of(sig.p, sig.n - 1)), CPX_EFORGED);
  CHECK_INT(verify(cpx_buf_slice(&a), cpx_buf_slice(&b), data, cpx_slice_of(NULL, 0)), CPX_EFORGED);
  for (size_t i = 0; i < sig.n; i++) {
    signature.data[i] ^= 4;
    CHECK_INT(verify(cpx_buf_slice(&a), cpx_buf_slice(&b), data, sig), CPX_EFORGED);
    signature.data[i] ^= 4;
  }
  memset(signature.data, 0, signature.len);
  CHECK_INT(verify(cpx_buf_slice(&a), cpx_buf_slice(&b), data, sig), CPX_EFORGED);
  cpx_buf_deinit(&a);
  cpx_buf_deinit(&b);
  cpx_buf_deinit(&signature);
}

static void rs256_is_that_of_rfc_7515_a_2(void) {
  check_token(
      cpx_verify_rs256,
      "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-"
      "pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2Ca"
      "pHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb5"
      "4h4FRWyuXpoQ",
      "AQAB", "eyJhbGciOiJSUzI1NiJ9." CLAIMS,
      "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr"
      "7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--x"
      "i12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_Ioy"
      "pGlUPQGe77Rw");
}

static void es256_is_that_of_rfc_7515_a_3(void) {
  check_token(cpx_verify_es256, "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
              "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", "eyJhbGciOiJFUzI1NiJ9." CLAIMS,
              "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q");
}

typedef struct rsa {
  unsigned char n[2048], e[8], signature[2048];
  cpx_slice modulus, exponent, signed_bytes;
} rsa;

static cpx_slice number_of(EVP_PKEY *key, const char *name, unsigned char *room) {
  BIGNUM *number = NULL;
  if (EVP_PKEY_get_bn_param(key, name, &number) != 1) abort();
  int n = BN_bn2bin(number, room);
  BN_free(number);
  return cpx_slice_of((const char *)room, (size_t)n);
}

/* A key of so many bits, and its signature over "data". */
static void make_rsa(rsa *r, unsigned bits) {
  EVP_PKEY *key = EVP_RSA_gen(bits);
  EVP_MD_CTX *ctx = EVP_MD_CTX_new();
  size_t n = sizeof r->signature;
  if (!key || EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) != 1 ||
      EVP_DigestSign(ctx, r->signature, &n, (const unsigned char *)"data", 4) != 1)
    abort();
  r->modulus = number_of(key, OSSL_PKEY_PARAM_RSA_N, r->n);
  r->exponent = number_of(key, OSSL_PKEY_PARAM_RSA_E, r->e);
  r->signed_bytes = cpx_slice_of((const char *)r->signature, n);
  EVP_MD_CTX_free(ctx);
  EVP_PKEY_free(key);
}

static void rsa_keys_are_neither_short_nor_odd(void) {
  static rsa good, weak, other;
  make_rsa(&good, 2048);
  make_rsa(&weak, 1024);
  make_rsa(&other, 3072);
  CHECK_INT(cpx_verify_rs256(good.modulus, good.exponent, CPX_SLICE("data"), good.signed_bytes), 0);
  CHECK_INT(cpx_verify_rs256(other.modulus, other.exponent, CPX_SLICE("data"), other.signed_bytes), 0);
  CHECK_INT(cpx_verify_rs256(other.modulus, other.exponent, CPX_SLICE("data"), good.signed_bytes), CPX_EFORGED);
  CHECK_INT(cpx_verify_rs256(weak.modulus, weak.exponent, CPX_SLICE("data"), weak.signed_bytes), CPX_EINVAL);
  cpx_slice exponents[] = {CPX_SLICE(""), CPX_SLICE("\1"), CPX_SLICE("\2"), CPX_SLICE("\1\0\0\0\1")};
  for (size_t i = 0; i < sizeof exponents / sizeof *exponents; i++)
    CHECK_INT(cpx_verify_rs256(good.modulus, exponents[i], CPX_SLICE("data"), good.signed_bytes), CPX_EINVAL);
  static char huge[2000];
  memset(huge, 0xff, sizeof huge);
  CHECK_INT(cpx_verify_rs256(cpx_slice_of(huge, sizeof huge), good.exponent, CPX_SLICE("data"),
                             cpx_slice_of(huge, sizeof huge)),
            CPX_EINVAL);
  CHECK_INT(cpx_verify_rs256(cpx_slice_of(NULL, 0), good.exponent, CPX_SLICE("data"), good.signed_bytes), CPX_EINVAL);
}

static void points_off_the_curve_are_no_keys(void) {
  char x[32] = {1}, y[32] = {2}, signature[64] = {3};
  CHECK_INT(cpx_verify_es256(cpx_slice_of(x, 32), cpx_slice_of(y, 32), CPX_SLICE("data"), cpx_slice_of(signature, 64)),
            CPX_EINVAL);
  CHECK_INT(cpx_verify_es256(cpx_slice_of(x, 31), cpx_slice_of(y, 32), CPX_SLICE("data"), cpx_slice_of(signature, 64)),
            CPX_EINVAL);
}

int main(int argc, char **argv) {
  ct_init(argc, argv);
  RUN(rs256_is_that_of_rfc_7515_a_2);
  RUN(es256_is_that_of_rfc_7515_a_3);
  RUN(rsa_keys_are_neither_short_nor_odd);
  RUN(points_off_the_curve_are_no_keys);
  return ct_summary();
}
