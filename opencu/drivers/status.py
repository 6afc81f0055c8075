"""The C core's status codes as Python exceptions."""

try:
    from opencu._core import ffi, lib
except ImportError as error:
    raise ImportError(
        f"opencu's C core cannot be loaded ({error}): build it with `make build`, or install"
        " opencu with `pip install .`"
    ) from error

EXCEPTIONS = {
    lib.OCU_INVALID_VALUE: ValueError,
    lib.OCU_INVALID_DEVICE: ValueError,
    lib.OCU_OUT_OF_MEMORY: MemoryError,
    lib.OCU_UNSUPPORTED: NotImplementedError,
    lib.OCU_SYSTEM: OSError,
}


def check(status: int) -> None:
    """Raise the exception that fits a status; its text is the core's own sentence."""
    if status:
        text = ffi.string(lib.ocu_error()).decode(errors="replace")
        raise EXCEPTIONS.get(status, RuntimeError)(text)
