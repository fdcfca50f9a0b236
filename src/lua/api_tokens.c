/* What a text is made of, as tokenizers see it: words, digits, punctuation, scripts. Estimates of tokens weigh these
 * counts; the weights are in lua/cliproxy/token_estimate.lua. One pass over the bytes, nothing is allocated. JSON's
 * escapes count as the characters that they stand for, since requests are read as they were sent. ASCII goes through
 * an automaton whose states are counted, so that no branch depends on the text; of long texts samples are read. */
#include "base/limits.h"
#include "lua/vm.h"

#include <stdint.h>

/* In this order in the table that a caller passes, from 1. */
enum {
  WORD,        /* runs of Latin letters, split where a capital follows a small letter */
  LONG,        /* letters of a word beyond the sixth */
  VERY_LONG,   /* beyond the twelfth */
  CAPITAL,     /* letters of runs of two and more capitals, but for the one that begins a word: "JSONData" has four */
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

enum { LOW, CAP, DIG, BLK, LIN, PUN, CLASSES, ESC = CLASSES, HIGH };

#define ROW8(c)  c, c, c, c, c, c, c, c
#define ROW16(c) ROW8(c), ROW8(c)
static const uint8_t class_of[256] = {
    ROW8(PUN),   PUN,         BLK,         LIN,         PUN,         PUN,         LIN,        PUN, PUN,
    ROW16(PUN),  BLK,         PUN,         PUN,         PUN,         PUN,         PUN,        PUN, PUN,
    ROW8(PUN),   ROW8(DIG),   DIG,         DIG,         PUN,         PUN,         PUN,        PUN, PUN,
    PUN,         PUN,         CAP,         CAP,         CAP,         CAP,         CAP,        CAP, CAP,
    ROW16(CAP),  CAP,         CAP,         CAP,         PUN,         ESC,         PUN,        PUN, PUN,
    PUN,         LOW,         LOW,         LOW,         LOW,         LOW,         LOW,        LOW, ROW16(LOW),
    LOW,         LOW,         LOW,         PUN,         PUN,         PUN,         PUN,        PUN, ROW16(HIGH),
    ROW16(HIGH), ROW16(HIGH), ROW16(HIGH), ROW16(HIGH), ROW16(HIGH), ROW16(HIGH), ROW16(HIGH)};

/* What the last byte was. L: the first, second… letter of a word, LM behind a digit, LC behind capitals; U: a capital,
 * UM behind a digit, U2 and U3 the second and later of a run; D: digits of a group, DM behind a letter; P: punctuation;
 * B: blanks; K: white space with a break in it, KB where blanks were counted already; OTHER: beyond ASCII, or nothing.
 */
enum {
  OTHER,
  L1,
  LM,
  L2,
  LC,
  L3,
  L4,
  L5,
  L6,
  L7,
  L8,
  L9,
  L10,
  L11,
  L12,
  L13, /* letters */
  U1,
  UM,
  U2,
  U3,
  D1,
  DM,
  D2,
  D3,
  P1,
  P2,
  B1,
  B2,
  B3,
  K1,
  KB,
  K2,
  STATES
};

/* States are kept multiplied: a state and a class make the place of the next state, and 32 states fit into a byte. */
#define ROW 8
#define TO(low, cap, dig, blk, lin, pun)                                                                               \
  { low *ROW, cap *ROW, dig *ROW, blk *ROW, lin *ROW, pun *ROW }
#define LETTER(low)  TO(low, U1, DM, B1, K1, P1)
#define FIGURE(next) TO(LM, UM, next, B1, K1, P1)
static const uint8_t next_of[STATES][ROW] = {
    [OTHER] = TO(L1, U1, D1, B1, K1, P1),
    [L1] = LETTER(L2),
    [LM] = LETTER(L2),
    [L2] = LETTER(L3),
    [LC] = LETTER(L3),
    [L3] = LETTER(L4),
    [L4] = LETTER(L5),
    [L5] = LETTER(L6),
    [L6] = LETTER(L7),
    [L7] = LETTER(L8),
    [L8] = LETTER(L9),
    [L9] = LETTER(L10),
    [L10] = LETTER(L11),
    [L11] = LETTER(L12),
    [L12] = LETTER(L13),
    [L13] = LETTER(L13),
    [U1] = TO(L2, U2, DM, B1, K1, P1),
    [UM] = TO(L2, U2, DM, B1, K1, P1),
    [U2] = TO(LC, U3, DM, B1, K1, P1),
    [U3] = TO(LC, U3, DM, B1, K1, P1),
    [D1] = FIGURE(D2),
    [DM] = FIGURE(D2),
    [D2] = FIGURE(D3),
    [D3] = FIGURE(D1),
    [P1] = TO(L1, U1, D1, B1, K1, P2),
    [P2] = TO(L1, U1, D1, B1, K1, P2),
    [B1] = TO(L1, U1, D1, B2, K1, P1),
    [B2] = TO(L1, U1, D1, B3, KB, P1),
    [B3] = TO(L1, U1, D1, B3, KB, P1),
    [K1] = TO(L1, U1, D1, K2, K2, P1),
    [KB] = TO(L1, U1, D1, K2, K2, P1),
    [K2] = TO(L1, U1, D1, K2, K2, P1),
};

typedef struct scan {
  const uint8_t *p, *end;
  unsigned state;                /* multiplied */
  uint32_t states[STATES * ROW]; /* how often each was entered */
  uint32_t counts[COUNTS];       /* of characters beyond ASCII; `settle` adds the others */
} scan;

static void step(scan *s, unsigned class) {
  s->state = (&next_of[0][0])[s->state + class];
  s->states[s->state]++;
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
  s->state = OTHER;
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
    step(s, class_of[c] < CLASSES ? class_of[c] : PUN);
  else if (c < 0xdc00 || c > 0xdfff)
    add_character(s, c >= 0xd800 && c < 0xdc00 ? 0x10000 : c);
  return true;
}

static void scan_escape(scan *s) {
  uint8_t next = s->p + 1 < s->end ? s->p[1] : 0;
  if (next == 'u' && scan_unicode(s)) return;
  step(s, next == 'n' || next == 'r' ? LIN : next == 't' ? BLK : PUN);
  s->p += next ? 2 : 1;
}

static void scan_all(scan *s) {
  while (s->p < s->end) {
    const uint8_t *p = s->p, *end = s->end;
    unsigned state = s->state, class = 0;
    while (p < end && (class = class_of[*p]) < CLASSES) {
      state = (&next_of[0][0])[state + class];
      s->states[state]++;
      p++;
    }
    s->p = p;
    s->state = state;
    if (p == end) break;
    if (class == ESC)
      scan_escape(s);
    else
      scan_high(s);
  }
}

/* What the states were entered for. */
static void settle(scan *s) {
  uint32_t n[STATES], *counts = s->counts;
  for (unsigned i = 0; i < STATES; i++) n[i] = s->states[i * ROW];
  counts[WORD] = n[L1] + n[LM] + n[LC] + n[U1] + n[UM] - n[U2];
  counts[VERY_LONG] = n[L13];
  counts[LONG] = n[L7] + n[L8] + n[L9] + n[L10] + n[L11] + n[L12] + n[L13];
  counts[CAPITAL] = 2 * n[U2] + n[U3] - n[LC];
  counts[DIGIT_GROUP] = n[D1] + n[DM];
  counts[DIGIT] = n[D1] + n[DM] + n[D2] + n[D3];
  counts[MIXED] = n[LM] + n[UM] + n[DM];
  counts[MARK] = n[P1];
  counts[PUNCTUATION] = n[P1] + n[P2];
  counts[BREAK] = n[K1] + n[KB];
  counts[SPACE] = n[B2] - n[KB];
}

/* Texts beyond WHOLE_MAX: the first SAMPLE bytes of every STRIDE. */
#define WHOLE_MAX (8 * CPX_KB)
#define STRIDE    (4 * CPX_KB)
#define SAMPLE    CPX_KB

/* Scans a text, or samples of it; returns how many times the counts are to be taken. */
static double scan_text(scan *s, const uint8_t *text, size_t n) {
  if (n <= WHOLE_MAX) {
    s->p = text;
    s->end = text + n;
    scan_all(s);
    return 1;
  }
  size_t seen = 0;
  for (size_t at = 0; at < n; at += STRIDE) {
    size_t length = n - at < SAMPLE ? n - at : SAMPLE;
    s->p = text + at;
    s->end = s->p + length;
    s->state = OTHER;
    while (s->p < s->end && (*s->p & 0xc0) == 0x80) s->p++; /* not in the middle of a character */
    scan_all(s);
    seen += length;
  }
  return (double)n / (double)seen;
}

static int count(lua_State *L) {
  size_t n;
  const char *text = luaL_checklstring(L, 1, &n);
  luaL_checktype(L, 2, LUA_TTABLE);
  if (n >= 2 && text[0] == '"' && text[n - 1] == '"') { /* a literal's quotes are not of its text */
    text++;
    n -= 2;
  }
  scan s = {.state = OTHER};
  double times = scan_text(&s, (const uint8_t *)text, n);
  settle(&s);
  for (int i = 0; i < COUNTS; i++) {
    if (!s.counts[i]) continue;
    lua_rawgeti(L, 2, i + 1);
    lua_pushnumber(L, lua_tonumber(L, -1) + s.counts[i] * times);
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
