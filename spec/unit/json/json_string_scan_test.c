/* Long strings, whose bytes are looked at in blocks: whatever stops the scan, at every place of a block, against a
 * reader that goes byte by byte. */
#include "json_support.h"

#include "json/scan.h"

typedef struct outcome {
  int code;
  size_t at; /* of the failure; of the closing quote */
} outcome;

static bool hex(char c) {
  return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'f');
}

static outcome escape_at(const char *text, size_t n, size_t at, size_t *step) {
  if (at + 1 == n) return (outcome){CPX_ESYNTAX, at};
  *step = 2;
  if (text[at + 1] != 0 && strchr("\"\\/bfnrt", text[at + 1])) return (outcome){0, at};
  *step = 6;
  bool good = text[at + 1] == 'u';
  for (size_t i = at + 2; good && i < at + 6; i++) good = i < n && hex(text[i]);
  return (outcome){good ? 0 : CPX_ESYNTAX, at};
}

/* The string whose content begins at `at`. */
static outcome read_slowly(const char *text, size_t n, size_t at) {
  while (at < n) {
    size_t step = 1;
    unsigned char c = (unsigned char)text[at];
    if (c == '"') return (outcome){0, at};
    if (c < 0x20) return (outcome){CPX_ESYNTAX, at};
    if (c == '\\') {
      outcome o = escape_at(text, n, at, &step);
      if (o.code) return o;
    } else if (c >= 0x80) {
      step = (size_t)scan_utf8(text + at, text + n, 0);
      if (!step) return (outcome){CPX_EUTF8, at};
    }
    at += step;
  }
  return (outcome){CPX_ESYNTAX, n};
}

/* ["CONTENT"] and what follows; `n` bytes in all, with no byte to spare. */
static void check_text(char *text, size_t n) {
  outcome want = read_slowly(text, n, 2);
  cpx_json_doc *doc = NULL;
  cpx_json_error err;
  int got = cpx_json_parse(text, n, NULL, &doc, &err);
  if (want.code || want.at + 2 != n || text[want.at + 1] != ']') {
    bool inside = want.code != 0;
    if (got == 0 || (inside && (got != want.code || err.offset != want.at)))
      CT_FAIL("%.*s: %d at %zu (%s), not %d at %zu", (int)n, text, got, err.offset, err.message, want.code, want.at);
  } else if (got != 0) {
    CT_FAIL("%.*s: %d at %zu (%s)", (int)n, text, got, err.offset, err.message);
  } else {
    cpx_slice source = cpx_json_source(doc, cpx_json_at(doc, CPX_JSON_ROOT, 0));
    CHECK_BYTES(source.p, source.n, text + 1, n - 2);
    cpx_buf scratch;
    cpx_slice plain;
    cpx_buf_init(&scratch, n);
    CHECK(cpx_json_string(doc, 1, &scratch, &plain) && (scratch.len > 0) == (memchr(text, '\\', n) != NULL));
    cpx_buf_deinit(&scratch);
  }
  cpx_json_unref(doc);
}

static void put(char **to, const char *bytes, size_t n) {
  memcpy(*to, bytes, n);
  *to += n;
}

static void every_stop_at_every_place_of_a_block(void) {
  static const char *const stops[] = {"\\n",
                                      "\\\"",
                                      "\\\\",
                                      "\\\\\\\\\\\"",
                                      "\\/",
                                      "\\u00e4",
                                      "\\ud83d",
                                      "\\u12g4",
                                      "\\x",
                                      "\\u12",
                                      "\n",
                                      "\x1f",
                                      "\x7f",
                                      "\xC3\xA4",
                                      "\xE2\x80\x94",
                                      "\xF0\x9F\x98\x80",
                                      "\xC3",
                                      "\xE2\x80",
                                      "\xED\xA0\x80",
                                      "\xFF",
                                      "\"",
                                      "\\",
                                      "\xC3\xA4\\\\\xE2\x80\x94\\t",
                                      "!#[]^ "};
  for (size_t i = 0; i < sizeof stops / sizeof *stops; i++)
    for (size_t before = 0; before < 2 * 64 + 20; before++)
      for (size_t behind = 0; behind <= 140; behind += 70) {
        size_t length = strlen(stops[i]), n = before + length + behind + 4;
        char *text = malloc(n), *to = text;
        REQUIRE(text);
        put(&to, "[\"", 2);
        memset(to, 'x', before);
        to += before;
        put(&to, stops[i], length);
        memset(to, 'y', behind);
        to += behind;
        put(&to, "\"]", 2);
        check_text(text, n);
        free(text);
      }
}

static uint64_t chance(void) {
  static uint64_t x = 88172645463325252u;
  x ^= x << 13;
  x ^= x >> 7;
  return x ^= x << 17;
}

static void any_mixture_reads_as_byte_by_byte(void) {
  static const char *const pieces[] = {"\\n",
                                       "\\\"",
                                       "\\\\",
                                       "\\u0041",
                                       "\\udead",
                                       "\xC3\xA4",
                                       "\xE2\x82\xAC",
                                       "a",
                                       "\xF0\x9F\x98\x80",
                                       "plain text without an end",
                                       "#",
                                       "!",
                                       "[]",
                                       "0x20 ",
                                       "\x7f"};
  static const char *const faults[] = {"\\", "\"", "\\u00", "\xC3", "\n", "\\q", "\x80"};
  for (int round = 0; round < 60000; round++) {
    char content[400];
    char *to = content;
    size_t count = chance() % 14;
    put(&to, "[\"", 2);
    for (size_t i = 0; i < count; i++) {
      bool fault = chance() % 64 == 0;
      const char *piece = fault ? faults[chance() % 7] : pieces[chance() % 15];
      put(&to, piece, strlen(piece));
    }
    put(&to, "\"]", 2);
    size_t n = (size_t)(to - content) - (chance() % 16 == 0 ? chance() % 4 : 0); /* some are cut */
    char *text = malloc(n);
    REQUIRE(text);
    memcpy(text, content, n);
    check_text(text, n);
    free(text);
  }
}

int main(int argc, char **argv) {
  ct_init(argc, argv);
  RUN(every_stop_at_every_place_of_a_block);
  RUN(any_mixture_reads_as_byte_by_byte);
  return ct_summary();
}
