"""Make the shims' headers, C fragments, version scripts and coverage data from shims/tables.

A table NAME.h declares what is implemented, in C that pycparser reads once this file has expanded
    line //12, line //13     the line holds for that CUDA major version only
    /*=value*/               the parameter's default in C++
    @errors, @attributes     the rows of errors.csv and attributes.csv as enumerators
    @fields NAME             those of a structure of CUDA 12's runtime, under HIP's names
    {T:SDCZH} {t} {types}    a family, written once: its type letters (or names with commas), their
    {r} {d} {p}              C type and product; the C type of their parts, the core's names of both
    {int} {_64}              and its 64-bit twins
    => call;                 the C call that serves the function, or each member of a family
libraries.csv lists the files that are made. Of one with a status nothing is implemented: it lets
the programs that link it start, and its names return that status. exports/LIBRARY.csv lists every
name that the vendor's library exports, and what a refusal returns where that is not a status
("hand": it is written in C; "variable": it is one, and 0).
refusals.csv says why names of the runtime and the driver refuse, by a part of the
name; versions.csv which symbol a name means to programs of which CUDA version; descriptors.csv
which attributes cuBLASLt's descriptors have; demand.csv what surveyed programs import.
"""

import argparse
import csv
import itertools
import json
import re
import sys
from pathlib import Path

from pycparser import c_ast, c_generator, c_parser

HERE = Path(__file__).parent
if str(HERE) not in sys.path:
    sys.path.append(str(HERE))  # for those beside it, wherever this is run from

import blas_names  # noqa: E402
import cublas_names  # noqa: E402
import rocm_names  # noqa: E402

TABLES = HERE / "tables"
# type letter: its C type and that of its parts, the core's names of both, and how it multiplies
LETTERS = {
    "S": ("float", "float", "OCU_F32", "OCU_F32", "CUDA_R_32F", "CUBLAS_COMPUTE_32F"),
    "D": ("double", "double", "OCU_F64", "OCU_F64", "CUDA_R_64F", "CUBLAS_COMPUTE_64F"),
    "C": ("cuComplex", "float", "OCU_C64", "OCU_F32", "CUDA_C_32F", "CUBLAS_COMPUTE_32F"),
    "Z": ("cuDoubleComplex", "double", "OCU_C128", "OCU_F64", "CUDA_C_64F", "CUBLAS_COMPUTE_64F"),
    "H": ("__half", "__half", "OCU_F16", "OCU_F16", "CUDA_R_16F", "CUBLAS_COMPUTE_16F"),
}
STREAMS = ("cudaStream_t", "CUstream")
TWINS = {"": "int", "_64": "int64_t"}

# header: what it includes
HEADERS = {
    "library_types.h": (),
    "driver_types.h": ("stddef.h",),
    "cuda_runtime_api.h": ("driver_types.h", "library_types.h"),
    "cuda_registration.h": ("driver_types.h",),
    "hip_types.h": ("driver_types.h",),
    "cublas_types.h": ("library_types.h",),
    "cublas_api.h": (
        *("stddef.h", "stdint.h", "driver_types.h", "cublas_types.h", "cuComplex.h"),
        *("cuda_bf16.h", "cuda_fp16.h"),
    ),
    "cublasXt.h": ("cublas_v2.h",),
    "cublasLt.h": ("stdio.h", "cublas_api.h"),
    "cuda.h": ("stddef.h", "stdint.h"),
}
# library: the tables that declare its functions, in the order that they need one another
CUBLAS = ("driver_types.h", "library_types.h", "cublas_types.h", "cublas_api.h")
DECLARED = {
    "cudart": ("driver_types.h", "cuda_runtime_api.h", "cuda_registration.h"),
    "cublas": (*CUBLAS, "cublasXt.h"),
    "cublas_v2": CUBLAS,
    "cublasLt": ("driver_types.h", "library_types.h", "cublas_types.h", "cublasLt.h"),
    "cuda_driver": ("cuda.h",),
}
# The same functions under other shapes' names: the library that has them.
SHAPES = {
    "opencu_blas": "cublas_v2",
    "amdhip64": "cudart",
    "hipblas": "cublas_v2",
    "rocblas": "cublas_v2",
}
# The macro of a refusal, by what it returns; others return a number of the type that is named.
REFUSALS = {
    "": "REFUSE({name}, {reason})",
    "void": "REFUSE_VOID({name}, {reason})",
    "string": "REFUSE_STRING({name}, {reason})",
    "string@2": "REFUSE_STRING_AT({name}, UNUSED int a)",
    "string@3": "REFUSE_STRING_AT({name}, UNUSED int a, UNUSED int b)",
    "text": "REFUSE_TEXT({name})",
    "minus": "REFUSE_AS(long, -1, {name}, {reason})",
    "pointer": "REFUSE_AS(void *, NULL, {name}, {reason})",
    "variable": "int {name};",
    "launch": "REFUSE_KERNEL({name}, 0)",
    "launch@2": "REFUSE_KERNEL({name}, 0, FIRST)",
    "question": "REFUSE_KERNEL({name}, 1)",
    "question@2": "REFUSE_KERNEL({name}, 1, FIRST)",
    "team": "REFUSE_AS(team, (team){{0}}, {name}, {reason})",
}
PREAMBLE = """
typedef unsigned long size_t; typedef long int64_t; typedef unsigned long uint64_t;
typedef int FILE, __half, __nv_bfloat16, cuComplex, cuDoubleComplex;
"""
FAMILY = re.compile(r"^\w[^;]*?\{(?:T:[\w,]+|_64)\}[^;]*;", re.MULTILINE)
TAG = re.compile(r" //(12|13)$")


def rows(name):
    with open(TABLES / name, newline="") as file:
        return list(csv.DictReader(file))


LIBRARIES = rows("libraries.csv")
REASONS = rows("refusals.csv")


def enumerators(match):
    what, side = match.group(1), match.group(2)
    if what == "errors":
        pairs = [(row[side], row["code"]) for row in rows("errors.csv")]
    elif side == "hip":
        pairs = [(f"hipDeviceAttribute{r['name']}", r["value"]) for r in rows("hip_attributes.csv")]
    else:
        prefix = {"runtime": "cudaDevAttr", "driver": "CU_DEVICE_ATTRIBUTE_"}[side]
        pairs = [(row[side] and prefix + row[side], row["value"]) for row in rows("attributes.csv")]
    return ",\n".join(f"  {name} = {value}" for name, value in pairs if name)


def fields(match):
    text = for_major((TABLES / "driver_types.h").read_text(), 12)
    body = re.search(rf"^struct {match.group(1)} \{{\n(.*?)\n\}};", text, re.DOTALL | re.MULTILINE)
    return body.group(1).replace("Cuda", "Hip")


def family(match):
    """Every member of a family, one statement each."""
    row, members = match.group(), []
    letters = (re.findall(r"\{T:([\w,]+)\}", row) or [" "])[0]
    twins = TWINS if "{_64}" in row else {"": "int"}
    named = letters.split(",") if "," in letters else letters
    for letter, twin in itertools.product(named, twins):
        text = re.sub(r"\{T:[\w,]+\}", letter, row)
        wide = max(letter.upper(), key=" SDHCZ".index)  # of "Sc", C
        t, r, d, p, data, compute = LETTERS.get(wide, ("",) * 6)
        types = f"{data}, {data}, {data}, {compute}, {data}"
        keys = {"t": t, "r": r, "d": d, "p": p, "types": types}
        for key, value in (keys | {"_64": twin, "int": twins[twin]}).items():
            text = text.replace(f"{{{key}}}", value)
        members.append(text)
    return "\n".join(members)


def table(name):
    text = (TABLES / name).read_text()
    text = re.sub(r"^@(errors|attributes) (\w+)$", enumerators, text, flags=re.MULTILINE)
    text = re.sub(r"^@fields (\w+)$", fields, text, flags=re.MULTILINE)
    return FAMILY.sub(family, text)


def without_calls(text):
    return re.sub(r"( //1[23])?\s*=> [^;]*;", ";", text)


def for_major(text, major):
    lines = []
    for line in text.splitlines():
        tag = TAG.search(line)
        if not tag or tag.group(1) == str(major):
            lines.append(TAG.sub("", line))
    return "\n".join(lines) + "\n"


def header(name):
    """A public header that serves both major versions."""
    guard = "OPENCU_" + name.replace(".", "_").upper()
    body = []
    lines = without_calls(table(name)).splitlines()
    for tag, group in itertools.groupby(lines, lambda s: (TAG.search(s) or [None, None])[1]):
        group = [TAG.sub("", line) for line in group]
        body += [f"#if OPENCU_CUDA_MAJOR == {tag}", *group, "#endif"] if tag else group
    body = re.sub(r"/\*=(\w+)\*/", r"OPENCU_DEFAULT(\1)", "\n".join(body))
    includes = "".join(
        f'#include "{h}"\n' if h in HEADERS else f"#include <{h}>\n" for h in HEADERS[name]
    )
    return f"""/* {name}: made by shims/generate.py from shims/tables/{name} */
#ifndef {guard}
#define {guard}
#include "opencu_config.h"
{includes}#ifdef __cplusplus
extern "C" {{
#endif
{body}
#ifdef __cplusplus
}}
#endif
#endif
"""


def declarations(library, major):
    """What a library's tables declare, parsed."""
    source = "".join(
        for_major(without_calls(table(name)), major) for name in DECLARED.get(library, ())
    )
    source = re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL)
    source = re.sub(r"^#.*$", "", source, flags=re.MULTILINE)
    return c_parser.CParser().parse(PREAMBLE + source, library).ext


def prototypes(library, major):
    """{name: pycparser declaration} of the functions that a library implements."""
    return {
        node.name: node
        for node in declarations(library, major)
        if isinstance(node, c_ast.Decl) and isinstance(node.type, c_ast.FuncDecl)
    }


def in_major(row, major):
    return not row["majors"] or str(major) in row["majors"].split()


def exports(library, major):
    return [row for row in rows(f"exports/{library}.csv") if in_major(row, major)]


def calls(library, major):
    """The C functions of the rows that say by which call they are served."""
    text = "".join(for_major(table(name), major) for name in DECLARED.get(library, ()))
    functions = re.findall(r"^(\w[^;]*?)\s*=> ([^;]*;)", text, re.MULTILINE)
    made = ""
    for head, call in functions:
        name = re.search(r"(\w+)\(", head).group(1)
        made += f"#undef {name}\n{head} {{\n  return {call}\n}}\n"
    return made


def per_thread(declared, exported):
    """NAME_ptsz, NAME_ptds: NAME with stream 0 meaning the calling thread's own default stream."""
    text, names = "", []
    for name, suffix in itertools.product(declared, ("_ptsz", "_ptds")):
        if name + suffix not in exported:
            continue
        generator, parameters = c_generator.CGenerator(), declared[name].type.args.params
        types = {p.name: generator.visit(p.type).split() for p in parameters}
        streams = [p for p, words in types.items() if words[0] in STREAMS and words[-1] != "*"]
        arguments = ", ".join(f"own_stream({p})" if p in streams else p for p in types)
        call = f"{name}({arguments})" if streams else f"PER_THREAD({name}({arguments}))"
        head = re.sub(rf"\b{name}\(", f"{name}{suffix}(", generator.visit(declared[name]))
        text += f"{head};\n{head} {{ return {call}; }}\n"
        names.append(name + suffix)
    return text, names


def refusal(library, row):
    name, kind, reason = row["symbol"], row["returns"], "NULL"
    if library in DECLARED or library == "amdhip64":
        prefix = r"^(__)?(cu(da)?|hip)(?=[A-Z])"
        parts = ((r["reason"], rf"{prefix}\w*?({r['names']})") for r in REASONS)
        reason = next((f'"{why}"' for why, part in parts if re.search(part, name)), "NULL")
    macro = REFUSALS.get(kind, f"REFUSE_VALUE({kind}, {{name}}, {{reason}})")
    return macro.format(name=name, reason=reason) + "\n"


def properties(major):
    """Assignments to the fields of this major version's cudaDeviceProp."""
    text = ""
    fields = for_major(table("driver_types.h"), major)
    for row in rows("attributes.csv"):
        name = row["property"]
        if name and re.search(rf"\b{name.split('[')[0]}\b", fields):
            text += f"prop->{name} = ocu_shim_answer({row['value']}, device, &info);\n"
    return text


def descriptors():
    """The structures behind cuBLASLt's descriptors, alike for all versions of CUDA."""
    text = ""
    for kind, fields in itertools.groupby(rows("descriptors.csv"), lambda row: row["kind"]):
        members = dict.fromkeys(f"  {row['type']} {row['field']};\n" for row in fields)
        text += f"struct {kind} {{\n  uint64_t mark;\n{''.join(members)}}};\n"
    return text


def attribute(row):
    """Where a descriptor keeps an attribute: its mark, the number, offset, bytes."""
    place = f"offsetof(struct {row['kind']}, {row['field']})"
    return f"{{{row['kind'].upper()}, {row['attribute']}, {place}, sizeof({row['type']})}},\n"


def hip_attribute(row):
    answer = row["answer"] or f"ocu_shim_answer({row['cuda']}, device, &info)"
    return f"case {row['value']}: *value = {answer}; break;\n"


def error_entry(row):
    runtime, driver = (f'"{row[side]}"' if row[side] else "0" for side in ("runtime", "driver"))
    return f'{{{row["code"]}, {runtime}, {driver}, "{row["text"]}"}},\n'


def shape(out, row):
    """The same of a library of another shape."""
    name, major, own = row["library"], row["major"], out / row["file"]
    served = SHAPES[name]
    functions = prototypes(served, major)
    own.mkdir(parents=True, exist_ok=True)
    write(own / "calls.inc", calls(served, major))
    write(own / "per_thread.inc", "")
    write(own / "properties.inc", properties(major))
    if name == "opencu_blas":
        text, names = blas_names.generate(rows("blas.csv"), functions)
        nodes = {"": [n for n, ours in names.items() if ours]}
    elif name == "amdhip64":
        nodes, _, text = rocm_names.hip(rows("hip.csv"), functions)
        refused = rocm_names.hip_refused(rows("hip.csv"))
        names = {n: n not in refused for each in nodes.values() for n in each}
        kinds = ({"symbol": name, "returns": kind} for name, kind in refused.items())
        write(own / "refusals.inc", (refusal(name, row) for row in kinds))
        write(own / "hip_attributes.inc", map(hip_attribute, rows("hip_attributes.csv")))
        write(own / "hip_r0000.inc", rocm_names.shared_fields(table("hip_types.h")))
    else:
        made, text = rocm_names.blas(name, functions)
        nodes = {"": [*made, *rocm_names.WRITTEN[name]]}
        names = dict.fromkeys(nodes[""], True)
    write(own / "shape.inc", text)
    write(own / "names.map", rocm_names.names_map(nodes))
    return names


def library(out, row):
    """The C fragments and the version script of one file; what its names are, for the coverage."""
    if row["library"] in SHAPES:
        return shape(out, row)
    name, major, own = row["library"], row["major"], out / row["file"]
    own.mkdir(parents=True, exist_ok=True)
    exported = exports(name, major)
    symbols = [r["symbol"] for r in exported]
    declared = prototypes(name, major)
    unknown = [n for n in declared if n not in symbols]
    if unknown:
        raise SystemExit(f"shims/tables: {name} {major} declares {unknown}, not in its exports")
    forwards, forwarded = per_thread(declared, symbols)
    legacy, without_handle = cublas_names.legacy(declared, symbols)
    implemented = set(declared) | set(forwarded) | set(without_handle)
    refused = [r for r in exported if r["symbol"] not in implemented and r["returns"] != "hand"]
    attributes = [r for r in rows("descriptors.csv") if r["attribute"] and in_major(r, major)]
    write(own / "refusals.inc", (refusal(name, r) for r in refused))
    write(own / "per_thread.inc", forwards)
    write(own / "calls.inc", calls(name, major))
    write(own / "legacy.inc", legacy)
    write(own / "properties.inc", properties(major))
    write(own / "descriptor_attributes.inc", map(attribute, attributes))
    listed = "".join(f"  {symbol};\n" for symbol in symbols)
    node = row["node"] and f"{row['node']} "
    write(own / "names.map", f"{node}{{\nglobal:\n{listed}local:\n  *;\n}};\n")
    return {symbol: symbol in implemented for symbol in symbols}


def audited():
    """{"libcufft.so", {"11", "12"}}, ...: a stem and its versions, the newest last."""
    versions = {}
    for row in LIBRARIES:
        stem, _, version = row["file"].rpartition(".")
        if not version.isdigit():
            continue  # nobody asks for it by a vendor's name
        versions.setdefault(stem, ["NULL"]).append(f'"{version}"')
    return (f'{{"{stem}", {{{", ".join(v[-2:])}}}}},\n' for stem, v in versions.items())


def demand():
    """{program: {library: names that it imports}}."""
    programs = {}
    for row in rows("demand.csv"):
        for program in row["programs"].split():
            names = programs.setdefault(program, {}).setdefault(row["library"], [])
            names += row["symbols"].split()
    return programs


def write(path, parts):
    path.write_text("".join(parts))


def generate(out):
    include = out / "include"
    include.mkdir(parents=True, exist_ok=True)
    for name in HEADERS:
        write(include / name, header(name))
    renamed = [n for n in prototypes("cublas_v2", 13) if "_v2" in n]
    write(include / "cublas_renames.h", (f"#define {n.replace('_v2', '')} {n}\n" for n in renamed))
    symbols = [row["symbol"] for row in exports("cublas", 13)]
    write(include / "cublas_legacy.h", cublas_names.header(prototypes("cublas_v2", 13), symbols))
    _, made, _ = rocm_names.hip(rows("hip.csv"), prototypes("cudart", 12))
    write(
        include / "hip_names.h", rocm_names.hip_header(made, for_major(table("driver_types.h"), 12))
    )
    for name in ("hipblas", "rocblas"):
        made, _ = rocm_names.blas(name, prototypes("cublas_v2", 13))
        write(include / f"{name}_names.h", rocm_names.blas_header(name, made))
    write(out / "errors.inc", map(error_entry, rows("errors.csv")))
    answers = (f"case {r['value']}: return {r['answer']};\n" for r in rows("attributes.csv"))
    write(out / "attributes.inc", answers)
    texts = (
        f'{{{r["status"]}, "{r["status"]}", "{r["text"]}"}},\n' for r in rows("cublas_errors.csv")
    )
    write(out / "cublas_errors.inc", texts)
    write(out / "descriptors.inc", descriptors())
    write(out / "audit.inc", audited())
    for name in ("cublas", "cuda"):
        mapping = (f"[{r['core']}] = {r[name]},\n" for r in rows("status.csv"))
        write(out / f"{name}_status.inc", mapping)
    aliases = re.findall(r"^#define (cu\w+) (cu\w+)$", table("cuda.h"), re.MULTILINE)
    names = [(alias, symbol, 0) for alias, symbol in aliases]
    names += [(row["name"], row["symbol"], row["since"]) for row in rows("versions.csv")]
    write(out / "cuda_names.inc", (f'{{"{a}", "{b}", {since}}},\n' for a, b, since in names))
    coverage = {row["library"]: {} for row in LIBRARIES}
    for row in LIBRARIES:
        known = coverage[row["library"]]
        for symbol, implemented in library(out, row).items():
            known[symbol] = implemented or known.get(symbol, False)
    (out / "shims.json").write_text(json.dumps({"libraries": coverage, "demand": demand()}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    generate(parser.parse_args().out)
