#include "http/parser.h"

#include "base/limits.h"

#define DIGITS_MAX     16            /* of a size: 64 bits, leading zeros included */
#define EXTENSION_MAX  256           /* of one chunk: nobody uses them, and a chunk line is one line */
#define EXTENSIONS_MAX (16 * CPX_KB) /* of one body: sizes of single bytes must not carry megabytes beside them */
#define TRAILER_MAX    (8 * CPX_KB)

enum {
  SIZE,
  EXTENSION,
  SIZE_LF,
  DATA,
  DATA_CR,
  DATA_LF,
  TRAILER,
  TRAILER_NAME,
  TRAILER_VALUE,
  TRAILER_LF,
  LAST_LF,
  DONE,
};

static int hex(unsigned char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_value_char(unsigned char c) {
  return (c >= 0x20 && c != 0x7f) || c == '\t';
}

/* A byte of the line with a chunk's size. */
static bool size_byte(cpx_chunked *c, unsigned char byte) {
  if (c->state == SIZE_LF) {
    c->state = c->left ? DATA : TRAILER;
    c->digits = c->extension = 0;
    return byte == '\n';
  }
  if (c->state == SIZE && hex(byte) >= 0) {
    c->left = c->left << 4 | (uint64_t)hex(byte);
    return ++c->digits <= DIGITS_MAX;
  }
  if (byte == '\r') {
    c->state = SIZE_LF;
    return c->digits > 0;
  }
  if (c->state == SIZE) {
    c->state = EXTENSION;
    return byte == ';' && c->digits > 0;
  }
  return is_value_char(byte) && ++c->extension <= EXTENSION_MAX && ++c->extensions <= EXTENSIONS_MAX;
}

/* A byte behind the last chunk. */
static bool trailer_byte(cpx_chunked *c, unsigned char byte) {
  if (++c->trailer > TRAILER_MAX) return false;
  switch (c->state) {
  case TRAILER: c->state = byte == '\r' ? LAST_LF : TRAILER_NAME; return byte == '\r' || cpx_is_token_char((char)byte);
  case TRAILER_NAME:
    if (byte == ':') c->state = TRAILER_VALUE;
    return byte == ':' || cpx_is_token_char((char)byte);
  case TRAILER_VALUE:
    if (byte == '\r') c->state = TRAILER_LF;
    return byte == '\r' || is_value_char(byte);
  case TRAILER_LF: c->state = TRAILER; return byte == '\n';
  default: c->state = DONE; return byte == '\n';
  }
}

static bool data_end_byte(cpx_chunked *c, unsigned char byte) {
  bool good = byte == (c->state == DATA_CR ? '\r' : '\n');
  c->state = c->state == DATA_CR ? DATA_LF : SIZE;
  return good;
}

static cpx_slice take_data(cpx_chunked *c, cpx_slice *in) {
  size_t n = in->n < c->left ? in->n : (size_t)c->left;
  cpx_slice data = {in->p, n};
  *in = cpx_slice_of(in->p + n, in->n - n);
  c->left -= n;
  if (c->left == 0) c->state = DATA_CR;
  return data;
}

int cpx_chunked_next(cpx_chunked *c, cpx_slice *in, cpx_slice *data, enum cpx_fault_id *fault) {
  while (in->n && c->state != DONE) {
    if (c->state == DATA) {
      *data = take_data(c, in);
      return CPX_CHUNKED_DATA;
    }
    unsigned char byte = (unsigned char)*in->p++;
    in->n--;
    bool was_size = c->state == SIZE_LF;
    bool in_trailer = c->state >= TRAILER;
    bool good = c->state <= SIZE_LF  ? size_byte(c, byte)
                : c->state < TRAILER ? data_end_byte(c, byte)
                                     : trailer_byte(c, byte);
    if (!good) {
      *fault = in_trailer ? CPX_FAULT_TRAILER : CPX_FAULT_CHUNK;
      return CPX_ESYNTAX;
    }
    if (was_size && c->state == DATA) return CPX_CHUNKED_SIZE;
  }
  return c->state == DONE ? CPX_CHUNKED_DONE : CPX_CHUNKED_MORE;
}
