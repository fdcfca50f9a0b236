#include "http/server_internal.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static void on_job(cpx_job *job);

int cpx_exchange_new(cpx_link *link, cpx_exchange **out) {
  cpx_exchange *ex = calloc(1, sizeof(*ex));
  if (!ex) return CPX_ENOMEM;
  ex->server = link->server;
  ex->link = link;
  ex->loop = link->server->loop;
  ex->refs = 1;
  ex->started_ns = cpx_now_ns();
  ex->chunk_at = SIZE_MAX;
  cpx_reqhead_init(&ex->head, link->server->options.head_max);
  cpx_buf_init(&ex->out, CPX_MB);
  cpx_job_init(&ex->job, on_job);
  cpx_job_init(&ex->flush, cpx_exchange_on_flush);
  snprintf(ex->peer, sizeof(ex->peer), "%s", cpx_conn_peer(link->conn));
  ex->is_local = cpx_conn_is_local(link->conn);
  cpx_list_push(&link->server->exchanges, &ex->node);
  *out = ex;
  return 0;
}

static void free_exchange(cpx_exchange *ex) {
  cpx_http_free_body(ex);
  cpx_list_remove(&ex->node);
  cpx_job_cancel(&ex->flush);
  cpx_decoder_free(ex->decoder);
  cpx_reqhead_deinit(&ex->head);
  cpx_buf_deinit(&ex->out);
  free(ex->fault_text);
  free(ex);
}

cpx_exchange *cpx_exchange_ref(cpx_exchange *ex) {
  ex->refs++;
  return ex;
}

void cpx_exchange_unref(cpx_exchange *ex) {
  if (--ex->refs == 0) {
    free_exchange(ex);
  } else if (ex->refs == 1 && ex->link && ex->delivered && !cpx_job_queued(&ex->job)) {
    cpx_exchange_abort(ex); /* only the connection holds it: nobody is left to answer */
  }
}

/* -- Telling the handler. */

static void tell(cpx_exchange *ex) {
  if (cpx_job_queued(&ex->job)) return;
  cpx_exchange_ref(ex);
  cpx_loop_defer(ex->loop, &ex->job);
}

static void on_job(cpx_job *job) {
  cpx_exchange *ex = CPX_CONTAINER(job, cpx_exchange, job);
  bool drain = ex->drain_due && !ex->gone && !ex->ended;
  ex->drain_due = false;
  if (ex->gone && !ex->gone_told && ex->events.on_gone) {
    ex->gone_told = true;
    ex->events.on_gone(ex->user);
  } else if (drain && ex->events.on_drain) {
    ex->events.on_drain(ex->user);
  }
  cpx_exchange_unref(ex);
}

void cpx_exchange_make_gone(cpx_exchange *ex) {
  if (ex->gone || ex->ended) return;
  ex->gone = true;
  cpx_job_cancel(&ex->flush);
  cpx_buf_clear(&ex->out, 0);
  if (ex->delivered) tell(ex);
}

void cpx_exchange_tell_drain(cpx_exchange *ex) {
  if (!ex->delivered || ex->ended) return;
  ex->drain_due = true;
  tell(ex);
}

void cpx_exchange_watch(cpx_exchange *ex, const cpx_exchange_events *events, void *user) {
  ex->events = events ? *events : (cpx_exchange_events){0};
  ex->user = user;
  if (ex->gone && !ex->gone_told && ex->events.on_gone) tell(ex);
}

cpx_exchange_events cpx_exchange_watched(const cpx_exchange *ex, void **user) {
  *user = ex->user;
  return ex->events;
}

bool cpx_exchange_is_gone(const cpx_exchange *ex) {
  return ex->gone;
}

void cpx_exchange_mark_complete(cpx_exchange *ex) {
  ex->complete = true;
}

bool cpx_exchange_is_complete(const cpx_exchange *ex) {
  return ex->complete;
}

/* -- The request. */

cpx_slice cpx_exchange_method(const cpx_exchange *ex) {
  return cpx_reqhead_slice(&ex->head, ex->head.method);
}

cpx_slice cpx_exchange_target(const cpx_exchange *ex) {
  return cpx_reqhead_slice(&ex->head, ex->head.target);
}

cpx_slice cpx_exchange_path(const cpx_exchange *ex) {
  if (ex->head.path.n == 0 && ex->head.authority.n) return CPX_SLICE("/"); /* "http://host" */
  return cpx_reqhead_slice(&ex->head, ex->head.path);
}

cpx_slice cpx_exchange_query(const cpx_exchange *ex) {
  return cpx_reqhead_slice(&ex->head, ex->head.query);
}

const cpx_http_fault *cpx_exchange_fault(const cpx_exchange *ex) {
  return &ex->fault;
}

size_t cpx_exchange_header_count(const cpx_exchange *ex) {
  return ex->head.count;
}

cpx_header cpx_exchange_header_at(const cpx_exchange *ex, size_t i) {
  return cpx_reqhead_at(&ex->head, i);
}

bool cpx_exchange_header(const cpx_exchange *ex, cpx_slice name, cpx_slice *value) {
  for (size_t i = 0; i < ex->head.count; i++) {
    cpx_header h = cpx_reqhead_at(&ex->head, i);
    if (!cpx_slice_ieq(h.name, name)) continue;
    *value = h.value;
    return true;
  }
  return false;
}

cpx_slice cpx_exchange_body(const cpx_exchange *ex) {
  return cpx_slice_of(ex->body.len ? ex->body.data : "", ex->body.len);
}

cpx_conn *cpx_exchange_conn(const cpx_exchange *ex) {
  return ex->link ? ex->link->conn : NULL;
}

const char *cpx_exchange_peer(const cpx_exchange *ex) {
  return ex->peer;
}

bool cpx_exchange_is_local(const cpx_exchange *ex) {
  return ex->is_local;
}

uint64_t cpx_exchange_started_ns(const cpx_exchange *ex) {
  return ex->started_ns;
}

uint64_t cpx_exchange_ready_ns(const cpx_exchange *ex) {
  return ex->ready_ns;
}
