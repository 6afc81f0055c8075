"""The C core's status codes as Python exceptions."""

try:
    from opencu._core import ffi, lib
except ImportError as error:
    from pathlib import Path

    advice = "install opencu with `pip install .`"
    if (root := Path(__file__).parents[2]).joinpath("setup.py").exists():
        advice = (
            f"run `make build` in {root}, or start elsewhere to use an opencu that is installed"
        )
    raise ImportError(f"opencu's C core cannot be loaded ({error}): {advice}") from error

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
