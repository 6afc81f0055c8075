"""Devices are named "cpu", "cpu:1"; OPENCU_CPU_DEVICES says how many there are."""

import os
import subprocess
import sys

import pytest

import opencu


def test_a_device_is_one_object_by_any_of_its_names():
    assert opencu.device("cpu") is opencu.device("cpu:0") is opencu.device(opencu.device("cpu"))
    assert opencu.device("cpu") in opencu.devices()


def test_a_device_tells_what_it_is(device):
    info = device.info
    assert info.name and info.target in device.driver.targets
    assert 0 < info.memory_free <= info.memory_total
    assert info.threads >= 1


@pytest.mark.parametrize("name", ["cpu:99", "gpu", "cpu:x", "cpu:-1", "", 3, 0, [], False])
def test_a_device_that_does_not_exist_is_refused_by_name(name):
    with pytest.raises(ValueError, match=r"device .* does not exist: expected one of cpu:0"):
        opencu.device(name)


def test_the_cpu_can_be_several_devices(python):
    code = """
import numpy as np, opencu
print([device.name for device in opencu.devices() if device.on_host])
x = np.arange(6.0).reshape(2, 3)
far = opencu.asarray(x, "cpu:1")
x[:] = 0
print(far.device.name, np.asarray(far).tolist())
back = opencu.asarray(far.T, "cpu")
print(back.device.name, back.shape, np.asarray(opencu.blas.gemm(far, far, trans_b=True))[1, 1])
near = opencu.asarray(x)
for call in (lambda: opencu.blas.gemm(near, far, trans_b=True),
             lambda: opencu.blas.gemm(far, far, near[:, :2], trans_b=True),
             lambda: opencu.blas.gemm(far, far, trans_b=True, stream=opencu.Stream("cpu:0"))):
    try:
        call()
    except ValueError as error:
        print(error)
"""
    assert python(code, OPENCU_CPU_DEVICES="2").splitlines() == [
        "['cpu:0', 'cpu:1']",
        "cpu:1 [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]",
        "cpu:0 (3, 2) 50.0",
        "b is on cpu:1: expected cpu:0, where a is",
        "c is on cpu:0: expected cpu:1, where a is",
        "stream is on cpu:0: expected one on cpu:1, where the data is",
    ]


def test_OPENCU_DEVICE_names_the_default_device(python):
    code = "import opencu; print(opencu.device().name, opencu.zeros(3).device.name)"
    assert python(code, OPENCU_CPU_DEVICES="2", OPENCU_DEVICE="cpu:1") == "cpu:1 cpu:1"


def test_a_forked_child_is_refused(python):
    code = """
import os, opencu
x = opencu.zeros((2, 2))
if os.fork() == 0:
    try:
        opencu.blas.gemm(x, x)
    except RuntimeError as error:
        print(error)
    del x
    raise SystemExit
os.wait()
"""
    assert "fork" in python(code)


def in_process(code, **environment):
    """What a fresh process prints, and its stderr."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
        env={**os.environ, **environment},
    )  # fmt: skip
    return done.stdout.strip(), done.stderr


CURRENT = "from opencu._core import lib; print(lib.ocu_alive(), lib.ocu_device_get())"


def test_opencu_device_is_the_current_device_of_c_code():
    out, _ = in_process(CURRENT, OPENCU_DEVICE="cpu:2", OPENCU_CPU_DEVICES="3")
    assert out == "0 2"


@pytest.mark.parametrize("name", ["cpu:1", "cpu:", "cpu:x", "gpu", "cpu:-1", "cpu:99999999999"])
def test_a_device_that_does_not_exist_is_refused_with_what_to_do(name):
    out, err = in_process(CURRENT, OPENCU_DEVICE=name)
    assert out.startswith("3 ")
    assert f"OPENCU_DEVICE is '{name}': expected cpu, or cpu:0 to cpu:0" in err
