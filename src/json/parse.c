/* One pass without recursion: validates and writes the tape. */
#include "json/scan.h"
#include "json/tape.h"

#include <stdio.h>

typedef struct parser {
  cpx_json_doc *doc;
  const char *start, *p, *end;
  unsigned depth, depth_max;
  int code;            /* the first failure, */
  const char *at;      /* where, */
  const char *message; /* and what; may hold one %lu for `number` */
  unsigned long number;
  cpx_json_node *stack; /* the open containers, */
  uint32_t *counts;     /* and how many children they have so far */
} parser;

static int fail(parser *ps, int code, const char *at, const char *message) {
  ps->code = code;
  ps->at = at;
  ps->message = message;
  return code;
}

static int fail_syntax(parser *ps, const char *message) {
  return fail(ps, CPX_ESYNTAX, ps->p, ps->p < ps->end ? message : "the document ends too early");
}

static inline void skip_space(parser *ps) {
  const char *p = ps->p, *end = ps->end;
  while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
  ps->p = p;
}

static int grow(parser *ps) {
  int err = cpx_json_reserve_cells(ps->doc, 1);
  if (!err) return 0;
  ps->number = ps->doc->limits.nodes;
  return fail(ps, err, ps->p, err == CPX_ENOMEM ? "out of memory" : "more than %lu values in one document");
}

static inline int add(parser *ps, const char *from, const char *to, unsigned info) {
  cpx_json_doc *doc = ps->doc;
  if (doc->n == doc->cap) {
    int err = grow(ps);
    if (err) return err;
  }
  doc->cells[doc->n++] = (cpx_json_cell){(uint32_t)(from - ps->start), (uint32_t)(to - from), 1, info};
  return 0;
}

static inline bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static inline bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* -- Strings. ps->p is behind the opening quote; afterwards behind the closing one. ------------------------------- */

static const bool simple_escape[256] = {
    ['"'] = true, ['\\'] = true, ['/'] = true, ['b'] = true, ['f'] = true, ['n'] = true, ['r'] = true, ['t'] = true};

static int escape(parser *ps, const char *p, const char **next) {
  if (ps->end - p < 2) return fail(ps, CPX_ESYNTAX, p, "the string is not closed");
  *next = p + 2;
  if (simple_escape[(unsigned char)p[1]]) return 0;
  if (p[1] != 'u') return fail(ps, CPX_ESYNTAX, p, "unknown escape in a string");
  for (int i = 2; i < 6; i++) {
    if (ps->end - p <= i) return fail(ps, CPX_ESYNTAX, p, "the string is not closed");
    if (!is_hex(p[i])) return fail(ps, CPX_ESYNTAX, p, "\\u needs four hexadecimal digits");
  }
  *next = p + 6;
  return 0;
}

/* A byte with a mark that is no quote: steps over it. */
static int special(parser *ps, const char *p, const char **next, unsigned *flags) {
  if (*p == '\\') {
    *flags = CELL_ESCAPED;
    return escape(ps, p, next);
  }
  if ((unsigned char)*p < 0x20) return fail(ps, CPX_ESYNTAX, p, "a control character in a string must be escaped");
  do {
    int n = scan_utf8(p, ps->end, 0);
    if (!n) return fail(ps, CPX_EUTF8, p, "not valid UTF-8");
    p += n;
  } while (p < ps->end && (unsigned char)*p >= 0x80);
  *next = p;
  return 0;
}

/* Steps over the marks of the block at `*at`: 0 behind the block, 1 at the closing quote. */
static inline int block(parser *ps, const char **at, unsigned *flags) {
  const char *p = *at, *q = p;
  uint64_t marks = scan_block(p);
  while (marks) {
    q = p + scan_first(marks);
    if (*q == '"') {
      *at = q;
      return 1;
    }
    if (*q == '\\' && simple_escape[(unsigned char)q[1]]) { /* the block is not the last: there is a q[1] */
      *flags = CELL_ESCAPED;
      q += 2;
    } else {
      int err = special(ps, q, &q, flags);
      if (err) return err;
    }
    if (q - p >= SCAN_BLOCK) break;
    marks = scan_from(marks, (size_t)(q - p));
  }
  *at = q - p > SCAN_BLOCK ? q : p + SCAN_BLOCK;
  return 0;
}

/* The rest of a string from `p` on. */
static int long_string(parser *ps, const char *from, const char *p) {
  unsigned flags = 0;
  int step = 0;
  while (!step && ps->end - p > SCAN_BLOCK) step = block(ps, &p, &flags);
  while (!step) {
    p = scan_string(p, ps->end);
    if (p == ps->end) return fail(ps, CPX_ESYNTAX, p, "the string is not closed");
    step = *p == '"' ? 1 : special(ps, p, &p, &flags);
  }
  if (step < 0) return step;
  ps->p = p + 1;
  return add(ps, from, p + 1, CPX_JSON_STRING | flags);
}

static inline int string(parser *ps) {
  const char *from = ps->p - 1, *p = scan_short(ps->p, ps->end);
  if (p == ps->end || *p != '"') return long_string(ps, from, p);
  ps->p = p + 1;
  return add(ps, from, p + 1, CPX_JSON_STRING);
}

/* -- Numbers and words. ------------------------------------------------------------------------------------------- */

static int digits(parser *ps) {
  if (ps->p == ps->end || !is_digit(*ps->p)) return fail_syntax(ps, "expected a digit");
  while (ps->p < ps->end && is_digit(*ps->p)) ps->p++;
  return 0;
}

static int number(parser *ps) {
  const char *from = ps->p;
  unsigned flags = 0;
  int err = 0;
  if (*ps->p == '-') ps->p++;
  if (ps->p < ps->end && *ps->p == '0') {
    ps->p++;
    if (ps->p < ps->end && is_digit(*ps->p)) return fail_syntax(ps, "a number must not start with 0");
  } else if ((err = digits(ps)) != 0)
    return err;
  if (ps->p < ps->end && *ps->p == '.') {
    flags = CELL_FRACTION;
    ps->p++;
    if ((err = digits(ps)) != 0) return err;
  }
  if (ps->p < ps->end && (*ps->p == 'e' || *ps->p == 'E')) {
    flags = CELL_FRACTION;
    ps->p++;
    if (ps->p < ps->end && (*ps->p == '+' || *ps->p == '-')) ps->p++;
    if ((err = digits(ps)) != 0) return err;
  }
  return add(ps, from, ps->p, CPX_JSON_NUMBER | flags);
}

static int word(parser *ps, const char *text, size_t n, unsigned kind) {
  size_t left = (size_t)(ps->end - ps->p);
  if (left < n && memcmp(ps->p, text, left) == 0) {
    ps->p = ps->end;
    return fail_syntax(ps, "");
  }
  if (left < n || memcmp(ps->p, text, n) != 0) return fail_syntax(ps, "expected a value");
  ps->p += n;
  return add(ps, ps->p - n, ps->p, kind);
}

/* -- Objects and arrays. ------------------------------------------------------------------------------------------ */

/* A key and its colon, up to the value's first byte. */
static inline int key(parser *ps) {
  skip_space(ps);
  if (ps->p == ps->end || *ps->p != '"') return fail_syntax(ps, "expected a key in double quotes");
  ps->p++;
  int err = string(ps);
  if (err) return err;
  skip_space(ps);
  if (ps->p == ps->end || *ps->p != ':') return fail_syntax(ps, "expected ':' after a key");
  ps->p++;
  skip_space(ps);
  return 0;
}

static int check_object(parser *ps, cpx_json_node object) {
  cpx_json_node twice;
  int err = cpx_json_check_keys(ps->doc, ps->start, object, &twice);
  if (!err) return 0;
  const char *at = ps->start + ps->doc->cells[err == CPX_EDUPLICATE ? twice : object].offset;
  ps->number = CPX_JSON_KEYS_MAX;
  return fail(ps, err, at,
              err == CPX_EDUPLICATE ? "this key stands twice in one object"
              : err == CPX_ETOOBIG  ? "more than %lu members in one object"
                                    : "out of memory");
}

static int close_container(parser *ps) {
  cpx_json_node node = ps->stack[--ps->depth];
  cpx_json_cell *c = &ps->doc->cells[node];
  ps->p++;
  c->length = (uint32_t)(ps->p - ps->start) - c->offset;
  c->span = ps->doc->n - node;
  c->info |= ps->counts[ps->depth] << CELL_COUNT;
  if (cell_kind(c) == CPX_JSON_OBJECT && ps->counts[ps->depth] > 1) return check_object(ps, node);
  return 0;
}

/* `*opened`: ps->p is at the first child's value; else the container was empty and is complete. */
static inline int open_container(parser *ps, unsigned kind, bool *opened) {
  if (ps->depth == ps->depth_max) {
    ps->number = ps->depth_max;
    return fail(ps, CPX_EDEPTH, ps->p, "nested deeper than %lu levels");
  }
  ps->stack[ps->depth] = ps->doc->n;
  ps->counts[ps->depth++] = 0;
  int err = add(ps, ps->p, ps->p, kind);
  if (err) return err;
  ps->p++;
  skip_space(ps);
  if (ps->p < ps->end && *ps->p == (kind == CPX_JSON_OBJECT ? '}' : ']')) return close_container(ps);
  *opened = true;
  return kind == CPX_JSON_OBJECT ? key(ps) : 0;
}

static inline int value(parser *ps, bool *opened) {
  if (ps->p == ps->end) return fail_syntax(ps, "");
  switch (*ps->p) {
  case '"': ps->p++; return string(ps);
  case '{': return open_container(ps, CPX_JSON_OBJECT, opened);
  case '[': return open_container(ps, CPX_JSON_ARRAY, opened);
  case 't': return word(ps, "true", 4, CPX_JSON_BOOL);
  case 'f': return word(ps, "false", 5, CPX_JSON_BOOL);
  case 'n': return word(ps, "null", 4, CPX_JSON_NULL);
  case '-':
  case '0':
  case '1':
  case '2':
  case '3':
  case '4':
  case '5':
  case '6':
  case '7':
  case '8':
  case '9': return number(ps);
  default: return fail_syntax(ps, "expected a value");
  }
}

/* Behind a child: a comma and what leads to the next value, or the end of the container. */
static inline int separator(parser *ps, bool *closed) {
  bool object = cell_kind(&ps->doc->cells[ps->stack[ps->depth - 1]]) == CPX_JSON_OBJECT;
  ps->counts[ps->depth - 1]++;
  skip_space(ps);
  char c = ps->p < ps->end ? *ps->p : 0;
  if (c == (object ? '}' : ']')) {
    *closed = true;
    return close_container(ps);
  }
  if (c != ',')
    return fail_syntax(ps, object ? "expected ',' or '}' after a member" : "expected ',' or ']' after an element");
  ps->p++;
  if (object) return key(ps);
  skip_space(ps);
  return 0;
}

static int document(parser *ps) {
  if (ps->end - ps->p >= 3 && memcmp(ps->p, "\xEF\xBB\xBF", 3) == 0)
    return fail_syntax(ps, "the document starts with a byte order mark: send it without");
  skip_space(ps);
  if (ps->p == ps->end) return fail(ps, CPX_ESYNTAX, ps->p, "the document is empty");
  for (;;) {
    bool opened = false, closed = true;
    int err = value(ps, &opened);
    if (err) return err;
    while (!opened && closed) {
      if (ps->depth == 0) {
        skip_space(ps);
        return ps->p < ps->end ? fail_syntax(ps, "unexpected bytes behind the value") : 0;
      }
      closed = false;
      err = separator(ps, &closed);
      if (err) return err;
    }
  }
}

static void describe(const parser *ps, cpx_json_error *err) {
  *err = (cpx_json_error){.code = ps->code, .offset = (size_t)(ps->at - ps->start), .line = 1, .column = 1};
  for (const char *p = ps->start; p < ps->at; p++) {
    if (*p == '\n') {
      err->line++;
      err->column = 1;
    } else if (((unsigned char)*p & 0xC0) != 0x80)
      err->column++;
  }
  int n = snprintf(err->message, sizeof err->message, "line %zu, column %zu: ", err->line, err->column);
  const char *percent = strstr(ps->message, "%lu");
  if (!percent)
    (void)snprintf(err->message + n, sizeof err->message - (size_t)n, "%s", ps->message);
  else
    (void)snprintf(err->message + n, sizeof err->message - (size_t)n, "%.*s%lu%s", (int)(percent - ps->message),
                   ps->message, ps->number, percent + 3);
}

int cpx_json_tape(cpx_json_doc *doc, const char *bytes, size_t n, cpx_json_error *err) {
  cpx_json_node stack[CPX_JSON_DEPTH_MAX];
  uint32_t counts[CPX_JSON_DEPTH_MAX];
  parser ps = {.doc = doc,
               .start = bytes,
               .p = bytes,
               .end = bytes + n,
               .depth_max = doc->limits.depth,
               .stack = stack,
               .counts = counts};
  uint32_t before = doc->n;
  int code = document(&ps);
  if (!code) return 0;
  doc->n = before;
  if (err) describe(&ps, err);
  return code;
}
