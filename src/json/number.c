/* Numbers between text and double. The process never leaves the C locale; no
 * decimal point is given to strtod all the same. */
#include "json/tape.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* A double is decided by at most 767 significant digits and whether anything but zeros follows. */
#define DIGITS_MAX 770

typedef struct decimal {
  bool negative;
  size_t n;                 /* significant digits: no zeros in front or behind; 0 for zero */
  long exponent;            /* value = digits × 10^exponent */
  const char *first, *last; /* where they stand, a point perhaps among them */
} decimal;

/* Text that the parser accepted. */
static void decompose(cpx_slice text, decimal *d) {
  const char *p = text.p, *end = text.p + text.n, *point = NULL;
  *d = (decimal){.negative = *p == '-'};
  if (d->negative) p++;
  const char *q = p;
  for (; q < end && ((*q >= '0' && *q <= '9') || *q == '.'); q++) {
    if (*q == '.')
      point = q;
    else if (*q != '0') {
      if (!d->first) d->first = q;
      d->last = q;
    }
  }
  if (!d->first) return;
  const char *unit = point ? point : q; /* the digit before it counts ones */
  d->exponent = d->last < unit ? unit - d->last - 1 : unit - d->last;
  d->n = (size_t)(d->last - d->first) + 1;
  if (point && d->first < point && d->last > point) d->n--;
  if (q == end) return;
  bool minus = q[1] == '-';
  long e = 0;
  for (q += q[1] == '-' || q[1] == '+' ? 2 : 1; q < end; q++)
    if (e < 100000000) e = e * 10 + (*q - '0');
  d->exponent += minus ? -e : e;
}

static size_t copy_digits(const decimal *d, char *out, size_t max) {
  size_t n = 0;
  for (const char *p = d->first; d->n > 0 && p <= d->last && n < max; p++)
    if (*p != '.') out[n++] = *p;
  return n;
}

static double convert(const decimal *d) {
  static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  double v = 0;
  if (d->n > 0 && d->n <= 15 && d->exponent >= -22 && d->exponent <= 22) {
    uint64_t m = 0; /* both factors are exact, so the one rounding is right */
    for (const char *p = d->first; p <= d->last; p++)
      if (*p != '.') m = m * 10 + (uint64_t)(*p - '0');
    v = d->exponent < 0 ? (double)m / tens[-d->exponent] : (double)m * tens[d->exponent];
  } else if (d->n > 0) {
    char text[DIGITS_MAX + 32];
    size_t n = copy_digits(d, text, DIGITS_MAX);
    long exponent = d->exponent + (long)(d->n - n);
    if (n < d->n) { /* the last digit is not zero: something follows */
      text[n++] = '1';
      exponent--;
    }
    (void)snprintf(text + n, sizeof text - n, "e%ld", exponent);
    v = strtod(text, NULL);
  }
  return d->negative ? -v : v;
}

/* Does the shortest text of `v` name the same decimal? Up to 15 digits always do, far from the ends of the range. */
static bool is_exact(const decimal *d, double v) {
  if (d->n == 0) return true;
  if (!isfinite(v) || d->n > 17) return false;
  long magnitude = d->exponent + (long)d->n;
  if (d->n <= DBL_DIG && magnitude > -290 && magnitude < 290) return true;
  char text[CPX_JSON_NUMBER_MAX], ours[17], theirs[17];
  decimal shortest;
  decompose(cpx_slice_of(text, cpx_json_format_double(v, text)), &shortest);
  if (shortest.n != d->n || shortest.exponent != d->exponent) return false;
  (void)copy_digits(d, ours, sizeof ours);
  (void)copy_digits(&shortest, theirs, sizeof theirs);
  return memcmp(ours, theirs, d->n) == 0;
}

/* Most numbers are a few digits: no need to take them apart. */
static bool small_integer(const cpx_json_cell *c, const char *p, int64_t *out) {
  if ((c->info & CELL_FRACTION) || c->length > 15) return false;
  const char *end = p + c->length;
  bool negative = *p == '-';
  int64_t v = 0;
  for (p += negative; p < end; p++) v = v * 10 + (*p - '0');
  *out = negative ? -v : v;
  return v != 0 || !negative; /* -0 is a double of its own */
}

static const char *number_at(const cpx_json_doc *doc, cpx_json_node node, const cpx_json_cell **cell) {
  if (node >= doc->n || cell_kind(&doc->cells[node]) != CPX_JSON_NUMBER) return NULL;
  *cell = &doc->cells[node];
  return bytes_of(doc, node) + (*cell)->offset;
}

bool cpx_json_double(const cpx_json_doc *doc, cpx_json_node node, double *out, bool *exact) {
  const cpx_json_cell *c;
  const char *p = number_at(doc, node, &c);
  if (!p) return false;
  int64_t integer;
  if (small_integer(c, p, &integer)) {
    *out = (double)integer;
    if (exact) *exact = true;
    return true;
  }
  decimal d;
  decompose(cpx_slice_of(p, c->length), &d);
  *out = convert(&d);
  if (exact) *exact = is_exact(&d, *out);
  return true;
}

bool cpx_json_int64(const cpx_json_doc *doc, cpx_json_node node, int64_t *out) {
  const cpx_json_cell *c;
  const char *p = number_at(doc, node, &c);
  if (!p) return false;
  if (small_integer(c, p, out)) return true;
  decimal d;
  decompose(cpx_slice_of(p, c->length), &d);
  char digits[20];
  if (d.n > 19 || (d.n > 0 && (d.exponent < 0 || d.exponent + (long)d.n > 19))) return false;
  size_t n = copy_digits(&d, digits, sizeof digits);
  uint64_t v = 0; /* 19 digits always fit */
  for (size_t i = 0; i < n; i++) v = v * 10 + (uint64_t)(digits[i] - '0');
  for (long e = n ? d.exponent : 0; e > 0; e--) v *= 10;
  if (v > (uint64_t)INT64_MAX + d.negative) return false;
  *out = d.negative ? (int64_t)(0 - v) : (int64_t)v;
  return true;
}

size_t cpx_json_format_double(double v, char out[CPX_JSON_NUMBER_MAX]) {
  if (!isfinite(v)) return 0;
  if (fabs(v) <= 9007199254740992.0 && v == (double)(int64_t)v && (v != 0 || !signbit(v)))
    return (size_t)snprintf(out, CPX_JSON_NUMBER_MAX, "%lld", (long long)v);
  /* Denormals have fewer than 15 digits; the others never need to try fewer, since %g leaves zeros off. */
  int precision = fabs(v) < DBL_MIN ? 1 : DBL_DIG;
  for (;; precision++) {
    int n = snprintf(out, CPX_JSON_NUMBER_MAX, "%.*g", precision, v);
    if (precision == 17 || strtod(out, NULL) == v) return (size_t)n;
  }
}
