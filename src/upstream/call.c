/* call.c - a call from its options to its end: memory, time limits, and what its holder may do with it. */
#include "upstream/internal.h"

#include <stdio.h>
#include <stdlib.h>

/* A call is one piece of memory: the struct, the list of headers, the parts, the strings. */
typedef struct layout {
  char *at;
} layout;

static void *place(layout *l, size_t n) {
  void *p = l->at;
  l->at += (n + 15) & ~(size_t)15;
  return p;
}

static const char *place_str(layout *l, const char *s) {
  if (!s) return NULL;
  size_t n = strlen(s) + 1;
  return memcpy(place(l, n), s, n);
}

static size_t room_for(const char *s) {
  return s ? (strlen(s) + 16) & ~(size_t)15 : 0;
}

/* libcurl adds these unless told not to: an entry without a value takes a header out. */
static const char *const unwanted[] = {"Expect:", "Accept:", "Content-Type:"};
#define UNWANTED (sizeof unwanted / sizeof *unwanted)

static bool skipped(const cpx_header *h) {
  return up_is_hop_header(h->name) || up_is_own_header(h->name);
}

static size_t headers_room(const cpx_call_options *o) {
  size_t room = UNWANTED * (sizeof(struct curl_slist) + 16);
  for (size_t i = 0; i < o->header_count; i++)
    room += ((sizeof(struct curl_slist) + 15) & ~(size_t)15) +
            ((o->headers[i].name.n + o->headers[i].value.n + 3 + 15) & ~(size_t)15);
  return room;
}

// NOLINTNEXTLINE(readability-non-const-parameter): libcurl's list holds plain char
static struct curl_slist *push(layout *l, struct curl_slist *last, char *text) {
  struct curl_slist *node = place(l, sizeof *node);
  *node = (struct curl_slist){text, NULL};
  if (last) last->next = node;
  return node;
}

static char *header_line(layout *l, const cpx_header *h) {
  char *text = place(l, h->name.n + h->value.n + 3), *to = text;
  memcpy(to, h->name.p, h->name.n);
  to += h->name.n;
  if (h->value.n == 0) {
    memcpy(to, ";", 2); /* libcurl's way to send an empty value */
    return text;
  }
  memcpy(to, ": ", 2);
  memcpy(to + 2, h->value.p, h->value.n);
  to[2 + h->value.n] = '\0';
  return text;
}

static struct curl_slist *place_headers(layout *l, const cpx_call_options *o) {
  struct curl_slist *first = NULL, *last = NULL;
  bool has_accept = false, has_type = false;
  for (size_t i = 0; i < o->header_count; i++) {
    const cpx_header *h = &o->headers[i];
    if (skipped(h)) continue;
    has_accept |= cpx_slice_ieq(h->name, CPX_SLICE("accept"));
    has_type |= cpx_slice_ieq(h->name, CPX_SLICE("content-type"));
    last = push(l, last, header_line(l, h));
    if (!first) first = last;
  }
  for (size_t i = 0; i < UNWANTED; i++) {
    if ((i == 1 && has_accept) || (i == 2 && has_type)) continue;
    last = push(l, last, (char *)(uintptr_t)unwanted[i]);
    if (!first) first = last;
  }
  return first;
}

static const cpx_slice *place_parts(layout *l, const cpx_call_options *o, up_call *call) {
  cpx_slice *parts = place(l, o->body_parts * sizeof *parts);
  for (size_t i = 0; i < o->body_parts; i++) {
    parts[i] = o->body[i];
    call->body_len += parts[i].n;
  }
  call->part_count = o->body_parts;
  return parts;
}

static int join_small(up_call *call) {
  if (call->part_count < 2 || call->body_len == 0 || call->body_len > UP_BODY_WHOLE) return 0;
  char *to = call->joined = malloc(call->body_len);
  if (!to) return CPX_ENOMEM;
  for (size_t i = 0; i < call->part_count; i++) {
    if (call->parts[i].n) memcpy(to, call->parts[i].p, call->parts[i].n);
    to += call->parts[i].n;
  }
  return 0;
}

static void release_body(up_call *call) {
  if (!call->body_held) return;
  call->body_held = false;
  if (call->body_done) call->body_done(call->body_user);
}

static void call_delete(up_call *call) {
  free(call->joined);
  free(call);
}

/* The end. */

static void leave(up_call *call) {
  cpx_timer_stop(&call->timer);
  cpx_list_remove(&call->queue);
  cpx_list_remove(&call->node);
  if (call->slot) up_slot_give(call->up, call->slot);
  call->slot = NULL;
  if (call->pool) call->pool->running--;
  call->pool = NULL;
  call->state = UP_ENDED;
  release_body(call);
}

void up_call_detach(up_call *call) {
  leave(call);
  if (call->freed && call->busy == 0) call_delete(call);
}

static void tell_end(up_call *call, const up_outcome *outcome, bool committed) {
  cpx_end end = {outcome->err, outcome->text, committed};
  call->busy++;
  if (!call->dropped) call->source.sink->on_end(call->source.user, &end);
  call->busy--;
  if (call->freed && call->busy == 0) call_delete(call);
}

void up_call_finish(up_call *call, CURLcode code) {
  up_outcome outcome;
  long connects = 1;
  up_outcome_of(call, code, &outcome);
  if (call->slot) curl_easy_getinfo(call->slot->easy, CURLINFO_NUM_CONNECTS, &connects);
  if (connects == 0 && call->sends > 0) call->up->counts.reused++;
  leave(call);
  tell_end(call, &outcome, call->sends > 0);
}

/* Time limits: one timer that is never moved while bytes flow. It fires at the earliest moment at which a limit could
 * have passed, looks, and is set again for what is left. */

typedef struct limit {
  uint64_t due, ms;
  const char *stage;
} limit;

static limit next_limit(const up_call *call, uint64_t now) {
  limit total = {call->started + call->total_ms, call->total_ms, "not finished"};
  limit stage = {call->active + call->idle_ms, call->idle_ms, "no further byte"};
  /* libcurl watches over the time to connect; this is for the case that it does not wake up. */
  if (call->sends == 0)
    stage = (limit){call->started + call->connect_ms + 1000, call->connect_ms, "not connected"};
  else if (!call->answered)
    stage = (limit){call->active + call->first_byte_ms, call->first_byte_ms, "no first byte"};
  else if (call->paused)
    stage.due = now + call->idle_ms;
  return stage.due < total.due ? stage : total;
}

static void arm(up_call *call, uint64_t now, const limit *next) {
  /* The next stage may have a shorter limit than this one. */
  uint64_t due = next->due, soonest = now + call->idle_ms, first = now + call->first_byte_ms;
  if (soonest < due) due = soonest;
  if (call->sends == 0 && first < due) due = first;
  /* Without memory for the timer libcurl's own clock still bounds the connect. */
  (void)!cpx_timer_start(&call->timer, due > now ? due - now : 1);
}

static void on_time(cpx_timer *timer) {
  up_call *call = CPX_CONTAINER(timer, up_call, timer);
  uint64_t now = cpx_loop_ms(call->up->loop);
  limit next = next_limit(call, now);
  if (now < next.due) {
    arm(call, now, &next);
    return;
  }
  up_outcome outcome;
  bool committed = call->sends > 0;
  up_outcome_timeout(call, next.stage, next.ms, &outcome);
  call->busy++; /* kept alive between its removal and its last callback */
  call->source.ops->cancel(&call->source);
  call->dropped = false;
  call->busy--;
  tell_end(call, &outcome, committed);
}

void up_call_attached(up_call *call) {
  uint64_t now = cpx_loop_ms(call->up->loop);
  call->state = UP_RUNNING;
  call->started = call->active = now;
  limit next = next_limit(call, now);
  arm(call, now, &next);
}

/* What the holder may do. */

static up_call *of(cpx_source *source) {
  return (up_call *)(void *)source;
}

static void call_start(cpx_source *source) {
  up_call *call = of(source);
  if (call->state != UP_NEW || !call->up) return;
  call->state = UP_STARTING;
  call->pool = call->up->pool;
  call->up->counts.calls++;
  up_pool_start(call->pool, call);
}

static void call_pause(cpx_source *source) {
  of(source)->paused = true; /* libcurl is told when it brings more */
}

static void call_resume(cpx_source *source) {
  up_call *call = of(source);
  if (!call->paused) return;
  call->paused = false;
  if (call->state != UP_RUNNING) return;
  call->active = cpx_loop_ms(call->up->loop);
  if (call->held && !call->dropped) up_pool_touch(call->pool, call);
}

static void call_cancel(cpx_source *source) {
  up_call *call = of(source);
  if (call->dropped) return;
  call->dropped = true;
  cpx_timer_stop(&call->timer);
  if (call->state == UP_STARTING)
    up_call_detach(call);
  else if (call->state == UP_RUNNING)
    up_pool_touch(call->pool, call);
}

static void call_free(cpx_source *source) {
  up_call *call = of(source);
  call->freed = true;
  if (call->state == UP_NEW) release_body(call);
  if (call->state == UP_STARTING || call->state == UP_RUNNING)
    call_cancel(source); /* deleted when libcurl lets go */
  else if (call->busy == 0)
    call_delete(call);
}

/* A lingering call is freed already, but not dropped: it has no holder, and ends as any other, by itself or in time. */

static void on_late_data(void *user, const char *bytes, size_t n) {
  up_call *call = user;
  (void)bytes;
  call->lingered += n;
  if (call->lingered > CPX_UP_LINGER_MAX) call_cancel(&call->source);
}

static void on_late_end(void *user, const cpx_end *end) {
  (void)user, (void)end;
}

/* Behind bytes of the answer a request is not sent again: once it left, its body is not needed. Where it was sent twice
 * the count may be of both. */
static bool request_left(const up_call *call) {
  curl_off_t sent = 0;
  if (call->sends != 1) return false;
  curl_easy_getinfo(call->slot->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
  return (uint64_t)sent >= call->body_len;
}

static void call_linger(cpx_source *source) {
  static const cpx_sink late = {NULL, on_late_data, on_late_end};
  up_call *call = of(source);
  if (call->state != UP_RUNNING || call->dropped || !call->head_done || !request_left(call)) {
    call_free(source);
    return;
  }
  uint64_t now = cpx_loop_ms(call->up->loop), total = now - call->started + CPX_UP_LINGER_MS;
  call->freed = true;
  source->sink = &late;
  source->user = call;
  call->part_count = 0;
  release_body(call);
  call_resume(source);
  if (total < call->total_ms) call->total_ms = total;
  limit next = next_limit(call, now);
  arm(call, now, &next);
  if (!cpx_timer_active(&call->timer)) call_cancel(source);
}

static const cpx_source_ops call_ops = {call_start, call_pause, call_resume, call_cancel, call_free, call_linger};

/* Checked once in a row. */
static int check_url(cpx_upstream *up, const char *url, char *where, char *message, size_t n) {
  if (!up->url || strcmp(up->url, url) != 0) {
    free(up->url);
    up->url = NULL;
    int err = up_check_url(url, up->where, sizeof up->where, message, n);
    if (err) return err;
    up->url = strdup(url);
  }
  memcpy(where, up->where, sizeof up->where);
  return 0;
}

static int check(cpx_upstream *up, const cpx_call_options *o, char *where, char *proxy_where, char *message, size_t n) {
  int err = up_check_method(o->method, message, n);
  if (!err) err = check_url(up, o->url, where, message, n);
  for (size_t i = 0; !err && i < o->header_count; i++)
    if (!skipped(&o->headers[i])) err = up_check_header(&o->headers[i], message, n);
  if (!err && o->proxy_url) err = up_check_proxy(o->proxy_url, proxy_where, 300, message, n);
  if (!err && o->unix_socket) {
    (void)snprintf(where, 300, "unix:%s", o->unix_socket);
    if (strlen(o->unix_socket) > 107) {
      (void)snprintf(message, n, "unix_socket: the path is longer than the system's 107 bytes");
      err = CPX_EINVAL;
    }
  }
  if (!err && o->ca_file) err = up_trust_check(up, o->ca_file, message, n);
  return err;
}

static uint64_t or_default(uint64_t ms, uint64_t fallback) {
  return ms ? ms : fallback;
}

static void fill(up_call *call, cpx_upstream *up, const cpx_call_options *o) {
  call->source.ops = &call_ops;
  call->up = up;
  call->length = -1;
  call->http2 = o->http2;
  call->has_body = o->body_parts > 0 || strcmp(o->method, "POST") == 0;
  call->body_held = true;
  call->body_done = o->body_done;
  call->body_user = o->body_user;
  call->connect_ms = or_default(o->connect_ms, CPX_UP_CONNECT_MS);
  call->first_byte_ms = or_default(o->first_byte_ms, CPX_UP_FIRST_BYTE_MS);
  call->idle_ms = or_default(o->idle_ms, CPX_UP_IDLE_MS);
  call->total_ms = or_default(o->total_ms, CPX_UP_TOTAL_MS);
  cpx_list_init(&call->node);
  cpx_list_init(&call->queue);
  cpx_timer_init(&call->timer, up->loop, on_time);
}

int cpx_call_new(cpx_upstream *up, const cpx_call_options *o, cpx_source **out, char *message, size_t n) {
  char where[300] = "", proxy_where[300] = "";
  if (n > 0) message[0] = '\0';
  int err = check(up, o, where, proxy_where, message, n);
  if (err) return err;
  size_t room = ((sizeof(up_call) + 15) & ~(size_t)15) + headers_room(o) + o->body_parts * sizeof(cpx_slice) + 16 +
                room_for(o->url) + room_for(o->method) + room_for(o->proxy_url) + room_for(o->unix_socket) +
                room_for(o->ca_file) + room_for(where) + room_for(proxy_where);
  up_call *call = malloc(room);
  if (!call) return CPX_ENOMEM;
  memset(call, 0, sizeof *call);
  layout l = {(char *)call};
  (void)place(&l, sizeof *call);
  fill(call, up, o);
  call->headers = place_headers(&l, o);
  call->parts = place_parts(&l, o, call);
  call->url = place_str(&l, o->url);
  call->method = place_str(&l, o->method);
  call->proxy_url = place_str(&l, o->proxy_url);
  call->unix_socket = place_str(&l, o->unix_socket);
  call->ca_file = place_str(&l, o->ca_file);
  call->where = place_str(&l, where);
  call->proxy_where = place_str(&l, proxy_where);
  err = join_small(call);
  if (err) {
    call_delete(call);
    return err;
  }
  *out = &call->source;
  return 0;
}
