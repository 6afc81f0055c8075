"""Plans: what is accepted, what is refused, and what a call makes of one."""

import ctypes
import random
import struct

import pytest
from capi import (
    ADD,
    ALIGN,
    CDIV,
    CONST,
    DIV,
    MAX,
    MIN,
    MUL,
    NO_PLANNER,
    SUB,
    SYNC,
    THREADS,
    spec,
)  # fmt: skip

MOST = (1 << 63) - 1

# void kernel(params, pid, scratch) { ((int64_t *)params[0])[pid] = params[1]; }
STORE = bytes.fromhex("488b07 488b4f08 48890cf0 c3".replace(" ", ""))


def add(core, plan: bytes) -> str:
    return core.plan_add(plan, ctypes.c_size_t(len(plan)))


def one_launch(core, name: str) -> bytes:
    """Arguments: pointer, value, programs. Expressions: scratch 0, cost 1."""
    exprs = [(CONST, 0, 0, 0), (CONST, 0, 0, 1)]
    return core.plan(spec(name), 3, exprs, [(0, 2, 3, 4, (0, 1))], STORE.ljust(64, b"\xc3"))


def test_a_call_runs_its_plans_launch_for_every_program(core):
    assert add(core, one_launch(core, "store")) == "OK"
    out = (ctypes.c_int64 * 10)()
    before = core.counter("launches")
    assert core.call(spec("store"), [ctypes.addressof(out), 42, 7]) == "OK"
    assert list(out) == [42] * 7 + [0] * 3
    assert core.call(spec("store"), [ctypes.addressof(out), 43, 0]) == "OK"
    assert list(out) == [42] * 7 + [0] * 3
    assert core.counter("launches") == before + 2


def test_a_class_without_a_plan_is_reported_with_its_spec(core):
    class Spec(ctypes.Structure):
        _fields_ = [("f", ctypes.c_ubyte * 16)]

    core.lib.ocu_last_spec.restype = Spec
    assert core.call(spec("never planned"), []) == "NO_PLAN"
    assert bytes(core.lib.ocu_last_spec().f) == spec("never planned")
    assert core.plan_find(core.info().target, spec("never planned")) == "NO_PLAN"


def test_the_number_of_arguments_must_be_the_plans(core):
    add(core, one_launch(core, "three"))
    for n in (0, 2, 4, 1000):
        assert core.call(spec("three"), [0] * n) == "INVALID_VALUE"
    assert "takes 3 arguments, not 1000" in core.error()


def test_launches_run_in_order_with_their_own_parameters(core):
    exprs = [(CONST, 0, 0, 0), (CONST, 0, 0, 1), (ADD, 1, 4, 0)]
    launches = [(0, 2, 3, 4, (0, 1)), (0, 4, 3, 4, (0, 5))]
    assert add(core, core.plan(spec("two"), 3, exprs, launches, STORE)) == "OK"
    out = (ctypes.c_int64 * 3)()
    assert core.call(spec("two"), [ctypes.addressof(out), 10, 3]) == "OK"
    assert list(out) == [11, 10, 10]


@pytest.mark.parametrize(
    ("op", "a", "b", "result"),
    [
        (ADD, 3, 4, 7), (ADD, MOST, 1, MOST), (SUB, 3, 4, -1), (MUL, 3, 4, 12),
        (MUL, 1 << 40, 1 << 40, MOST), (DIV, 7, 2, 3), (DIV, 7, 0, 0), (DIV, -(1 << 63), -1, 0),
        (CDIV, 7, 2, 4), (CDIV, 8, 2, 4), (CDIV, 0, 5, 0), (CDIV, 7, 0, 0), (CDIV, MOST, 1, MOST),
        (ALIGN, 7, 4, 8), (ALIGN, 8, 4, 8), (ALIGN, MOST, 64, MOST), (ALIGN, 7, 0, 0),
        (MIN, 3, 4, 3), (MAX, 3, 4, 4),
    ],
)  # fmt: skip
def test_expressions_are_exact_and_never_trap(core, op, a, b, result):
    name = f"x{op} {a % 997} {b % 991}"
    exprs = [(CONST, 0, 0, 1), (CONST, 0, 0, 0), (op, 1, 2, 0)]
    assert add(core, core.plan(spec(name), 3, exprs, [(0, 3, 4, 3, (0, 5))], STORE)) == "OK"
    out = ctypes.c_int64()
    assert core.call(spec(name), [ctypes.addressof(out), a, b]) == "OK"
    assert out.value == result


def test_an_expression_knows_the_number_of_threads(core):
    exprs = [(CONST, 0, 0, 1), (CONST, 0, 0, 0), (THREADS, 0, 0, 0)]
    assert add(core, core.plan(spec("threads"), 1, exprs, [(0, 1, 2, 1, (0, 3))], STORE)) == "OK"
    out = ctypes.c_int64()
    assert core.call(spec("threads"), [ctypes.addressof(out)]) == "OK"
    assert out.value == core.info().threads


def test_sizes_that_no_launch_can_have_are_refused(core):
    plan = core.plan(spec("sizes"), 3, [], [(0, 0, 1, 2, ())])
    assert add(core, plan) == "OK"
    assert core.call(spec("sizes"), [-1, 0, 0]) == "INVALID_VALUE"
    assert core.call(spec("sizes"), [MOST, 0, 0]) == "INVALID_VALUE"
    assert core.call(spec("sizes"), [1, -1, 0]) == "INVALID_VALUE"
    assert core.call(spec("sizes"), [1, 1 << 40, 0]) == "OUT_OF_MEMORY"
    assert core.call(spec("sizes"), [1, 1 << 20, MOST]) == "OK"


def test_a_later_plan_takes_an_earlier_ones_place(core):
    before = core.counter("plans.mapped")
    out = (ctypes.c_int64 * 4)()
    plan = one_launch(core, "twice")
    assert [add(core, plan), add(core, plan)] == ["OK", "OK"]
    assert core.counter("plans.mapped") == before + 1
    exprs = [(CONST, 0, 0, 0), (CONST, 0, 0, 1)]
    assert add(core, core.plan(spec("twice"), 3, exprs, [(0, 4, 3, 4, (0, 1))], STORE)) == "OK"
    assert core.call(spec("twice"), [ctypes.addressof(out), 5, 4]) == "OK"
    assert list(out) == [5, 0, 0, 0]


def test_a_thousand_classes_are_all_found(core):
    names = [f"many {i}" for i in range(1000)]
    assert all(add(core, one_launch(core, name)) == "OK" for name in names)
    out = ctypes.c_int64()
    for i, name in enumerate(names):
        assert core.call(spec(name), [ctypes.addressof(out), i, 1]) == "OK"
        assert out.value == i


def test_every_flipped_bit_is_refused(core):
    plan = one_launch(core, "flipped")
    for at in range(len(plan)):
        for bit in range(8):
            bad = bytearray(plan)
            bad[at] ^= 1 << bit
            assert add(core, bytes(bad)) == "INVALID_VALUE", (at, bit)


def test_every_truncation_is_refused(core):
    plan = one_launch(core, "truncated")
    assert all(add(core, plan[:n]) == "INVALID_VALUE" for n in range(len(plan)))
    assert core.plan_add(None, ctypes.c_size_t(5)) == "INVALID_VALUE"


def test_hostile_fields_behind_a_right_checksum_never_crash(core):
    """Random fields in header, expressions and launches; what passes is run with arguments of 0."""
    chance = random.Random(2)
    exprs = [(CONST, 0, 0, 0), (ADD, 0, 3, 0), (MUL, 1, 4, 0)]
    accepted = 0
    for round in range(4000):
        name = f"hostile {round}"
        plain = core.plan(spec(name), 3, exprs, [(0, 3, 3, 3, (0, 1, 2))])
        plan = bytearray(plain)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(88, len(plan) - 66) if round % 2 else chance.randrange(32, 176)
            if not 71 <= at < 88:  # the spec stays
                plan[at : at + 2] = struct.pack("<H", chance.choice([0, 1, 7, 255, 65535]))
        if add(core, core.seal(bytes(plan))) == "OK" and plan[112:160] == plain[112:160]:
            accepted += 1  # no slot has a large number in it, so this ends
            assert core.call(spec(name), [0, 0, 0]) in ("OK", "INVALID_VALUE")
    assert accepted > 100


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(build=b"x" * 16), "another build of opencu"),
        (dict(exprs=[(99, 0, 0, 0)]), "an unknown expression"),
        (dict(exprs=[(ADD, 3, 0, 0)]), "an expression of later slots"),
        (dict(launches=[(64, 0, 0, 0, ())]), "an entry point outside its code"),
        (dict(launches=[(0, 3, 0, 0, ())]), "unknown slots"),
        (dict(launches=[(0, 0, 0, 0, (3,))]), "unknown slots"),
        (dict(n_args=1025), "too many slots"),
        (dict(target=b"x" * 32), "no target"),
    ],
)
def test_a_refusal_says_what_is_wrong(core, change, message):
    assert add(core, core.plan(spec("wrong"), **dict(n_args=3) | change)) == "INVALID_VALUE"
    assert message in core.error()


def test_a_plan_for_another_target_is_not_run(core):
    plan = core.plan(spec("other"), 0, target=b"z80")
    assert add(core, plan) == "UNSUPPORTED"
    assert "the plan is for z80" in core.error()


def test_null_arguments_are_refused(core):
    lib = core.lib
    assert lib.ocu_call(None, None, None, 0, SYNC) == 1
    assert lib.ocu_call(None, spec("x"), None, 3, NO_PLANNER) == 1
    assert lib.ocu_call(None, spec("x"), None, -1, NO_PLANNER) == 1
    assert lib.ocu_plan_find(None, None) == 1


def test_code_is_never_writable_and_executable_at_once(core):
    def executable() -> set[tuple[str, str]]:
        with open("/proc/self/maps") as maps:
            places = (line.split()[:2] for line in maps)
            return {(at, mode) for at, mode in places if "x" in mode}

    before = executable()  # other libraries of this process may have pages of both kinds
    add(core, one_launch(core, "mapped"))
    added = executable() - before
    assert added and not [mode for _, mode in added if "w" in mode]


def test_counters_have_names(core):
    assert core.counter("planner.calls") == 0
    assert core.counter("no such counter") == -1
    assert core.lib.ocu_counter(None) == -1


def test_a_checksum_depends_on_every_bit_and_the_length(core):
    seen = {core.lib.ocu_checksum(bytes(n), n) for n in range(40)}
    text = bytearray(range(37))
    for at in range(37 * 8):
        text[at // 8] ^= 1 << at % 8
        seen.add(core.lib.ocu_checksum(bytes(text), 37))
        text[at // 8] ^= 1 << at % 8
    assert len(seen) == 40 + 37 * 8
