/* table.c - a driver's table called without the core: graphs, peers, other processes' memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "driver.h"

extern const ocu_driver DRIVER;
#define OK(call) do { if ((call) != OCU_OK) printf("%s: %s\n", #call, ocu_error()), exit(1); } while (0)

int main(void) {
  const ocu_driver *t = &DRIVER;
  char why[500] = "", handle[64], back[64] = "";
  void *a, *b, *s, *s2, *e, *graph, *opened;
  if (t->open(why, sizeof why) != 2) return printf("%s\n", why), 1;
  OK(t->alloc(0, 64, OCU_MEM_DEVICE, &a));
  OK(t->alloc(0, 64, OCU_MEM_DEVICE, &b));
  OK(t->stream_create(0, OCU_STREAM_NONBLOCKING, &s));
  OK(t->stream_create(0, OCU_STREAM_NONBLOCKING, &s2));
  OK(t->event_create(0, OCU_EVENT_NO_TIMING, &e));

  /* A graph of two streams: a becomes sevens in one, b a copy of it in the other. */
  ocu_rect sevens = {.dst = a, .width = 64, .height = 1, .pattern = 0x0707070707070707};
  ocu_rect zeros = {.dst = b, .width = 64, .height = 1};
  ocu_rect copy = {.dst = b, .src = a, .width = 64, .height = 1};
  ocu_rect out = {.dst = back, .src = b, .width = 64, .height = 1};
  OK(t->fill(0, s, &zeros));
  OK(t->graph_begin(0, s));
  OK(t->fill(0, s, &sevens));
  OK(t->event_record(0, e, s));
  OK(t->stream_wait(0, s2, e));
  OK(t->copy(0, s2, &copy));
  OK(t->event_record(0, e, s2));
  OK(t->stream_wait(0, s, e));
  OK(t->graph_end(0, s, &graph));
  for (int times = 0; times < 3; times++) {
    OK(t->copy(0, s, &out));
    OK(t->stream_sync(0, s));
    printf("replayed %d times: %d\n", times, back[63]);
    OK(t->fill(0, s, &zeros));
    OK(t->graph_launch(0, graph, s));
  }
  OK(t->stream_sync(0, s));
  OK(t->graph_destroy(0, graph));

  int can = -1;
  OK(t->peer(0, 1, &can));
  printf("peer %d\n", can);
  OK(t->ipc_get(0, a, handle));
  size_t bytes;
  OK(t->ipc_open(0, handle, &opened, &bytes));
  copy.src = opened, memset(back, 0, sizeof back);
  OK(t->copy(0, s, &copy));
  OK(t->copy(0, s, &out));
  OK(t->stream_sync(0, s));
  printf("opened %zu bytes: %d\n", bytes, back[63]);
  OK(t->ipc_close(0, opened));
  OK(t->event_destroy(0, e));
  OK(t->free(0, a, OCU_MEM_DEVICE));
  OK(t->free(0, b, OCU_MEM_DEVICE));
  OK(t->stream_destroy(0, s));
  OK(t->stream_destroy(0, s2));
  return 0;
}
