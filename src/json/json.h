/* json.h - a JSON document kept as its bytes and a tape of offsets: read
 * lazily, edited by splicing, encoded without loss.
 *
 * Parsing validates everything (RFC 8259, UTF-8) and notes for each value where it stands: 16 bytes a value, no copy.
 * An edit replaces, adds or removes children of one object or array; encoding copies every other byte as it came. An
 * unedited document encodes to exactly its input.
 *
 * A node is a number, valid as long as its document. Nodes are never reused: one that was removed stays readable, and
 * edits of it no longer show. Memory of replaced values is freed with the document.
 *
 * Owns:    the tape, added values, and the bytes if they were given with cpx_json_parse_take.
 * Borrows: the bytes given to cpx_json_parse: they outlive the document. Slices that point into a document live until
 * it is freed; those of cpx_json_parts until its next edit. Bounds:  cpx_json_limits: bytes, depth, nodes;
 * CPX_JSON_KEYS_MAX members in one object. Added values count too. Errors:  CPX_ESYNTAX, _EUTF8 (raw bytes that are not
 * UTF-8), _EDEPTH, _EDUPLICATE (two equal keys, escapes considered), _ETOOBIG, _ENOMEM. A byte
 * order mark and bytes behind the value are CPX_ESYNTAX. Escaped lone surrogates ("\ud83d") are
 * accepted, since providers send them; they are kept as they stand and read as three bytes each
 * (WTF-8), which cpx_json_new_string writes as the same escape again.
 */
#ifndef CPX_JSON_JSON_H
#define CPX_JSON_JSON_H

#include "base/buf.h"
#include "base/limits.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct cpx_json_doc cpx_json_doc;
typedef uint32_t cpx_json_node;

#define CPX_JSON_ROOT ((cpx_json_node)0)
#define CPX_JSON_NONE ((cpx_json_node)UINT32_MAX) /* no such node: accepted and passed on by every reading function */

enum cpx_json_kind {
  CPX_JSON_MISSING, /* of CPX_JSON_NONE */
  CPX_JSON_NULL,
  CPX_JSON_BOOL,
  CPX_JSON_NUMBER,
  CPX_JSON_STRING,
  CPX_JSON_ARRAY,
  CPX_JSON_OBJECT
};

/* 0 in a field stands for the default: CPX_HTTP_BODY_MAX, CPX_JSON_DEPTH_MAX, CPX_JSON_NODES_MAX, which none may pass.
 */
typedef struct cpx_json_limits {
  size_t bytes; /* of the input; and again of all added values together */
  unsigned depth;
  size_t nodes; /* keys count */
} cpx_json_limits;

typedef struct cpx_json_error {
  int code;
  size_t offset, line, column; /* offset in bytes from 0, line and column (characters) from 1 */
  char message[160];           /* "line 3, column 14: expected ',' or '}' after a value"; quotes no content */
} cpx_json_error;

/* -- Life. -------------------------------------------------------------------------------------------------------- */

/* `limits` and `err` may be NULL. `*out` has one reference. */
CPX_MUST_CHECK int cpx_json_parse(const char *bytes, size_t n, const cpx_json_limits *limits, cpx_json_doc **out,
                                  cpx_json_error *err);
/* Takes `bytes` (malloc-ed; freed also on failure). */
CPX_MUST_CHECK int cpx_json_parse_take(char *bytes, size_t n, const cpx_json_limits *limits, cpx_json_doc **out,
                                       cpx_json_error *err);
/* A second document over the same bytes without the edits of the first, which it keeps alive. */
CPX_MUST_CHECK int cpx_json_original(cpx_json_doc *doc, cpx_json_doc **out);

cpx_json_doc *cpx_json_ref(cpx_json_doc *doc);
/* NULL is harmless. */
void cpx_json_unref(cpx_json_doc *doc);
/* For bindings. Who holds a document keeps it as a reference does until it is closed, and then only its shell: the
 * memory does not wait for a garbage collector. */
cpx_json_doc *cpx_json_hold(cpx_json_doc *doc);
void cpx_json_release(cpx_json_doc *doc); /* NULL is harmless */
/* No script may touch it any more. References (an upload in flight) stay good. */
void cpx_json_close(cpx_json_doc *doc);
/* An original of a closed document is closed, too, where that one only borrowed its bytes. */
bool cpx_json_closed(const cpx_json_doc *doc);
/* Bytes this document owns; and all live documents of this process. */
size_t cpx_json_memory(const cpx_json_doc *doc);
size_t cpx_json_memory_all(void);

/* -- Reading. Nothing here fails: what is not there is CPX_JSON_NONE, false or an empty slice. -------------------- */

enum cpx_json_kind cpx_json_kind(const cpx_json_doc *doc, cpx_json_node node);
/* "object", "array", "string", "number", "boolean", "null", "nothing". */
const char *cpx_json_kind_name(enum cpx_json_kind kind);
/* Elements or members; 0 for all else. */
size_t cpx_json_count(const cpx_json_doc *doc, cpx_json_node node);
/* The member `key` (unescaped UTF-8) of an object. */
cpx_json_node cpx_json_get(const cpx_json_doc *doc, cpx_json_node object, const char *key, size_t n);
/* The element `index`, from 0, of an array. Stepping to the next index is quick, jumping is linear. */
cpx_json_node cpx_json_at(const cpx_json_doc *doc, cpx_json_node array, size_t index);
/* A path of keys and indexes from 0 with dots between, for keys without dots: "choices.0.delta.content". */
cpx_json_node cpx_json_find(const cpx_json_doc *doc, cpx_json_node from, const char *path);

bool cpx_json_bool(const cpx_json_doc *doc, cpx_json_node node); /* true for true alone */
/* An integer that int64_t holds, in any spelling (5, 5.0, 5e0): true. */
bool cpx_json_int64(const cpx_json_doc *doc, cpx_json_node node, int64_t *out);
/* A number: true, and the nearest double (±infinity beyond the range). `*exact`, may be NULL: writing the double in its
 * shortest form gives the same decimal value again. So 0.1, 1.0, 1e3 and 9007199254740992 are exact; 9007199254740993,
 * 1e400 and 0.10000000000000000001 are not. */
bool cpx_json_double(const cpx_json_doc *doc, cpx_json_node node, double *out, bool *exact);
/* A string: true. Without escapes `*out` is borrowed from the document; else it is unescaped into `scratch`, whose
 * former content goes. false also when scratch cannot grow. */
bool cpx_json_string(const cpx_json_doc *doc, cpx_json_node node, cpx_buf *scratch, cpx_slice *out);
/* Is it the string `text`? Needs no memory. */
bool cpx_json_is(const cpx_json_doc *doc, cpx_json_node node, cpx_slice text);
/* The bytes of the value as they came, edits inside it not considered; a string with its quotes. */
cpx_slice cpx_json_source(const cpx_json_doc *doc, cpx_json_node node);

/* Whether encoding it gives just those: nothing in it was edited. */
bool cpx_json_untouched(const cpx_json_doc *doc, cpx_json_node node);

/* Children in document order:
 *   cpx_json_iter it = cpx_json_each(doc, node);
 *   while (cpx_json_next(&it)) use(it.key, it.value);
 * On the way values may be replaced, and the member just seen may be removed; after other changes children may be
 * missed or seen twice. */
typedef struct cpx_json_iter {
  const cpx_json_doc *doc;
  cpx_json_node parent;
  cpx_json_node key; /* a string node; CPX_JSON_NONE in arrays */
  cpx_json_node value;
  size_t index; /* of the child that was handed out last, from 1 */
} cpx_json_iter;
cpx_json_iter cpx_json_each(const cpx_json_doc *doc, cpx_json_node node);
bool cpx_json_next(cpx_json_iter *it);

/* -- Editing. New values belong to nothing at first; each can be put in one place, once (else CPX_EINVAL). -------- */

/* JSON text, copied and parsed. */
CPX_MUST_CHECK int cpx_json_new_text(cpx_json_doc *doc, cpx_slice json, cpx_json_node *out, cpx_json_error *err);
/* CPX_EUTF8. */
CPX_MUST_CHECK int cpx_json_new_string(cpx_json_doc *doc, cpx_slice text, cpx_json_node *out);
/* CPX_EINVAL: NaN, infinity. */
CPX_MUST_CHECK int cpx_json_new_double(cpx_json_doc *doc, double value, cpx_json_node *out);
CPX_MUST_CHECK int cpx_json_new_bool(cpx_json_doc *doc, bool value, cpx_json_node *out);
CPX_MUST_CHECK int cpx_json_new_null(cpx_json_doc *doc, cpx_json_node *out);
/* A node of this or another document as it stands, edits included, byte for byte. */
CPX_MUST_CHECK int cpx_json_new_copy(cpx_json_doc *doc, const cpx_json_doc *from, cpx_json_node node,
                                     cpx_json_node *out);

/* CPX_EINVAL when the parent is of the wrong kind, CPX_ENOTFOUND when `index` (from 0) is out of range, CPX_EDEPTH when
 * it would nest too deeply. Nothing has changed then. */

/* Replaces the member in its place, or adds it last. */
CPX_MUST_CHECK int cpx_json_set(cpx_json_doc *doc, cpx_json_node object, cpx_slice key, cpx_json_node value);
CPX_MUST_CHECK int cpx_json_set_at(cpx_json_doc *doc, cpx_json_node array, size_t index, cpx_json_node value);
/* Before `index`; at the count: last. */
CPX_MUST_CHECK int cpx_json_insert(cpx_json_doc *doc, cpx_json_node array, size_t index, cpx_json_node value);
CPX_MUST_CHECK int cpx_json_remove(cpx_json_doc *doc, cpx_json_node object, cpx_slice key);
CPX_MUST_CHECK int cpx_json_remove_at(cpx_json_doc *doc, cpx_json_node array, size_t index);
bool cpx_json_edited(const cpx_json_doc *doc);

/* -- Encoding. ---------------------------------------------------------------------------------------------------- */

/* A list of borrowed runs; joined they are the value. Untouched neighbours come as one run. */
typedef struct cpx_json_parts {
  cpx_slice *v; /* malloc-ed */
  size_t n, cap, bytes;
} cpx_json_parts;

/* Fills `*parts` (zeroed or used before). They borrow from the document: hold a reference, and do not edit meanwhile.
 */
CPX_MUST_CHECK int cpx_json_encode_parts(const cpx_json_doc *doc, cpx_json_node node, cpx_json_parts *parts);
void cpx_json_parts_deinit(cpx_json_parts *parts);
/* Adds the joined value to `out`. Encoding the root includes the white space around it. */
CPX_MUST_CHECK int cpx_json_encode(const cpx_json_doc *doc, cpx_json_node node, cpx_buf *out);

/* Adds what the JSON text of a string stands for; CPX_ESYNTAX where it is none, and nothing is added. */
CPX_MUST_CHECK int cpx_json_unquote(cpx_slice quoted, cpx_buf *out);

/* Behind the string whose opening quote stands at `p`; NULL where there is no valid one before `end`. */
const char *cpx_json_string_end(const char *p, const char *end);

/* -- Text of new values, for whoever writes JSON without a document. ---------------------------------------------- */

/* `text` in quotes; escapes only what must be. CPX_EUTF8 (nothing added then). */
CPX_MUST_CHECK int cpx_json_write_string(cpx_buf *out, cpx_slice text);
#define CPX_JSON_NUMBER_MAX 32
/* The shortest decimal that reads back as the same double; integers up to 2^53
 * without exponent. Length, 0 for NaN and infinity. */
size_t cpx_json_format_double(double value, char out[CPX_JSON_NUMBER_MAX]);

#endif
