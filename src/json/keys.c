/* Finds a key that stands twice in an object: by comparing all pairs of a few, by a hash table of many. */
#include "json/tape.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#define FEW 16

/* Differs for most keys that differ, so that pairs are told apart without reading their bytes. */
static uint32_t mark(const char *p, uint32_t n) {
  uint32_t first = 0, last = 0;
  if (n >= 4) {
    memcpy(&first, p, 4);
    memcpy(&last, p + n - 4, 4);
  } else {
    for (uint32_t i = 0; i < n; i++) first = first << 8 | (unsigned char)p[i];
  }
  return first ^ (last * 0x9E3779B1u) ^ (n << 24);
}

/* `*escaped` when a key has escapes: then its bytes prove nothing, and the caller takes the long way. */
static int check_few(const cpx_json_cell *cells, const char *bytes, cpx_json_node object, bool *escaped,
                     cpx_json_node *twice) {
  uint32_t marks[FEW];
  cpx_json_node nodes[FEW];
  uint32_t n = cell_count(&cells[object]);
  cpx_json_node node = object + 1;
  for (uint32_t i = 0; i < n; i++) {
    const cpx_json_cell *c = &cells[node];
    if (c->info & CELL_ESCAPED) {
      *escaped = true;
      return 0;
    }
    marks[i] = mark(bytes + c->offset + 1, c->length - 2);
    nodes[i] = node;
    for (uint32_t k = 0; k < i; k++) {
      if (marks[k] != marks[i]) continue;
      const cpx_json_cell *other = &cells[nodes[k]];
      if (other->length == c->length && memcmp(bytes + other->offset, bytes + c->offset, c->length) == 0) {
        *twice = node;
        return CPX_EDUPLICATE;
      }
    }
    node += 1 + cells[node + 1].span;
  }
  return 0;
}

/* Keyed by chance, so that nobody can choose keys that collide. */
static uint64_t hash(cpx_slice key) {
  static uint64_t seed;
  while (!seed) {
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
      seed = ((uint64_t)time(NULL) << 20) ^ (uint64_t)(uintptr_t)&seed;
    seed |= 1;
  }
  uint64_t h = seed ^ (key.n * 0x9E3779B97F4A7C15u);
  const char *p = key.p;
  for (size_t left = key.n; left > 0;) {
    uint64_t word = 0;
    size_t step = left < 8 ? left : 8;
    memcpy(&word, p, step);
    unsigned __int128 product = (unsigned __int128)(h ^ word) * (seed ^ 0xD6E8FEB86659FD93u);
    h = (uint64_t)product ^ (uint64_t)(product >> 64) ^ word;
    p += step;
    left -= step;
  }
  unsigned __int128 product = (unsigned __int128)(h ^ seed) * 0xA0761D6478BD642Fu;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

typedef struct key_table {
  cpx_slice *keys; /* unescaped, in order */
  uint32_t *slots; /* index + 1 */
  uint64_t mask;
} key_table;

/* The slot's earlier key that equals the one at `i`, or its index put into the table. */
static bool seen(key_table *t, uint32_t i) {
  for (uint64_t at = hash(t->keys[i]) & t->mask;; at = (at + 1) & t->mask) {
    if (t->slots[at] == 0) {
      t->slots[at] = i + 1;
      return false;
    }
    if (cpx_slice_eq(t->keys[t->slots[at] - 1], t->keys[i])) return true;
  }
}

/* A key as text: borrowed, or unescaped into `text`, which has room for it. */
static int key_text(const cpx_json_cell *c, const char *bytes, cpx_buf *text, cpx_slice *out) {
  if (!(c->info & CELL_ESCAPED)) {
    *out = cpx_slice_of(bytes + c->offset + 1, c->length - 2);
    return 0;
  }
  size_t before = text->len;
  int err = cpx_json_unescape(cpx_slice_of(bytes + c->offset, c->length), text);
  if (!err) *out = cpx_slice_of(text->data + before, text->len - before);
  return err;
}

static int check_all(const cpx_json_cell *cells, const char *bytes, cpx_json_node object, key_table *t, cpx_buf *text,
                     cpx_json_node *twice) {
  uint32_t n = cell_count(&cells[object]);
  cpx_json_node node = object + 1;
  for (uint32_t i = 0; i < n; i++) {
    int err = key_text(&cells[node], bytes, text, &t->keys[i]);
    if (err) return err;
    if (seen(t, i)) {
      *twice = node;
      return CPX_EDUPLICATE;
    }
    node += 1 + cells[node + 1].span;
  }
  return 0;
}

static int check_many(const cpx_json_cell *cells, const char *bytes, cpx_json_node object, cpx_json_node *twice) {
  uint32_t n = cell_count(&cells[object]);
  if (n > CPX_JSON_KEYS_MAX) return CPX_ETOOBIG;
  size_t slots = 32, escaped = 0;
  while (slots < 2 * (size_t)n) slots *= 2;
  cpx_json_node node = object + 1;
  for (uint32_t i = 0; i < n; i++) {
    if (cells[node].info & CELL_ESCAPED) escaped += cells[node].length;
    node += 1 + cells[node + 1].span;
  }
  key_table t = {malloc(n * sizeof(cpx_slice)), calloc(slots, sizeof(uint32_t)), slots - 1};
  cpx_buf text; /* never grows, since slices into it are kept: unescaping only shortens */
  cpx_buf_init(&text, escaped);
  int err = t.keys && t.slots ? cpx_buf_reserve(&text, escaped) : CPX_ENOMEM;
  if (!err) err = check_all(cells, bytes, object, &t, &text, twice);
  cpx_buf_deinit(&text);
  free(t.keys);
  free(t.slots);
  return err;
}

int cpx_json_check_keys(const cpx_json_doc *doc, const char *bytes, cpx_json_node object, cpx_json_node *twice) {
  bool escaped = false;
  if (cell_count(&doc->cells[object]) <= FEW) {
    int err = check_few(doc->cells, bytes, object, &escaped, twice);
    if (err || !escaped) return err;
  }
  return check_many(doc->cells, bytes, object, twice);
}
