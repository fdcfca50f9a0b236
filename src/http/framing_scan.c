#include "http/framing_scan.h"

/* SSE: an event ends with an empty line; a line ends with LF, CRLF or a CR that no LF follows. */
enum { LINE_START, IN_LINE, LINE_CR, EMPTY_CR };

enum cpx_scan cpx_scan_lines(cpx_splitter *s, cpx_marks *marks, const char **p) {
  const char *at = *p, *end = marks->end;
  while (at < end) {
    if (s->state >= LINE_CR) {
      bool empty = s->state == EMPTY_CR;
      s->state = LINE_START;
      if (*at == '\n') at++;
      *p = at;
      if (empty) return CPX_SCAN_FOUND;
      continue;
    }
    const char *lf = cpx_mark_next(&marks->a, at, end, '\n');
    const char *cr = cpx_mark_next(&marks->b, at, end, '\r');
    const char *eol = lf < cr ? lf : cr;
    if (eol == end) {
      s->state = IN_LINE;
      at = end;
      break;
    }
    bool empty = s->state == LINE_START && eol == at;
    at = eol + 1;
    if (*eol == '\r') {
      s->state = empty ? EMPTY_CR : LINE_CR;
      continue;
    }
    s->state = LINE_START;
    *p = at;
    if (empty) return CPX_SCAN_FOUND;
  }
  *p = at;
  return CPX_SCAN_MORE;
}

enum cpx_scan cpx_scan_ndjson(cpx_splitter *s, cpx_marks *marks, const char **p) {
  (void)s;
  const char *lf = memchr(*p, '\n', (size_t)(marks->end - *p));
  *p = lf ? lf + 1 : marks->end;
  return lf ? CPX_SCAN_FOUND : CPX_SCAN_MORE;
}

/* JSON array: the event is an element with the "[" or "," before it; then "]"; then white space. Brackets are counted,
 * not matched: whether an element is JSON is its reader's question. */
enum { OPEN, FIRST, AFTER_COMMA, NESTED, STRING, STRING_ESCAPE, SCALAR, BETWEEN, CLOSED };

static bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static enum cpx_scan open_value(cpx_splitter *s, char c) {
  switch (c) {
  case '{':
  case '[':
    s->depth = 1;
    s->state = NESTED;
    return CPX_SCAN_MORE;
  case '"': s->state = STRING; return CPX_SCAN_MORE;
  case '}':
  case ',':
  case ':': return CPX_SCAN_BAD;
  default: s->state = SCALAR; return CPX_SCAN_MORE;
  }
}

/* In a string: to its closing quote, or to the end of the bytes. */
static void skip_string(cpx_splitter *s, cpx_marks *marks, const char **p) {
  const char *quote = cpx_mark_next(&marks->a, *p, marks->end, '"');
  const char *escape = cpx_mark_next(&marks->b, *p, marks->end, '\\');
  if (escape < quote) {
    s->state = STRING_ESCAPE;
    *p = escape + 1;
  } else if (quote < marks->end) {
    s->state = s->depth ? NESTED : BETWEEN;
    *p = quote + 1;
  } else {
    *p = marks->end;
  }
}

static enum cpx_scan nested_byte(cpx_splitter *s, char c) {
  if (c == '"') {
    s->state = STRING;
  } else if (c == '{' || c == '[') {
    if (++s->depth == 0) return CPX_SCAN_BAD;
  } else if ((c == '}' || c == ']') && --s->depth == 0) {
    s->state = BETWEEN;
    return CPX_SCAN_FOUND;
  }
  return CPX_SCAN_MORE;
}

/* Between elements; `c` is no white space. */
static enum cpx_scan punctuation(cpx_splitter *s, char c) {
  switch (s->state) {
  case OPEN: s->state = FIRST; return c == '[' ? CPX_SCAN_MORE : CPX_SCAN_BAD;
  case FIRST:
  case BETWEEN:
    if (c == ']') {
      s->state = CLOSED;
      return CPX_SCAN_FOUND;
    }
    if (s->state == FIRST) return open_value(s, c);
    s->state = AFTER_COMMA;
    return c == ',' ? CPX_SCAN_MORE : CPX_SCAN_BAD;
  case AFTER_COMMA: return c == ']' ? CPX_SCAN_BAD : open_value(s, c);
  default: return CPX_SCAN_BAD; /* something behind the "]" */
  }
}

/* One step; *p moves on by at least one byte, but for the end of a scalar, which is told by the byte behind it. */
static enum cpx_scan array_step(cpx_splitter *s, cpx_marks *marks, const char **p) {
  switch (s->state) {
  case STRING: skip_string(s, marks, p); return s->state == BETWEEN ? CPX_SCAN_FOUND : CPX_SCAN_MORE;
  case STRING_ESCAPE:
    s->state = STRING;
    ++*p;
    return CPX_SCAN_MORE;
  case NESTED: return nested_byte(s, *(*p)++);
  case SCALAR:
    if (**p == ',' || **p == ']' || is_space(**p)) {
      s->state = BETWEEN;
      return CPX_SCAN_FOUND;
    }
    ++*p;
    return CPX_SCAN_MORE;
  default: {
    char c = *(*p)++;
    return is_space(c) ? CPX_SCAN_MORE : punctuation(s, c);
  }
  }
}

enum cpx_scan cpx_scan_array(cpx_splitter *s, cpx_marks *marks, const char **p) {
  while (*p < marks->end) {
    enum cpx_scan found = array_step(s, marks, p);
    if (found != CPX_SCAN_MORE) return found;
  }
  return CPX_SCAN_MORE;
}

bool cpx_scan_array_closed(const cpx_splitter *s) {
  return s->state == CLOSED;
}

static cpx_slice trim(cpx_slice s) {
  while (s.n && is_space(s.p[s.n - 1])) s.n--;
  while (s.n && is_space(*s.p)) s.p++, s.n--;
  return s;
}

void cpx_fields_ndjson(cpx_event *event) {
  event->data = trim(event->raw);
  event->has_data = event->data.n > 0;
}

void cpx_fields_array(cpx_event *event) {
  cpx_slice rest = trim(event->raw);
  if (rest.n && *rest.p != ']') {
    rest.p++;
    rest.n--;
    event->data = trim(rest);
    /* An empty array's "[]" is punctuation too. */
    if (cpx_slice_eq(event->data, CPX_SLICE("]"))) event->data = (cpx_slice){0};
  }
  event->has_data = event->data.n > 0;
}

/* The value of a line "name: value", if it is that field. */
static bool field(const char *line, size_t n, const char *name, size_t name_len, cpx_slice *value) {
  if (n < name_len || memcmp(line, name, name_len) != 0) return false;
  if (n == name_len) {
    *value = (cpx_slice){line + n, 0};
    return true;
  }
  if (line[name_len] != ':') return false;
  size_t skip = name_len + 1;
  if (skip < n && line[skip] == ' ') skip++;
  *value = (cpx_slice){line + skip, n - skip};
  return true;
}

/* The `lines` data lines before this one are in the event: one borrowed from raw, several joined. */
static int add_data(cpx_splitter *s, cpx_event *event, cpx_slice value, size_t lines) {
  event->has_data = true;
  if (lines == 0) {
    event->data = value;
    return 0;
  }
  int err = 0;
  if (lines == 1) {
    s->joined.len = 0;
    err = cpx_buf_add_slice(&s->joined, event->data);
  }
  if (!err) err = cpx_buf_add(&s->joined, "\n", 1);
  if (!err) err = cpx_buf_add_slice(&s->joined, value);
  event->data = cpx_buf_slice(&s->joined);
  return err;
}

int cpx_fields_sse(cpx_splitter *s, cpx_event *event) {
  const char *p = event->raw.p, *end = p + event->raw.n;
  if (!s->begun && event->raw.n >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0) p += 3;
  cpx_marks marks = {.end = end};
  size_t lines = 0;
  while (p < end) {
    const char *lf = cpx_mark_next(&marks.a, p, end, '\n');
    const char *cr = cpx_mark_next(&marks.b, p, end, '\r');
    const char *eol = lf < cr ? lf : cr;
    size_t n = (size_t)(eol - p);
    cpx_slice value;
    if (n && *p == 'd' && field(p, n, "data", 4, &value)) {
      int err = add_data(s, event, value, lines++);
      if (err) return err;
    } else if (n && *p == 'e' && field(p, n, "event", 5, &value)) {
      event->type = value;
    }
    p = eol + 1;
  }
  return 0;
}
