/* source.h - where the bytes of an answer come from: an upstream call, a script's execute, later the relay.
 *
 * A source calls its sink in this order: on_head once, on_data any number of times, on_end once. on_end may come first
 * (no head: the call failed before an answer). After on_end or after cpx_source_cancel no callback follows.
 *
 * Owns:     a source is reference counted by its holder alone: the sink calls cpx_source_free after the end or instead
 *           of cancel; free cancels what still runs. Linger is a free that lets the other side finish its message: no
 *           callback follows, nothing of the holder's is needed any more, the source bounds and frees itself.
 * Pausing:  after pause a few on_data may still come (what was already read); the sink must hold them.
 * Re-entry: pause, resume, cancel, free and linger may be called from inside the sink's callbacks.
 */
#ifndef CPX_NET_SOURCE_H
#define CPX_NET_SOURCE_H

#include "base/slice.h"

#include <stdint.h>

typedef struct cpx_head {
  int status;                /* 200 … 599; interim 1xx are never handed up */
  const cpx_header *headers; /* names in lower case, hop-by-hop ones already removed; borrowed for the call */
  size_t count;
  int64_t length; /* content-length as sent, -1 unknown */
} cpx_head;

/* How a source ended. `err` 0: the message was complete by its own framing.
 * `text` is for people, and never holds a secret. */
typedef struct cpx_end {
  int err;
  const char *text; /* borrowed for the call; never NULL */
  bool committed;   /* request bytes may have been processed by the other side (not a failed connect) */
} cpx_end;

typedef struct cpx_sink {
  void (*on_head)(void *user, const cpx_head *head);
  void (*on_data)(void *user, const char *bytes, size_t n);
  void (*on_end)(void *user, const cpx_end *end);
} cpx_sink;

typedef struct cpx_source cpx_source;

typedef struct cpx_source_ops {
  void (*start)(cpx_source *s);
  void (*pause)(cpx_source *s);
  void (*resume)(cpx_source *s);
  void (*cancel)(cpx_source *s);
  void (*free)(cpx_source *s);
  void (*linger)(cpx_source *s); /* NULL: there is nothing to gain, it is freed */
} cpx_source_ops;

/* First member of every implementation. */
struct cpx_source {
  const cpx_source_ops *ops;
  const cpx_sink *sink;
  void *user; /* the sink's */
};

static inline void cpx_source_start(cpx_source *s, const cpx_sink *sink, void *user) {
  s->sink = sink;
  s->user = user;
  s->ops->start(s);
}

static inline void cpx_source_pause(cpx_source *s) {
  s->ops->pause(s);
}

static inline void cpx_source_resume(cpx_source *s) {
  s->ops->resume(s);
}

static inline void cpx_source_cancel(cpx_source *s) {
  s->ops->cancel(s);
}

static inline void cpx_source_free(cpx_source *s) {
  s->ops->free(s);
}

static inline void cpx_source_linger(cpx_source *s) {
  if (s->ops->linger)
    s->ops->linger(s);
  else
    s->ops->free(s);
}

#endif
