/* Going through a vault's folder: which accounts there are, whose rights are too wide, what killed writers left. */
#include "store/vault.h"

#include "store/internal.h"
#include "store/lock.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct walk {
  const cpx_vault_visitor *visitor;
  const char *provider; /* as its folder is called */
  cpx_vault_fault *fault;
} walk;

static int visit_folder(walk *w, const char *path, int (*visit)(walk *w, const char *path, const char *name));

static void warn(const walk *w, const char *format, const char *path, unsigned mode) {
  char text[PATH_MAX + 200];
  if (!w->visitor->warning) return;
  (void)snprintf(text, sizeof text, format, path, mode);
  w->visitor->warning(w->visitor->user, text);
}

/* Takes all rights from others, and says so: somebody may have read these files already. */
static void close_to_others(const walk *w, const char *path, const struct stat *st) {
  if ((st->st_mode & 077) == 0) return;
  unsigned mode = st->st_mode & 07777;
  if (chmod(path, st->st_mode & 0700) == 0)
    warn(w, "%s could be read or changed by others (mode %04o); it no longer can", path, mode);
  else
    warn(w, "%s can be read or changed by others (mode %04o), and that cannot be mended: run chmod go-rwx on it", path,
         mode);
}

static bool ends_with(cpx_slice s, cpx_slice end) {
  return s.n > end.n && memcmp(s.p + s.n - end.n, end.p, end.n) == 0;
}

static int tell(const walk *w, cpx_slice provider, cpx_slice account) {
  cpx_buf folder, name;
  cpx_buf_init(&folder, PATH_MAX);
  cpx_buf_init(&name, PATH_MAX);
  int err = cpx_token_name_decode(provider, &folder);
  if (!err) err = cpx_token_name_decode(account, &name);
  if (err == CPX_ESYNTAX)
    err = 0; /* a name that is none of ours */
  else if (err)
    (void)cpx_vault_fail(w->fault, err, "%s", cpx_error_text(err));
  else
    err = w->visitor->account(w->visitor->user, cpx_buf_slice(&folder), cpx_buf_slice(&name));
  cpx_buf_deinit(&folder);
  cpx_buf_deinit(&name);
  return err;
}

static int visit_file(walk *w, const char *path, const char *name) {
  struct stat st;
  if (lstat(path, &st) != 0) return errno == ENOENT ? 0 : cpx_vault_fail_errno(w->fault, "look at", path, errno);
  cpx_slice file = cpx_slice_str(name);
  if (S_ISREG(st.st_mode) && *name == '.' && ends_with(file, CPX_SLICE(".tmp"))) {
    (void)unlink(path); /* the lock is ours: nobody is writing it */
    return 0;
  }
  if (!ends_with(file, CPX_SLICE(CPX_TOKEN_SUFFIX))) return 0;
  if (!S_ISREG(st.st_mode)) {
    warn(w, "%s is no file of its own (mode %07o) and is left out", path, st.st_mode);
    return 0;
  }
  close_to_others(w, path, &st);
  file.n -= sizeof CPX_TOKEN_SUFFIX - 1;
  return tell(w, cpx_slice_str(w->provider), file);
}

static int visit_provider(walk *w, const char *path, const char *name) {
  struct stat st;
  if (*name == '.') return 0;
  if (stat(path, &st) != 0) return errno == ENOENT ? 0 : cpx_vault_fail_errno(w->fault, "look at", path, errno);
  if (!S_ISDIR(st.st_mode)) return 0;
  close_to_others(w, path, &st);
  w->provider = name;
  return visit_folder(w, path, visit_file);
}

/* Hands each name in a folder to `visit`. */
static int visit_folder(walk *w, const char *path, int (*visit)(walk *w, const char *path, const char *name)) {
  DIR *folder = opendir(path);
  if (!folder) return cpx_vault_fail_errno(w->fault, "list", path, errno);
  int err = 0;
  while (!err) {
    char below[PATH_MAX];
    errno = 0;
    const struct dirent *entry = readdir(folder);
    if (!entry) {
      if (errno) err = cpx_vault_fail_errno(w->fault, "list", path, errno);
      break;
    }
    if (snprintf(below, sizeof below, "%s/%s", path, entry->d_name) < (int)sizeof below)
      err = visit(w, below, entry->d_name);
  }
  closedir(folder);
  return err;
}

int cpx_vault_visit(const cpx_vault *vault, const cpx_vault_visitor *visitor, cpx_vault_fault *fault) {
  const char *root = cpx_vault_folder(vault);
  walk w = {.visitor = visitor, .fault = fault};
  struct stat st;
  if (stat(root, &st) != 0) return errno == ENOENT ? 0 : cpx_vault_fail_errno(fault, "look at", root, errno);
  close_to_others(&w, root, &st);
  int lock = -1;
  int err = cpx_store_lock(root, &lock, fault);
  if (!err) err = visit_folder(&w, root, visit_provider);
  cpx_store_unlock(lock);
  return err;
}
