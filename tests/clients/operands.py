"""The operands of cuBLAS's calls, which its bindings take by the names of their arguments.

What a call must not read is NaN; what lies beside its operands, and what it only reads, stays."""

import numpy as np

# cudaDataType; cublasComputeType_t; relative errors of a few sums
CODES = {"f4": 0, "f8": 1, "f2": 2, "i1": 3, "c8": 4, "c16": 5, "u1": 8, "i4": 10, "i8": 24}
COMPUTE = {"f2": 68, "f4": 68, "c8": 68, "f8": 70, "c16": 70, "i4": 72}
EPS = {"f2": 2.0**-9, "f4": 2.0**-18, "c8": 2.0**-17, "f8": 2.0**-46, "c16": 2.0**-45}


class Operand:
    """memory: what a call gets; at(memory): the elements there, as mathematics has them; numbers:
    what the call is told of them, by the beginning of the argument's name."""

    def __init__(self, values, memory, at, **numbers):
        self.memory, self.at, self.numbers = memory, at, numbers
        self.kind = memory.dtype.str[1:]
        at(memory)[...] = values
        self.before, self.type = memory.copy(), CODES[self.kind]

    @property
    def address(self):
        return self.memory.ctypes.data

    @property
    def addresses(self):
        self.kept = np.array([x.ctypes.data for x in self.memory], "u8")
        return self.kept.ctypes.data

    def check(self, want, size):
        """want: what it must be now, or (what is looked at, what that must be); NaN where anything
        may be; None: what it was."""
        beside = self.memory.copy()
        self.at(beside)[...] = self.at(self.before)
        np.testing.assert_array_equal(self.memory if want is None else beside, self.before)
        if want is not None:
            eps = EPS.get(self.kind, 0)
            how, want = want if isinstance(want, tuple) else (np.asarray, want)
            found, want = np.broadcast_arrays(how(self.at(self.memory)), want)
            known = ~np.isnan(want)
            found = found[known].astype(np.result_type(found, want))
            np.testing.assert_allclose(found, want[known], rtol=eps, atol=eps * size)


def none(dtype):
    return np.nan if np.dtype(dtype).kind in "fc" else 99


def matrix(x, pad=3):
    """Matrices [.., m, n] in columns that are longer than needed."""
    x = x.reshape(-1, *x.shape[-2:])
    count, m, n = x.shape
    memory = np.full((count, n, m + pad), none(x.dtype), x.dtype)
    numbers = {"ld": m + pad, "stride": n * (m + pad)}
    return Operand(x, memory, lambda held: held[:, :, :m].transpose(0, 2, 1), **numbers)


def vector(x, inc=1):
    """Vectors [.., n] with a step, from the end if that is negative."""
    x = x.reshape(-1, x.shape[-1])
    count, n = x.shape
    memory = np.full((count, n * abs(inc)), none(x.dtype), x.dtype)
    end = (n - 1) * abs(inc) + 1
    side = slice(None, None, 1 if inc > 0 else -1)
    return Operand(
        x,
        memory,
        lambda held: held[:, : end : abs(inc)][:, side],
        inc=inc,
        stride=memory.shape[1],
    )


def number(value, dtype):
    """One, or a few in a row, which are by themselves in every form of a call."""
    x = np.atleast_1d(np.asarray(value)).astype(dtype)
    return Operand(x, x.copy(), lambda held: held)
