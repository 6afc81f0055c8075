/* env.c - settings from the environment, read once at the start. A value that means nothing is one
 * sentence on stderr, and then as good as none. */
#include <stdio.h>
#include <stdlib.h>
#include "core.h"

const char *ocu_env(const char *name) {
  const char *text = getenv(name);
  return text && *text ? text : NULL;
}

void ocu_env_refuse(const char *name, const char *expected, ...) {
  char rest[200];
  va_list args;
  va_start(args, expected);
  vsnprintf(rest, sizeof rest, expected, args);
  va_end(args);
  fprintf(stderr, "opencu: %s=%.60s is not %s\n", name, ocu_env(name), rest);
}

int ocu_env_number(const char *name, const char *what, int most, int otherwise) {
  const char *text = ocu_env(name);
  char *end;
  long n = text ? strtol(text, &end, 10) : otherwise;
  if (!text || (!*end && n >= 1 && n <= most)) return (int)n;
  ocu_env_refuse(name, "a number of %s from 1 to %d; using %d", what, most, otherwise);
  return otherwise;
}
