#include "http/parser.h"

#include "base/limits.h"

#include <stdlib.h>

#define PIECE      2048 /* copied at a time: most heads are smaller, and what follows the head is not copied twice */
#define METHOD_MAX 32

/* 1: may stand in a token (RFC 9110 §5.6.2). */
static const unsigned char token_chars[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,
    ['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0'] = 1,  ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1,
    ['5'] = 1, ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1, ['A'] = 1,  ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1,
    ['F'] = 1, ['G'] = 1, ['H'] = 1, ['I'] = 1, ['J'] = 1, ['K'] = 1,  ['L'] = 1, ['M'] = 1, ['N'] = 1, ['O'] = 1,
    ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1, ['U'] = 1,  ['V'] = 1, ['W'] = 1, ['X'] = 1, ['Y'] = 1,
    ['Z'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1,  ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1,
    ['j'] = 1, ['k'] = 1, ['l'] = 1, ['m'] = 1, ['n'] = 1, ['o'] = 1,  ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1,
    ['t'] = 1, ['u'] = 1, ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1,  ['z'] = 1,
};

bool cpx_is_token_char(char c) {
  return token_chars[(unsigned char)c];
}

/* Eight bytes at once: a byte below 0x20, or one that is 0x7f. Never misses one; says yes to some that are fine. */
static bool may_be_bad(uint64_t x) {
  const uint64_t ones = 0x0101010101010101u, high = ones << 7;
  uint64_t del = x ^ (ones * 0x7f);
  return (((x - ones * 0x20) & ~x) | ((del - ones) & ~del)) & high;
}

bool cpx_is_field_value(cpx_slice s) {
  unsigned char bad = 0;
  size_t i = 0;
  uint64_t word;
  for (; i + 8 <= s.n; i += 8) {
    memcpy(&word, s.p + i, 8);
    if (may_be_bad(word)) break;
  }
  for (; i < s.n; i++) {
    unsigned char c = (unsigned char)s.p[i];
    bad |= (unsigned char)((c < 0x20 && c != '\t') | (c == 0x7f));
  }
  return !bad;
}

void cpx_reqhead_init(cpx_reqhead *h, size_t max) {
  memset(h, 0, sizeof(*h));
  cpx_buf_init(&h->bytes, max);
  h->room = CPX_REQHEAD_INLINE;
}

void cpx_reqhead_deinit(cpx_reqhead *h) {
  cpx_buf_deinit(&h->bytes);
  free(h->many);
  h->many = NULL;
  h->count = 0;
}

static int bad(cpx_reqhead *h, enum cpx_fault_id fault) {
  h->fault = fault;
  return CPX_ESYNTAX;
}

static cpx_field *fields(const cpx_reqhead *h) {
  return h->many ? h->many : (cpx_field *)h->few;
}

cpx_header cpx_reqhead_at(const cpx_reqhead *h, size_t i) {
  const cpx_field *f = &fields(h)[i];
  return (cpx_header){cpx_reqhead_slice(h, f->name), cpx_reqhead_slice(h, f->value)};
}

static int add_field(cpx_reqhead *h, cpx_field field) {
  if (h->count == CPX_HTTP_HEADERS_MAX) return bad(h, CPX_FAULT_HEADERS_MANY);
  if (h->count == h->room) {
    size_t room = h->room * 4u < CPX_HTTP_HEADERS_MAX ? h->room * 4u : CPX_HTTP_HEADERS_MAX;
    cpx_field *many = realloc(h->many, room * sizeof(*many));
    if (!many) return bad(h, CPX_FAULT_MEMORY);
    if (!h->many) memcpy(many, h->few, sizeof(h->few));
    h->many = many;
    h->room = (uint16_t)room;
  }
  fields(h)[h->count++] = field;
  return 0;
}

/* host, host:port, [v6], [v6]:port; the whole of RFC 3986's reg-name is wider than what names anything. */
static bool is_host(cpx_slice s) {
  size_t i = 0;
  if (s.n && s.p[0] == '[') {
    for (i = 1; i < s.n && s.p[i] != ']'; i++) {
      if (!strchr("0123456789abcdefABCDEF:.", s.p[i]) || !s.p[i]) return false;
    }
    if (i < 3 || i >= s.n) return false;
    i++;
  } else {
    for (; i < s.n && s.p[i] != ':'; i++) {
      char c = s.p[i];
      bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      if (!alnum && c != '.' && c != '-' && c != '_') return false;
    }
    if (i == 0) return false;
  }
  if (i == s.n) return true;
  if (s.p[i] != ':' || s.n - i < 2 || s.n - i > 6) return false;
  unsigned port = 0;
  for (i++; i < s.n; i++) {
    if (s.p[i] < '0' || s.p[i] > '9') return false;
    port = port * 10 + (unsigned)(s.p[i] - '0');
  }
  return port <= 65535;
}

/* At most 18 digits, so that sums of it cannot overflow; nothing but digits. */
static bool is_length(cpx_slice s, uint64_t *length) {
  if (s.n == 0 || s.n > 18) return false;
  *length = 0;
  for (size_t i = 0; i < s.n; i++) {
    if (s.p[i] < '0' || s.p[i] > '9') return false;
    *length = *length * 10 + (uint64_t)(s.p[i] - '0');
  }
  return true;
}

static bool has_token(cpx_slice list, cpx_slice token) {
  const char *p = list.p, *end = p + list.n;
  while (p < end) {
    const char *comma = memchr(p, ',', (size_t)(end - p));
    const char *stop = comma ? comma : end;
    cpx_slice one = {p, (size_t)(stop - p)};
    while (one.n && (*one.p == ' ' || *one.p == '\t')) one.p++, one.n--;
    while (one.n && (one.p[one.n - 1] == ' ' || one.p[one.n - 1] == '\t')) one.n--;
    if (cpx_slice_ieq(one, token)) return true;
    p = stop + 1;
  }
  return false;
}

static int framing_header(cpx_reqhead *h, cpx_slice name, cpx_slice value, cpx_span value_span) {
  if (cpx_slice_ieq(name, CPX_SLICE("host"))) {
    if (h->has_host) return bad(h, CPX_FAULT_HOST_TWICE);
    h->has_host = true;
    h->host = value_span;
    return is_host(value) ? 0 : bad(h, CPX_FAULT_HOST);
  }
  if (cpx_slice_ieq(name, CPX_SLICE("content-length"))) {
    if (h->has_length) return bad(h, CPX_FAULT_LENGTH_TWICE);
    if (h->chunked) return bad(h, CPX_FAULT_LENGTH_AND_CODING);
    h->has_length = true;
    return is_length(value, &h->length) ? 0 : bad(h, CPX_FAULT_LENGTH);
  }
  if (cpx_slice_ieq(name, CPX_SLICE("transfer-encoding"))) {
    if (h->chunked) return bad(h, CPX_FAULT_CODING_TWICE);
    if (h->has_length) return bad(h, CPX_FAULT_LENGTH_AND_CODING);
    h->chunked = cpx_slice_ieq(value, CPX_SLICE("chunked"));
    return h->chunked ? 0 : bad(h, CPX_FAULT_CODING);
  }
  if (cpx_slice_ieq(name, CPX_SLICE("connection"))) {
    h->close = h->close || has_token(value, CPX_SLICE("close"));
  } else if (cpx_slice_ieq(name, CPX_SLICE("expect"))) {
    h->expects = cpx_slice_ieq(value, CPX_SLICE("100-continue"));
    h->expects_other = h->expects_other || !h->expects;
  } else if (cpx_slice_ieq(name, CPX_SLICE("content-encoding"))) {
    h->coded = true;
  }
  return 0;
}

static int header_line(cpx_reqhead *h, size_t at, size_t n) {
  const char *line = h->bytes.data + at;
  if (*line == ' ' || *line == '\t') return bad(h, CPX_FAULT_FOLD);
  size_t name = 0;
  while (name < n && token_chars[(unsigned char)line[name]]) name++;
  if (name == 0 || name == n || line[name] != ':') return bad(h, CPX_FAULT_NAME);
  size_t from = name + 1, to = n;
  while (from < to && (line[from] == ' ' || line[from] == '\t')) from++;
  while (to > from && (line[to - 1] == ' ' || line[to - 1] == '\t')) to--;
  cpx_slice value = {line + from, to - from};
  if (!cpx_is_field_value(value)) return bad(h, memchr(value.p, '\r', value.n) ? CPX_FAULT_BARE_CR : CPX_FAULT_VALUE);
  cpx_field field = {{(uint32_t)at, (uint32_t)name}, {(uint32_t)(at + from), (uint32_t)value.n}};
  int err = add_field(h, field);
  if (err) return err;
  /* The lengths of the names that framing_header knows. */
  bool may_matter = name == 4 || name == 6 || name == 10 || name == 14 || name == 16 || name == 17;
  return may_matter ? framing_header(h, cpx_slice_of(line, name), value, field.value) : 0;
}

/* Splits an absolute URL or a path; `at` and `n` are the target's. */
static int split_target(cpx_reqhead *h, size_t at, size_t n) {
  const char *t = h->bytes.data + at;
  size_t path = 0;
  if (*t != '/') {
    size_t scheme = n > 7 && strncasecmp(t, "http://", 7) == 0    ? 7
                    : n > 8 && strncasecmp(t, "https://", 8) == 0 ? 8
                                                                  : 0;
    if (!scheme) return bad(h, CPX_FAULT_TARGET);
    for (path = scheme; path < n && t[path] != '/' && t[path] != '?'; path++) {
    }
    h->authority = (cpx_span){(uint32_t)(at + scheme), (uint32_t)(path - scheme)};
    if (h->authority.n == 0) return bad(h, CPX_FAULT_TARGET);
  }
  const char *mark = memchr(t + path, '?', n - path);
  size_t end = mark ? (size_t)(mark - t) : n;
  h->path = (cpx_span){(uint32_t)(at + path), (uint32_t)(end - path)};
  if (mark) h->query = (cpx_span){(uint32_t)(at + end + 1), (uint32_t)(n - end - 1)};
  return 0;
}

static int request_line(cpx_reqhead *h, size_t at, size_t n) {
  const char *line = h->bytes.data + at;
  size_t method = 0;
  while (method < n && token_chars[(unsigned char)line[method]]) method++;
  if (method == 0 || method == n || line[method] != ' ') return bad(h, CPX_FAULT_REQUEST_LINE);
  if (method > METHOD_MAX) return bad(h, CPX_FAULT_METHOD);
  h->method = (cpx_span){(uint32_t)at, (uint32_t)method};
  const char *space = memrchr(line, ' ', n);
  size_t last = (size_t)(space - line);
  cpx_slice version = {space + 1, n - last - 1};
  if (!cpx_slice_eq(version, CPX_SLICE("HTTP/1.1"))) {
    bool other = version.n > 4 && memchr(version.p, '/', version.n) && *version.p != '/' && last > method;
    return bad(h, other ? CPX_FAULT_VERSION : CPX_FAULT_REQUEST_LINE);
  }
  if (last <= method + 1) return bad(h, CPX_FAULT_REQUEST_LINE);
  size_t target = method + 1, len = last - target;
  if (len > CPX_HTTP_URL_MAX) return bad(h, CPX_FAULT_TARGET_LONG);
  for (size_t i = target; i < last; i++) {
    unsigned char c = (unsigned char)line[i];
    if (c == ' ' || c == '\t') return bad(h, CPX_FAULT_REQUEST_LINE);
    if (c <= 0x20 || c >= 0x7f || c == '#') return bad(h, c == '\r' ? CPX_FAULT_BARE_CR : CPX_FAULT_TARGET);
  }
  if (method == 7 && memcmp(line, "CONNECT", 7) == 0) return bad(h, CPX_FAULT_METHOD);
  h->target = (cpx_span){(uint32_t)(at + target), (uint32_t)len};
  h->has_line = true;
  return split_target(h, at + target, len);
}

/* The empty line: what the headers together must be. */
static int head_end(cpx_reqhead *h) {
  if (!h->has_host) return bad(h, CPX_FAULT_HOST_MISSING);
  if (h->authority.n && !cpx_slice_ieq(cpx_reqhead_slice(h, h->authority), cpx_reqhead_slice(h, h->host))) {
    return bad(h, CPX_FAULT_HOST_OTHER);
  }
  if (h->expects_other) return bad(h, CPX_FAULT_EXPECTATION);
  h->complete = true;
  return 0;
}

/* A line that has no LF yet: what can be told about it already. */
static int part_of_line(cpx_reqhead *h) {
  const char *line = h->bytes.data + h->parsed, *end = h->bytes.data + h->bytes.len;
  const char *from = h->bytes.data + h->scanned;
  const char *cr = memchr(from, '\r', (size_t)(end - from));
  if (cr && cr + 1 < end) return bad(h, CPX_FAULT_BARE_CR);
  h->scanned = h->bytes.len - (cr ? 1 : 0);
  if (h->has_line || line == end) return CPX_EAGAIN;
  if (*line == 0x16) return bad(h, CPX_FAULT_TLS_HELLO);
  if (!cpx_is_token_char(*line) && *line != '\r') return bad(h, CPX_FAULT_REQUEST_LINE);
  return (size_t)(end - line) > CPX_HTTP_URL_MAX + METHOD_MAX + 10 ? bad(h, CPX_FAULT_TARGET_LONG) : CPX_EAGAIN;
}

/* 0 at the end of the head. */
static int whole_lines(cpx_reqhead *h) {
  for (;;) {
    const char *data = h->bytes.data;
    const char *lf = memchr(data + h->scanned, '\n', h->bytes.len - h->scanned);
    if (!lf) return part_of_line(h);
    size_t at = h->parsed, n = (size_t)(lf - data) - at;
    if (n == 0 || lf[-1] != '\r') return bad(h, CPX_FAULT_BARE_LF);
    n--;
    h->parsed = h->scanned = (size_t)(lf - data) + 1;
    int err = 0;
    if (n == 0 && h->has_line) return head_end(h);
    if (n == 0) {
      if (h->skipped_line) err = bad(h, CPX_FAULT_REQUEST_LINE);
      h->skipped_line = true;
    } else {
      err = h->has_line ? header_line(h, at, n) : request_line(h, at, n);
    }
    if (err) return err;
  }
}

int cpx_reqhead_feed(cpx_reqhead *h, const char *bytes, size_t n, size_t *used) {
  *used = 0;
  if (h->fault) return CPX_ESYNTAX;
  while (*used < n) {
    size_t piece = n - *used < PIECE ? n - *used : PIECE;
    size_t room = h->bytes.max - h->bytes.len;
    if (room == 0) return bad(h, CPX_FAULT_HEAD_LARGE);
    if (piece > room) piece = room;
    if (cpx_buf_add(&h->bytes, bytes + *used, piece) != 0) return bad(h, CPX_FAULT_MEMORY);
    *used += piece;
    int err = whole_lines(h);
    if (err == CPX_EAGAIN) continue;
    size_t surplus = h->bytes.len - h->parsed;
    *used -= surplus < *used ? surplus : *used; /* of a bad line an earlier piece may have brought the start */
    h->bytes.len = h->parsed;
    return err;
  }
  return CPX_EAGAIN;
}
