/* audit.c - an LD_AUDIT library (see rtld-audit(7)): whatever way a program asks for a CUDA
 * library, by soname, by path or through its own RPATH, it gets ours, from this file's folder.
 * Names listed in OPENCU_REAL_LIBS (separated by ':'), and what our own libraries open, are let
 * through. It runs in a namespace of its own and uses nothing but libc. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[PATH_MAX];

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

unsigned int la_version(unsigned int version) {
  Dl_info self;
  if (dladdr((void *)la_version, &self) && self.dli_fname)
    snprintf(folder, sizeof folder, "%.*s", (int)(base_name(self.dli_fname) - self.dli_fname),
             self.dli_fname);
  return version;
}

static int is_real(const char *name) {
  const char *real = getenv("OPENCU_REAL_LIBS");
  while (real && *real) {
    size_t length = strcspn(real, ":");
    const char *candidates[] = {name, base_name(name)};
    for (int i = 0; i < 2; i++)
      if (length && strlen(candidates[i]) == length && !strncmp(real, candidates[i], length))
        return 1;
    real += length + (real[length] == ':');
  }
  return 0;
}

/* Is text ".MAJOR" or ".MAJOR.anything"? */
static int is_version(const char *text, const char *major) {
  size_t length = strlen(major);
  return *text == '.' && !strncmp(text + 1, major, length) &&
         (!text[1 + length] || text[1 + length] == '.');
}

/* Our file for a vendor's name: libcublas.so.12.9.3 is served by libcublas.so.12, a name with no
 * version by CUDA 13's; NULL for all other libraries and versions. */
static const char *our_name(const char *name, char *ours, size_t size) {
  static const struct {
    const char *stem, *majors[2]; /* the last major is what a name with no version means */
  } served[] = {
#include "audit.inc"
  };
  for (size_t i = 0; i < sizeof served / sizeof *served; i++) {
    size_t stem = strlen(served[i].stem);
    if (strncmp(name, served[i].stem, stem)) continue;
    const char *version = name + stem, *major = NULL;
    for (int j = 0; j < 2; j++)
      if (served[i].majors[j] && (!*version || is_version(version, served[i].majors[j])))
        major = served[i].majors[j];
    if (!major) return NULL;
    snprintf(ours, size, "%s.%s", served[i].stem, major);
    return ours;
  }
  return NULL;
}

char *la_objsearch(const char *name, uintptr_t *cookie, unsigned int flag) {
  static char path[PATH_MAX]; /* the loader calls under its lock and copies the name */
  char file[64];
  const char *ours = flag == LA_SER_ORIG && *folder
                         ? our_name(base_name(name), file, sizeof file)
                         : NULL;
  if (!ours || is_real(name)) return (char *)name;
  /* The cookie of an object that we have not touched is its link map. */
  const struct link_map *caller = (const struct link_map *)*cookie;
  if (caller && caller->l_name && !strncmp(base_name(caller->l_name), "libopencu", 9))
    return (char *)name;
  int length = snprintf(path, sizeof path, "%s%s", folder, ours);
  return length < (int)sizeof path && !access(path, R_OK) ? path : (char *)name;
}
