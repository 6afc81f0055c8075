"""Dense linear algebra: what cuBLAS does, on numpy arrays, torch tensors and device arrays."""

from opencu.blas.gemm import gemm
from opencu.blas.level1 import (
    amax,
    amin,
    asum,
    axpy,
    copy,
    dot,
    dotc,
    dotu,
    nrm2,
    rot,
    rotg,
    rotm,
    rotmg,
    scal,
    swap,
)

__all__ = [
    "amax",
    "amin",
    "asum",
    "axpy",
    "copy",
    "dot",
    "dotc",
    "dotu",
    "gemm",
    "nrm2",
    "rot",
    "rotg",
    "rotm",
    "rotmg",
    "scal",
    "swap",
]
