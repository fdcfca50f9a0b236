#include "http/lane.h"

#include "base/limits.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLOSERS_MAX 32
#define SEQUENCE    "\"sequence_number\":"
#define COUNT       "TokenCount\""
#define LAST_MAX    (2 * CPX_LANE_FORM_MAX) /* a form, and what stands in its holes */

void cpx_lane_init(cpx_lane *lane) {
  memset(lane, 0, sizeof *lane);
  cpx_buf_init(&lane->type, 256);
  cpx_buf_init(&lane->in.bytes, CPX_LANE_FORM_MAX);
  cpx_buf_init(&lane->out.bytes, CPX_LANE_FORM_MAX);
  cpx_buf_init(&lane->made, CPX_LANE_HELD_MAX);
  cpx_buf_init(&lane->text, CPX_LANE_HELD_MAX);
  cpx_buf_init(&lane->last, LAST_MAX);
#ifdef CPX_SANITIZE
  cpx_buf_init(&lane->kept, SIZE_MAX);
#endif
}

void cpx_lane_deinit(cpx_lane *lane) {
  cpx_buf_deinit(&lane->type);
  cpx_buf_deinit(&lane->in.bytes);
  cpx_buf_deinit(&lane->out.bytes);
  cpx_buf_deinit(&lane->made);
  cpx_buf_deinit(&lane->text);
  cpx_buf_deinit(&lane->last);
#ifdef CPX_SANITIZE
  cpx_buf_deinit(&lane->kept);
#endif
}

void cpx_lane_forget(cpx_lane *lane) {
  lane->state = CPX_LANE_EMPTY;
}

/* -- Forms. ------------------------------------------------------------------------------------------------------- */

static bool add_piece(cpx_lane_form *form, int kind, const char *bytes, size_t n) {
  if (kind == LANE_BYTES && n == 0) return true;
  if (form->n == LANE_PIECES) return false;
  cpx_lane_piece *piece = &form->pieces[form->n++];
  piece->kind = (unsigned char)kind;
  piece->at = (uint32_t)form->bytes.len;
  piece->n = (uint32_t)n;
  return cpx_buf_add(&form->bytes, bytes, n) == 0;
}

static bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *skip_space(const char *p, const char *end) {
  while (p < end && is_space(*p)) p++;
  return p;
}

static const char *number_end(const char *p, const char *end) {
  const char *start = p;
  while (p < end && ((*p >= '0' && *p <= '9') || *p == '-' || *p == '+' || *p == '.' || *p == 'e' || *p == 'E')) p++;
  return p > start ? p : NULL;
}

static bool ends_with(const char *key, size_t n, const char *tail) {
  size_t k = strlen(tail);
  return n >= k && memcmp(key + n - k, tail, k) == 0;
}

/* Keys (with their quotes) whose values no translation reads, or the last one alone. */
static bool is_volatile(const char *key, size_t n) {
  static const char *const names[] = {"\"sequence_number\"", "\"obfuscation\"", "\"system_fingerprint\"", COUNT};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (ends_with(key, n, names[i])) return true;
  return false;
}

/* What stands in a hole. */
typedef struct hole {
  const char *from, *to;
  int kind;
  bool count;
} hole;

/* The value of the next volatile member at or behind `p`; false: there is none. */
static bool next_volatile(const char *p, const char *end, hole *out) {
  while ((p = memchr(p, '"', (size_t)(end - p)))) {
    const char *key = p;
    p = cpx_json_string_end(key, end);
    if (!p) return false;
    const char *value = skip_space(p, end);
    size_t key_n = (size_t)(p - key);
    if (value == end || *value != ':' || !is_volatile(key, key_n)) continue;
    value = skip_space(value + 1, end);
    out->count = ends_with(key, key_n, COUNT);
    out->kind = value < end && *value == '"' ? LANE_STRING : LANE_NUMBER;
    out->from = value;
    out->to = out->kind == LANE_STRING ? cpx_json_string_end(value, end) : number_end(value, end);
    if (out->to) return true;
    p = value;
  }
  return false;
}

/* Bytes of an input, with holes for volatile values. */
static bool add_input(cpx_lane_form *form, const char *p, const char *end) {
  hole next;
  while (p < end && next_volatile(p, end, &next)) {
    if (!add_piece(form, LANE_BYTES, p, (size_t)(next.from - p)) || !add_piece(form, next.kind, next.from, 0))
      return false;
    form->counts = form->counts || next.count;
    p = next.to;
  }
  return add_piece(form, LANE_BYTES, p, (size_t)(end - p));
}

/* The brackets that close everything, with white space between them. */
static const char *closers(const char *from, const char *end) {
  const char *p = end;
  while (p > from && (p[-1] == '}' || p[-1] == ']' || is_space(p[-1]))) p--;
  return p;
}

/* Where `literal` stands in `text`, when it stands there once. */
static const char *only_place(cpx_slice text, cpx_slice literal) {
  if (text.n < literal.n) return NULL;
  const char *at = memmem(text.p, text.n, literal.p, literal.n);
  if (!at) return NULL;
  size_t rest = text.n - (size_t)(at + 1 - text.p);
  return memmem(at + 1, rest, literal.p, literal.n) ? NULL : at;
}

static void start_form(cpx_lane_form *form) {
  form->bytes.len = 0;
  form->n = 0;
  form->counts = false;
  form->sequence = 0;
}

static bool form_input(cpx_lane_form *form, cpx_slice data, cpx_slice literal) {
  const char *at = only_place(data, literal), *end = data.p + data.n;
  if (!at) return false;
  const char *behind = at + literal.n, *tail = closers(behind, end);
  char brackets[CLOSERS_MAX];
  size_t n = 0;
  for (const char *p = tail; p < end; p++) {
    if (is_space(*p)) continue;
    if (n == CLOSERS_MAX) return false;
    brackets[n++] = *p;
  }
  start_form(form);
  return add_input(form, data.p, at) && add_piece(form, LANE_LITERAL, at, 0) && add_input(form, behind, tail) &&
         add_piece(form, LANE_CLOSERS, brackets, n);
}

/* Bytes of an output, with a hole for its sequence number. */
static bool add_output(cpx_lane_form *form, const char *p, const char *end) {
  const char *at = memmem(p, (size_t)(end - p), SEQUENCE, strlen(SEQUENCE));
  const char *digits = at ? at + strlen(SEQUENCE) : NULL, *behind = digits ? number_end(digits, end) : NULL;
  if (behind) {
    form->sequence = strtoull(digits, NULL, 10);
    if (!add_piece(form, LANE_BYTES, p, (size_t)(digits - p)) || !add_piece(form, LANE_SEQUENCE, digits, 0))
      return false;
    p = behind;
  }
  return add_piece(form, LANE_BYTES, p, (size_t)(end - p));
}

static bool form_output(cpx_lane_form *form, cpx_slice out, cpx_slice literal) {
  const char *at = only_place(out, literal);
  if (!at) return false;
  start_form(form);
  return add_output(form, out.p, at) && add_piece(form, LANE_LITERAL, at, 0) &&
         add_output(form, at + literal.n, out.p + out.n);
}

static bool has_sequence(const cpx_lane_form *form) {
  for (unsigned i = 0; i < form->n; i++)
    if (form->pieces[i].kind == LANE_SEQUENCE) return true;
  return false;
}

static bool same_form(const cpx_lane_form *a, const cpx_lane_form *b) {
  if (a->n != b->n || a->bytes.len != b->bytes.len) return false;
  for (unsigned i = 0; i < a->n; i++)
    if (a->pieces[i].kind != b->pieces[i].kind || a->pieces[i].n != b->pieces[i].n) return false;
  return a->bytes.len == 0 || memcmp(a->bytes.data, b->bytes.data, a->bytes.len) == 0;
}

static void move_form(cpx_lane_form *to, cpx_lane_form *from) {
  cpx_buf former = to->bytes;
  *to = *from;
  from->bytes = former;
}

/* -- Learning. ---------------------------------------------------------------------------------------------------- */

static bool same_type(const cpx_lane *lane, cpx_slice type) {
  return lane->type.len == type.n && (type.n == 0 || memcmp(lane->type.data, type.p, type.n) == 0);
}

bool cpx_lane_learn(cpx_lane *lane, const cpx_event *event, cpx_slice literal, cpx_slice out) {
  cpx_lane_form in = {.n = 0}, made = {.n = 0};
  cpx_buf_init(&in.bytes, CPX_LANE_FORM_MAX);
  cpx_buf_init(&made.bytes, CPX_LANE_FORM_MAX);
  bool good = literal.n > 2 && form_input(&in, event->data, literal) && form_output(&made, out, literal);
  bool follows = good && lane->state != CPX_LANE_EMPTY && same_type(lane, event->type) && same_form(&lane->in, &in) &&
                 same_form(&lane->out, &made) && (!has_sequence(&made) || made.sequence == lane->out.sequence + 1);
  lane->state = follows ? CPX_LANE_ACTIVE : good ? CPX_LANE_CANDIDATE : CPX_LANE_EMPTY;
  if (good) {
    lane->type.len = 0;
    if (cpx_buf_add_slice(&lane->type, event->type)) lane->state = CPX_LANE_EMPTY;
    move_form(&lane->in, &in);
    move_form(&lane->out, &made);
  }
  cpx_buf_deinit(&in.bytes);
  cpx_buf_deinit(&made.bytes);
  return lane->state == CPX_LANE_ACTIVE;
}

/* -- Taking. ------------------------------------------------------------------------------------------------------ */

/* Brackets in their order, white space left out; NULL where others come. */
static const char *match_closers(const char *p, const char *end, const char *form, size_t n) {
  for (size_t i = 0; i < n; i++) {
    p = skip_space(p, end);
    if (p == end || *p != form[i]) return NULL;
    p++;
  }
  return skip_space(p, end);
}

/* The literal of an event like the examples. */
static bool match(const cpx_lane_form *form, cpx_slice data, cpx_slice *literal) {
  const char *p = data.p, *end = data.p + data.n;
  for (unsigned i = 0; i < form->n && p; i++) {
    const cpx_lane_piece *piece = &form->pieces[i];
    const char *bytes = form->bytes.data + piece->at, *from = p;
    switch (piece->kind) {
    case LANE_BYTES: p = (size_t)(end - p) >= piece->n && memcmp(p, bytes, piece->n) == 0 ? p + piece->n : NULL; break;
    case LANE_NUMBER: p = number_end(p, end); break;
    case LANE_CLOSERS: p = match_closers(p, end, bytes, piece->n); break;
    default: p = cpx_json_string_end(p, end);
    }
    if (piece->kind == LANE_LITERAL && p) *literal = cpx_slice_of(from, (size_t)(p - from));
  }
  return p == end;
}

static int make(const cpx_lane_form *form, cpx_buf *out, cpx_slice literal) {
  int err = 0;
  for (unsigned i = 0; i < form->n && !err; i++) {
    const cpx_lane_piece *piece = &form->pieces[i];
    if (piece->kind == LANE_LITERAL)
      err = cpx_buf_add_slice(out, literal);
    else if (piece->kind == LANE_SEQUENCE)
      err = cpx_buf_printf(out, "%llu", (unsigned long long)form->sequence + 1);
    else
      err = cpx_buf_add(out, form->bytes.data + piece->at, piece->n);
  }
  return err;
}

/* Keeps an event without its string, whose content is kept elsewhere; false: there is no room, and the former stays. */
static bool keep_last(cpx_lane *lane, cpx_slice data, cpx_slice literal) {
  size_t before = (size_t)(literal.p - data.p) + 1, behind = data.n - before - (literal.n - 2), former = lane->last.len;
  lane->last.len = 0;
  if (cpx_buf_reserve(&lane->last, before + behind)) {
    lane->last.len = former;
    return false;
  }
  return !cpx_buf_add(&lane->last, data.p, before) && !cpx_buf_add(&lane->last, data.p + data.n - behind, behind);
}

bool cpx_lane_take(cpx_lane *lane, const cpx_event *event) {
  cpx_slice literal = {NULL, 0};
  if (lane->state != CPX_LANE_ACTIVE || !same_type(lane, event->type)) return false;
  if (!match(&lane->in, event->data, &literal) || literal.n <= 2) return false;
  size_t made = lane->made.len, text = lane->text.len;
  if (make(&lane->out, &lane->made, literal) || cpx_buf_add(&lane->text, literal.p + 1, literal.n - 2) ||
      (lane->in.counts && !keep_last(lane, event->data, literal))) {
    lane->made.len = made;
    lane->text.len = text;
    return false;
  }
  lane->out.sequence++;
  lane->count++;
  return true;
}
