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

static void accepts_valid_documents(void) {
  static const parse_case cases[] = {
      T("[]", 0),
      T("{}", 0),
      T("null", 0),
      T("true", 0),
      T("false", 0),
      T("\"\"", 0),
      T("42", 0),
      T("-0.1", 0),
      T("\"asd\"", 0),
      T("[[]   ]", 0),
      T("[\"\"]", 0),
      T("[\"a\"]", 0),
      T("[false]", 0),
      T("[null, 1, \"1\", {}]", 0),
      T("[1\n]", 0),
      T(" [1]", 0),
      T("[1,null,null,null,2]", 0),
      T("[2] ", 0),
      T("\t\r\n [ ] \n", 0),
      T("{\"asd\":\"sdf\", \"dfg\":\"fgh\"}", 0),
      T("{\"\":0}", 0),
      T("{\"foo\\u0000bar\": 42}", 0),
      T("{ \"min\": -1.0e+28, \"max\": 1.0e+28 }", 0),
      T("{\"x\":[{\"id\": \"x\"}], \"id\": \"x\"}", 0),
      T("{\"a\":[]}", 0),
      T("{\"title\":\"\\u041f\\u043e\\u043b\"}", 0),
      T("{\n\"a\": \"b\"\n}", 0),
      T("[\"\\u0060\\u012a\\u12AB\"]", 0),
      T("[\"\\uD801\\udc37\"]", 0),
      T("[\"\\ud83d\\ude39\\ud83d\\udc8d\"]", 0),
      T("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]", 0),
      T("[\"\\\\u0000\"]", 0),
      T("[\"\\\"\"]", 0),
      T("[\"a/*b*/c/*d//e\"]", 0),
      T("[\"\\\\a\"]", 0),
      T("[\"\\\\n\"]", 0),
      T("[\"\\u0012\"]", 0),
      T("[\"\\uFFFF\"]", 0),
      T("[\"\\uDBFF\\uDFFF\"]", 0),
      T("[\"new\\u00A0line\"]", 0),
      T("[\"\xF4\x8F\xBF\xBF\"]", 0),
      T("[\"\xEF\xBF\xBF\"]", 0),
      T("[\"\\u0000\"]", 0),
      T("[\"\\u002c\"]", 0),
      T("[\"\xCF\x80\"]", 0),
      T("[\"\xF0\x9B\xBF\xBF\"]", 0),
      T("[\"asd \"]", 0),
      T("\" \"", 0),
      T("[\"\\uD834\\uDd1e\"]", 0),
      T("[\"\\u0821\"]", 0),
      T("[\"\xE2\x80\xA8\"]", 0),
      T("[\"\xE2\x80\xA9\"]", 0),
      T("[\"\\u0061\\u30af\\u30EA\\u30b9\"]", 0),
      T("[\"new\\u000Aline\"]", 0),
      T("[\"\x7F\"]", 0),
      T("[\"\\uA66D\"]", 0),
      T("[\"\\u005C\"]", 0),
      T("[\"\xE2\x8D\x82\xE3\x88\xB4\xE2\x8D\x82\"]", 0),
      T("[\"\\u200B\\u2064\\uFDD0\\uFFFE\"]", 0),
      T("[\"\\uD83F\\uDFFE\\u0022\"]", 0),
      T("[\"\xE0\xA4\x82 aa \xED\x9F\xBF \xEE\x80\x80\"]", 0),
      T("[\"0123456789abcdef0123456789abcdef\xC3\xA4 0123456789abcdef\"]", 0),
      T("[123e65]", 0),
      T("[0e+1]", 0),
      T("[0e1]", 0),
      T("[ 4]", 0),
      T("[-0.000000000000000000000000000000001]", 0),
      T("[20e1]", 0),
      T("[-0]", 0),
      T("[-123]", 0),
      T("[-1]", 0),
      T("[1E22]", 0),
      T("[1E-2]", 0),
      T("[1E+2]", 0),
      T("[123e45]", 0),
      T("[123.456e78]", 0),
      T("[1e-2]", 0),
      T("[1e+2]", 0),
      T("[123]", 0),
      T("[123.456789]", 0),
      /* Left to the implementation: any number by the grammar is kept as it stands; escaped lone surrogates too. */
      T("[123.456e-789]", 0),
      T("[0.4e00669999999999999999999999999999999999999999999999999999999999969999999006]", 0),
      T("[-1e+9999]", 0),
      T("[1.5e+9999]", 0),
      T("[-123123e100000]", 0),
      T("[123123e100000]", 0),
      T("[123e-10000000]", 0),
      T("[-123123123123123123123123123123]", 0),
      T("[100000000000000000000]", 0),
      T("[-237462374673276894279832749832423479823246327846]", 0),
      T("[\"\\uDADA\"]", 0),
      T("[\"\\uD888\\u1234\"]", 0),
      T("[\"\\uD800\\n\"]", 0),
      T("[\"\\uDd1ea\"]", 0),
      T("[\"\\uD800\\uD800\\n\"]", 0),
      T("[\"\\ud800\"]", 0),
      T("[\"\\ud800abc\"]", 0),
      T("[\"\\uDd1e\\uD834\"]", 0),
      T("[\"\\uDFAA\"]", 0),
      T("{\"\\uDFAA\":0}", 0),
  };
  CHECK_CASES(cases);
}

static void refuses_broken_structure(void) {
  static const parse_case cases[] = {
      T("", CPX_ESYNTAX),
      T(" ", CPX_ESYNTAX),
      T("[1 true]", CPX_ESYNTAX),
      T("[\"\": 1]", CPX_ESYNTAX),
      T("[\"\"],", CPX_ESYNTAX),
      T("[,1]", CPX_ESYNTAX),
      T("[1,,2]", CPX_ESYNTAX),
      T("[\"x\",,]", CPX_ESYNTAX),
      T("[\"x\"]]", CPX_ESYNTAX),
      T("[\"\",]", CPX_ESYNTAX),
      T("[\"x\"", CPX_ESYNTAX),
      T("[x", CPX_ESYNTAX),
      T("[3[4]]", CPX_ESYNTAX),
      T("[1:2]", CPX_ESYNTAX),
      T("[,]", CPX_ESYNTAX),
      T("[-]", CPX_ESYNTAX),
      T("[   , \"\"]", CPX_ESYNTAX),
      T("[\"a\",\n4\n,1,", CPX_ESYNTAX),
      T("[1,]", CPX_ESYNTAX),
      T("[\"\x0B"
        "a\"\\f]",
        CPX_ESYNTAX),
      T("[*]", CPX_ESYNTAX),
      T("[\"\"", CPX_ESYNTAX),
      T("[1,", CPX_ESYNTAX),
      T("[1,\n1\n,1", CPX_ESYNTAX),
      T("[{}", CPX_ESYNTAX),
      T("[fals]", CPX_ESYNTAX),
      T("[nul]", CPX_ESYNTAX),
      T("[tru]", CPX_ESYNTAX),
      T("[falsex]", CPX_ESYNTAX),
      T("nullx", CPX_ESYNTAX),
      T("[True]", CPX_ESYNTAX),
      T("[NULL]", CPX_ESYNTAX),
      T("nul", CPX_ESYNTAX),
      T("123\0", CPX_ESYNTAX),
      T("[\"x\", truth]", CPX_ESYNTAX),
      T("{[: \"x\"}\n", CPX_ESYNTAX),
      T("{\"x\", null}", CPX_ESYNTAX),
      T("{\"x\"::\"b\"}", CPX_ESYNTAX),
      T("{\"a\":\"a\" 123}", CPX_ESYNTAX),
      T("{key: 'value'}", CPX_ESYNTAX),
      T("{\"a\" b}", CPX_ESYNTAX),
      T("{:\"b\"}", CPX_ESYNTAX),
      T("{\"a\" \"b\"}", CPX_ESYNTAX),
      T("{\"a\":", CPX_ESYNTAX),
      T("{\"a\"", CPX_ESYNTAX),
      T("{1:1}", CPX_ESYNTAX),
      T("{9999E9999:1}", CPX_ESYNTAX),
      T("{null:null,null:null}", CPX_ESYNTAX),
      T("{\"id\":0,,,,,}", CPX_ESYNTAX),
      T("{'a':0}", CPX_ESYNTAX),
      T("{\"id\":0,}", CPX_ESYNTAX),
      T("{\"a\":\"b\"}/**/", CPX_ESYNTAX),
      T("{\"a\":\"b\"}/**//", CPX_ESYNTAX),
      T("{\"a\":\"b\"}//", CPX_ESYNTAX),
      T("{\"a\":\"b\"}/", CPX_ESYNTAX),
      T("{\"a\":\"b\",,\"c\":\"d\"}", CPX_ESYNTAX),
      T("{a: \"b\"}", CPX_ESYNTAX),
      T("{\"a\":\"a", CPX_ESYNTAX),
      T("{ \"foo\" : \"bar\", \"a\" }", CPX_ESYNTAX),
      T("{\"a\":\"b\"}#", CPX_ESYNTAX),
      T("{\"a\":1]", CPX_ESYNTAX),
      T("[1}", CPX_ESYNTAX),
      T("<.>", CPX_ESYNTAX),
      T("[<null>]", CPX_ESYNTAX),
      T("[1]x", CPX_ESYNTAX),
      T("[1]]", CPX_ESYNTAX),
      T("[\"asd]", CPX_ESYNTAX),
      T("a\xC3\xA5", CPX_ESYNTAX),
      T("[True]", CPX_ESYNTAX),
      T("1]", CPX_ESYNTAX),
      T("{\"x\": true,", CPX_ESYNTAX),
      T("[][]", CPX_ESYNTAX),
      T("]", CPX_ESYNTAX),
      T("\xEF\xBB{}", CPX_ESYNTAX),
      T("\xC3\xA5", CPX_ESYNTAX),
      T("[", CPX_ESYNTAX),
      T("{", CPX_ESYNTAX),
      T("[\0]", CPX_ESYNTAX),
      T("2@", CPX_ESYNTAX),
      T("{}}", CPX_ESYNTAX),
      T("{\"\":", CPX_ESYNTAX),
      T("{\"a\":/*comment*/\"b\"}", CPX_ESYNTAX),
      T("{\"a\": true} \"x\"", CPX_ESYNTAX),
      T("['", CPX_ESYNTAX),
      T("[,", CPX_ESYNTAX),
      T("[{", CPX_ESYNTAX),
      T("[\"a", CPX_ESYNTAX),
      T("[\"a\"", CPX_ESYNTAX),
      T("{,", CPX_ESYNTAX),
      T("{[", CPX_ESYNTAX),
      T("{\"a", CPX_ESYNTAX),
      T("{'a'", CPX_ESYNTAX),
      T("[\"\\{[\"\\{[\"\\{[\"\\{", CPX_ESYNTAX),
      T("*", CPX_ESYNTAX),
      T("[\\u000A\"\"]", CPX_ESYNTAX),
      T("[1\x0C]", CPX_ESYNTAX),
      T("[\xE2\x81\xA0]", CPX_ESYNTAX),
      T("\xEF\xBB\xBF{}", CPX_ESYNTAX),
      T("[\xC2\xA0]", CPX_ESYNTAX),
      T("undefined", CPX_ESYNTAX),
      T("NaN", CPX_ESYNTAX),
      T("'a'", CPX_ESYNTAX),
      T("\"", CPX_ESYNTAX),
      T("{} {}", CPX_ESYNTAX),
      T("data: {}", CPX_ESYNTAX),
  };
  CHECK_CASES(cases);
}

static void refuses_broken_numbers(void) {
  static const parse_case cases[] = {
      T("[++1234]", CPX_ESYNTAX),
      T("[+1]", CPX_ESYNTAX),
      T("[+Inf]", CPX_ESYNTAX),
      T("[-01]", CPX_ESYNTAX),
      T("[-1.0.]", CPX_ESYNTAX),
      T("[-2.]", CPX_ESYNTAX),
      T("[-NaN]", CPX_ESYNTAX),
      T("[.-1]", CPX_ESYNTAX),
      T("[.2e-3]", CPX_ESYNTAX),
      T("[0.1.2]", CPX_ESYNTAX),
      T("[0.3e+]", CPX_ESYNTAX),
      T("[0.3e]", CPX_ESYNTAX),
      T("[0.e1]", CPX_ESYNTAX),
      T("[0E+]", CPX_ESYNTAX),
      T("[0E]", CPX_ESYNTAX),
      T("[0e]", CPX_ESYNTAX),
      T("[1.0e+]", CPX_ESYNTAX),
      T("[1.0e-]", CPX_ESYNTAX),
      T("[1.0e]", CPX_ESYNTAX),
      T("[1 000.0]", CPX_ESYNTAX),
      T("[1eE2]", CPX_ESYNTAX),
      T("[2.e+3]", CPX_ESYNTAX),
      T("[2.e3]", CPX_ESYNTAX),
      T("[9.e+]", CPX_ESYNTAX),
      T("[Inf]", CPX_ESYNTAX),
      T("[NaN]", CPX_ESYNTAX),
      T("[\xEF\xBC\x91]", CPX_ESYNTAX),
      T("[1+2]", CPX_ESYNTAX),
      T("[0x1]", CPX_ESYNTAX),
      T("[0x42]", CPX_ESYNTAX),
      T("[Infinity]", CPX_ESYNTAX),
      T("[0e+-1]", CPX_ESYNTAX),
      T("[-123.123foo]", CPX_ESYNTAX),
      T("[123\xE5]", CPX_ESYNTAX),
      T("[1e1\xE5]", CPX_ESYNTAX),
      T("[0\xE5]", CPX_ESYNTAX),
      T("[-Infinity]", CPX_ESYNTAX),
      T("[-foo]", CPX_ESYNTAX),
      T("[- 1]", CPX_ESYNTAX),
      T("[-012]", CPX_ESYNTAX),
      T("[-.123]", CPX_ESYNTAX),
      T("[-1x]", CPX_ESYNTAX),
      T("[1ea]", CPX_ESYNTAX),
      T("[1.]", CPX_ESYNTAX),
      T("[.123]", CPX_ESYNTAX),
      T("[1.2a-3]", CPX_ESYNTAX),
      T("[1.8011670033376514H-308]", CPX_ESYNTAX),
      T("[012]", CPX_ESYNTAX),
      T("-", CPX_ESYNTAX),
      T("1e", CPX_ESYNTAX),
      T("1.", CPX_ESYNTAX),
      T("00", CPX_ESYNTAX),
  };
  CHECK_CASES(cases);
}

static void refuses_broken_strings(void) {
  static const parse_case cases[] = {
      T("[\"\\uD800\\\"]", CPX_ESYNTAX),
      T("[\"\\uD800\\u\"]", CPX_ESYNTAX),
      T("[\"\\uD800\\u1\"]", CPX_ESYNTAX),
      T("[\"\\uD800\\u1x\"]", CPX_ESYNTAX),
      T("[\xC3\xA9]", CPX_ESYNTAX),
      T("[\"\\x00\"]", CPX_ESYNTAX),
      T("[\"\\\\\\\"]", CPX_ESYNTAX),
      T("[\"\\\t\"]", CPX_ESYNTAX),
      T("[\"\\\xF0\x9F\x8C\x80\"]", CPX_ESYNTAX),
      T("[\"\\\"]", CPX_ESYNTAX),
      T("[\"\\u00A\"]", CPX_ESYNTAX),
      T("[\"\\uD834\\uDd\"]", CPX_ESYNTAX),
      T("[\"\\uD800\\uD800\\x\"]", CPX_ESYNTAX),
      T("[\"\\a\"]", CPX_ESYNTAX),
      T("[\"\\uqqqq\"]", CPX_ESYNTAX),
      T("[\"\\\xE5\"]", CPX_ESYNTAX),
      T("[\\u0020\"asd\"]", CPX_ESYNTAX),
      T("[\\n]", CPX_ESYNTAX),
      T("\"", CPX_ESYNTAX),
      T("['single quote']", CPX_ESYNTAX),
      T("abc", CPX_ESYNTAX),
      T("[\"\\", CPX_ESYNTAX),
      T("[\"a\0a\"]", CPX_ESYNTAX),
      T("[\"new\nline\"]", CPX_ESYNTAX),
      T("[\"\t\"]", CPX_ESYNTAX),
      T("\"\\UA66D\"", CPX_ESYNTAX),
      T("[\"\x1F\"]", CPX_ESYNTAX),
      T("\"\\u12", CPX_ESYNTAX),
      T("\"abcdefghijklmnopqrstuvwxyz\n\"", CPX_ESYNTAX),
      T("\"\\'\"", CPX_ESYNTAX),
      /* Left to the implementation: raw bytes that are not UTF-8 are refused. */
      T("[\"\xE6\x97\xA5\xD1\x88\xFA\"]", CPX_EUTF8),
      T("[\"\xED\xA0\x80\"]", CPX_EUTF8),
      T("[\"\xE9\"]", CPX_EUTF8),
      T("[\"\xF4\xBF\xBF\xBF\"]", CPX_EUTF8),
      T("[\"\x81\"]", CPX_EUTF8),
      T("[\"\xC0\xAF\"]", CPX_EUTF8),
      T("[\"\xFC\x83\xBF\xBF\xBF\xBF\"]", CPX_EUTF8),
      T("[\"\xFC\x80\x80\x80\x80\x80\"]", CPX_EUTF8),
      T("[\"\xE0\xFF\"]", CPX_EUTF8),
      T("[\"\xFF\"]", CPX_EUTF8),
      T("[\"\xE0\x80\xAF\"]", CPX_EUTF8),
      T("[\"\xF0\x80\x80\xAF\"]", CPX_EUTF8),
      T("[\"\xC3\"]", CPX_EUTF8),
      T("[\"\xE2\x82\"]", CPX_EUTF8),
      T("[\"\xF0\x9F\x98\"]", CPX_EUTF8),
      T("[\"\xF0\x9F", CPX_EUTF8),
      T("\"\xC3", CPX_EUTF8),
      T("[\"0123456789abcdef\xC3(\"]", CPX_EUTF8),
      T("{\"\xE9\":0}", CPX_EUTF8),
      T("[\"\xF5\x80\x80\x80\"]", CPX_EUTF8),
      T("[\"\xC1\xBF\"]", CPX_EUTF8),
      /* UTF-16, either way round, with a mark or without. */
      T("\xFF\xFE[\0\"\0\xE9\0\"\0]\0", CPX_ESYNTAX),
      T("[\0\"\0\xE9\0\"\0]\0", CPX_ESYNTAX),
      T("\0[\0\"\0\xE9\0\"\0]", CPX_ESYNTAX),
      T("\xFE\xFF", CPX_ESYNTAX),
  };
  CHECK_CASES(cases);
}

static void refuses_a_key_that_stands_twice(void) {
  static const parse_case cases[] = {
      T("{\"a\":\"b\",\"a\":\"c\"}", CPX_EDUPLICATE),
      T("{\"a\":\"b\",\"a\":\"b\"}", CPX_EDUPLICATE),
      T("{\"\":0,\"\":0}", CPX_EDUPLICATE),
      T("{\"a\":1,\"\\u0061\":2}", CPX_EDUPLICATE),
      T("{\"\\u0061\":1,\"b\":0,\"a\":2}", CPX_EDUPLICATE),
      T("{\"x\\/\":1,\"x/\":2}", CPX_EDUPLICATE),
      T("[{\"k\":{\"abcdefgh1\":1,\"abcdefgh2\":2,\"abcdefgh1\":3}}]", CPX_EDUPLICATE),
      T("{\"\\ud83d\\ude00\":1,\"\xF0\x9F\x98\x80\":2}", CPX_EDUPLICATE),
      T("{\"a\":{\"a\":1},\"b\":{\"a\":1}}", 0),
      T("{\"a\":1,\"A\":2}", 0),
      T("{\"\\u0061\":1,\"\\u0062\":2}", 0),
      T("{\"ab\":1,\"ba\":2,\"aa\":0,\"bb\":0}", 0),
      T("{\"abcdXefgh\":1,\"abcdYefgh\":2,\"abcdZefgh\":2}", 0),
      T("{\"\\ud800\":1,\"\\ud801\":2}", 0),
      T("{\"\\u0000\":1,\"\":2}", 0),
  };
  CHECK_CASES(cases);
}

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
