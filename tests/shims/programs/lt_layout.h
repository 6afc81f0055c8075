/* lt_layout.h - matrices of the products of cublasLtMatmul that are tested. */
#include <cublasLt.h>

#include "numbers.h"

enum { M = 14, N = 9, K = 17, LD = 23, BATCH = 2, MOST = LD * LD };

static cublasLtMatrixLayout_t layout(cudaDataType type, int rows, int columns, int by_rows,
                                     int batch) {
  cublasLtMatrixLayout_t x;
  const int32_t order = by_rows ? CUBLASLT_ORDER_ROW : CUBLASLT_ORDER_COL, count = batch;
  const int64_t stride = MOST;
  EXPECT(cublasLtMatrixLayoutCreate(&x, type, (uint64_t)rows, (uint64_t)columns, LD), 0);
  EXPECT(cublasLtMatrixLayoutSetAttribute(x, CUBLASLT_MATRIX_LAYOUT_ORDER, &order, sizeof order), 0);
  EXPECT(cublasLtMatrixLayoutSetAttribute(x, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count,
                                          sizeof count), 0);
  EXPECT(cublasLtMatrixLayoutSetAttribute(x, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride,
                                          sizeof stride), 0);
  return x;
}
