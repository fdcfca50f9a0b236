#include "http/server_internal.h"

#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#define DISCARD_MS 500 /* without a byte; then the connection still lingers a second */

/* -- Time. */

/* The timer is only moved when it would fire too late: most deadlines are replaced long before they come. */
void cpx_link_deadline(cpx_link *link, uint64_t ms) {
  link->deadline = cpx_loop_ms(link->server->loop) + ms;
  link->sent_mark = cpx_conn_sent(link->conn);
  if (cpx_timer_active(&link->timer) && link->timer.due <= link->deadline) return;
  if (cpx_timer_start(&link->timer, ms)) cpx_link_drop(link, true);
}

static void end_link(cpx_link *link) {
  link->state = CPX_LINK_CLOSED;
  link->deadline = 0;
  cpx_conn_end(link->conn);
}

/* Output waits for a client that reads slowly, or not at all. */
static void check_progress(cpx_link *link) {
  if (cpx_conn_pending(link->conn) == 0) {
    link->deadline = 0;
  } else if (cpx_conn_sent(link->conn) == link->sent_mark) {
    cpx_link_drop(link, true);
  } else {
    cpx_link_deadline(link, link->server->options.send_timeout_ms);
  }
}

static void on_deadline(cpx_link *link) {
  switch (link->state) {
  case CPX_LINK_IDLE:
    if (cpx_conn_pending(link->conn) > 0) {
      check_progress(link);
    } else {
      end_link(link);
    }
    break;
  case CPX_LINK_HEAD:
    if (link->ex->head.bytes.len <= 2) { /* an empty line behind the last request */
      cpx_link_detach(link);
      end_link(link);
    } else {
      cpx_link_fault(link, CPX_FAULT_HEAD_SLOW);
    }
    break;
  case CPX_LINK_BODY: cpx_link_fault(link, CPX_FAULT_BODY_SLOW); break;
  case CPX_LINK_ANSWER: check_progress(link); break;
  case CPX_LINK_DISCARD: end_link(link); break;
  case CPX_LINK_READY:
  case CPX_LINK_CLOSED: break;
  }
}

static void on_timer(cpx_timer *timer) {
  cpx_link *link = CPX_CONTAINER(timer, cpx_link, timer);
  uint64_t now = cpx_loop_ms(link->server->loop);
  if (link->deadline == 0) return;
  if (now < link->deadline) {
    if (cpx_timer_start(timer, link->deadline - now)) cpx_link_drop(link, true);
    return;
  }
  on_deadline(link);
}

/* -- Requests and answers of one connection. */

void cpx_link_detach(cpx_link *link) {
  cpx_exchange *ex = link->ex;
  if (!ex) return;
  link->ex = NULL;
  ex->link = NULL;
  link->server->counts.active--;
  cpx_job_cancel(&ex->flush);
  cpx_exchange_unref(ex);
}

void cpx_link_drop(cpx_link *link, bool reset) {
  if (link->ex) {
    cpx_exchange_make_gone(link->ex);
    cpx_link_detach(link);
  }
  link->state = CPX_LINK_CLOSED;
  link->deadline = 0;
  cpx_conn_abort(link->conn, reset);
}

/* Whether the client is still sending a body that nobody wants. */
static bool has_more_to_come(const cpx_link *link, const cpx_exchange *ex) {
  int status = ex->fault.status;
  if (status == 0 || status == 400 || status == 408 || link->eof || !ex->head.complete) return false;
  return link->unread > 0 && !(ex->head.expects && ex->wire == 0); /* one that waits for 100 reads the answer now */
}

static void discard(cpx_link *link, size_t n) {
  link->unread -= n < link->unread ? n : link->unread;
}

static void await_next(cpx_link *link) {
  link->state = CPX_LINK_IDLE;
  cpx_link_deadline(link, link->server->options.idle_timeout_ms);
  if (link->ahead.len > link->ahead_at) {
    cpx_loop_defer(link->server->loop, &link->job);
  } else if (link->read_stopped) {
    link->read_stopped = false;
    cpx_conn_read_start(link->conn);
  }
}

void cpx_link_answered(cpx_link *link, const cpx_exchange *ex) {
  if (has_more_to_come(link, ex)) {
    link->state = CPX_LINK_DISCARD;
    link->discard_until = cpx_loop_ms(link->server->loop) + link->server->options.body_timeout_ms;
    cpx_link_deadline(link, DISCARD_MS);
  } else if (ex->close || link->eof || link->server->draining) {
    end_link(link);
  } else {
    await_next(link);
  }
}

static void keep_ahead(cpx_link *link, const char *bytes, size_t n) {
  if (n == 0) return;
  cpx_buf_consume(&link->ahead, link->ahead_at);
  link->ahead_at = 0;
  if (cpx_buf_add(&link->ahead, bytes, n)) {
    cpx_link_drop(link, true);
    return;
  }
  if (link->ahead.len >= CPX_HTTP_PIPELINE_MAX && !link->read_stopped) {
    link->read_stopped = true;
    cpx_conn_read_stop(link->conn);
  }
}

/* The next pipelined request, once the answers before it are mostly out. */
static void take_ahead(cpx_link *link) {
  if (cpx_conn_pending(link->conn) >= CPX_CONN_OUT_HIGH) return; /* on_drain comes back here */
  size_t n = link->ahead.len - link->ahead_at;
  if (n) link->ahead_at += cpx_link_intake(link, link->ahead.data + link->ahead_at, n);
  if (link->ex && link->ex->fault.status) {
    discard(link, link->ahead.len - link->ahead_at);
    link->ahead_at = link->ahead.len;
  }
  if (link->ahead_at == link->ahead.len) {
    cpx_buf_clear(&link->ahead, 0);
    link->ahead_at = 0;
  }
  if (link->read_stopped && link->state != CPX_LINK_CLOSED &&
      link->ahead.len - link->ahead_at < CPX_HTTP_PIPELINE_MAX) {
    link->read_stopped = false;
    cpx_conn_read_start(link->conn);
  }
}

static void on_job(cpx_job *job) {
  cpx_link *link = CPX_CONTAINER(job, cpx_link, job);
  if (link->state == CPX_LINK_READY) {
    link->state = CPX_LINK_ANSWER;
    link->ex->delivered = true;
    cpx_exchange_ref(link->ex);
    link->server->options.on_request(link->server->options.user, link->ex);
  } else if (link->state == CPX_LINK_IDLE) {
    take_ahead(link);
  }
}

/* -- Memory. malloc keeps what large bodies and many connections had for the next of them, since pages from the kernel
 * cost more than the parsing; some time after the last one the kernel gets them back. */

#define TRIM_WAITS 10 /* for a moment without requests: behind thousands of connections it takes some 10 ms */

static void on_trim(cpx_timer *timer) {
  cpx_http_server *server = CPX_CONTAINER(timer, cpx_http_server, trim);
  uint64_t now = cpx_loop_ms(server->loop);
  bool busy = server->counts.active > 0 && server->trim_waits++ < TRIM_WAITS;
  uint64_t due = now < server->trim_due ? server->trim_due : busy ? now + server->options.trim_ms : now;
  if (due > now && cpx_timer_start(timer, due - now) == 0) return;
  server->trim_waits = 0;
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

static void trim_later(cpx_http_server *server) {
  server->trim_due = cpx_loop_ms(server->loop) + server->options.trim_ms;
  if (!cpx_timer_active(&server->trim)) (void)!cpx_timer_start(&server->trim, server->options.trim_ms);
}

void cpx_http_free_body(cpx_exchange *ex) {
  cpx_http_server *server = ex->server;
  if (server && ex->body.cap >= CPX_HTTP_BODY_LARGE) trim_later(server);
  if (server) server->counts.body_bytes -= ex->charged;
  ex->charged = 0;
  cpx_buf_deinit(&ex->body);
}

/* -- What the connection says. */

static char *room(void *user, size_t *n) {
  const cpx_link *link = user;
  return link->state == CPX_LINK_BODY ? cpx_exchange_body_room(link->ex, n) : NULL;
}

static void on_data(void *user, const char *bytes, size_t n) {
  cpx_link *link = user;
  switch (link->state) {
  case CPX_LINK_IDLE:
    if (link->ahead.len > link->ahead_at) break;
    /* fall through */
  case CPX_LINK_HEAD:
  case CPX_LINK_BODY: {
    size_t used = cpx_link_intake(link, bytes, n);
    bytes += used;
    n -= used;
    break;
  }
  case CPX_LINK_DISCARD:
    discard(link, n);
    if (link->unread == 0 || cpx_loop_ms(link->server->loop) >= link->discard_until) {
      end_link(link);
    } else {
      cpx_link_deadline(link, DISCARD_MS);
    }
    return;
  case CPX_LINK_CLOSED: return;
  case CPX_LINK_READY:
  case CPX_LINK_ANSWER: break;
  }
  if (link->state == CPX_LINK_CLOSED) return;
  if (link->ex && link->ex->fault.status) {
    discard(link, n);
    return;
  }
  keep_ahead(link, bytes, n);
}

static void on_eof(void *user) {
  cpx_link *link = user;
  link->eof = true;
  switch (link->state) {
  case CPX_LINK_HEAD:
  case CPX_LINK_BODY: cpx_link_detach(link); /* fall through */
  case CPX_LINK_IDLE:
  case CPX_LINK_DISCARD: end_link(link); break;
  case CPX_LINK_READY:
  case CPX_LINK_ANSWER:
    if (!link->ex->fault.status) cpx_link_drop(link, false);
    break;
  case CPX_LINK_CLOSED: break;
  }
}

static void on_drain(void *user) {
  cpx_link *link = user;
  if (link->ex) {
    cpx_exchange_tell_drain(link->ex);
  } else if (link->state == CPX_LINK_IDLE) {
    cpx_loop_defer(link->server->loop, &link->job);
  }
}

static void free_link(cpx_link *link) {
  cpx_timer_stop(&link->timer);
  cpx_job_cancel(&link->job);
  cpx_list_remove(&link->node);
  cpx_buf_deinit(&link->ahead);
  link->server->counts.connections--;
  free(link);
}

static void check_idle(cpx_http_server *server) {
  if (server->draining && server->on_idle && cpx_list_empty(&server->links))
    cpx_loop_defer(server->loop, &server->idle_job);
}

static void on_close(void *user, int err) {
  (void)err;
  cpx_link *link = user;
  cpx_http_server *server = link->server;
  if (link->ex) {
    cpx_exchange_make_gone(link->ex);
    cpx_link_detach(link);
  }
  free_link(link);
  trim_later(server);
  check_idle(server);
}

/* -- The server. */

static void or_default(uint64_t *value, uint64_t standard) {
  if (*value == 0) *value = standard;
}

void cpx_http_server_set(cpx_http_server *server, const cpx_http_options *options) {
  cpx_http_options o = *options;
  if (o.head_max == 0) o.head_max = CPX_HTTP_HEAD_MAX;
  if (o.body_max == 0) o.body_max = CPX_HTTP_BODY_MAX;
  if (o.bodies_max == 0) o.bodies_max = CPX_HTTP_BODIES_MAX;
  or_default(&o.head_timeout_ms, CPX_HTTP_HEAD_TIMEOUT_MS);
  or_default(&o.body_timeout_ms, CPX_HTTP_BODY_TIMEOUT_MS);
  or_default(&o.idle_timeout_ms, CPX_HTTP_IDLE_TIMEOUT_MS);
  or_default(&o.send_timeout_ms, CPX_HTTP_SEND_TIMEOUT_MS);
  or_default(&o.trim_ms, CPX_HTTP_TRIM_MS);
  if (!o.on_request) {
    o.on_request = server->options.on_request;
    o.user = server->options.user;
  }
  server->options = o;
}

static void on_idle_job(cpx_job *job) {
  cpx_http_server *server = CPX_CONTAINER(job, cpx_http_server, idle_job);
  void (*on_idle)(void *user) = server->on_idle;
  server->on_idle = NULL;
  if (on_idle) on_idle(server->idle_user); /* may free the server */
}

int cpx_http_server_new(cpx_loop *loop, const cpx_http_options *options, cpx_http_server **out) {
  if (!options->on_request) return CPX_EINVAL;
  cpx_http_server *server = calloc(1, sizeof(*server));
  if (!server) return CPX_ENOMEM;
  server->loop = loop;
  cpx_list_init(&server->links);
  cpx_list_init(&server->exchanges);
  cpx_job_init(&server->idle_job, on_idle_job);
  cpx_timer_init(&server->trim, loop, on_trim);
  cpx_buf_init(&server->scratch, CPX_MB);
  cpx_http_server_set(server, options);
  *out = server;
  return 0;
}

void cpx_http_server_accept(cpx_http_server *server, cpx_conn *conn) {
  static const cpx_conn_events events = {on_data, on_eof, on_drain, on_close, room};
  cpx_link *link = calloc(1, sizeof(*link));
  if (!link) {
    cpx_conn_abort(conn, true);
    return;
  }
  link->server = server;
  link->conn = conn;
  cpx_buf_init(&link->ahead, CPX_HTTP_PIPELINE_MAX + CPX_CONN_READ);
  cpx_job_init(&link->job, on_job);
  cpx_timer_init(&link->timer, server->loop, on_timer);
  cpx_list_push(&server->links, &link->node);
  server->counts.connections++;
  cpx_conn_set_events(conn, &events, link);
  if (server->draining) {
    end_link(link);
    return;
  }
  cpx_link_deadline(link, server->options.idle_timeout_ms);
  cpx_conn_read_start(conn);
}

void cpx_http_server_drain(cpx_http_server *server, void (*on_idle)(void *user), void *user) {
  server->draining = true;
  server->on_idle = on_idle;
  server->idle_user = user;
  for (cpx_list *node = server->links.next, *next; node != &server->links; node = next) {
    next = node->next;
    cpx_link *link = CPX_CONTAINER(node, cpx_link, node);
    if (link->state == CPX_LINK_IDLE && link->ahead.len == link->ahead_at) end_link(link);
  }
  check_idle(server);
}

void cpx_http_server_free(cpx_http_server *server) {
  if (!server) return;
  for (cpx_list *node = server->links.next, *next; node != &server->links; node = next) {
    next = node->next;
    cpx_link *link = CPX_CONTAINER(node, cpx_link, node);
    cpx_conn_set_events(link->conn, NULL, NULL);
    cpx_link_drop(link, false);
    free_link(link);
  }
  cpx_list *node;
  while ((node = cpx_list_shift(&server->exchanges))) CPX_CONTAINER(node, cpx_exchange, node)->server = NULL;
  cpx_job_cancel(&server->idle_job);
  cpx_timer_stop(&server->trim);
  cpx_buf_deinit(&server->scratch);
  free(server);
}

cpx_http_counts cpx_http_server_counts(const cpx_http_server *server) {
  return server->counts;
}
