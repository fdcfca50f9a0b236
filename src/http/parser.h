/* parser.h - the bytes of a request: its head, and the chunked coding of its body.
 *
 * The head parser takes whole lines as soon as they are complete, so that what is wrong is told at its
 * line, not at the end of the head. It keeps the head's bytes once and an index of its headers. It is
 * stricter than RFC 9112 allows a recipient to be: CRLF only, no white space around names, no obsolete
 * folding, one Host, one Content-Length, one Transfer-Encoding and that "chunked" (in any case), never
 * both, HTTP/1.1 only. One empty line before the request line is tolerated.
 *
 * The target is a path ("/v1/models?x=1") or an absolute http(s) URL, whose host and port must then be those of Host.
 *
 * Owns:   the head's bytes and the index, until _deinit.
 * Bounds: the head by `max`, the target by CPX_HTTP_URL_MAX, headers by CPX_HTTP_HEADERS_MAX.
 * Errors: CPX_ESYNTAX, and `fault` says which.
 */
#ifndef CPX_HTTP_PARSER_H
#define CPX_HTTP_PARSER_H

#include "base/buf.h"
#include "http/faults.h"

#include <stdint.h>

#define CPX_REQHEAD_INLINE 20 /* headers indexed without an allocation: SDKs send 10 to 18 */

/* A run of the head's bytes. Offsets, since the bytes move when they grow. */
typedef struct cpx_span {
  uint32_t at, n;
} cpx_span;

typedef struct cpx_field {
  cpx_span name, value;
} cpx_field;

typedef struct cpx_reqhead {
  cpx_buf bytes;
  size_t parsed, scanned; /* up to the last complete line; up to where a line's end was looked for */
  cpx_span method, target, path, query, authority;
  cpx_field few[CPX_REQHEAD_INLINE];
  cpx_field *many; /* NULL: `few` is enough */
  uint16_t count, room;
  enum cpx_fault_id fault;
  bool skipped_line, has_line, complete;
  bool has_host, has_length, chunked, close, expects, expects_other, coded;
  cpx_span host;
  uint64_t length; /* Content-Length */
} cpx_reqhead;

void cpx_reqhead_init(cpx_reqhead *h, size_t max);
void cpx_reqhead_deinit(cpx_reqhead *h);
/* 0: complete, and `*used` bytes belong to the head; CPX_EAGAIN: all were taken, more are needed; CPX_ESYNTAX:
 * the head ends in the bytes behind `*used`. */
CPX_MUST_CHECK int cpx_reqhead_feed(cpx_reqhead *h, const char *bytes, size_t n, size_t *used);
cpx_header cpx_reqhead_at(const cpx_reqhead *h, size_t i);

static inline cpx_slice cpx_reqhead_slice(const cpx_reqhead *h, cpx_span s) {
  return cpx_slice_of(s.n ? h->bytes.data + s.at : "", s.n);
}

/* Whether a character may stand in a header's name; whether all of `s` may stand in a header's value. */
bool cpx_is_token_char(char c);
bool cpx_is_field_value(cpx_slice s);

/* The chunked coding. Zeroed at the start. */
typedef struct cpx_chunked {
  uint64_t left; /* of the chunk */
  uint32_t state, digits, extension, trailer;
  uint32_t extensions; /* of all chunks together */
} cpx_chunked;

enum cpx_chunked_step { CPX_CHUNKED_MORE, CPX_CHUNKED_SIZE, CPX_CHUNKED_DATA, CPX_CHUNKED_DONE };

/* One step over `*in`, which moves on. MORE: all was taken. SIZE: a chunk of `left` bytes begins (to refuse it early).
 * DATA: a run of the body in `data`. CPX_ESYNTAX: `fault` says which. */
CPX_MUST_CHECK int cpx_chunked_next(cpx_chunked *c, cpx_slice *in, cpx_slice *data, enum cpx_fault_id *fault);

#endif
