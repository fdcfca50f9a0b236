/* server_internal.h - what the files of the server know of each other.
 *
 *   server.c           the server, its connections: states, time-outs, the end
 *   server_request.c   bytes in: head, body, faults
 *   server_exchange.c  an exchange as the handler sees it
 *   server_response.c  bytes out: head, chunks, the end of an answer
 *
 * A connection holds one exchange at most, from the first byte of a request until its answer ended; the exchange
 * points back (`link`) for exactly as long. Whichever ends first cuts both pointers.
 */
#ifndef CPX_HTTP_SERVER_INTERNAL_H
#define CPX_HTTP_SERVER_INTERNAL_H

#include "base/limits.h"
#include "http/decode.h"
#include "http/parser.h"
#include "http/server.h"

enum cpx_link_state {
  CPX_LINK_IDLE,    /* between requests */
  CPX_LINK_HEAD,    /* of a request is arriving */
  CPX_LINK_BODY,    /* likewise */
  CPX_LINK_READY,   /* the handler will be called */
  CPX_LINK_ANSWER,  /* the handler has it */
  CPX_LINK_DISCARD, /* answered; the rest of a refused body is swallowed, so that the client gets to read the answer */
  CPX_LINK_CLOSED,  /* only on_close is still to come */
};

/* A connection of the server. */
typedef struct cpx_link {
  cpx_list node; /* in server->links */
  cpx_http_server *server;
  cpx_conn *conn;
  cpx_exchange *ex; /* one reference */
  cpx_buf ahead;    /* bytes behind the request under way */
  size_t ahead_at;
  cpx_job job;
  cpx_timer timer;
  uint64_t deadline;      /* ms; 0: none. The timer may fire earlier, and then starts again */
  uint64_t sent_mark;     /* cpx_conn_sent when the deadline was set */
  uint64_t unread;        /* bytes of a refused body that may still come */
  uint64_t discard_until; /* ms: no longer than that, however slowly they drip */
  enum cpx_link_state state;
  bool eof, read_stopped;
} cpx_link;

struct cpx_http_server {
  cpx_loop *loop;
  cpx_http_options options;
  cpx_list links, exchanges;
  cpx_http_counts counts;
  cpx_job idle_job;
  bool draining;
  void (*on_idle)(void *user);
  void *idle_user;
  cpx_timer trim;
  uint64_t trim_due; /* ms; moved without touching the timer */
  unsigned trim_waits;
  cpx_buf scratch; /* a response's head while it is formatted */
  int64_t date_s;
  char date[40];
};

struct cpx_exchange {
  cpx_list node;           /* in server->exchanges */
  cpx_http_server *server; /* NULL: freed */
  cpx_link *link;          /* NULL: gone or ended */
  cpx_loop *loop;
  unsigned refs;
  /* The request. */
  cpx_reqhead head;
  cpx_buf body;
  size_t charged; /* of the server's body_bytes */
  uint64_t left;  /* of a body with Content-Length */
  uint64_t wire;  /* bytes of body as they came */
  cpx_chunked chunked;
  cpx_decoder *decoder;
  cpx_http_fault fault;
  char *fault_text; /* NULL: the fault's text is static */
  uint64_t started_ns, ready_ns;
  char peer[64];
  bool is_local;
  /* The handler. */
  cpx_exchange_events events;
  void *user;
  cpx_job job; /* on_gone, on_drain; holds a reference while queued */
  bool delivered, gone, gone_told, drain_due, complete;
  /* The answer. */
  bool head_sent, ended, close, head_only, no_body, chunks;
  int64_t length;
  uint64_t written;
  cpx_buf out;     /* head and chunk of this turn */
  size_t chunk_at; /* where the chunk's size will stand in `out`; SIZE_MAX: no chunk is open */
  cpx_job flush;
};

/* server.c */
void cpx_link_deadline(cpx_link *link, uint64_t ms);
/* Lets go of the exchange: 0 references may be left. */
void cpx_link_detach(cpx_link *link);
/* The client is gone, or was sent away: the connection closes at once. */
void cpx_link_drop(cpx_link *link, bool reset);
/* The exchange's body goes. */
void cpx_http_free_body(cpx_exchange *ex);
/* The answer is out; the exchange is detached already. */
void cpx_link_answered(cpx_link *link, const cpx_exchange *ex);

/* server_request.c: takes what belongs to the request under way (the next one, when idle); returns how much that was.
 */
size_t cpx_link_intake(cpx_link *link, const char *bytes, size_t n);
/* Where the next bytes of the body belong, and how many fit; NULL: they need a look first. */
char *cpx_exchange_body_room(const cpx_exchange *ex, size_t *n);
void cpx_link_fault(cpx_link *link, enum cpx_fault_id fault);

/* server_exchange.c */
CPX_MUST_CHECK int cpx_exchange_new(cpx_link *link, cpx_exchange **out);
void cpx_exchange_make_gone(cpx_exchange *ex);
void cpx_exchange_tell_drain(cpx_exchange *ex);

/* server_response.c: the flush of a turn's chunk. */
void cpx_exchange_on_flush(cpx_job *job);

#endif
