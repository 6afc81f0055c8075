"""onnxruntime-gpu, unmodified: one-operator graphs on its CUDA provider."""

import pytest

pytestmark = pytest.mark.clients

GRAPH = """
import numpy as np
import onnxruntime
from onnx import TensorProto, helper

rng = np.random.default_rng(1)
onnxruntime.set_default_logger_severity(4)


def new(*shape):
    return rng.standard_normal(shape, dtype=np.float32)


def run(operator, want, *inputs, **attributes):
    values = {f"x{i}": x for i, x in enumerate(inputs)}
    info = [helper.make_tensor_value_info(n, TensorProto.FLOAT, x.shape) for n, x in values.items()]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, want.shape)
    node = helper.make_node(operator, list(values), ["y"], **attributes)
    graph = helper.make_graph([node], operator, info, [output])
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
    provider = ("CUDAExecutionProvider", {"use_tf32": "0"})
    session = onnxruntime.InferenceSession(model, providers=[provider])
    assert session.get_providers()[0] == "CUDAExecutionProvider"
    (got,) = session.run(None, values)
    np.testing.assert_allclose(got, want, rtol=0, atol=2e-5)


a, b, c = new(33, 21), new(21, 17), new(33, 17)
A, B = new(5, 33, 21), new(5, 21, 17)
"""
CASES = {
    "MatMul": "run('MatMul', a @ b, a, b)",
    "MatMul, a batch": "run('MatMul', A @ B, A, B)",
    "MatMul, a vector": "run('MatMul', a @ b[:, 0], a, b[:, 0].copy())",
    "Gemm": "run('Gemm', a @ b, a, b)",
    "Gemm, transposed": "run('Gemm', a @ b, a.T.copy(), b.T.copy(), transA=1, transB=1)",
    "Transpose": "run('Transpose', a.T, a)",
    "Transpose, three axes": "run('Transpose', A.transpose(2, 0, 1), A, perm=[2, 0, 1])",
    "Gemm, with C": "run('Gemm', 0.5 * (a @ b) + 2 * c, a, b, c, alpha=0.5, beta=2.0)",
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_graph_agrees_with_numpy(run, case):
    run(GRAPH + case)


def test_a_broadcast_bias_is_a_kernel_of_its_own_and_refused_by_name(run):
    script = (
        "\ntry:\n    run('Gemm', a @ b + c[0], a, b, c[0])\nexcept Exception as e:\n    print(e)"
    )
    done = run(GRAPH + script)
    assert "operation not supported" in done.stdout
    assert "BroadcastBiasKernel" in done.stderr and "is device code" in done.stderr
