/* What the parser takes and what it refuses, by the categories of the published test suites (valid, invalid, left to
 * the implementation, structure), with the outcome of each stated; error positions; limits; recorded exchanges. */
#include "json_support.h"

#include <dirent.h>
#include <sys/stat.h>

typedef struct parse_case {
  const char *text;
  size_t n;
  int want; /* 0 or CPX_E* */
} parse_case;

#define T(text, want)                                                                                                  \
  { text, sizeof(text) - 1, want }

/* Each input also stands at every distance from 16 bytes, so that the wide loops meet it at all their edges. */
static void check_at(const parse_case *c, size_t shift) {
  size_t n = c->n + shift;
  char *bytes = malloc(n ? n : 1);
  REQUIRE(bytes);
  memset(bytes, ' ', shift);
  memcpy(bytes + shift, c->text, c->n);
  cpx_json_doc *doc = NULL;
  cpx_json_error err;
  int got = cpx_json_parse(bytes, n, NULL, &doc, &err);
  if (got != c->want) {
    CT_FAIL("after %zu spaces %.*s gives %d (%s), not %d", shift, (int)c->n, c->text, got,
            got ? err.message : "accepted", c->want);
  } else if (got == 0) {
    cpx_buf out = encoded(doc, CPX_JSON_ROOT);
    CHECK_BYTES(out.data, out.len, bytes, n);
    cpx_buf_deinit(&out);
  } else {
    CHECK_INT(err.code, c->want);
    CHECK(err.message[0] != 0 && err.offset <= n);
  }
  cpx_json_unref(doc);
  free(bytes);
}

static void check_cases(const parse_case *cases, size_t n) {
  for (size_t i = 0; i < n; i++)
    for (size_t shift = 0; shift < 18; shift++) {
      if (shift && cases[i].n >= 3 && memcmp(cases[i].text, "\xEF\xBB\xBF", 3) == 0) break;
      check_at(&cases[i], shift);
    }
}

#define CHECK_CASES(cases) check_cases(cases, sizeof(cases) / sizeof(cases)[0])

#include "json_parse_cases.h"

/* {"k0":0,"k1":1,…}, the last key being `last`. */
static char *big_object(size_t n, const char *last, size_t *length) {
  cpx_buf b;
  cpx_buf_init(&b, 16 * CPX_MB);
  bool ok = cpx_buf_add_str(&b, "{") == 0;
  for (size_t i = 0; ok && i + 1 < n; i++) ok = cpx_buf_printf(&b, "\"k%zu\":%zu,", i, i) == 0;
  if (!ok || cpx_buf_printf(&b, "\"%s\":0}", last) != 0) abort();
  return cpx_buf_take(&b, length);
}

static void finds_a_key_that_stands_twice_among_many(void) {
  static const size_t sizes[] = {2, 15, 16, 17, 18, 1000, CPX_JSON_KEYS_MAX};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    static const struct {
      const char *last;
      int want;
    } keys[] = {{"k0", CPX_EDUPLICATE}, {"\\u006b0", CPX_EDUPLICATE}, {"other", 0}, {"\\u006b", 0}};
    for (size_t k = 0; k < 4; k++) {
      size_t n;
      char *bytes = big_object(sizes[i], keys[k].last, &n);
      cpx_json_doc *doc = NULL;
      cpx_json_error err;
      CHECK_INT(cpx_json_parse(bytes, n, NULL, &doc, &err), keys[k].want);
      if (err.code) CHECK_INT(bytes[err.offset - 1], ',');
      cpx_json_unref(doc);
      free(bytes);
    }
  }
}

/* -- Limits. ------------------------------------------------------------------------------------------------------ */

static int parse_nested(size_t depth, char open, char close, cpx_json_error *err) {
  char *bytes = malloc(2 * depth);
  if (!bytes) abort();
  memset(bytes, open, depth);
  memset(bytes + depth, close, depth);
  cpx_json_doc *doc = NULL;
  int got = cpx_json_parse(bytes, 2 * depth, NULL, &doc, err);
  cpx_json_unref(doc);
  free(bytes);
  return got;
}

static void bounds_the_depth(void) {
  cpx_json_error err;
  CHECK_INT(parse_nested(100000, '[', ']', &err), CPX_EDEPTH);
  CHECK_STR(err.message, "line 1, column 513: nested deeper than 512 levels");
  CHECK_INT(parse_nested(CPX_JSON_DEPTH_MAX + 1, '[', ']', &err), CPX_EDEPTH);
  cpx_json_limits three = {.depth = 3};
  cpx_json_doc *doc = NULL;
  CHECK_INT(cpx_json_parse("[{\"a\":[]}]", 10, &three, &doc, &err), 0);
  cpx_json_unref(doc);
  CHECK_INT(cpx_json_parse("[{\"a\":[[]]}]", 12, &three, &doc, &err), CPX_EDEPTH);
}

static void takes_the_greatest_depth(void) {
  char text[2 * CPX_JSON_DEPTH_MAX + 1];
  memset(text, '[', CPX_JSON_DEPTH_MAX);
  memset(text + CPX_JSON_DEPTH_MAX, ']', CPX_JSON_DEPTH_MAX);
  text[2 * CPX_JSON_DEPTH_MAX] = 0;
  cpx_json_doc *doc = DOC(text);
  CHECK_ENCODES(doc, text);
  cpx_json_unref(doc);
}

static void bounds_size_values_and_members(void) {
  cpx_json_error err;
  cpx_json_doc *doc = NULL;
  cpx_json_limits ten = {.bytes = 10};
  CHECK_INT(cpx_json_parse("[12345678]", 10, &ten, &doc, &err), 0);
  cpx_json_unref(doc);
  CHECK_INT(cpx_json_parse("[123456789]", 11, &ten, &doc, &err), CPX_ETOOBIG);
  CHECK_STR(err.message, "larger than 10 bytes");
  cpx_json_limits four = {.nodes = 4};
  CHECK_INT(cpx_json_parse("[1,2,3]", 7, &four, &doc, &err), 0);
  cpx_json_unref(doc);
  CHECK_INT(cpx_json_parse("{\"a\":1,\"b\":2}", 13, &four, &doc, &err), CPX_ETOOBIG);
  CHECK_STR(err.message, "line 1, column 13: more than 4 values in one document");
  size_t n;
  char *bytes = big_object(CPX_JSON_KEYS_MAX + 1, "other", &n);
  CHECK_INT(cpx_json_parse_take(bytes, n, NULL, &doc, &err), CPX_ETOOBIG);
  CHECK_STR(err.message, "line 1, column 1: more than 100000 members in one object");
}

static void takes_bodies_of_64_megabytes(void) {
  size_t n = CPX_HTTP_BODY_MAX;
  char *bytes = malloc(n);
  REQUIRE(bytes);
  memset(bytes, 'A', n);
  memcpy(bytes, "{\"data\":\"", 9);
  memcpy(bytes + n - 2, "\"}", 2);
  cpx_json_doc *doc = NULL;
  cpx_json_parts parts = {0};
  CHECK_INT(cpx_json_parse_take(bytes, n, NULL, &doc, NULL), 0);
  CHECK(doc && cpx_json_source(doc, cpx_json_get(doc, 0, "data", 4)).n == n - 9);
  CHECK(doc && cpx_json_memory(doc) < n + 2 * CPX_MB && cpx_json_memory_all() >= n);
  CHECK(doc && cpx_json_encode_parts(doc, CPX_JSON_ROOT, &parts) == 0 && parts.n == 1 && parts.bytes == n);
  cpx_json_parts_deinit(&parts);
  cpx_json_unref(doc);
  CHECK_INT(cpx_json_memory_all(), 0);
}

/* -- Messages. ---------------------------------------------------------------------------------------------------- */

static void says_what_is_wrong_and_where(void) {
  static const struct {
    const char *text, *message;
  } cases[] = {
      {"", "line 1, column 1: the document is empty"},
      {"  \n ", "line 2, column 2: the document is empty"},
      {"{\"a\": 1,\n \"b\": 2\n \"c\": 3}", "line 3, column 2: expected ',' or '}' after a member"},
      {"[1 2]", "line 1, column 4: expected ',' or ']' after an element"},
      {"{\"a\":1,}", "line 1, column 8: expected a key in double quotes"},
      {"{a:1}", "line 1, column 2: expected a key in double quotes"},
      {"[1,]", "line 1, column 4: expected a value"},
      {"{\"a\" 1}", "line 1, column 6: expected ':' after a key"},
      {"{\"a\":1", "line 1, column 7: the document ends too early"},
      {"tru", "line 1, column 4: the document ends too early"},
      {"[\"\xC3\xA4\xC3\xB6\" x]", "line 1, column 7: expected ',' or ']' after an element"},
      {"[\"a\xFF\"]", "line 1, column 4: not valid UTF-8"},
      {"[\"a\\x\"]", "line 1, column 4: unknown escape in a string"},
      {"[\"a\\u12g4\"]", "line 1, column 4: \\u needs four hexadecimal digits"},
      {"[\"a\nb\"]", "line 1, column 4: a control character in a string must be escaped"},
      {"[\"abc", "line 1, column 6: the string is not closed"},
      {"{\"a\":1}\n{}", "line 2, column 1: unexpected bytes behind the value"},
      {"[01]", "line 1, column 3: a number must not start with 0"},
      {"[-x]", "line 1, column 3: expected a digit"},
      {"\xEF\xBB\xBF{}", "line 1, column 1: the document starts with a byte order mark: send it without"},
      {"{\"a\":1,\n\"b\":2,\"a\":3}", "line 2, column 7: this key stands twice in one object"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    cpx_json_doc *doc = NULL;
    cpx_json_error err;
    CHECK(cpx_json_parse(cases[i].text, strlen(cases[i].text), NULL, &doc, &err) != 0);
    CHECK_STR(err.message, cases[i].message);
  }
}

static void every_cut_of_a_document_is_refused(void) {
  const char *text = "{\"a\\u00e4\":[1.5e+3,\"x\\n\xE2\x82\xAC\",true,null],\"bcdefghijklmnopqrstuvw\":{\"c\":-0}}";
  for (size_t n = 0; n < strlen(text); n++) {
    char *bytes = malloc(n ? n : 1);
    REQUIRE(bytes);
    memcpy(bytes, text, n);
    cpx_json_doc *doc = NULL;
    cpx_json_error err;
    int got = cpx_json_parse_take(bytes, n, NULL, &doc, &err);
    CHECK(got == CPX_ESYNTAX || got == CPX_EUTF8);
    CHECK(err.offset <= n);
  }
}

static void any_byte_anywhere_does_no_harm(void) {
  const char *text = "{\"a\\u00e4\":[1.5e+3,\"x\\n\xE2\x82\xAC\",true,null],\"bcdefghijklmnopqrstuvw\":{\"c\":-0}}";
  size_t n = strlen(text);
  for (size_t at = 0; at < n; at++)
    for (int byte = 0; byte < 256; byte++) {
      char *bytes = malloc(n);
      REQUIRE(bytes);
      memcpy(bytes, text, n);
      bytes[at] = (char)byte;
      cpx_json_doc *doc = NULL;
      if (cpx_json_parse_take(bytes, n, NULL, &doc, NULL) == 0) {
        cpx_buf out = encoded(doc, CPX_JSON_ROOT);
        CHECK_BYTES(out.data, out.len, bytes, n);
        cpx_buf_deinit(&out);
        cpx_json_unref(doc);
      }
    }
}

/* -- Recorded exchanges. ------------------------------------------------------------------------------------------ */

static int round_trips, not_json;

static void round_trip(const char *path, size_t n) {
  FILE *f = fopen(path, "rb");
  char *bytes = malloc(n + 1);
  REQUIRE(f && bytes);
  CHECK(fread(bytes, 1, n, f) == n);
  (void)fclose(f);
  cpx_json_doc *doc = NULL;
  cpx_json_error err;
  if (cpx_json_parse(bytes, n, NULL, &doc, &err) != 0) {
    not_json++;
    printf("%s: %s\n", path, err.message);
  } else {
    cpx_buf out = encoded(doc, CPX_JSON_ROOT);
    CHECK(out.len == n && memcmp(out.data, bytes, n) == 0);
    cpx_buf_deinit(&out);
    cpx_json_unref(doc);
    round_trips++;
  }
  free(bytes);
}

static void visit(const char *folder, int depth) {
  DIR *d = opendir(folder);
  struct dirent *e;
  while (d && (e = readdir(d))) {
    char path[1024];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
    if (e->d_name[0] == '.' || stat(path, &st) != 0) continue;
    size_t n = strlen(path);
    if (S_ISDIR(st.st_mode) && depth > 0)
      visit(path, depth - 1);
    else if (S_ISREG(st.st_mode) && n > 5 && strcmp(path + n - 5, ".json") == 0)
      round_trip(path, (size_t)st.st_size);
  }
  if (d) closedir(d);
}

static void recorded_exchanges_come_back_byte_for_byte(void) {
  char folder[1024];
  (void)snprintf(folder, sizeof folder, "%s", __FILE__);
  char *end = strstr(folder, "spec/unit/json/");
  REQUIRE(end);
  (void)snprintf(end, sizeof folder - (size_t)(end - folder), "../shared/fixtures");
  struct stat st;
  if (stat(folder, &st) != 0) SKIP("no recorded exchanges beside the repository");
  visit(folder, 3);
  CHECK(round_trips > 100);
  printf("%d documents, %d not JSON\n", round_trips, not_json);
}

int main(int argc, char **argv) {
  ct_init(argc, argv);
  RUN(accepts_valid_documents);
  RUN(refuses_broken_structure);
  RUN(refuses_broken_numbers);
  RUN(refuses_broken_strings);
  RUN(refuses_a_key_that_stands_twice);
  RUN(finds_a_key_that_stands_twice_among_many);
  RUN(bounds_the_depth);
  RUN(takes_the_greatest_depth);
  RUN(bounds_size_values_and_members);
  RUN(takes_bodies_of_64_megabytes);
  RUN(says_what_is_wrong_and_where);
  RUN(every_cut_of_a_document_is_refused);
  RUN(any_byte_anywhere_does_no_harm);
  RUN(recorded_exchanges_come_back_byte_for_byte);
  return ct_summary();
}
