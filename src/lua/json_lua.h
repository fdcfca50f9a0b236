/* json_lua.h - JSON documents as Lua values, for the other bindings.
 *
 * A node in Lua is a userdata that holds its document through the first one, the root. That has one hold; it goes
 * when the document is closed or the last node is collected. Documents of requests are closed by their owner, never
 * left to the collector.
 *
 * Errors: functions that say so raise (Lua errors: call them protected); the others return 0 or CPX_E* and raise only
 * when Lua is out of memory.
 */
#ifndef CPX_LUA_JSON_LUA_H
#define CPX_LUA_JSON_LUA_H

#include "json/json.h"

#include <lua.h>

/* Pushes what reading `node` gives: a string, a boolean, a number that a double holds exactly, json.null, or a node
 * (object, array, other numbers); nil for CPX_JSON_NONE. Takes a hold of its own. Push the root once and keep the
 * value: each push makes a new root. Needs cpx_open_json before. */
void cpx_json_push(lua_State *L, cpx_json_doc *doc, cpx_json_node node);

/* Is the value at `index` a node? Then its document (borrowed as long as the value is on the stack) and number. Raises
 * when the document is closed. */
bool cpx_json_test(lua_State *L, int index, cpx_json_doc **doc, cpx_json_node *node);

/* Closes the document of the node at `index`, for all its nodes; harmless on all else and when closed. */
void cpx_json_close_value(lua_State *L, int index);

/* Adds the JSON text of any value (node, table, string, …) to `out`. On failure the message is pushed, `out` as it was.
 */
CPX_MUST_CHECK int cpx_json_encode_value(lua_State *L, int index, cpx_buf *out);

#endif
