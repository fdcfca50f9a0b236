/* json.h - a JSON document kept as its bytes and a tape of offsets: read lazily, edited by splicing, encoded without loss. */
#ifndef CPX_JSON_JSON_H
#define CPX_JSON_JSON_H
#endif
