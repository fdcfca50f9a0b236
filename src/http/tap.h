/* tap.h - reads usage, stop reason, model, errors and the proper end of an answer in passing, changing no byte.
 *
 * One table row a dialect: which events commit a stream, which end it, which carry usage. Cheap first: most events are
 * told by a few bytes and are not read; of the few that matter only the wanted members are copied out. Where the last
 * event of a stream decides (Chat's usage, Gemini's), a copy of the latest one is kept and read at the end.
 *
 * Owns:   the copies: one event of at most CPX_PEEK_MAX, the wanted texts, or a body (whole up to 1 MB, beyond
 *         that its first and last CPX_PEEK_MAX).
 * Errors: none: what cannot be read, or kept for want of memory, is not told.
 *
 * Usage figures are normalised as protocols demand: input includes cached and
 * cache-written tokens, output includes reasoning.
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

/* What was picked out, by tap_pick.c: figures as sent, and texts as places in `words` (raw JSON values). */
enum cpx_tap_figure {
  CPX_TAP_INPUT,
  CPX_TAP_OUTPUT,
  CPX_TAP_CACHED,
  CPX_TAP_WRITTEN,
  CPX_TAP_REASONING,
  CPX_TAP_EXTRA,
  CPX_TAP_FIGURES
};
enum cpx_tap_text {
  CPX_TAP_MODEL,
  CPX_TAP_ID,
  CPX_TAP_STOP,
  CPX_TAP_MESSAGE,
  CPX_TAP_CODE,
  CPX_TAP_KIND,
  CPX_TAP_TEXTS
};

typedef struct cpx_tap_facts {
  int64_t figures[CPX_TAP_FIGURES]; /* -1: absent */
  struct {
    uint32_t at, n; /* n 0: absent */
  } texts[CPX_TAP_TEXTS];
  cpx_buf words;
} cpx_tap_facts;

typedef struct cpx_tap {
  enum cpx_dialect dialect;
  bool stream;
  bool terminal;   /* a proper end was seen (DESIGN: "A stream ends properly with") */
  bool error;      /* an error event was seen */
  bool closing;    /* Chat: a finish_reason passed, all behind it is read. Gemini: a candidate passed */
  bool unread;     /* `last` was not read yet */
  uint64_t events; /* with data */
  cpx_tap_facts facts;
  cpx_buf last; /* the latest event, or the body or its beginning */
  cpx_buf tail; /* the end of a large body */
} cpx_tap;

/* "openai_chat" | "openai_responses" | "anthropic" | "gemini"; anything else is CPX_DIALECT_OTHER. */
enum cpx_dialect cpx_dialect_of(cpx_slice name);

void cpx_tap_init(cpx_tap *tap, enum cpx_dialect dialect, bool stream);
void cpx_tap_deinit(cpx_tap *tap);
/* Every event of a stream, in order. */
void cpx_tap_event(cpx_tap *tap, const cpx_event *event);
/* Bytes of an answer that is not a stream, in order. */
void cpx_tap_feed(cpx_tap *tap, cpx_slice bytes);
/* The answer ended; `whole`: by its own framing. Settles `terminal` and `error`. */
void cpx_tap_end(cpx_tap *tap, bool whole);
/* A whole answer's body, once: feed and end. */
void cpx_tap_body(cpx_tap *tap, cpx_slice body);
/* Whether this event commits the answer to a 200. */
bool cpx_tap_commits(const cpx_tap *tap, const cpx_event *event);

/* What is known so far; absent things are empty or -1. The slices are in `storage`, unescaped. */
typedef struct cpx_tapped {
  cpx_usage usage;
  cpx_slice model, stop, id, error_message, error_code;
} cpx_tapped;
/* The usage alone, which needs no storage; false where that is not all: an error was told, or not all is read yet. */
bool cpx_tap_usage(const cpx_tap *tap, cpx_usage *out);
CPX_MUST_CHECK int cpx_tap_read(const cpx_tap *tap, cpx_buf *storage, cpx_tapped *out);

#endif
