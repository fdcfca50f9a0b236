/* Encoding: untouched runs as they came, with the new pieces between them. */
#include "json/tape.h"

#include <stdlib.h>

static int run(cpx_json_parts *parts, const char *p, size_t n) {
  if (n == 0) return 0;
  parts->bytes += n;
  if (parts->n > 0) {
    cpx_slice *last = &parts->v[parts->n - 1];
    if (last->p + last->n == p) {
      last->n += n;
      return 0;
    }
  }
  if (parts->n == parts->cap) {
    size_t cap = parts->cap ? parts->cap * 2 : 8;
    cpx_slice *v = realloc(parts->v, cap * sizeof *v);
    if (!v) return CPX_ENOMEM;
    parts->v = v;
    parts->cap = cap;
  }
  parts->v[parts->n++] = cpx_slice_of(p, n);
  return 0;
}

static int emit(const cpx_json_doc *doc, cpx_json_node node, cpx_json_parts *parts);

/* The bytes between two offsets of the container's segment. */
static int span(cpx_json_parts *parts, const char *bytes, uint32_t from, uint32_t to) {
  return run(parts, bytes + from, to - from);
}

/* What stands before a child, up to its key or value: a comma, and white space as it was or as its siblings have it. */
static int emit_lead(const cpx_json_doc *doc, const cpx_json_cell *c, const cpx_json_overlay *o, uint32_t i,
                     const char *bytes, cpx_json_parts *parts) {
  const cpx_json_child *ch = &o->v[i];
  if (i == 0) return o->first ? span(parts, bytes, c->offset + 1, o->first) : 0;
  if (ch->original != CPX_JSON_NONE && ch->lead > c->offset + 1) {
    cpx_json_node start = ch->key != CPX_JSON_NONE ? ch->key : ch->original;
    return span(parts, bytes, ch->lead - 1, doc->cells[start].offset);
  }
  int err = run(parts, ",", 1);
  return err ? err : run(parts, bytes + o->space, o->space_length);
}

static int emit_key(const cpx_json_doc *doc, const cpx_json_overlay *o, const cpx_json_child *ch, const char *bytes,
                    cpx_json_parts *parts) {
  if (ch->original != CPX_JSON_NONE)
    return span(parts, bytes, doc->cells[ch->key].offset, doc->cells[ch->original].offset);
  cpx_slice key = cpx_json_source(doc, ch->key);
  int err = run(parts, key.p, key.n);
  if (err) return err;
  return o->colon_length ? run(parts, bytes + o->colon, o->colon_length) : run(parts, ":", 1);
}

/* White space between an original child and its comma; that of the last one stays with the closing bracket. */
static int emit_tail(const cpx_json_doc *doc, const cpx_json_child *ch, const char *bytes, cpx_json_parts *parts) {
  if (ch->original == CPX_JSON_NONE) return 0;
  const cpx_json_cell *v = &doc->cells[ch->original];
  uint32_t from = v->offset + v->length, to = from;
  while (bytes[to] != ',' && bytes[to] != '}' && bytes[to] != ']') to++;
  return bytes[to] == ',' ? span(parts, bytes, from, to) : 0;
}

static int emit_edited(const cpx_json_doc *doc, const cpx_json_cell *c, const char *bytes, cpx_json_parts *parts) {
  const cpx_json_overlay *o = overlay_of(doc, c);
  int err = span(parts, bytes, c->offset, c->offset + 1);
  for (uint32_t i = 0; !err && i < o->n; i++) {
    const cpx_json_child *ch = &o->v[i];
    err = emit_lead(doc, c, o, i, bytes, parts);
    if (!err && ch->key != CPX_JSON_NONE) err = emit_key(doc, o, ch, bytes, parts);
    if (!err) err = emit(doc, ch->value, parts);
    if (!err) err = emit_tail(doc, ch, bytes, parts);
  }
  uint32_t end = c->offset + c->length;
  /* An emptied container keeps no space; one that was empty has none to show. */
  uint32_t closing = o->n > 0 && o->closing ? o->closing : end - 1;
  if (!err && o->n == 0 && o->closing == 0) closing = c->offset + 1;
  return err ? err : span(parts, bytes, closing, end);
}

static int emit_dirty(const cpx_json_doc *doc, cpx_json_node node, const char *bytes, cpx_json_parts *parts) {
  const cpx_json_cell *c = &doc->cells[node];
  uint32_t at = c->offset;
  cpx_json_iter it = cpx_json_each(doc, node);
  while (cpx_json_next(&it)) {
    const cpx_json_cell *v = &doc->cells[it.value];
    if (!(v->info & CELL_CHANGED)) continue;
    int err = span(parts, bytes, at, v->offset);
    if (!err) err = emit(doc, it.value, parts);
    if (err) return err;
    at = v->offset + v->length;
  }
  return span(parts, bytes, at, c->offset + c->length);
}

/* Recursion no deeper than documents may be nested. */
static int emit(const cpx_json_doc *doc, cpx_json_node node, cpx_json_parts *parts) {
  const cpx_json_cell *c = &doc->cells[node];
  const char *bytes = bytes_of(doc, node);
  if (c->info & CELL_EDITED) return emit_edited(doc, c, bytes, parts);
  if (c->info & CELL_DIRTY) return emit_dirty(doc, node, bytes, parts);
  return run(parts, bytes + c->offset, c->length);
}

int cpx_json_value_parts(const cpx_json_doc *doc, cpx_json_node node, cpx_json_parts *parts) {
  parts->n = parts->bytes = 0;
  return node < doc->n ? emit(doc, node, parts) : CPX_EINVAL;
}

int cpx_json_encode_parts(const cpx_json_doc *doc, cpx_json_node node, cpx_json_parts *parts) {
  if (node != CPX_JSON_ROOT) return cpx_json_value_parts(doc, node, parts);
  const char *bytes = doc->segments[0].bytes;
  uint32_t start = doc->cells[0].offset, end = start + doc->cells[0].length;
  parts->n = parts->bytes = 0;
  int err = run(parts, bytes, start);
  if (!err) err = emit(doc, CPX_JSON_ROOT, parts);
  return err ? err : run(parts, bytes + end, doc->length - end);
}

void cpx_json_parts_deinit(cpx_json_parts *parts) {
  free(parts->v);
  *parts = (cpx_json_parts){0};
}

int cpx_json_encode(const cpx_json_doc *doc, cpx_json_node node, cpx_buf *out) {
  cpx_json_parts parts = {0};
  int err = cpx_json_encode_parts(doc, node, &parts);
  if (!err) err = cpx_buf_reserve(out, parts.bytes);
  for (size_t i = 0; !err && i < parts.n; i++) err = cpx_buf_add_slice(out, parts.v[i]);
  cpx_json_parts_deinit(&parts);
  return err;
}
