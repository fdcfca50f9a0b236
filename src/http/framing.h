/* framing.h - splits a byte stream into events: server-sent events, NDJSON, a streamed JSON array, or raw chunks.
 *
 * Feed bytes as they come; each complete event reaches the callback before feed returns. Any split, LF, CRLF or lone CR,
 * a byte order mark, comments, multi-line data. The same bytes cut anywhere give the same events, with one freedom: where
 * a chunk holds whole events, `raw` points into the caller's bytes (no copy).
 *
 * Owns:    the unfinished tail, never more than event_max bytes.
 * Borrows: the bytes fed, and the event handed to the callback; copy what must live longer.
 * Errors:  CPX_ETOOBIG when one event outgrows event_max; the splitter is dead from then on.
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

typedef struct cpx_splitter {
  enum cpx_framing framing;
  size_t event_max;
  cpx_buf tail;    /* the unfinished event */
  cpx_buf joined;  /* data of a multi-line event */
  size_t scanned;  /* bytes of `tail` already looked at, so that 1-byte feeds stay linear */
  unsigned state;  /* of the framing's automaton */
  unsigned depth;  /* JSON array: nesting */
  bool dead;
} cpx_splitter;

/* Return non-zero to stop the feed; the rest of the bytes is kept in the tail and seen at the next feed (also of 0 bytes). */
typedef int (*cpx_event_fn)(void *user, const cpx_event *event);

void cpx_splitter_init(cpx_splitter *s, enum cpx_framing framing, size_t event_max);
void cpx_splitter_deinit(cpx_splitter *s);
CPX_MUST_CHECK int cpx_splitter_feed(cpx_splitter *s, const char *bytes, size_t n, cpx_event_fn fn, void *user);
/* The stream ended: an unfinished last event is handed out if it has data (SSE without its blank line, a last NDJSON line).
 * A JSON array without its "]" is CPX_EEOF. */
CPX_MUST_CHECK int cpx_splitter_finish(cpx_splitter *s, cpx_event_fn fn, void *user);

#endif
