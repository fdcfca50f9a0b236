/* decode.h - undoes the content codings of a request body while it arrives: gzip, deflate, zstd, two of them stacked.
 *
 * "deflate" may be a zlib stream, as it should be, or a raw one, as some clients send it. Members of gzip and frames of
 * zstd may follow each other; anything else behind the end of a stream is an error.
 *
 * Owns:    the decoders' state: 40 KB for gzip and deflate, up to 8 MB for zstd (its window is bounded by that).
 * Bounds:  output by the buffer it is written to: a bomb stops there.
 * Errors:  CPX_EENCODING for a coding that is not spoken (415), CPX_ESYNTAX for damaged or cut-off bytes (400),
 *          CPX_ETOOBIG when the output outgrows its buffer (413), CPX_ENOMEM.
 */
#ifndef CPX_HTTP_DECODE_H
#define CPX_HTTP_DECODE_H

#include "base/buf.h"

#define CPX_CODINGS_MAX 2

enum cpx_coding { CPX_CODING_GZIP, CPX_CODING_DEFLATE, CPX_CODING_ZSTD };

typedef struct cpx_codings {
  enum cpx_coding list[CPX_CODINGS_MAX]; /* in the order they were applied */
  size_t count;
} cpx_codings;

/* Adds the codings of one Content-Encoding value; "identity" adds nothing. */
CPX_MUST_CHECK int cpx_codings_add(cpx_codings *codings, cpx_slice value);

typedef struct cpx_decoder cpx_decoder;
CPX_MUST_CHECK int cpx_decoder_new(const cpx_codings *codings, cpx_decoder **out);
void cpx_decoder_free(cpx_decoder *d); /* NULL is fine */
/* Appends what these bytes decode to. */
CPX_MUST_CHECK int cpx_decoder_feed(cpx_decoder *d, const char *bytes, size_t n, cpx_buf *out);
/* The body is complete: CPX_ESYNTAX when its last stream is not. A body without any byte is empty, not damaged. */
CPX_MUST_CHECK int cpx_decoder_finish(cpx_decoder *d);

#endif
