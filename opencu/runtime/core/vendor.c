/* vendor.c - opening a vendor's own library. One of our shims may have the same soname and lie first
 * on every path, so it is opened by an absolute path, and looked at. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "core.h"

typedef struct {
  const char *name;
  char *said;        /* the path of what was opened, or why nothing was */
  size_t bytes;
} search;

/* Every shim of ours, and nothing of a vendor's, brings this function with it. */
static bool is_ours(void *library) { return dlsym(library, "ocu_driver_add_sized") != NULL; }

static void *look(const search *s, const char *path) {
  if (*path != '/' || access(path, R_OK)) return NULL;
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) snprintf(s->said, s->bytes, "%s", dlerror());
  if (library && is_ours(library)) {
    dlclose(library);
    library = NULL;
  }
  if (library) snprintf(s->said, s->bytes, "%s", path);
  return library;
}

static void *in_folders(const search *s, const char *folders) {
  char path[4096];
  void *library = NULL;
  for (; folders && *folders && !library; folders += *folders == ':') {
    int length = (int)strcspn(folders, ":");
    if (snprintf(path, sizeof path, "%.*s/%s", length, folders, s->name) < (int)sizeof path)
      library = look(s, path);
    folders += length;
  }
  return library;
}

/* Every path in the loader's cache that ends in the name; of its format only the strings matter. */
static void *in_cache(const search *s) {
  int file = open("/etc/ld.so.cache", O_RDONLY | O_CLOEXEC);
  struct stat about;
  void *library = NULL;
  if (file < 0) return NULL;
  if (!fstat(file, &about) && about.st_size > 0) {
    size_t bytes = (size_t)about.st_size;
    char *start = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, file, 0), *end = start + bytes;
    for (char *at = start; start != MAP_FAILED && !library; at++) {
      at = memmem(at, (size_t)(end - at), s->name, strlen(s->name) + 1);
      if (!at) break;
      char *path = at;
      while (path > start && path[-1]) path--;
      if (at > path && at[-1] == '/') library = look(s, path);
    }
    if (start != MAP_FAILED) munmap(start, bytes);
  }
  close(file);
  return library;
}

void *ocu_vendor_open(const char *variable, const char *name, const char *folders, char *said,
                      size_t bytes) {
  const char *chosen = secure_getenv(variable);
  search s = {name, said, bytes};
  void *library = NULL;
  *said = 0;
  if (chosen && *chosen) {
    library = look(&s, chosen);
    if (!library && !*said)
      snprintf(said, bytes, "%s=%s is not the absolute path of a vendor's library", variable, chosen);
    return library;
  }
  library = in_folders(&s, secure_getenv("LD_LIBRARY_PATH"));
  if (!library) library = in_cache(&s);
  if (!library) library = in_folders(&s, folders);
  if (!library && !*said)
    snprintf(said, bytes, "there is no %s (%s can name its absolute path)", name, variable);
  return library;
}

const char *ocu_vendor_functions(void *library, const char *const *names, int n, void **out) {
  const char *missing = NULL;
  for (int i = n; i-- > 0;)
    if (!(out[i] = dlsym(library, names[i]))) missing = names[i];
  return missing;
}

const char *ocu_wheel_library(const char *driver, char *path, size_t bytes) {
  char note[4096];
  snprintf(note, sizeof note, "%s/lib/%s.txt", ocu_package_path(), driver);
  FILE *f = fopen(note, "re");
  bool found = f && fgets(path, (int)bytes, f);
  if (f) fclose(f);
  if (found) path[strcspn(path, "\n")] = 0;
  return found && *path ? path : NULL;
}

ocu_status ocu_vendor_status(int code) {
  switch (code) {
    case 0: case 704: return OCU_OK;  /* peers already */
    case 1: return OCU_INVALID_VALUE;
    case 2: return OCU_OUT_OF_MEMORY;
    case 100: case 101: return OCU_INVALID_DEVICE;
    case 400: return OCU_INVALID_HANDLE;
    case 600: return OCU_NOT_READY;
    case 200: case 209: case 217: case 218: case 801: return OCU_UNSUPPORTED; /* code for another chip */
    case 4: case 46: case 214: case 219: case 700: case 702: case 709: case 710:
    case 714: case 715: case 716: case 717: case 718: case 719: return OCU_LOST;
    default: return OCU_SYSTEM;
  }
}
