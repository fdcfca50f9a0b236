#include "http/server_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define DISCARD_MAX (256 * CPX_MB) /* of a refused body is swallowed; a client that sends more than that is cut off */
#define ROOM_MIN    CPX_CONN_READ  /* of a body are read straight to their place; less comes with what follows it */
#define RESERVE_MAX CPX_MB         /* taken at once for a body that says its length; beyond, as it comes */

static const cpx_http_fault faults[] = {{0, "", ""},
#define X(name, status, code, text) {status, code, text},
                                        CPX_FAULT_MAP(X)
#undef X
};

static void ready(cpx_link *link) {
  cpx_exchange *ex = link->ex;
  ex->ready_ns = cpx_now_ns();
  link->state = CPX_LINK_READY;
  link->deadline = 0;
  link->server->counts.requests++;
  cpx_decoder_free(ex->decoder);
  ex->decoder = NULL;
  cpx_loop_defer(link->server->loop, &link->job);
}

/* Sentences with the figures of this request. */
static void explain(cpx_exchange *ex, enum cpx_fault_id fault, size_t body_max) {
  if (fault != CPX_FAULT_BODY_LARGE) return;
  char text[160];
  int n;
  if (ex->head.has_length && ex->head.length > body_max) {
    n = snprintf(text, sizeof(text), "The request's body has %llu bytes; the limit is %zu (option body_limit).",
                 (unsigned long long)ex->head.length, body_max);
  } else {
    n = snprintf(text, sizeof(text), "The request's body has more than %zu bytes, its limit (option body_limit).",
                 body_max);
  }
  ex->fault_text = n > 0 ? strdup(text) : NULL;
  if (ex->fault_text) ex->fault.text = ex->fault_text;
}

void cpx_link_fault(cpx_link *link, enum cpx_fault_id fault) {
  cpx_exchange *ex = link->ex;
  ex->fault = faults[fault];
  ex->close = true;
  link->unread = ex->head.chunked || ex->left > DISCARD_MAX ? DISCARD_MAX : ex->left;
  explain(ex, fault, link->server->options.body_max);
  cpx_http_free_body(ex);
  link->server->counts.faults++;
  ready(link);
}

/* -- The body. */

/* What the body holds counts against all bodies of the server. */
static enum cpx_fault_id charge(cpx_exchange *ex) {
  cpx_http_server *server = ex->server;
  server->counts.body_bytes += ex->body.cap - ex->charged;
  ex->charged = ex->body.cap;
  return server->counts.body_bytes > server->options.bodies_max ? CPX_FAULT_BODIES : CPX_FAULT_NONE;
}

static enum cpx_fault_id fault_of(int err) {
  switch (err) {
  case 0: return CPX_FAULT_NONE;
  case CPX_ETOOBIG: return CPX_FAULT_BODY_LARGE;
  case CPX_EENCODING: return CPX_FAULT_ENCODING;
  case CPX_ENOMEM: return CPX_FAULT_MEMORY;
  default: return CPX_FAULT_DAMAGED;
  }
}

static enum cpx_fault_id add_body(cpx_exchange *ex, const char *bytes, size_t n) {
  ex->wire += n;
  if (ex->wire > ex->server->options.body_max) return CPX_FAULT_BODY_LARGE;
  int err = 0;
  if (ex->decoder) {
    err = cpx_decoder_feed(ex->decoder, bytes, n, &ex->body);
  } else if (ex->body.data && bytes == ex->body.data + ex->body.len) {
    ex->body.len += n; /* was read to its place */
  } else {
    err = cpx_buf_add(&ex->body, bytes, n);
  }
  enum cpx_fault_id fault = fault_of(err);
  if (!fault && ex->body.cap != ex->charged) fault = charge(ex);
  return fault;
}

char *cpx_exchange_body_room(const cpx_exchange *ex, size_t *n) {
  const cpx_buf *body = &ex->body;
  if (ex->decoder || ex->head.chunked) return NULL;
  *n = ex->left < body->cap - body->len ? (size_t)ex->left : body->cap - body->len;
  return *n >= ROOM_MIN ? body->data + body->len : NULL;
}

static void body_end(cpx_link *link) {
  cpx_exchange *ex = link->ex;
  int err = ex->decoder ? cpx_decoder_finish(ex->decoder) : 0;
  if (err) {
    cpx_link_fault(link, fault_of(err));
  } else {
    ready(link);
  }
}

static enum cpx_fault_id length_body(cpx_link *link, cpx_slice *in, bool *done) {
  cpx_exchange *ex = link->ex;
  size_t n = in->n < ex->left ? in->n : (size_t)ex->left;
  enum cpx_fault_id fault = add_body(ex, in->p, n);
  ex->left -= n;
  *in = cpx_slice_of(in->p + n, in->n - n);
  *done = ex->left == 0;
  return fault;
}

static enum cpx_fault_id chunked_body(cpx_link *link, cpx_slice *in, bool *done) {
  cpx_exchange *ex = link->ex;
  enum cpx_fault_id fault = CPX_FAULT_NONE;
  while (!fault) {
    cpx_slice data = {0};
    int step = cpx_chunked_next(&ex->chunked, in, &data, &fault);
    if (step < 0) break;
    if (step == CPX_CHUNKED_DATA) {
      fault = add_body(ex, data.p, data.n);
    } else if (step == CPX_CHUNKED_SIZE) {
      if (ex->chunked.left > ex->server->options.body_max - ex->wire) fault = CPX_FAULT_BODY_LARGE;
    } else {
      *done = step == CPX_CHUNKED_DONE;
      break;
    }
  }
  return fault;
}

static void take_body(cpx_link *link, cpx_slice *in) {
  bool done = false;
  enum cpx_fault_id fault = link->ex->head.chunked ? chunked_body(link, in, &done) : length_body(link, in, &done);
  if (fault) {
    cpx_link_fault(link, fault);
  } else if (done) {
    body_end(link);
  } else {
    cpx_link_deadline(link, link->server->options.body_timeout_ms);
  }
}

/* -- The head. */

static enum cpx_fault_id open_decoder(cpx_exchange *ex) {
  cpx_codings codings = {0};
  for (size_t i = 0; i < ex->head.count; i++) {
    cpx_header h = cpx_reqhead_at(&ex->head, i);
    if (!cpx_slice_ieq(h.name, CPX_SLICE("content-encoding"))) continue;
    int err = cpx_codings_add(&codings, h.value);
    if (err) return fault_of(err);
  }
  return codings.count ? fault_of(cpx_decoder_new(&codings, &ex->decoder)) : CPX_FAULT_NONE;
}

/* Before the first byte of the body: refused as early as can be. */
static enum cpx_fault_id open_body(cpx_exchange *ex) {
  const cpx_http_options *o = &ex->server->options;
  ex->left = ex->head.length;
  if (ex->left > o->body_max) return CPX_FAULT_BODY_LARGE;
  if (ex->left > o->bodies_max || ex->server->counts.body_bytes > o->bodies_max - ex->left) return CPX_FAULT_BODIES;
  enum cpx_fault_id fault = ex->head.coded ? open_decoder(ex) : CPX_FAULT_NONE;
  if (fault) return fault;
  bool exact = ex->head.has_length && !ex->decoder;
  cpx_buf_init(&ex->body, exact ? (size_t)ex->left : o->body_max);
  size_t reserve = ex->left < RESERVE_MAX ? (size_t)ex->left : RESERVE_MAX;
  if (exact && cpx_buf_reserve(&ex->body, reserve)) return CPX_FAULT_MEMORY;
  return charge(ex);
}

/* `more`: bytes behind the head are here already, so that nobody waits for a 100. */
static void head_done(cpx_link *link, bool more) {
  static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
  cpx_exchange *ex = link->ex;
  ex->close = ex->head.close;
  ex->head_only = cpx_slice_eq(cpx_exchange_method(ex), CPX_SLICE("HEAD"));
  if (!ex->head.chunked && ex->head.length == 0) {
    ready(link);
    return;
  }
  enum cpx_fault_id fault = open_body(ex);
  if (fault) {
    cpx_link_fault(link, fault);
    return;
  }
  link->state = CPX_LINK_BODY;
  if (more) return;
  cpx_link_deadline(link, link->server->options.body_timeout_ms);
  if (link->state == CPX_LINK_BODY && ex->head.expects && cpx_conn_write(link->conn, go_on, sizeof(go_on) - 1)) {
    cpx_link_drop(link, false);
  }
}

static void take_head(cpx_link *link, cpx_slice *in) {
  cpx_exchange *ex = link->ex;
  bool begins = ex->head.bytes.len == 0;
  size_t used = 0;
  int err = cpx_reqhead_feed(&ex->head, in->p, in->n, &used);
  *in = cpx_slice_of(in->p + used, in->n - used);
  if (err == 0) {
    head_done(link, in->n > 0);
  } else if (err != CPX_EAGAIN) {
    ex->head_only = cpx_slice_eq(cpx_exchange_method(ex), CPX_SLICE("HEAD"));
    cpx_link_fault(link, ex->head.fault);
  } else if (begins) {
    cpx_link_deadline(link, link->server->options.head_timeout_ms);
  }
}

static void begin(cpx_link *link) {
  if (cpx_exchange_new(link, &link->ex)) {
    cpx_link_drop(link, true);
    return;
  }
  link->server->counts.active++;
  link->state = CPX_LINK_HEAD;
}

size_t cpx_link_intake(cpx_link *link, const char *bytes, size_t n) {
  cpx_slice in = {bytes, n};
  while (in.n > 0) {
    if (link->state == CPX_LINK_IDLE) begin(link);
    if (link->state == CPX_LINK_HEAD) {
      take_head(link, &in);
    } else if (link->state == CPX_LINK_BODY) {
      take_body(link, &in);
    } else {
      break;
    }
  }
  return n - in.n;
}
