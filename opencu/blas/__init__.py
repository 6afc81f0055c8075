"""Dense linear algebra: what cuBLAS does, on numpy arrays, torch tensors and device arrays."""

from importlib import import_module
from typing import TYPE_CHECKING

from opencu.blas.gemm import gemm

if TYPE_CHECKING:  # what a type checker sees of __all__
    from opencu.blas.lapack import gels, geqrf, getrf, getri, getrs, matinv
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
    from opencu.blas.level2 import (
        dgmm,
        gbmv,
        gemv,
        ger,
        gerc,
        geru,
        hbmv,
        hemv,
        her,
        her2,
        hpmv,
        hpr,
        hpr2,
        sbmv,
        spmv,
        spr,
        spr2,
        symv,
        syr,
        syr2,
        tbmv,
        tbsv,
        tpmv,
        tpsv,
        tpttr,
        trmv,
        trsv,
        trttp,
    )
    from opencu.blas.level3 import (
        geam,
        hemm,
        her2k,
        herk,
        herkx,
        symm,
        syr2k,
        syrk,
        syrkx,
        trmm,
        trsm,
    )

# Where the others are: gemm alone needs no compiler at hand.
_MODULES = ("lapack", "level1", "level2", "level3")


def __getattr__(name: str) -> object:
    if name in __all__:
        for module in _MODULES:
            value = getattr(import_module(f"opencu.blas.{module}"), name, None)
            if getattr(value, "__module__", "") == f"opencu.blas.{module}":
                globals()[name] = value
                return value
    raise AttributeError(f"module 'opencu.blas' has no attribute '{name}'")


__all__ = [
    "amax",
    "amin",
    "asum",
    "axpy",
    "copy",
    "dgmm",
    "dot",
    "dotc",
    "dotu",
    "gbmv",
    "geam",
    "gels",
    "gemm",
    "gemv",
    "geqrf",
    "ger",
    "gerc",
    "geru",
    "getrf",
    "getri",
    "getrs",
    "hbmv",
    "hemm",
    "hemv",
    "her",
    "her2",
    "her2k",
    "herk",
    "herkx",
    "hpmv",
    "hpr",
    "hpr2",
    "matinv",
    "nrm2",
    "rot",
    "rotg",
    "rotm",
    "rotmg",
    "sbmv",
    "scal",
    "spmv",
    "spr",
    "spr2",
    "swap",
    "symm",
    "symv",
    "syr",
    "syr2",
    "syr2k",
    "syrk",
    "syrkx",
    "tbmv",
    "tbsv",
    "tpmv",
    "tpsv",
    "tpttr",
    "trmm",
    "trmv",
    "trsm",
    "trsv",
    "trttp",
]
