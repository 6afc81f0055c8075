/* store.c - plans on disk: <store>/<build id>/<target>-<spec>.plan
 *
 * The store must be a folder of mode 0700 that the effective user owns and no symlink; whatever is
 * wrong with it, the program goes on without one.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "core.h"

static const size_t plan_most = (size_t)64 << 20;  /* bytes; a plan is some tens of kilobytes */
static const time_t temporary_most = 3600;         /* seconds; writing a plan takes none */
static char root[PATH_MAX], build[33];
static size_t given;  /* length of the part of root that must exist: no home is made up */

static void resolve(void) {
  ocu_spec id;
  memcpy(id.f, ocu_build_id(), 16);
  ocu_spec_hex(&id, build);
  /* With raised privileges all three are NULL: such a program has no store. */
  const char *own = secure_getenv("OPENCU_CACHE_DIR"), *xdg = secure_getenv("XDG_CACHE_HOME");
  const char *home = secure_getenv("HOME");
  int n = 0;
  char here[PATH_MAX / 2] = "";
  if (own && *own) {
    bool relative = *own != '/' && getcwd(here, sizeof here);
    n = snprintf(root, sizeof root, "%s%s%s", here, relative ? "/" : "", own);
  } else if (xdg && *xdg == '/') {
    n = snprintf(root, sizeof root, "%s/opencu", xdg);
  } else if (home && *home == '/') {
    n = snprintf(root, sizeof root, "%s/.cache/opencu", home);
    given = strlen(home);
  }
  if ((size_t)n >= sizeof root) root[n = 0] = 0;
  while (n > 1 && root[n - 1] == '/') root[--n] = 0;  /* O_NOFOLLOW follows "link/" */
}

static void make_parents(const char *path) {
  char part[PATH_MAX];
  strcpy(part, path);
  for (char *slash = part + given; (slash = strchr(slash + 1, '/'));) {
    *slash = 0;
    mkdir(part, 0700);
    *slash = '/';
  }
}

/* A folder that only this user can have written to; made if missing. */
static int open_folder(int at, const char *name) {
  struct stat st;
  int fd = -1;
  for (int made = 0; fd < 0; made++) {
    fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && (made || errno != ENOENT || (mkdirat(at, name, 0700) && errno != EEXIST))) {
      ocu_fail(OCU_SYSTEM, "plans are not kept on disk: the folder %s cannot be used: %s", name,
               strerror(errno));
      return -1;
    }
  }
  if (!fstat(fd, &st) && st.st_uid == geteuid() && !(st.st_mode & 077)) return fd;
  ocu_fail(OCU_SYSTEM, "plans are not kept on disk: the folder %s must belong to this user and "
           "have mode 0700 (chmod 700 it, or set OPENCU_CACHE_DIR)", name);
  close(fd);
  return -1;
}

static int open_root(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, resolve);
  if (!*root) {
    ocu_fail(OCU_SYSTEM, "plans are not kept on disk: there is no HOME, XDG_CACHE_HOME or "
             "OPENCU_CACHE_DIR, or the program runs with raised privileges");
    return -1;
  }
  make_parents(root);
  return open_folder(AT_FDCWD, root);
}

int ocu_store_open(void) {
  int top = open_root();
  if (top < 0) return -1;
  int fd = open_folder(top, build);
  close(top);
  return fd;
}

const char *ocu_store_path(void) {
  if (ocu_start()) return "";
  int fd = open_root();
  if (fd < 0) return "";
  close(fd);
  return root;
}

static void entry_name(char out[80], const char *target, const ocu_spec *spec) {
  char hex[33];
  ocu_spec_hex(spec, hex);
  snprintf(out, 80, "%.32s-%s.plan", target, hex);
  for (char *p = out; *p; p++)
    if (*p == '/') *p = '_';
}

bool ocu_store_read(const char *target, const ocu_spec *spec, void **plan, size_t *bytes) {
  char name[80];
  entry_name(name, target, spec);
  int folder = ocu_store_open();
  if (folder < 0) return false;
  int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  close(folder);
  if (fd < 0) return false;
  bool ok = ocu_slurp(fd, plan_most, plan, bytes);
  close(fd);
  return ok;
}

void ocu_store_drop(const char *target, const ocu_spec *spec) {
  char name[80];
  entry_name(name, target, spec);
  int folder = ocu_store_open();
  if (folder < 0) return;
  unlinkat(folder, name, 0);
  close(folder);
}

/* ---- bounded size: the oldest plans go first ----------------------------------------------- */

typedef struct { int64_t age, bytes; char build[33], name[80]; } entry;
typedef struct { entry *e; size_t n, room; int64_t bytes; } entries;

static bool is_temporary(const char *name) { return !strncmp(name, "new-", 4); }

static void list_build(int top, const char *name, entries *all) {
  int fd = openat(top, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *dir = fd < 0 ? NULL : fdopendir(fd);
  if (!dir) {
    if (fd >= 0) close(fd);
    return;
  }
  struct dirent *d;
  struct stat st;
  while ((d = readdir(dir))) {
    if (fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode)) continue;
    if (is_temporary(d->d_name) && st.st_mtim.tv_sec < time(NULL) - temporary_most) {
      unlinkat(fd, d->d_name, 0);  /* of a process that ended while it wrote */
      continue;
    }
    if (strlen(d->d_name) >= sizeof all->e->name || !st.st_size) continue;  /* the planner's lock */
    if (all->n == all->room) {
      size_t room = all->room ? 2 * all->room : 64;
      entry *more = realloc(all->e, room * sizeof *more);
      if (!more) break;
      all->e = more;
      all->room = room;
    }
    entry *e = &all->e[all->n++];
    e->age = st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec;
    all->bytes += e->bytes = st.st_size;
    strcpy(e->build, name);
    strcpy(e->name, d->d_name);
  }
  closedir(dir);
}

static int older(const void *a, const void *b) {
  int64_t x = ((const entry *)a)->age, y = ((const entry *)b)->age;
  return (x > y) - (x < y);
}

static void evict(void) {
  const char *text = getenv("OPENCU_CACHE_MAX_MB");
  int64_t most = (text && atoll(text) > 0 ? atoll(text) : 256) << 20;
  int top = open_root();
  DIR *dir = top < 0 ? NULL : fdopendir(top);
  if (!dir) return;
  entries all = {0};
  struct dirent *d;
  while ((d = readdir(dir)))
    if (strlen(d->d_name) == 32) list_build(top, d->d_name, &all);
  if (all.bytes > most) qsort(all.e, all.n, sizeof *all.e, older);
  for (size_t i = 0; i < all.n && all.bytes > most; i++) {
    char path[120];
    snprintf(path, sizeof path, "%s/%s", all.e[i].build, all.e[i].name);
    if (!unlinkat(top, path, 0)) all.bytes -= all.e[i].bytes;
  }
  free(all.e);
  closedir(dir);
}

ocu_status ocu_store_write(const ocu_plan_header *header, const void *plan) {
  static _Atomic int counter;
  char name[80], temporary[64];
  entry_name(name, header->target, &header->spec);
  int folder = ocu_store_open(), fd;
  if (folder < 0) return OCU_SYSTEM;
  do {  /* an earlier process, or one of another container, may have had this number too */
    snprintf(temporary, sizeof temporary, "new-%d-%d", getpid(), atomic_fetch_add(&counter, 1));
    fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  } while (fd < 0 && errno == EEXIST);
  struct rlimit most;  /* beyond it a write would end the program by SIGXFSZ */
  bool ok = fd >= 0;
  if (ok && !getrlimit(RLIMIT_FSIZE, &most) && most.rlim_cur < header->bytes) {
    ok = false;
    errno = EFBIG;
  }
  for (size_t at = 0; ok && at < header->bytes;) {
    ssize_t n = write(fd, (const char *)plan + at, header->bytes - at);
    if (n > 0) at += (size_t)n;
    else ok = n < 0 && errno == EINTR;
  }
  if (fd >= 0 && close(fd)) ok = false;
  if (ok) ok = !renameat(folder, temporary, folder, name);
  if (!ok && fd >= 0) unlinkat(folder, temporary, 0);
  close(folder);
  if (!ok)
    return ocu_fail(OCU_SYSTEM, "the plan was not written to %s: %s", root, strerror(errno));
  atomic_fetch_add(&ocu_plans_stored, 1);
  evict();
  return OCU_OK;
}
