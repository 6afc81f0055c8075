/* refused.c - every name that a vendor's library exports and ours does not implement. No header
 * declares them here: only what is returned matters, not what they take. */
#include "shim.h"

/* A call about the program's own kernel, its first argument or its second (cudart_kernel.c). */
int refuse_kernel(const char *name, const void *host, int question);
#define FIRST __attribute__((unused)) void *first,
#define REFUSE_KERNEL(name, question, ...) \
  int name(__VA_ARGS__ const void *host) { return refuse_kernel(#name, host, question); }

#include "refusals.inc"
