/* tap_pick.h - picks the members that the tap wants out of JSON text, without building a document.
 *
 * A table of paths a dialect; the walker descends only where a path leads and skips the rest at
 * the speed of memchr. Text that breaks off or is malformed gives what stood before. A later
 * value replaces an earlier one, null replaces nothing.
 *
 * Owns:   nothing; texts are appended to facts->words, which is bounded.
 * Bounds: as deep as its paths (4); skipping needs no stack.
 */
#ifndef CPX_HTTP_TAP_PICK_H
#define CPX_HTTP_TAP_PICK_H

#include "http/tap.h"

void cpx_tap_facts_init(cpx_tap_facts *facts);
void cpx_tap_facts_deinit(cpx_tap_facts *facts);
/* Returns the texts found, as bits 1 << enum cpx_tap_text. */
unsigned cpx_tap_pick(enum cpx_dialect dialect, cpx_slice json, cpx_tap_facts *facts);
/* The same from the middle of an object: `members` starts at a key. */
unsigned cpx_tap_pick_members(enum cpx_dialect dialect, cpx_slice members, cpx_tap_facts *facts);
/* Normalised, and with unescaped texts in `storage`. */
CPX_MUST_CHECK int cpx_tap_facts_read(enum cpx_dialect dialect, const cpx_tap_facts *facts, cpx_buf *storage,
                                      cpx_tapped *out);

#endif
