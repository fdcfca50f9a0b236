/* lane.h - the fast lane of a translated stream.
 *
 * Most events of a stream are alike but for one string: a fragment of text. A translator in Lua turns each into an
 * event of another dialect, again alike but for that string. A lane learns both forms from two examples in a row and
 * then makes the next ones itself, until one comes that differs in any other byte; that one goes to the translator
 * again, which first learns what passed meanwhile.
 *
 * What may differ beside the string: values of keys known to be counters or padding (sequence_number, obfuscation,
 * system_fingerprint, …TokenCount), and white space between closing brackets. A sequence_number of the output goes on
 * counting. Counts of tokens are kept, as the last event has them: no other may tell them. Empty strings, and strings
 * that are not valid JSON, are never taken.
 *
 * Owns:   copies of both forms, the output not yet fetched, the strings' contents joined, the last event with counts.
 * Bounds: forms of CPX_LANE_FORM_MAX bytes and LANE_PIECES pieces, an event with counts twice that, output and contents
 *         of CPX_LANE_HELD_MAX; beyond them nothing is taken.
 * Errors: none: what cannot be learned or held goes to the translator.
 */
#ifndef CPX_HTTP_LANE_H
#define CPX_HTTP_LANE_H

#include "http/framing.h"

#include <stdint.h>

#define LANE_PIECES 24

enum cpx_lane_state { CPX_LANE_EMPTY, CPX_LANE_CANDIDATE, CPX_LANE_ACTIVE };

/* A run of bytes of a form, or what stands between two. */
enum { LANE_BYTES, LANE_NUMBER, LANE_STRING, LANE_CLOSERS, LANE_LITERAL, LANE_SEQUENCE };
typedef struct cpx_lane_piece {
  unsigned char kind;
  uint32_t at, n; /* of LANE_BYTES and LANE_CLOSERS: in `bytes` */
} cpx_lane_piece;

typedef struct cpx_lane_form {
  cpx_buf bytes;
  cpx_lane_piece pieces[LANE_PIECES];
  unsigned n;
  bool counts;       /* of an input: it has a hole for a count of tokens */
  uint64_t sequence; /* of the output's last event, where it has one */
} cpx_lane_form;

/* All members are the implementation's. */
typedef struct cpx_lane {
  enum cpx_lane_state state;
  cpx_buf type; /* the events' SSE type */
  cpx_lane_form in, out;
  cpx_buf made; /* output not yet fetched */
  cpx_buf text; /* contents of the strings that were taken, without quotes */
  cpx_buf last; /* data of the last event taken that has counts, with "" for its string; empty: none had */
  uint32_t count;
#ifdef CPX_SANITIZE
  cpx_buf kept; /* a copy of what was fetched, for whoever checks what is sent */
#endif
} cpx_lane;

void cpx_lane_init(cpx_lane *lane);
void cpx_lane_deinit(cpx_lane *lane);
/* Forgets the forms; what was made and counted stays. */
void cpx_lane_forget(cpx_lane *lane);
/* An example: the translator made `out` of `event`, and `literal` (a JSON string with its quotes) is what both carry.
 * True: the lane is active. */
bool cpx_lane_learn(cpx_lane *lane, const cpx_event *event, cpx_slice literal, cpx_slice out);
/* Makes the output of an event like the examples; false: it is another one. */
bool cpx_lane_take(cpx_lane *lane, const cpx_event *event);

#endif
