/* planner.c - asking the planner process, `python -I <package>/planner.py`, for a plan. By its
 * path, so that of several opencu on a machine ours answers.
 *
 * The planner listens on a UNIX socket: <store>/<build id>/planner.sock, so that all programs of a
 * user share one; without a usable store, on an abstract address that only this process knows.
 * Whoever finds nobody listening takes the lock, makes the socket, starts a planner on it and can
 * connect at once, before Python is up.
 *
 *   request:  "OCUASK01", spec, target            (56 bytes)
 *   answer:   uint32 0, uint32 bytes of the plan, and a memfd that holds it
 *             uint32 1, uint32 bytes of a message, and the message
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "core.h"

typedef struct { char magic[8]; ocu_spec spec; char target[32]; } request;
typedef struct { struct sockaddr_un at; socklen_t bytes; } address;

/* Who asks holds a lock, so one set of these does. */
static char python[PATH_MAX], script[PATH_MAX];
static int64_t deadline;

/* ---- starting Python ----------------------------------------------------------------------- */

static void find_python(void) {
  char path[PATH_MAX + 32];
  const char *own = secure_getenv("OPENCU_PYTHON");
  if (own && *own) {
    snprintf(python, sizeof python, "%s", own);
    return;
  }
  if (ocu_wheel_library("python", python, sizeof python) && !access(python, X_OK)) return;
  int n = snprintf(path, sizeof path, "%s/../../../../bin/python3", ocu_package_path());
  strcpy(python, n < PATH_MAX ? path : "python3");
}

typedef struct {
  char **env;
  int listener, error;
} start_order;

/* Runs in the process between us and the planner; it shares our memory, but not our descriptors. */
static int start_from_between(void *arg) {
  start_order *o = arg;
  int socket = fcntl(o->listener, F_DUPFD, 10), null = open("/dev/null", O_RDWR);
  for (int fd = 0; fd < 3; fd++) dup2(null, fd);
  dup2(socket, 3);
  if (syscall(SYS_close_range, 4, ~0u, 0))  /* before Linux 5.9 */
    for (int fd = 4, end = (int)sysconf(_SC_OPEN_MAX); fd < end; fd++) close(fd);
  setsid();
  if (chdir("/")) o->error = errno;
  sigset_t all, none;
  posix_spawnattr_t attr;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawnattr_init(&attr);
  posix_spawnattr_setsigdefault(&attr, &all);
  posix_spawnattr_setsigmask(&attr, &none);
  posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  char *argv[] = {python, "-I", script, NULL};
  pid_t pid;
  o->error = posix_spawnp(&pid, python, NULL, &attr, argv, o->env);
  posix_spawnattr_destroy(&attr);
  _exit(0);
}

static char **clean_environment(void) {
  static const char *const not[] = {"LD_AUDIT=", "LD_PRELOAD=", "LD_LIBRARY_PATH="};
  size_t n = 0, kept = 0;
  while (environ && environ[n]) n++;
  char **out = calloc(n + 1, sizeof *out);
  if (getauxval(AT_SECURE)) n = 0;  /* raised privileges: the caller chose none of this */
  for (size_t i = 0; out && i < n; i++) {
    bool keep = true;
    for (int j = 0; j < 3; j++) keep &= !!strncmp(environ[i], not[j], strlen(not[j]));
    if (keep) out[kept++] = environ[i];
  }
  return out;
}

/* The host must never see the planner in wait() or SIGCHLD. A direct child would show: execve sets
 * the signal of its end back to SIGCHLD. So a clone with no such signal stands between, starts the
 * planner and ends at once; ordinary waits ignore it, __WCLONE reaps it, and the planner, an
 * orphan, belongs to init. (A host that is init or a subreaper inherits it like any orphan.) */
static int start_planner(int listener) {
  enum { STACK = 1 << 16 };
  start_order o = {.listener = listener, .env = clean_environment()};
  char *stack = malloc(STACK);
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);  /* no handler may run over there, in our memory */
  pid_t pid = stack && o.env ? clone(start_from_between, stack + STACK, CLONE_VM | CLONE_VFORK, &o)
                             : -1;
  if (pid < 0) o.error = errno;
  else waitpid(pid, NULL, __WCLONE);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  free(stack);
  free(o.env);
  if (o.error)
    ocu_fail(OCU_NO_PLAN, "the planner %s could not be started: %s; set OPENCU_PYTHON to a Python "
             "that has opencu installed", python, strerror(o.error));
  return o.error;
}

/* ---- connecting ---------------------------------------------------------------------------- */

static int connect_to(const address *a) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  int64_t left = (deadline - ocu_now()) / 1000, us = left > 1000 ? left : 1000;
  struct timeval t = {us / 1000000, us % 1000000};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
  struct ucred peer;
  socklen_t bytes = sizeof peer;
  if (a->bytes && !connect(fd, (const struct sockaddr *)&a->at, a->bytes) &&
      !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) && peer.uid == geteuid())
    return fd;
  close(fd);
  return -1;
}

/* Listen at the address (which the kernel chooses if it is empty) and start a planner there; -2:
 * nobody can listen there. */
static int serve_at(address *a) {
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = -1;
  struct sockaddr *at = (struct sockaddr *)&a->at;
  if (!a->bytes) a->bytes = sizeof(sa_family_t);
  if (listener < 0 || bind(listener, at, a->bytes) || listen(listener, 512)) {
    ocu_fail(OCU_NO_PLAN, "no socket for the planner: %s", strerror(errno));
    fd = -2;
  } else if (!start_planner(listener)) {
    a->bytes = sizeof a->at;
    getsockname(listener, at, &a->bytes);
    fd = connect_to(a);
    if (fd < 0) ocu_fail(OCU_NO_PLAN, "the planner cannot be reached: %s", strerror(errno));
  }
  if (listener >= 0) close(listener);
  return fd;
}

/* -2: this folder cannot be used for it. */
static int connect_shared(int folder) {
  address a = {.at.sun_family = AF_UNIX, .bytes = sizeof a.at};
  /* A socket's path must be short, the folder's may be long. */
  snprintf(a.at.sun_path, sizeof a.at.sun_path, "/proc/self/fd/%d/planner.sock", folder);
  int fd = connect_to(&a);
  if (fd >= 0) return fd;
  int lock = openat(folder, "planner.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (lock < 0) return -2;
  while (flock(lock, LOCK_EX | LOCK_NB)) {
    if (ocu_now() >= deadline) {
      close(lock);
      ocu_fail(OCU_NO_PLAN, "another process holds the planner's lock for too long");
      return -1;
    }
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
  }
  if ((fd = connect_to(&a)) < 0) {
    unlinkat(folder, "planner.sock", 0);
    fd = serve_at(&a);
  }
  close(lock);
  return fd;
}

static int connect_planner(void) {
  static address own;
  int folder = ocu_store_open(), fd = -2;
  if (folder >= 0) {
    fd = connect_shared(folder);
    close(folder);
  }
  if (fd != -2) return fd;
  if ((fd = connect_to(&own)) >= 0) return fd;
  own = (address){.at.sun_family = AF_UNIX};
  return serve_at(&own);
}

/* ---- asking -------------------------------------------------------------------------------- */

enum answer { ANSWERED, NO_ANSWER, TOO_LATE };

static enum answer no_answer(void) { return errno == EAGAIN ? TOO_LATE : NO_ANSWER; }

static enum answer exchange(int fd, const request *ask, void **plan, size_t *bytes) {
  if (send(fd, ask, sizeof *ask, MSG_NOSIGNAL) != sizeof *ask) return no_answer();
  uint32_t head[2];
  union { struct cmsghdr align; char room[CMSG_SPACE(sizeof(int))]; } control;
  struct iovec part = {head, sizeof head};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                           .msg_controllen = sizeof control};
  errno = 0;
  if (recvmsg(fd, &message, MSG_WAITALL | MSG_CMSG_CLOEXEC) != sizeof head) return no_answer();
  struct cmsghdr *c = CMSG_FIRSTHDR(&message);
  int memory = -1;
  if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
    memcpy(&memory, CMSG_DATA(c), sizeof memory);
  if (head[0]) {
    char text[400] = "";
    ssize_t n = recv(fd, text, head[1] < sizeof text ? head[1] : sizeof text - 1, MSG_WAITALL);
    ocu_fail(OCU_NO_PLAN, "%s", n > 0 ? text : "the planner failed without a message");
  } else if (memory < 0 || !(*plan = ocu_slurp(memory, 64 << 20, bytes))) {
    ocu_fail(OCU_NO_PLAN, "the planner's answer has no plan in it");
  }
  if (memory >= 0) close(memory);
  return ANSWERED;
}

void *ocu_planner_ask(const ocu_spec *spec, const char *target, size_t *bytes) {
  static int seconds;  /* read once, since nonsense is said */
  if (!seconds) seconds = ocu_env_number("OPENCU_PLANNER_TIMEOUT", "seconds", 86400, 60);
  deadline = ocu_now() + seconds * 1000000000LL;
  find_python();
  snprintf(script, sizeof script, "%s/planner.py", ocu_package_path());
  request ask = {.magic = "OCUASK01", .spec = *spec};
  snprintf(ask.target, sizeof ask.target, "%s", target);
  atomic_fetch_add(&ocu_planner_calls, 1);
  void *plan = NULL;
  enum answer got = NO_ANSWER;
  for (int attempt = 0; attempt < 3 && got == NO_ANSWER; attempt++) {  /* one may just be leaving */
    if (attempt) nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    int fd = connect_planner();
    got = fd < 0 ? ANSWERED : exchange(fd, &ask, &plan, bytes);
    if (fd >= 0) close(fd);
  }
  if (plan) return plan;
  if (got == TOO_LATE)
    ocu_fail(OCU_NO_PLAN, "the planner gave no answer in %d seconds (OPENCU_PLANNER_TIMEOUT)",
             seconds);
  else if (got == NO_ANSWER)
    ocu_fail(OCU_NO_PLAN, "the planner ended without an answer; `%.200s -I %.200s` shows why, and "
             "OPENCU_PYTHON names another Python", python, script);
  char hex[33], why[512];
  ocu_spec_hex(spec, hex);
  snprintf(why, sizeof why, "%s", ocu_error());
  ocu_fail(OCU_NO_PLAN, "no plan for %s-%s: %s", target, hex, why);
  return NULL;
}
