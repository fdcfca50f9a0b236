/* json_support.h - what the tests of json/ share: documents from literals, encodings as strings, deep comparison. */
#ifndef CPX_JSON_SUPPORT_H
#define CPX_JSON_SUPPORT_H

#include "c_test.h"
#include "json/json.h"

/* A document of text that must parse, its bytes copied to memory without a byte to spare: a read beyond is found. */
static inline cpx_json_doc *doc_of(const char *text, size_t n) {
  char *bytes = malloc(n ? n : 1);
  cpx_json_doc *doc = NULL;
  cpx_json_error err;
  if (!bytes) abort();
  memcpy(bytes, text, n);
  if (cpx_json_parse_take(bytes, n, NULL, &doc, &err) != 0) {
    printf("not ok: %.*s: %s\n", (int)(n > 200 ? 200 : n), text, err.message);
    exit(1);
  }
  return doc;
}

#define DOC(literal) doc_of(literal, strlen(literal))

static inline cpx_buf encoded(const cpx_json_doc *doc, cpx_json_node node) {
  cpx_buf out;
  cpx_buf_init(&out, 256 * CPX_MB);
  if (cpx_json_encode(doc, node, &out) != 0) {
    printf("not ok: encode failed\n");
    exit(1);
  }
  return out;
}

#define CHECK_ENCODES(doc, want)                                                                                       \
  do {                                                                                                                 \
    cpx_buf ct_out = encoded(doc, CPX_JSON_ROOT);                                                                      \
    CHECK_BYTES(ct_out.data, ct_out.len, want, strlen(want));                                                          \
    cpx_buf_deinit(&ct_out);                                                                                           \
  } while (0)

static inline cpx_json_node text_of(cpx_json_doc *doc, const char *json) {
  cpx_json_node node = CPX_JSON_NONE;
  cpx_json_error err;
  if (cpx_json_new_text(doc, cpx_slice_str(json), &node, &err) != 0) {
    printf("not ok: %s: %s\n", json, err.message);
    exit(1);
  }
  return node;
}

static inline bool same_scalar(const cpx_json_doc *a, cpx_json_node x, const cpx_json_doc *b, cpx_json_node y) {
  return cpx_json_kind(a, x) == cpx_json_kind(b, y) && cpx_slice_eq(cpx_json_source(a, x), cpx_json_source(b, y));
}

/* The same kinds, keys and scalars in the same order, read through the iterators. */
static inline bool same_value(const cpx_json_doc *a, cpx_json_node x, const cpx_json_doc *b, cpx_json_node y) {
  if (cpx_json_kind(a, x) < CPX_JSON_ARRAY) return same_scalar(a, x, b, y);
  if (cpx_json_kind(a, x) != cpx_json_kind(b, y) || cpx_json_count(a, x) != cpx_json_count(b, y)) return false;
  cpx_json_iter i = cpx_json_each(a, x), k = cpx_json_each(b, y);
  while (cpx_json_next(&i)) {
    if (!cpx_json_next(&k)) return false;
    if (i.key != CPX_JSON_NONE && !same_scalar(a, i.key, b, k.key)) return false;
    if (!same_value(a, i.value, b, k.value)) return false;
  }
  return !cpx_json_next(&k);
}

#endif
