"""make demo: an unmodified cuBLAS program on the CPU, checked, against the peak and OpenBLAS."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from opencu.bench.measure import CHOICE_VARIABLES, PAIRS, PAUSE, THREAD_VARIABLES
from opencu.runtime.device import device
from opencu.shims import include_dir, lib_dir

SIZE, REPETITIONS, SEED = 2048, 5, 1
ROOT = Path(__file__).resolve().parent.parent
SOURCE, PROGRAM = ROOT / "examples/cublas_gemm.c", ROOT / "build/cublas_gemm"
RESULT = ROOT / "build/C.bin"


def compile_program() -> None:
    """As for CUDA, but for where the headers and libraries are."""
    command = [os.environ.get("CC", "cc"), "-O2", str(SOURCE), "-o", str(PROGRAM)]
    command += [f"-I{include_dir()}", f"-L{lib_dir()}", "-lcublas", "-lcudart", "-lm"]
    PROGRAM.parent.mkdir(exist_ok=True)
    print("$", " ".join(command).replace(f"{ROOT}/", ""))
    subprocess.run(command, check=True)


def run_program() -> dict[str, float]:
    """Run it through `opencu run`; the numbers of its last line."""
    command = [sys.executable, "-m", "opencu", "run", "--", str(PROGRAM)]
    command += [str(SIZE), str(REPETITIONS), str(SEED), str(RESULT)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"demo: the program failed:\n{done.stdout}")
    pairs = (pair.split("=") for pair in done.stdout.splitlines()[-1].split()[1:])
    return {name: float(value) for name, value in pairs}


def inputs(np):
    """The A and B that the program makes: x' = 1664525 x + 1013904223 mod 2^32, as rows of A^T."""
    factors, ones = np.full(2 * SIZE * SIZE, 1664525, np.uint32), np.ones(1, np.uint32)
    powers = np.multiply.accumulate(factors, dtype=np.uint32)
    sums = np.add.accumulate(np.concatenate((ones, powers[:-1])), dtype=np.uint32)
    state = powers * np.uint32(SEED) + np.uint32(1013904223) * sums
    return ((state >> 8).astype(np.float32) / 8388608 - 1).reshape(2, SIZE, SIZE)


def numpy_seconds(np, a, b, c) -> float:
    """The same product by numpy: the median of as many calls after one that does not count."""
    took = []
    for _ in range(REPETITIONS + 1):
        start = time.perf_counter()
        np.matmul(b, a, out=c)  # the transpose of the program's column-major A B
        took.append(time.perf_counter() - start)
    return statistics.median(took[1:])


def rounds(*sides) -> list[list[float]]:
    """What each side measures, round by round, alternating which goes first: the machine's speed
    moves from minute to minute, and what is compared must be measured next to each other."""
    found = []
    for i in range(PAIRS):
        values = []
        for side in sides if i % 2 == 0 else sides[::-1]:
            time.sleep(PAUSE)
            values.append(side())
        found.append(values if i % 2 == 0 else values[::-1])
    return found


def main() -> None:
    about = device("cpu").info
    for name in CHOICE_VARIABLES:
        os.environ.pop(name, None)
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(about.threads)))
    import numpy as np  # reads the variables

    from opencu.bench.peak import gflops

    compile_program()
    a, b = inputs(np)
    work = 2 * SIZE**3 / 1e9
    measured = rounds(  # GFLOP/s; the program is next to both that it is compared with
        lambda: work / numpy_seconds(np, a, b, np.empty_like(a)),
        lambda: work / run_program()["ms"] * 1e3,
        lambda: gflops(device("cpu"), "float32", about.threads),
    )
    # One round tells speed and peak, so that the share is theirs: the round of the median share.
    _, speed, peak = sorted(measured, key=lambda each: each[1] / each[2])[PAIRS // 2]
    ratio = statistics.median(ours / theirs for theirs, ours, _ in measured)

    found = np.fromfile(RESULT, np.float32).reshape(SIZE, SIZE)
    wide = b.astype(np.float64), a.astype(np.float64)
    bound = SIZE * np.finfo(np.float32).eps / 2 * (np.abs(wide[0]) @ np.abs(wide[1]))
    error = np.abs(found - wide[0] @ wide[1])
    right = bool((error <= bound).all())
    print(f"device       {about.name}, {about.target}, {about.threads} threads")
    print(f"program      {SOURCE.relative_to(ROOT)} through opencu run, {SIZE} x {SIZE}, float32")
    print(f"checked      every element against float64: largest error {error.max():.2g}, ", end="")
    print(f"{'right' if right else 'WRONG'} (allowed there: {bound.flat[error.argmax()]:.2g})")
    print(f"speed        {speed:.1f} GFLOP/s")
    print(f"of FMA peak  {speed / peak:.1%} of {peak:.1f} GFLOP/s, measured in the same round")
    print(
        f"compared     {ratio:.2f} x the speed of numpy's OpenBLAS on these inputs (1.00 = equal)"
    )
    if not right:
        sys.exit("demo: the result is wrong")


if __name__ == "__main__":
    main()
