"""Sparse matrices: what cuSPARSE does, on scipy's CSR matrices and on device arrays."""

from opencu.sparse.build import histogram, scan
from opencu.sparse.spmv import CSR, spmv

__all__ = ["CSR", "histogram", "scan", "spmv"]
