/* check.h - what the test programs share: one line on the first thing that is wrong, then exit. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(expression, wanted) \
  do { \
    long long got_ = (long long)(expression), wanted_ = (long long)(wanted); \
    if (got_ != wanted_) { \
      printf("%s:%d: %s is %lld, expected %lld\n", __FILE__, __LINE__, #expression, got_, \
             wanted_); \
      exit(1); \
    } \
  } while (0)
#define TRUE(condition) EXPECT(!!(condition), 1)

static inline double random_value(void) { return (double)rand() / RAND_MAX * 2 - 1; }
