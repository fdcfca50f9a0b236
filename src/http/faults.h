/* faults.h - every way in which a request can break the rules of HTTP, as data: name, status, code, sentence. */
#ifndef CPX_HTTP_FAULTS_H
#define CPX_HTTP_FAULTS_H

#define CPX_FAULT_MAP(X)                                                                                               \
  X(TLS_HELLO, 400, "bad_request",                                                                                     \
    "This looks like TLS, but the port speaks plain HTTP. Use http:// in the base URL, or configure tls.")             \
  X(REQUEST_LINE, 400, "bad_request", "The request line is not \"METHOD TARGET HTTP/1.1\", with one space each.")      \
  X(METHOD, 400, "bad_request", "The request's method is not a word of at most 32 letters, or it is CONNECT.")         \
  X(VERSION, 400, "bad_request", "This server speaks HTTP/1.1 only.")                                                  \
  X(TARGET, 400, "bad_request",                                                                                        \
    "The request's target must be a path that starts with \"/\", or an http URL, of visible ASCII and without \"#\".") \
  X(TARGET_LONG, 414, "uri_too_long", "The request's target is longer than 16 KB.")                                    \
  X(HEAD_LARGE, 431, "headers_too_large", "The request's head is larger than its limit (100 KB).")                     \
  X(HEADERS_MANY, 431, "headers_too_large", "The request has more than 256 header lines.")                             \
  X(BARE_LF, 400, "bad_request", "A line of the request's head ends in LF without CR.")                                \
  X(BARE_CR, 400, "bad_request", "A CR without LF stands in the request's head.")                                      \
  X(FOLD, 400, "bad_request", "A header line starts with white space (line folding is obsolete).")                     \
  X(NAME, 400, "bad_request", "A header's name is empty or has a character that names may not have, such as a space.") \
  X(VALUE, 400, "bad_request", "A header's value holds a control character.")                                          \
  X(HOST_MISSING, 400, "bad_request", "The Host header is missing.")                                                   \
  X(HOST_TWICE, 400, "bad_request", "The Host header stands twice.")                                                   \
  X(HOST, 400, "bad_request", "The Host header is not \"name\" or \"name:port\".")                                     \
  X(HOST_OTHER, 400, "bad_request", "The request's target names another host than its Host header.")                   \
  X(LENGTH, 400, "bad_request", "The Content-Length header is not one plain decimal number.")                          \
  X(LENGTH_TWICE, 400, "bad_request", "The Content-Length header stands twice.")                                       \
  X(CODING, 400, "bad_request", "The Transfer-Encoding header is not \"chunked\".")                                    \
  X(CODING_TWICE, 400, "bad_request", "The Transfer-Encoding header stands twice.")                                    \
  X(LENGTH_AND_CODING, 400, "bad_request", "The request has both Content-Length and Transfer-Encoding.")               \
  X(CHUNK, 400, "bad_request", "The chunked body is malformed.")                                                       \
  X(TRAILER, 400, "bad_request", "The trailer behind the chunked body is malformed or larger than 8 KB.")              \
  X(EXPECTATION, 417, "bad_expectation", "The only expectation this server meets is \"100-continue\".")                \
  X(ENCODING, 415, "unsupported_encoding",                                                                             \
    "The body's Content-Encoding is none of gzip, deflate, zstd, identity (at most two of them).")                     \
  X(DAMAGED, 400, "bad_encoding", "The body is not what its Content-Encoding says, or it is cut off.")                 \
  X(BODY_LARGE, 413, "body_too_large", "The request's body is larger than its limit.")                                 \
  X(HEAD_SLOW, 408, "request_timeout", "The request's head did not arrive in time.")                                   \
  X(BODY_SLOW, 408, "request_timeout", "The request's body stopped arriving.")                                         \
  X(BODIES, 503, "over_capacity", "All request bodies together reached their limit. Try again in a moment.")           \
  X(MEMORY, 503, "over_capacity", "The server is out of memory. Try again in a moment.")

enum cpx_fault_id {
  CPX_FAULT_NONE,
#define X(name, status, code, text) CPX_FAULT_##name,
  CPX_FAULT_MAP(X)
#undef X
};

#endif
