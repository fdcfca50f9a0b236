/* aead.h - AES-256-GCM over whole byte runs (NIST SP 800-38D), and wiping memory that held a secret.
 *
 * A sealed run is nonce, ciphertext, tag. The nonce is random, 96 bits: one key may seal 2^32 runs before two of them
 * are likely to share one.
 *
 * Borrows: its arguments. What is appended to `out` is the caller's.
 * Errors:  CPX_EFORGED when the tag does not fit: another key, other associated data, or changed bytes; CPX_EIO when
 *          OpenSSL refuses; those of the buffer. `out` is then as it was, and what was decrypted is wiped.
 */
#ifndef CPX_CRYPTO_AEAD_H
#define CPX_CRYPTO_AEAD_H

#include "base/buf.h"

#define CPX_AEAD_KEY   32
#define CPX_AEAD_NONCE 12
#define CPX_AEAD_TAG   16

CPX_MUST_CHECK int cpx_aead_seal(const unsigned char key[CPX_AEAD_KEY], cpx_slice associated, cpx_slice plain,
                                 cpx_buf *out);
CPX_MUST_CHECK int cpx_aead_open(const unsigned char key[CPX_AEAD_KEY], cpx_slice associated, cpx_slice sealed,
                                 cpx_buf *out);

/* Overwrites memory in a way that no compiler leaves out. */
void cpx_cleanse(void *bytes, size_t n);
/* Wipes a buffer's memory and frees it. */
void cpx_buf_cleanse(cpx_buf *b);

#endif
