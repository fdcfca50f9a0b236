/* What a lane learns, what it takes, and what it leaves to the translator. */
#include "http/lane.h"

#include "base/limits.h"
#include "c_test.h"

static cpx_lane lane;

static cpx_event event_of(const char *type, const char *data) {
  return (cpx_event){
      .type = cpx_slice_of(type, strlen(type)), .data = cpx_slice_of(data, strlen(data)), .has_data = true};
}

static bool learn(const char *data, const char *literal, const char *out) {
  cpx_event event = event_of("", data);
  return cpx_lane_learn(&lane, &event, cpx_slice_of(literal, strlen(literal)), cpx_slice_of(out, strlen(out)));
}

static bool take(const char *data) {
  cpx_event event = event_of("", data);
  return cpx_lane_take(&lane, &event);
}

/* The output made since the last call, as a string. */
static const char *made(void) {
  static char text[4096];
  (void)snprintf(text, sizeof text, "%.*s", (int)lane.made.len, lane.made.len ? lane.made.data : "");
  lane.made.len = 0;
  return text;
}

static void start(void) {
  cpx_lane_deinit(&lane);
  cpx_lane_init(&lane);
}

static void two_examples_in_a_row_make_it_active(void) {
  start();
  CHECK(!learn("{\"t\":\"one\"}", "\"one\"", "<\"one\">"));
  CHECK(!take("{\"t\":\"x\"}"));
  CHECK(learn("{\"t\":\"two\"}", "\"two\"", "<\"two\">"));
  CHECK(take("{\"t\":\"a \\\"b\\\" \\ud83d\"}"));
  CHECK(take("{\"t\":\"\xc3\xa9\"}"));
  CHECK_STR(made(), "<\"a \\\"b\\\" \\ud83d\"><\"\xc3\xa9\">");
  CHECK_INT(lane.count, 2);
  CHECK_BYTES(lane.text.data, lane.text.len, "a \\\"b\\\" \\ud83d\xc3\xa9", 16);
}

static void another_event_is_not_taken(void) {
  start();
  learn("{\"i\":0,\"t\":\"one\"}", "\"one\"", "<\"one\">");
  REQUIRE(learn("{\"i\":0,\"t\":\"two\"}", "\"two\"", "<\"two\">"));
  static const char *const others[] = {
      "{\"i\":1,\"t\":\"x\"}",    "{\"i\":0,\"t\":\"x\",\"u\":1}", "{\"i\":0,\"t\":7}",
      "{\"i\":0,\"t\":\"\"}",     "{\"i\":0,\"t\":\"x\"",          "{\"i\":0,\"t\":\"x\"}}",
      "{\"i\":0,\"t\":\"x}",      "{\"i\":0,\"t\":\"\n\"}",        "{\"i\":0,\"t\":\"\\x\"}",
      "{\"i\":0,\"t\":\"\xff\"}", "{\"i\":0,\"t\":\"\\u12g4\"}",   "",
      "{\"i\":0, \"t\":\"x\"}",
  };
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (take(others[i])) CT_FAIL("taken: %s", others[i]);
  cpx_event typed = event_of("ping", "{\"i\":0,\"t\":\"x\"}");
  CHECK(!cpx_lane_take(&lane, &typed));
  CHECK_INT(lane.count, 0);
  CHECK_INT(lane.made.len, 0);
  CHECK(take("{\"i\":0,\"t\":\"x\"}"));
}

static void counters_and_padding_may_differ(void) {
  start();
  learn("{\"sequence_number\":7,\"d\":\"one\",\"obfuscation\":\"aXq\",\"promptTokenCount\": 1}", "\"one\"",
        "<\"one\">");
  REQUIRE(learn("{\"sequence_number\":8,\"d\":\"two\",\"obfuscation\":\"\",\"promptTokenCount\": 22}", "\"two\"",
                "<\"two\">"));
  CHECK(take("{\"sequence_number\":900,\"d\":\"x\",\"obfuscation\":\"zzzz\",\"promptTokenCount\": 3}"));
  CHECK(!take("{\"sequence_number\":null,\"d\":\"x\",\"obfuscation\":\"zzzz\",\"promptTokenCount\": 3}"));
  CHECK_STR(made(), "<\"x\">");
}

static void counts_are_kept_as_the_last_event_has_them(void) {
  start();
  learn("{\"d\":\"one\",\"usage\":{\"totalTokenCount\": 1}}", "\"one\"", "<\"one\">");
  REQUIRE(learn("{\"d\":\"two\",\"usage\":{\"totalTokenCount\": 22}}", "\"two\"", "<\"two\">"));
  CHECK_INT(lane.last.len, 0);
  CHECK(take("{\"d\":\"a \\\"b\\\"\",\"usage\":{\"totalTokenCount\": 333}}"));
  CHECK(take("{\"d\":\"c\",\"usage\":{\"totalTokenCount\": 4444}} "));
  CHECK(!take("{\"d\":\"e\",\"usage\":{\"totalTokenCount\": 5},\"end\":1}"));
  static const char want[] = "{\"d\":\"\",\"usage\":{\"totalTokenCount\": 4444}} ";
  CHECK_BYTES(lane.last.data, lane.last.len, want, sizeof want - 1);
  start();
  learn("{\"totalTokenCount\":1,\"d\":\"one\"}", "\"one\"", "<\"one\">");
  REQUIRE(learn("{\"totalTokenCount\":2,\"d\":\"two\"}", "\"two\"", "<\"two\">"));
  CHECK(take("{\"totalTokenCount\":3,\"d\":\"x\"}"));
  CHECK_BYTES(lane.last.data, lane.last.len, "{\"totalTokenCount\":3,\"d\":\"\"}", 28);
}

static void without_counts_no_event_is_kept(void) {
  start();
  learn("{\"sequence_number\":1,\"d\":\"one\",\"obfuscation\":\"a\"}", "\"one\"", "<\"one\">");
  REQUIRE(learn("{\"sequence_number\":2,\"d\":\"two\",\"obfuscation\":\"b\"}", "\"two\"", "<\"two\">"));
  CHECK(take("{\"sequence_number\":3,\"d\":\"x\",\"obfuscation\":\"c\"}"));
  CHECK(lane.last.data == NULL);
}

static void counts_beside_more_than_is_kept_are_left_to_the_translator(void) {
  start();
  learn("{\"totalTokenCount\":1,\"d\":\"one\",\"obfuscation\":\"a\"}", "\"one\"", "<\"one\">");
  REQUIRE(learn("{\"totalTokenCount\":2,\"d\":\"two\",\"obfuscation\":\"b\"}", "\"two\"", "<\"two\">"));
  CHECK(take("{\"totalTokenCount\":3,\"d\":\"x\",\"obfuscation\":\"c\"}"));
  size_t n = 2 * CPX_LANE_FORM_MAX;
  char *data = calloc(1, n + 100);
  REQUIRE(data);
  strcpy(data, "{\"totalTokenCount\":4,\"d\":\"y\",\"obfuscation\":\"");
  memset(data + strlen(data), 'z', n);
  strcat(data, "\"}");
  CHECK(!take(data));
  CHECK_BYTES(lane.last.data, lane.last.len, "{\"totalTokenCount\":3,\"d\":\"\",\"obfuscation\":\"c\"}", 46);
  CHECK_INT(lane.count, 1);
  CHECK_STR(made(), "<\"x\">");
  free(data);
}

static void white_space_between_closing_brackets_may_differ(void) {
  start();
  learn("{\"d\":{\"t\":\"one\"}}", "\"one\"", "<\"one\">");
  REQUIRE(learn("{\"d\":{\"t\":\"two\"}       }", "\"two\"", "<\"two\">"));
  CHECK(take("{\"d\":{\"t\":\"x\"}   }"));
  CHECK(take("{\"d\":{\"t\":\"y\"} \n}\n"));
  CHECK(!take("{\"d\":{\"t\":\"y\"}"));
  CHECK_STR(made(), "<\"x\"><\"y\">");
}

static void the_outputs_sequence_goes_on(void) {
  start();
  learn("{\"t\":\"one\"}", "\"one\"", "{\"sequence_number\":9,\"delta\":\"one\"}");
  REQUIRE(learn("{\"t\":\"two\"}", "\"two\"", "{\"sequence_number\":10,\"delta\":\"two\"}"));
  CHECK(take("{\"t\":\"x\"}"));
  CHECK(take("{\"t\":\"y\"}"));
  CHECK_STR(made(), "{\"sequence_number\":11,\"delta\":\"x\"}{\"sequence_number\":12,\"delta\":\"y\"}");
  start();
  learn("{\"t\":\"one\"}", "\"one\"", "{\"sequence_number\":9,\"delta\":\"one\"}");
  CHECK(!learn("{\"t\":\"two\"}", "\"two\"", "{\"sequence_number\":11,\"delta\":\"two\"}"));
}

static void examples_that_differ_begin_anew(void) {
  start();
  learn("{\"t\":\"one\"}", "\"one\"", "<start><\"one\">");
  CHECK(!learn("{\"t\":\"two\"}", "\"two\"", "<\"two\">"));
  CHECK(learn("{\"t\":\"three\"}", "\"three\"", "<\"three\">"));
  CHECK(!learn("{\"t\":\"four\"}", "\"four\"", "<other><\"four\">"));
  CHECK(!take("{\"t\":\"x\"}"));
  CHECK(learn("{\"t\":\"five\"}", "\"five\"", "<other><\"five\">"));
  cpx_lane_forget(&lane);
  CHECK(!take("{\"t\":\"x\"}"));
  CHECK(!learn("{\"t\":\"six\"}", "\"six\"", "<other><\"six\">"));
}

static void a_string_that_stands_twice_teaches_nothing(void) {
  start();
  learn("{\"t\":\"t\"}", "\"t\"", "<\"t\">");
  CHECK_INT(lane.state, CPX_LANE_EMPTY);
  learn("{\"u\":\"one\"}", "\"one\"", "<\"one\"\"one\">");
  CHECK_INT(lane.state, CPX_LANE_EMPTY);
  learn("{\"u\":\"\"}", "\"\"", "<\"\">");
  CHECK_INT(lane.state, CPX_LANE_EMPTY);
}

static void it_holds_no_more_than_its_bounds(void) {
  start();
  size_t n = CPX_LANE_FORM_MAX + 100;
  char *data = malloc(n + 32);
  REQUIRE(data);
  memset(data, ' ', n);
  strcpy(data + n, "{\"t\":\"one\"}");
  learn(data, "\"one\"", "<\"one\">");
  CHECK_INT(lane.state, CPX_LANE_EMPTY);
  learn("{\"t\":\"one\"}", "\"one\"", "<\"one\">");
  REQUIRE(learn("{\"t\":\"two\"}", "\"two\"", "<\"two\">"));
  memcpy(data, "{\"t\":\"", 6);
  memset(data + 6, 'x', n - 6);
  strcpy(data + n, "\"}");
  unsigned taken = 0;
  while (taken < 1000 && take(data)) taken++;
  CHECK(taken > 10 && taken < 1000);
  CHECK(lane.made.len <= CPX_LANE_HELD_MAX && lane.text.len <= CPX_LANE_HELD_MAX);
  CHECK_INT(lane.count, taken);
  CHECK_INT(lane.text.len, taken * (n - 6));
  free(data);
}

int main(int argc, char **argv) {
  ct_init(argc, argv);
  RUN(two_examples_in_a_row_make_it_active);
  RUN(another_event_is_not_taken);
  RUN(counters_and_padding_may_differ);
  RUN(counts_are_kept_as_the_last_event_has_them);
  RUN(without_counts_no_event_is_kept);
  RUN(counts_beside_more_than_is_kept_are_left_to_the_translator);
  RUN(white_space_between_closing_brackets_may_differ);
  RUN(the_outputs_sequence_goes_on);
  RUN(examples_that_differ_begin_anew);
  RUN(a_string_that_stands_twice_teaches_nothing);
  RUN(it_holds_no_more_than_its_bounds);
  cpx_lane_deinit(&lane);
  return ct_summary();
}
