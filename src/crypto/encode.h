/* encode.h - hexadecimal, base64 and base64url text of bytes, and back.
 *
 * Encoding appends to `out`, within its bound. Decoding is strict: CPX_ESYNTAX for any character outside the alphabet
 * (white space included), wrong padding, or bits that no encoder would set; `out` may then hold a part. base64 has
 * padding; base64url is written without and read with or without it.
 */
#ifndef CPX_CRYPTO_ENCODE_H
#define CPX_CRYPTO_ENCODE_H

#include "base/buf.h"

CPX_MUST_CHECK int cpx_hex_encode(cpx_slice data, cpx_buf *out);
CPX_MUST_CHECK int cpx_hex_decode(cpx_slice text, cpx_buf *out);
CPX_MUST_CHECK int cpx_base64_encode(cpx_slice data, cpx_buf *out);
CPX_MUST_CHECK int cpx_base64_decode(cpx_slice text, cpx_buf *out);
CPX_MUST_CHECK int cpx_base64url_encode(cpx_slice data, cpx_buf *out);
CPX_MUST_CHECK int cpx_base64url_decode(cpx_slice text, cpx_buf *out);

#endif
