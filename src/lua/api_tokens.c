/* What a text is made of, as tokenizers see it: words, digits, punctuation, scripts. Estimates of tokens weigh these
 * counts; the weights are in lua/cliproxy/token_estimate.lua. One pass over the bytes, nothing is allocated. JSON's
 * escapes count as the characters that they stand for, since requests are read as they were sent. */
#include "lua/vm.h"

#include <stdint.h>

/* In this order in the table that a caller passes, from 1. */
enum {
  WORD,        /* runs of Latin letters, split where a capital follows a small letter */
  LONG,        /* letters of a word beyond the sixth */
  VERY_LONG,   /* beyond the twelfth */
  CAPITAL,     /* letters of runs of two and more capitals */
  DIGIT,       /* digits */
  DIGIT_GROUP, /* up to three digits of a run */
  MIXED,       /* letters behind digits, or the other way, with nothing between */
  PUNCTUATION, /* other printable ASCII */
  MARK,        /* runs of it */
  SPACE,       /* runs of white space that are more than one blank, without a line break */
  BREAK,       /* runs of white space with a line break */
  LATIN,       /* letters of Latin with accents: U+0080 to U+02FF */
  ALPHABET,    /* Greek, Cyrillic, Hebrew, Arabic…: U+0300 to U+07FF */
  INDIC,       /* scripts of India, Thai, Georgian, Ethiopic…: U+0800 to U+1FFF */
  SYMBOL,      /* typographic marks, arrows, boxes: U+2000 to U+2FFF, and what no other row has */
  CJK,         /* Chinese and Japanese, and their full-width forms */
  HANGUL,      /* Korean syllables */
  WIDE,        /* beyond U+FFFF: emoji */
  COUNTS
};

enum { LOWER_CASE = 1, UPPER_CASE, FIGURE, BLANK, LINE, PUNCT, ESCAPE, HIGH };

#define ROW8(c)  c, c, c, c, c, c, c, c
#define ROW16(c) ROW8(c), ROW8(c)
static const uint8_t class_of[256] = {
    ROW8(PUNCT), PUNCT, BLANK, LINE, PUNCT, PUNCT, LINE, PUNCT, PUNCT, ROW16(PUNCT), BLANK, PUNCT, PUNCT, PUNCT, PUNCT,
    PUNCT, PUNCT, PUNCT, ROW8(PUNCT), ROW8(FIGURE), FIGURE, FIGURE, PUNCT, PUNCT, PUNCT, PUNCT, PUNCT, PUNCT, PUNCT,
    ROW8(UPPER_CASE), ROW16(UPPER_CASE), UPPER_CASE, UPPER_CASE, PUNCT, ESCAPE, PUNCT, PUNCT, PUNCT, PUNCT,
    ROW8(LOWER_CASE), ROW16(LOWER_CASE), LOWER_CASE, LOWER_CASE, PUNCT, PUNCT, PUNCT, PUNCT, PUNCT, ROW16(HIGH),
    ROW16(HIGH), ROW16(HIGH), ROW16(HIGH), ROW16(HIGH), ROW16(HIGH), ROW16(HIGH), ROW16(HIGH)};

typedef struct scan {
  const uint8_t *p, *end;
  uint32_t counts[COUNTS];
  uint8_t last; /* class in front of p */
} scan;

static unsigned is(const scan *s, const uint8_t *p, uint8_t class) {
  return p < s->end && class_of[*p] == class;
}

static void add_word(scan *s, size_t length) {
  s->counts[WORD]++;
  if (length > 6) s->counts[LONG] += (uint32_t)(length - 6);
  if (length > 12) s->counts[VERY_LONG] += (uint32_t)(length - 12);
}

static void scan_word(scan *s) {
  const uint8_t *p = s->p;
  if (s->last == FIGURE) s->counts[MIXED]++;
  while (is(s, p, UPPER_CASE)) p++;
  size_t capitals = (size_t)(p - s->p);
  const uint8_t *small = p;
  while (is(s, p, LOWER_CASE)) p++;
  size_t length = (size_t)(p - small);
  if (length && capitals) { /* the last capital begins a word: "JSONData" */
    length++;
    capitals--;
  }
  if (capitals == 1 && !length) {
    length = 1;
    capitals = 0;
  }
  s->counts[CAPITAL] += (uint32_t)capitals;
  if (length) add_word(s, length);
  s->p = p;
  s->last = LOWER_CASE;
}

static void scan_digits(scan *s) {
  const uint8_t *p = s->p;
  if (s->last == LOWER_CASE) s->counts[MIXED]++;
  while (is(s, p, FIGURE)) p++;
  size_t n = (size_t)(p - s->p);
  s->counts[DIGIT] += (uint32_t)n;
  s->counts[DIGIT_GROUP] += (uint32_t)((n + 2) / 3);
  s->p = p;
  s->last = FIGURE;
}

static void add_mark(scan *s) {
  s->counts[PUNCTUATION]++;
  if (s->last != PUNCT) s->counts[MARK]++;
  s->last = PUNCT;
}

/* Escaped line breaks go on where plain ones are. */
static void scan_space(scan *s) {
  const uint8_t *p = s->p;
  size_t n = 0;
  bool breaks = s->last == LINE;
  for (; p < s->end; n++) {
    if (class_of[*p] == BLANK) {
      p++;
    } else if (class_of[*p] == LINE) {
      breaks = true;
      p++;
    } else if (*p == '\\' && p + 1 < s->end && (p[1] == 'n' || p[1] == 'r' || p[1] == 't')) {
      breaks = breaks || p[1] != 't';
      p += 2;
    } else {
      break;
    }
  }
  if (breaks)
    s->counts[BREAK]++;
  else if (n > 1)
    s->counts[SPACE]++;
  s->p = p;
  s->last = BLANK;
}

static void add_character(scan *s, uint32_t c) {
  unsigned row = SYMBOL;
  if (c < 0x300)
    row = LATIN;
  else if (c < 0x800)
    row = ALPHABET;
  else if (c < 0x2000)
    row = INDIC;
  else if (c >= 0x2e80 && c < 0xa4d0)
    row = CJK;
  else if (c >= 0xac00 && c < 0xd7b0)
    row = HANGUL;
  else if ((c >= 0xf900 && c < 0xfb00) || (c >= 0xff00 && c < 0xfff0))
    row = CJK;
  else if (c > 0xffff)
    row = WIDE;
  s->counts[row]++;
  s->last = HIGH;
}

/* One character beyond ASCII; damaged bytes count as symbols. */
static void scan_high(scan *s) {
  const uint8_t *p = s->p;
  size_t left = (size_t)(s->end - p);
  if (*p >= 0xf0 && left >= 4) {
    add_character(s, 0x10000);
    s->p += 4;
  } else if (*p >= 0xe0 && *p < 0xf0 && left >= 3) {
    add_character(s, (uint32_t)(p[0] & 15) << 12 | (uint32_t)(p[1] & 63) << 6 | (p[2] & 63));
    s->p += 3;
  } else if (*p >= 0xc2 && *p < 0xe0 && left >= 2) {
    add_character(s, (uint32_t)(p[0] & 31) << 6 | (p[1] & 63));
    s->p += 2;
  } else {
    add_character(s, 0xfffd);
    s->p++;
  }
}

static int hex_of(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 32;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* \uXXXX; false where it is none. The second half of a pair is not counted again. */
static bool scan_unicode(scan *s) {
  uint32_t c = 0;
  if (s->end - s->p < 6) return false;
  for (int i = 2; i < 6; i++) {
    int digit = hex_of(s->p[i]);
    if (digit < 0) return false;
    c = c << 4 | (uint32_t)digit;
  }
  s->p += 6;
  if (c < 0x80)
    add_mark(s);
  else if (c < 0xdc00 || c > 0xdfff)
    add_character(s, c >= 0xd800 && c < 0xdc00 ? 0x10000 : c);
  return true;
}

static void scan_escape(scan *s) {
  uint8_t next = s->p + 1 < s->end ? s->p[1] : 0;
  if (next == 'n' || next == 'r' || next == 't') {
    scan_space(s);
  } else if (next != 'u' || !scan_unicode(s)) {
    s->p += next ? 2 : 1;
    add_mark(s);
  }
}

static void scan_all(scan *s) {
  while (s->p < s->end) {
    switch (class_of[*s->p]) {
    case LOWER_CASE:
    case UPPER_CASE: scan_word(s); break;
    case FIGURE: scan_digits(s); break;
    case BLANK:
    case LINE: scan_space(s); break;
    case ESCAPE: scan_escape(s); break;
    case HIGH: scan_high(s); break;
    default:
      s->p++;
      add_mark(s);
      break;
    }
  }
}

static int count(lua_State *L) {
  size_t n;
  const char *text = luaL_checklstring(L, 1, &n);
  luaL_checktype(L, 2, LUA_TTABLE);
  if (n >= 2 && text[0] == '"' && text[n - 1] == '"') { /* a literal's quotes are not of its text */
    text++;
    n -= 2;
  }
  scan s = {.p = (const uint8_t *)text, .end = (const uint8_t *)text + n};
  scan_all(&s);
  for (int i = 0; i < COUNTS; i++) {
    if (!s.counts[i]) continue;
    lua_rawgeti(L, 2, i + 1);
    lua_pushnumber(L, lua_tonumber(L, -1) + s.counts[i]);
    lua_rawseti(L, 2, i + 1);
    lua_pop(L, 1);
  }
  return 0;
}

int cpx_open_tokens(lua_State *L) {
  static const luaL_Reg functions[] = {{"count", count}, {NULL, NULL}};
  luaL_newlib(L, functions);
  lua_pushinteger(L, COUNTS);
  lua_setfield(L, -2, "COUNTS");
  return 1;
}
