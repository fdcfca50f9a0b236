#include "http/framing.h"
#include "http/framing_scan.h"

#include <stdint.h>

/* Memory kept between events: a stream's usual event fits, thousands of quiet streams do not add up. */
#define KEEP 2048

void cpx_splitter_init(cpx_splitter *s, enum cpx_framing framing, size_t event_max) {
  *s = (cpx_splitter){.framing = framing, .event_max = event_max};
  cpx_buf_init(&s->tail, SIZE_MAX); /* bounded here: by event_max, and by the feed that was stopped */
  cpx_buf_init(&s->joined, event_max);
}

void cpx_splitter_deinit(cpx_splitter *s) {
  cpx_buf_deinit(&s->tail);
  cpx_buf_deinit(&s->joined);
}

static int die(cpx_splitter *s, int err) {
  cpx_splitter_deinit(s);
  s->start = s->scanned = 0;
  s->dead = err;
  return err;
}

static enum cpx_scan scan(cpx_splitter *s, cpx_marks *marks, const char **p) {
  switch (s->framing) {
  case CPX_FRAMING_SSE: return cpx_scan_lines(s, marks, p);
  case CPX_FRAMING_NDJSON: return cpx_scan_ndjson(s, marks, p);
  case CPX_FRAMING_JSON_ARRAY: return cpx_scan_array(s, marks, p);
  case CPX_FRAMING_RAW: break;
  }
  bool some = *p < marks->end;
  *p = marks->end;
  return some ? CPX_SCAN_FOUND : CPX_SCAN_MORE;
}

/* `*stop`: what the callback said. */
static int emit(cpx_splitter *s, const char *raw, size_t n, cpx_event_fn fn, void *user, int *stop) {
  cpx_event event = {.raw = {raw, n}};
  int err = 0;
  switch (s->framing) {
  case CPX_FRAMING_SSE: err = cpx_fields_sse(s, &event); break;
  case CPX_FRAMING_NDJSON: cpx_fields_ndjson(&event); break;
  case CPX_FRAMING_JSON_ARRAY: cpx_fields_array(&event); break;
  case CPX_FRAMING_RAW:
    event.data = event.raw;
    event.has_data = true;
    break;
  }
  if (err) return err;
  s->begun = true;
  *stop = fn(user, &event);
  if (s->joined.cap) cpx_buf_clear(&s->joined, KEEP);
  return 0;
}

static void forget_tail(cpx_splitter *s) {
  cpx_buf_clear(&s->tail, KEEP);
  s->start = s->scanned = 0;
}

/* Keeps `n` bytes; `looked`: the scanner has seen them, they are part of one unfinished event. */
static int keep(cpx_splitter *s, const char *bytes, size_t n, bool looked) {
  if (looked && s->tail.len - s->start + n > s->event_max) return CPX_ETOOBIG;
  int err = cpx_buf_add(&s->tail, bytes, n);
  if (!err && looked) s->scanned = s->tail.len;
  return err;
}

/* Of a byte that does not belong, `n` bytes into its event: an event that is over-long before it is that first, however
 * the stream was cut. */
static int misfit(const cpx_splitter *s, size_t n) {
  return n > s->event_max ? CPX_ETOOBIG : CPX_ESYNTAX;
}

/* Events among bytes that are the caller's. */
static int run_direct(cpx_splitter *s, cpx_marks *marks, const char *p, cpx_event_fn fn, void *user) {
  for (;;) {
    const char *from = p;
    enum cpx_scan found = scan(s, marks, &p);
    if (found == CPX_SCAN_BAD) return misfit(s, (size_t)(p - from));
    if (found == CPX_SCAN_MORE) return keep(s, from, (size_t)(marks->end - from), true);
    if ((size_t)(p - from) > s->event_max) return CPX_ETOOBIG;
    int stop = 0;
    int err = emit(s, from, (size_t)(p - from), fn, user, &stop);
    if (err) return err;
    if (stop) return keep(s, p, (size_t)(marks->end - p), false);
  }
}

/* Events among bytes that a stop had left in the tail. */
static int run_tail(cpx_splitter *s, cpx_event_fn fn, void *user, int *stop) {
  cpx_marks marks = {.end = s->tail.data + s->tail.len};
  while (s->scanned < s->tail.len) {
    const char *p = s->tail.data + s->scanned;
    enum cpx_scan found = scan(s, &marks, &p);
    if (found == CPX_SCAN_BAD) return misfit(s, (size_t)(p - s->tail.data) - s->start);
    s->scanned = (size_t)(p - s->tail.data);
    if (s->scanned - s->start > s->event_max) return CPX_ETOOBIG;
    if (found == CPX_SCAN_MORE) break;
    size_t start = s->start;
    s->start = s->scanned;
    int err = emit(s, s->tail.data + start, s->scanned - start, fn, user, stop);
    if (err) return err;
    if (*stop) break;
  }
  if (s->start == s->tail.len) {
    forget_tail(s);
  } else if (s->scanned == s->tail.len) {
    cpx_buf_consume(&s->tail, s->start);
    s->scanned -= s->start;
    s->start = 0;
  }
  return 0;
}

static int feed(cpx_splitter *s, const char *bytes, size_t n, cpx_event_fn fn, void *user) {
  int stop = 0;
  if (s->scanned < s->tail.len) {
    int err = keep(s, bytes, n, false);
    return err ? err : run_tail(s, fn, user, &stop);
  }
  if (n == 0) return 0;
  cpx_marks marks = {.end = bytes + n};
  const char *p = bytes;
  if (s->tail.len) {
    enum cpx_scan found = scan(s, &marks, &p);
    if (found == CPX_SCAN_BAD) return misfit(s, s->tail.len - s->start + (size_t)(p - bytes));
    int err = keep(s, bytes, (size_t)(p - bytes), true);
    if (err || found == CPX_SCAN_MORE) return err;
    err = emit(s, s->tail.data, s->tail.len, fn, user, &stop);
    if (err) return err;
    forget_tail(s);
    if (stop) return keep(s, p, (size_t)(marks.end - p), false);
  }
  return run_direct(s, &marks, p, fn, user);
}

int cpx_splitter_feed(cpx_splitter *s, const char *bytes, size_t n, cpx_event_fn fn, void *user) {
  if (s->dead) return s->dead;
  int err = feed(s, bytes, n, fn, user);
  return err ? die(s, err) : 0;
}

int cpx_splitter_finish(cpx_splitter *s, cpx_event_fn fn, void *user) {
  if (s->dead) return s->dead;
  int stop = 0;
  if (s->scanned < s->tail.len) {
    int err = run_tail(s, fn, user, &stop);
    if (err) return die(s, err);
    if (stop) return 0;
  }
  if (s->framing == CPX_FRAMING_JSON_ARRAY && !cpx_scan_array_closed(s)) return die(s, CPX_EEOF);
  if (s->tail.len == 0) return 0;
  int err = emit(s, s->tail.data + s->start, s->tail.len - s->start, fn, user, &stop);
  if (err) return die(s, err);
  forget_tail(s);
  return 0;
}
