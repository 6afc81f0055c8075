"""The front end: a kernel's Python source, read as an AST, becomes tile IR.

Names that hold Python objects (numbers, dtypes, functions, constants of the launch) are worked out
while reading; names that hold tiles, views or run-time numbers become IR values. A call of another
Python function is inlined, so helpers and hooks are ordinary functions.
"""

import ast
import functools
import inspect
import operator
from collections.abc import Callable
from typing import Any

from opencu.tile.dtypes import i64
from opencu.tile.ir import Block, Scalar, Tile, Value, View
from opencu.tile.kernel import Kernel, source_of
from opencu.tile.reads import Reads
from opencu.tile.values import NAMES, Values, is_static

_UNARY = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
    ast.Invert: operator.invert,
}
_FAILURES = (TypeError, ValueError, ArithmeticError, AttributeError, LookupError, RecursionError)


class Builtin:
    """A function of the kernel language; `emit(tracer, *args, **kwargs)` gives its meaning. One
    of several that differ in what they pass on has a name and a docstring of its own."""

    def __init__(self, emit: Callable, name: str = "", doc: str = ""):
        self.emit, self.__name__, self.__doc__ = emit, name or emit.__name__, doc or emit.__doc__

    def __call__(self, *args, **kwargs):
        raise TypeError(f"opencu.tile.{self.__name__} can only be called inside a kernel")


class Tracer(Values):
    """Reads one kernel; the language's functions call its methods to emit ops."""

    def __init__(self, reads: Reads) -> None:
        super().__init__(reads)
        self.function: Any = None  # what is being read
        self.source: Any = None  # its Source
        self.scope: dict[str, Any] = {}

    # ---- statements ------------------------------------------------------------------------------

    def inline(self, function: Callable, args: list, kwargs: dict) -> Any:
        """Read a function's body with its parameters bound; its return value."""
        source = source_of(self.reads.get(getattr, function, "__code__"))
        self.reads.get(getattr, function, "__defaults__")
        self.reads.get(getattr, function, "__kwdefaults__")
        try:
            bound = inspect.signature(function).bind(*args, **kwargs)
        except TypeError as error:
            self.fail(f"{function.__name__}: {error}")
        bound.apply_defaults()
        saved = self.function, self.source, self.scope, self.b.loc
        self.function, self.source, self.scope = function, source, dict(bound.arguments)
        result = self.body(source.tree.body, top=True)
        self.function, self.source, self.scope, self.b.loc = saved
        return result

    def body(self, statements: list[ast.stmt], top: bool = False) -> Any:
        for i, s in enumerate(statements):
            self.at((self.source.file, self.source.first + s.lineno - 1))
            returns = isinstance(s, ast.Return)
            if returns and (not top or i != len(statements) - 1):
                self.fail("return is only allowed as the last statement of a function")
            method = getattr(self, f"stmt_{type(s).__name__}", None)
            if method is None:
                kind = type(s).__name__.lower()
                self.fail(f"{kind} statements are not part of the kernel language")
            try:
                result = method(s)
                if returns:
                    return result
            except _FAILURES as error:
                self.fail(f"{type(error).__name__}: {error}")
        return None

    def stmt_Return(self, s: ast.Return) -> Any:
        return self.expr(s.value) if s.value else None

    def stmt_Pass(self, s: ast.Pass) -> None:
        return None

    def stmt_Expr(self, s: ast.Expr) -> None:
        self.expr(s.value)

    def stmt_Assign(self, s: ast.Assign) -> None:
        for target in s.targets:
            self.assign(target, self.expr(s.value))

    def stmt_AnnAssign(self, s: ast.AnnAssign) -> None:
        if s.value:
            self.assign(s.target, self.expr(s.value))

    def stmt_AugAssign(self, s: ast.AugAssign) -> None:
        fn = NAMES.get(type(s.op).__name__)
        if fn is None:
            self.fail("this operator is not part of the kernel language")
        self.assign(s.target, self.binary(fn, self.expr(s.target), self.expr(s.value)))

    def assign(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            self.scope[target.id] = value
        elif isinstance(target, ast.Tuple) and isinstance(value, tuple):
            if len(target.elts) != len(value):
                self.fail(f"{len(value)} values for {len(target.elts)} names")
            for t, v in zip(target.elts, value):
                self.assign(t, v)
        else:
            self.fail("expected a name on the left of =; memory is written with store")

    def stmt_If(self, s: ast.If) -> None:
        condition = self.expr(s.test)
        if is_static(condition):
            self.body(s.body if self.known(bool, condition) else s.orelse)
            return
        before, outer = dict(self.scope), self.b.block
        changed = sorted(_assigned(s.body) | _assigned(s.orelse))
        ends = []
        for part in (s.body, s.orelse):
            self.scope, self.b.block = dict(before), Block()
            self.body(part)
            ends.append((self.b.block, self.scope))
        # A name set in one branch only, and unknown before, has no value afterwards.
        live = [n for n in changed if all(n in scope for _, scope in ends)]
        blocks = []
        for block, scope in ends:
            self.b.block = block
            self.b.op("yield", [self.value(scope[n]) for n in live], [])
            blocks.append(block)
        self.scope, self.b.block = before, outer
        types = [v.type for v in blocks[0].ops[-1].operands]
        results = self.b.op("if", [condition], types, blocks)
        self.scope.update(zip(live, results))
        for n in set(changed) - set(live):
            self.scope.pop(n, None)

    def stmt_For(self, s: ast.For) -> None:
        call = s.iter
        if not (
            isinstance(call, ast.Call)
            and self.expr(call.func) is range
            and 1 <= len(call.args) <= 3
            and not call.keywords
            and isinstance(s.target, ast.Name)
            and not s.orelse
        ):
            self.fail("expected: for NAME in range(...)")
        bounds = [self.index(self.expr(a)) for a in call.args]
        if len(bounds) == 1:
            bounds.insert(0, self.index(0))
        if len(bounds) == 2:
            bounds.append(self.index(1))
        step = self.expr(call.args[2]) if len(call.args) == 3 else 1
        if not is_static(step) or step < 1:
            self.fail("expected a range whose step is a constant of at least 1")
        counter = Value(Scalar(i64), None, s.target.id)

        def body() -> None:
            self.scope[s.target.id] = counter
            self.body(s.body)

        self.loop("for", bounds, s.body, [body], counter)

    def stmt_While(self, s: ast.While) -> None:
        if s.orelse:
            self.fail("a while loop has no else in the kernel language")

        def condition() -> list[Value]:
            known = self.expr(s.test)
            if is_static(known):
                self.fail("expected a condition that the loop changes; for has a fixed range")
            return [known]

        self.loop("while", [], s.body, [condition, lambda: self.body(s.body)])

    def loop(self, name: str, operands: list[Value], body: list, parts: list, *counter: Value):
        """A loop around the names that its body changes. Each of the parts reads a block; what that
        yields is the part's result, or else what the names stand for by then."""
        names = [n for n in sorted(_assigned(body)) if n in self.scope]
        start = [self.value(self.scope[n]) for n in names]
        outer, before = self.b.block, dict(self.scope)
        blocks = []
        for part in parts:
            args = [Value(v.type, None, n) for n, v in zip(names, start)]
            self.b.block = Block([*counter, *args])
            self.scope = before | dict(zip(names, args))
            ends = part()
            if ends is None:
                ends = [self.value(self.scope[n], a.type.dtype) for n, a in zip(names, args)]
            self.b.op("yield", ends, [])
            blocks.append(self.b.block)
        self.b.block, self.scope = outer, before
        results = self.b.op(name, [*operands, *start], [v.type for v in start], blocks)
        self.scope.update(zip(names, results))

    # ---- expressions -----------------------------------------------------------------------------

    def expr(self, node: ast.expr) -> Any:
        method = getattr(self, f"expr_{type(node).__name__}", None)
        if method is None:
            self.fail(f"{ast.unparse(node)}: not part of the kernel language")
        return method(node)

    def expr_Constant(self, node: ast.Constant) -> Any:
        return node.value

    def expr_Name(self, node: ast.Name) -> Any:
        if node.id in self.scope:
            return self.scope[node.id]
        code = self.function.__code__
        try:
            if node.id not in code.co_varnames + code.co_cellvars:
                return self.reads.name(self.function, node.id)
        except LookupError:
            pass
        return self.fail(f"the name {node.id} has no value here")

    def expr_Tuple(self, node: ast.Tuple) -> tuple:
        return tuple(self.expr(e) for e in node.elts)

    def expr_Attribute(self, node: ast.Attribute) -> Any:
        owner = self.expr(node.value)
        if isinstance(owner, Value):
            if node.attr == "dtype":
                return owner.type.dtype
            if node.attr == "shape" and isinstance(owner.type, View):
                axes = range(owner.type.ndim)
                return tuple(self.b.one("dim", [owner], Scalar(i64), axis=d) for d in axes)
            if node.attr == "shape" and isinstance(owner.type, Tile):
                return owner.type.shape
            self.fail(f"a {owner.type} has no attribute {node.attr}")
        if not hasattr(owner, node.attr):
            self.fail(f"{ast.unparse(node)}: no such attribute")
        return self.reads.get(getattr, owner, node.attr)

    def expr_BinOp(self, node: ast.BinOp) -> Any:
        fn = NAMES.get(type(node.op).__name__)
        if fn is None:
            self.fail(f"{ast.unparse(node)}: unknown operator")
        return self.binary(fn, self.expr(node.left), self.expr(node.right))

    def expr_UnaryOp(self, node: ast.UnaryOp) -> Any:
        x = self.expr(node.operand)
        if is_static(x):
            return self.known(_UNARY[type(node.op)], x)
        fn = {ast.USub: "neg", ast.Not: "not", ast.Invert: "not"}.get(type(node.op))
        return self.unary(fn, x) if fn else x

    def expr_Compare(self, node: ast.Compare) -> Any:
        if len(node.ops) != 1:
            self.fail("write a < b and b < c with & and parentheses")
        if isinstance(node.ops[0], (ast.Is, ast.IsNot)):
            same = self.expr(node.left) is self.expr(node.comparators[0])
            return same == isinstance(node.ops[0], ast.Is)
        if isinstance(node.ops[0], ast.In):
            return self.known(operator.contains, *map(self.expr, (node.comparators[0], node.left)))
        fn = NAMES.get(type(node.ops[0]).__name__)
        if fn is None:
            self.fail(f"{ast.unparse(node)}: unknown comparison")
        return self.compare(fn, self.expr(node.left), self.expr(node.comparators[0]))

    def expr_BoolOp(self, node: ast.BoolOp) -> Any:
        """and, or: of what is known here; of numbers and tiles, & and | are."""
        for each in node.values:
            value = self.expr(each)
            if not is_static(value):
                self.fail(f"{ast.unparse(node)}: use & and | where conditions are not known here")
            if self.known(bool, value) == isinstance(node.op, ast.Or):
                break
        return value

    def expr_IfExp(self, node: ast.IfExp) -> Any:
        condition = self.expr(node.test)
        if not is_static(condition):
            self.fail("a if b else c needs a condition that is known here; use select")
        return self.expr(node.body if self.known(bool, condition) else node.orelse)

    def expr_Subscript(self, node: ast.Subscript) -> Any:
        owner = self.expr(node.value)
        if not isinstance(owner, Value):
            return self.reads.get(operator.getitem, owner, self.expr(node.slice))
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if isinstance(owner.type, Tile):
            from opencu.tile.shapes import subscript

            return subscript(self, owner, parts)
        if not isinstance(owner.type, View):
            self.fail("only views and tiles take [ ]")
        if len(parts) > owner.type.ndim:
            self.fail(f"{len(parts)} indices for {owner.type}")
        axis = 0
        for p in parts:
            if not isinstance(p, ast.Slice):
                rest = owner.type.strides[:axis] + owner.type.strides[axis + 1 :]
                kept = View(owner.type.dtype, rest, owner.type.pointers and axis > 0)
                owner = self.b.one("pick", [owner, self.index(self.expr(p))], kept, axis=axis)
                continue
            if p.step:
                self.fail("a slice of a view has no step")
            if p.lower or p.upper:
                size = self.b.one("dim", [owner], Scalar(i64), axis=axis)
                lo = self.index(self.expr(p.lower) if p.lower else 0)
                hi = self.index(self.expr(p.upper)) if p.upper else size
                owner = self.b.one("slice", [owner, lo, hi], owner.type, axis=axis)
            axis += 1
        return owner

    def expr_Call(self, node: ast.Call) -> Any:
        function = self.expr(node.func)
        args = [self.expr(a) for a in node.args]
        kwargs = {k.arg: self.expr(k.value) for k in node.keywords}
        if isinstance(function, Builtin):
            try:
                inspect.signature(function.emit).bind(self, *args, **kwargs)
            except TypeError as error:
                self.fail(f"{function.__name__}: {error}")
            return function.emit(self, *args, **kwargs)
        static = all(map(is_static, (*args, *kwargs.values())))
        if function in (min, max) and not static:
            return self.binary(function.__name__, *args)
        if isinstance(function, Kernel):
            function = function.function
        if inspect.isfunction(function):
            return self.inline(function, args, kwargs)
        if static and callable(function):
            called = functools.partial(function, **kwargs) if kwargs else function
            return self.reads.get(called, *args)
        return self.fail(f"{ast.unparse(node.func)} cannot be called in a kernel")


def _assigned(statements: list[ast.stmt]) -> set[str]:
    """The names that the statements set, nested ones included."""
    return {
        n.id
        for s in statements
        for n in ast.walk(s)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
