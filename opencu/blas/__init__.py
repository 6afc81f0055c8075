"""Dense linear algebra: what cuBLAS does, on numpy arrays, torch tensors and device arrays."""

from opencu.blas.gemm import gemm

__all__ = ["gemm"]
