/* absent.c - a vendor library of which nothing is implemented yet: programs that link it start, and
 * every name of it refuses by name with the library's own status for that (libraries.csv). */
#include <stdio.h>

#include "shim.h"

int refused(const char *name, const char *reason) {
  ocu_shim_refuse(name, reason);
  return REFUSED_STATUS;
}

typedef struct { int ranks, rank, stride; } team; /* ncclTeam_t */

/* A string is the result: through the argument behind those named, or copied to a buffer. */
#define UNUSED __attribute__((unused))
#define REFUSE_STRING_AT(name, ...) \
  int name(__VA_ARGS__, const char **text) { \
    if (OUT(text)) *text = "not supported"; \
    return refused(#name, NULL); \
  }
#define REFUSE_TEXT(name) \
  void name(char *text, size_t bytes) { \
    refused(#name, NULL); \
    if (bytes && ocu_accessible(text, bytes, 1)) snprintf(text, bytes, "not supported"); \
  }

#include "refusals.inc"
