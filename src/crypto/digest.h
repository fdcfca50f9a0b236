/* digest.h - digests and HMAC over whole byte runs, and comparing secrets.
 *
 * Borrows: its arguments. Owns nothing.
 * Errors:  CPX_EIO when OpenSSL refuses (a policy that forbids SHA-1, say); `out` is then zeroed.
 */
#ifndef CPX_CRYPTO_DIGEST_H
#define CPX_CRYPTO_DIGEST_H

#include "base/error.h"
#include "base/slice.h"

#define CPX_DIGEST_MAX 64

enum cpx_digest { CPX_SHA1, CPX_SHA256, CPX_SHA512 };

/* The length of a digest in bytes. */
size_t cpx_digest_len(enum cpx_digest kind);
CPX_MUST_CHECK int cpx_digest(enum cpx_digest kind, cpx_slice data, unsigned char out[CPX_DIGEST_MAX]);
CPX_MUST_CHECK int cpx_hmac(enum cpx_digest kind, cpx_slice key, cpx_slice data, unsigned char out[CPX_DIGEST_MAX]);

/* Takes as long wherever two runs of one length differ. Their lengths are not secret: compare digests. */
bool cpx_secret_eq(cpx_slice a, cpx_slice b);

#endif
