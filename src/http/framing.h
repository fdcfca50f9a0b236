/* framing.h - splits a byte stream into events: server-sent events, NDJSON, a streamed JSON array, or raw chunks.
 *
 * Feed bytes as they come; each complete event reaches the callback before feed returns. Any split, LF, CRLF or lone
 * CR, a byte order mark, comments, multi-line data. The same bytes cut anywhere give the same events (raw framing
 * excepted: there a chunk is an event). Where a chunk holds whole events, `raw` points into the caller's bytes (no
 * copy). An event that ends in a lone CR is handed out with the next byte, since a LF may belong to it.
 *
 * Owns:    the unfinished tail, never more than event_max bytes; after a stop also what the stopped feed had left.
 * Borrows: the bytes fed, and the event handed to the callback; copy what must live longer.
 * Errors:  CPX_ETOOBIG when one event outgrows event_max, CPX_ESYNTAX when a JSON array is none, CPX_ENOMEM; the
 * splitter is dead from then on and repeats the code.
 */
#ifndef CPX_HTTP_FRAMING_H
#define CPX_HTTP_FRAMING_H

#include "base/buf.h"

enum cpx_framing { CPX_FRAMING_SSE, CPX_FRAMING_NDJSON, CPX_FRAMING_JSON_ARRAY, CPX_FRAMING_RAW };

typedef struct cpx_event {
  cpx_slice raw;  /* all its bytes, separators included: the raws of a stream joined are the stream */
  cpx_slice type; /* SSE: the `event:` field; empty if absent */
  cpx_slice data; /* SSE: data lines joined by LF; NDJSON: the line; array: the element's bytes; raw: the chunk */
  bool has_data;  /* false: comments, an SSE block without data, an empty line, array punctuation */
} cpx_event;

/* All members are the implementation's. */
typedef struct cpx_splitter {
  enum cpx_framing framing;
  size_t event_max;
  cpx_buf tail;   /* the unfinished event, or what a stop left */
  cpx_buf joined; /* data of a multi-line event */
  size_t start;   /* bytes of `tail` already handed out */
  size_t scanned; /* bytes of `tail` already looked at, so that 1-byte feeds stay linear */
  unsigned state; /* of the framing's automaton */
  unsigned depth; /* JSON array: nesting */
  bool begun;     /* past the first event: no byte order mark any more */
  int dead;       /* 0, or the code to repeat */
} cpx_splitter;

/* Return non-zero to stop the feed; the rest of the bytes is kept and seen at the next feed (also of 0 bytes). */
typedef int (*cpx_event_fn)(void *user, const cpx_event *event);

void cpx_splitter_init(cpx_splitter *s, enum cpx_framing framing, size_t event_max);
void cpx_splitter_deinit(cpx_splitter *s);
/* 0 also when the callback stopped it. */
CPX_MUST_CHECK int cpx_splitter_feed(cpx_splitter *s, const char *bytes, size_t n, cpx_event_fn fn, void *user);
/* The stream ended: what is left is handed out as a last event (SSE without its blank line, a last NDJSON line; without
 * data where there is none). Call it again when the callback stopped it. A JSON array without its "]" is CPX_EEOF. */
CPX_MUST_CHECK int cpx_splitter_finish(cpx_splitter *s, cpx_event_fn fn, void *user);

#endif
