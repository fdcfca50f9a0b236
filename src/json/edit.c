/* Edits: the children of a container that is changed become a list; nothing is written over. */
#include "json/tape.h"

#include <stdlib.h>

/* -- Depth, cycles, the way down. --------------------------------------------------------------------------------- */

static bool holds(const cpx_json_doc *doc, cpx_json_node node, cpx_json_node below) {
  return node <= below && below < node + doc->cells[node].span;
}

/* From the segment's root down to `container`: how many levels, both counted. What lies above is marked as dirty, which
 * without an edit below is harmless. The way is kept, so that edits of one element after another do not each search
 * from the first. */
static unsigned walk_down(cpx_json_doc *doc, cpx_json_node root, cpx_json_node container) {
  cpx_json_node *way = doc->way.v;
  unsigned known = doc->way.n > 0 && way[0] == root ? doc->way.n : 1, depth = 1;
  way[0] = root;
  while (depth < known && holds(doc, way[depth], container)) depth++;
  for (cpx_json_node node = way[depth - 1]; node != container; depth++) {
    cpx_json_cell *c = &doc->cells[node];
    unsigned object = cell_kind(c) == CPX_JSON_OBJECT;
    c->info |= CELL_DIRTY;
    node += 1 + object;
    if (depth < known && way[depth] <= container) node = way[depth];
    while (!holds(doc, node, container)) node += doc->cells[node].span + object;
    known = 0; /* what was known further down belongs to an earlier child */
    if (depth < WAY_MAX) way[depth] = node;
  }
  doc->way.n = depth < WAY_MAX ? depth : WAY_MAX;
  return depth;
}

/* How deep `container` lies in the whole; CPX_EINVAL when that leads through `value`, which would make a circle. */
static int depth_of(cpx_json_doc *doc, cpx_json_node container, cpx_json_node value, unsigned *depth) {
  *depth = 0;
  while (container != CPX_JSON_NONE) {
    const cpx_json_segment *s = cpx_json_segment_of(doc, container);
    if (s->first == value) return CPX_EINVAL;
    *depth += walk_down(doc, s->first, container);
    container = s->parent;
  }
  return 0;
}

static unsigned height_clean(const cpx_json_doc *doc, cpx_json_node node) {
  cpx_json_node ends[CPX_JSON_DEPTH_MAX];
  unsigned depth = 0, height = 0;
  for (cpx_json_node end = node + doc->cells[node].span; node < end; node++) {
    while (depth > 0 && node >= ends[depth - 1]) depth--;
    if (!is_container(cell_kind(&doc->cells[node]))) continue;
    ends[depth++] = node + doc->cells[node].span;
    if (depth > height) height = depth;
  }
  return height;
}

/* Recursion as deep as the value is, which is bounded by the same limit that this serves to keep. */
static unsigned height_of(const cpx_json_doc *doc, cpx_json_node node) {
  if (!(doc->cells[node].info & CELL_CHANGED)) return height_clean(doc, node);
  unsigned height = 0;
  cpx_json_iter it = cpx_json_each(doc, node);
  while (cpx_json_next(&it)) {
    unsigned h = height_of(doc, it.value);
    if (h > height) height = h;
  }
  return height + 1;
}

/* May `value` be put into `container`, which must be of `kind`? */
static int check(cpx_json_doc *doc, cpx_json_node container, enum cpx_json_kind kind, cpx_json_node value) {
  if (cpx_json_kind(doc, container) != kind || value >= doc->n) return CPX_EINVAL;
  if (!(doc->cells[value].info & CELL_LOOSE)) return CPX_EINVAL;
  unsigned depth;
  int err = depth_of(doc, container, value, &depth);
  if (err) return err;
  return depth + height_of(doc, value) > doc->limits.depth ? CPX_EDEPTH : 0;
}

static void settle(cpx_json_doc *doc, cpx_json_node container, cpx_json_node value) {
  cpx_json_segment *s = (cpx_json_segment *)cpx_json_segment_of(doc, value);
  s->parent = container;
  doc->cells[value].info &= ~CELL_LOOSE;
}

/* -- Overlays. ---------------------------------------------------------------------------------------------------- */

static uint32_t end_of(const cpx_json_cell *c) {
  return c->offset + c->length;
}

static void list_children(const cpx_json_doc *doc, cpx_json_node container, cpx_json_overlay *o) {
  const cpx_json_cell *c = &doc->cells[container];
  const char *bytes = bytes_of(doc, container);
  bool object = cell_kind(c) == CPX_JSON_OBJECT;
  uint32_t lead = c->offset + 1;
  cpx_json_node node = container + 1;
  for (uint32_t i = 0; i < cell_count(c); i++) {
    const cpx_json_cell *start = &doc->cells[node];
    if (i > 0) {
      for (lead = o->closing; bytes[lead] != ','; lead++) {
      }
      lead++;
    } else
      o->first = start->offset;
    if (i < 2) {
      o->space = lead;
      o->space_length = start->offset - lead;
    }
    cpx_json_node value = node + object;
    if (object && i == 0) {
      o->colon = end_of(start);
      o->colon_length = doc->cells[value].offset - o->colon;
    }
    o->v[o->n++] = (cpx_json_child){object ? node : CPX_JSON_NONE, value, value, lead};
    o->closing = end_of(&doc->cells[value]);
    node = value + doc->cells[value].span;
  }
}

static int reserve_overlays(cpx_json_doc *doc) {
  if (doc->noverlays < doc->overlays_cap) return 0;
  uint32_t cap = doc->overlays_cap ? doc->overlays_cap * 2 : 4;
  cpx_json_overlay *overlays = realloc(doc->overlays, cap * sizeof *overlays);
  if (!overlays) return CPX_ENOMEM;
  cpx_json_account(doc, cap * sizeof *overlays, doc->overlays_cap * sizeof *overlays);
  doc->overlays = overlays;
  doc->overlays_cap = cap;
  return 0;
}

/* The container's overlay, made at its first edit. Unchanged it encodes to the
 * same bytes: a failure afterwards does no harm. */
static int overlay(cpx_json_doc *doc, cpx_json_node container, cpx_json_overlay **out) {
  cpx_json_cell *c = &doc->cells[container];
  if (!(c->info & CELL_EDITED)) {
    int err = reserve_overlays(doc);
    if (err) return err;
    cpx_json_overlay *o = &doc->overlays[doc->noverlays];
    *o = (cpx_json_overlay){.cap = cell_count(c) + 4};
    o->v = malloc(o->cap * sizeof *o->v);
    if (!o->v) return CPX_ENOMEM;
    cpx_json_account(doc, o->cap * sizeof *o->v, 0);
    list_children(doc, container, o);
    (void)walk_down(doc, cpx_json_segment_of(doc, container)->first, container);
    c->info = (c->info & ((1u << CELL_COUNT) - 1)) | CELL_EDITED | doc->noverlays++ << CELL_COUNT;
  }
  *out = &doc->overlays[cell_count(c)];
  return 0;
}

static int add_child(cpx_json_doc *doc, cpx_json_overlay *o, size_t index, cpx_json_node key, cpx_json_node value) {
  if (o->n == o->cap) {
    uint32_t cap = o->cap * 2;
    cpx_json_child *v = realloc(o->v, cap * sizeof *v);
    if (!v) return CPX_ENOMEM;
    cpx_json_account(doc, cap * sizeof *v, o->cap * sizeof *v);
    o->v = v;
    o->cap = cap;
  }
  memmove(o->v + index + 1, o->v + index, (o->n - index) * sizeof *o->v);
  o->v[index] = (cpx_json_child){key, value, CPX_JSON_NONE, 0};
  o->n++;
  return 0;
}

static void remove_child(cpx_json_overlay *o, size_t index) {
  o->n--;
  memmove(o->v + index, o->v + index + 1, (o->n - index) * sizeof *o->v);
}

static size_t index_of(const cpx_json_doc *doc, const cpx_json_overlay *o, cpx_slice key) {
  uint32_t i = 0;
  while (i < o->n && !cpx_json_is(doc, o->v[i].key, key)) i++;
  return i;
}

/* -- What callers do. --------------------------------------------------------------------------------------------- */

int cpx_json_set(cpx_json_doc *doc, cpx_json_node object, cpx_slice key, cpx_json_node value) {
  cpx_json_overlay *o;
  int err = check(doc, object, CPX_JSON_OBJECT, value);
  if (!err) err = overlay(doc, object, &o);
  if (err) return err;
  size_t at = index_of(doc, o, key);
  if (at < o->n)
    o->v[at].value = value;
  else {
    cpx_json_node name;
    if (o->n >= CPX_JSON_KEYS_MAX) return CPX_ETOOBIG;
    err = cpx_json_new_string(doc, key, &name);
    if (!err) err = add_child(doc, o, at, name, value);
    if (err) return err;
  }
  settle(doc, object, value);
  return 0;
}

int cpx_json_set_at(cpx_json_doc *doc, cpx_json_node array, size_t index, cpx_json_node value) {
  cpx_json_overlay *o;
  int err = check(doc, array, CPX_JSON_ARRAY, value);
  if (!err && index >= cpx_json_count(doc, array)) err = CPX_ENOTFOUND;
  if (!err) err = overlay(doc, array, &o);
  if (err) return err;
  o->v[index].value = value;
  settle(doc, array, value);
  return 0;
}

int cpx_json_insert(cpx_json_doc *doc, cpx_json_node array, size_t index, cpx_json_node value) {
  cpx_json_overlay *o;
  int err = check(doc, array, CPX_JSON_ARRAY, value);
  if (!err && index > cpx_json_count(doc, array)) err = CPX_ENOTFOUND;
  if (!err) err = overlay(doc, array, &o);
  if (!err) err = add_child(doc, o, index, CPX_JSON_NONE, value);
  if (!err) settle(doc, array, value);
  return err;
}

int cpx_json_remove(cpx_json_doc *doc, cpx_json_node object, cpx_slice key) {
  cpx_json_overlay *o;
  if (cpx_json_kind(doc, object) != CPX_JSON_OBJECT) return CPX_EINVAL;
  if (cpx_json_get(doc, object, key.p, key.n) == CPX_JSON_NONE) return CPX_ENOTFOUND;
  int err = overlay(doc, object, &o);
  if (!err) remove_child(o, index_of(doc, o, key));
  return err;
}

int cpx_json_remove_at(cpx_json_doc *doc, cpx_json_node array, size_t index) {
  cpx_json_overlay *o;
  if (cpx_json_kind(doc, array) != CPX_JSON_ARRAY) return CPX_EINVAL;
  if (index >= cpx_json_count(doc, array)) return CPX_ENOTFOUND;
  int err = overlay(doc, array, &o);
  if (!err) remove_child(o, index);
  return err;
}

bool cpx_json_edited(const cpx_json_doc *doc) {
  return doc->noverlays > 0;
}
