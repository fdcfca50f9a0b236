/* tap_read.c - what was picked, as people read it: texts unescaped, figures normalised. */
#include "http/tap_pick.h"

#include <ctype.h>

static int hex4(const char *p, const char *end, unsigned *out) {
  unsigned value = 0;
  if (end - p < 4) return CPX_ESYNTAX;
  for (int i = 0; i < 4; i++) {
    unsigned char c = (unsigned char)p[i];
    if (!isxdigit(c)) return CPX_ESYNTAX;
    value = value * 16 + (unsigned)(isdigit(c) ? c - '0' : (tolower(c) - 'a') + 10);
  }
  *out = value;
  return 0;
}

static size_t put_utf8(unsigned code, char *to) {
  if (code < 0x80) {
    to[0] = (char)code;
    return 1;
  }
  if (code < 0x800) {
    to[0] = (char)(0xc0 | code >> 6);
    to[1] = (char)(0x80 | (code & 0x3f));
    return 2;
  }
  if (code < 0x10000) {
    to[0] = (char)(0xe0 | code >> 12);
    to[1] = (char)(0x80 | (code >> 6 & 0x3f));
    to[2] = (char)(0x80 | (code & 0x3f));
    return 3;
  }
  to[0] = (char)(0xf0 | code >> 18);
  to[1] = (char)(0x80 | (code >> 12 & 0x3f));
  to[2] = (char)(0x80 | (code >> 6 & 0x3f));
  to[3] = (char)(0x80 | (code & 0x3f));
  return 4;
}

/* Behind "\u": one code point, from one or two units; a lone surrogate becomes U+FFFD. */
static const char *read_unicode(const char *p, const char *end, unsigned *code) {
  unsigned low;
  if (hex4(p, end, code)) {
    *code = 0xfffd;
    return p;
  }
  p += 4;
  if (*code < 0xd800 || *code > 0xdfff) return p;
  if (*code < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u' && hex4(p + 2, end, &low) == 0 && low >= 0xdc00 &&
      low <= 0xdfff) {
    *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    return p + 6;
  }
  *code = 0xfffd;
  return p;
}

/* The result is never longer than the source. */
static size_t unescape(cpx_slice s, char *to) {
  static const char from[] = "bfnrt", plain[] = "\b\f\n\r\t";
  const char *p = s.p, *end = s.p + s.n;
  char *start = to;
  while (p < end) {
    if (*p != '\\' || p + 1 == end) {
      *to++ = *p++;
      continue;
    }
    char c = p[1];
    p += 2;
    if (c == 'u') {
      unsigned code;
      p = read_unicode(p, end, &code);
      to += put_utf8(code, to);
    } else {
      const char *at = strchr(from, c);
      *to++ = c && at ? plain[at - from] : c;
    }
  }
  return (size_t)(to - start);
}

static cpx_slice text_of(const cpx_tap_facts *facts, enum cpx_tap_text text, cpx_buf *storage) {
  cpx_slice raw = {facts->words.data + facts->texts[text].at, facts->texts[text].n};
  if (raw.n == 0) return (cpx_slice){"", 0};
  char *to = storage->data + storage->len;
  if (raw.p[0] == '"') {
    raw = (cpx_slice){raw.p + 1, raw.n - 2};
    raw.n = unescape(raw, to);
  } else {
    memcpy(to, raw.p, raw.n);
  }
  storage->len += raw.n;
  return (cpx_slice){to, raw.n};
}

static int64_t sum(int64_t a, int64_t b) {
  if (a < 0) return b;
  return b < 0 ? a : a + b;
}

static cpx_usage usage_of(enum cpx_dialect dialect, const int64_t *f) {
  cpx_usage u = {f[CPX_TAP_INPUT], f[CPX_TAP_OUTPUT], f[CPX_TAP_CACHED], f[CPX_TAP_WRITTEN], f[CPX_TAP_REASONING]};
  if (dialect == CPX_DIALECT_ANTHROPIC) u.input = sum(u.input, sum(u.cached, u.cache_written));
  if (dialect == CPX_DIALECT_GEMINI) {
    u.input = sum(u.input, f[CPX_TAP_EXTRA]);
    u.output = sum(u.output, u.reasoning);
  }
  return u;
}

bool cpx_tap_usage(const cpx_tap *tap, cpx_usage *out) {
  if (tap->unread || tap->facts.texts[CPX_TAP_MESSAGE].n) return false;
  *out = usage_of(tap->dialect, tap->facts.figures);
  return true;
}

int cpx_tap_facts_read(enum cpx_dialect dialect, const cpx_tap_facts *facts, cpx_buf *storage, cpx_tapped *out) {
  size_t need = 0;
  for (int i = 0; i < CPX_TAP_TEXTS; i++) need += facts->texts[i].n;
  /* A "\u" whose digits are missing grows by one byte, into U+FFFD: never more than doubles. */
  int err = cpx_buf_reserve(storage, need * 2);
  if (err) return err;
  *out = (cpx_tapped){.usage = usage_of(dialect, facts->figures)};
  out->model = text_of(facts, CPX_TAP_MODEL, storage);
  out->id = text_of(facts, CPX_TAP_ID, storage);
  out->stop = text_of(facts, CPX_TAP_STOP, storage);
  out->error_message = text_of(facts, CPX_TAP_MESSAGE, storage);
  out->error_code = text_of(facts, facts->texts[CPX_TAP_CODE].n ? CPX_TAP_CODE : CPX_TAP_KIND, storage);
  return 0;
}
