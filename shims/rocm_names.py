"""The C, the names and the headers of HIP, hipBLAS and rocBLAS: other names of CUDA's rows.

tables/hip.csv lists what HIP's runtime has of CUDA's functions, "hip" for "cuda", by the version
node that its programs ask for, and what refuses there, with what it returns as in exports/*.csv;
hip_attributes.csv the attributes of devices. Every row of cuBLAS that is no setting of cuBLAS's own
is one of hipBLAS, cublasSgemm_v2 as hipblasSgemm, and of rocBLAS, as rocblas_sgemm; what differs in
more than names and enumerators is written in shims/src/{hip,hipblas,rocblas}.c.
"""

import re

from pycparser import c_generator

# Functions that AMD's libraries do not have, or have with other parameters.
NOT_IN_ROCM = re.compile(
    r"Get(Property|CudartVersion|Version|StatusName|StatusString)|Logger|Emulation|Workspace|SmCount"
    r"|[SC]gemmEx|gemm3m|[Gg]rouped|GemmGrouped|tpttr|trttp|Uint8|Cgemm3mEx|^cublasGemm\w*Ex|MathMode"
    r"|AtomicsMode|Create|Destroy|Xt|^cublas[A-Z]gemvBatched_x|Xerbla"
)
WRITTEN = {
    "hip": (
        "GetErrorName HostMalloc HostFree Init MemcpyWithStream DeviceGetAttribute"
        " GetDeviceProperties GetDevicePropertiesR0000 GetDevicePropertiesR0600"
        " PointerGetAttributes"
    ).split(),
    "hipblas": [
        "hipblasCreate",
        "hipblasDestroy",
        "hipblasStatusToString",
        *(
            f"hipblasGemm{form}Ex{v}"
            for form in ("", "Batched", "StridedBatched")
            for v in ("", "_v2")
        ),
    ],
    "rocblas": [
        *("rocblas_create_handle", "rocblas_destroy_handle", "rocblas_initialize"),
        *("rocblas_status_to_string", "rocblas_gemm_ex", "rocblas_gemm_batched_ex"),
        "rocblas_gemm_strided_batched_ex",
    ],
}
# cuBLAS's type of a parameter: hipBLAS's, rocBLAS's, and the macro that makes the former.
TYPES = {
    "cublasHandle_t": ("hipblasHandle_t", "rocblas_handle", ""),
    "cublasOperation_t": ("hipblasOperation_t", "rocblas_operation", "OPERATION"),
    "cublasFillMode_t": ("hipblasFillMode_t", "rocblas_fill", "FILL"),
    "cublasDiagType_t": ("hipblasDiagType_t", "rocblas_diagonal", "DIAGONAL_TYPE"),
    "cublasSideMode_t": ("hipblasSideMode_t", "rocblas_side", "SIDE_MODE"),
    "cublasPointerMode_t": ("hipblasPointerMode_t", "rocblas_pointer_mode", ""),
    "cudaDataType": ("hipDataType", "rocblas_datatype", "DATA_TYPE"),
    "cudaStream_t": ("hipStream_t", "hipStream_t", ""),
    "cuComplex": ("hipblasComplex", "rocblas_float_complex", ""),
    "cuDoubleComplex": ("hipblasDoubleComplex", "rocblas_double_complex", ""),
    "__half": ("hipblasHalf", "rocblas_half", ""),
    "__nv_bfloat16": ("hipblasBfloat16", "rocblas_bfloat16", ""),
}
GENERATOR = c_generator.CGenerator()


def renamed(text, column):
    for ours, names in TYPES.items():
        text = re.sub(rf"\b{ours}\b", names[column], text)
    return text


def rocblas_name(name):
    """cublasSgemmStridedBatched_64: rocblas_sgemm_strided_batched_64"""
    stem = name.removeprefix("cublas").replace("_v2", "")
    return "rocblas_" + re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", stem).lower()


def stub(name, declared):
    """A function of another name: what is passed on is made from its own enumerators."""
    parameters = declared.type.args.params
    head, given, checks = [], [], []
    for p in parameters:
        ctype = GENERATOR.visit(p.type)
        macro = TYPES.get(ctype.removeprefix("const "), ("", "", ""))[2]
        head.append(f"int {p.name}" if macro else GENERATOR.visit(p))
        given.append(f"{macro}({p.name})" if macro else p.name)
        checks += [f"{macro}_EXISTS({p.name})"] * bool(macro)
    call = f"{declared.name}({', '.join(given)})"
    wrong = f"!({' && '.join(checks)}) ? WRONG_ENUM : " if checks else ""
    return f"int {name}({', '.join(head)}) {{\n  return {wrong}STATUS({call});\n}}\n"


def blas(kind, functions):
    """({name: declaration}, C text) of hipBLAS or rocBLAS."""
    made = {}
    for name, declared in functions.items():
        if not NOT_IN_ROCM.search(name):
            other = name.replace("cublas", "hipblas").replace("_v2", "")
            made[other if kind == "hipblas" else rocblas_name(name)] = declared
    return made, "".join(stub(name, declared) for name, declared in made.items())


def hip(rows, functions):
    """({version node: names}, {name: declaration}, C text) of HIP's runtime."""
    nodes = {row["node"]: [hip_name(n) for n in row["names"].split()] for row in rows}
    made = {
        n: functions[n.replace("hip", "cuda", 1)]
        for names in nodes.values()
        for n in names
        if n.removeprefix("hip") not in WRITTEN["hip"]
    }
    for row in rows:
        nodes[row["node"]] += hip_refused([row])
    text = ""
    for name, declared in made.items():
        head = re.sub(rf"\b{declared.name}\(", f"{name}(", GENERATOR.visit(declared))
        given = ", ".join(p.name for p in declared.type.args.params if p.name)
        text += f"{head} {{\n  return {declared.name}({given});\n}}\n"
    return nodes, made, text


def hip_name(name):
    return name if name.startswith("__") else f"hip{name}"


def hip_refused(rows):
    """{name: what it returns} of what HIP's runtime exports and refuses."""
    words = (word.partition(":") for row in rows for word in row["refused"].split())
    return {hip_name(name): kind for name, _, kind in words}


def shared_fields(text):
    """The assignments that make an older structure of a device's properties of the newer."""
    new, old = (
        set(re.findall(r"(\w+)(?:\[\d+\])?;", re.search(rf"{name} {{(.*?)}}", text, re.DOTALL)[1]))
        for name in ("hipDeviceProp_tR0600", "hipDeviceProp_tR0000")
    )
    return "".join(f"memcpy(&prop->{f}, &new.{f}, sizeof prop->{f});\n" for f in sorted(new & old))


def names_map(nodes):
    """A version script; node "" is none."""
    text, before = "", ""
    for node, names in nodes.items():
        listed = "".join(f"  {name};\n" for name in names)
        local = "" if before else "local:\n  *;\n"
        text += f"{node} {{\nglobal:\n{listed}{local}}}{before};\n"
        before = f" {node}"
    return text


def blas_header(kind, made):
    """Prototypes, in the library's own types."""
    column, status = (0, "hipblasStatus_t") if kind == "hipblas" else (1, "rocblas_status")
    text = ""
    for name, declared in made.items():
        parameters = ", ".join(GENERATOR.visit(p) for p in declared.type.args.params)
        text += f"{status} {name}({renamed(parameters, column)});\n"
    return text


def hip_header(made, types):
    """Prototypes, and HIP's names of the runtime's types and enumerators."""
    other = r"(?!DevAttr|DeviceAttr|DeviceProp|PointerAttributes)"  # hip_types.h has HIP's
    known = sorted(set(re.findall(rf"\bcuda{other}\w+", types)))
    tags = {n: f"{word} {n}" for word, n in re.findall(r"^(enum|struct) (cuda\w+) \{", types, re.M)}
    text = "".join(f"#define {n.replace('cuda', 'hip', 1)} {tags.get(n, n)}\n" for n in known)
    for name, declared in made.items():
        head = re.sub(rf"\b{declared.name}\(", f"{name}(", GENERATOR.visit(declared))
        text += "" if name.startswith("__") else f"{head};\n"
    return text
