/* The vault against keys that are wrong, files that were tampered with, full disks, kills and rivals. */
#define CT_SECONDS 120
#include "c_test.h"

#include "base/limits.h"
#include "store/vault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define P CPX_SLICE("claude")

static const unsigned char key_a[CPX_AEAD_KEY] = "the first key, of 32 bytes.....";
static const unsigned char key_b[CPX_AEAD_KEY] = "the other key, of 32 bytes.....";
static char folder[PATH_MAX]; /* of the running test */
static cpx_vault_fault fault;

static void make_folder(void) {
  (void)snprintf(folder, sizeof folder, "/tmp/cliproxy-vault-XXXXXX");
  if (!mkdtemp(folder)) abort();
}

static void remove_all(const char *path) {
  DIR *dir = opendir(path);
  for (const struct dirent *entry; dir && (entry = readdir(dir));) {
    char below[PATH_MAX + 300];
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    (void)snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
    if (entry->d_type == DT_DIR)
      remove_all(below);
    else
      (void)unlink(below);
  }
  if (dir) closedir(dir);
  (void)rmdir(path);
}

static cpx_vault *new_vault(const unsigned char *key) {
  cpx_vault *vault = NULL;
  char tokens[PATH_MAX + 10];
  (void)snprintf(tokens, sizeof tokens, "%s/tokens", folder);
  if (cpx_vault_new(tokens, key, &vault)) abort();
  return vault;
}

static const char *path_in(const char *rest) {
  static char path[PATH_MAX + 300];
  (void)snprintf(path, sizeof path, "%s/tokens/%s", folder, rest);
  return path;
}

static size_t load(const char *path, char *room, size_t size) {
  int fd = open(path, O_RDONLY);
  ssize_t n = fd < 0 ? -1 : read(fd, room, size);
  if (fd >= 0) close(fd);
  return n < 0 ? 0 : (size_t)n;
}

static void save(const char *path, const char *bytes, size_t n) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0 || write(fd, bytes, n) != (ssize_t)n) abort();
  close(fd);
}

static void check_read(const cpx_vault *vault, const char *account, const char *expected) {
  cpx_buf out;
  cpx_buf_init(&out, CPX_TOKEN_MAX);
  CHECK_INT(cpx_vault_read(vault, P, cpx_slice_str(account), &out, &fault), 0);
  CHECK_BYTES(out.data, out.len, expected, strlen(expected));
  cpx_buf_cleanse(&out);
}

static void check_fails(const cpx_vault *vault, const char *account, int code, const char *part) {
  cpx_buf out;
  cpx_buf_init(&out, CPX_TOKEN_MAX);
  fault.text[0] = 0;
  CHECK_INT(cpx_vault_read(vault, P, cpx_slice_str(account), &out, &fault), code);
  CHECK_INT(out.len, 0);
  CHECK_HAS(fault.text, part);
  cpx_buf_cleanse(&out);
}

static int put(const cpx_vault *vault, const char *account, const char *text) {
  return cpx_vault_write(vault, P, cpx_slice_str(account), cpx_slice_str(text), &fault);
}

/* -- What it keeps ------------------------------------------------------------------------------------------------ */

static void keeps_texts_encrypted(void) {
  cpx_vault *vault = new_vault(key_a);
  check_fails(vault, "work", CPX_ENOTFOUND, "claude/work.token: No such file");
  CHECK_INT(put(vault, "work", "{\"token\":\"sk-secret\"}"), 0);
  check_read(vault, "work", "{\"token\":\"sk-secret\"}");
  CHECK_INT(put(vault, "work", ""), 0);
  check_read(vault, "work", "");
  CHECK_INT(put(vault, "work", "sk-secret"), 0);
  char file[1000];
  size_t n = load(path_in("claude/work.token"), file, sizeof file);
  CHECK(n > 34 && memcmp(file, "cliproxy-token 1 ", 17) == 0 && file[33] == '\n');
  CHECK(memmem(file, n, "secret", 6) == NULL);
  struct stat st;
  CHECK(stat(path_in("claude/work.token"), &st) == 0 && (st.st_mode & 07777) == 0600);
  CHECK(stat(path_in("claude"), &st) == 0 && (st.st_mode & 07777) == 0700);
  CHECK(stat(path_in(""), &st) == 0 && (st.st_mode & 07777) == 0700);
  CHECK_INT(cpx_vault_remove(vault, P, CPX_SLICE("work"), &fault), 0);
  check_fails(vault, "work", CPX_ENOTFOUND, "work.token");
  CHECK_INT(cpx_vault_remove(vault, P, CPX_SLICE("work"), &fault), CPX_ENOTFOUND);
  cpx_vault_free(vault);
}

static void keeps_plain_files_without_a_key(void) {
  cpx_vault *plain = new_vault(NULL), *sealed = new_vault(key_a);
  CHECK_INT(put(plain, "a", "{\"x\":1}"), 0);
  CHECK_INT(put(sealed, "b", "{\"x\":2}"), 0);
  char file[100];
  CHECK_BYTES(file, load(path_in("claude/a.token"), file, sizeof file), "{\"x\":1}", 7);
  check_read(plain, "a", "{\"x\":1}");
  check_fails(plain, "b", CPX_ESYNTAX, "b.token is encrypted, but encryption is switched off");
  check_fails(sealed, "a", CPX_ESYNTAX, "a.token is no encrypted token file");
  CHECK_INT(put(plain, "c", "cliproxy-token 1 looks like one"), CPX_EINVAL);
  cpx_vault_free(plain);
  cpx_vault_free(sealed);
}

static void tells_another_key_from_a_changed_file(void) {
  cpx_vault *a = new_vault(key_a), *b = new_vault(key_b);
  CHECK_INT(put(a, "work", "secret"), 0);
  CHECK_INT(put(b, "home", "other"), 0);
  check_fails(b, "work", CPX_EACCES, "work.token was encrypted with another key (id ");
  check_read(b, "home", "other");
  check_fails(a, "home", CPX_EACCES, "home.token");
  cpx_vault_free(a);
  cpx_vault_free(b);
}

static void refuses_every_changed_byte_and_every_cut(void) {
  cpx_vault *vault = new_vault(key_a);
  CHECK_INT(put(vault, "work", "secret"), 0);
  char path[PATH_MAX], file[1000];
  (void)snprintf(path, sizeof path, "%s", path_in("claude/work.token"));
  size_t n = load(path, file, sizeof file);
  cpx_buf out;
  cpx_buf_init(&out, CPX_TOKEN_MAX);
  for (size_t i = 0; i < n; i++) {
    /* A changed first line is no encrypted file; a changed id looks like another key's, as long as it is one. */
    int expected = i < 17 ? CPX_ESYNTAX : i < 33 ? CPX_EACCES : CPX_EFORGED;
    if (expected == CPX_EACCES) { /* '9' ^ 1 is '8', 'a' ^ 1 is no digit */
      char changed = (char)(file[i] ^ 1);
      expected = strchr("0123456789abcdef", changed) ? CPX_EACCES : CPX_EFORGED;
    }
    file[i] ^= 1;
    save(path, file, n);
    CHECK_INT(cpx_vault_read(vault, P, CPX_SLICE("work"), &out, &fault), expected);
    CHECK_HAS(fault.text, "work.token");
    CHECK_INT(out.len, 0);
    file[i] ^= 1;
    save(path, file, i);
    CHECK_INT(cpx_vault_read(vault, P, CPX_SLICE("work"), &out, &fault), CPX_EFORGED);
  }
  save(path, file, n);
  check_read(vault, "work", "secret");
  cpx_buf_cleanse(&out);
  cpx_vault_free(vault);
}

static void refuses_a_file_of_another_account(void) {
  cpx_vault *vault = new_vault(key_a);
  CHECK_INT(put(vault, "work", "of work"), 0);
  CHECK_INT(put(vault, "home", "of home"), 0);
  CHECK_INT(cpx_vault_write(vault, CPX_SLICE("chatgpt"), CPX_SLICE("work"), CPX_SLICE("of chatgpt"), &fault), 0);
  char from[PATH_MAX];
  (void)snprintf(from, sizeof from, "%s", path_in("claude/home.token"));
  CHECK_INT(rename(from, path_in("claude/work.token")), 0);
  check_fails(vault, "work", CPX_EFORGED, "work.token was changed or cut short, or belongs to another account");
  (void)snprintf(from, sizeof from, "%s", path_in("chatgpt/work.token"));
  CHECK_INT(rename(from, path_in("claude/work.token")), 0);
  check_fails(vault, "work", CPX_EFORGED, "work.token");
  cpx_vault_free(vault);
}

/* -- Names -------------------------------------------------------------------------------------------------------- */

typedef struct seen {
  int count, warnings;
  char names[1000], warning[PATH_MAX + 300];
} seen;

static int on_account(void *user, cpx_slice provider, cpx_slice account) {
  seen *s = user;
  size_t at = strlen(s->names);
  (void)snprintf(s->names + at, sizeof s->names - at, "[%.*s|%.*s]", (int)provider.n, provider.p, (int)account.n,
                 account.p);
  s->count++;
  return 0;
}

static void on_warning(void *user, const char *text) {
  seen *s = user;
  s->warnings++;
  (void)snprintf(s->warning, sizeof s->warning, "%s", text);
}

static seen visit(const cpx_vault *vault) {
  seen s = {0};
  cpx_vault_visitor visitor = {on_account, on_warning, &s};
  CHECK_INT(cpx_vault_visit(vault, &visitor, &fault), 0);
  return s;
}

static void keeps_every_name_in_its_folder(void) {
  cpx_vault *vault = new_vault(key_a);
  CHECK_INT(visit(vault).count, 0); /* no folder yet */
  const char *names[] = {"a@b.example", "../../etc/passwd", "..", ".", "a/b", "A%2Fb", "\xc3\xa4 b", ".hidden", "~"};
  int count = (int)(sizeof names / sizeof *names);
  for (int i = 0; i < count; i++) CHECK_INT(put(vault, names[i], names[i]), 0);
  for (int i = 0; i < count; i++) check_read(vault, names[i], names[i]);
  seen s = visit(vault);
  CHECK_INT(s.count, count);
  CHECK_INT(s.warnings, 0);
  for (int i = 0; i < count; i++) {
    char entry[100];
    (void)snprintf(entry, sizeof entry, "[claude|%s]", names[i]);
    CHECK_HAS(s.names, entry);
  }
  CHECK_INT(access(path_in("claude/%2E.%2F..%2Fetc%2Fpasswd.token"), F_OK), 0);
  cpx_vault_free(vault);
}

static void refuses_names_that_cannot_be(void) {
  cpx_vault *vault = new_vault(key_a);
  static char longest[4001];
  memset(longest, 'a', 4000);
  CHECK_INT(put(vault, longest, "x"), CPX_EINVAL);
  CHECK_HAS(fault.text, "the name of the account is too long: 4000 bytes");
  longest[CPX_VAULT_NAME_MAX] = 0;
  CHECK_INT(put(vault, longest, "x"), 0);
  CHECK_INT(put(vault, "", "x"), CPX_EINVAL);
  CHECK_INT(put(vault, "a\nb", "x"), CPX_EINVAL);
  CHECK_INT(cpx_vault_write(vault, P, cpx_slice_of("a\0b", 3), CPX_SLICE("x"), &fault), CPX_EINVAL);
  CHECK_HAS(fault.text, "control character");
  CHECK_INT(cpx_vault_write(vault, CPX_SLICE(""), CPX_SLICE("a"), CPX_SLICE("x"), &fault), CPX_EINVAL);
  CHECK_INT(visit(vault).count, 1);
  cpx_vault_free(vault);
}

/* -- The folder --------------------------------------------------------------------------------------------------- */

static void takes_the_right_to_read_from_others(void) {
  cpx_vault *vault = new_vault(key_a);
  CHECK_INT(put(vault, "work", "secret"), 0);
  CHECK_INT(chmod(path_in("claude/work.token"), 0644), 0);
  seen s = visit(vault);
  CHECK_INT(s.warnings, 1);
  CHECK_HAS(s.warning, "claude/work.token could be read or changed by others (mode 0644)");
  struct stat st;
  CHECK(stat(path_in("claude/work.token"), &st) == 0 && (st.st_mode & 07777) == 0600);
  CHECK_INT(chmod(path_in("claude"), 0755), 0);
  CHECK_INT(chmod(path_in(""), 0777), 0);
  CHECK_INT(visit(vault).warnings, 2);
  CHECK_INT(visit(vault).warnings, 0);
  cpx_vault_free(vault);
}

static void passes_over_what_is_not_its_own(void) {
  cpx_vault *vault = new_vault(key_a);
  CHECK_INT(put(vault, "work", "secret"), 0);
  save(path_in("claude/.work.tmp"), "torn", 4);
  save(path_in("claude/notes.txt"), "mine", 4);
  save(path_in("claude/a%2fb.token"), "not as we encode", 16);
  save(path_in("stray.token"), "in no provider's folder", 23);
  CHECK_INT(symlink("/etc/passwd", path_in("claude/link.token")), 0);
  seen s = visit(vault);
  CHECK_INT(s.count, 1);
  CHECK_INT(s.warnings, 1);
  CHECK_HAS(s.warning, "claude/link.token is no file of its own");
  CHECK(access(path_in("claude/.work.tmp"), F_OK) != 0); /* a killed writer's */
  CHECK_INT(access(path_in("claude/notes.txt"), F_OK), 0);
  cpx_vault_free(vault);
}

static void leaves_no_account_out_in_silence(void) {
  cpx_vault *vault = new_vault(key_a);
  CHECK_INT(put(vault, "work", "secret"), 0);
  seen s = {0};
  cpx_vault_visitor visitor = {on_account, on_warning, &s};
  CHECK_INT(symlink("loop", path_in("loop")), 0);
  CHECK_INT(cpx_vault_visit(vault, &visitor, &fault), CPX_EIO);
  CHECK_HAS(fault.text, "/tokens/loop: Too many levels of symbolic links");
  CHECK_INT(unlink(path_in("loop")), 0);
  CHECK_INT(symlink("nowhere", path_in("dangling")), 0); /* as if it had gone meanwhile */
  CHECK_INT(visit(vault).count, 1);
  cpx_vault_free(vault);
}

static void writing_never_says_that_there_is_no_account(void) {
  cpx_vault *vault = new_vault(key_a);
  CHECK_INT(put(vault, "work", "secret"), 0);
  CHECK_INT(symlink("nowhere", path_in("chatgpt")), 0);
  CHECK_INT(cpx_vault_write(vault, CPX_SLICE("chatgpt"), CPX_SLICE("a"), CPX_SLICE("x"), &fault), CPX_EIO);
  CHECK_HAS(fault.text, "cannot write ");
  cpx_vault_free(vault);
}

static void removing_leaves_nothing_of_an_account(void) {
  cpx_vault *vault = new_vault(NULL);
  CHECK_INT(put(vault, "work", "secret"), 0);
  save(path_in("claude/.work.tmp"), "sec", 3); /* a killed writer's */
  CHECK_INT(cpx_vault_remove(vault, P, CPX_SLICE("work"), &fault), 0);
  CHECK(access(path_in("claude/work.token"), F_OK) != 0 && access(path_in("claude/.work.tmp"), F_OK) != 0);
  save(path_in("claude/.work.tmp"), "sec", 3);
  CHECK_INT(cpx_vault_remove(vault, P, CPX_SLICE("work"), &fault), CPX_ENOTFOUND);
  CHECK_HAS(fault.text, "there is no ");
  CHECK(access(path_in("claude/.work.tmp"), F_OK) != 0);
  cpx_vault_free(vault);
}

static void bounds_what_it_reads_and_writes(void) {
  cpx_vault *vault = new_vault(key_a);
  char *big = malloc(CPX_TOKEN_MAX + 1000);
  REQUIRE(big != NULL);
  memset(big, 'x', CPX_TOKEN_MAX + 1000);
  CHECK_INT(cpx_vault_write(vault, P, CPX_SLICE("big"), cpx_slice_of(big, CPX_TOKEN_MAX + 1), &fault), CPX_ETOOBIG);
  CHECK_INT(cpx_vault_write(vault, P, CPX_SLICE("big"), cpx_slice_of(big, CPX_TOKEN_MAX), &fault), 0);
  cpx_buf out;
  cpx_buf_init(&out, CPX_TOKEN_MAX + 1);
  CHECK_INT(cpx_vault_read(vault, P, CPX_SLICE("big"), &out, &fault), 0);
  CHECK_INT(out.len, CPX_TOKEN_MAX);
  cpx_buf_cleanse(&out);
  save(path_in("claude/huge.token"), big, CPX_TOKEN_MAX + 1000);
  check_fails(vault, "huge", CPX_ETOOBIG, "huge.token is larger than");
  CHECK_INT(mkdir(path_in("claude/folder.token"), 0700), 0);
  check_fails(vault, "folder", CPX_EIO, "folder.token: not a regular file");
  free(big);
  cpx_vault_free(vault);
}

/* A file system that is full stops a write in its middle, as this limit does. */
static void keeps_the_old_text_when_the_disk_is_full(void) {
  cpx_vault *vault = new_vault(key_a);
  CHECK_INT(put(vault, "work", "old"), 0);
  struct rlimit before, small = {40, 40};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  small.rlim_max = before.rlim_max;
  signal(SIGXFSZ, SIG_IGN);
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  int err = put(vault, "work", "new");
  REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
  CHECK_INT(err, CPX_EIO);
  CHECK_HAS(fault.text, "cannot write ");
  CHECK_HAS(fault.text, "File too large");
  check_read(vault, "work", "old");
  CHECK(access(path_in("claude/.work.tmp"), F_OK) != 0);
  cpx_vault_free(vault);
}

/* -- Kills and rivals --------------------------------------------------------------------------------------------- */

/* Writes numbers upwards for ever, and tells each once it is kept. */
static void write_numbers(const cpx_vault *vault, long from, int told) {
  for (long number = from;; number++) {
    char text[4000];
    memset(text, '.', sizeof text);
    int n = snprintf(text, sizeof text, "%ld", number);
    text[n] = '.';
    if (cpx_vault_write(vault, P, CPX_SLICE("work"), cpx_slice_of(text, sizeof text), &fault)) _exit(3);
    if (write(told, &number, sizeof number) != sizeof number) _exit(4);
  }
}

static long last_told(int fd, long former) {
  long number;
  while (read(fd, &number, sizeof number) == sizeof number) former = number;
  return former;
}

static long read_number(const cpx_vault *vault) {
  cpx_buf out;
  cpx_buf_init(&out, CPX_TOKEN_MAX);
  int err = cpx_vault_read(vault, P, CPX_SLICE("work"), &out, &fault);
  long number = err || out.len != 4000 ? -1 : strtol(out.data, NULL, 10);
  cpx_buf_cleanse(&out);
  return number;
}

static void a_thousand_kills_tear_nothing(void) {
  cpx_vault *vault = new_vault(key_a);
  long told = -1, killed_inside = 0;
  srand(1);
  for (int round = 0; round < 1000; round++) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
      close(ends[0]);
      write_numbers(vault, told + 1, ends[1]);
    }
    close(ends[1]);
    struct timespec wait = {.tv_nsec = rand() % 3000000L};
    (void)nanosleep(&wait, NULL);
    kill(child, SIGKILL);
    int status;
    REQUIRE(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    told = last_told(ends[0], told);
    close(ends[0]);
    long found = told < 0 && access(path_in("claude/work.token"), F_OK) != 0 ? -1 : read_number(vault);
    if (found != told && found != told + 1) CT_FAIL("round %d: told %ld, found %ld", round, told, found);
    killed_inside += access(path_in("claude/.work.tmp"), F_OK) == 0;
    told = found;
  }
  CHECK(told > 50);         /* the kills let some writes through, */
  CHECK(killed_inside > 0); /* and came into the middle of others */
  CHECK_INT(visit(vault).count, 1);
  cpx_vault_free(vault);
}

static void rivals_write_one_after_the_other(void) {
  cpx_vault *vault = new_vault(key_a);
  pid_t children[4];
  for (int i = 0; i < 4; i++) {
    children[i] = fork();
    if (children[i] == 0) {
      char text[1000];
      memset(text, 'a' + i, sizeof text);
      for (int n = 0; n < 50; n++)
        if (cpx_vault_write(vault, P, CPX_SLICE("work"), cpx_slice_of(text, sizeof text), &fault)) _exit(1);
      _exit(0);
    }
  }
  for (int i = 0; i < 4; i++) {
    int status;
    CHECK(waitpid(children[i], &status, 0) == children[i] && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  cpx_buf out;
  cpx_buf_init(&out, CPX_TOKEN_MAX);
  CHECK_INT(cpx_vault_read(vault, P, CPX_SLICE("work"), &out, &fault), 0);
  CHECK_INT(out.len, 1000);
  for (size_t i = 1; i < out.len; i++) CHECK(out.data[i] == out.data[0]);
  cpx_buf_cleanse(&out);
  cpx_vault_free(vault);
}

static void waits_for_a_rival_only_so_long(void) {
  cpx_vault *vault = new_vault(key_a);
  CHECK_INT(put(vault, "work", "old"), 0);
  int fd = open(path_in(".lock"), O_RDWR);
  REQUIRE(fd >= 0 && flock(fd, LOCK_EX) == 0);
  CHECK_INT(put(vault, "work", "new"), CPX_ETIMEOUT);
  CHECK_HAS(fault.text, "another process has written to this folder for 5 s");
  close(fd);
  CHECK_INT(put(vault, "work", "new"), 0);
  cpx_vault_free(vault);
}

/* -- The key's file ----------------------------------------------------------------------------------------------- */

static void the_key_is_made_once(void) {
  char path[PATH_MAX + 20];
  (void)snprintf(path, sizeof path, "%s/state/key", folder);
  unsigned char a[CPX_AEAD_KEY], b[CPX_AEAD_KEY], none[CPX_AEAD_KEY] = {0};
  CHECK_INT(cpx_vault_key_read(path, a, &fault), CPX_ENOTFOUND);
  REQUIRE(cpx_vault_key_make(path, a, &fault) == 0);
  REQUIRE(cpx_vault_key_make(path, b, &fault) == 0);
  CHECK(memcmp(a, b, sizeof a) == 0 && memcmp(a, none, sizeof a) != 0);
  struct stat st;
  CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600 && st.st_size == 65);
  CHECK_INT(unlink(path), 0);
  char left[PATH_MAX + 30];
  (void)snprintf(left, sizeof left, "%s.tmp", path);
  save(left, "half a k", 8); /* by a killed maker */
  REQUIRE(cpx_vault_key_make(path, b, &fault) == 0);
  CHECK(memcmp(a, b, sizeof a) != 0);
  CHECK(access(left, F_OK) != 0);
  CHECK_INT(cpx_vault_key_make("no/such/key", b, &fault), CPX_EINVAL);
  CHECK_HAS(fault.text, "must be absolute");
}

static void a_key_file_that_is_none_is_told(void) {
  char path[PATH_MAX + 20];
  (void)snprintf(path, sizeof path, "%s/key", folder);
  unsigned char key[CPX_AEAD_KEY];
  const char *texts[] = {"", "abc\n", "zz00000000000000000000000000000000000000000000000000000000000000"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    save(path, texts[i], strlen(texts[i]));
    CHECK_INT(cpx_vault_key_make(path, key, &fault), CPX_ESYNTAX);
    CHECK_HAS(fault.text, "key is no key: expected 64 hexadecimal digits");
  }
}

static void processes_that_make_a_key_at_once_get_the_same(void) {
  char path[PATH_MAX + 20];
  (void)snprintf(path, sizeof path, "%s/key", folder);
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  for (int i = 0; i < 8; i++) {
    if (fork() == 0) {
      unsigned char key[CPX_AEAD_KEY];
      int bad = cpx_vault_key_make(path, key, &fault) != 0 || write(ends[1], key, sizeof key) != sizeof key;
      _exit(bad);
    }
  }
  unsigned char first[CPX_AEAD_KEY], next[CPX_AEAD_KEY];
  for (int i = 0; i < 8; i++) {
    int status;
    CHECK(wait(&status) > 0 && status == 0);
    REQUIRE(read(ends[0], i ? next : first, sizeof first) == sizeof first);
    CHECK(i == 0 || memcmp(first, next, sizeof first) == 0);
  }
  close(ends[0]);
  close(ends[1]);
}

#define RUN_IN_FOLDER(test)                                                                                            \
  do {                                                                                                                 \
    make_folder();                                                                                                     \
    RUN(test);                                                                                                         \
    remove_all(folder);                                                                                                \
  } while (0)

int main(int argc, char **argv) {
  ct_init(argc, argv);
  RUN_IN_FOLDER(keeps_texts_encrypted);
  RUN_IN_FOLDER(keeps_plain_files_without_a_key);
  RUN_IN_FOLDER(tells_another_key_from_a_changed_file);
  RUN_IN_FOLDER(refuses_every_changed_byte_and_every_cut);
  RUN_IN_FOLDER(refuses_a_file_of_another_account);
  RUN_IN_FOLDER(keeps_every_name_in_its_folder);
  RUN_IN_FOLDER(refuses_names_that_cannot_be);
  RUN_IN_FOLDER(takes_the_right_to_read_from_others);
  RUN_IN_FOLDER(passes_over_what_is_not_its_own);
  RUN_IN_FOLDER(leaves_no_account_out_in_silence);
  RUN_IN_FOLDER(writing_never_says_that_there_is_no_account);
  RUN_IN_FOLDER(removing_leaves_nothing_of_an_account);
  RUN_IN_FOLDER(bounds_what_it_reads_and_writes);
  RUN_IN_FOLDER(keeps_the_old_text_when_the_disk_is_full);
  RUN_IN_FOLDER(a_thousand_kills_tear_nothing);
  RUN_IN_FOLDER(rivals_write_one_after_the_other);
  RUN_IN_FOLDER(waits_for_a_rival_only_so_long);
  RUN_IN_FOLDER(the_key_is_made_once);
  RUN_IN_FOLDER(a_key_file_that_is_none_is_told);
  RUN_IN_FOLDER(processes_that_make_a_key_at_once_get_the_same);
  return ct_summary();
}
