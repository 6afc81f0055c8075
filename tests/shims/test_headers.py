"""The generated headers: they compile alone, in C and C++, and agree with the vendor's."""

import importlib.util
import re
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest
from pycparser import c_ast, c_generator

from opencu import shims

ROOT = Path(__file__).parents[2]
TABLES = runpy.run_path(str(ROOT / "shims/generate.py"))

PUBLIC = (
    "cuda_runtime.h cuda_runtime_api.h driver_types.h library_types.h cublas_v2.h cublas_api.h"
    " cublasXt.h cublasLt.h cublas_types.h cuComplex.h cuda_fp16.h cuda_fp8.h cuda.h opencu.h"
).split()
both_majors = pytest.mark.parametrize("major", [12, 13])


def check(text, command, include=None):
    """What the compiler says about a text; "" where all is well."""
    if shutil.which(command.split()[0]) is None:
        pytest.skip(f"no {command.split()[0]} on this machine")
    folders = include or [shims.include_dir()]
    words = [*command.split(), "-fsyntax-only", *(f"-I{folder}" for folder in folders), "-"]
    return subprocess.run(words, input=text, text=True, capture_output=True).stderr


@both_majors
@pytest.mark.parametrize("language", ["cc -xc -std=c99", "c++ -xc++ -std=c++11"])
def test_each_header_compiles_alone_and_all_together(language, major):
    for names in [[name] for name in (*PUBLIC, "cublas.h")] + [PUBLIC, PUBLIC[::-1]]:
        text = "".join(f"#include <{name}>\n" for name in names)
        assert not check(text, f"{language} -Wall -pedantic -DOPENCU_CUDA_MAJOR={major}")


def test_cpp_programs_get_typed_allocation_and_default_arguments():
    text = """
        #include <cuda_runtime.h>
        #include <cublas_v2.h>
        int main() {
          float *x; cudaEvent_t e;
          cudaMalloc(&x, 64); cudaMallocManaged(&x, 64); cudaMallocHost(&x, 64);
          cudaMemcpyAsync(x, x, 64, cudaMemcpyDefault); cudaMemset(x, 0, 64);
          cudaEventCreate(&e); cudaEventRecord(e); cudaStreamWaitEvent(cudaStreamPerThread, e);
          return cublasSgemm(0, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, x, x, 1, x, 1, x, x, 1);
        }"""
    assert not check(text, "c++ -xc++ -Wall")


def test_cpp_programs_may_name_a_computation_by_its_data_type_as_before_cuda_11():
    text = """
        #include <cublas_v2.h>
        int main() {
          float *x = 0;
          return cublasGemmEx(0, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, x, x, CUDA_R_32F, 1, x,
                              CUDA_R_32F, 1, x, x, CUDA_R_32F, 1, CUDA_R_32F, CUBLAS_GEMM_DEFAULT) +
                 cublasGemmEx(0, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, x, x, CUDA_R_32F, 1, x,
                              CUDA_R_32F, 1, x, x, CUDA_R_32F, 1, CUBLAS_COMPUTE_32F,
                              CUBLAS_GEMM_DEFAULT);
        }"""
    assert not check(text, "c++ -xc++ -std=c++11 -Wall -Wextra -pedantic")


@pytest.mark.parametrize("names", [("cublas.h", "cublas_v2.h"), ("cublasLt.h", "cublas.h")])
def test_the_two_apis_of_cublas_are_not_mixed(names):
    text = "".join(f"#include <{name}>\n" for name in names)
    both = "cublas_v2.h" in names
    assert ("include one of them" in check(text, "cc -xc")) == both


@pytest.mark.parametrize("major, size", [(12, 1032), (13, 1008)])
def test_device_properties_have_the_size_of_the_vendors(major, size):
    text = f"""
        #include <cuda_runtime.h>
        _Static_assert(sizeof(struct cudaDeviceProp) == {size}, "");"""
    assert not check(text, f"cc -xc -DOPENCU_CUDA_MAJOR={major}")


# ---- ours against the vendor's, where PyPI's packages of them are installed ---------------------

# Values that CUDA gained after the versions of these packages.
NEWER_THAN_13_0 = (
    "cudaErrorVersionTranslation cudaErrorInsufficientLoaderVersion cudaErrorStreamDetached"
    " cudaErrorGraphRecaptureFailure cudaErrorFabricNotReady CUDA_ERROR_INSUFFICIENT_LOADER_VERSION"
    " CUDA_ERROR_STREAM_DETACHED CUDA_ERROR_GRAPH_RECAPTURE_FAILURE CUDA_ERROR_FABRIC_NOT_READY"
    " CUDA_ERROR_MULTICAST_RESOURCE_FULL"
).split()
NEWER_THAN_12_9 = (
    "cudaDevAttrHostMemoryPoolsSupported cudaDevAttrOnlyPartialHostNativeAtomicSupported"
    " CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER CU_DEVICE_ATTRIBUTE_HOST_MEMORY_POOLS_SUPPORTED"
    " CU_DEVICE_ATTRIBUTE_HOST_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED"
    " CU_DEVICE_ATTRIBUTE_HOST_ALLOC_DMA_BUF_SUPPORTED"
    " CU_DEVICE_ATTRIBUTE_ONLY_PARTIAL_HOST_NATIVE_ATOMIC_SUPPORTED"
).split()
NEWER = {12: NEWER_THAN_12_9 + NEWER_THAN_13_0, 13: NEWER_THAN_13_0}
# header: the library that it declares; folders of the packages, and what to install
VENDOR = {"cuda_runtime_api.h": "cudart", "cuda.h": "cuda_driver", "cublas_api.h": "cublas"}
FOLDERS = {12: "cuda_runtime/include cublas/include cu13/include", 13: "cu13/include"}
PACKAGES = {
    12: "nvidia-cuda-runtime-cu12==12.9.79 nvidia-cuda-crt==13.0.88 nvidia-cublas-cu12==12.9.1.4",
    13: "nvidia-cuda-runtime==13.0.96 nvidia-cuda-crt==13.0.88 nvidia-cublas==13.1.0.3",
}


def vendor_headers(name, major):
    """The folders that hold the vendor's header of a major version; skips where there are none."""
    found = importlib.util.find_spec("nvidia")
    places = [Path(place) for place in (found.submodule_search_locations if found else ())]
    folders = [p / f for f in FOLDERS[major].split() for p in places if (p / f).is_dir()]
    version = {12: "CUDA_VERSION / 1000 == 12", 13: "CUDA_VERSION / 1000 == 13"}[major]
    text = f'#include <cuda.h>\n#include <{name}>\n_Static_assert({version}, "");\n'
    if not folders or check(text, "cc -xc", folders):
        pytest.skip(f"NVIDIA's {name} is not here: pip install --no-deps {PACKAGES[major]}")
    return folders


by_header = pytest.mark.parametrize("name", VENDOR)


@both_majors
@by_header
def test_every_function_is_declared_as_the_vendor_does(name, major):
    folders = vendor_headers(name, major)
    write, text = c_generator.CGenerator(), f"#include <{name}>\n"
    for function, declaration in TABLES["prototypes"](VENDOR[name], major).items():
        if not function.startswith("__"):
            text += f"#undef {function}\n{write.visit(declaration)};\n"
    assert text.count("#undef") > 40
    assert not check(text, "cc -xc", folders)


def facts(name, major):
    """A C program that prints the value of each constant and the layout of each structure."""
    library, newer, lines = VENDOR[name], NEWER[major], []
    for node in TABLES["declarations"](library, major):
        inner = getattr(node.type, "type", node.type)
        if isinstance(inner, c_ast.Enum) and inner.values:
            lines += [(e.name, e.name) for e in inner.values.enumerators if e.name not in newer]
        if isinstance(inner, (c_ast.Struct, c_ast.Union)) and inner.decls and inner.name != "dim3":
            kind = "struct" if isinstance(inner, c_ast.Struct) else "union"
            name_of = node.name if isinstance(node, c_ast.Typedef) else f"{kind} {inner.name}"
            lines.append((f"sizeof({name_of})",) * 2)
            for field in inner.decls:
                lines.append((f"{name_of}.{field.name}", f"offsetof({name_of}, {field.name})"))
                member = f"sizeof((({name_of} *)0)->{field.name})"
                lines.append((member, member))
    for table in TABLES["DECLARED"][library]:
        text = TABLES["for_major"](TABLES["table"](table), major)
        constants = re.findall(r"^#define (\w+) (?:\(\([\w ]+\))?-?\d\w*\)?$", text, re.M)
        lines += [(constant, constant) for constant in constants]
    printed = "".join(f'printf("%s %lld\\n", "{label}", (long long){v});\n' for label, v in lines)
    head = f"#include <stddef.h>\n#include <stdio.h>\n#include <{name}>\n"
    return f"{head}int main(void) {{\n{printed}}}\n"


@both_majors
@by_header
def test_every_constant_and_layout_is_the_vendors(name, major, tmp_path, run):
    folders = vendor_headers(name, major)
    source, ours, theirs = (tmp_path / file for file in ("facts.c", "ours", "theirs"))
    source.write_text(facts(name, major))
    run(f"cc -DOPENCU_CUDA_MAJOR={major} -I{shims.include_dir()} {source} -o {ours}")
    run(f"cc {' '.join(f'-I{folder}' for folder in folders)} {source} -o {theirs}")
    told = [run(program).stdout.splitlines() for program in (ours, theirs)]
    assert len(told[0]) > 50
    assert [pair for pair in zip(*told, strict=True) if pair[0] != pair[1]] == []


CUBLAS_HEADERS = "nvidia-cublas==13.10.0.20 nvidia-cuda-cccl"


@pytest.mark.parametrize(
    "library, header, types",
    [
        ("cublas", "cublas_v2.h", ("library_types.h", "cublas_types.h")),
        ("cublasLt", "cublasLt.h", ("library_types.h", "cublas_types.h", "cublasLt.h")),
    ],
)
def test_cublas_declarations_and_constants_agree_with_the_vendors(library, header, types):
    found = importlib.util.find_spec("nvidia")
    places = [Path(place) for place in (found.submodule_search_locations if found else ())]
    include = [folder for place in places for folder in place.glob("cu13/include*")]
    theirs = f"#include <{header}>\n"
    cpp = "c++ -xc++ -std=c++17"  # __half is a type of C++ there
    if not include or check(theirs, cpp, include):
        pytest.skip(f"NVIDIA's headers are not here: pip install --no-deps {CUBLAS_HEADERS}")
    tables = runpy.run_path(str(ROOT / "shims/generate.py"))
    write, text = c_generator.CGenerator(), theirs + 'extern "C" {\n'
    for name, declaration in tables["prototypes"](library, 13).items():
        text += f"#undef {name}\n{write.visit(declaration)};\n"
    text += "}\n"
    for table in types:
        constants = tables["for_major"](tables["table"](table), 13)
        for name, value in re.findall(r"\b(CU\w+) = (-?\w+)", constants):
            text += f'static_assert({name} == {value}, "{name}");\n'
        for name in re.findall(r"\} (\w+(?:Opaque_t|Algo_t|Result_t));", constants):
            words = re.search(rf"data\[(\d+)\]; \}} {name};", constants)
            size = 8 * int(words[1]) if words else 96
            if not name.startswith("cublasGemm"):
                text += f'static_assert(sizeof({name}) == {size}, "{name}");\n'
    assert not check(text, cpp, include)


def test_the_example_compiles_without_a_warning(lib, tmp_path, run):
    example = ROOT / "examples/cublas_gemm.c"
    program = tmp_path / "cublas_gemm"
    flags = f"-O2 -std=c11 -Wall -Wextra -Werror -I{shims.include_dir()}"
    libraries = f"-L{lib} -Wl,-rpath,{lib} -lcublas -lcudart -lm"
    run(f"cc {flags} {example} -o {program} {libraries}")
    last = run(f"{program} 65 3 7").stdout.splitlines()[-1]
    assert last.startswith("result n=65 ms=") and last.endswith("right=1")
