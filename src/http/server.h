/* server.h - the HTTP/1.1 server side: connections in, exchanges out.
 *
 * A strict parser (parser.h) reads one request at a time from a connection; its body is collected and decoded (gzip,
 * deflate, zstd) before the handler sees it. Pipelined requests wait, up to CPX_HTTP_PIPELINE_MAX bytes, until the one
 * before them is answered; then reading stops. A request that breaks the rules reaches the handler too, with its
 * `fault` set, so that it can be answered in the dialect of its path; the connection closes behind the answer.
 *
 * A client that ends its side (also one that only half-closes: `nc -N`) after a complete request is gone: the call
 * behind it is to be cancelled, since it may cost money. Only the answer to a faulty request is still sent.
 *
 * Owns:     its connections, and an exchange until its answer ended or was aborted AND the handler unreferenced it.
 * Bounds:   limits.h; the bodies of one server together bodies_max (a request beyond gets a fault with status 503).
 * Times:    head (from its first byte), body idle, keep-alive idle, send idle.
 * Re-entry: on_request is called from a job, never from inside a read callback; the answer may come at once or later.
 *           cpx_http_server_free must not be called from inside on_request.
 */
#ifndef CPX_HTTP_SERVER_H
#define CPX_HTTP_SERVER_H

#include "base/buf.h"
#include "net/conn.h"

typedef struct cpx_http_server cpx_http_server;
typedef struct cpx_exchange cpx_exchange;

typedef struct cpx_http_options {
  size_t head_max, body_max, bodies_max; /* 0: the default of limits.h */
  uint64_t head_timeout_ms, body_timeout_ms, idle_timeout_ms, send_timeout_ms;
  uint64_t trim_ms; /* after the last large body until the system gets its memory back */
  void (*on_request)(void *user, cpx_exchange *ex); /* the handler holds one reference: cpx_exchange_unref when done */
  void *user;
} cpx_http_options;

CPX_MUST_CHECK int cpx_http_server_new(cpx_loop *loop, const cpx_http_options *options, cpx_http_server **out);
/* The options that a reload may change, for connections and requests from now on. A NULL on_request keeps the handler.
 */
void cpx_http_server_set(cpx_http_server *server, const cpx_http_options *options);
/* Takes the connection. */
void cpx_http_server_accept(cpx_http_server *server, cpx_conn *conn);
/* Stops keep-alive: idle connections close now, busy ones after their answer.
 * `on_idle` (once, a job) when none is left. */
void cpx_http_server_drain(cpx_http_server *server, void (*on_idle)(void *user), void *user);
/* Aborts what is left, then frees. Exchanges still referenced become `gone` and stay valid until unref. */
void cpx_http_server_free(cpx_http_server *server);

typedef struct cpx_http_counts {
  size_t connections, active; /* open; with a request under way */
  size_t body_bytes;          /* held by request bodies */
  uint64_t requests, faults;
} cpx_http_counts;
cpx_http_counts cpx_http_server_counts(const cpx_http_server *server);

/* What was wrong with a request; status 0: nothing. `text` is a whole sentence, static or owned by the exchange. */
typedef struct cpx_http_fault {
  int status;       /* 400, 408, 413, 414, 415, 417, 431, 503 */
  const char *code; /* stable word, for errors.lua: the table in faults.h has them all */
  const char *text;
} cpx_http_fault;

/* All borrowed from the exchange, valid until its last unref. With a fault any of them may be empty. */
cpx_slice cpx_exchange_method(const cpx_exchange *ex);
cpx_slice cpx_exchange_target(const cpx_exchange *ex); /* as sent */
cpx_slice cpx_exchange_path(const cpx_exchange *ex);   /* before the "?", as sent; of an absolute URL its path */
cpx_slice cpx_exchange_query(const cpx_exchange *ex);  /* behind the "?", as sent */
const cpx_http_fault *cpx_exchange_fault(const cpx_exchange *ex);
size_t cpx_exchange_header_count(const cpx_exchange *ex);
cpx_header cpx_exchange_header_at(const cpx_exchange *ex, size_t i); /* names as sent */
/* The first header of that name (any case); false when there is none. */
bool cpx_exchange_header(const cpx_exchange *ex, cpx_slice name, cpx_slice *value);
/* The decoded body. */
cpx_slice cpx_exchange_body(const cpx_exchange *ex);
cpx_conn *cpx_exchange_conn(const cpx_exchange *ex); /* NULL when gone or ended */
/* "127.0.0.1:53412", copied at accept, so that it outlives the connection. */
const char *cpx_exchange_peer(const cpx_exchange *ex);
bool cpx_exchange_is_local(const cpx_exchange *ex);
uint64_t cpx_exchange_started_ns(const cpx_exchange *ex); /* the first byte of its head, cpx_now_ns */
uint64_t cpx_exchange_ready_ns(const cpx_exchange *ex);   /* the last byte of its body */

/* Callbacks while the handler works, both jobs: the client left before the answer ended (nothing can be sent any more),
 * and pending output fell low again. Watching an exchange that is gone already calls on_gone too. */
typedef struct cpx_exchange_events {
  void (*on_gone)(void *user);
  void (*on_drain)(void *user);
} cpx_exchange_events;
void cpx_exchange_watch(cpx_exchange *ex, const cpx_exchange_events *events, void *user);
/* Who watches now: for one that takes over for a while and gives back. */
cpx_exchange_events cpx_exchange_watched(const cpx_exchange *ex, void **user);
bool cpx_exchange_is_gone(const cpx_exchange *ex);
/* The terminal event is out: on_gone from now on means success. Codex closes its socket then. */
void cpx_exchange_mark_complete(cpx_exchange *ex);
bool cpx_exchange_is_complete(const cpx_exchange *ex);

/* The answer. Head once (CPX_EINVAL otherwise, or for a status outside 200..999); `length` ≥ 0 sends Content-Length, -1
 * chunks (or nothing for 204, 304; HEAD never gets a body). Adds Date, Connection where needed; hop-by-hop headers,
 * Date and Content-Length among `headers` are skipped, and so is (with a line in the log) one that would break the
 * head: CR, LF, NUL. Upgrade passes with 426 alone, which requires it. */
CPX_MUST_CHECK int cpx_exchange_head(cpx_exchange *ex, int status, const cpx_header *headers, size_t count,
                                     int64_t length);
/* CPX_ECLOSED when gone or ended, CPX_EINVAL before the head or beyond the promised length. Not bounded by itself: look
 * at _pending, wait for on_drain. What is written in one turn of the loop leaves as one chunk. When
 * the connection does not take it, it is cut: on_gone follows. */
CPX_MUST_CHECK int cpx_exchange_write(cpx_exchange *ex, const void *bytes, size_t n);
size_t cpx_exchange_pending(const cpx_exchange *ex);
/* Without a head, or with fewer bytes than the promised length, the connection is aborted. */
void cpx_exchange_end(cpx_exchange *ex);
/* Cuts the connection without a last chunk: the client must not take it for complete. */
void cpx_exchange_abort(cpx_exchange *ex);
bool cpx_exchange_head_sent(const cpx_exchange *ex);
bool cpx_exchange_ended(const cpx_exchange *ex);
/* Bytes of body written so far. */
uint64_t cpx_exchange_written(const cpx_exchange *ex);

cpx_exchange *cpx_exchange_ref(cpx_exchange *ex);
/* A handler that drops its last reference before it ended the answer aborts it. */
void cpx_exchange_unref(cpx_exchange *ex);

#endif
