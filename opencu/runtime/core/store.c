/* store.c - plans on disk: <store>/<build id>/<target>-<spec>.plan
 *
 * The store must be a folder of mode 0700 that the effective user owns and no symlink; whatever is
 * wrong with it, the program says so once and goes on without one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
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
static int64_t most;  /* bytes in all */

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
  } else if (home && *home == '/' && !access(home, F_OK)) {  /* no home is made up */
    n = snprintf(root, sizeof root, "%s/.cache/opencu", home);
  }
  if ((size_t)n >= sizeof root) root[n = 0] = 0;
  while (n > 1 && root[n - 1] == '/') root[--n] = 0;  /* O_NOFOLLOW follows "link/" */
  most = (int64_t)ocu_env_number("OPENCU_CACHE_MAX_MB", "megabytes", 1 << 20, 256) << 20;
}

/* Makes the folders above a path; the error that was in the way first, or 0. */
static int make_parents(const char *path) {
  char part[PATH_MAX];
  int error = 0;
  strcpy(part, path);
  for (char *slash = part; (slash = strchr(slash + 1, '/'));) {
    *slash = 0;
    if (mkdir(part, 0700) && errno != EEXIST && !error) error = errno;
    *slash = '/';
  }
  return error;
}

/* A folder that only this user can have written to, made if missing; `above` is why the folder that
 * it should lie in may be missing. */
static int open_folder(int at, const char *name, int above) {
  const int how = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  struct stat st;
  int fd = openat(at, name, how);
  if (fd < 0 && errno == ENOENT && (!mkdirat(at, name, 0700) || errno == EEXIST))
    fd = openat(at, name, how);
  if (fd < 0) {
    ocu_fail(OCU_SYSTEM, "plans are not kept on disk: the folder %s cannot be used: %s", name,
             strerror(errno == ENOENT && above ? above : errno));
    return -1;
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
  if (*root) return open_folder(AT_FDCWD, root, make_parents(root));
  ocu_fail(OCU_SYSTEM, "plans are not kept on disk: there is no HOME, XDG_CACHE_HOME or "
           "OPENCU_CACHE_DIR, or the program runs with raised privileges");
  return -1;
}

int ocu_store_open(void) {
  int top = open_root();
  if (top < 0) return -1;
  int fd = open_folder(top, build, 0);
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

void *ocu_store_read(const char *target, const ocu_spec *spec, size_t *bytes) {
  char name[80];
  entry_name(name, target, spec);
  int folder = ocu_store_open();
  if (folder < 0) return NULL;
  int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  close(folder);
  if (fd < 0) return NULL;
  void *plan = ocu_slurp(fd, plan_most, bytes);
  close(fd);
  return plan;
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

typedef struct { int64_t age, bytes; char path[120]; } entry;

static int older(const void *a, const void *b) {
  int64_t x = ((const entry *)a)->age, y = ((const entry *)b)->age;
  return (x > y) - (x < y);
}

static void evict(void) {
  FTS *store = fts_open((char *[]){root, NULL}, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
  entry *all = NULL;
  size_t n = 0;
  int64_t bytes = 0;
  for (FTSENT *f; store && (f = fts_read(store));) {
    const struct stat *st = f->fts_statp;
    bool skip = f->fts_level > 1 || (f->fts_level == 1 && f->fts_namelen != sizeof build - 1);
    if (f->fts_info == FTS_D && skip) fts_set(store, f, FTS_SKIP);  /* no build's folder */
    if (f->fts_info != FTS_F || f->fts_level != 2) continue;
    if (!strncmp(f->fts_name, "new-", 4) && st->st_mtim.tv_sec < time(NULL) - temporary_most) {
      unlink(f->fts_path);  /* of a process that ended while it wrote */
      continue;
    }
    if (!st->st_size || f->fts_namelen >= 80) continue;  /* the planner's lock; none of ours */
    entry *more = realloc(all, (n + 1) * sizeof *all);
    if (!more) break;
    all = more;
    entry *e = &all[n++];
    e->age = st->st_mtim.tv_sec * 1000000000LL + st->st_mtim.tv_nsec;
    bytes += e->bytes = st->st_size;
    snprintf(e->path, sizeof e->path, "%s/%s", f->fts_parent->fts_name, f->fts_name);
  }
  if (bytes > most) qsort(all, n, sizeof *all, older);
  for (size_t i = 0; i < n && bytes > most; i++) {
    char path[PATH_MAX + sizeof all->path];
    snprintf(path, sizeof path, "%s/%s", root, all[i].path);
    if (!unlink(path)) bytes -= all[i].bytes;
  }
  free(all);
  if (store) fts_close(store);
}

/* ---- writing ------------------------------------------------------------------------------- */

static bool write_all(int fd, const char *bytes, size_t n) {
  struct rlimit limit;  /* beyond it a write would end the program by SIGXFSZ */
  if (!getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur < n) {
    errno = EFBIG;
    return false;
  }
  for (size_t at = 0; at < n;) {
    ssize_t done = write(fd, bytes + at, n - at);
    if (done > 0) at += (size_t)done;
    else if (done == 0 || errno != EINTR) return false;
  }
  return true;
}

/* In a folder of this build, under another name until it is whole. */
static bool write_entry(int folder, const ocu_plan_header *header, const void *plan) {
  static _Atomic int counter;
  char name[80], temporary[64];
  int fd;
  entry_name(name, header->target, &header->spec);
  do {  /* an earlier process, or one of another container, may have had this number too */
    snprintf(temporary, sizeof temporary, "new-%d-%d", getpid(), atomic_fetch_add(&counter, 1));
    fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  } while (fd < 0 && errno == EEXIST);
  if (fd < 0) return false;
  bool ok = write_all(fd, plan, header->bytes);
  ok = !close(fd) && ok && !renameat(folder, temporary, folder, name);
  if (!ok) unlinkat(folder, temporary, 0);
  return ok;
}

void ocu_store_write(const ocu_plan_header *header, const void *plan) {
  static _Atomic bool said;
  int folder = ocu_store_open();
  bool ok = folder >= 0 && write_entry(folder, header, plan);
  int error = errno;
  if (folder >= 0 && !ok)
    ocu_fail(OCU_SYSTEM, "plans are not kept on disk: %s cannot be written: %s", root,
             strerror(error));
  if (folder >= 0) close(folder);
  if (ok) {
    atomic_fetch_add(&ocu_plans_stored, 1);
    evict();
  } else if (*root && error != EFBIG && !atomic_exchange(&said, true)) {
    fprintf(stderr, "opencu: %s\n", ocu_error());  /* EFBIG: it may be at its limit, too */
  }
}
