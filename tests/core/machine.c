/* machine.c - prints what the core takes the machine below a root folder to be. */
#include <stdio.h>
#include "core.h"

int main(int argc, char **argv) {
  int64_t total, available;
  const char *root = argc > 1 ? argv[1] : "";
  ocu_machine_memory(root, &total, &available);
  printf("%lld %lld %d\n", (long long)total, (long long)available, ocu_machine_cores(root));
  return 0;
}
