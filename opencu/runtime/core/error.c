/* error.c - this thread's last message. */
#include <stdio.h>
#include <stdlib.h>
#include "core.h"

enum { MESSAGE_BYTES = 1024 };

/* Not an array in thread-local storage: the loader has little of the static kind left for a library
 * that is opened late. */
ocu_status ocu_fail(ocu_status s, const char *format, ...) {
  if (!ocu_self.message && (ocu_self.message = malloc(MESSAGE_BYTES))) ocu_self_owns();
  if (!ocu_self.message) return s;
  va_list args;
  va_start(args, format);
  vsnprintf(ocu_self.message, MESSAGE_BYTES, format, args);
  va_end(args);
  return s;
}

const char *ocu_error(void) { return ocu_self.message ? ocu_self.message : "no error"; }

const char *ocu_status_name(ocu_status s) {
#define NAME(status) [status] = #status
  static const char *const names[] = {
      NAME(OCU_OK), NAME(OCU_INVALID_VALUE), NAME(OCU_OUT_OF_MEMORY), NAME(OCU_INVALID_DEVICE),
      NAME(OCU_INVALID_HANDLE), NAME(OCU_INVALID_POINTER), NAME(OCU_ILLEGAL_ADDRESS),
      NAME(OCU_NOT_READY), NAME(OCU_FORKED), NAME(OCU_NO_PLAN), NAME(OCU_UNSUPPORTED),
      NAME(OCU_SYSTEM), NAME(OCU_LOST), NAME(OCU_CAPTURE_UNSUPPORTED),
      NAME(OCU_CAPTURE_INVALIDATED), NAME(OCU_CAPTURE_MERGE), NAME(OCU_CAPTURE_UNMATCHED),
      NAME(OCU_CAPTURE_UNJOINED), NAME(OCU_CAPTURE_ISOLATION), NAME(OCU_CAPTURE_IMPLICIT),
      NAME(OCU_CAPTURED_EVENT), NAME(OCU_CAPTURE_WRONG_THREAD), NAME(OCU_ILLEGAL_STATE),
      NAME(OCU_UPDATE_FAILED)};
  return (unsigned)s < sizeof names / sizeof *names ? names[s] : "unknown status";
}
