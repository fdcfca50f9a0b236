/* error.h - the error codes of the C core: 0 is success, every failure is one of these negative numbers.
 *
 * CPX_ERROR_MAP holds code, number, name for scripts and logs, text, and the HTTP status that such a failure becomes
 * when nobody says otherwise. Functions that can fail return int, hand results out through trailing out-parameters, and
 * are marked CPX_MUST_CHECK where ignoring the result loses data.
 */
#ifndef CPX_BASE_ERROR_H
#define CPX_BASE_ERROR_H

#define CPX_MUST_CHECK     __attribute__((warn_unused_result))
#define CPX_PRINTF(fmt, a) __attribute__((format(printf, fmt, a)))

#define CPX_ERROR_MAP(X)                                                                                               \
  X(ENOMEM, -1, "nomem", "out of memory", 503)                                                                         \
  X(EINVAL, -2, "invalid", "invalid argument", 500)                                                                    \
  X(ETOOBIG, -3, "too_big", "larger than its limit", 413)                                                              \
  X(EFULL, -4, "full", "the queue or buffer is full", 503)                                                             \
  X(ESYNTAX, -5, "syntax", "malformed input", 400)                                                                     \
  X(EUTF8, -6, "utf8", "not valid UTF-8", 400)                                                                         \
  X(EDEPTH, -7, "depth", "nested too deeply", 400)                                                                     \
  X(EDUPLICATE, -8, "duplicate", "a key stands twice in one object", 400)                                              \
  X(EENCODING, -9, "encoding", "unknown or damaged content encoding", 415)                                             \
  X(ECLOSED, -10, "closed", "already closed", 500)                                                                     \
  X(ECANCELLED, -11, "cancelled", "cancelled", 499)                                                                    \
  X(ETIMEOUT, -12, "timeout", "timed out", 504)                                                                        \
  X(EEOF, -13, "eof", "the other side closed the connection", 502)                                                     \
  X(EIO, -14, "io", "input or output failed", 502)                                                                     \
  X(EDNS, -15, "dns", "the host name could not be resolved", 502)                                                      \
  X(ECONNECT, -16, "connect", "the connection could not be made", 502)                                                 \
  X(ETLS, -17, "tls", "the TLS handshake or certificate check failed", 502)                                            \
  X(EPROTO, -18, "protocol", "the other side broke the protocol", 502)                                                 \
  X(EPROXY, -19, "proxy", "the outgoing proxy refused or could not be reached", 502)                                   \
  X(ENOTFOUND, -20, "not_found", "not found", 404)                                                                     \
  X(EACCES, -21, "access", "permission denied", 500)                                                                   \
  X(EADDRINUSE, -22, "address_in_use", "the address is already in use", 500)                                           \
  X(EAGAIN, -23, "again", "not now: wait for the callback", 503)                                                       \
  X(EBUDGET, -24, "budget", "a script used up its budget", 500)                                                        \
  X(EFORGED, -25, "forged", "not authentic: made with another key, or changed since", 500)

enum cpx_error {
  CPX_OK = 0,
#define X(name, number, word, text, status) CPX_##name = (number),
  CPX_ERROR_MAP(X)
#undef X
};

/* The short name ("timeout"), the sentence, and the default HTTP status of a code; static strings, never NULL. */
const char *cpx_error_name(int code);
const char *cpx_error_text(int code);
int cpx_error_status(int code);

#endif
