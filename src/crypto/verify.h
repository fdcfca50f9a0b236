/* verify.h - the two signatures that JSON Web Tokens come with (RFC 7518): RS256 and ES256.
 *
 * Keys are the numbers of a JSON Web Key, decoded: big-endian, without a sign.
 *
 * Borrows: its arguments. Owns nothing.
 * Errors:  CPX_EFORGED when the signature is not of this key over these bytes; CPX_EINVAL when the key cannot be used:
 *          RSA of less than 2,048 or more than 8,192 bits, an exponent that is even, 1 or longer than 32 bits, a point
 *          that is not on the curve; CPX_EIO when OpenSSL refuses.
 */
#ifndef CPX_CRYPTO_VERIFY_H
#define CPX_CRYPTO_VERIFY_H

#include "base/error.h"
#include "base/slice.h"

/* RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3): modulus `n`, exponent `e`. */
CPX_MUST_CHECK int cpx_verify_rs256(cpx_slice n, cpx_slice e, cpx_slice data, cpx_slice signature);
/* ECDSA on P-256 with SHA-256 (RFC 7518 §3.4): `x` and `y` of 32 bytes, the signature r and s, 64 bytes together. */
CPX_MUST_CHECK int cpx_verify_es256(cpx_slice x, cpx_slice y, cpx_slice data, cpx_slice signature);

#endif
