#include "crypto/encode.h"

#include <stdint.h>

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* -- Hexadecimal ------------------------------------------------------------------------------------------------ */

int cpx_hex_encode(cpx_slice data, cpx_buf *out) {
  static const char digits[] = "0123456789abcdef";
  int err = data.n > SIZE_MAX / 2 ? CPX_ETOOBIG : cpx_buf_reserve(out, data.n * 2);
  if (err) return err;
  for (size_t i = 0; i < data.n; i++) {
    unsigned char c = (unsigned char)data.p[i];
    out->data[out->len++] = digits[c >> 4];
    out->data[out->len++] = digits[c & 15];
  }
  return 0;
}

static int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

int cpx_hex_decode(cpx_slice text, cpx_buf *out) {
  if (text.n % 2) return CPX_ESYNTAX;
  int err = cpx_buf_reserve(out, text.n / 2);
  if (err) return err;
  for (size_t i = 0; i < text.n; i += 2) {
    int high = hex_value(text.p[i]), low = hex_value(text.p[i + 1]);
    if (high < 0 || low < 0) return CPX_ESYNTAX;
    out->data[out->len++] = (char)(high << 4 | low);
  }
  return 0;
}

/* -- Base 64 ---------------------------------------------------------------------------------------------------- */

static int encode(cpx_slice data, cpx_buf *out, const char *alphabet, bool pad) {
  int err = data.n > SIZE_MAX / 2 ? CPX_ETOOBIG : cpx_buf_reserve(out, (data.n + 2) / 3 * 4);
  if (err) return err;
  const unsigned char *p = (const unsigned char *)data.p;
  char *to = data.n ? out->data + out->len : NULL;
  size_t i = 0;
  for (; i + 3 <= data.n; i += 3) {
    uint32_t v = (uint32_t)p[i] << 16 | (uint32_t)p[i + 1] << 8 | p[i + 2];
    *to++ = alphabet[v >> 18];
    *to++ = alphabet[v >> 12 & 63];
    *to++ = alphabet[v >> 6 & 63];
    *to++ = alphabet[v & 63];
  }
  if (i < data.n) {
    bool two = i + 1 < data.n;
    uint32_t v = (uint32_t)p[i] << 16 | (two ? (uint32_t)p[i + 1] << 8 : 0);
    *to++ = alphabet[v >> 18];
    *to++ = alphabet[v >> 12 & 63];
    if (two) *to++ = alphabet[v >> 6 & 63];
    for (int n = two ? 1 : 2; pad && n > 0; n--) *to++ = '=';
  }
  if (to) out->len = (size_t)(to - out->data);
  return 0;
}

/* 0..63, or 64 for what is not in the alphabet. */
static uint32_t value_of(unsigned char c, const char *alphabet) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26U;
  if (c >= '0' && c <= '9') return c - '0' + 52U;
  if (c == (unsigned char)alphabet[62]) return 62;
  if (c == (unsigned char)alphabet[63]) return 63;
  return 64;
}

static int decode(cpx_slice text, cpx_buf *out, const char *alphabet) {
  int err = cpx_buf_reserve(out, text.n / 4 * 3 + 3);
  if (err) return err;
  uint32_t v = 0;
  for (size_t i = 0; i < text.n; i++) {
    uint32_t six = value_of((unsigned char)text.p[i], alphabet);
    if (six > 63) return CPX_ESYNTAX;
    v = v << 6 | six;
    if (i % 4 == 3) {
      out->data[out->len++] = (char)(v >> 16);
      out->data[out->len++] = (char)(v >> 8);
      out->data[out->len++] = (char)v;
      v = 0;
    }
  }
  size_t rest = text.n % 4;
  if (rest == 1 || (rest == 2 && (v & 15)) || (rest == 3 && (v & 3))) return CPX_ESYNTAX;
  if (rest == 2) out->data[out->len++] = (char)(v >> 4);
  if (rest == 3) {
    out->data[out->len++] = (char)(v >> 10);
    out->data[out->len++] = (char)(v >> 2);
  }
  return 0;
}

static cpx_slice without_padding(cpx_slice text) {
  if (text.n == 0 || text.n % 4) return text;
  if (text.p[text.n - 1] == '=') text.n--;
  if (text.p[text.n - 1] == '=') text.n--;
  return text;
}

int cpx_base64_encode(cpx_slice data, cpx_buf *out) {
  return encode(data, out, standard, true);
}

int cpx_base64_decode(cpx_slice text, cpx_buf *out) {
  if (text.n % 4) return CPX_ESYNTAX;
  return decode(without_padding(text), out, standard);
}

int cpx_base64url_encode(cpx_slice data, cpx_buf *out) {
  return encode(data, out, url_safe, false);
}

int cpx_base64url_decode(cpx_slice text, cpx_buf *out) {
  return decode(without_padding(text), out, url_safe);
}
