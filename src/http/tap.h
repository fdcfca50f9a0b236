/* tap.h - reads usage, stop reason, model, errors and the proper end of an answer while its bytes pass by, changing none.
 *
 * One table row a dialect: which events commit a stream, which end it, which carry usage. Cheap first: most events are told by
 * a few bytes and are not parsed; those that matter are kept (the last one of each kind, at most CPX_PEEK_MAX bytes each) and
 * parsed at the end, or when asked.
 *
 * Usage figures are normalised as protocols demand: input includes cached and cache-written tokens, output includes reasoning.
 */
#ifndef CPX_HTTP_TAP_H
#define CPX_HTTP_TAP_H

#include "http/framing.h"

#include <stdint.h>

enum cpx_dialect {
  CPX_DIALECT_OTHER, /* a provider's own: every event with data commits, nothing is read */
  CPX_DIALECT_OPENAI_CHAT,
  CPX_DIALECT_OPENAI_RESPONSES,
  CPX_DIALECT_ANTHROPIC,
  CPX_DIALECT_GEMINI,
};

/* -1: not told. */
typedef struct cpx_usage {
  int64_t input, output, cached, cache_written, reasoning;
} cpx_usage;

typedef struct cpx_tap {
  enum cpx_dialect dialect;
  bool stream;
  uint64_t events;   /* with data */
  bool terminal;     /* a proper end was seen (DESIGN: "A stream ends properly with") */
  bool error;        /* an error event was seen */
  cpx_buf usage_event, start_event, stop_event, error_event; /* data of the last such event, bounded */
  uint32_t skip;     /* used by the implementation */
} cpx_tap;

/* "openai_chat" | "openai_responses" | "anthropic" | "gemini"; anything else is CPX_DIALECT_OTHER. */
enum cpx_dialect cpx_dialect_of(cpx_slice name);

void cpx_tap_init(cpx_tap *tap, enum cpx_dialect dialect, bool stream);
void cpx_tap_deinit(cpx_tap *tap);
/* Every event of a stream, in order. */
void cpx_tap_event(cpx_tap *tap, const cpx_event *event);
/* A whole answer's body, once. Larger ones than 1 MB are scanned at their ends only. */
void cpx_tap_body(cpx_tap *tap, cpx_slice body);
/* Whether this event commits the answer to a 200. */
bool cpx_tap_commits(const cpx_tap *tap, const cpx_event *event);

/* Parsed from what was kept; absent things are empty or -1. The slices are owned by the tap. */
typedef struct cpx_tapped {
  cpx_usage usage;
  cpx_slice model, stop, id, error_message, error_code;
} cpx_tapped;
/* `storage` keeps the unescaped strings of the result. */
CPX_MUST_CHECK int cpx_tap_read(const cpx_tap *tap, cpx_buf *storage, cpx_tapped *out);

#endif
