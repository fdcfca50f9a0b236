/* New values: cells behind the tape, in a segment of their own. */
#include "json/tape.h"

/* `bytes` live as long as the document. */
static int add_scalar(cpx_json_doc *doc, const char *bytes, size_t n, unsigned info, cpx_json_node *out) {
  int err = cpx_json_reserve_cells(doc, 1);
  if (!err) err = cpx_json_segment_add(doc, bytes, doc->n);
  if (err) return err;
  *out = doc->n;
  doc->cells[doc->n++] = (cpx_json_cell){0, (uint32_t)n, 1, info | CELL_LOOSE};
  return 0;
}

static int add_copied(cpx_json_doc *doc, const char *text, size_t n, unsigned info, cpx_json_node *out) {
  int err;
  char *bytes = cpx_json_alloc(doc, n, &err);
  if (!bytes) return err;
  memcpy(bytes, text, n);
  return add_scalar(doc, bytes, n, info, out);
}

int cpx_json_new_null(cpx_json_doc *doc, cpx_json_node *out) {
  return add_scalar(doc, "null", 4, CPX_JSON_NULL, out);
}

int cpx_json_new_bool(cpx_json_doc *doc, bool value, cpx_json_node *out) {
  return add_scalar(doc, value ? "true" : "false", value ? 4 : 5, CPX_JSON_BOOL, out);
}

int cpx_json_new_double(cpx_json_doc *doc, double value, cpx_json_node *out) {
  char text[CPX_JSON_NUMBER_MAX];
  size_t n = cpx_json_format_double(value, text);
  if (!n) return CPX_EINVAL;
  bool fraction = text[strspn(text, "-0123456789")] != 0;
  return add_copied(doc, text, n, CPX_JSON_NUMBER | (fraction ? CELL_FRACTION : 0), out);
}

int cpx_json_new_string(cpx_json_doc *doc, cpx_slice text, cpx_json_node *out) {
  cpx_buf quoted;
  cpx_buf_init(&quoted, doc->limits.bytes);
  int err = cpx_json_write_string(&quoted, text);
  if (!err) {
    bool escaped = memchr(quoted.data, '\\', quoted.len) != NULL;
    err = add_copied(doc, quoted.data, quoted.len, CPX_JSON_STRING | (escaped ? CELL_ESCAPED : 0), out);
  }
  cpx_buf_deinit(&quoted);
  return err;
}

int cpx_json_new_text(cpx_json_doc *doc, cpx_slice json, cpx_json_node *out, cpx_json_error *err) {
  cpx_json_error local;
  if (!err) err = &local;
  *err = (cpx_json_error){.line = 1, .column = 1, .message = "too large"};
  cpx_json_node first = doc->n;
  char *bytes = cpx_json_alloc(doc, json.n, &err->code);
  if (!bytes) return err->code;
  if (json.n) memcpy(bytes, json.p, json.n);
  int code = cpx_json_tape(doc, bytes, json.n, err);
  if (code) return code;
  code = cpx_json_segment_add(doc, bytes, first);
  if (code) {
    doc->n = first;
    return code;
  }
  doc->cells[first].info |= CELL_LOOSE;
  *out = first;
  return 0;
}

static int copy_edited(cpx_json_doc *doc, const cpx_json_doc *from, cpx_json_node node, cpx_json_node *out) {
  cpx_buf text;
  cpx_buf_init(&text, doc->limits.bytes);
  cpx_json_parts parts = {0};
  int err = cpx_json_value_parts(from, node, &parts);
  for (size_t i = 0; !err && i < parts.n; i++) err = cpx_buf_add_slice(&text, parts.v[i]);
  if (!err) err = cpx_json_new_text(doc, cpx_buf_slice(&text), out, NULL);
  cpx_json_parts_deinit(&parts);
  cpx_buf_deinit(&text);
  return err;
}

int cpx_json_new_copy(cpx_json_doc *doc, const cpx_json_doc *from, cpx_json_node node, cpx_json_node *out) {
  if (node >= from->n) return CPX_EINVAL;
  if (from->cells[node].info & CELL_CHANGED) return copy_edited(doc, from, node, out);
  const char *bytes = bytes_of(from, node);
  uint32_t n = from->cells[node].span, shift = 0;
  int err = cpx_json_reserve_cells(doc, n);
  if (err) return err;
  if (from != doc) {
    shift = from->cells[node].offset;
    cpx_slice source = cpx_json_source(from, node);
    char *copy = cpx_json_alloc(doc, source.n, &err);
    if (!copy) return err;
    bytes = memcpy(copy, source.p, source.n);
  }
  err = cpx_json_segment_add(doc, bytes, doc->n);
  if (err) return err;
  const cpx_json_cell *cells = &from->cells[node];
  for (uint32_t i = 0; i < n; i++) {
    cpx_json_cell c = cells[i];
    c.offset -= shift;
    c.info &= ~CELL_LOOSE;
    doc->cells[doc->n + i] = c;
  }
  *out = doc->n;
  doc->cells[doc->n].info |= CELL_LOOSE;
  doc->n += n;
  return 0;
}
