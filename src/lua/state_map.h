/* state_map.h - the dictionary behind cliproxy.state: bytes → number, boolean
 * or bytes, each with an optional end of life.
 *
 * Owns:   copies of keys and values.
 * Bounds: CPX_STATE_KEYS_MAX keys, CPX_STATE_MEM_MAX bytes of entries; before a call fails for them, all expired
 * entries go. Time:   `now` in ms of one monotonic clock, given by the caller. An expired entry is as good as absent;
 * its memory goes when its chain is next walked for writing, or in a sweep. Errors: CPX_EFULL, CPX_ENOMEM.
 */
#ifndef CPX_LUA_STATE_MAP_H
#define CPX_LUA_STATE_MAP_H

#include "base/error.h"
#include "base/slice.h"

#include <stdint.h>

typedef struct cpx_state_map cpx_state_map;

enum cpx_state_kind { CPX_STATE_NUMBER, CPX_STATE_BOOLEAN, CPX_STATE_BYTES };

typedef struct cpx_state_value {
  enum cpx_state_kind kind;
  double number; /* also the boolean */
  cpx_slice bytes;
} cpx_state_value;

typedef struct cpx_state_entry {
  struct cpx_state_entry *next;
  uint64_t hash, due; /* due 0: never */
  enum cpx_state_kind kind;
  double number;
  size_t key_len, len;
  char data[]; /* the key, then the bytes */
} cpx_state_entry;

CPX_MUST_CHECK int cpx_state_map_new(cpx_state_map **out);
void cpx_state_map_free(cpx_state_map *map);
/* NULL when absent; borrowed until the next change. */
cpx_state_entry *cpx_state_map_find(cpx_state_map *map, cpx_slice key, uint64_t now);
/* Replaces what was there, also its end of life. */
CPX_MUST_CHECK int cpx_state_map_set(cpx_state_map *map, cpx_slice key, cpx_state_value value, uint64_t due,
                                     uint64_t now);
bool cpx_state_map_delete(cpx_state_map *map, cpx_slice key, uint64_t now);
/* All live entries, in no order; `visit` must not change the map. */
void cpx_state_map_each(cpx_state_map *map, uint64_t now, void (*visit)(void *user, const cpx_state_entry *entry),
                        void *user);
/* Frees what is expired. */
void cpx_state_map_sweep(cpx_state_map *map, uint64_t now);
size_t cpx_state_map_keys(const cpx_state_map *map);
size_t cpx_state_map_bytes(const cpx_state_map *map);

#endif
