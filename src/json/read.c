/* Reading: every function looks at the overlay of an edited container, at the tape of all others. */
#include "json/tape.h"

static const cpx_json_cell *cell_at(const cpx_json_doc *doc, cpx_json_node node) {
  return node < doc->n ? &doc->cells[node] : NULL;
}

enum cpx_json_kind cpx_json_kind(const cpx_json_doc *doc, cpx_json_node node) {
  return node < doc->n ? (enum cpx_json_kind)cell_kind(&doc->cells[node]) : CPX_JSON_MISSING;
}

const char *cpx_json_kind_name(enum cpx_json_kind kind) {
  static const char *const names[] = {"nothing", "null", "boolean", "number", "string", "array", "object"};
  return names[kind];
}

size_t cpx_json_count(const cpx_json_doc *doc, cpx_json_node node) {
  const cpx_json_cell *c = cell_at(doc, node);
  if (!c || !is_container(cell_kind(c))) return 0;
  return c->info & CELL_EDITED ? overlay_of(doc, c)->n : cell_count(c);
}

static cpx_json_node get_edited(const cpx_json_doc *doc, const cpx_json_overlay *o, const char *key, size_t n) {
  for (uint32_t i = 0; i < o->n; i++) {
    cpx_json_node k = o->v[i].key;
    if (cpx_json_cell_is(&doc->cells[k], bytes_of(doc, k), key, n)) return o->v[i].value;
  }
  return CPX_JSON_NONE;
}

cpx_json_node cpx_json_get(const cpx_json_doc *doc, cpx_json_node object, const char *key, size_t n) {
  const cpx_json_cell *c = cell_at(doc, object);
  if (!c || cell_kind(c) != CPX_JSON_OBJECT) return CPX_JSON_NONE;
  if (c->info & CELL_EDITED) return get_edited(doc, overlay_of(doc, c), key, n);
  const char *bytes = bytes_of(doc, object);
  const cpx_json_cell *k = c + 1, *end = c + c->span;
  for (; k < end; k += 1 + k[1].span) {
    bool same = k->info & CELL_ESCAPED ? cpx_json_cell_is(k, bytes, key, n)
                                       : k->length == n + 2 && memcmp(bytes + k->offset + 1, key, n) == 0;
    if (same) return (cpx_json_node)(k + 1 - doc->cells);
  }
  return CPX_JSON_NONE;
}

cpx_json_node cpx_json_at(const cpx_json_doc *doc, cpx_json_node array, size_t index) {
  const cpx_json_cell *c = cell_at(doc, array);
  if (!c || cell_kind(c) != CPX_JSON_ARRAY || index >= cpx_json_count(doc, array)) return CPX_JSON_NONE;
  if (c->info & CELL_EDITED) return overlay_of(doc, c)->v[index].value;
  cpx_json_cursor *cursors = ((cpx_json_doc *)doc)->cursors; /* the tape never changes, so they are never wrong */
  cpx_json_cursor here = {array, array + 1, 0};
  if (cursors[0].array != array) {
    cpx_json_cursor other = cursors[1];
    cursors[1] = cursors[0];
    cursors[0] = other;
  }
  if (cursors[0].array == array && cursors[0].index <= index) here = cursors[0];
  for (; here.index < index; here.index++) here.node += doc->cells[here.node].span;
  cursors[0] = here;
  return here.node;
}

cpx_json_node cpx_json_find(const cpx_json_doc *doc, cpx_json_node from, const char *path) {
  while (*path && from != CPX_JSON_NONE) {
    size_t n = strcspn(path, ".");
    if (cpx_json_kind(doc, from) == CPX_JSON_ARRAY) {
      size_t index = 0;
      if (n == 0) return CPX_JSON_NONE;
      for (size_t i = 0; i < n; i++) {
        if (path[i] < '0' || path[i] > '9' || index > CPX_JSON_NODES_MAX) return CPX_JSON_NONE;
        index = index * 10 + (size_t)(path[i] - '0');
      }
      from = cpx_json_at(doc, from, index);
    } else
      from = cpx_json_get(doc, from, path, n);
    path += n + (path[n] == '.');
  }
  return from;
}

cpx_slice cpx_json_source(const cpx_json_doc *doc, cpx_json_node node) {
  const cpx_json_cell *c = cell_at(doc, node);
  return c ? cpx_slice_of(bytes_of(doc, node) + c->offset, c->length) : (cpx_slice){0};
}

bool cpx_json_untouched(const cpx_json_doc *doc, cpx_json_node node) {
  const cpx_json_cell *c = cell_at(doc, node);
  return c && (!is_container(cell_kind(c)) || !(c->info & CELL_CHANGED));
}

bool cpx_json_bool(const cpx_json_doc *doc, cpx_json_node node) {
  return cpx_json_kind(doc, node) == CPX_JSON_BOOL && *cpx_json_source(doc, node).p == 't';
}

bool cpx_json_string(const cpx_json_doc *doc, cpx_json_node node, cpx_buf *scratch, cpx_slice *out) {
  if (cpx_json_kind(doc, node) != CPX_JSON_STRING) return false;
  cpx_slice quoted = cpx_json_source(doc, node);
  *out = cpx_slice_of(quoted.p + 1, quoted.n - 2);
  if (!(doc->cells[node].info & CELL_ESCAPED)) return true;
  scratch->len = 0;
  if (cpx_json_unescape(quoted, scratch)) return false;
  *out = cpx_buf_slice(scratch);
  return true;
}

bool cpx_json_is(const cpx_json_doc *doc, cpx_json_node node, cpx_slice text) {
  return cpx_json_kind(doc, node) == CPX_JSON_STRING &&
         cpx_json_cell_is(&doc->cells[node], bytes_of(doc, node), text.p, text.n);
}

/* -- Children. ---------------------------------------------------------------------------------------------------- */

cpx_json_iter cpx_json_each(const cpx_json_doc *doc, cpx_json_node node) {
  if (!is_container(cpx_json_kind(doc, node))) node = CPX_JSON_NONE;
  return (cpx_json_iter){doc, node, CPX_JSON_NONE, CPX_JSON_NONE, 0};
}

static bool next_edited(cpx_json_iter *it, const cpx_json_overlay *o) {
  size_t i = it->index;
  /* The member seen last is gone: what followed it now stands in its place. */
  if (i > 0 && it->key != CPX_JSON_NONE && (i > o->n || o->v[i - 1].key != it->key)) i--;
  if (i >= o->n) return false;
  it->key = o->v[i].key;
  it->value = o->v[i].value;
  it->index = i + 1;
  return true;
}

bool cpx_json_next(cpx_json_iter *it) {
  const cpx_json_doc *doc = it->doc;
  const cpx_json_cell *c = cell_at(doc, it->parent);
  if (!c) return false;
  if (c->info & CELL_EDITED) return next_edited(it, overlay_of(doc, c));
  cpx_json_node node = it->index ? it->value + doc->cells[it->value].span : it->parent + 1;
  if (node >= it->parent + c->span) return false;
  it->key = CPX_JSON_NONE;
  if (cell_kind(c) == CPX_JSON_OBJECT) it->key = node++;
  it->value = node;
  it->index++;
  return true;
}
