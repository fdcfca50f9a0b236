/* framing_scan.h - inside framing: where an event ends, and what its fields are. One pair of functions a framing.
 *
 * A scanner looks at bytes it has not seen before, keeps its automaton in the splitter, and says whether the current
 * event ends among them. Two marks are looked for by memchr, which is vectorised by every libc; the place of each is
 * remembered, so that a pass over a chunk stays linear however the two alternate.
 */
#ifndef CPX_HTTP_FRAMING_SCAN_H
#define CPX_HTTP_FRAMING_SCAN_H

#include "http/framing.h"

/* A run of bytes, with the next place of two marks in it (NULL: not looked for yet; `end`: there is none). */
typedef struct cpx_marks {
  const char *end, *a, *b;
} cpx_marks;

static inline const char *cpx_mark_next(const char **place, const char *from, const char *end, int mark) {
  if (!*place || *place < from) {
    const char *found = memchr(from, mark, (size_t)(end - from));
    *place = found ? found : end;
  }
  return *place;
}

enum cpx_scan { CPX_SCAN_MORE, CPX_SCAN_FOUND, CPX_SCAN_BAD };

/* From *p on. FOUND: *p is behind the event's last byte. */
enum cpx_scan cpx_scan_lines(cpx_splitter *s, cpx_marks *marks, const char **p);
enum cpx_scan cpx_scan_ndjson(cpx_splitter *s, cpx_marks *marks, const char **p);
enum cpx_scan cpx_scan_array(cpx_splitter *s, cpx_marks *marks, const char **p);
/* Whether the array's "]" was seen. */
bool cpx_scan_array_closed(const cpx_splitter *s);

/* Fills type, data and has_data from raw. */
CPX_MUST_CHECK int cpx_fields_sse(cpx_splitter *s, cpx_event *event);
void cpx_fields_ndjson(cpx_event *event);
void cpx_fields_array(cpx_event *event);

#endif
