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

/* What a byte is. Controls without a meaning of their own pass for punctuation. */
enum { PUNCT, LOWER, UPPER, FIGURE, BLANK, LINE, CLASSES, ESCAPE = CLASSES, HIGH };

/* What is not named here is punctuation. */
static const uint8_t class_of[256] = {
    ['a' ... 'z'] = LOWER, ['A' ... 'Z'] = UPPER, ['0' ... '9'] = FIGURE, [' '] = BLANK,          ['\t'] = BLANK,
    ['\n'] = LINE,         ['\r'] = LINE,         ['\\'] = ESCAPE,        [0x80 ... 0xff] = HIGH,
};

/* What the last byte was, and how far it is into what it belongs to. "JSONData 1234" goes through U1 U2 U3 U3 U3 L2U L3
 * L4 B1 D1 D2 D3 D1. */
enum {
  OTHER, /* nothing, or a character beyond ASCII */
  L1,    /* the first letter of a word, a small one */
  L1D,   /* the same behind a digit */
  L2,
  L2U, /* the second behind two and more capitals, the last of which is the first */
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
  L13, /* and all that follow */
  U1,  /* a capital, which may begin a word */
  U1D, /* the same behind a digit */
  U2,  /* the second of a run */
  U3,  /* and all that follow */
  D1,  /* the first digit of a group of three */
  D1L, /* the same behind a letter */
  D2,
  D3,
  P1,  /* punctuation */
  P2,  /* what follows of its run */
  B1,  /* a blank */
  B2,  /* the second of a run */
  B3,  /* and all that follow */
  K1,  /* the first line's end of a run of white space */
  K1B, /* the same behind two and more blanks */
  K2,  /* white space behind it */
  STATES
};

/* A state and a class make the next state, by one look: states are kept multiplied by the length of a row, and there
 * are few enough of them for a byte. */
#define ROW 8
_Static_assert(CLASSES <= ROW && (STATES - 1) * ROW <= UINT8_MAX, "states fit into a byte");

#define TO(state, class, next) [(state)*ROW + (class)] = ((next)*ROW)
#define FROM(state, lower, upper, figure, blank, line, punct)                                                          \
  TO(state, LOWER, lower), TO(state, UPPER, upper), TO(state, FIGURE, figure), TO(state, BLANK, blank),                \
      TO(state, LINE, line), TO(state, PUNCT, punct)
#define LETTER(state, lower)  FROM(state, lower, U1, D1L, B1, K1, P1)
#define DIGITS(state, figure) FROM(state, L1D, U1D, figure, B1, K1, P1)

static const uint8_t next_of[STATES * ROW] = {
    FROM(OTHER, L1, U1, D1, B1, K1, P1),
    /* A word goes on, or a capital begins the next one. */
    LETTER(L1, L2),
    LETTER(L1D, L2),
    LETTER(L2, L3),
    LETTER(L2U, L3),
    LETTER(L3, L4),
    LETTER(L4, L5),
    LETTER(L5, L6),
    LETTER(L6, L7),
    LETTER(L7, L8),
    LETTER(L8, L9),
    LETTER(L9, L10),
    LETTER(L10, L11),
    LETTER(L11, L12),
    LETTER(L12, L13),
    LETTER(L13, L13),
    /* Small letters go on with the capital before them. */
    FROM(U1, L2, U2, D1L, B1, K1, P1),
    FROM(U1D, L2, U2, D1L, B1, K1, P1),
    FROM(U2, L2U, U3, D1L, B1, K1, P1),
    FROM(U3, L2U, U3, D1L, B1, K1, P1),
    /* Behind three digits another group begins. */
    DIGITS(D1, D2),
    DIGITS(D1L, D2),
    DIGITS(D2, D3),
    DIGITS(D3, D1),
    /* Punctuation. */
    FROM(P1, L1, U1, D1, B1, K1, P2),
    FROM(P2, L1, U1, D1, B1, K1, P2),
    /* Blanks are one run with the line's end that follows them, and what white space comes behind that. */
    FROM(B1, L1, U1, D1, B2, K1, P1),
    FROM(B2, L1, U1, D1, B3, K1B, P1),
    FROM(B3, L1, U1, D1, B3, K1B, P1),
    FROM(K1, L1, U1, D1, K2, K2, P1),
    FROM(K1B, L1, U1, D1, K2, K2, P1),
    FROM(K2, L1, U1, D1, K2, K2, P1),
};

/* What entering a state adds. Some take back what was told too early: a second capital, that the first began a word; a
 * small letter, that the capital before it ended the run; a line's end, that there were only blanks. */
static const struct {
  uint8_t state, count;
  int8_t by;
} meanings[] = {
    {L1, WORD, 1},        {L1D, WORD, 1},       {L1D, MIXED, 1},       {L2U, WORD, 1},       {L2U, CAPITAL, -1},
    {L7, LONG, 1},        {L8, LONG, 1},        {L9, LONG, 1},         {L10, LONG, 1},       {L11, LONG, 1},
    {L12, LONG, 1},       {L13, LONG, 1},       {L13, VERY_LONG, 1},   {U1, WORD, 1},        {U1D, WORD, 1},
    {U1D, MIXED, 1},      {U2, WORD, -1},       {U2, CAPITAL, 2},      {U3, CAPITAL, 1},     {D1, DIGIT, 1},
    {D1, DIGIT_GROUP, 1}, {D1L, DIGIT, 1},      {D1L, DIGIT_GROUP, 1}, {D1L, MIXED, 1},      {D2, DIGIT, 1},
    {D3, DIGIT, 1},       {P1, PUNCTUATION, 1}, {P1, MARK, 1},         {P2, PUNCTUATION, 1}, {B2, SPACE, 1},
    {K1, BREAK, 1},       {K1B, BREAK, 1},      {K1B, SPACE, -1},
};

typedef struct scan {
  const uint8_t *p, *end;
  unsigned state;                 /* multiplied by ROW */
  uint32_t entered[STATES * ROW]; /* how often each state was, at its multiplied number */
  uint32_t counts[COUNTS];        /* of characters beyond ASCII; `settle` adds the others */
} scan;

static void step(scan *s, unsigned class) {
  s->state = next_of[s->state + class];
  s->entered[s->state]++;
}

/* Scripts beyond ASCII, by where they end. */
static const struct {
  uint32_t below;
  uint8_t count;
} scripts[] = {
    {0x300, LATIN},   {0x800, ALPHABET}, {0x2000, INDIC},    {0x2e80, SYMBOL}, {0xa4d0, CJK},
    {0xac00, SYMBOL}, {0xd7b0, HANGUL},  {0xf900, SYMBOL},   {0xfb00, CJK},    {0xff00, SYMBOL},
    {0xfff0, CJK},    {0x10000, SYMBOL}, {UINT32_MAX, WIDE},
};

static void add_character(scan *s, uint32_t c) {
  size_t i = 0;
  while (c >= scripts[i].below) i++;
  s->counts[scripts[i].count]++;
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
    step(s, class_of[c] < CLASSES ? class_of[c] : PUNCT);
  else if (c < 0xdc00 || c > 0xdfff)
    add_character(s, c >= 0xd800 && c < 0xdc00 ? 0x10000 : c);
  return true;
}

static void scan_escape(scan *s) {
  uint8_t next = s->p + 1 < s->end ? s->p[1] : 0;
  if (next == 'u' && scan_unicode(s)) return;
  step(s, next == 'n' || next == 'r' ? LINE : next == 't' ? BLANK : PUNCT);
  s->p += next ? 2 : 1;
}

static void scan_all(scan *s) {
  while (s->p < s->end) {
    const uint8_t *p = s->p, *end = s->end;
    unsigned state = s->state, class = 0;
    while (p < end && (class = class_of[*p]) < CLASSES) {
      state = next_of[state + class];
      s->entered[state]++;
      p++;
    }
    s->p = p;
    s->state = state;
    if (p == end) break;
    if (class == ESCAPE)
      scan_escape(s);
    else
      scan_high(s);
  }
}

static void settle(scan *s) {
  for (size_t i = 0; i < sizeof(meanings) / sizeof(*meanings); i++)
    s->counts[meanings[i].count] += s->entered[(size_t)meanings[i].state * ROW] * (uint32_t)meanings[i].by;
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
