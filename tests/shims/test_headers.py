"""The generated headers: they compile alone, in C and C++, and agree with the vendor's."""

import importlib.util
import re
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest
from pycparser import c_generator

from opencu import shims

ROOT = Path(__file__).parents[2]

PUBLIC = (
    "cuda_runtime.h cuda_runtime_api.h driver_types.h library_types.h cublas_v2.h cublas_api.h"
    " cublasLt.h cublas_types.h cuComplex.h cuda_fp16.h cuda.h opencu.h"
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
    for names in [[name] for name in PUBLIC] + [PUBLIC, PUBLIC[::-1]]:
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


def test_the_cublas_1_header_says_what_to_include():
    assert "include cublas_v2.h" in check("#include <cublas.h>\n", "cc -xc")


@pytest.mark.parametrize("major, size", [(12, 1032), (13, 1008)])
def test_device_properties_have_the_size_of_the_vendors(major, size):
    text = f"""
        #include <cuda_runtime.h>
        _Static_assert(sizeof(struct cudaDeviceProp) == {size}, "");"""
    assert not check(text, f"cc -xc -DOPENCU_CUDA_MAJOR={major}")


# Values that CUDA 13 gained after its first release.
NEWER = (
    "cudaErrorVersionTranslation cudaErrorInsufficientLoaderVersion cudaErrorStreamDetached"
    " cudaErrorGraphRecaptureFailure cudaErrorFabricNotReady"
).split()
HEADERS = "nvidia-cuda-runtime==13.0.96 nvidia-cuda-crt==13.0.88"


def test_every_declaration_and_constant_agrees_with_the_vendors_headers():
    found = importlib.util.find_spec("nvidia")
    places = [Path(place) for place in (found.submodule_search_locations if found else ())]
    include = [folder for place in places for folder in place.glob("cu13/include")]
    theirs = "#include <cuda_runtime_api.h>\n"
    if not include or check(theirs, "cc -xc", include):
        pytest.skip(f"NVIDIA's headers are not here: pip install --no-deps {HEADERS}")
    tables = runpy.run_path(str(ROOT / "shims/generate.py"))
    write, text = c_generator.CGenerator(), theirs
    for name, declaration in tables["prototypes"]("cudart", 13).items():
        if not name.startswith("__"):
            text += f"#undef {name}\n{write.visit(declaration)};\n"
    types = tables["for_major"](tables["table"]("driver_types.h"), 13)
    for name, value in re.findall(r"^  (\w+) = (-?\d+),?$", types, re.M):
        if name not in NEWER:
            text += f'_Static_assert({name} == {value}, "{name}");\n'
    assert not check(text, "cc -xc", include)


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
