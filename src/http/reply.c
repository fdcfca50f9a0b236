#include "http/reply_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* A source may bring this much after it was paused: what a script writes at once, or libcurl has read. */
#define HELD_MAX (CPX_EVENT_MAX + CPX_PEEK_MAX)

/* -- What holds for every way. */

void reply_pause(cpx_reply *r) {
  if (r->paused || r->ended) return;
  r->paused = true;
  cpx_source_pause(r->source);
}

void reply_resume(cpx_reply *r) {
  if (!r->paused) return;
  r->paused = false;
  if (!r->ended) cpx_source_resume(r->source);
}

static void set_end(cpx_reply *r, int err, const char *text, bool committed) {
  r->ended = true;
  r->end_text = text && *text ? strdup(text) : NULL;
  r->end = (cpx_end){err, r->end_text ? r->end_text : "", committed};
}

void reply_fail(cpx_reply *r, int err, const char *text) {
  if (r->ended) {
    if (r->end.err == 0) r->end.err = err, r->end.text = text;
    return;
  }
  cpx_source_cancel(r->source);
  set_end(r, err, text, true);
  r->settled = true;
  cpx_tap_end(&r->tap, false);
  r->ready = true;
  if (r->mode == REPLY_RELAY) reply_relay_end(r);
  cpx_loop_defer(r->loop, &r->job);
}

void reply_split(cpx_reply *r, const char *bytes, size_t n, cpx_event_fn fn) {
  int err = cpx_splitter_feed(&r->splitter, bytes, n, fn, r);
  if (err == CPX_ETOOBIG)
    reply_fail(r, err, "one event of the upstream's stream is larger than 32 MB");
  else if (err == CPX_ESYNTAX)
    reply_fail(r, CPX_EPROTO, "the upstream's stream is not framed as its provider says");
  else if (err)
    reply_fail(r, err, cpx_error_text(err));
}

int reply_on_tap(void *user, const cpx_event *event) {
  cpx_tap_event(&((cpx_reply *)user)->tap, event);
  return 0;
}

void reply_tap_bytes(cpx_reply *r, const char *bytes, size_t n) {
  if (r->tap.stream)
    reply_split(r, bytes, n, reply_on_tap);
  else
    cpx_tap_feed(&r->tap, (cpx_slice){bytes, n});
}

void reply_settle(cpx_reply *r, cpx_event_fn fn) {
  if (r->settled) return;
  r->settled = true;
  /* A stopped splitter still holds whole events. */
  int err = r->tap.stream ? cpx_splitter_feed(&r->splitter, NULL, 0, fn, r) : 0;
  if (!err && r->tap.stream) err = cpx_splitter_finish(&r->splitter, fn, r);
  if (err && r->end.err == 0) {
    r->end.err = err == CPX_EEOF ? CPX_EPROTO : err;
    r->end.text = "the upstream's stream ended in the middle of an event";
  }
  cpx_tap_end(&r->tap, r->end.err == 0);
}

int reply_record_add(cpx_buf *b, const cpx_event *event) {
  reply_record rec = {.raw = (uint32_t)event->raw.n,
                      .type = (uint32_t)event->type.n,
                      .data = (uint32_t)event->data.n,
                      .has_data = event->has_data};
  const char *raw = event->raw.p, *end = event->raw.p + event->raw.n;
  bool inside = event->data.n == 0 || (event->data.p >= raw && event->data.p + event->data.n <= end);
  bool type_inside = event->type.n == 0 || (event->type.p >= raw && event->type.p + event->type.n <= end);
  rec.data_at = inside ? (event->data.n ? (uint32_t)(event->data.p - raw) : 0) : rec.raw;
  rec.type_at = type_inside ? (event->type.n ? (uint32_t)(event->type.p - raw) : 0) : rec.raw + (inside ? 0 : rec.data);
  size_t extra = (inside ? 0 : event->data.n) + (type_inside ? 0 : event->type.n);
  int err = cpx_buf_reserve(b, sizeof rec + event->raw.n + extra);
  if (!err) err = cpx_buf_add(b, &rec, sizeof rec);
  if (!err) err = cpx_buf_add_slice(b, event->raw);
  if (!err && !inside) err = cpx_buf_add_slice(b, event->data);
  if (!err && !type_inside) err = cpx_buf_add_slice(b, event->type);
  return err;
}

size_t reply_record_read(const cpx_buf *b, size_t at, cpx_event *out) {
  reply_record rec;
  memcpy(&rec, b->data + at, sizeof rec);
  const char *raw = b->data + at + sizeof rec;
  out->raw = (cpx_slice){raw, rec.raw};
  out->type = (cpx_slice){raw + rec.type_at, rec.type};
  out->data = (cpx_slice){raw + rec.data_at, rec.data};
  out->has_data = rec.has_data;
  size_t end = rec.raw;
  if (rec.data_at + rec.data > end) end = rec.data_at + rec.data;
  if (rec.type_at + rec.type > end) end = rec.type_at + rec.type;
  return at + sizeof rec + end;
}

/* -- Peeking. */

static void become_ready(cpx_reply *r) {
  if (r->ready) return;
  r->ready = true;
  cpx_timer_stop(&r->timer);
  cpx_loop_defer(r->loop, &r->job);
}

static int on_peek(void *user, const cpx_event *event) {
  cpx_reply *r = user;
  r->tapped++;
  cpx_tap_event(&r->tap, event);
  if (!cpx_tap_commits(&r->tap, event)) return 0;
  r->committed = reply_record_add(&r->first, event) == 0;
  become_ready(r);
  return 1;
}

static void on_time(cpx_timer *timer) {
  become_ready(CPX_CONTAINER(timer, cpx_reply, timer));
}

static void peek_data(cpx_reply *r, const char *bytes, size_t n) {
  if (!r->tap.stream) {
    if (r->status < 400 || r->held.len >= CPX_ERROR_BODY_MAX) become_ready(r);
    return;
  }
  reply_split(r, bytes, n, on_peek);
  r->fed += n;
  if (r->held.len >= CPX_PEEK_MAX) become_ready(r);
  if (!r->ready && r->tapped > 0 && !cpx_timer_active(&r->timer)) {
    uint64_t ms = r->options.first_byte_ms ? r->options.first_byte_ms : CPX_UP_FIRST_BYTE_MS;
    if (cpx_timer_start(&r->timer, ms)) become_ready(r);
  }
}

static void hold(cpx_reply *r, const char *bytes, size_t n) {
  int err = cpx_buf_add(&r->held, bytes, n);
  if (err) {
    reply_fail(r, err, "more of the answer came at once than can be held");
    return;
  }
  if (r->held.len >= CPX_PEEK_MAX) reply_pause(r);
  if (!r->ready) peek_data(r, bytes, n);
}

/* -- The source's side. */

static bool header_is(const cpx_head *head, cpx_slice name, cpx_slice *value) {
  for (size_t i = 0; i < head->count; i++) {
    if (!cpx_slice_eq(head->headers[i].name, name)) continue;
    *value = head->headers[i].value;
    return true;
  }
  return false;
}

static bool starts_like(cpx_slice value, cpx_slice type) {
  return value.n >= type.n && cpx_slice_ieq((cpx_slice){value.p, type.n}, type);
}

/* Whether it is a stream: what was asked for, corrected by what the answer says it is. */
static bool is_stream(const cpx_reply *r, const cpx_head *head) {
  cpx_slice type = {NULL, 0};
  if (head->status >= 400) return false;
  if (header_is(head, CPX_SLICE("content-type"), &type) && starts_like(type, CPX_SLICE("text/event-stream")))
    return r->options.stream || r->options.framing == CPX_FRAMING_SSE;
  if (r->options.framing != CPX_FRAMING_SSE || type.n == 0) return r->options.stream;
  return r->options.stream && !starts_like(type, CPX_SLICE("application/json")) &&
         !starts_like(type, CPX_SLICE("text/html"));
}

static int copy_headers(cpx_reply *r, const cpx_head *head) {
  size_t bytes = head->count * sizeof *r->headers;
  for (size_t i = 0; i < head->count; i++) bytes += head->headers[i].name.n + head->headers[i].value.n;
  if (bytes == 0) return 0;
  r->headers = malloc(bytes);
  if (!r->headers) return CPX_ENOMEM;
  char *to = (char *)(r->headers + head->count);
  for (size_t i = 0; i < head->count; i++) {
    cpx_slice name = head->headers[i].name, value = head->headers[i].value;
    r->headers[i] = (cpx_header){{to, name.n}, {to + name.n, value.n}};
    if (name.n) memcpy(to, name.p, name.n);
    if (value.n) memcpy(to + name.n, value.p, value.n);
    to += name.n + value.n;
  }
  r->header_count = head->count;
  return 0;
}

static void on_head(void *user, const cpx_head *head) {
  cpx_reply *r = user;
  cpx_slice coding = {NULL, 0};
  r->head_ns = cpx_now_ns();
  r->status = head->status;
  r->length = head->length;
  if (copy_headers(r, head)) {
    reply_fail(r, CPX_ENOMEM, cpx_error_text(CPX_ENOMEM));
    return;
  }
  /* An encoded body (we ask for none) passes as it is, and nothing is read from it. */
  bool encoded =
      header_is(head, CPX_SLICE("content-encoding"), &coding) && !cpx_slice_ieq(coding, CPX_SLICE("identity"));
  cpx_tap_deinit(&r->tap);
  cpx_tap_init(&r->tap, encoded ? CPX_DIALECT_OTHER : r->options.dialect, is_stream(r, head));
  cpx_splitter_init(&r->splitter, encoded ? CPX_FRAMING_RAW : r->options.framing, CPX_EVENT_MAX);
}

static void on_data(void *user, const char *bytes, size_t n) {
  cpx_reply *r = user;
  if (r->ended || n == 0) return;
  if (!r->first_ns) r->first_ns = cpx_now_ns();
  switch (r->mode) {
  case REPLY_PEEK:
  case REPLY_READY: hold(r, bytes, n); return;
  case REPLY_RELAY: reply_relay_data(r, bytes, n); return;
  case REPLY_EVENTS: reply_events_data(r, bytes, n); return;
  case REPLY_COLLECT: reply_collect_data(r, bytes, n); return;
  case REPLY_DONE: return;
  }
}

static void on_end(void *user, const cpx_end *end) {
  cpx_reply *r = user;
  if (r->ended) return;
  set_end(r, end->err, end->text, end->committed);
  if (r->mode == REPLY_PEEK && !r->ready && r->tap.stream) {
    /* A last event without its blank line may be the one that commits, or tell why the stream ended. */
    (void)!cpx_splitter_finish(&r->splitter, on_peek, r);
  }
  if (r->mode == REPLY_RELAY) reply_relay_end(r);
  if (r->mode == REPLY_EVENTS) reply_events_end(r);
  become_ready(r);
  cpx_loop_defer(r->loop, &r->job);
}

static void run(cpx_job *job) {
  cpx_reply *r = CPX_CONTAINER(job, cpx_reply, job);
  if (r->mode == REPLY_PEEK && r->ready && !r->told) {
    r->told = true;
    r->mode = REPLY_READY;
    r->options.on_ready(r->options.user);
    return;
  }
  if (r->mode == REPLY_RELAY)
    reply_relay_run(r);
  else if (r->mode == REPLY_EVENTS || r->mode == REPLY_COLLECT)
    reply_pull_run(r);
}

/* -- Life. */

static const cpx_sink sink = {on_head, on_data, on_end};

int cpx_reply_new(cpx_loop *loop, cpx_source *source, const cpx_reply_options *options, cpx_reply **out) {
  cpx_reply *r = calloc(1, sizeof *r);
  if (!r) return CPX_ENOMEM;
  r->loop = loop;
  r->source = source;
  r->options = *options;
  r->length = -1;
  cpx_job_init(&r->job, run);
  cpx_job_init(&r->recheck, NULL);
  cpx_timer_init(&r->timer, loop, on_time);
  cpx_tap_init(&r->tap, options->dialect, false);
  cpx_splitter_init(&r->splitter, options->framing, CPX_EVENT_MAX);
  cpx_buf_init(&r->held, HELD_MAX);
  cpx_buf_init(&r->first, CPX_EVENT_MAX * 2 + sizeof(reply_record));
  cpx_buf_init(&r->queue, CPX_EVENT_MAX * 4);
  *out = r;
  cpx_source_start(source, &sink, r);
  return 0;
}

/* Whoever pulls events stops at the terminal one, and the HTTP message ends a little later. */
static void release_source(cpx_reply *r) {
  if (r->mode == REPLY_EVENTS && r->tap.stream && r->tap.terminal && !r->ended)
    cpx_source_linger(r->source);
  else
    cpx_source_free(r->source);
}

void cpx_reply_free(cpx_reply *r) {
  if (!r) return;
  if (r->mode == REPLY_RELAY) reply_relay_drop(r);
  release_source(r);
  cpx_timer_stop(&r->timer);
  cpx_job_cancel(&r->job);
  cpx_job_cancel(&r->recheck);
  cpx_splitter_deinit(&r->splitter);
  cpx_tap_deinit(&r->tap);
  cpx_buf_deinit(&r->held);
  cpx_buf_deinit(&r->first);
  cpx_buf_deinit(&r->queue);
  cpx_buf_deinit(&r->body);
  free(r->headers);
  free(r->end_text);
  if (r->lane) cpx_lane_deinit(r->lane);
  free(r->lane);
  free(r);
}

int cpx_reply_status(const cpx_reply *r) {
  return r->status;
}

size_t cpx_reply_header_count(const cpx_reply *r) {
  return r->header_count;
}

cpx_header cpx_reply_header_at(const cpx_reply *r, size_t i) {
  return r->headers[i];
}

bool cpx_reply_header(const cpx_reply *r, cpx_slice lower_name, cpx_slice *value) {
  cpx_head head = {r->status, r->headers, r->header_count, r->length};
  return header_is(&head, lower_name, value);
}

int64_t cpx_reply_length(const cpx_reply *r) {
  return r->length;
}

bool cpx_reply_first_event(const cpx_reply *r, cpx_event *event) {
  if (!r->committed) return false;
  (void)reply_record_read(&r->first, 0, event);
  return true;
}

cpx_slice cpx_reply_held(const cpx_reply *r) {
  return cpx_buf_slice(&r->held);
}

const cpx_end *cpx_reply_end_of(const cpx_reply *r) {
  return r->ended ? &r->end : NULL;
}

const cpx_tap *cpx_reply_tap(const cpx_reply *r) {
  return &r->tap;
}

uint64_t cpx_reply_head_ns(const cpx_reply *r) {
  return r->head_ns;
}

uint64_t cpx_reply_first_ns(const cpx_reply *r) {
  return r->first_ns;
}
