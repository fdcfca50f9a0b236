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
} walk;

static void warn(const walk *w, const char *format, const char *path, unsigned mode) {
  char text[PATH_MAX + 200];
  if (!w->visitor->warning) return;
  (void)snprintf(text, sizeof text, format, path, mode);
  w->visitor->warning(w->visitor->user, text);
}

/* Others may not read what lies here; who may was told to others for a while, which the user should know. */
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
  int err = 0;
  if (cpx_token_name_decode(provider, &folder) == 0 && cpx_token_name_decode(account, &name) == 0)
    err = w->visitor->account(w->visitor->user, cpx_buf_slice(&folder), cpx_buf_slice(&name));
  cpx_buf_deinit(&folder);
  cpx_buf_deinit(&name);
  return err;
}

static int visit_file(const walk *w, const char *path, const char *name) {
  struct stat st;
  if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode)) return 0;
  cpx_slice file = cpx_slice_str(name);
  if (*name == '.' && ends_with(file, CPX_SLICE(".tmp"))) {
    (void)unlink(path); /* the lock is ours: nobody is writing it */
    return 0;
  }
  if (!ends_with(file, CPX_SLICE(CPX_TOKEN_SUFFIX))) return 0;
  close_to_others(w, path, &st);
  file.n -= sizeof CPX_TOKEN_SUFFIX - 1;
  return tell(w, cpx_slice_str(w->provider), file);
}

static int visit_provider(walk *w, const char *path) {
  struct stat st;
  if (lstat(path, &st) != 0 || !S_ISDIR(st.st_mode)) return 0;
  close_to_others(w, path, &st);
  DIR *folder = opendir(path);
  int err = 0;
  for (const struct dirent *entry; folder && !err && (entry = readdir(folder));) {
    char file[PATH_MAX];
    if (snprintf(file, sizeof file, "%s/%s", path, entry->d_name) < (int)sizeof file)
      err = visit_file(w, file, entry->d_name);
  }
  if (folder) closedir(folder);
  return err;
}

static int visit_all(walk *w, DIR *folder, const char *root) {
  int err = 0;
  for (const struct dirent *entry; !err && (entry = readdir(folder));) {
    char path[PATH_MAX];
    if (entry->d_name[0] == '.' || snprintf(path, sizeof path, "%s/%s", root, entry->d_name) >= (int)sizeof path)
      continue;
    w->provider = entry->d_name;
    err = visit_provider(w, path);
  }
  return err;
}

int cpx_vault_visit(const cpx_vault *vault, const cpx_vault_visitor *visitor, cpx_vault_fault *fault) {
  const char *root = cpx_vault_folder(vault);
  walk w = {.visitor = visitor};
  struct stat st;
  DIR *folder = opendir(root);
  if (!folder) return errno == ENOENT ? 0 : cpx_vault_fail_errno(fault, "list", root, errno);
  if (stat(root, &st) == 0) close_to_others(&w, root, &st);
  int lock = -1;
  int err = cpx_store_lock(root, &lock, fault);
  if (!err) err = visit_all(&w, folder, root);
  cpx_store_unlock(lock);
  closedir(folder);
  return err;
}
