/* refused.c - every name that a vendor's library exports and ours does not implement. No header
 * declares them here: only what is returned matters, not what they take. */
#include "shim.h"

#include "refusals.inc"
