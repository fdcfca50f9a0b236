/* Strings between their escaped and their plain form. */
#include "json/scan.h"
#include "json/tape.h"

static unsigned hex4(const char *p) {
  unsigned v = 0;
  for (int i = 0; i < 4; i++) {
    unsigned char c = (unsigned char)p[i];
    v = v << 4 | (c <= '9' ? c - 48u : (c | 32u) - 87u); /* '0' is 48, 'a' is 97 */
  }
  return v;
}

/* UTF-8 of a code point; a lone surrogate becomes the three bytes that its number gives. */
static int put_utf8(unsigned v, char *out) {
  if (v < 0x80) {
    out[0] = (char)v;
    return 1;
  }
  int n = v < 0x800 ? 2 : v < 0x10000 ? 3 : 4;
  for (int i = n - 1; i > 0; i--, v >>= 6) out[i] = (char)(0x80 | (v & 0x3F));
  out[0] = (char)((0xF00 >> n) | v);
  return n;
}

/* Decodes the escape at `p` (a valid string's backslash) into at most four bytes; returns what follows it. */
static const char *decode_escape(const char *p, const char *end, char out[4], int *n) {
  *n = 1;
  switch (p[1]) {
  case 'b': out[0] = '\b'; return p + 2;
  case 'f': out[0] = '\f'; return p + 2;
  case 'n': out[0] = '\n'; return p + 2;
  case 'r': out[0] = '\r'; return p + 2;
  case 't': out[0] = '\t'; return p + 2;
  case 'u': break;
  default: out[0] = p[1]; return p + 2;
  }
  unsigned v = hex4(p + 2);
  p += 6;
  if (v >= 0xD800 && v < 0xDC00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
    unsigned low = hex4(p + 2);
    if (low >= 0xDC00 && low < 0xE000) {
      v = 0x10000 + ((v - 0xD800) << 10) + (low - 0xDC00);
      p += 6;
    }
  }
  *n = put_utf8(v, out);
  return p;
}

int cpx_json_unescape(cpx_slice quoted, cpx_buf *out) {
  const char *p = quoted.p + 1, *end = quoted.p + quoted.n - 1;
  int err = cpx_buf_reserve(out, quoted.n - 2);
  if (err) return err;
  char *to = out->data + out->len; /* an escape is never shorter than what it stands for */
  while (p < end) {
    const char *stop = memchr(p, '\\', (size_t)(end - p));
    size_t run = (size_t)((stop ? stop : end) - p);
    memcpy(to, p, run);
    to += run;
    p += run;
    if (!stop) break;
    char text[4];
    int n;
    p = decode_escape(p, end, text, &n);
    memcpy(to, text, (size_t)n);
    to += n;
  }
  out->len = (size_t)(to - out->data);
  return 0;
}

static bool escaped_is(const char *p, const char *end, const char *text, size_t n) {
  while (p < end) {
    char one[4] = {*p};
    int k = 1;
    p = *p == '\\' ? decode_escape(p, end, one, &k) : p + 1;
    if ((size_t)k > n || memcmp(one, text, (size_t)k) != 0) return false;
    text += k;
    n -= (size_t)k;
  }
  return n == 0;
}

bool cpx_json_cell_is(const cpx_json_cell *c, const char *bytes, const char *text, size_t n) {
  const char *p = bytes + c->offset + 1;
  if (c->info & CELL_ESCAPED) return escaped_is(p, bytes + c->offset + c->length - 1, text, n);
  return c->length == n + 2 && (n == 0 || memcmp(p, text, n) == 0);
}

/* -- Writing. ----------------------------------------------------------------------------------------------------- */

static int write_special(cpx_buf *out, unsigned char c) {
  static const char hex[] = "0123456789abcdef";
  char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
  const char *shorts = "\"\"\\\\\bb\ff\nn\rr\tt";
  for (const char *s = shorts; *s; s += 2) {
    if ((unsigned char)*s != c) continue;
    text[1] = s[1];
    return cpx_buf_add(out, text, 2);
  }
  return cpx_buf_add(out, text, 6);
}

static int write_surrogate(cpx_buf *out, const char *p) {
  unsigned v = 0xD000u | ((unsigned)(p[1] & 0x3F) << 6) | (unsigned)(p[2] & 0x3F);
  return cpx_buf_printf(out, "\\u%04x", v);
}

/* Steps over bytes from 0x80 on that can stand as they are; stops at a surrogate. */
static const char *plain_utf8(const char *p, const char *end, bool *bad) {
  while (p < end && (unsigned char)*p >= 0x80) {
    int n = scan_utf8(p, end, 0);
    if (!n) {
      *bad = scan_utf8(p, end, 1) == 0;
      return p;
    }
    p += n;
  }
  return p;
}

static int write_content(cpx_buf *out, const char *p, const char *end) {
  const char *run = p;
  for (;;) {
    bool bad = false;
    p = scan_string(p, end);
    if (p < end && (unsigned char)*p >= 0x80) {
      const char *next = plain_utf8(p, end, &bad);
      if (bad) return CPX_EUTF8;
      if (next > p) {
        p = next;
        continue;
      }
    }
    int err = cpx_buf_add(out, run, (size_t)(p - run));
    if (err || p == end) return err;
    bool surrogate = (unsigned char)*p >= 0x80;
    err = surrogate ? write_surrogate(out, p) : write_special(out, (unsigned char)*p);
    if (err) return err;
    p += surrogate ? 3 : 1;
    run = p;
  }
}

int cpx_json_write_string(cpx_buf *out, cpx_slice text) {
  size_t before = out->len;
  int err = cpx_buf_reserve(out, text.n + 2);
  if (!err) err = cpx_buf_add(out, "\"", 1);
  if (!err && text.n > 0) err = write_content(out, text.p, text.p + text.n);
  if (!err) err = cpx_buf_add(out, "\"", 1);
  if (err) out->len = before;
  return err;
}

/* Behind the escape at `p`, or NULL. */
static const char *escape_end(const char *p, const char *end) {
  if (end - p < 2) return NULL;
  switch (p[1]) {
  case '"':
  case '\\':
  case '/':
  case 'b':
  case 'f':
  case 'n':
  case 'r':
  case 't': return p + 2;
  case 'u': break;
  default: return NULL;
  }
  if (end - p < 6) return NULL;
  for (int i = 2; i < 6; i++) {
    char c = p[i];
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))) return NULL;
  }
  return p + 6;
}

const char *cpx_json_string_end(const char *p, const char *end) {
  if (p == end || *p != '"') return NULL;
  p++;
  while (p) {
    p = scan_string(p, end);
    if (p == end) return NULL;
    unsigned char c = (unsigned char)*p;
    if (c == '"') return p + 1;
    if (c == '\\')
      p = escape_end(p, end);
    else {
      int n = c < 0x20 ? 0 : scan_utf8(p, end, 0);
      p = n ? p + n : NULL;
    }
  }
  return NULL;
}

int cpx_json_unquote(cpx_slice quoted, cpx_buf *out) {
  if (quoted.n < 2 || cpx_json_string_end(quoted.p, quoted.p + quoted.n) != quoted.p + quoted.n) return CPX_ESYNTAX;
  return cpx_json_unescape(quoted, out);
}
