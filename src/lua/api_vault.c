/* cliproxy.vault: see lua/cliproxy/_meta/vault.lua. Reading blocks for some microseconds; writing, which syncs, happens
 * on the thread pool while the task waits. */
#include "base/limits.h"
#include "crypto/encode.h"
#include "lua/vm.h"
#include "net/work.h"
#include "store/vault.h"

#include <stdlib.h>

#define VAULT_TYPE "cliproxy.vault"
#define NAMES_MAX  (4 * CPX_MB) /* of all accounts together, and of all warnings */

/* The vault is needed until the last work on it is done, even when Lua has forgotten it. The loop's thread alone
 * counts. */
typedef struct shared {
  cpx_vault *vault;
  int refs;
} shared;

typedef struct holder {
  shared *shared;
} holder;

static void unref(shared *s) {
  if (s && --s->refs == 0) {
    cpx_vault_free(s->vault);
    free(s);
  }
}

static int gc(lua_State *L) {
  holder *h = lua_touserdata(L, 1);
  unref(h->shared);
  h->shared = NULL;
  return 0;
}

static shared *check_vault(lua_State *L) {
  const holder *h = luaL_checkudata(L, 1, VAULT_TYPE);
  return h->shared;
}

static cpx_slice check_slice(lua_State *L, int index) {
  cpx_slice s;
  s.p = luaL_checklstring(L, index, &s.n);
  return s;
}

static int push_failure(lua_State *L, int err, const char *text) {
  lua_pushnil(L);
  lua_pushstring(L, text);
  lua_pushstring(L, cpx_error_name(err));
  return 3;
}

/* -- Opening ------------------------------------------------------------------------------------------------------ */

static int decode_key(cpx_slice text, unsigned char key[CPX_AEAD_KEY], cpx_vault_fault *fault) {
  cpx_buf bytes;
  cpx_buf_init(&bytes, CPX_VAULT_KEY_DIGITS);
  int err = text.n == CPX_VAULT_KEY_DIGITS ? cpx_hex_decode(text, &bytes) : CPX_ESYNTAX;
  if (!err) memcpy(key, bytes.data, CPX_AEAD_KEY);
  cpx_buf_cleanse(&bytes);
  if (err) (void)snprintf(fault->text, sizeof fault->text, "a key is %lu hexadecimal digits", CPX_VAULT_KEY_DIGITS);
  return err;
}

static const char *string_field(lua_State *L, const char *name, size_t *len) {
  lua_getfield(L, 1, name);
  return lua_isnil(L, -1) ? NULL : luaL_checklstring(L, -1, len);
}

static bool flag(lua_State *L, const char *name) {
  lua_getfield(L, 1, name);
  return lua_toboolean(L, -1);
}

static int open_vault(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  size_t key_len = 0;
  const char *folder = string_field(L, "folder", NULL), *key_text = string_field(L, "key", &key_len);
  const char *key_file = string_field(L, "key_file", NULL);
  bool plain = flag(L, "plain"), makes = flag(L, "make_key");
  luaL_argcheck(L, folder != NULL, 1, "a folder is needed");
  luaL_argcheck(L, plain || key_text || key_file, 1, "key, key_file or plain is needed");
  holder *h = lua_newuserdata(L, sizeof *h);
  h->shared = NULL;
  luaL_getmetatable(L, VAULT_TYPE);
  lua_setmetatable(L, -2);
  unsigned char key[CPX_AEAD_KEY];
  cpx_vault_fault fault;
  int err = 0;
  if (!plain && key_text)
    err = decode_key(cpx_slice_of(key_text, key_len), key, &fault);
  else if (!plain)
    err = makes ? cpx_vault_key_make(key_file, key, &fault) : cpx_vault_key_read(key_file, key, &fault);
  bool has_key = !err;
  shared *s = err ? NULL : calloc(1, sizeof *s);
  if (!err && !s) err = CPX_ENOMEM;
  if (!err) err = cpx_vault_new(folder, plain ? NULL : key, &s->vault);
  cpx_cleanse(key, sizeof key);
  if (err) {
    free(s);
    return push_failure(L, err, has_key ? "the token folder's path is too long, or memory is out" : fault.text);
  }
  s->refs = 1;
  h->shared = s;
  return 1;
}

/* -- Reading ------------------------------------------------------------------------------------------------------ */

static int push_text(lua_State *L) {
  const cpx_buf *text = lua_touserdata(L, 1);
  lua_pushlstring(L, text->len ? text->data : "", text->len);
  return 1;
}

static int vault_read(lua_State *L) {
  const shared *s = check_vault(L);
  cpx_slice provider = check_slice(L, 2), account = check_slice(L, 3);
  lua_pushcfunction(L, push_text); /* first, so that running out of memory here leaks nothing */
  cpx_buf text;
  cpx_vault_fault fault;
  cpx_buf_init(&text, CPX_TOKEN_MAX + 1);
  int err = cpx_vault_read(s->vault, provider, account, &text, &fault);
  int failed = 0;
  if (!err) {
    lua_pushlightuserdata(L, &text);
    failed = lua_pcall(L, 1, 1, 0);
  }
  cpx_buf_cleanse(&text);
  if (err) return push_failure(L, err, fault.text);
  return failed ? lua_error(L) : 1;
}

/* Names and warnings, each with a NUL behind it, which none of them holds. */
typedef struct listing {
  cpx_buf names, warnings;
  int lost; /* warnings that found no room */
} listing;

static int on_account(void *user, cpx_slice provider, cpx_slice account) {
  listing *l = user;
  int err = cpx_buf_add_slice(&l->names, provider);
  if (!err) err = cpx_buf_add(&l->names, "", 1);
  if (!err) err = cpx_buf_add_slice(&l->names, account);
  return err ? err : cpx_buf_add(&l->names, "", 1);
}

static void on_warning(void *user, const char *text) {
  listing *l = user;
  if (cpx_buf_add(&l->warnings, text, strlen(text) + 1)) l->lost++;
}

/* Pushes the string at `*at` and goes behind it. */
static void push_next(lua_State *L, const cpx_buf *strings, size_t *at) {
  const char *text = strings->data + *at;
  size_t n = strlen(text);
  lua_pushlstring(L, text, n);
  *at += n + 1;
}

static int push_listing(lua_State *L) {
  const listing *l = lua_touserdata(L, 1);
  lua_newtable(L);
  size_t at = 0;
  for (int i = 1; at < l->names.len; i++) {
    lua_createtable(L, 0, 2);
    push_next(L, &l->names, &at);
    lua_setfield(L, -2, "provider");
    push_next(L, &l->names, &at);
    lua_setfield(L, -2, "account");
    lua_rawseti(L, -2, i);
  }
  lua_newtable(L);
  at = 0;
  int count = 0;
  while (at < l->warnings.len) {
    push_next(L, &l->warnings, &at);
    lua_rawseti(L, -2, ++count);
  }
  if (l->lost) {
    lua_pushfstring(L, "%d more files were found to be like these", l->lost);
    lua_rawseti(L, -2, ++count);
  }
  return 2;
}

static int vault_list(lua_State *L) {
  const shared *s = check_vault(L);
  lua_pushcfunction(L, push_listing);
  listing l = {.lost = 0};
  cpx_buf_init(&l.names, NAMES_MAX);
  cpx_buf_init(&l.warnings, NAMES_MAX);
  cpx_vault_fault fault = {.text = "there are too many accounts"};
  cpx_vault_visitor visitor = {on_account, on_warning, &l};
  int err = cpx_vault_visit(s->vault, &visitor, &fault);
  int failed = 0;
  if (!err) {
    lua_pushlightuserdata(L, &l);
    failed = lua_pcall(L, 1, 2, 0);
  }
  cpx_buf_deinit(&l.names);
  cpx_buf_deinit(&l.warnings);
  if (err) return push_failure(L, err, fault.text);
  return failed ? lua_error(L) : 2;
}

/* -- Writing ------------------------------------------------------------------------------------------------------ */

/* How it went, in memory on the waiting task's stack. */
typedef struct outcome {
  int err;
  cpx_vault_fault fault;
} outcome;

typedef struct change {
  cpx_work work;
  shared *shared;
  cpx_task *task;   /* NULL: it was cancelled, */
  outcome *outcome; /* and this is gone */
  bool removes;
  cpx_slice provider, account, text; /* in `bytes` */
  outcome result;
  size_t size;
  char bytes[];
} change;

static void run_change(cpx_work *work) {
  change *c = CPX_CONTAINER(work, change, work);
  const cpx_vault *vault = c->shared->vault;
  c->result.err = c->removes ? cpx_vault_remove(vault, c->provider, c->account, &c->result.fault)
                             : cpx_vault_write(vault, c->provider, c->account, c->text, &c->result.fault);
}

static int push_outcome(lua_State *L, void *ud) {
  const outcome *o = ud;
  if (o->err) return push_failure(L, o->err, o->fault.text);
  lua_pushboolean(L, 1);
  return 1;
}

static void free_change(change *c) {
  unref(c->shared);
  cpx_cleanse(c->bytes, c->size);
  free(c);
}

static void on_change_done(cpx_work *work) {
  change *c = CPX_CONTAINER(work, change, work);
  cpx_task *task = c->task;
  outcome *o = c->outcome;
  if (task) *o = c->result;
  free_change(c);
  if (task) cpx_task_wake(task, push_outcome, o);
}

/* What was begun goes on: half a sign-in is none. */
static void cancel_change(void *ud) {
  change *c = ud;
  c->task = NULL;
  c->outcome = NULL;
}

static cpx_slice keep(char **at, cpx_slice s) {
  cpx_slice kept = {*at, s.n};
  if (s.n) memcpy(*at, s.p, s.n);
  *at += s.n;
  return kept;
}

static int start_change(lua_State *L, const char *what, cpx_slice text, bool removes) {
  shared *s = check_vault(L);
  cpx_slice provider = check_slice(L, 2), account = check_slice(L, 3);
  cpx_task *task = cpx_task_check(L, what);
  outcome *o = lua_newuserdata(L, sizeof *o);
  size_t size = provider.n + account.n + text.n;
  change *c = calloc(1, sizeof *c + size);
  if (!c) return luaL_error(L, "%s: out of memory", what);
  char *at = c->bytes;
  c->work.run = run_change;
  c->work.done = on_change_done;
  c->size = size;
  c->provider = keep(&at, provider);
  c->account = keep(&at, account);
  c->text = keep(&at, text);
  c->removes = removes;
  c->task = task;
  c->outcome = o;
  c->shared = s;
  s->refs++;
  if (cpx_work_start(cpx_vm_loop(cpx_vm_of(L)), &c->work)) {
    free_change(c);
    return luaL_error(L, "%s: no thread can do it", what);
  }
  return cpx_task_wait(L, cancel_change, c);
}

static int vault_write(lua_State *L) {
  return start_change(L, "vault:write", check_slice(L, 4), false);
}

static int vault_remove(lua_State *L) {
  return start_change(L, "vault:remove", cpx_slice_of("", 0), true);
}

int cpx_open_vault(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"read", vault_read}, {"write", vault_write}, {"remove", vault_remove}, {"list", vault_list}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"open", open_vault}, {NULL, NULL}};
  luaL_newmetatable(L, VAULT_TYPE);
  lua_pushcfunction(L, gc);
  lua_setfield(L, -2, "__gc");
  lua_pushliteral(L, "a vault"); /* getmetatable() gives no more */
  lua_setfield(L, -2, "__metatable");
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
