/* The tests of json_string_scan_test.c over the portable twin of the string scan. */
#define CPX_JSON_PORTABLE 1
#include "json_string_scan_test.c"
#include "json/parse.c"
