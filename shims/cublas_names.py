"""The C of cuBLAS's first API, calls without a handle: cublasSgemm for cublasSgemm_v2.

Letters stand for enumerators, numbers are passed by value and results returned; what went wrong is
told by cublasGetError. Every name that the vendor's library exports beside one with _v2 is made
here; the others are written in shims/src/cublas_legacy.c.
"""

from pycparser import c_generator

WRITTEN = {
    "cublasInit": "cublasStatus_t cublasInit(void)",
    "cublasShutdown": "cublasStatus_t cublasShutdown(void)",
    "cublasGetError": "cublasStatus_t cublasGetError(void)",
    "cublasGetVersion": "cublasStatus_t cublasGetVersion(int *version)",
    "cublasAlloc": "cublasStatus_t cublasAlloc(int n, int elemSize, void **devicePtr)",
    "cublasFree": "cublasStatus_t cublasFree(void *devicePtr)",
    "cublasSetKernelStream": "cublasStatus_t cublasSetKernelStream(cudaStream_t stream)",
    "cublasXerbla": "void cublasXerbla(const char *srName, int info)",
}
LETTERS = {
    "cublasOperation_t": "OPERATION",
    "cublasFillMode_t": "FILL",
    "cublasSideMode_t": "SIDE",
    "cublasDiagType_t": "DIAGONAL",
}
NUMBERS = ("alpha", "beta", "c", "s")


def call(name, function):
    """The function without a handle: its head, and its body."""
    types = c_generator.CGenerator()
    given = [(p.name, types.visit(p.type)) for p in function.type.args.params[1:]]
    in_place = name.endswith("trmm")  # today's writes a third matrix
    head, passed, made = [], [], "void"
    for n, ctype in given:
        constant, value = ctype.startswith("const"), ctype.replace("const ", "").rstrip(" *")
        if n == "result":
            made = value
            passed.append("&result")
        elif in_place and n in ("C", "ldc"):
            passed.append("B" if n == "C" else "ldb")
        elif ctype in LETTERS:
            head.append(f"char {n}")
            passed.append(f"{LETTERS[ctype]}({n})")
        elif n in NUMBERS and constant:
            head.append(f"{value} {n}")
            passed.append(f"&{n}")
        else:
            head.append(f"{value} *{n}" if in_place and n == "B" else f"{ctype} {n}")
            passed.append(n)
    head = ", ".join(h.replace("* ", "*") for h in head)
    body = f"  told({function.name}(handle, {', '.join(passed)}));\n"
    if made != "void":
        body = f"  {made} result = {{0}};\n{body}  return result;\n"
    return f"{made} {name}({head})", body


def calls(functions, symbols):
    """{name: head and body} of those that are made."""
    return {
        short: call(short, function)
        for name, function in functions.items()
        if (short := name.removesuffix("_v2")) != name
        and short in symbols and short not in functions and short not in WRITTEN
    }  # fmt: skip


def legacy(functions, symbols):
    """The C text, and all names of this API."""
    if "cublasInit" not in symbols:
        return "", []
    made = calls(functions, symbols)
    text = "".join(f"{head} {{\n{body}}}\n" for head, body in made.values())
    return text, [*made, *WRITTEN]


def header(functions, symbols):
    """The prototypes, for programs."""
    heads = [*WRITTEN.values(), *(head for head, _ in calls(functions, symbols).values())]
    return "".join(f"{head};\n" for head in heads)
