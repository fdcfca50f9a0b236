/* list.h - an intrusive, circular, doubly linked list. A node outside every list points to itself. */
#ifndef CPX_BASE_LIST_H
#define CPX_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct cpx_list {
  struct cpx_list *next, *prev;
} cpx_list;

#define CPX_CONTAINER(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

static inline void cpx_list_init(cpx_list *l) {
  l->next = l->prev = l;
}

static inline bool cpx_list_empty(const cpx_list *l) {
  return l->next == l;
}

static inline void cpx_list_push(cpx_list *l, cpx_list *node) {
  node->prev = l->prev;
  node->next = l;
  l->prev->next = node;
  l->prev = node;
}

/* Harmless on a node that is in no list. */
static inline void cpx_list_remove(cpx_list *node) {
  node->prev->next = node->next;
  node->next->prev = node->prev;
  cpx_list_init(node);
}

/* The first node, taken out; NULL when empty. */
static inline cpx_list *cpx_list_shift(cpx_list *l) {
  cpx_list *node = l->next;
  if (node == l) return NULL;
  cpx_list_remove(node);
  return node;
}

/* Moves all nodes of `from` to the end of `to`. */
static inline void cpx_list_move(cpx_list *to, cpx_list *from) {
  if (cpx_list_empty(from)) return;
  from->next->prev = to->prev;
  to->prev->next = from->next;
  from->prev->next = to;
  to->prev = from->prev;
  cpx_list_init(from);
}

#endif
