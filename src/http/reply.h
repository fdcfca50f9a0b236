/* reply.h - an upstream answer on its way: held until it commits, then relayed
 * byte for byte, pulled as events, or collected.
 *
 * A reply is the sink of one cpx_source. First it peeks: it holds head and body
 * until one of these, then calls on_ready once:
 *   - a failed status (≥ 400): the body is complete or CPX_ERROR_BODY_MAX of it is here;
 *   - a stream: the first event that commits (the dialect's table says which events do not: comments, pings,
 *     message_start, response.created, …), or CPX_PEEK_MAX bytes, or the stream's end, or the first-byte time-out
 *     after some event came;
 *   - anything else: the head and the first bytes or the end;
 *   - the source failed before that (`err` tells).
 * After on_ready the holder picks one of relay, next_event, collect, or frees it.
 * Until then the source is paused at CPX_PEEK_MAX.
 *
 * Owns:    the source (freed with the reply), held bytes, a tap (tap.h) that reads usage, stop reason and errors in
 *          passing.
 * Bounds:  peek CPX_PEEK_MAX + one read; events CPX_REPLY_QUEUE + one read; collected body by the caller's limit.
 * Re-entry: all callbacks are jobs.
 */
#ifndef CPX_HTTP_REPLY_H
#define CPX_HTTP_REPLY_H

#include "http/framing.h"
#include "http/lane.h"
#include "http/server.h"
#include "http/tap.h"
#include "net/source.h"

typedef struct cpx_reply cpx_reply;

typedef struct cpx_reply_options {
  enum cpx_dialect dialect; /* of the upstream: what commits, what ends, what the tap reads */
  enum cpx_framing framing; /* of a stream */
  bool stream;              /* the request asked for one; the answer's content type has the last word for SSE */
  uint64_t first_byte_ms;   /* 0: the default */
  void (*on_ready)(void *user);
  void *user;
} cpx_reply_options;

/* Takes `source` and starts it; on failure it stays the caller's. */
CPX_MUST_CHECK int cpx_reply_new(cpx_loop *loop, cpx_source *source, const cpx_reply_options *options, cpx_reply **out);
/* Cancels what still runs; but behind the terminal event of a stream that was pulled the source lingers, so that its
 * connection can serve the next call. */
void cpx_reply_free(cpx_reply *reply);

/* Valid from on_ready on, owned by the reply. status 0: no answer came, see cpx_reply_end_of. */
int cpx_reply_status(const cpx_reply *reply);
size_t cpx_reply_header_count(const cpx_reply *reply);
cpx_header cpx_reply_header_at(const cpx_reply *reply, size_t i);
bool cpx_reply_header(const cpx_reply *reply, cpx_slice lower_name, cpx_slice *value);
int64_t cpx_reply_length(const cpx_reply *reply);
/* The event that committed, whole and raw-framed as in framing.h; false for answers that are not streams. */
bool cpx_reply_first_event(const cpx_reply *reply, cpx_event *event);
/* What is held now: of a failed answer its (first 64 KB of) body. */
cpx_slice cpx_reply_held(const cpx_reply *reply);
/* NULL while it runs. */
const cpx_end *cpx_reply_end_of(const cpx_reply *reply);
const cpx_tap *cpx_reply_tap(const cpx_reply *reply);
uint64_t cpx_reply_head_ns(const cpx_reply *reply);  /* 0 or when the head came, cpx_now_ns */
uint64_t cpx_reply_first_ns(const cpx_reply *reply); /* likewise the first byte of the body */

/* How a relay went. */
typedef struct cpx_relayed {
  int err;          /* 0: whole; CPX_ECANCELLED: the client left before the end; else the source's failure */
  const char *text; /* for people; owned by the reply */
  uint64_t bytes;
  bool complete; /* the dialect's terminal event passed (streams), or the message was whole */
  bool client_gone;
} cpx_relayed;

/* The head must have been sent on `ex`. Bytes go through untouched, the source paused while the client is slow. on_done
 * once; with err 0 the exchange was ended (also where a stream ended cleanly without its dialect's terminal event:
 * `complete` tells), else it is left open, for an error event in the client's dialect or abort. What breaks behind the
 * terminal event breaks nothing. Until then the relay watches `ex`, and keeps a reference to it. */
CPX_MUST_CHECK int cpx_reply_relay(cpx_reply *reply, cpx_exchange *ex,
                                   void (*on_done)(void *user, const cpx_relayed *how), void *user);

/* Pulling. The next event, or CPX_EAGAIN: `on_event` is called (once) when one is there or the stream ended; or
 * CPX_EEOF after a complete end; or the source's failure. The event is valid until the next call. */
CPX_MUST_CHECK int cpx_reply_next_event(cpx_reply *reply, cpx_event *event, void (*on_event)(void *user), void *user);

/* Pulling with a lane (lane.h): what it takes of the events that are there goes to `ex` at once, and only others come
 * out of next_event. NULL without memory; owned by the reply. */
cpx_lane *cpx_reply_lane(cpx_reply *reply);
/* True: all that is there was taken, and the client takes it fast enough: it is worth to wait for more. */
bool cpx_reply_run_lane(cpx_reply *reply, cpx_exchange *ex);

/* The whole body: on_done(0, body) once, or CPX_ETOOBIG past `max`, or the source's
 * failure. `body` may be taken by the callee (cpx_buf_take). */
CPX_MUST_CHECK int cpx_reply_collect(cpx_reply *reply, size_t max, void (*on_done)(void *user, int err, cpx_buf *body),
                                     void *user);

#endif
