"""Kernels, and the source that they are read from."""

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any

from opencu.tile.ir import Function, KernelError, Type, Value
from opencu.tile.ops import verify
from opencu.tile.reads import Reads


class Source:
    """A function's syntax tree, and where it stands."""

    def __init__(self, code: CodeType):
        self.file = code.co_filename
        try:
            lines, self.first = inspect.getsourcelines(code)
        except OSError:
            raise KernelError(
                (self.file, code.co_firstlineno),
                f"the source of {code.co_name} cannot be read: write kernels in a file",
            ) from None
        try:
            self.tree: Any = ast.parse(textwrap.dedent("".join(lines))).body[0]
        except SyntaxError:  # a lambda, amid an expression
            self.tree = None
        if not isinstance(self.tree, ast.FunctionDef):
            raise KernelError((self.file, self.first), "expected a function made with def")
        self.loc = (self.file, self.first)


source_of = functools.cache(Source)


class Kernel:
    """A function marked with @kernel: the source of code for every target."""

    def __init__(self, function: Callable):
        if not inspect.isfunction(function):
            raise TypeError(f"a kernel is made of {function!r}: expected a function made with def")
        self.function, self.__name__, self.__doc__ = function, function.__name__, function.__doc__
        self.parameters = list(inspect.signature(function).parameters)

    def __call__(self, *args, **kwargs):
        raise TypeError(f"kernel {self.__name__} is launched with opencu.launch, not called")

    def trace(
        self,
        types: dict[str, Type],
        consts: Mapping[str, Any] | None = None,
        reads: Reads | None = None,
    ) -> Function:
        """The IR for these argument types; consts are the values of the other parameters. `reads`
        takes note of what else it depends on."""
        from opencu.tile.frontend import Tracer  # which knows of kernels: they call each other

        consts, tracer = consts or {}, Tracer(Reads() if reads is None else reads)
        names = inspect.signature(self.function).parameters
        loc = source_of(self.function.__code__).loc
        tracer.at(loc)
        for n, p in names.items():
            if n not in types and n not in consts and p.default is p.empty:
                tracer.fail(f"kernel {self.__name__}: no type or value for the parameter {n}")
        for n in (*types, *consts):
            if n not in names:
                tracer.fail(f"kernel {self.__name__} has no parameter {n}")
        params = {n: Value(t, None, n) for n, t in types.items()}
        tracer.inline(self.function, [], {**consts, **params})
        function = Function(self.__name__, list(params.values()), tracer.b.block, loc)
        verify(function)
        return function


kernel = Kernel
