/* Edits: what changes, and above all what does not. */
#include "json_support.h"

#include <math.h>

/* Replaces, adds (value NULL: removes) the member `key` of the object at `path`, and compares the encoding. */
static void check_member(const char *json, const char *path, const char *key, const char *value, const char *want) {
  cpx_json_doc *doc = DOC(json);
  cpx_json_node object = cpx_json_find(doc, CPX_JSON_ROOT, path);
  int err = value ? cpx_json_set(doc, object, cpx_slice_str(key), text_of(doc, value))
                  : cpx_json_remove(doc, object, cpx_slice_str(key));
  CHECK_INT(err, 0);
  CHECK_ENCODES(doc, want);
  CHECK(cpx_json_edited(doc));
  cpx_json_doc *again = DOC(want);
  CHECK(same_value(doc, CPX_JSON_ROOT, again, CPX_JSON_ROOT));
  cpx_json_unref(again);
  cpx_json_unref(doc);
}

static void a_replaced_member_keeps_its_place_and_its_key(void) {
  check_member("{\"model\":\"a\",\"n\":1}", "", "model", "\"bb\"", "{\"model\":\"bb\",\"n\":1}");
  check_member("{\"n\":1.0e0,\"model\":\"a\"}", "", "model", "\"bb\"", "{\"n\":1.0e0,\"model\":\"bb\"}");
  check_member(" { \"mod\\u0065l\" : \"a\" , \"n\" : 1 } \n", "", "model", "2",
               " { \"mod\\u0065l\" : 2 , \"n\" : 1 } \n");
  check_member("{\n  \"a\": [1, 2],\n  \"b\": {}\n}", "", "a", "{}", "{\n  \"a\": {},\n  \"b\": {}\n}");
  check_member("{\"a\":{\"b\":{\"c\":\t0 },\"d\":  [ ]}}", "a.b", "c", "[1]",
               "{\"a\":{\"b\":{\"c\":\t[1] },\"d\":  [ ]}}");
  check_member("[ {\"x\" :1 },\t{\"x\": 2 } ]", "1", "x", "3", "[ {\"x\" :1 },\t{\"x\": 3 } ]");
}

static void an_added_member_comes_last_and_looks_like_its_siblings(void) {
  check_member("{}", "", "a", "1", "{\"a\":1}");
  check_member("{ }", "", "a", "1", "{\"a\":1}");
  check_member("{\"a\":1}", "", "b", "2", "{\"a\":1,\"b\":2}");
  check_member("{\"a\": 1, \"b\": 2}", "", "c", "3", "{\"a\": 1, \"b\": 2, \"c\": 3}");
  check_member("{\n  \"a\": 1\n}", "", "b", "2", "{\n  \"a\": 1,\n  \"b\": 2\n}");
  check_member("{\n\t\"a\" : 1,\n\t\"b\" : 2\n}\n", "", "c", "3", "{\n\t\"a\" : 1,\n\t\"b\" : 2,\n\t\"c\" : 3\n}\n");
  check_member("{\"a\":1}", "", "k\"\n\xC3\xA4", "2", "{\"a\":1,\"k\\\"\\n\xC3\xA4\":2}");
  check_member("[[],{\"o\":{}}]", "1.o", "k", "null", "[[],{\"o\":{\"k\":null}}]");
}

static void a_removed_member_takes_its_comma_along(void) {
  check_member("{\"a\":1,\"b\":2,\"c\":3}", "", "a", NULL, "{\"b\":2,\"c\":3}");
  check_member("{\"a\":1,\"b\":2,\"c\":3}", "", "b", NULL, "{\"a\":1,\"c\":3}");
  check_member("{\"a\":1,\"b\":2,\"c\":3}", "", "c", NULL, "{\"a\":1,\"b\":2}");
  check_member("{\"a\": 1, \"b\": 2, \"c\": 3}", "", "a", NULL, "{\"b\": 2, \"c\": 3}");
  check_member("{\"a\":1}", "", "a", NULL, "{}");
  check_member("{ \"a\": 1 }", "", "a", NULL, "{}");
  check_member("{\n  \"a\": 1,\n  \"b\": 2\n}", "", "a", NULL, "{\n  \"b\": 2\n}");
  check_member("{\n  \"a\": 1,\n  \"b\": 2\n}", "", "b", NULL, "{\n  \"a\": 1\n}");
  check_member("{\"x\\/y\":1,\"b\":2}", "", "x/y", NULL, "{\"b\":2}");
}

static void arrays_are_edited_by_index(void) {
  cpx_json_doc *doc = DOC("[1, 2, [3]]");
  CHECK_INT(cpx_json_insert(doc, 0, 0, text_of(doc, "0")), 0);
  CHECK_ENCODES(doc, "[0, 1, 2, [3]]");
  CHECK_INT(cpx_json_insert(doc, 0, 4, text_of(doc, "{\"a\": 4}")), 0);
  CHECK_ENCODES(doc, "[0, 1, 2, [3], {\"a\": 4}]");
  CHECK_INT(cpx_json_set_at(doc, 0, 2, text_of(doc, "\"two\"")), 0);
  CHECK_ENCODES(doc, "[0, 1, \"two\", [3], {\"a\": 4}]");
  CHECK_INT(cpx_json_remove_at(doc, 0, 1), 0);
  CHECK_ENCODES(doc, "[0, \"two\", [3], {\"a\": 4}]");
  CHECK_INT(cpx_json_insert(doc, cpx_json_at(doc, 0, 2), 0, text_of(doc, "[]")), 0);
  CHECK_ENCODES(doc, "[0, \"two\", [[],3], {\"a\": 4}]");
  CHECK_INT(cpx_json_set(doc, cpx_json_at(doc, 0, 3), CPX_SLICE("b"), text_of(doc, "5")), 0);
  CHECK_ENCODES(doc, "[0, \"two\", [[],3], {\"a\": 4,\"b\": 5}]");
  for (int i = 0; i < 4; i++) CHECK_INT(cpx_json_remove_at(doc, 0, 0), 0);
  CHECK_ENCODES(doc, "[]");
  CHECK_INT(cpx_json_insert(doc, 0, 0, text_of(doc, "1")), 0);
  CHECK_ENCODES(doc, "[1]");
  cpx_json_unref(doc);
}

static void wrong_edits_are_refused_and_change_nothing(void) {
  const char *text = "{\"o\":{\"k\":1},\"a\":[1,2],\"s\":\"x\"}";
  cpx_json_doc *doc = DOC(text);
  cpx_json_node o = cpx_json_find(doc, 0, "o"), a = cpx_json_find(doc, 0, "a"), s = cpx_json_find(doc, 0, "s");
  cpx_json_node v = text_of(doc, "[{}]");
  CHECK_INT(cpx_json_set(doc, a, CPX_SLICE("k"), v), CPX_EINVAL);
  CHECK_INT(cpx_json_set(doc, s, CPX_SLICE("k"), v), CPX_EINVAL);
  CHECK_INT(cpx_json_set(doc, CPX_JSON_NONE, CPX_SLICE("k"), v), CPX_EINVAL);
  CHECK_INT(cpx_json_set(doc, 0, CPX_SLICE("k"), CPX_JSON_NONE), CPX_EINVAL);
  CHECK_INT(cpx_json_set(doc, 0, CPX_SLICE("k"), o), CPX_EINVAL);                      /* stands elsewhere already */
  CHECK_INT(cpx_json_set(doc, cpx_json_at(doc, v, 0), CPX_SLICE("k"), v), CPX_EINVAL); /* a circle */
  CHECK_INT(cpx_json_insert(doc, v, 0, v), CPX_EINVAL);
  CHECK_INT(cpx_json_set_at(doc, o, 0, v), CPX_EINVAL);
  CHECK_INT(cpx_json_set_at(doc, a, 2, v), CPX_ENOTFOUND);
  CHECK_INT(cpx_json_insert(doc, a, 3, v), CPX_ENOTFOUND);
  CHECK_INT(cpx_json_remove(doc, o, CPX_SLICE("x")), CPX_ENOTFOUND);
  CHECK_INT(cpx_json_remove(doc, a, CPX_SLICE("k")), CPX_EINVAL);
  CHECK_INT(cpx_json_remove_at(doc, a, 2), CPX_ENOTFOUND);
  CHECK_INT(cpx_json_remove_at(doc, o, 0), CPX_EINVAL);
  CHECK_INT(cpx_json_set(doc, o, CPX_SLICE("bad \xFF key"), v), CPX_EUTF8);
  cpx_json_node bad = 7;
  cpx_json_error err;
  CHECK_INT(cpx_json_new_string(doc, CPX_SLICE("bad \xFF"), &bad), CPX_EUTF8);
  CHECK_INT(cpx_json_new_double(doc, NAN, &bad), CPX_EINVAL);
  CHECK_INT(cpx_json_new_double(doc, HUGE_VAL, &bad), CPX_EINVAL);
  CHECK_INT(cpx_json_new_text(doc, CPX_SLICE("[1,"), &bad, &err), CPX_ESYNTAX);
  CHECK_STR(err.message, "line 1, column 4: the document ends too early");
  CHECK_INT(cpx_json_new_text(doc, CPX_SLICE(""), &bad, &err), CPX_ESYNTAX);
  CHECK_INT(cpx_json_new_copy(doc, doc, CPX_JSON_NONE, &bad), CPX_EINVAL);
  CHECK_INT(bad, 7);
  CHECK_ENCODES(doc, text);
  CHECK_INT(cpx_json_set(doc, 0, CPX_SLICE("s"), v), 0);          /* the value was not spent */
  CHECK_INT(cpx_json_set(doc, 0, CPX_SLICE("o"), v), CPX_EINVAL); /* now it is */
  CHECK_ENCODES(doc, "{\"o\":{\"k\":1},\"a\":[1,2],\"s\":[{}]}");
  cpx_json_unref(doc);
}

static void added_values_count_against_the_limits(void) {
  cpx_json_limits limits = {.bytes = 100, .depth = 4, .nodes = 20};
  cpx_json_doc *doc = NULL;
  REQUIRE(cpx_json_parse("{\"a\":{\"b\":[]}}", 14, &limits, &doc, NULL) == 0);
  cpx_json_node b = cpx_json_find(doc, 0, "a.b"), v;
  CHECK_INT(cpx_json_insert(doc, b, 0, text_of(doc, "[[]]")), CPX_EDEPTH);
  CHECK_INT(cpx_json_insert(doc, b, 0, text_of(doc, "[]")), 0);
  CHECK_INT(cpx_json_insert(doc, cpx_json_at(doc, b, 0), 0, text_of(doc, "[]")), CPX_EDEPTH);
  CHECK_INT(cpx_json_insert(doc, cpx_json_at(doc, b, 0), 0, text_of(doc, "\"x\"")), 0);
  char long_text[120];
  memset(long_text, 'x', sizeof long_text);
  CHECK_INT(cpx_json_new_string(doc, cpx_slice_of(long_text, sizeof long_text), &v), CPX_ETOOBIG);
  int err = 0, n = 0;
  while (!err && n++ < 100) err = cpx_json_new_bool(doc, true, &v);
  CHECK_INT(err, CPX_ETOOBIG);
  CHECK_INT(cpx_json_new_text(doc, CPX_SLICE("[]"), &v, NULL), CPX_ETOOBIG);
  CHECK_ENCODES(doc, "{\"a\":{\"b\":[[\"x\"]]}}");
  cpx_json_unref(doc);
}

static void copies_keep_their_bytes(void) {
  cpx_json_doc *from = DOC("{\"big\": 9007199254740993, \"s\": \"\\u00e4\\/\", \"o\": { \"x\":[1.0 , 2e0] }}"),
               *to = DOC("[0]");
  static const char *const keys[] = {"big", "s", "o"};
  cpx_json_node v;
  for (int i = 0; i < 3; i++) {
    CHECK_INT(cpx_json_new_copy(to, from, cpx_json_find(from, 0, keys[i]), &v), 0);
    CHECK_INT(cpx_json_insert(to, 0, 1, v), 0);
  }
  cpx_json_unref(from); /* a copy holds nothing of it */
  CHECK_ENCODES(to, "[0,{ \"x\":[1.0 , 2e0] },\"\\u00e4\\/\",9007199254740993]");
  /* Within one document, of an edited value, twice, and independent afterwards. */
  CHECK_INT(cpx_json_set(to, cpx_json_at(to, 0, 1), CPX_SLICE("y"), text_of(to, "0")), 0);
  for (int i = 0; i < 2; i++) {
    CHECK_INT(cpx_json_new_copy(to, to, cpx_json_at(to, 0, 1), &v), 0);
    CHECK_INT(cpx_json_insert(to, 0, 2, v), 0);
  }
  CHECK_INT(cpx_json_remove(to, v, CPX_SLICE("x")), 0);
  CHECK_INT(cpx_json_new_copy(to, to, cpx_json_find(to, 0, "3.x"), &v), 0);
  CHECK_INT(cpx_json_set_at(to, 0, 0, v), 0);
  CHECK_INT(cpx_json_set_at(to, v, 0, text_of(to, "7")), 0);
  CHECK_ENCODES(to, "[[7 , 2e0],{ \"x\":[1.0 , 2e0], \"y\":0 },{ \"y\":0 },{ \"x\":[1.0 , 2e0], \"y\":0 "
                    "},\"\\u00e4\\/\",9007199254740993]");
  cpx_json_unref(to);
}

static void removed_nodes_stay_readable(void) {
  cpx_json_doc *doc = DOC("{\"a\":{\"x\":[1]},\"b\":2}");
  cpx_json_node a = cpx_json_find(doc, 0, "a");
  CHECK_INT(cpx_json_remove(doc, 0, CPX_SLICE("a")), 0);
  CHECK_INT(cpx_json_set(doc, a, CPX_SLICE("y"), text_of(doc, "3")), 0);
  cpx_buf out = encoded(doc, a);
  CHECK_BYTES(out.data, out.len, "{\"x\":[1],\"y\":3}", 15);
  cpx_buf_deinit(&out);
  CHECK_ENCODES(doc, "{\"b\":2}");
  cpx_json_unref(doc);
}

static void values_are_written_as_valid_text(void) {
  cpx_json_doc *doc = DOC("[]");
  cpx_json_node v[6];
  CHECK_INT(cpx_json_new_string(
                doc, CPX_SLICE("\"\\/\b\f\n\r\t\x01\x1f\x7f \xC3\xA4\xF0\x9F\x98\x80 0123456789abcdef\n"), &v[0]),
            0);
  CHECK_INT(cpx_json_new_string(doc, CPX_SLICE("\xED\xA0\xBD|\xED\xA0\xBD\xED\xB8\x80"), &v[1]), 0);
  CHECK_INT(cpx_json_new_double(doc, 1e100, &v[2]), 0);
  CHECK_INT(cpx_json_new_bool(doc, false, &v[3]), 0);
  CHECK_INT(cpx_json_new_null(doc, &v[4]), 0);
  CHECK_INT(cpx_json_new_string(doc, (cpx_slice){0}, &v[5]), 0);
  for (size_t i = 0; i < 6; i++) CHECK_INT(cpx_json_insert(doc, 0, i, v[i]), 0);
  CHECK_ENCODES(doc, "[\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7F \xC3\xA4\xF0\x9F\x98\x80 "
                     "0123456789abcdef\\n\",\"\\ud83d|\\ud83d\\ude00\",1e+100,false,"
                     "null,\"\"]");
  CHECK(cpx_json_is(doc, v[0], CPX_SLICE("\"\\/\b\f\n\r\t\x01\x1f\x7f \xC3\xA4\xF0\x9F\x98\x80 0123456789abcdef\n")));
  double d;
  bool exact;
  CHECK(cpx_json_double(doc, v[2], &d, &exact) && d == 1e100 && exact);
  CHECK(!cpx_json_bool(doc, v[3]) && cpx_json_kind(doc, v[4]) == CPX_JSON_NULL);
  cpx_json_unref(doc);
}

static void a_replaced_field_costs_no_copy_of_the_rest(void) {
  size_t n = 1000000;
  char *bytes = malloc(n);
  REQUIRE(bytes);
  memset(bytes, 'x', n);
  memcpy(bytes, "{\"model\":\"old\",\"prompt\":\"", 25);
  memcpy(bytes + n - 2, "\"}", 2);
  cpx_json_doc *doc = NULL;
  REQUIRE(cpx_json_parse(bytes, n, NULL, &doc, NULL) == 0);
  cpx_json_node v;
  CHECK_INT(cpx_json_new_string(doc, CPX_SLICE("brand-new"), &v), 0);
  CHECK_INT(cpx_json_set(doc, 0, CPX_SLICE("model"), v), 0);
  cpx_json_parts parts = {0};
  CHECK_INT(cpx_json_encode_parts(doc, 0, &parts), 0);
  REQUIRE(parts.n == 3);
  CHECK(parts.v[0].p == bytes && parts.v[0].n == 9);
  CHECK(parts.v[2].p == bytes + 14 && parts.v[2].n == n - 14);
  CHECK_INT(parts.bytes, n + 6);
  CHECK(cpx_json_memory(doc) < n / 2);
  cpx_json_parts_deinit(&parts);
  cpx_json_unref(doc);
  free(bytes);
}

static void the_original_is_a_document_without_the_edits(void) {
  cpx_json_doc *doc = DOC("{\"a\":1}"), *first = NULL, *second = NULL;
  CHECK_INT(cpx_json_set(doc, 0, CPX_SLICE("a"), text_of(doc, "2")), 0);
  CHECK_INT(cpx_json_original(doc, &first), 0);
  CHECK_INT(cpx_json_original(first, &second), 0);
  cpx_json_close(doc);
  CHECK(cpx_json_closed(doc) && !cpx_json_closed(first));
  cpx_json_unref(doc);
  CHECK_INT(cpx_json_set(first, 0, CPX_SLICE("b"), text_of(first, "3")), 0);
  CHECK_ENCODES(first, "{\"a\":1,\"b\":3}");
  cpx_json_unref(first);
  CHECK_ENCODES(second, "{\"a\":1}");
  cpx_json_unref(cpx_json_ref(second));
  cpx_json_unref(second);
  CHECK_INT(cpx_json_memory_all(), 0);
}

static void a_closed_document_that_is_only_held_keeps_no_memory(void) {
  size_t empty = cpx_json_memory_all();
  cpx_json_doc *doc = cpx_json_hold(DOC("{\"a\":[1,2,3]}")), *first = NULL;
  cpx_json_unref(doc);
  CHECK_ENCODES(doc, "{\"a\":[1,2,3]}"); /* a hold alone keeps an open document */
  cpx_json_hold(doc);
  cpx_json_ref(doc);
  cpx_json_close(doc);
  CHECK_ENCODES(doc, "{\"a\":[1,2,3]}"); /* a reference keeps a closed one */
  cpx_json_release(doc);
  CHECK(cpx_json_memory_all() > empty);
  cpx_json_unref(doc);
  CHECK(cpx_json_closed(doc));
  CHECK_INT(cpx_json_memory_all(), empty);
  cpx_json_release(doc);
  cpx_json_release(NULL);

  doc = cpx_json_hold(DOC("[1]"));
  cpx_json_unref(doc);
  CHECK_INT(cpx_json_original(doc, &first), 0);
  cpx_json_hold(first);
  cpx_json_unref(first);
  cpx_json_close(doc);
  cpx_json_release(doc);
  CHECK_ENCODES(first, "[1]");
  cpx_json_release(first);
  CHECK_INT(cpx_json_memory_all(), empty);
}

static void an_original_over_borrowed_bytes_closes_with_its_source(void) {
  char bytes[] = "[1]";
  cpx_json_doc *doc = NULL, *first = NULL;
  REQUIRE(cpx_json_parse(bytes, 3, NULL, &doc, NULL) == 0);
  CHECK_INT(cpx_json_original(doc, &first), 0);
  CHECK(!cpx_json_closed(first));
  cpx_json_close(doc);
  CHECK(cpx_json_closed(first));
  cpx_json_unref(doc);
  CHECK(cpx_json_closed(first));
  cpx_json_unref(first);
}

static void members_may_be_changed_while_iterating(void) {
  cpx_json_doc *doc = DOC("{\"a\":1,\"b\":2,\"c\":3,\"d\":4}");
  char seen[32] = "";
  cpx_json_iter it = cpx_json_each(doc, 0);
  while (cpx_json_next(&it)) {
    char key = cpx_json_source(doc, it.key).p[1];
    (void)snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%c", key);
    if (key == 'b' || key == 'd')
      CHECK_INT(cpx_json_remove(doc, 0, cpx_slice_of(&key, 1)), 0);
    else
      CHECK_INT(cpx_json_set(doc, 0, cpx_slice_of(&key, 1), text_of(doc, "0")), 0);
  }
  CHECK_STR(seen, "abcd");
  CHECK_ENCODES(doc, "{\"a\":0,\"c\":0}");
  cpx_json_unref(doc);
}

/* A walk from the first element for each edit would take a minute. */
static void every_element_of_a_long_array_can_be_edited(void) {
  enum { N = 100000 };
  cpx_buf b;
  cpx_buf_init(&b, 16 * CPX_MB);
  REQUIRE(cpx_buf_add_str(&b, "{\"list\":[") == 0);
  for (int i = 0; i < N; i++) REQUIRE(cpx_buf_add_str(&b, i ? ",{\"a\":{\"b\":[]}}" : "{\"a\":{\"b\":[]}}") == 0);
  REQUIRE(cpx_buf_add_str(&b, "]}") == 0);
  cpx_json_doc *doc = doc_of(b.data, b.len);
  cpx_json_iter it = cpx_json_each(doc, cpx_json_find(doc, 0, "list"));
  cpx_json_node v;
  while (cpx_json_next(&it)) {
    REQUIRE(cpx_json_new_bool(doc, true, &v) == 0);
    REQUIRE(cpx_json_insert(doc, cpx_json_find(doc, it.value, "a.b"), 0, v) == 0);
  }
  CHECK(cpx_json_bool(doc, cpx_json_find(doc, 0, "list.99999.a.b.0")));
  cpx_buf out = encoded(doc, CPX_JSON_ROOT);
  CHECK_INT(out.len, b.len + 4 * N);
  cpx_buf_deinit(&out);
  cpx_buf_deinit(&b);
  cpx_json_unref(doc);
}

/* -- By chance. --------------------------------------------------------------------------------------------------- */

static uint32_t chance_state = 12345;

static uint32_t chance(uint32_t n) {
  chance_state = chance_state * 1664525u + 1013904223u;
  return (chance_state >> 8) % n;
}

static cpx_json_node any_node(const cpx_json_doc *doc) {
  cpx_json_node node = CPX_JSON_ROOT;
  while (cpx_json_count(doc, node) > 0 && chance(3) > 0) {
    cpx_json_iter it = cpx_json_each(doc, node);
    for (size_t i = chance((uint32_t)cpx_json_count(doc, node)) + 1; i > 0; i--) (void)cpx_json_next(&it);
    node = it.value;
  }
  return node;
}

static cpx_json_node any_value(cpx_json_doc *doc) {
  static const char *const texts[] = {
      "1", "\"s\\n\"", "[]", "{}", "[1, [2], {\"k\": 3}]", "{\"k0\" : [ ] , \"k1\":{\"k2\":null}}", " [ 0 ] "};
  cpx_json_node v;
  if (chance(3) == 0 && cpx_json_new_copy(doc, doc, any_node(doc), &v) == 0) return v;
  return text_of(doc, texts[chance(sizeof texts / sizeof texts[0])]);
}

static void edit_by_chance(cpx_json_doc *doc) {
  cpx_json_node node = any_node(doc);
  char key[3] = {'k', (char)('0' + chance(6)), 0};
  size_t n = cpx_json_count(doc, node), at = chance((uint32_t)n + 1);
  bool object = cpx_json_kind(doc, node) == CPX_JSON_OBJECT;
  int err = 0;
  switch (chance(4)) {
  case 0: err = object ? cpx_json_remove(doc, node, cpx_slice_str(key)) : cpx_json_remove_at(doc, node, at); break;
  case 1: err = object ? 0 : cpx_json_set_at(doc, node, at, any_value(doc)); break;
  default:
    err = object ? cpx_json_set(doc, node, cpx_slice_str(key), any_value(doc))
                 : cpx_json_insert(doc, node, at, any_value(doc));
  }
  CHECK(err == 0 || err == CPX_EINVAL || err == CPX_ENOTFOUND);
}

static void any_edits_encode_to_what_reading_shows(void) {
  for (int round = 0; round < 300; round++) {
    cpx_json_doc *doc = DOC(" { \"k0\" : [1, {\"k1\":2 } ,\n3],\"k1\":{\"k2\":{\"k3\":[[],[ ]]}}, \"k4\":\"x\"}\n");
    for (int i = 0; i < 30; i++) {
      edit_by_chance(doc);
      cpx_buf out = encoded(doc, CPX_JSON_ROOT);
      cpx_json_doc *again = doc_of(out.data, out.len);
      if (!same_value(doc, CPX_JSON_ROOT, again, CPX_JSON_ROOT))
        CT_FAIL("round %d: %.*s", round, (int)out.len, out.data);
      cpx_json_unref(again);
      cpx_buf_deinit(&out);
    }
    cpx_json_unref(doc);
  }
  CHECK_INT(cpx_json_memory_all(), 0);
}

int main(int argc, char **argv) {
  ct_init(argc, argv);
  RUN(a_replaced_member_keeps_its_place_and_its_key);
  RUN(an_added_member_comes_last_and_looks_like_its_siblings);
  RUN(a_removed_member_takes_its_comma_along);
  RUN(arrays_are_edited_by_index);
  RUN(wrong_edits_are_refused_and_change_nothing);
  RUN(added_values_count_against_the_limits);
  RUN(copies_keep_their_bytes);
  RUN(removed_nodes_stay_readable);
  RUN(values_are_written_as_valid_text);
  RUN(a_replaced_field_costs_no_copy_of_the_rest);
  RUN(the_original_is_a_document_without_the_edits);
  RUN(a_closed_document_that_is_only_held_keeps_no_memory);
  RUN(an_original_over_borrowed_bytes_closes_with_its_source);
  RUN(members_may_be_changed_while_iterating);
  RUN(every_element_of_a_long_array_can_be_edited);
  RUN(any_edits_encode_to_what_reading_shows);
  return ct_summary();
}
