#include "lua/state_map.h"

#include "base/limits.h"
#include "crypto/random.h"

#include <stdlib.h>

#define BUCKETS_MIN 64
#define SWEEP_STEP  4 /* buckets looked through at each insertion */

typedef struct bucket {
  cpx_state_entry *first;
} bucket;

struct cpx_state_map {
  bucket *buckets;
  size_t mask, keys, bytes, hand;
  uint64_t seed; /* keys come from clients: nobody may choose colliding ones */
};

int cpx_state_map_new(cpx_state_map **out) {
  cpx_state_map *map = calloc(1, sizeof *map);
  if (!map) return CPX_ENOMEM;
  map->buckets = calloc(BUCKETS_MIN, sizeof *map->buckets);
  map->mask = BUCKETS_MIN - 1;
  int err = map->buckets ? cpx_random(&map->seed, sizeof map->seed) : CPX_ENOMEM;
  if (err) {
    cpx_state_map_free(map);
    return err;
  }
  *out = map;
  return 0;
}

void cpx_state_map_free(cpx_state_map *map) {
  if (!map) return;
  for (size_t i = 0; map->buckets && i <= map->mask; i++)
    for (cpx_state_entry *e = map->buckets[i].first, *next; e; e = next) {
      next = e->next;
      free(e);
    }
  free(map->buckets);
  free(map);
}

static uint64_t mix(uint64_t h) {
  h ^= h >> 32;
  h *= 0xd6e8feb86659fd93ULL;
  h ^= h >> 32;
  return h;
}

static uint64_t hash_of(const cpx_state_map *map, cpx_slice key) {
  uint64_t h = map->seed ^ key.n;
  size_t i = 0;
  for (; i + 8 <= key.n; i += 8) {
    uint64_t word;
    memcpy(&word, key.p + i, 8);
    h = mix(h ^ word) + map->seed;
  }
  uint64_t rest = 0;
  memcpy(&rest, key.p + i, key.n - i);
  return mix(h ^ rest);
}

static size_t cost(const cpx_state_entry *e) {
  return sizeof *e + e->key_len + e->len;
}

static bool expired(const cpx_state_entry *e, uint64_t now) {
  return e->due && e->due <= now;
}

static void remove_at(cpx_state_map *map, cpx_state_entry **at) {
  cpx_state_entry *e = *at;
  *at = e->next;
  map->keys--;
  map->bytes -= cost(e);
  free(e);
}

static void sweep_bucket(cpx_state_map *map, size_t i, uint64_t now) {
  for (cpx_state_entry **at = &map->buckets[i].first; *at;)
    if (expired(*at, now))
      remove_at(map, at);
    else
      at = &(*at)->next;
}

void cpx_state_map_sweep(cpx_state_map *map, uint64_t now) {
  for (size_t i = 0; i <= map->mask; i++) sweep_bucket(map, i, now);
}

static cpx_state_entry **place_of(cpx_state_map *map, cpx_slice key, uint64_t hash) {
  cpx_state_entry **at = &map->buckets[hash & map->mask].first;
  while (*at && !((*at)->hash == hash && cpx_slice_eq(cpx_slice_of((*at)->data, (*at)->key_len), key)))
    at = &(*at)->next;
  return at;
}

cpx_state_entry *cpx_state_map_find(cpx_state_map *map, cpx_slice key, uint64_t now) {
  cpx_state_entry *e = *place_of(map, key, hash_of(map, key));
  return e && !expired(e, now) ? e : NULL;
}

/* Twice the buckets; where memory is short the chains grow instead. */
static void grow(cpx_state_map *map) {
  size_t count = (map->mask + 1) * 2;
  bucket *buckets = calloc(count, sizeof *buckets);
  if (!buckets) return;
  for (size_t i = 0; i <= map->mask; i++)
    for (cpx_state_entry *e = map->buckets[i].first, *next; e; e = next) {
      next = e->next;
      bucket *to = &buckets[e->hash & (count - 1)];
      e->next = to->first;
      to->first = e;
    }
  free(map->buckets);
  map->buckets = buckets;
  map->mask = count - 1;
}

/* Whether `e` fits, in the place of `old` or beside all others. */
static bool has_room(const cpx_state_map *map, const cpx_state_entry *e, const cpx_state_entry *old) {
  size_t keys = map->keys - (old ? 1 : 0), bytes = map->bytes - (old ? cost(old) : 0);
  return keys < CPX_STATE_KEYS_MAX && cost(e) <= CPX_STATE_MEM_MAX && bytes <= CPX_STATE_MEM_MAX - cost(e);
}

static cpx_state_entry *make_entry(cpx_slice key, cpx_state_value value, uint64_t hash, uint64_t due) {
  size_t len = value.kind == CPX_STATE_BYTES ? value.bytes.n : 0;
  cpx_state_entry *e = malloc(sizeof *e + key.n + len);
  if (!e) return NULL;
  *e = (cpx_state_entry){
      .hash = hash, .due = due, .kind = value.kind, .number = value.number, .key_len = key.n, .len = len};
  memcpy(e->data, key.p, key.n);
  if (len) memcpy(e->data + key.n, value.bytes.p, len);
  return e;
}

int cpx_state_map_set(cpx_state_map *map, cpx_slice key, cpx_state_value value, uint64_t due, uint64_t now) {
  cpx_state_entry *e = make_entry(key, value, hash_of(map, key), due);
  if (!e) return CPX_ENOMEM;
  if (!has_room(map, e, *place_of(map, key, e->hash))) cpx_state_map_sweep(map, now);
  cpx_state_entry **at = place_of(map, key, e->hash);
  if (!has_room(map, e, *at)) {
    free(e);
    return CPX_EFULL;
  }
  if (*at) remove_at(map, at);
  e->next = *at;
  *at = e;
  map->keys++;
  map->bytes += cost(e);
  if (map->keys > map->mask) grow(map);
  for (int i = 0; i < SWEEP_STEP; i++) sweep_bucket(map, map->hand++ & map->mask, now);
  return 0;
}

bool cpx_state_map_delete(cpx_state_map *map, cpx_slice key, uint64_t now) {
  cpx_state_entry **at = place_of(map, key, hash_of(map, key));
  if (!*at) return false;
  bool live = !expired(*at, now);
  remove_at(map, at);
  return live;
}

void cpx_state_map_each(cpx_state_map *map, uint64_t now, void (*visit)(void *user, const cpx_state_entry *entry),
                        void *user) {
  for (size_t i = 0; i <= map->mask; i++)
    for (cpx_state_entry *e = map->buckets[i].first; e; e = e->next)
      if (!expired(e, now)) visit(user, e);
}

size_t cpx_state_map_keys(const cpx_state_map *map) {
  return map->keys;
}

size_t cpx_state_map_bytes(const cpx_state_map *map) {
  return map->bytes;
}
