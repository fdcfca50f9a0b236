/* Reading: members, elements, paths, strings, numbers and when they are exact. */
#include "json_support.h"

#include <math.h>

static void finds_members_and_elements(void) {
  cpx_json_doc *doc = DOC(
      "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"},{\"role\":\"tool\",\"n\":[1,[2,3],4]}],\"\":0,\"a.b\":1}");
  CHECK_INT(cpx_json_kind(doc, CPX_JSON_ROOT), CPX_JSON_OBJECT);
  CHECK_INT(cpx_json_count(doc, CPX_JSON_ROOT), 4);
  cpx_json_node messages = cpx_json_get(doc, CPX_JSON_ROOT, "messages", 8);
  CHECK_INT(cpx_json_count(doc, messages), 2);
  CHECK(cpx_json_is(doc, cpx_json_find(doc, 0, "messages.1.role"), CPX_SLICE("tool")));
  CHECK(cpx_json_is(doc, cpx_json_find(doc, messages, "0.role"), CPX_SLICE("user")));
  int64_t v = 0;
  CHECK(cpx_json_int64(doc, cpx_json_find(doc, 0, "messages.1.n.1.1"), &v) && v == 3);
  CHECK(cpx_json_int64(doc, cpx_json_get(doc, 0, "", 0), &v) && v == 0);
  CHECK(cpx_json_int64(doc, cpx_json_get(doc, 0, "a.b", 3), &v) && v == 1);
  cpx_json_unref(doc);
}

static void what_is_not_there_is_nothing(void) {
  cpx_json_doc *doc = DOC("{\"a\":[1,\"x\"],\"b\":null}");
  static const char *const paths[] = {"c",     "a.2", "a.x",  "a..0", "a.-1", "a.99999999999999999999",
                                      "a.0.b", "b.c", "a.1.0"};
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
    if (cpx_json_find(doc, CPX_JSON_ROOT, paths[i]) != CPX_JSON_NONE) CT_FAIL("found %s", paths[i]);
  CHECK_INT(cpx_json_kind(doc, CPX_JSON_NONE), CPX_JSON_MISSING);
  CHECK_INT(cpx_json_count(doc, CPX_JSON_NONE), 0);
  CHECK_INT(cpx_json_get(doc, CPX_JSON_NONE, "a", 1), CPX_JSON_NONE);
  CHECK_INT(cpx_json_at(doc, CPX_JSON_NONE, 0), CPX_JSON_NONE);
  CHECK_INT(cpx_json_at(doc, CPX_JSON_ROOT, 0), CPX_JSON_NONE);
  CHECK(!cpx_json_bool(doc, cpx_json_find(doc, 0, "b")));
  CHECK(cpx_json_source(doc, CPX_JSON_NONE).n == 0);
  int64_t i;
  double d;
  cpx_slice s;
  CHECK(!cpx_json_int64(doc, CPX_JSON_NONE, &i) && !cpx_json_int64(doc, cpx_json_find(doc, 0, "a.1"), &i));
  CHECK(!cpx_json_double(doc, CPX_JSON_NONE, &d, NULL) && !cpx_json_string(doc, CPX_JSON_NONE, NULL, &s));
  cpx_json_iter it = cpx_json_each(doc, cpx_json_find(doc, 0, "a.1"));
  CHECK(!cpx_json_next(&it));
  CHECK_STR(cpx_json_kind_name(CPX_JSON_MISSING), "nothing");
  CHECK_STR(cpx_json_kind_name(CPX_JSON_BOOL), "boolean");
  cpx_json_unref(doc);
}

static void elements_are_found_in_any_order(void) {
  cpx_json_doc *doc = DOC("[[0,0],1,[2,2,2],3,{\"4\":4},[[5]],6,7]");
  static const size_t order[] = {0, 1, 2, 3, 7, 6, 2, 2, 5, 0, 4};
  static const char *const want[] = {"[0,0]", "1", "[2,2,2]", "3", "{\"4\":4}", "[[5]]", "6", "7"};
  for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
    cpx_slice got = cpx_json_source(doc, cpx_json_at(doc, CPX_JSON_ROOT, order[i]));
    CHECK_BYTES(got.p, got.n, want[order[i]], strlen(want[order[i]]));
    (void)cpx_json_at(doc, cpx_json_at(doc, CPX_JSON_ROOT, 2), 1);
  }
  CHECK_INT(cpx_json_at(doc, CPX_JSON_ROOT, 8), CPX_JSON_NONE);
  cpx_json_unref(doc);
}

static void iterates_in_document_order(void) {
  cpx_json_doc *doc = DOC("{\"b\":[1,[],{}],\"a\":{\"x\":1},\"c\":2}");
  char seen[64] = "";
  cpx_json_iter it = cpx_json_each(doc, CPX_JSON_ROOT);
  while (cpx_json_next(&it)) {
    cpx_slice key = cpx_json_source(doc, it.key), value = cpx_json_source(doc, it.value);
    (void)snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%zu%.*s=%.*s;", it.index, (int)key.n, key.p,
                   (int)value.n, value.p);
  }
  CHECK_STR(seen, "1\"b\"=[1,[],{}];2\"a\"={\"x\":1};3\"c\"=2;");
  it = cpx_json_each(doc, cpx_json_find(doc, 0, "b"));
  int n = 0;
  while (cpx_json_next(&it)) CHECK(it.key == CPX_JSON_NONE && ++n);
  CHECK_INT(n, 3);
  cpx_json_unref(doc);
}

static void strings_are_unescaped_only_where_needed(void) {
  static const struct {
    const char *json, *want;
    size_t n;
  } cases[] = {
      {"\"plain \xC3\xA4\"", "plain \xC3\xA4", 8},
      {"\"\"", "", 0},
      {"\"a\\nb\\t\\\"\\\\\\/\\b\\f\\r\"", "a\nb\t\"\\/\b\f\r", 10},
      {"\"\\u0041\\u00e4\\u20AC\\ud83d\\uDE00\"", "A\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80", 10},
      {"\"\\u0000\"", "\0", 1},
      {"\"\\uFFFF\\uffff\"", "\xEF\xBF\xBF\xEF\xBF\xBF", 6},
      {"\"\\udbff\\udfff\"", "\xF4\x8F\xBF\xBF", 4},
      {"\"\\ud83d\"", "\xED\xA0\xBD", 3},
      {"\"\\ud83dx\"", "\xED\xA0\xBDx", 4},
      {"\"\\ude00\\ud83d\"", "\xED\xB8\x80\xED\xA0\xBD", 6},
      {"\"\\ud83d\\n\"", "\xED\xA0\xBD\n", 4},
      {"\"\\ud83d\\u0041\"",
       "\xED\xA0\xBD"
       "A",
       4},
      {"\"\\ud83d\\ud83d\\ude00\"", "\xED\xA0\xBD\xF0\x9F\x98\x80", 7},
  };
  cpx_buf scratch;
  cpx_buf_init(&scratch, 1000);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    cpx_json_doc *doc = DOC(cases[i].json);
    cpx_slice got = {0};
    CHECK(cpx_json_string(doc, CPX_JSON_ROOT, &scratch, &got));
    CHECK_BYTES(got.p, got.n, cases[i].want, cases[i].n);
    CHECK(cpx_json_is(doc, CPX_JSON_ROOT, cpx_slice_of(cases[i].want, cases[i].n)));
    CHECK(!cpx_json_is(doc, CPX_JSON_ROOT, cpx_slice_of("a\nb\t\"\\/\b\f\rx", 11)));
    if (cases[i].n) CHECK(!cpx_json_is(doc, CPX_JSON_ROOT, cpx_slice_of(cases[i].want, cases[i].n - 1)));
    CHECK((got.p == scratch.data) == (strchr(cases[i].json, '\\') != NULL));
    cpx_json_unref(doc);
  }
  cpx_buf_deinit(&scratch);
  cpx_buf tiny;
  cpx_buf_init(&tiny, 3);
  cpx_json_doc *doc = DOC("\"\\n5678\"");
  cpx_slice got;
  CHECK(!cpx_json_string(doc, CPX_JSON_ROOT, &tiny, &got));
  cpx_json_unref(doc);
  cpx_buf_deinit(&tiny);
}

static void keys_are_found_by_their_meaning(void) {
  cpx_json_doc *doc = DOC("{\"mod\\u0065l\":1,\"a\\/b\":2,\"\\ud83d\":3,\"\\u0000\":4}");
  int64_t v = 0;
  CHECK(cpx_json_int64(doc, cpx_json_get(doc, 0, "model", 5), &v) && v == 1);
  CHECK(cpx_json_int64(doc, cpx_json_get(doc, 0, "a/b", 3), &v) && v == 2);
  CHECK(cpx_json_int64(doc, cpx_json_get(doc, 0, "\xED\xA0\xBD", 3), &v) && v == 3);
  CHECK(cpx_json_int64(doc, cpx_json_get(doc, 0, "\0", 1), &v) && v == 4);
  CHECK_INT(cpx_json_get(doc, 0, "mod\\u0065l", 10), CPX_JSON_NONE);
  CHECK_INT(cpx_json_get(doc, 0, "", 0), CPX_JSON_NONE);
  cpx_json_unref(doc);
}

/* -- Numbers. ----------------------------------------------------------------------------------------------------- */

static void a_number_is_exact_when_its_shortest_form_names_the_same_value(void) {
  static const struct {
    const char *text;
    double value;
    bool exact;
  } cases[] = {
      {"0", 0, true},
      {"-0", -0.0, true},
      {"1", 1, true},
      {"-7", -7, true},
      {"0.1", 0.1, true},
      {"1.0", 1, true},
      {"1.50", 1.5, true},
      {"1e3", 1000, true},
      {"1E+3", 1000, true},
      {"100e-2", 1, true},
      {"0.000e99999999999999999999", 0, true},
      {"123456789012345", 123456789012345, true},
      {"9007199254740991", 9007199254740991, true},
      {"9007199254740992", 9007199254740992, true},
      {"9007199254740993", 9007199254740992, false},
      {"9007199254740994", 9007199254740994, true},
      {"-9007199254740993", -9007199254740992, false},
      {"18014398509481984", 18014398509481984, true},
      {"1e22", 1e22, true},
      {"1e23", 1e23, true},
      {"100000000000000000000000", 1e23, true},
      {"12345678901234567890", 12345678901234567890.0, false},
      {"18446744073709551615", 18446744073709551615.0, false},
      {"0.30000000000000004", 0.1 + 0.2, true},
      {"0.3", 0.3, true},
      {"0.10000000000000001", 0.1, false},
      {"0.10000000000000000001", 0.1, false},
      {"0.1000000000000000000", 0.1, true},
      {"3.141592653589793", 3.141592653589793, true},
      {"3.1415926535897931", 3.141592653589793, false},
      {"1e400", HUGE_VAL, false},
      {"-1e400", -HUGE_VAL, false},
      {"1e99999999999999999999999", HUGE_VAL, false},
      {"1e-400", 0, false},
      {"1.7976931348623157e308", 1.7976931348623157e308, true},
      {"5e-324", 5e-324, true},
      {"4e-324", 5e-324, false},
      {"2.2250738585072014e-308", 2.2250738585072014e-308, true},
      {"1e-310", 1e-310, true},
      {"1e-300", 1e-300, true},
      {"1e300", 1e300, true},
      {"0.5", 0.5, true},
      {"123456.789e3", 123456789, true},
      {"1e-7", 1e-7, true},
      {"1700000000.123456", 1700000000.123456, true},
      {"0.7000000000000001", 0.7000000000000001, true},
      {"4.35", 4.35, true},
      {"1e15", 1e15, true},
      {"999999999999999999999999999999", 1e30, false},
      {"1000000000000000000000000000000.0", 1e30, true},
      {"0.000001", 1e-6, true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    cpx_json_doc *doc = DOC(cases[i].text);
    double value = NAN;
    bool exact = !cases[i].exact;
    CHECK(cpx_json_double(doc, CPX_JSON_ROOT, &value, &exact));
    if (memcmp(&value, &cases[i].value, sizeof value) != 0 || exact != cases[i].exact)
      CT_FAIL("%s reads as %.17g, %s", cases[i].text, value, exact ? "exact" : "not exact");
    cpx_json_unref(doc);
  }
}

static void long_numbers_are_rounded_correctly(void) {
  char text[4000] = "0.5";
  memset(text + 3, '0', 3000);
  double value = 0;
  bool exact = false;
  cpx_json_doc *doc = DOC(text);
  CHECK(cpx_json_double(doc, CPX_JSON_ROOT, &value, &exact) && value == 0.5 && exact);
  cpx_json_unref(doc);
  /* Half way between two doubles but for the last of very many digits. */
  (void)snprintf(text, sizeof text, "9007199254740993.");
  memset(text + 17, '0', 2000);
  (void)snprintf(text + 2017, 2, "1");
  doc = DOC(text);
  CHECK(cpx_json_double(doc, CPX_JSON_ROOT, &value, &exact) && value == 9007199254740994.0 && !exact);
  cpx_json_unref(doc);
}

static void integers_are_read_in_any_spelling(void) {
  static const struct {
    const char *text;
    bool ok;
    int64_t value;
  } cases[] = {
      {"0", true, 0},
      {"-0", true, 0},
      {"5.0", true, 5},
      {"5e0", true, 5},
      {"50e-1", true, 5},
      {"1e18", true, 1000000000000000000},
      {"0.0", true, 0},
      {"9223372036854775807", true, INT64_MAX},
      {"-9223372036854775808", true, INT64_MIN},
      {"9223372036854775808", false, 0},
      {"-9223372036854775809", false, 0},
      {"1e19", false, 0},
      {"0.5", false, 0},
      {"1e-1", false, 0},
      {"9007199254740993", true, 9007199254740993},
      {"1e400", false, 0},
      {"0e400", true, 0},
      {"10000000000000000000000000", false, 0},
      {"1.5e1", true, 15},
      {"123456789012345678", true, 123456789012345678},
      {"0.00001e5", true, 1},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    cpx_json_doc *doc = DOC(cases[i].text);
    int64_t value = 0;
    bool ok = cpx_json_int64(doc, CPX_JSON_ROOT, &value);
    if (ok != cases[i].ok || (ok && value != cases[i].value))
      CT_FAIL("%s reads as %lld, %s", cases[i].text, (long long)value, ok ? "integer" : "no integer");
    cpx_json_unref(doc);
  }
}

static void numbers_are_written_in_their_shortest_form(void) {
  static const struct {
    double value;
    const char *want;
  } cases[] = {
      {0, "0"},
      {-0.0, "-0"},
      {1, "1"},
      {-42, "-42"},
      {0.1, "0.1"},
      {0.1 + 0.2, "0.30000000000000004"},
      {1e15, "1000000000000000"},
      {9007199254740992, "9007199254740992"},
      {1e16, "1e+16"},
      {1e100, "1e+100"},
      {1.5e-7, "1.5e-07"},
      {5e-324, "5e-324"},
      {NAN, ""},
      {HUGE_VAL, ""},
      {-HUGE_VAL, ""},
      {1.7976931348623157e308, "1.7976931348623157e+308"},
      {3.141592653589793, "3.141592653589793"},
      {-2.5, "-2.5"},
      {1.0 / 3, "0.3333333333333333"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[CPX_JSON_NUMBER_MAX];
    size_t n = cpx_json_format_double(cases[i].value, text);
    CHECK_BYTES(text, n, cases[i].want, strlen(cases[i].want));
  }
}

/* Whatever bits a double has: its text reads back as the same, and as exact. */
static void every_double_comes_back_from_its_text(void) {
  uint64_t x = 88172645463325252u;
  for (int i = 0; i < 20000; i++) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    double v, back = NAN;
    memcpy(&v, &x, sizeof v);
    char text[CPX_JSON_NUMBER_MAX];
    size_t n = cpx_json_format_double(v, text);
    if (n == 0) continue;
    bool exact = false;
    cpx_json_doc *doc = doc_of(text, n);
    if (!cpx_json_double(doc, CPX_JSON_ROOT, &back, &exact) || !exact || back != v)
      CT_FAIL("%.17g written as %.*s reads as %.17g, %s", v, (int)n, text, back, exact ? "exact" : "not exact");
    cpx_json_unref(doc);
  }
}

int main(int argc, char **argv) {
  ct_init(argc, argv);
  RUN(finds_members_and_elements);
  RUN(what_is_not_there_is_nothing);
  RUN(elements_are_found_in_any_order);
  RUN(iterates_in_document_order);
  RUN(strings_are_unescaped_only_where_needed);
  RUN(keys_are_found_by_their_meaning);
  RUN(a_number_is_exact_when_its_shortest_form_names_the_same_value);
  RUN(long_numbers_are_rounded_correctly);
  RUN(integers_are_read_in_any_spelling);
  RUN(numbers_are_written_in_their_shortest_form);
  RUN(every_double_comes_back_from_its_text);
  return ct_summary();
}
