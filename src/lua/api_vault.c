/* cliproxy.vault: see lua/cliproxy/_meta/vault.lua. Reading blocks for some microseconds. What waits for a lock or for
 * the disk happens on the thread pool while the task waits: one thing at a time and in order, so that the last one to
 * write an account is the one that counts, and the pool has threads for others. */
#include "base/limits.h"
#include "crypto/encode.h"
#include "lua/vm.h"
#include "net/work.h"
#include "store/vault.h"

#include <stdlib.h>

#define VAULT_TYPE   "cliproxy.vault"
#define OUTCOME_TYPE "cliproxy.vault.outcome"
#define NAMES_MAX    (4 * CPX_MB) /* of all accounts together, and of all warnings */

/* The vault is needed until the last operation on it is done, even when Lua has forgotten it. */
typedef struct shared {
  cpx_vault *vault;
  int refs;       /* counted by the loop's thread alone */
  cpx_list queue; /* of operations; the first one is under way */
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
  cpx_list_init(&s->queue);
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

/* -- What happens on the thread pool ------------------------------------------------------------------------------ */

enum kind { WRITE, REMOVE, LIST };

/* How it went. */
typedef struct outcome {
  int err;
  cpx_vault_fault fault;
  cpx_buf names, warnings; /* LIST: each with a NUL behind it, which none of them holds */
  int lost;                /* warnings that found no room */
} outcome;

typedef struct operation {
  cpx_work work;
  cpx_list node;
  shared *shared;
  cpx_task *task;        /* NULL: it was cancelled, */
  outcome *told, result; /* and `told`, on its stack, is gone */
  enum kind kind;
  cpx_slice provider, account, text; /* in `bytes` */
  size_t size;
  char bytes[];
} operation;

static void init_outcome(outcome *o) {
  *o = (outcome){.err = 0};
  cpx_buf_init(&o->names, NAMES_MAX);
  cpx_buf_init(&o->warnings, NAMES_MAX);
}

static void deinit_outcome(outcome *o) {
  cpx_buf_deinit(&o->names);
  cpx_buf_deinit(&o->warnings);
}

static int gc_outcome(lua_State *L) {
  deinit_outcome(lua_touserdata(L, 1));
  return 0;
}

static int on_account(void *user, cpx_slice provider, cpx_slice account) {
  outcome *o = user;
  int err = cpx_buf_add_slice(&o->names, provider);
  if (!err) err = cpx_buf_add(&o->names, "", 1);
  if (!err) err = cpx_buf_add_slice(&o->names, account);
  if (!err) err = cpx_buf_add(&o->names, "", 1);
  if (err) (void)snprintf(o->fault.text, sizeof o->fault.text, "the accounts' names: %s", cpx_error_text(err));
  return err;
}

static void on_warning(void *user, const char *text) {
  outcome *o = user;
  if (cpx_buf_add(&o->warnings, text, strlen(text) + 1)) o->lost++;
}

static void run(cpx_work *work) {
  operation *op = CPX_CONTAINER(work, operation, work);
  const cpx_vault *vault = op->shared->vault;
  outcome *o = &op->result;
  cpx_vault_visitor visitor = {on_account, on_warning, o};
  switch (op->kind) {
  case WRITE: o->err = cpx_vault_write(vault, op->provider, op->account, op->text, &o->fault); break;
  case REMOVE: o->err = cpx_vault_remove(vault, op->provider, op->account, &o->fault); break;
  case LIST: o->err = cpx_vault_visit(vault, &visitor, &o->fault); break;
  }
}

/* Pushes the string at `*at` and goes behind it. */
static void push_next(lua_State *L, const cpx_buf *strings, size_t *at) {
  const char *text = strings->data + *at;
  size_t n = strlen(text);
  lua_pushlstring(L, text, n);
  *at += n + 1;
}

static int push_listing(lua_State *L, const outcome *o) {
  lua_newtable(L);
  size_t at = 0;
  for (int i = 1; at < o->names.len; i++) {
    lua_createtable(L, 0, 2);
    push_next(L, &o->names, &at);
    lua_setfield(L, -2, "provider");
    push_next(L, &o->names, &at);
    lua_setfield(L, -2, "account");
    lua_rawseti(L, -2, i);
  }
  lua_newtable(L);
  at = 0;
  int count = 0;
  while (at < o->warnings.len) {
    push_next(L, &o->warnings, &at);
    lua_rawseti(L, -2, ++count);
  }
  if (o->lost) {
    lua_pushfstring(L, "%d more files were found to be like these", o->lost);
    lua_rawseti(L, -2, ++count);
  }
  return 2;
}

static int push_changed(lua_State *L, void *ud) {
  const outcome *o = ud;
  if (o->err) return push_failure(L, o->err, o->fault.text);
  lua_pushboolean(L, 1);
  return 1;
}

static int push_listed(lua_State *L, void *ud) {
  const outcome *o = ud;
  return o->err ? push_failure(L, o->err, o->fault.text) : push_listing(L, o);
}

static void free_operation(operation *op) {
  deinit_outcome(&op->result);
  unref(op->shared);
  cpx_cleanse(op->bytes, op->size);
  free(op);
}

static void start_first(shared *s, cpx_loop *loop) {
  if (!cpx_list_empty(&s->queue)) cpx_work_start(loop, &CPX_CONTAINER(s->queue.next, operation, node)->work);
}

static void on_done(cpx_work *work) {
  operation *op = CPX_CONTAINER(work, operation, work);
  cpx_task *task = op->task;
  outcome *told = op->told;
  int (*push)(lua_State *, void *) = op->kind == LIST ? push_listed : push_changed;
  if (task) {
    *told = op->result;
    init_outcome(&op->result); /* the lists are `told`'s now */
  }
  cpx_list_remove(&op->node);
  start_first(op->shared, work->loop);
  free_operation(op);
  if (task) cpx_task_wake(task, push, told);
}

/* What was begun goes on: half a sign-in is none. */
static void cancel(void *ud) {
  operation *op = ud;
  op->task = NULL;
  op->told = NULL;
}

static cpx_slice keep(char **at, cpx_slice s) {
  cpx_slice kept = {*at, s.n};
  if (s.n) memcpy(*at, s.p, s.n);
  *at += s.n;
  return kept;
}

static outcome *new_told(lua_State *L) {
  outcome *told = lua_newuserdata(L, sizeof *told);
  init_outcome(told);
  luaL_getmetatable(L, OUTCOME_TYPE);
  lua_setmetatable(L, -2);
  return told;
}

static int start(lua_State *L, enum kind kind, const char *what, cpx_slice provider, cpx_slice account,
                 cpx_slice text) {
  shared *s = check_vault(L);
  cpx_task *task = cpx_task_check(L, what);
  outcome *told = new_told(L);
  size_t size = provider.n + account.n + text.n;
  operation *op = calloc(1, sizeof *op + size);
  if (!op) return luaL_error(L, "%s: out of memory", what);
  char *at = op->bytes;
  op->work.run = run;
  op->work.done = on_done;
  op->kind = kind;
  op->size = size;
  op->provider = keep(&at, provider);
  op->account = keep(&at, account);
  op->text = keep(&at, text);
  op->task = task;
  op->told = told;
  op->shared = s;
  s->refs++;
  init_outcome(&op->result);
  bool first = cpx_list_empty(&s->queue);
  cpx_list_push(&s->queue, &op->node);
  if (first) start_first(s, cpx_vm_loop(cpx_vm_of(L)));
  return cpx_task_wait(L, cancel, op);
}

static const cpx_slice none = {"", 0};

static int vault_write(lua_State *L) {
  return start(L, WRITE, "vault:write", check_slice(L, 2), check_slice(L, 3), check_slice(L, 4));
}

static int vault_remove(lua_State *L) {
  return start(L, REMOVE, "vault:remove", check_slice(L, 2), check_slice(L, 3), none);
}

static int vault_list(lua_State *L) {
  return start(L, LIST, "vault:list", none, none, none);
}

int cpx_open_vault(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"read", vault_read}, {"write", vault_write}, {"remove", vault_remove}, {"list", vault_list}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"open", open_vault}, {NULL, NULL}};
  luaL_newmetatable(L, OUTCOME_TYPE);
  lua_pushcfunction(L, gc_outcome);
  lua_setfield(L, -2, "__gc");
  luaL_newmetatable(L, VAULT_TYPE);
  lua_pushcfunction(L, gc);
  lua_setfield(L, -2, "__gc");
  lua_pushliteral(L, "a vault"); /* getmetatable() gives no more */
  lua_setfield(L, -2, "__metatable");
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 2);
  luaL_newlib(L, functions);
  return 1;
}
