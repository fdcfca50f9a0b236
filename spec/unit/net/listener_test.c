/* listener_test.c - addresses, accepting, who holds a port, Unix sockets, few descriptors. */
#include "net_support.h"

#include "base/limits.h"
#include "base/log.h"
#include "net/listener.h"

#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define CONNS 64

typedef struct house {
  cpx_loop *loop;
  cpx_listener *listener;
  int count;
  cpx_conn *conns[CONNS];
  probe probes[CONNS];
  bool close_listener; /* inside on_accept */
  char message[512];
  int err;
} house;

static void on_accept(void *user, cpx_conn *conn) {
  house *h = user;
  if (h->count >= CONNS) abort();
  probe_watch(&h->probes[h->count], conn);
  cpx_conn_read_start(conn);
  h->conns[h->count++] = conn;
  if (h->close_listener) {
    cpx_listener_close(h->listener);
    h->listener = NULL;
  }
}

static house *house_new(const char *address, unsigned mode) {
  house *h = calloc(1, sizeof *h);
  if (!h) abort();
  h->loop = new_loop();
  cpx_listener_options options = {.address = address, .unix_mode = mode, .on_accept = on_accept, .user = h};
  h->err = cpx_listener_open(h->loop, &options, &h->listener, h->message, sizeof h->message);
  return h;
}

static void house_free(house *h) {
  if (h->listener) cpx_listener_close(h->listener);
  for (int i = 0; i < h->count; i++) probe_done(&h->probes[i]);
  CHECK_INT(cpx_loop_free(h->loop), 0);
  for (int i = 0; i < h->count; i++) cpx_buf_deinit(&h->probes[i].got);
  free(h);
}

static int port_of(const house *h) {
  return atoi(strrchr(cpx_listener_address(h->listener), ':') + 1);
}

/* A blocking client; -1 with errno. */
static int connect_to(int family, int port) {
  struct sockaddr_storage at = {0};
  socklen_t size = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
  if (family == AF_INET) {
    struct sockaddr_in *v4 = (struct sockaddr_in *)&at;
    *v4 = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  } else {
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&at;
    *v6 = (struct sockaddr_in6){
        .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  }
  int fd = socket(family, SOCK_STREAM, 0);
  if (fd >= 0 && connect(fd, (struct sockaddr *)&at, size)) {
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
  }
  return fd;
}

static int connect_unix(const char *path) {
  struct sockaddr_un at = {.sun_family = AF_UNIX};
  snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (connect(fd, (struct sockaddr *)&at, sizeof at)) {
    close(fd);
    return -1;
  }
  return fd;
}

static void addresses_are_told_apart(void) {
  static const struct {
    const char *text;
    int err;
    bool local;
    const char *says;
  } rows[] = {
      {"127.0.0.1:8317", 0, true, ""},
      {"127.9.9.9:1", 0, true, ""},
      {"[::1]:8317", 0, true, ""},
      {"[::ffff:127.0.0.1]:80", 0, true, ""},
      {"unix:/run/x.sock", 0, true, ""},
      {"0.0.0.0:8317", 0, false, ""},
      {"192.168.1.2:65535", 0, false, ""},
      {"[::]:0", 0, false, ""},
      {":8317", 0, false, ""},
      {"", CPX_EINVAL, false, "empty"},
      {"8317", CPX_EINVAL, false, "must end in a port"},
      {"127.0.0.1", CPX_EINVAL, false, "must end in a port"},
      {"127.0.0.1:", CPX_EINVAL, false, "must end in a port"},
      {"127.0.0.1:65536", CPX_EINVAL, false, "must end in a port"},
      {"127.0.0.1:-1", CPX_EINVAL, false, "must end in a port"},
      {"127.0.0.1:80x", CPX_EINVAL, false, "must end in a port"},
      {"localhost:8317", CPX_EINVAL, false, "as a number"},
      {"::1:8317", CPX_EINVAL, false, "as a number"},
      {"[127.0.0.1]:80", CPX_EINVAL, false, "as a number"},
      {"[::1:80", CPX_EINVAL, false, "as a number"},
      {"300.0.0.1:80", CPX_EINVAL, false, "as a number"},
      {"unix:", CPX_EINVAL, false, "absolute path"},
      {"unix:x.sock", CPX_EINVAL, false, "absolute path"},
      {"unix:/"
       "012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
       "12345",
       CPX_EINVAL, false, "too long"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    bool local = false;
    char message[512] = "";
    int err = cpx_address_check(rows[i].text, &local, message, sizeof message);
    if (err != rows[i].err || local != rows[i].local || !strstr(message, rows[i].says))
      CT_FAIL("\"%s\": %d, local %d, \"%s\"", rows[i].text, err, local, message);
  }
}

static void a_connection_is_accepted_with_its_peer_named(void) {
  house *h = house_new("127.0.0.1:0", 0);
  REQUIRE(h->err == 0);
  CHECK_HAS(cpx_listener_address(h->listener), "127.0.0.1:");
  CHECK(port_of(h) > 0);
  int fd = connect_to(AF_INET, port_of(h));
  TURN_UNTIL(h->loop, h->count == 1);
  struct sockaddr_in own;
  socklen_t size = sizeof own;
  char name[64];
  getsockname(fd, (struct sockaddr *)&own, &size);
  snprintf(name, sizeof name, "127.0.0.1:%d", ntohs(own.sin_port));
  CHECK_STR(cpx_conn_peer(h->conns[0]), name);
  CHECK(cpx_conn_is_local(h->conns[0]));
  CHECK(!cpx_conn_is_tls(h->conns[0]));
  CHECK_INT(cpx_listener_live(h->listener), 1);
  CHECK_INT(send(fd, "hello", 5, 0), 5);
  TURN_UNTIL(h->loop, h->probes[0].got.len == 5);
  cpx_conn_end(h->conns[0]);
  close(fd);
  TURN_UNTIL(h->loop, h->probes[0].closes == 1);
  CHECK_INT(cpx_listener_live(h->listener), 0);
  house_free(h);
}

static void accepted_sockets_send_without_delay(void) {
  house *h = house_new("127.0.0.1:0", 0);
  REQUIRE(h->err == 0);
  int fd = connect_to(AF_INET, port_of(h));
  TURN_UNTIL(h->loop, h->count == 1);
  int found = 0;
  for (int other = 3; other < 64; other++) { /* the accepted socket: the one whose peer is ours */
    struct sockaddr_in own, peer;
    socklen_t size = sizeof own, peer_size = sizeof peer;
    if (other == fd || getsockname(fd, (struct sockaddr *)&own, &size) ||
        getpeername(other, (struct sockaddr *)&peer, &peer_size))
      continue;
    if (peer.sin_port != own.sin_port) continue;
    int on = 0;
    size = sizeof on;
    getsockopt(other, IPPROTO_TCP, TCP_NODELAY, &on, &size);
    CHECK(on);
    found++;
  }
  CHECK_INT(found, 1);
  close(fd);
  house_free(h);
}

static void both_loopbacks_share_a_port(void) {
  house *four = house_new("127.0.0.1:0", 0);
  REQUIRE(four->err == 0);
  char address[64];
  snprintf(address, sizeof address, "[::1]:%d", port_of(four));
  house *six = house_new(address, 0);
  if (six->err == CPX_ENOTFOUND) {
    house_free(six);
    house_free(four);
    SKIP("no IPv6 on this machine");
  }
  CHECK_INT(six->err, 0);
  CHECK_STR(cpx_listener_address(six->listener), address);
  int fd = connect_to(AF_INET6, port_of(four));
  TURN_UNTIL(six->loop, six->count == 1);
  CHECK_HAS(cpx_conn_peer(six->conns[0]), "[::1]:");
  CHECK(cpx_conn_is_local(six->conns[0]));
  CHECK_INT(four->count, 0);
  close(fd);
  house_free(six);
  house_free(four);
}

static void an_address_without_host_takes_both_families(void) {
  house *h = house_new(":0", 0);
  REQUIRE(h->err == 0);
  int fd = connect_to(AF_INET, port_of(h));
  TURN_UNTIL(h->loop, h->count == 1);
  CHECK_HAS(cpx_conn_peer(h->conns[0]), "127.0.0.1:");
  CHECK(cpx_conn_is_local(h->conns[0]));
  close(fd);
  house_free(h);
}

static void a_taken_port_names_its_holder(void) {
  house *first = house_new("127.0.0.1:0", 0);
  REQUIRE(first->err == 0);
  house *second = house_new(cpx_listener_address(first->listener), 0);
  CHECK_INT(second->err, CPX_EADDRINUSE);
  char holder[64];
  snprintf(holder, sizeof holder, "in use by listener_test (pid %d)", (int)getpid());
  CHECK_HAS(second->message, holder);
  CHECK_HAS(second->message, cpx_listener_address(first->listener));
  char every[32];
  snprintf(every, sizeof every, ":%d", port_of(first));
  house *third = house_new(every, 0);
  CHECK_INT(third->err, CPX_EADDRINUSE);
  CHECK_HAS(third->message, holder);
  house_free(third);
  house_free(second);
  house_free(first);
}

static void foreign_addresses_are_explained(void) {
  house *h = house_new("192.0.2.1:0", 0);
  CHECK_INT(h->err, CPX_ENOTFOUND);
  CHECK_HAS(h->message, "192.0.2.1:0: it is not an address of this machine");
  house_free(h);
}

static void a_closed_port_can_be_bound_at_once(void) {
  house *h = house_new("127.0.0.1:0", 0);
  REQUIRE(h->err == 0);
  char address[64];
  snprintf(address, sizeof address, "%s", cpx_listener_address(h->listener));
  int fd = connect_to(AF_INET, port_of(h));
  TURN_UNTIL(h->loop, h->count == 1);
  house_free(h); /* our side closed first: the port now has a connection in TIME_WAIT or FIN_WAIT */
  house *again = house_new(address, 0);
  CHECK_INT(again->err, 0);
  house_free(again);
  close(fd);
}

static void a_listener_may_be_closed_in_on_accept(void) {
  house *h = house_new("127.0.0.1:0", 0);
  REQUIRE(h->err == 0);
  h->close_listener = true;
  int one = connect_to(AF_INET, port_of(h)), two = connect_to(AF_INET, port_of(h));
  TURN_UNTIL(h->loop, h->count == 1);
  turns(h->loop, 5);
  CHECK_INT(h->count, 1);
  CHECK(h->probes[0].conn != NULL);
  CHECK_INT(send(one, "x", 1, 0), 1);
  TURN_UNTIL(h->loop, h->probes[0].got.len == 1);
  close(one);
  close(two);
  house_free(h);
}

/* -- Unix sockets. ---------------------------------------------------------------------------------------------- */

static char folder[64], path[96], address_unix[128];

static void make_path(void) {
  snprintf(folder, sizeof folder, "/tmp/cpx-listener-XXXXXX");
  if (!mkdtemp(folder)) abort();
  snprintf(path, sizeof path, "%s/a.sock", folder);
  snprintf(address_unix, sizeof address_unix, "unix:%s", path);
}

static void drop_path(void) {
  unlink(path);
  rmdir(folder);
}

static void a_unix_socket_has_its_mode_and_goes_with_its_listener(void) {
  make_path();
  house *h = house_new(address_unix, 0);
  CHECK_INT(h->err, 0);
  CHECK_STR(cpx_listener_address(h->listener), address_unix);
  struct stat st;
  CHECK_INT(stat(path, &st), 0);
  CHECK_INT(st.st_mode & 0777, 0600);
  int fd = connect_unix(path);
  TURN_UNTIL(h->loop, h->count == 1);
  CHECK_STR(cpx_conn_peer(h->conns[0]), "unix");
  CHECK(cpx_conn_is_local(h->conns[0]));
  CHECK_INT(send(fd, "hello", 5, 0), 5);
  TURN_UNTIL(h->loop, h->probes[0].got.len == 5);
  close(fd);
  house_free(h);
  CHECK_INT(stat(path, &st), -1);
  h = house_new(address_unix, 0660);
  CHECK_INT(h->err, 0);
  CHECK_INT(stat(path, &st), 0);
  CHECK_INT(st.st_mode & 0777, 0660);
  house_free(h);
  drop_path();
}

static void a_stale_unix_socket_is_replaced_and_a_live_one_is_not(void) {
  make_path();
  struct sockaddr_un at = {.sun_family = AF_UNIX};
  snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
  int dead = socket(AF_UNIX, SOCK_STREAM, 0);
  REQUIRE(bind(dead, (struct sockaddr *)&at, sizeof at) == 0);
  close(dead);
  house *h = house_new(address_unix, 0);
  CHECK_INT(h->err, 0);
  house *second = house_new(address_unix, 0);
  CHECK_INT(second->err, CPX_EADDRINUSE);
  CHECK_HAS(second->message, "in use by listener_test (pid ");
  house_free(second);
  int fd = connect_unix(path);
  CHECK(fd >= 0);
  close(fd);
  house_free(h);
  drop_path();
}

static void a_file_in_the_way_is_left_alone(void) {
  make_path();
  int fd = open(path, O_CREAT | O_WRONLY, 0600);
  close(fd);
  house *h = house_new(address_unix, 0);
  CHECK_INT(h->err, CPX_EADDRINUSE);
  CHECK_HAS(h->message, "a file that is not a socket");
  CHECK_INT(access(path, F_OK), 0);
  house_free(h);
  drop_path();
  h = house_new(address_unix, 0);
  CHECK_INT(h->err, CPX_ENOTFOUND);
  CHECK_HAS(h->message, "folder does not exist");
  house_free(h);
}

static void a_successors_socket_is_not_removed(void) {
  make_path();
  house *h = house_new(address_unix, 0);
  REQUIRE(h->err == 0);
  unlink(path);
  house *next = house_new(address_unix, 0);
  CHECK_INT(next->err, 0);
  house_free(h);
  CHECK_INT(access(path, F_OK), 0);
  house_free(next);
  CHECK_INT(access(path, F_OK), -1);
  drop_path();
}

/* -- Few descriptors. ------------------------------------------------------------------------------------------- */

static char *read_log(int fd) {
  static char text[8192];
  cpx_log_flush();
  ssize_t n = read(fd, text, sizeof text - 1);
  text[n > 0 ? n : 0] = 0;
  return text;
}

static int times(const char *text, const char *part) {
  int n = 0;
  while ((text = strstr(text, part))) {
    n++;
    text++;
  }
  return n;
}

static void accepting_stops_before_descriptors_run_out_and_goes_on(void) {
  house *h = house_new("127.0.0.1:0", 0);
  REQUIRE(h->err == 0);
  int log[2];
  REQUIRE(pipe2(log, O_NONBLOCK) == 0);
  cpx_log_to(log[1]);
  struct rlimit before, few;
  getrlimit(RLIMIT_NOFILE, &before);
  int clients[24];
  for (int i = 0; i < 24; i++) clients[i] = connect_to(AF_INET, port_of(h));
  /* Room for some ten connections: a quarter of so low a limit is the reserve. */
  few = before;
  few.rlim_cur = (rlim_t)(clients[23] + 11) * 4 / 3;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
  TURN_UNTIL(h->loop, h->count >= 8);
  turns(h->loop, 20);
  CHECK(h->count >= 8 && h->count < 16);
  CHECK(clients[23] >= 0);
  int spare = dup(0);
  CHECK(spare >= 0); /* the reserve is there for others */
  close(spare);
  int first = h->count;
  for (int i = 0; i < first; i++) cpx_conn_abort(h->probes[i].conn, false);
  TURN_UNTIL(h->loop, h->count > first);
  while (h->count < 24) {
    int n = h->count;
    for (int i = 0; i < n; i++) probe_done(&h->probes[i]);
    TURN_UNTIL(h->loop, h->count > n);
    if (ct.bad) break;
  }
  CHECK_INT(h->count, 24);
  cpx_log_to(2);
  const char *text = read_log(log[0]);
  CHECK_HAS(text, "accepting stopped: ");
  CHECK_HAS(text, "file descriptors in use; raise ulimit -n");
  CHECK_INT(times(text, "accepting stopped"), 1);
  setrlimit(RLIMIT_NOFILE, &before);
  for (int i = 0; i < 24; i++) close(clients[i]);
  close(log[0]);
  close(log[1]);
  house_free(h);
}

static void a_connection_that_came_without_a_descriptor_left_is_served_later(void) {
  house *h = house_new("127.0.0.1:0", 0);
  REQUIRE(h->err == 0);
  int fd = connect_to(AF_INET, port_of(h)); /* complete in the kernel, not accepted */
  struct rlimit before, none;
  getrlimit(RLIMIT_NOFILE, &before);
  none = before;
  none.rlim_cur = (rlim_t)fd + 1;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  cpx_log_setup(CPX_LOG_ERROR, false);
  turns(h->loop, 10);
  CHECK_INT(h->count, 0);
  setrlimit(RLIMIT_NOFILE, &before);
  CHECK_INT(send(fd, "still here", 10, 0), 10);
  TURN_UNTIL(h->loop, h->count == 1 && h->probes[0].got.len == 10);
  cpx_log_setup(CPX_LOG_INFO, false);
  close(fd);
  house_free(h);
}

int main(int argc, char **argv) {
  ct_init(argc, argv);
  RUN(addresses_are_told_apart);
  RUN(a_connection_is_accepted_with_its_peer_named);
  RUN(accepted_sockets_send_without_delay);
  RUN(both_loopbacks_share_a_port);
  RUN(an_address_without_host_takes_both_families);
  RUN(a_taken_port_names_its_holder);
  RUN(foreign_addresses_are_explained);
  RUN(a_closed_port_can_be_bound_at_once);
  RUN(a_listener_may_be_closed_in_on_accept);
  RUN(a_unix_socket_has_its_mode_and_goes_with_its_listener);
  RUN(a_stale_unix_socket_is_replaced_and_a_live_one_is_not);
  RUN(a_file_in_the_way_is_left_alone);
  RUN(a_successors_socket_is_not_removed);
  RUN(accepting_stops_before_descriptors_run_out_and_goes_on);
  RUN(a_connection_that_came_without_a_descriptor_left_is_served_later);
  return ct_summary();
}
