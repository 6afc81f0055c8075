"""The problems of `opencu bench gemm --suite`: m, n, k, dtype, dtype of the result, matrices."""

SQUARES = (*((size,) * 3 for size in (512, 1024, 2048, 4096)), (4096, 512, 4096))
Case = tuple[int, int, int, str, str, int]
SUITES: dict[str, list[Case]] = {
    "dtypes": [
        (*shape, dtype, out, 1)
        for dtype, out in (("bfloat16", "bfloat16"), ("bfloat16", "float32"), ("int8", "int32"))
        for shape in SQUARES
    ],
    "complex": [
        (size, size, size, dtype, dtype, 1)
        for dtype in ("complex64", "complex128")
        for size in (1024, 2048)
    ],
    "batched": [(16, 16, 16, "float32", "float32", 10_000)],
    "decode": [  # b's rows lie along k, as a linear layer keeps its weights
        (m, n, k, dtype, dtype, 1)
        for dtype in ("float32", "bfloat16")
        for n, k in ((4096, 4096), (11008, 4096))
        for m in (1, 4, 16)
    ],
}
