/* tape.h - inside json/ only: what a document is made of.
 *
 * A value is a cell: where its bytes stand, and how many cells it and its children take ("span"), so that the next
 * sibling is one addition away. An object's children are key, value, key, value; an array's are its elements. Cells
 * never move within the tape and never change but for their flags, so a node stays the same for ever.
 *
 * Added values are more cells behind, one segment each, with bytes of their own. The first edit of a container makes a
 * list of its children (an overlay), which from then on is the truth about it; its ancestors are marked dirty, so that
 * encoding finds the way down. Everything else is clean and copied as a run of bytes.
 */
#ifndef CPX_JSON_TAPE_H
#define CPX_JSON_TAPE_H

#include "json/json.h"

typedef struct cpx_json_cell {
  uint32_t offset; /* of the first byte, within the segment's bytes */
  uint32_t length; /* in bytes; strings with their quotes */
  uint32_t span;   /* in cells, itself included */
  uint32_t info;   /* kind, flags, and from bit 8 on: children; or the overlay's index */
} cpx_json_cell;

#define CELL_KIND     0x07u
#define CELL_ESCAPED  0x08u /* a string with a backslash */
#define CELL_FRACTION 0x08u /* a number with a point or an exponent */
#define CELL_EDITED   0x10u /* has an overlay */
#define CELL_DIRTY    0x20u /* something below is edited */
#define CELL_LOOSE    0x40u /* the root of an added value that was not put anywhere yet */
#define CELL_COUNT    8     /* shift */

#define CELL_CHANGED (CELL_EDITED | CELL_DIRTY)

typedef struct cpx_json_segment {
  cpx_json_node first;  /* its root */
  cpx_json_node parent; /* the container it was put into */
  const char *bytes;
} cpx_json_segment;

typedef struct cpx_json_child {
  cpx_json_node key; /* CPX_JSON_NONE in arrays */
  cpx_json_node value;
  cpx_json_node original; /* the value the source has here; CPX_JSON_NONE for a new child */
  uint32_t lead;          /* of an original: offset behind the separator before it */
} cpx_json_child;

/* Offsets are within the container's segment. They give new children the look of the old ones. */
typedef struct cpx_json_overlay {
  cpx_json_child *v;
  uint32_t n, cap;
  uint32_t first;               /* start of the first original child, key included */
  uint32_t space, space_length; /* white space before a child that is not the first */
  uint32_t colon, colon_length; /* between key and value; length 0: none to copy */
  uint32_t closing;             /* end of the last original child */
} cpx_json_overlay;

typedef struct cpx_json_chunk {
  struct cpx_json_chunk *next;
  size_t used, size;
  char bytes[];
} cpx_json_chunk;

/* Where an access to an array ended: the next one usually goes on there. */
typedef struct cpx_json_cursor {
  cpx_json_node array, node;
  size_t index;
} cpx_json_cursor;

#define WAY_MAX 12

struct cpx_json_doc {
  unsigned refs, holds;
  bool closed;
  cpx_json_cell *cells;
  uint32_t n, cap;
  cpx_json_segment *segments; /* the first is the source */
  uint32_t nsegments, segments_cap;
  cpx_json_overlay *overlays;
  uint32_t noverlays, overlays_cap;
  size_t length;               /* of the source */
  char *owned;                 /* the source, when the document frees it */
  struct cpx_json_doc *source; /* whose bytes these are, held */
  cpx_json_chunk *chunks;
  size_t added; /* bytes of added values */
  size_t memory;
  cpx_json_limits limits;
  struct { /* the last way from a segment's root to a container: the next edit is usually near its end */
    cpx_json_node v[WAY_MAX];
    unsigned n;
  } way;
  cpx_json_cursor cursors[2]; /* of a list and one inside it: the array looked at last is first */
};

static inline unsigned cell_kind(const cpx_json_cell *c) {
  return c->info & CELL_KIND;
}

static inline uint32_t cell_count(const cpx_json_cell *c) {
  return c->info >> CELL_COUNT;
}

static inline bool is_container(unsigned kind) {
  return kind >= CPX_JSON_ARRAY;
}

static inline const cpx_json_overlay *overlay_of(const cpx_json_doc *doc, const cpx_json_cell *c) {
  return &doc->overlays[c->info >> CELL_COUNT];
}

/* doc.c: segments, memory. */
const cpx_json_segment *cpx_json_segment_of(const cpx_json_doc *doc, cpx_json_node node);
CPX_MUST_CHECK int cpx_json_segment_add(cpx_json_doc *doc, const char *bytes, cpx_json_node first);
/* Memory for added bytes, never moved; NULL past the limit or without memory: *err says which. */
char *cpx_json_alloc(cpx_json_doc *doc, size_t n, int *err);
CPX_MUST_CHECK int cpx_json_reserve_cells(cpx_json_doc *doc, uint32_t n);
void cpx_json_account(cpx_json_doc *doc, size_t more, size_t less);

static inline const char *bytes_of(const cpx_json_doc *doc, cpx_json_node node) {
  if (doc->nsegments == 1) return doc->segments[0].bytes;
  return cpx_json_segment_of(doc, node)->bytes;
}

/* parse.c: appends the cells of `bytes` to the tape; nothing on failure. */
CPX_MUST_CHECK int cpx_json_tape(cpx_json_doc *doc, const char *bytes, size_t n, cpx_json_error *err);
/* keys.c: does a key stand twice in this object whose cells are complete? The second one in `*twice`. */
CPX_MUST_CHECK int cpx_json_check_keys(const cpx_json_doc *doc, const char *bytes, cpx_json_node object,
                                       cpx_json_node *twice);
/* encode.c: a value without the white space around a root. */
CPX_MUST_CHECK int cpx_json_value_parts(const cpx_json_doc *doc, cpx_json_node node, cpx_json_parts *parts);
/* string.c: a string cell against unescaped text. */
bool cpx_json_cell_is(const cpx_json_cell *c, const char *bytes, const char *text, size_t n);
/* Adds the unescaped content of a string's source (with its quotes). */
CPX_MUST_CHECK int cpx_json_unescape(cpx_slice quoted, cpx_buf *out);

#endif
