/* graphs.c - captures and graphs, as the runtime and the driver show them. */
#include "shared.h"

/* Nodes have no handles, so neither have those that the stream's next one will follow. */
int ocu_shim_capture_info(ocu_stream *stream, int *status, void **graph, const void **nodes,
                          const void **edges, size_t *count, unsigned long long *id,
                          const char *name) {
  int state;
  uint64_t number = 0;
  ocu_graph *made = NULL;
  REQUIRE(OUT(status) && OPTIONAL_OUT(graph) && OPTIONAL_OUT(nodes) && OPTIONAL_OUT(edges) &&
              OPTIONAL_OUT(count) && OPTIONAL_OUT(id),
          CUDA_ERROR_INVALID_VALUE);
  CHECK(ocu_shim_code(ocu_capture_query(stream, &state, &number, &made)));
  if (state == OCU_CAPTURE_ACTIVE && (nodes || edges || count))
    return ocu_shim_refuse(name, "dependencies_out: the nodes of a graph have no handles");
  *status = state;
  if (state != OCU_CAPTURE_NONE && id) *id = number;
  if (state != OCU_CAPTURE_NONE && graph) *graph = made;
  return CUDA_SUCCESS;
}

int ocu_shim_capture_mode(int *mode) {
  REQUIRE(OUT(mode), CUDA_ERROR_INVALID_VALUE);
  int asked = *mode;
  REQUIRE(asked >= 0 && asked <= CU_STREAM_CAPTURE_MODE_RELAXED, CUDA_ERROR_INVALID_VALUE);
  *mode = ocu_capture_mode(asked);
  return ocu_shim_code(ocu_alive());
}

int ocu_shim_capture_end(ocu_stream *stream, ocu_graph **graph) {
  REQUIRE(OUT(graph), CUDA_ERROR_INVALID_VALUE);
  return ocu_shim_code(ocu_capture_end(stream, graph));
}

int ocu_shim_graph_instantiate(ocu_graph **out, ocu_graph *graph, unsigned long long flags,
                               const char *name) {
  enum { AUTO_FREE = 1, UPLOAD = 2, DEVICE_LAUNCH = 4, PRIORITY = 8 };
  REQUIRE(OUT(out) && !(flags & ~15ull), CUDA_ERROR_INVALID_VALUE);
  if (flags & DEVICE_LAUNCH)
    return ocu_shim_refuse(name, "flags: no device code could launch the graph");
  return ocu_shim_code(ocu_graph_instantiate(graph, out));
}

int ocu_shim_graph_nodes(ocu_graph *graph, void *nodes, size_t *count, const char *name) {
  REQUIRE(OUT(count), CUDA_ERROR_INVALID_VALUE);
  if (nodes) return ocu_shim_refuse(name, "nodes: the nodes of a graph have no handles");
  return ocu_shim_code(ocu_graph_nodes(graph, 0, count));
}

/* An executable graph is where it runs. */
int ocu_shim_graph_upload(ocu_graph *executable, ocu_stream *stream) {
  size_t count;
  REQUIRE(ocu_stream_device(stream) >= 0, CUDA_ERROR_INVALID_HANDLE);
  return ocu_shim_code(ocu_graph_nodes(executable, 1, &count));
}

int ocu_shim_graph_update(ocu_graph *executable, ocu_graph *graph, struct shim_update *said) {
  REQUIRE(OUT(said), CUDA_ERROR_INVALID_VALUE);
  int error = ocu_shim_code(ocu_graph_update(executable, graph));
  int changed = error == CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
  *said = (struct shim_update){
      changed ? CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED
      : error ? CU_GRAPH_EXEC_UPDATE_ERROR : CU_GRAPH_EXEC_UPDATE_SUCCESS, NULL, NULL};
  return error;
}
