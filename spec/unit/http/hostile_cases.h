/* hostile_cases.h - requests that must not pass (and a few that must, to show that strictness hurts nobody): the one
 * table.
 *
 * The C test runs it through the server in memory, at any cut; specs of the daemon read this very file through
 * spec/support/hostile_cases.lua and run it over sockets. So the rows keep to a simple form: one ROW a case, string
 * literals with the escapes \r \n \t \\ \" and three octal digits only.
 *
 *   ROW(name, status, end, bytes)                            status 200: answered by the handler
 *   LONG(name, status, end, before, fill, count, after)      `fill` (one character) `count` times in the middle
 *
 * end: KEEP (the connection serves another request), CLOSE (it closes behind the answer). A row is answered exactly
 * once.
 */
/* clang-format off */
#ifndef ROW
#error "define ROW and LONG first"
#endif

/* The request line. */
ROW("a plain request", 200, KEEP, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
ROW("one empty line before it", 200, KEEP, "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
ROW("two empty lines before it", 400, CLOSE, "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
ROW("a bare LF before it", 400, CLOSE, "\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
ROW("a space before the method", 400, CLOSE, " GET / HTTP/1.1\r\nHost: x\r\n\r\n")
ROW("two spaces before the target", 400, CLOSE, "GET  / HTTP/1.1\r\nHost: x\r\n\r\n")
ROW("two spaces behind the target", 400, CLOSE, "GET /  HTTP/1.1\r\nHost: x\r\n\r\n")
ROW("a tab instead of a space", 400, CLOSE, "GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n")
ROW("a tab in the target", 400, CLOSE, "GET /\t HTTP/1.1\r\nHost: x\r\n\r\n")
ROW("a space in the target", 400, CLOSE, "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n")
ROW("a space behind the version", 400, CLOSE, "GET / HTTP/1.1 \r\nHost: x\r\n\r\n")
ROW("no target", 400, CLOSE, "GET HTTP/1.1\r\nHost: x\r\n\r\n")
ROW("an empty target", 400, CLOSE, "GET  HTTP/1.1\r\nHost: x\r\n\r\n")
ROW("no method", 400, CLOSE, "/ HTTP/1.1\r\nHost: x\r\n\r\n")
ROW("a method with a colon", 400, CLOSE, "G:T / HTTP/1.1\r\nHost: x\r\n\r\n")
ROW("a method with a NUL", 400, CLOSE, "G\000T / HTTP/1.1\r\nHost: x\r\n\r\n")
LONG("a method without end", 400, CLOSE, "", 'A', 40, " / HTTP/1.1\r\nHost: x\r\n\r\n")
ROW("CONNECT", 400, CLOSE, "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n")
ROW("CONNECT with a path", 400, CLOSE, "CONNECT /x HTTP/1.1\r\nHost: x\r\n\r\n")
ROW("an asterisk as target", 400, CLOSE, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
ROW("an authority as target", 400, CLOSE, "GET x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n")
ROW("an absolute URL", 200, KEEP, "GET http://x/a HTTP/1.1\r\nHost: x\r\n\r\n")
ROW("an absolute URL without a path", 200, KEEP, "GET HTTP://x:80?q HTTP/1.1\r\nHost: x:80\r\n\r\n")
ROW("an absolute URL of another host", 400, CLOSE, "GET http://evil/a HTTP/1.1\r\nHost: x\r\n\r\n")
ROW("an absolute URL with a user", 400, CLOSE, "GET http://u@x/a HTTP/1.1\r\nHost: x\r\n\r\n")
ROW("an absolute URL without a host", 400, CLOSE, "GET http:///a HTTP/1.1\r\nHost: x\r\n\r\n")
ROW("another scheme", 400, CLOSE, "GET ftp://x/a HTTP/1.1\r\nHost: x\r\n\r\n")
ROW("a relative path", 400, CLOSE, "GET a/b HTTP/1.1\r\nHost: x\r\n\r\n")
ROW("a fragment", 400, CLOSE, "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n")
ROW("a NUL in the target", 400, CLOSE, "GET /a\000b HTTP/1.1\r\nHost: x\r\n\r\n")
ROW("a DEL in the target", 400, CLOSE, "GET /a\177b HTTP/1.1\r\nHost: x\r\n\r\n")
ROW("raw UTF-8 in the target", 400, CLOSE, "GET /\303\244 HTTP/1.1\r\nHost: x\r\n\r\n")
ROW("a CR in the request line", 400, CLOSE, "GET /a\rb HTTP/1.1\r\nHost: x\r\n\r\n")
ROW("a CR before the CRLF", 400, CLOSE, "GET / HTTP/1.1\r\r\nHost: x\r\n\r\n")
LONG("a target of 17 KB", 414, CLOSE, "GET /", 'a', 17408, " HTTP/1.1\r\nHost: x\r\n\r\n")
LONG("a target without end", 414, CLOSE, "GET /", 'a', 20000, "")
LONG("a target of 16 KB", 200, KEEP, "GET /", 'a', 16383, " HTTP/1.1\r\nHost: x\r\n\r\n")

/* Versions and other protocols. */
ROW("HTTP/1.0", 400, CLOSE, "GET / HTTP/1.0\r\nHost: x\r\n\r\n")
ROW("HTTP/1.0 with chunks", 400, CLOSE, "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
ROW("HTTP/0.9", 400, CLOSE, "GET /\r\n\r\n")
ROW("HTTP/0.9 by name", 400, CLOSE, "GET / HTTP/0.9\r\nHost: x\r\n\r\n")
ROW("HTTP/1.2", 400, CLOSE, "GET / HTTP/1.2\r\nHost: x\r\n\r\n")
ROW("HTTP/1.10", 400, CLOSE, "GET / HTTP/1.10\r\nHost: x\r\n\r\n")
ROW("HTTP/01.1", 400, CLOSE, "GET / HTTP/01.1\r\nHost: x\r\n\r\n")
ROW("HTTP/2.0", 400, CLOSE, "GET / HTTP/2.0\r\nHost: x\r\n\r\n")
ROW("the preface of HTTP/2", 400, CLOSE, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
ROW("http in small letters", 400, CLOSE, "GET / http/1.1\r\nHost: x\r\n\r\n")
ROW("ICE", 400, CLOSE, "SOURCE /x ICE/1.0\r\nHost: x\r\n\r\n")
ROW("RTSP", 400, CLOSE, "DESCRIBE rtsp://x/a RTSP/1.0\r\nCSeq: 1\r\n\r\n")
ROW("SIP", 400, CLOSE, "OPTIONS sip:a@b SIP/2.0\r\nHost: x\r\n\r\n")
ROW("a TLS client", 400, CLOSE, "\026\003\001\002\000\001\000\001\374\003\003")
ROW("SSH", 400, CLOSE, "SSH-2.0-OpenSSH_9.2\r\n")
ROW("binary noise", 400, CLOSE, "\377\376\000\001\r\n\r\n")

/* Line ends. */
ROW("LF alone behind the request line", 400, CLOSE, "GET / HTTP/1.1\nHost: x\r\n\r\n")
ROW("LF alone behind a header", 400, CLOSE, "GET / HTTP/1.1\r\nHost: x\n\r\n")
ROW("LF alone everywhere", 400, CLOSE, "GET / HTTP/1.1\nHost: x\n\n")
ROW("LF alone at the end of the head", 400, CLOSE, "GET / HTTP/1.1\r\nHost: x\r\n\n")
ROW("CR alone behind a header", 400, CLOSE, "GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n")
ROW("CR alone at the end of the head", 400, CLOSE, "GET / HTTP/1.1\r\nHost: x\r\n\rX")
ROW("CR CR LF", 400, CLOSE, "GET / HTTP/1.1\r\nHost: x\r\r\n\r\n")

/* Names and values. */
ROW("folding by a space", 400, CLOSE, "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n")
ROW("folding by a tab", 400, CLOSE, "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc\r\n\r\n")
ROW("folding of the first header", 400, CLOSE, "GET / HTTP/1.1\r\n Host: x\r\n\r\n")
ROW("folded chunked", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n")
ROW("a space before the colon", 400, CLOSE, "GET / HTTP/1.1\r\nHost : x\r\n\r\n")
ROW("a tab before the colon", 400, CLOSE, "GET / HTTP/1.1\r\nHost: x\r\nA\t: b\r\n\r\n")
ROW("a space in a name", 400, CLOSE, "GET / HTTP/1.1\r\nHost: x\r\nA B: c\r\n\r\n")
ROW("a NUL in a name", 400, CLOSE, "GET / HTTP/1.1\r\nHost: x\r\nA\000: b\r\n\r\n")
ROW("parentheses in a name", 400, CLOSE, "GET / HTTP/1.1\r\nHost: x\r\nA(): b\r\n\r\n")
ROW("UTF-8 in a name", 400, CLOSE, "GET / HTTP/1.1\r\nHost: x\r\nA\303\244: b\r\n\r\n")
ROW("an empty name", 400, CLOSE, "GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n")
ROW("a line without a colon", 400, CLOSE, "GET / HTTP/1.1\r\nHost: x\r\nnothing\r\n\r\n")
ROW("a NUL in a value", 400, CLOSE, "GET / HTTP/1.1\r\nHost: x\r\nA: b\000c\r\n\r\n")
ROW("an escape in a value", 400, CLOSE, "GET / HTTP/1.1\r\nHost: x\r\nA: b\033[0m\r\n\r\n")
ROW("a DEL in a value", 400, CLOSE, "GET / HTTP/1.1\r\nHost: x\r\nA: b\177\r\n\r\n")
ROW("a vertical tab around chunked", 400, CLOSE,
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \013chunked\r\n\r\n0\r\n\r\n")
ROW("an empty value", 200, KEEP, "GET / HTTP/1.1\r\nHost: x\r\nA:\r\n\r\n")
ROW("a tab and UTF-8 in a value", 200, KEEP, "GET / HTTP/1.1\r\nHost: x\r\nA:\tb\tc\303\244 \t\r\n\r\n")
LONG("a value of 60 KB", 200, KEEP, "GET / HTTP/1.1\r\nHost: x\r\nA: ", 'a', 61440, "\r\n\r\n")
LONG("a value of 110 KB", 431, CLOSE, "GET / HTTP/1.1\r\nHost: x\r\nA: ", 'a', 112640, "\r\n\r\n")
LONG("a name of 110 KB", 431, CLOSE, "GET / HTTP/1.1\r\nHost: x\r\n", 'a', 112640, ": b\r\n\r\n")

/* Host. */
ROW("no Host", 400, CLOSE, "GET / HTTP/1.1\r\nA: b\r\n\r\n")
ROW("no header at all", 400, CLOSE, "GET / HTTP/1.1\r\n\r\n")
ROW("two Hosts", 400, CLOSE, "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n")
ROW("the same Host twice", 400, CLOSE, "GET / HTTP/1.1\r\nHost: x\r\nhost: x\r\n\r\n")
ROW("an empty Host", 400, CLOSE, "GET / HTTP/1.1\r\nHost:\r\n\r\n")
ROW("a Host with a path", 400, CLOSE, "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n")
ROW("a Host with a user", 400, CLOSE, "GET / HTTP/1.1\r\nHost: a@x\r\n\r\n")
ROW("a Host with a space", 400, CLOSE, "GET / HTTP/1.1\r\nHost: x y\r\n\r\n")
ROW("a list of Hosts", 400, CLOSE, "GET / HTTP/1.1\r\nHost: x, y\r\n\r\n")
ROW("a Host with a bad port", 400, CLOSE, "GET / HTTP/1.1\r\nHost: x:8a\r\n\r\n")
ROW("a Host with too large a port", 400, CLOSE, "GET / HTTP/1.1\r\nHost: x:65536\r\n\r\n")
ROW("a Host with an empty port", 400, CLOSE, "GET / HTTP/1.1\r\nHost: x:\r\n\r\n")
ROW("a Host with an open bracket", 400, CLOSE, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n")
ROW("a Host that is IPv6", 200, KEEP, "GET / HTTP/1.1\r\nHost: [::1]:8317\r\n\r\n")
ROW("a Host that is IPv4", 200, KEEP, "GET / HTTP/1.1\r\nhOST: 127.0.0.1:8317\r\n\r\n")

/* Content-Length. */
ROW("two lengths", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")
ROW("the same length twice", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\ncontent-length: 1\r\n\r\na")
ROW("a list of lengths", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\na")
ROW("a negative length", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\na")
ROW("a length with a plus", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na")
ROW("a length in hex", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x1\r\n\r\na")
ROW("a length with a point", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1.0\r\n\r\na")
ROW("a length with a space inside", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1 1\r\n\r\na")
ROW("an empty length", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\na")
ROW("a length beyond 64 bits", 400, CLOSE,
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551617\r\n\r\na")
ROW("a length beyond the limit", 413, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 67108865\r\n\r\na")
ROW("leading zeros in a length", 200, KEEP, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0003\r\n\r\nabc")
ROW("GET with a body", 200, KEEP, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")

/* Transfer-Encoding. */
ROW("length and chunked", 400, CLOSE,
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
ROW("chunked and length", 400, CLOSE,
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n")
ROW("chunked twice", 400, CLOSE,
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
ROW("chunked, chunked", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n")
ROW("gzip, chunked", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")
ROW("chunked, identity", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n")
ROW("identity", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n")
ROW("xchunked", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n")
ROW("chunked in quotes", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n")
ROW("chunked with a parameter", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n")
ROW("an empty coding", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n\r\n")
ROW("chunked in capitals", 200, KEEP, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n")

/* Chunks. */
ROW("chunks", 200, KEEP, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n")
ROW("a chunk with an extension", 200, KEEP,
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=\"b\"\r\nabc\r\n00\r\n\r\n")
ROW("trailers", 200, KEEP,
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\nHost: evil\r\n\r\n")
ROW("no size", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\r\nabc\r\n0\r\n\r\n")
ROW("a size that is none", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n")
ROW("a size with 0x", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n")
ROW("a negative size", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n")
ROW("a size with a plus", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n")
ROW("a space before a size", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n 3\r\nabc\r\n0\r\n\r\n")
ROW("a space behind a size", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n")
ROW("a size of 17 digits", 400, CLOSE,
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n00000000000000003\r\nabc\r\n0\r\n\r\n")
ROW("a size that wraps around", 413, CLOSE,
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffe\r\nabc\r\n0\r\n\r\n")
ROW("a size beyond the limit", 413, CLOSE,
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4000001\r\nabc\r\n0\r\n\r\n")
ROW("LF behind a size", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n")
ROW("LF behind an extension", 400, CLOSE,
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a\nabc\r\n0\r\n\r\n")
ROW("CR without LF behind a size", 400, CLOSE,
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\rXabc\r\n0\r\n\r\n")
ROW("LF behind a chunk", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n")
ROW("a chunk longer than its size", 400, CLOSE,
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n")
ROW("a NUL in an extension", 400, CLOSE,
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a\000\r\nabc\r\n0\r\n\r\n")
LONG("an extension of 300 bytes", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;", 'a', 300,
     "\r\nabc\r\n0\r\n\r\n")
ROW("LF as a trailer's end", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\n\r\n")
ROW("LF as the last line", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\n")
ROW("a folded trailer", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n c\r\n\r\n")
ROW("a trailer that is a request", 400, CLOSE,
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nGET /evil HTTP/1.1\r\nHost: x\r\n\r\n")
LONG("a trailer of 9 KB", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: ", 'a', 9216,
     "\r\n\r\n")

/* Expectations, encodings, the end of a connection. */
ROW("another expectation", 417, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\na")
ROW("an expectation beside the good one", 417, CLOSE,
    "POST / HTTP/1.1\r\nHost: x\r\nExpect: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na")
ROW("brotli", 415, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\na")
ROW("three codings", 415, CLOSE,
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip, gzip\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\na")
ROW("gzip that is none", 400, CLOSE, "POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc")
ROW("gzip cut off", 400, CLOSE,
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\037\213\010\000")
ROW("a close that is asked for", 200, CLOSE, "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Close\r\n\r\n")
