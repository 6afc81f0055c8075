"""Checks of arguments that several functions take; an error names the argument, its value and what
was expected."""

from typing import Any

import numpy as np

from opencu.runtime.dlpack import BFLOAT16


def flag(name: str, value: Any) -> bool:
    """A truth value: True, False, 1 or 0, of Python or numpy."""
    if isinstance(value, (bool, int, np.bool_, np.integer)) and value in (0, 1):
        return bool(value)
    raise TypeError(f"{name} is {value!r}: expected True or False")


def dtype(name: str, value: Any) -> np.dtype:
    """A dtype of numpy's or torch's, or its name. (numpy takes anything that has one, as well.)"""
    if type(value).__module__ == "torch":
        value = str(value).removeprefix("torch.")
    if isinstance(value, str) and value == "bfloat16":
        return BFLOAT16
    if value is None or isinstance(value, (str, type, np.dtype)):
        try:
            return np.dtype(value)
        except (TypeError, ValueError, SyntaxError):
            pass
    raise TypeError(f"{name} is {value!r}: expected a dtype, such as 'float32'")


def instance(name: str, value: Any, kind: type, expected: str) -> Any:
    """value, if it is one of a class."""
    if isinstance(value, kind):
        return value
    raise TypeError(f"{name} is {value!r}: expected {expected}")
