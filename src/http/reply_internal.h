/* reply_internal.h - the inside of a reply, shared by its ways: reply.c (peek), reply_relay.c, reply_pull.c.
 *
 * A reply goes PEEK → READY → one of RELAY, EVENTS, COLLECT → DONE. All bytes of the body come
 * to exactly one of them; what was held in PEEK and READY is handed to the chosen way first.
 * The splitter has then seen the first `fed` bytes held.
 */
#ifndef CPX_HTTP_REPLY_INTERNAL_H
#define CPX_HTTP_REPLY_INTERNAL_H

#include "base/limits.h"
#include "http/reply.h"

enum reply_mode { REPLY_PEEK, REPLY_READY, REPLY_RELAY, REPLY_EVENTS, REPLY_COLLECT, REPLY_DONE };

/* An event copied: its parts as places in a buffer. */
typedef struct reply_record {
  uint32_t raw, type, data;  /* lengths; the bytes follow in this order, data only where it is not inside raw */
  uint32_t type_at, data_at; /* from the start of raw */
  bool has_data;
} reply_record;

struct cpx_reply {
  cpx_loop *loop;
  cpx_source *source;
  cpx_reply_options options;
  enum reply_mode mode;
  cpx_job job;
  cpx_timer timer;

  int status;
  int64_t length;
  cpx_header *headers; /* one piece of memory with their bytes */
  size_t header_count;
  uint64_t head_ns, first_ns;

  cpx_end end;
  char *end_text;
  bool ended, settled; /* settled: the splitter and the tap saw the end */
  bool ready, told;    /* on_ready is due; was called */
  bool committed;      /* `first` holds the event that commits */
  bool paused;

  cpx_buf held;
  size_t fed;
  cpx_buf first; /* reply_record and its bytes */
  cpx_splitter splitter;
  cpx_tap tap;
  size_t tapped; /* events that the tap saw while peeking */

  /* relay */
  cpx_exchange *ex;
  cpx_exchange_events ex_before; /* whose watch we took over */
  void *ex_user;
  cpx_job recheck;
  cpx_relayed relayed;
  void (*on_relayed)(void *user, const cpx_relayed *how);

  /* events */
  cpx_buf queue; /* reply_records */
  size_t queue_at, seen;
  void (*on_event)(void *user);
  cpx_lane *lane; /* NULL: not asked for */

  /* collect */
  cpx_buf body;
  void (*on_body)(void *user, int err, cpx_buf *body);

  void *user; /* of the way chosen */
};

/* We give the source up: it is cancelled, and `end` says so. `text` is static. */
void reply_fail(cpx_reply *r, int err, const char *text);
void reply_pause(cpx_reply *r);
void reply_resume(cpx_reply *r);
/* Once the source ended: the rest of the splitter, and the tap's end. */
void reply_settle(cpx_reply *r, cpx_event_fn fn);
/* Splits; a stream that cannot be split fails. */
void reply_split(cpx_reply *r, const char *bytes, size_t n, cpx_event_fn fn);
/* Shows the tap bytes that the splitter has not seen. */
void reply_tap_bytes(cpx_reply *r, const char *bytes, size_t n);
int reply_on_tap(void *user, const cpx_event *event);
CPX_MUST_CHECK int reply_record_add(cpx_buf *b, const cpx_event *event);
/* The record at `at`, and where the next one starts. */
size_t reply_record_read(const cpx_buf *b, size_t at, cpx_event *out);

void reply_relay_data(cpx_reply *r, const char *bytes, size_t n);
void reply_relay_end(cpx_reply *r);
void reply_relay_run(cpx_reply *r);
void reply_relay_drop(cpx_reply *r);
void reply_events_data(cpx_reply *r, const char *bytes, size_t n);
void reply_events_end(cpx_reply *r);
void reply_collect_data(cpx_reply *r, const char *bytes, size_t n);
void reply_pull_run(cpx_reply *r);

#endif
