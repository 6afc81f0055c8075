"""gemm against OpenBLAS and MKL, on this process's threads."""

import pytest

from opencu.bench import gemm


@pytest.mark.parametrize("dtype", gemm.DTYPES)
@pytest.mark.parametrize("shape", gemm.SHAPES, ids=str)
def bench_gemm(shape, dtype, against):
    problem = gemm.Problem(*shape, dtype)
    runs = {name: make(problem) for name, make in gemm.peers(dtype).items()}
    ours = gemm.ours(problem)
    for name, run in {"opencu": ours, **runs}.items():
        problem.check(name, run)
    against(ours, runs)
