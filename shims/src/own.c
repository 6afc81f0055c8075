/* own.c - what each library has for itself. */
#include "shim.h"

_Thread_local int default_is_own;

extern char __dso_handle, _end; /* where a library's variables begin and end */

/* No caller may have a result written there: a handle is an address in them. */
__attribute__((constructor)) static void keep(void) {
  ocu_keep(&__dso_handle, (size_t)(&_end - &__dso_handle));
}
