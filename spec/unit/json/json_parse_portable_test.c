/* The tests of json_parse_test.c over the portable twin of the string scan: the
 * parser is compiled once more, without SSE2. */
#define CPX_JSON_PORTABLE 1
#include "json_parse_test.c"
#include "json/parse.c"
