/* Any bytes: what is accepted encodes to itself; and any edits of it encode to a document that reads the same.
 *
 * The input is the document, behind a NUL byte the choices of the edits. */
#include "json/json.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

typedef struct choices {
  const uint8_t *p, *end;
} choices;

static unsigned choose(choices *c, unsigned n) {
  return c->p < c->end ? *c->p++ % n : 0;
}

static void require(bool ok) {
  if (!ok) abort();
}

static cpx_buf encode(const cpx_json_doc *doc) {
  cpx_buf out;
  cpx_buf_init(&out, 64 * CPX_MB);
  require(cpx_json_encode(doc, CPX_JSON_ROOT, &out) == 0);
  return out;
}

static bool same(const cpx_json_doc *a, cpx_json_node x, const cpx_json_doc *b, cpx_json_node y) {
  enum cpx_json_kind kind = cpx_json_kind(a, x);
  if (kind != cpx_json_kind(b, y) || cpx_json_count(a, x) != cpx_json_count(b, y)) return false;
  if (kind < CPX_JSON_ARRAY) return cpx_slice_eq(cpx_json_source(a, x), cpx_json_source(b, y));
  cpx_json_iter i = cpx_json_each(a, x), k = cpx_json_each(b, y);
  while (cpx_json_next(&i))
    if (!cpx_json_next(&k) || !same(a, i.value, b, k.value)) return false;
  return !cpx_json_next(&k);
}

/* Reads everything in every way there is. */
static void read_all(const cpx_json_doc *doc, cpx_json_node node, cpx_buf *scratch) {
  cpx_slice text;
  double number;
  int64_t integer;
  bool exact;
  if (cpx_json_string(doc, node, scratch, &text)) {
    require(cpx_json_is(doc, node, text));
    cpx_buf written;
    cpx_buf_init(&written, 64 * CPX_MB);
    require(cpx_json_write_string(&written, text) == 0);
    cpx_buf_deinit(&written);
  }
  if (cpx_json_double(doc, node, &number, &exact) && exact) {
    char out[CPX_JSON_NUMBER_MAX];
    require(cpx_json_format_double(number, out) > 0);
  }
  (void)cpx_json_int64(doc, node, &integer);
  cpx_json_iter it = cpx_json_each(doc, node);
  while (cpx_json_next(&it)) {
    if (cpx_json_string(doc, it.key, scratch, &text))
      require(cpx_json_get(doc, node, text.p, text.n) == it.value);
    else
      require(cpx_json_at(doc, node, it.index - 1) == it.value);
    read_all(doc, it.value, scratch);
  }
}

static cpx_json_node some_node(const cpx_json_doc *doc, choices *c) {
  cpx_json_node node = CPX_JSON_ROOT;
  for (unsigned steps = choose(c, 8); steps > 0 && cpx_json_count(doc, node) > 0; steps--) {
    cpx_json_iter it = cpx_json_each(doc, node);
    for (size_t i = choose(c, (unsigned)cpx_json_count(doc, node)) + 1; i > 0; i--) (void)cpx_json_next(&it);
    node = it.value;
  }
  return node;
}

static cpx_json_node some_value(cpx_json_doc *doc, choices *c) {
  static const char *const texts[] = {"0", "[]", "{}", "\"\\u00e4\"", " [ 1 , {\"a\":2} ] ", "{ \"b\" : [ ] }"};
  cpx_json_node value = CPX_JSON_NONE;
  unsigned i = choose(c, 8);
  int err = i < 6 ? cpx_json_new_text(doc, cpx_slice_str(texts[i]), &value, NULL)
                  : cpx_json_new_copy(doc, doc, some_node(doc, c), &value);
  return err ? CPX_JSON_NONE : value;
}

static int edit(cpx_json_doc *doc, choices *c) {
  static const char keys[] = "abcd";
  cpx_json_node node = some_node(doc, c);
  cpx_slice key = {&keys[choose(c, 4)], choose(c, 2)};
  size_t at = choose(c, (unsigned)cpx_json_count(doc, node) + 1);
  switch (choose(c, 5)) {
  case 0: return cpx_json_remove(doc, node, key);
  case 1: return cpx_json_remove_at(doc, node, at);
  case 2: return cpx_json_set(doc, node, key, some_value(doc, c));
  case 3: return cpx_json_set_at(doc, node, at, some_value(doc, c));
  default: return cpx_json_insert(doc, node, at, some_value(doc, c));
  }
}

static void check_edits(cpx_json_doc *doc, choices *c) {
  for (int i = 0; i < 20 && c->p < c->end; i++) {
    (void)!edit(doc, c);
    cpx_buf out = encode(doc);
    cpx_json_doc *again = NULL;
    require(cpx_json_parse(out.data, out.len, NULL, &again, NULL) == 0);
    require(same(doc, CPX_JSON_ROOT, again, CPX_JSON_ROOT));
    cpx_json_unref(again);
    cpx_buf_deinit(&out);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  const uint8_t *cut = n ? memchr(data, 0, n) : NULL;
  size_t length = cut ? (size_t)(cut - data) : n;
  cpx_json_doc *doc = NULL;
  cpx_json_error err;
  char *bytes = malloc(length ? length : 1); /* exactly as long: a read beyond is found */
  require(bytes != NULL);
  if (length) memcpy(bytes, data, length);
  int code = cpx_json_parse(bytes, length, NULL, &doc, &err);
  if (code)
    require(err.code == code && err.offset <= length && err.message[0]);
  else {
    cpx_buf out = encode(doc), scratch;
    cpx_buf_init(&scratch, 64 * CPX_MB);
    require(out.len == length && memcmp(out.data, bytes, length) == 0);
    read_all(doc, CPX_JSON_ROOT, &scratch);
    choices c = {cut ? cut + 1 : data + n, data + n};
    check_edits(doc, &c);
    cpx_json_unref(doc);
    cpx_buf_deinit(&scratch);
    cpx_buf_deinit(&out);
  }
  require(cpx_json_memory_all() == 0);
  free(bytes);
  return 0;
}
