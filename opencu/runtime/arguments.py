"""Checks of arguments that several functions take; an error names the argument, its value and what
was expected."""

import math
import numbers
from typing import Any

import numpy as np

from opencu.runtime.dlpack import FOREIGN


def flag(name: str, value: Any) -> bool:
    """A truth value: True, False, 1 or 0, of Python or numpy."""
    if isinstance(value, (bool, int, np.bool_, np.integer)) and value in (0, 1):
        return bool(value)
    raise TypeError(f"{name} is {value!r}: expected True or False")


def dtype(name: str, value: Any) -> np.dtype:
    """A dtype of numpy's or torch's, or its name. (numpy takes anything that has one, as well.)"""
    if type(value).__module__ == "torch":
        value = str(value).removeprefix("torch.")
    if isinstance(value, str) and value in FOREIGN:
        return FOREIGN[value]
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


def integer(name: str, value: Any) -> int:
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return int(value)
    raise TypeError(f"{name} is {value!r}: expected an integer")


def axis(name: str, value: Any, ndim: int) -> int:
    """An axis of an array, counted from the end where it is negative."""
    if -ndim <= integer(name, value) < ndim:
        return int(value) % ndim
    raise ValueError(f"{name} is {value}: expected an axis of {ndim} dimensions")


def real(name: str, value: Any) -> float:
    """A real number that is finite."""
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        if math.isfinite(value):
            return float(value)
        raise ValueError(f"{name} is {value!r}: expected a finite number")
    raise TypeError(f"{name} is {value!r}: expected a real number")


def count(name: str, value: Any, least: int = 0) -> int:
    """An integer that is at least so much."""
    if integer(name, value) >= least:
        return int(value)
    raise ValueError(f"{name} is {value}: expected at least {least}")
