/* random.h - bytes that nobody can guess, from OpenSSL's generator. */
#ifndef CPX_CRYPTO_RANDOM_H
#define CPX_CRYPTO_RANDOM_H

#include "base/error.h"

#include <stddef.h>

#define CPX_UUID_LEN 36

/* CPX_EIO when the system gives no randomness; `out` is then zeroed and must not be used. */
CPX_MUST_CHECK int cpx_random(void *out, size_t n);
/* A random UUID (version 4) as text with a NUL. */
CPX_MUST_CHECK int cpx_random_uuid(char out[CPX_UUID_LEN + 1]);

#endif
