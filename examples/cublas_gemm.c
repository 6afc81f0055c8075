/* cublas_gemm.c - C = A B with cuBLAS: a plain host program for the CUDA runtime and cuBLAS.
 *
 *     cc -O2 cublas_gemm.c -o cublas_gemm -lcublas -lcudart
 *     ./cublas_gemm [n] [repetitions] [seed] [C.bin]
 *
 * A and B are n x n, column-major, filled with numbers in [-1, 1) by the generator below, first A
 * and then B. Some entries of C are checked against a float64 sum. The last line is for programs:
 * "result" and then name=value pairs. C.bin, when named, receives C as raw float32.
 */
#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static void cuda(cudaError_t error, const char *what) {
  if (error == cudaSuccess) return;
  fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(error));
  exit(1);
}

static void cublas(cublasStatus_t status, const char *what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  fprintf(stderr, "%s: %s\n", what, cublasGetStatusString(status));
  exit(1);
}

/* x' = 1664525 x + 1013904223 mod 2^32; the value is the top 24 bits of x' / 2^23 - 1. */
static void fill(float *values, size_t count, uint32_t *state) {
  for (size_t i = 0; i < count; i++) {
    *state = *state * 1664525u + 1013904223u;
    values[i] = (float)(*state >> 8) / 8388608.0f - 1.0f;
  }
}

/* The largest error of sampled entries, as a share of the bound that float32 sums of n have. */
static double check(const float *A, const float *B, const float *C, size_t n, double *max_error) {
  double worst = 0;
  *max_error = 0;
  for (size_t s = 0; s < 512; s++) {
    size_t i = s * 7919 % n, j = s * 104729 % n;
    double sum = 0, size = 0;
    for (size_t p = 0; p < n; p++) {
      double term = (double)A[i + p * n] * B[p + j * n];
      sum += term;
      size += fabs(term);
    }
    double error = fabs(C[i + j * n] - sum), bound = size * n * 5.97e-8;
    if (isnan(error)) return *max_error = NAN;
    if (error > *max_error) *max_error = error;
    if (error > worst * bound) worst = error / bound;
  }
  return worst;
}

/* The median time of one product, in milliseconds. */
static float measure(cublasHandle_t handle, int n, const float *A, const float *B, float *C,
                     int repetitions) {
  const float alpha = 1, beta = 0;
  cudaEvent_t start, stop;
  float times[1000];
  cuda(cudaEventCreate(&start), "cudaEventCreate");
  cuda(cudaEventCreate(&stop), "cudaEventCreate");
  for (int r = -1; r < repetitions; r++) { /* the first one warms up */
    cuda(cudaEventRecord(start, 0), "cudaEventRecord");
    cublas(cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, n, n, n, &alpha, A, n, B, n, &beta, C, n),
           "cublasSgemm");
    cuda(cudaEventRecord(stop, 0), "cudaEventRecord");
    cuda(cudaEventSynchronize(stop), "cudaEventSynchronize");
    float ms;
    cuda(cudaEventElapsedTime(&ms, start, stop), "cudaEventElapsedTime");
    int at = r < 0 ? 0 : r; /* insert in order */
    for (; at > 0 && times[at - 1] > ms; at--) times[at] = times[at - 1];
    times[at] = ms;
  }
  cuda(cudaEventDestroy(start), "cudaEventDestroy");
  cuda(cudaEventDestroy(stop), "cudaEventDestroy");
  return times[repetitions / 2];
}

int main(int argc, char **argv) {
  int n = argc > 1 ? atoi(argv[1]) : 1024;
  int repetitions = argc > 2 ? atoi(argv[2]) : 10;
  uint32_t state = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 1;
  if (n < 1 || n > 32768 || repetitions < 1 || repetitions > 1000) {
    fprintf(stderr, "usage: %s [n 1..32768] [repetitions 1..1000] [seed] [C.bin]\n", argv[0]);
    return 2;
  }
  size_t count = (size_t)n * n, bytes = count * sizeof(float);
  float *A = malloc(bytes), *B = malloc(bytes), *C = malloc(bytes);
  if (!A || !B || !C) {
    fprintf(stderr, "no memory for three %d x %d matrices\n", n, n);
    return 1;
  }
  fill(A, count, &state);
  fill(B, count, &state);
  for (size_t i = 0; i < count; i++) C[i] = NAN; /* poison: every entry must be written */

  struct cudaDeviceProp device;
  cublasHandle_t handle;
  void *dA, *dB, *dC;
  cuda(cudaGetDeviceProperties(&device, 0), "cudaGetDeviceProperties");
  cublas(cublasCreate(&handle), "cublasCreate");
  cuda(cudaMalloc(&dA, bytes), "cudaMalloc");
  cuda(cudaMalloc(&dB, bytes), "cudaMalloc");
  cuda(cudaMalloc(&dC, bytes), "cudaMalloc");
  cuda(cudaMemcpy(dA, A, bytes, cudaMemcpyHostToDevice), "cudaMemcpy");
  cuda(cudaMemcpy(dB, B, bytes, cudaMemcpyHostToDevice), "cudaMemcpy");
  cuda(cudaMemcpy(dC, C, bytes, cudaMemcpyHostToDevice), "cudaMemcpy");
  float ms = measure(handle, n, (const float *)dA, (const float *)dB, (float *)dC, repetitions);
  cuda(cudaMemcpy(C, dC, bytes, cudaMemcpyDeviceToHost), "cudaMemcpy");
  cuda(cudaFree(dA), "cudaFree");
  cuda(cudaFree(dB), "cudaFree");
  cuda(cudaFree(dC), "cudaFree");
  cublas(cublasDestroy(handle), "cublasDestroy");

  double max_error, worst = check(A, B, C, (size_t)n, &max_error);
  double gflops = 2.0 * n * n * n / (ms * 1e6);
  int right = worst <= 1;
  printf("device     %s\nsize       %d x %d x %d, float32\ntime       %.3f ms\n", device.name, n, n,
         n, ms);
  printf("speed      %.1f GFLOP/s\nmax error  %.3g (%.1f %% of the bound): %s\n", gflops, max_error,
         100 * worst, right ? "right" : "WRONG");
  if (argc > 4) {
    FILE *file = fopen(argv[4], "wb");
    if (!file || fwrite(C, sizeof(float), count, file) != count || fclose(file)) {
      fprintf(stderr, "cannot write %s\n", argv[4]);
      return 1;
    }
  }
  printf("result n=%d ms=%.6f gflops=%.3f max_error=%.6g right=%d\n", n, ms, gflops, max_error,
         right);
  free(A), free(B), free(C);
  return !right;
}
