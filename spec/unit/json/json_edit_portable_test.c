/* The tests of json_edit_test.c over the portable twin of the string scan: parser and string writer are compiled once
 * more, without SSE2. */
#define CPX_JSON_PORTABLE 1
#include "json_edit_test.c"
#include "json/parse.c"
#include "json/string.c"
