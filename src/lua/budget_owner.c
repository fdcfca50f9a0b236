/* Whose budget pays: the owners of slices, the messages that name them, and cliproxy.budget. */
#include "lua/vm_internal.h"

#include <stdio.h>
#include <string.h>

/* -- Owners ----------------------------------------------------------------------------------------------------- */

/* Free slots of the table hold the number of the next free one, as luaL_ref does it. */
void cpx_owner_push(lua_State *L, cpx_vm *vm, cpx_owners *owners) {
  if (owners->depth == CPX_OWNERS_MAX) luaL_error(L, "budget.call is nested more than %d deep", CPX_OWNERS_MAX);
  lua_rawgeti(L, LUA_REGISTRYINDEX, vm->owners_ref);
  int slot = vm->slot_free, next = 0;
  if (slot) {
    lua_rawgeti(L, -1, slot);
    next = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
  } else {
    slot = vm->slot_top + 1;
  }
  lua_insert(L, -2);
  lua_rawseti(L, -2, slot); /* may raise: nothing is changed before */
  lua_pop(L, 1);
  vm->slot_free = next;
  if (slot > vm->slot_top) vm->slot_top = slot;
  owners->slot[owners->depth++] = slot;
}

void cpx_owner_pop(lua_State *L, cpx_vm *vm, cpx_owners *owners) {
  int slot = owners->slot[--owners->depth];
  lua_rawgeti(L, LUA_REGISTRYINDEX, vm->owners_ref);
  lua_pushinteger(L, vm->slot_free);
  lua_rawseti(L, -2, slot);
  lua_pop(L, 1);
  vm->slot_free = slot;
}

void cpx_owner_get(lua_State *L, cpx_vm *vm, const cpx_owners *owners) {
  if (owners->depth == 0) {
    lua_pushnil(L);
    return;
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, vm->owners_ref);
  lua_rawgeti(L, -1, owners->slot[owners->depth - 1]);
  lua_remove(L, -2);
}

/* -- Messages --------------------------------------------------------------------------------------------------- */

static bool is_core(const cpx_vm *vm, const char *source) {
  size_t n = strlen(vm->root);
  return source[0] == '@' && strncmp(source + 1, vm->root, n) == 0 &&
         strncmp(source + 1 + n, "/lua/cliproxy/", 14) == 0;
}

/* Only up to the slice's own entry: what called that is the core. A script that left by a tail call has no line. */
void cpx_script_where(const cpx_vm *vm, lua_State *L, char *out, size_t n) {
  lua_Debug ar;
  out[0] = '\0';
  for (int level = 0; level < 100 && lua_getstack(L, level, &ar); level++) {
    if (!lua_getinfo(L, "Sl", &ar) || strcmp(ar.source, "=cliproxy.budget") == 0) return;
    if (ar.currentline <= 0 || ar.source[0] != '@' || is_core(vm, ar.source)) continue;
    (void)snprintf(out, n, "%s:%d", ar.short_src, ar.currentline);
    return;
  }
}

/* Length of a leading "file:line: ", 0 if there is none. */
static size_t position_prefix(const char *text) {
  for (const char *p = strchr(text, ':'); p && p - text < 200; p = strchr(p + 1, ':')) {
    size_t digits = strspn(p + 1, "0123456789");
    if (digits && p[1 + digits] == ':' && p[2 + digits] == ' ') return (size_t)(p - text) + digits + 3;
  }
  return 0;
}

/* The owner's name without its script: "shape()" of "providers/x.lua: shape()"; "" when the two are the same. */
static const char *owner_label(const char *name, const char *script) {
  size_t n = strlen(script);
  if (!n || strncmp(name, script, n) != 0) return name;
  if (name[n] == ':' && name[n + 1] == ' ') return name + n + 2;
  return name[n] ? name : "";
}

/* Never through __tostring: that would be the script's code, outside its slice. */
static void to_text(lua_State *L) {
  if (!lua_tostring(L, -1)) lua_pushfstring(L, "raised a %s instead of a text", luaL_typename(L, -1));
}

static const char *field(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  const char *s = lua_tostring(L, -1);
  return s ? s : "";
}

/* "file:line: shape(): ran for 50 ms without waiting". Slices around the guilty one get the same text. */
static void push_over(lua_State *L, cpx_meter *m, const char *name, const char *label, int over) {
  if (!m->message[0]) {
    bool placed = m->where[0];
    const char *who = placed ? label : name;
    int n =
        snprintf(m->message, sizeof m->message, "%s%s%.120s%s", m->where, placed ? ": " : "", who, who[0] ? ": " : "");
    size_t at = n > 0 ? (size_t)n : 0, room = sizeof m->message - at;
    if (over & CPX_OVER_MEM)
      (void)snprintf(m->message + at, room, "more than %d MB of new memory", (int)(CPX_SLICE_MEM / CPX_MB));
    else
      (void)snprintf(m->message + at, room, "ran for %d ms without waiting", CPX_SLICE_CPU_MS);
  }
  lua_pushstring(L, m->message);
}

static void push_labelled(lua_State *L, const char *text, const char *name, const char *label) {
  size_t at = position_prefix(text), n = strlen(label);
  /* Named already: a child task of the same owner failed, and its message was raised again. */
  bool named = n && strncmp(text + at, label, n) == 0 && text[at + n] == ':';
  if (at && (named || !n)) {
    lua_pushstring(L, text);
  } else if (at) {
    lua_pushlstring(L, text, at);
    lua_pushfstring(L, "%s%s: %s", lua_tostring(L, -1), label, text + at);
  } else {
    lua_pushfstring(L, "%s: %s", name, text);
  }
}

void cpx_owner_message(lua_State *L, cpx_vm *vm, const cpx_owners *owners, int over) {
  int value = lua_gettop(L);
  cpx_owner_get(L, vm, owners);
  if (lua_istable(L, -1)) {
    const char *name = field(L, value + 1, "name"), *label = owner_label(name, field(L, value + 1, "script"));
    lua_pushvalue(L, value);
    to_text(L);
    if (over)
      push_over(L, &vm->meter, name, label, over);
    else
      push_labelled(L, lua_tostring(L, -1), name, label);
    lua_replace(L, value);
  }
  lua_settop(L, value);
  to_text(L);
  if (lua_gettop(L) > value) lua_replace(L, value);
}

/* -- cliproxy.budget -------------------------------------------------------------------------------------------- */

static int enter(lua_State *L) {
  cpx_vm *vm = cpx_vm_of(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  cpx_owner_push(L, vm, vm->owners);
  if (vm->owners->depth == 1) cpx_slice_begin(vm);
  return 0;
}

/* A slice inside a slice goes on with the outer one's budget: only the outermost begins and ends it. */
static int leave(lua_State *L) {
  cpx_vm *vm = cpx_vm_of(L);
  cpx_owners *owners = vm->owners;
  int over = owners->depth == 1 ? cpx_slice_end(vm) : vm->meter.over;
  if (!lua_toboolean(L, 1)) {
    lua_settop(L, 2);
    cpx_owner_message(L, vm, owners, over);
  }
  cpx_owner_pop(L, vm, owners);
  return lua_gettop(L);
}

/* In Lua, since LuaJIT's pcall lets a wait through and lua_pcall does not. */
static const char call_source[] = "local enter, leave, pcall = ...\n"
                                  "return function(owner, fn, ...)\n"
                                  "  enter(owner)\n"
                                  "  return leave(pcall(fn, ...))\n"
                                  "end\n";

static int counts(lua_State *L) {
  cpx_vm *vm = cpx_vm_of(L);
  lua_createtable(L, 0, 2);
  lua_pushnumber(L, (double)vm->meter.slices);
  lua_setfield(L, -2, "slices");
  lua_pushnumber(L, (double)vm->meter.overruns);
  lua_setfield(L, -2, "overruns");
  return 1;
}

static int memory(lua_State *L) {
  cpx_vm *vm = cpx_vm_of(L);
  lua_pushnumber(L, (double)vm->bytes);
  lua_pushboolean(L, cpx_vm_over_soft_limit(vm));
  return 2;
}

static int collect(lua_State *L) {
  if (lua_toboolean(L, 1))
    lua_gc(L, LUA_GCCOLLECT, 0);
  else
    cpx_gc_start(cpx_vm_of(L));
  return 0;
}

static int owner(lua_State *L) {
  cpx_vm *vm = cpx_vm_of(L);
  cpx_owner_get(L, vm, vm->owners);
  return 1;
}

int cpx_open_budget(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"counts", counts}, {"memory", memory}, {"collect", collect}, {"owner", owner}, {NULL, NULL}};
  luaL_newlib(L, functions);
  if (luaL_loadbufferx(L, call_source, sizeof call_source - 1, "=cliproxy.budget", "t")) lua_error(L);
  lua_pushcfunction(L, enter);
  lua_pushcfunction(L, leave);
  lua_getglobal(L, "pcall");
  lua_call(L, 3, 1);
  lua_setfield(L, -2, "call");
  return 1;
}
