/* peers.c - two devices' memory, and that of another process: this program once more. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "cuda_runtime_api.h"

#define SAY(name, call) printf("%s %d\n", name, (int)(call))

/* Reads the handle from stdin; the memory holds sevens and shall hold nines. */
static int child(void) {
  cudaIpcMemHandle_t handle;
  void *there = NULL, *again = NULL;
  char back[100] = "";
  if (fread(&handle, sizeof handle, 1, stdin) != 1) return 1;
  SAY("open", cudaIpcOpenMemHandle(&there, handle, cudaIpcMemLazyEnablePeerAccess));
  SAY("read", cudaMemcpy(back, there, sizeof back, cudaMemcpyDeviceToHost));
  printf("found %d\n", back[99]);
  SAY("beyond", cudaMemcpy(back, (char *)there + 200, sizeof back, cudaMemcpyDeviceToHost));
  SAY("free", cudaFree(there));
  cudaMemset(there, 9, sizeof back), cudaDeviceSynchronize();
  SAY("close", cudaIpcCloseMemHandle(there));
  SAY("close again", cudaIpcCloseMemHandle(there));
  memset(&handle, 0, sizeof handle);
  SAY("open nothing", cudaIpcOpenMemHandle(&again, handle, cudaIpcMemLazyEnablePeerAccess));
  return 0;
}

int main(int n, char **argv) {
  if (n > 1) return child();
  int can = -1;
  void *here, *there;
  char back[100] = "";
  cudaIpcMemHandle_t handle;
  SAY("peers", cudaDeviceCanAccessPeer(&can, 0, 1));
  printf("can %d\n", can);
  SAY("enable", cudaDeviceEnablePeerAccess(1, 0));
  SAY("enable again", cudaDeviceEnablePeerAccess(1, 0));
  cudaMalloc(&here, sizeof back), cudaMemset(here, 7, sizeof back);
  cudaSetDevice(1), cudaMalloc(&there, sizeof back), cudaSetDevice(0);
  SAY("copy", cudaMemcpyPeer(there, 1, here, 0, sizeof back));
  SAY("back", cudaMemcpy(back, there, sizeof back, cudaMemcpyDefault));
  printf("copied %d\n", back[99]);

  SAY("handle", cudaIpcGetMemHandle(&handle, (char *)here + 5));
  SAY("of the host's", cudaIpcGetMemHandle(&handle, back));
  SAY("own", cudaIpcOpenMemHandle(&there, handle, 0));
  fflush(stdout);
  char command[512];
  snprintf(command, sizeof command, "%s child", argv[0]);
  FILE *other = popen(command, "w");
  fwrite(&handle, sizeof handle, 1, other);
  pclose(other);
  cudaMemcpy(back, here, sizeof back, cudaMemcpyDefault);
  printf("then %d\n", back[99]);
  return 0;
}
