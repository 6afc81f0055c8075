"""What a kernel read outside itself while it was traced: globals, closure cells, attributes, items,
results of Python calls. Code made from it holds for as long as they all read the same.
"""

import builtins
from collections.abc import Callable
from types import CellType, FunctionType
from typing import Any


class Reads:
    """Notes each read as (look, where, what it gave): `look(*where)` is the read once more."""

    def __init__(self) -> None:
        self._known: dict[Any, tuple[Callable, tuple, Any]] = {}

    def get(self, look: Callable, *where: Any) -> Any:
        """look(*where), noted."""
        key = (id(look), *map(id, where))  # the note keeps the objects, so that ids stay theirs
        if key not in self._known:
            self._known[key] = (look, where, look(*where))
        return self._known[key][2]

    def name(self, function: FunctionType, name: str) -> Any:
        """What a free name of a function means now; LookupError if nothing."""
        free = function.__code__.co_freevars
        if name in free and function.__closure__:
            return self.get(_cell, function.__closure__[free.index(name)])
        return self.get(_global, function.__globals__, name)

    def same(self) -> bool:
        """Would all of them give the same again?"""
        try:
            for look, where, before in self._known.values():
                now = look(*where)
                if now is not before and exact(now) != exact(before):
                    return False
        except Exception:  # deleted, or not comparable
            return False
        return True


def exact(x: Any) -> Any:
    """A key for x that tells 1 from 1.0 and True, and 0.0 from -0.0, inside tuples too."""
    return x if isinstance(x, (str, FunctionType)) else (type(x), repr(x), x)


def _global(names: dict[str, Any], name: str) -> Any:
    return names[name] if name in names else vars(builtins)[name]


def _cell(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        raise LookupError("a variable without a value") from None
