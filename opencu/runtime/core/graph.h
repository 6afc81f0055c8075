/* graph.h - what capture.c records and graph.c runs. */
#ifndef OCU_GRAPH_H
#define OCU_GRAPH_H
#include "core.h"

/* A recording. A graph, its executables and their launches under way share it. */
typedef struct {
  _Atomic int users;
  int device;
  bool host;                       /* it calls host functions */
  int64_t cost;                    /* estimated nanoseconds on one thread */
  size_t n_nodes, most_nodes, bytes, most_bytes, n_ranges, most_ranges, n_used, most_used, n_owned,
      most_owned;
  struct { ocu_op run; size_t data, ranges; } *nodes;
  char *data;
  ocu_range *ranges;               /* which bytes each node touches, from nodes[i].ranges on */
  struct { char *base; size_t bytes; } *used;  /* the allocations of all, by their addresses */
  void **owned;                    /* freed in the capture, or made for it: they go with the graph */
  void *native;                    /* the driver's graph */
} ocu_recording;

struct ocu_graph {
  void *unused;
  _Atomic uint32_t live;
  bool executable;
  ocu_recording *work;
  _Atomic ocu_stamp last;          /* an executable does not run beside itself */
} __attribute__((aligned(64)));

ocu_graph *ocu_graph_take(ocu_recording *w, bool executable);
void ocu_graph_give(ocu_graph *g);  /* and what it recorded, if nobody else has it */
/* False: there is no memory for it. */
bool ocu_recording_add(ocu_recording *w, const ocu_submission *sub, bool native);
bool ocu_recording_own(ocu_recording *w, void *p);

/* Room for n elements, in the array or in one that replaces it; false: the array is as it was. */
#define OCU_ROOM(array, most, n) ocu_room((void **)&(array), &(most), n, sizeof *(array))
bool ocu_room(void **array, size_t *most, size_t n, size_t each);
#endif
