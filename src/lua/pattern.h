/* pattern.h - Lua 5.1's patterns over bytes, with a bound on the steps of a match.
 *
 * The matcher follows lstrlib.c of Lua 5.1 to 5.3 (MIT, see THIRD_PARTY.md), with lengths instead of closing NULs and
 * LuaJIT's %g, %f and %z. Whatever a script does with nested quantifiers, a match gives up after CPX_PATTERN_STEPS and
 * four steps a byte of the subject, or when its slice is over.
 *
 * Borrows: subject and pattern. Raises Lua errors for malformed patterns and used up bounds.
 */
#ifndef CPX_LUA_PATTERN_H
#define CPX_LUA_PATTERN_H

#include "base/slice.h"

#include <lua.h>

#define CPX_CAPTURES_MAX 32

typedef struct cpx_match {
  lua_State *L;
  const char *start, *end; /* of the subject */
  const char *pattern_end;
  long steps, check_at; /* left; when to look whether the slice is over */
  int level, depth;
  struct {
    const char *init;
    ptrdiff_t len; /* or one of the marks in pattern.c */
  } capture[CPX_CAPTURES_MAX];
} cpx_match;

/* Once, before the first match: the table of character classes, by the C locale. */
void cpx_match_setup(void);
void cpx_match_init(cpx_match *m, lua_State *L, cpx_slice subject, cpx_slice pattern);
/* The end of a match that starts at `s` with pattern `p` (behind a leading '^'); NULL: none. */
const char *cpx_match_at(cpx_match *m, const char *s, const char *p);
/* Pushes capture `i`, or the whole match for 0 when there are none. */
void cpx_match_push(cpx_match *m, int i, const char *s, const char *e);
/* Pushes all captures; the whole match when there are none and `s` is given. */
int cpx_match_push_all(cpx_match *m, const char *s, const char *e);

#endif
