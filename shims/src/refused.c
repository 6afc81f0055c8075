/* refused.c - every name that a vendor's library exports and ours does not implement. No header
 * declares them here: only what is returned matters, not what they take. */
#include "shim.h"

_Thread_local int default_is_own;

#include REFUSALS
