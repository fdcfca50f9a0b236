/* Derived from lstrlib.c, Copyright (C) 1994-2012 Lua.org, PUC-Rio; MIT licence. */
#include "lua/pattern.h"

#include "lua/vm_internal.h"

#include <ctype.h>

#define UNFINISHED  (-1)
#define POSITION    (-2)
#define DEPTH_MAX   200
#define ESCAPE      '%'
#define CHECK_EVERY 65536

static const char *match(cpx_match *m, const char *s, const char *p);

void cpx_match_init(cpx_match *m, lua_State *L, cpx_slice subject, cpx_slice pattern) {
  m->L = L;
  m->start = subject.p;
  m->end = subject.p + subject.n;
  m->pattern_end = pattern.p + pattern.n;
  m->steps = (long)(CPX_PATTERN_STEPS + 4 * subject.n);
  m->check_at = m->steps - CHECK_EVERY;
}

const char *cpx_match_at(cpx_match *m, const char *s, const char *p) {
  m->level = 0;
  m->depth = 0;
  return match(m, s, p);
}

static __attribute__((noinline, cold)) void check_steps(cpx_match *m) {
  m->check_at = m->steps - CHECK_EVERY;
  cpx_check_running(m->L);
  if (m->steps < 0)
    luaL_error(m->L, "pattern too complex: it tries too many ways to match; use fewer of * + - in a row");
  if (m->check_at < 0) m->check_at = 0;
}

static inline void take(cpx_match *m, long steps) {
  m->steps -= steps;
  if (m->steps <= m->check_at) check_steps(m);
}

/* -- Single characters ------------------------------------------------------------------------------------------ */

static const char *class_end(cpx_match *m, const char *p) {
  char c = *p++;
  if (c == ESCAPE) {
    if (p == m->pattern_end) luaL_error(m->L, "malformed pattern (ends with '%%')");
    return p + 1;
  }
  if (c != '[') return p;
  if (p < m->pattern_end && *p == '^') p++;
  const char *from = p;
  do {
    if (p == m->pattern_end) luaL_error(m->L, "malformed pattern (missing ']')");
    if (*p++ == ESCAPE && p < m->pattern_end) p++;
  } while (p == m->pattern_end || *p != ']');
  m->steps -= (p - from) >> 3;
  return p + 1;
}

/* Bit i of a character: it belongs to the class whose letter, without the bits of its case, is i. */
static uint32_t classes[256];
static uint32_t letters; /* the classes that exist */

#define BIT(letter) (1U << ((letter)&31))

void cpx_match_setup(void) {
  letters = BIT('a') | BIT('c') | BIT('d') | BIT('g') | BIT('l') | BIT('p') | BIT('s') | BIT('u') | BIT('w') |
            BIT('x') | BIT('z');
  for (int c = 0; c < 256; c++)
    classes[c] = (isalpha(c) ? BIT('a') : 0) | (iscntrl(c) ? BIT('c') : 0) | (isdigit(c) ? BIT('d') : 0) |
                 (isgraph(c) ? BIT('g') : 0) | (islower(c) ? BIT('l') : 0) | (ispunct(c) ? BIT('p') : 0) |
                 (isspace(c) ? BIT('s') : 0) | (isupper(c) ? BIT('u') : 0) | (isalnum(c) ? BIT('w') : 0) |
                 (isxdigit(c) ? BIT('x') : 0) | (c == 0 ? BIT('z') : 0);
}

static inline bool in_class(int c, int class) {
  if ((class & 0xc0) != 0x40 || !(letters & BIT(class))) return class == c;
  bool in = classes[c] & BIT(class);
  return class & 0x20 ? in : !in;
}

/* `p` at '[', `last` at ']'. */
static bool in_set(int c, const char *p, const char *last) {
  bool found = true;
  if (p[1] == '^') {
    found = false;
    p++;
  }
  while (++p < last) {
    if (*p == ESCAPE) {
      p++;
      if (in_class(c, (unsigned char)*p)) return found;
    } else if (p[1] == '-' && p + 2 < last) {
      p += 2;
      if ((unsigned char)p[-2] <= c && c <= (unsigned char)*p) return found;
    } else if ((unsigned char)*p == c) {
      return found;
    }
  }
  return !found;
}

static inline bool single(cpx_match *m, const char *s, const char *p, const char *ep) {
  if (s >= m->end) return false;
  int c = (unsigned char)*s;
  switch (*p) {
  case '.': return true;
  case ESCAPE: return in_class(c, (unsigned char)p[1]);
  case '[': m->steps -= (ep - p) >> 3; return in_set(c, p, ep - 1);
  default: return (unsigned char)*p == c;
  }
}

/* -- Repetitions, captures -------------------------------------------------------------------------------------- */

static const char *match_balance(cpx_match *m, const char *s, const char *p) {
  if (p + 1 >= m->pattern_end) luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
  if (s >= m->end || *s != *p) return NULL;
  char open = p[0], close = p[1];
  int level = 1;
  for (const char *at = s + 1; at < m->end; at++) {
    if (*at == close) {
      if (--level == 0) {
        take(m, at - s);
        return at + 1;
      }
    } else if (*at == open) {
      level++;
    }
  }
  take(m, m->end - s);
  return NULL;
}

static const char *match_most(cpx_match *m, const char *s, const char *p, const char *ep) {
  ptrdiff_t i = 0;
  while (single(m, s + i, p, ep)) i++;
  take(m, i);
  for (; i >= 0; i--) {
    const char *e = match(m, s + i, ep + 1);
    if (e) return e;
  }
  return NULL;
}

static const char *match_least(cpx_match *m, const char *s, const char *p, const char *ep) {
  for (;; s++) {
    const char *e = match(m, s, ep + 1);
    if (e) return e;
    if (!single(m, s, p, ep)) return NULL;
  }
}

static const char *start_capture(cpx_match *m, const char *s, const char *p, ptrdiff_t kind) {
  if (m->level >= CPX_CAPTURES_MAX) luaL_error(m->L, "too many captures");
  m->capture[m->level].init = s;
  m->capture[m->level].len = kind;
  m->level++;
  const char *e = match(m, s, p);
  if (!e) m->level--;
  return e;
}

static const char *end_capture(cpx_match *m, const char *s, const char *p) {
  int i = m->level - 1;
  while (i >= 0 && m->capture[i].len != UNFINISHED) i--;
  if (i < 0) luaL_error(m->L, "invalid pattern capture");
  m->capture[i].len = s - m->capture[i].init;
  const char *e = match(m, s, p);
  if (!e) m->capture[i].len = UNFINISHED;
  return e;
}

static const char *match_capture(cpx_match *m, const char *s, int digit) {
  int i = digit - '1';
  if (i < 0 || i >= m->level || m->capture[i].len == UNFINISHED) {
    luaL_error(m->L, "invalid capture index");
    return NULL;
  }
  size_t n = m->capture[i].len == POSITION ? 0 : (size_t)m->capture[i].len;
  take(m, (long)(n >> 3));
  return (size_t)(m->end - s) >= n && memcmp(m->capture[i].init, s, n) == 0 ? s + n : NULL;
}

static bool at_frontier(cpx_match *m, const char *s, const char *p, const char *ep) {
  int before = s == m->start ? 0 : (unsigned char)s[-1], here = s < m->end ? (unsigned char)*s : 0;
  m->steps -= (ep - p) >> 2;
  return !in_set(before, p, ep - 1) && in_set(here, p, ep - 1);
}

/* -- The matcher ------------------------------------------------------------------------------------------------ */

/* One plain item at *p with the quantifier behind it. Goes on (true) with *s and *p moved, or ends with *result. */
static bool match_item(cpx_match *m, const char **s, const char **p, const char **result) {
  const char *ep = class_end(m, *p);
  char quantifier = ep < m->pattern_end ? *ep : '\0';
  *result = NULL;
  switch (quantifier) {
  case '?':
    if (single(m, *s, *p, ep) && (*result = match(m, *s + 1, ep + 1))) return false;
    *p = ep + 1;
    return true;
  case '+':
    if (single(m, *s, *p, ep)) *result = match_most(m, *s + 1, *p, ep);
    return false;
  case '*': *result = match_most(m, *s, *p, ep); return false;
  case '-': *result = match_least(m, *s, *p, ep); return false;
  default:
    if (!single(m, *s, *p, ep)) return false;
    ++*s;
    *p = ep;
    return true;
  }
}

/* %b, %f and %1 to %9: true with *s moved (NULL: no match) and *p behind; false for every other escape. */
static bool match_special(cpx_match *m, const char **s, const char **p) {
  int c = *p + 1 < m->pattern_end ? (*p)[1] : '\0';
  if (c == 'b') {
    *s = match_balance(m, *s, *p + 2);
    *p += 4;
  } else if (c == 'f') {
    const char *set = *p + 2;
    if (set >= m->pattern_end || *set != '[') luaL_error(m->L, "malformed pattern (missing '[' after '%%f')");
    const char *ep = class_end(m, set);
    if (!at_frontier(m, *s, set, ep)) *s = NULL;
    *p = ep;
  } else if (isdigit(c)) {
    *s = match_capture(m, *s, c);
    *p += 2;
  } else {
    return false;
  }
  return true;
}

static const char *match_on(cpx_match *m, const char *s, const char *p) {
  const char *result;
  while (p < m->pattern_end) {
    take(m, 1);
    if (*p == '(' && p + 1 < m->pattern_end && p[1] == ')') return start_capture(m, s, p + 2, POSITION);
    if (*p == '(') return start_capture(m, s, p + 1, UNFINISHED);
    if (*p == ')') return end_capture(m, s, p + 1);
    if (*p == '$' && p + 1 == m->pattern_end) return s == m->end ? s : NULL;
    if (*p == ESCAPE && match_special(m, &s, &p)) {
      if (!s) return NULL;
    } else if (!match_item(m, &s, &p, &result)) {
      return result;
    }
  }
  return s;
}

static const char *match(cpx_match *m, const char *s, const char *p) {
  if (++m->depth > DEPTH_MAX) luaL_error(m->L, "pattern too complex: it is nested too deeply");
  const char *e = match_on(m, s, p);
  m->depth--;
  return e;
}

/* -- Captures on the stack -------------------------------------------------------------------------------------- */

void cpx_match_push(cpx_match *m, int i, const char *s, const char *e) {
  if (i >= m->level) {
    if (i != 0) luaL_error(m->L, "invalid capture index");
    lua_pushlstring(m->L, s, (size_t)(e - s));
    return;
  }
  ptrdiff_t len = m->capture[i].len;
  if (len == UNFINISHED) luaL_error(m->L, "unfinished capture");
  if (len == POSITION)
    lua_pushinteger(m->L, m->capture[i].init - m->start + 1);
  else
    lua_pushlstring(m->L, m->capture[i].init, (size_t)len);
}

int cpx_match_push_all(cpx_match *m, const char *s, const char *e) {
  int n = m->level == 0 && s ? 1 : m->level;
  luaL_checkstack(m->L, n, "too many captures");
  for (int i = 0; i < n; i++) cpx_match_push(m, i, s, e);
  return n;
}
