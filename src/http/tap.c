#include "http/tap.h"

#include "base/limits.h"
#include "http/tap_pick.h"

#define BODY_WHOLE CPX_MB       /* a body up to here is kept and read as a whole: images come inline */
#define BODY_END   CPX_PEEK_MAX /* of a larger one these many bytes at either end */
#define ERROR_BITS (1u << CPX_TAP_MESSAGE | 1u << CPX_TAP_CODE | 1u << CPX_TAP_KIND)
#define STOP_BIT   (1u << CPX_TAP_STOP)

enum cpx_dialect cpx_dialect_of(cpx_slice name) {
  static const cpx_slice names[] = {
      [CPX_DIALECT_OTHER] = {NULL, 0},
      [CPX_DIALECT_OPENAI_CHAT] = CPX_SLICE("openai_chat"),
      [CPX_DIALECT_OPENAI_RESPONSES] = CPX_SLICE("openai_responses"),
      [CPX_DIALECT_ANTHROPIC] = CPX_SLICE("anthropic"),
      [CPX_DIALECT_GEMINI] = CPX_SLICE("gemini"),
  };
  for (size_t i = 1; i < sizeof names / sizeof *names; i++)
    if (cpx_slice_eq(name, names[i])) return (enum cpx_dialect)i;
  return CPX_DIALECT_OTHER;
}

void cpx_tap_init(cpx_tap *tap, enum cpx_dialect dialect, bool stream) {
  *tap = (cpx_tap){.dialect = dialect, .stream = stream};
  cpx_tap_facts_init(&tap->facts);
  cpx_buf_init(&tap->last, stream ? CPX_PEEK_MAX : BODY_WHOLE);
  cpx_buf_init(&tap->tail, 2 * BODY_END);
}

void cpx_tap_deinit(cpx_tap *tap) {
  cpx_tap_facts_deinit(&tap->facts);
  cpx_buf_deinit(&tap->last);
  cpx_buf_deinit(&tap->tail);
}

static bool has(cpx_slice s, const char *needle, size_t n) {
  return s.n >= n && memmem(s.p, s.n, needle, n) != NULL;
}

#define HAS(s, literal) has(s, literal, sizeof(literal) - 1)

/* A document that starts with an error object, pretty-printed or in a list or not. */
static bool starts_with_error(cpx_slice s) {
  size_t i = 0;
  while (i < s.n && i < 32 &&
         (s.p[i] == ' ' || s.p[i] == '\n' || s.p[i] == '\r' || s.p[i] == '\t' || s.p[i] == '{' || s.p[i] == '['))
    i++;
  return i > 0 && s.n - i >= 7 && memcmp(s.p + i, "\"error\"", 7) == 0;
}

static unsigned pick(cpx_tap *tap, cpx_slice json) {
  unsigned found = cpx_tap_pick(tap->dialect, json, &tap->facts);
  if (found & ERROR_BITS) tap->error = true;
  tap->unread = false;
  return found;
}

/* Keeps the event for the end; the next one takes its place. */
static void keep_last(cpx_tap *tap, cpx_slice data) {
  tap->last.len = 0;
  tap->unread = cpx_buf_add_slice(&tap->last, data) == 0;
}

static void read_last(cpx_tap *tap) {
  if (tap->unread) pick(tap, cpx_buf_slice(&tap->last));
}

/* The event's type: its `event:` field, else the "type" that leads its data. */
static cpx_slice type_of(const cpx_event *event) {
  static const char key[] = "\"type\"";
  if (event->type.n) return event->type;
  const char *p = event->data.p, *end = p + (event->data.n < 64 ? event->data.n : 64);
  while (p < end && (*p == ' ' || *p == '{')) p++;
  if (end - p < 8 || memcmp(p, key, sizeof key - 1) != 0) return (cpx_slice){NULL, 0};
  p += sizeof key - 1;
  while (p < end && (*p == ' ' || *p == ':')) p++;
  if (p == end || *p != '"') return (cpx_slice){NULL, 0};
  const char *close = memchr(p + 1, '"', (size_t)(end - p) - 1);
  return close ? (cpx_slice){p + 1, (size_t)(close - p) - 1} : (cpx_slice){NULL, 0};
}

/* Whether a "finish_reason" stands there that is not null. In a string its quotes would be escaped. */
static bool finishes(cpx_slice data) {
  static const char key[] = "\"finish_reason\":";
  const char *p = data.p, *end = data.p + data.n;
  while ((p = memmem(p, (size_t)(end - p), key, sizeof key - 1))) {
    p += sizeof key - 1;
    while (p < end && *p == ' ') p++;
    if (p < end && *p == '"') return true;
  }
  return false;
}

static void chat_event(cpx_tap *tap, const cpx_event *event) {
  if (cpx_slice_eq(event->data, CPX_SLICE("[DONE]"))) {
    read_last(tap);
    tap->terminal = true;
    return;
  }
  if (!tap->closing && finishes(event->data)) tap->closing = tap->terminal = true;
  if (tap->closing || tap->events == 1 || event->type.n || starts_with_error(event->data))
    pick(tap, event->data);
  else
    keep_last(tap, event->data);
}

static void responses_event(cpx_tap *tap, const cpx_event *event) {
  cpx_slice type = type_of(event);
  if (type.n > 6 && memcmp(type.p + type.n - 6, ".delta", 6) == 0) return;
  bool failed = cpx_slice_eq(type, CPX_SLICE("response.failed"));
  bool over = failed || cpx_slice_eq(type, CPX_SLICE("response.completed")) ||
              cpx_slice_eq(type, CPX_SLICE("response.incomplete"));
  if (over) tap->terminal = true;
  if (failed || cpx_slice_eq(type, CPX_SLICE("error"))) tap->error = true;
  if (over || tap->error || cpx_slice_eq(type, CPX_SLICE("response.created"))) pick(tap, event->data);
}

static void anthropic_event(cpx_tap *tap, const cpx_event *event) {
  cpx_slice type = type_of(event);
  if (type.n > 8 && memcmp(type.p, "content_", 8) == 0) return;
  if (cpx_slice_eq(type, CPX_SLICE("message_stop"))) tap->terminal = true;
  if (cpx_slice_eq(type, CPX_SLICE("error"))) tap->error = true;
  if (tap->error || cpx_slice_starts(type, CPX_SLICE("message_"))) pick(tap, event->data);
}

/* Usage stands in every event, the last one counts. */
static void gemini_event(cpx_tap *tap, const cpx_event *event) {
  cpx_slice data = event->data;
  if (!tap->closing) tap->closing = HAS(data, "\"candidates\"");
  bool may_end = HAS(data, "\"finishReason\"") || HAS(data, "\"blockReason\"");
  if (!may_end && data.n <= CPX_PEEK_MAX && !starts_with_error(data)) {
    keep_last(tap, data);
    return;
  }
  if (pick(tap, data) & STOP_BIT && may_end) tap->terminal = true;
}

void cpx_tap_event(cpx_tap *tap, const cpx_event *event) {
  if (!event->has_data) {
    /* Gemini breaks off with a bare JSON error, without "data:". */
    if (starts_with_error(event->raw)) pick(tap, event->raw);
    return;
  }
  tap->events++;
  switch (tap->dialect) {
  case CPX_DIALECT_OTHER: return;
  case CPX_DIALECT_OPENAI_CHAT: chat_event(tap, event); return;
  case CPX_DIALECT_OPENAI_RESPONSES: responses_event(tap, event); return;
  case CPX_DIALECT_ANTHROPIC: anthropic_event(tap, event); return;
  case CPX_DIALECT_GEMINI: gemini_event(tap, event); return;
  }
}

bool cpx_tap_commits(const cpx_tap *tap, const cpx_event *event) {
  if (!event->has_data) return starts_with_error(event->raw);
  if (event->data.n == 0) return false;
  cpx_slice type = type_of(event);
  switch (tap->dialect) {
  case CPX_DIALECT_OPENAI_CHAT:
    return !HAS(event->data, "\"prompt_filter_results\"") || !HAS(event->data, "\"choices\":[]");
  case CPX_DIALECT_OPENAI_RESPONSES:
    return !cpx_slice_eq(type, CPX_SLICE("response.created")) && !cpx_slice_eq(type, CPX_SLICE("response.queued")) &&
           !cpx_slice_eq(type, CPX_SLICE("response.in_progress")) && !cpx_slice_eq(type, CPX_SLICE("keepalive"));
  case CPX_DIALECT_ANTHROPIC:
    return !cpx_slice_eq(type, CPX_SLICE("message_start")) && !cpx_slice_eq(type, CPX_SLICE("ping"));
  case CPX_DIALECT_OTHER:
  case CPX_DIALECT_GEMINI: break;
  }
  return true;
}

/* Answers that are not streams. */

/* `last` is full: it stays the beginning, and `tail` becomes a window over the end. */
static void feed_tail(cpx_tap *tap, cpx_slice bytes) {
  if (bytes.n > BODY_END) bytes = (cpx_slice){bytes.p + bytes.n - BODY_END, BODY_END};
  if (tap->tail.len + bytes.n > 2 * BODY_END) cpx_buf_consume(&tap->tail, tap->tail.len - (BODY_END - 1));
  if (cpx_buf_add_slice(&tap->tail, bytes) != 0) tap->tail.len = 0;
}

void cpx_tap_feed(cpx_tap *tap, cpx_slice bytes) {
  if (tap->dialect == CPX_DIALECT_OTHER) return;
  tap->unread = true;
  if (tap->tail.len == 0 && cpx_buf_add_slice(&tap->last, bytes) == 0) return;
  if (tap->tail.len == 0) {
    size_t from = tap->last.len > BODY_END ? tap->last.len - BODY_END : 0;
    feed_tail(tap, (cpx_slice){tap->last.data + from, tap->last.len - from});
  }
  feed_tail(tap, bytes);
}

/* The usage of a large body stands near one of its ends: where it is not in the first bytes, it is read from the last.
 */
static void read_tail(cpx_tap *tap) {
  const char *key = tap->dialect == CPX_DIALECT_GEMINI ? "\"usageMetadata\"" : "\"usage\"";
  const char *at = NULL, *p = tap->tail.data, *end = p + tap->tail.len;
  while (p && (p = memmem(p, (size_t)(end - p), key, strlen(key)))) at = p++;
  if (at) cpx_tap_pick_members(tap->dialect, (cpx_slice){at, (size_t)(end - at)}, &tap->facts);
}

static void read_body(cpx_tap *tap) {
  read_last(tap);
  if (tap->tail.len) read_tail(tap);
  cpx_buf_deinit(&tap->last);
  cpx_buf_deinit(&tap->tail);
}

void cpx_tap_end(cpx_tap *tap, bool whole) {
  if (!tap->stream) {
    read_body(tap);
    tap->terminal = whole;
    return;
  }
  read_last(tap);
  /* No word ends a Gemini stream, but its message's own end does, if it said anything. */
  if (tap->dialect == CPX_DIALECT_GEMINI && whole && tap->closing && !tap->error) tap->terminal = true;
  if (tap->dialect == CPX_DIALECT_OTHER && whole) tap->terminal = true;
}

void cpx_tap_body(cpx_tap *tap, cpx_slice body) {
  cpx_tap_feed(tap, body);
  cpx_tap_end(tap, true);
}

int cpx_tap_read(const cpx_tap *tap, cpx_buf *storage, cpx_tapped *out) {
  if (!tap->unread) return cpx_tap_facts_read(tap->dialect, &tap->facts, storage, out);
  /* Asked before the end: what is kept is read into a copy. */
  cpx_tap_facts facts = tap->facts;
  cpx_buf_init(&facts.words, tap->facts.words.max);
  int err = cpx_buf_add_slice(&facts.words, cpx_buf_slice(&tap->facts.words));
  if (!err) {
    cpx_tap_pick(tap->dialect, cpx_buf_slice(&tap->last), &facts);
    err = cpx_tap_facts_read(tap->dialect, &facts, storage, out);
  }
  cpx_buf_deinit(&facts.words);
  return err;
}
