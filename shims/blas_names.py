"""The C of libopencu_blas.so from tables/blas.csv: BLAS's names over cuBLAS's entry points.

A row is a routine: its type letters, the least that its leading dimensions may be, and what makes
the call of CBLAS in row-major order one in column-major order: a/b are exchanged, ~a becomes the
other of the two that it may be (trans: N and T, or N and C where the routine has no T). conjugate
lists the vectors and scalars that are conjugated then, "C:" if trans was C alone; a routine's name
at its end is the one to call. The parameters are those of cuBLAS's row, which makes the call; a
routine without one there yet is not exported, so that under LD_PRELOAD the program's own serves.
"""

import re

from pycparser import c_generator

CODES = {
    "trans": ("111", "NTC"),
    "uplo": ("121", "UL"),
    "diag": ("131", "NU"),
    "side": ("141", "LR"),
}
# A program's integers: of 32 bits without, of 64 with OpenBLAS's or the reference's suffix.
FORTRAN = (("_", "int32_t"), ("_64_", "int64_t"))
CBLAS = (("", "int32_t"), ("64_", "int64_t"), ("_64", "int64_t"))
BY_VALUE = {"alpha", "beta", "c", "s", "y1"}  # real scalars, in CBLAS
REPLACED = {"C": "B", "ldc": "ldb"}  # cuBLAS's trmm writes a third matrix

# What is written in C.
WRITTEN = [f"{d}{s}" for d in ("dsdot", "sdsdot") for s in ("_", "_64_")]
WRITTEN += [f"cblas_{d}{s}" for d in ("dsdot", "sdsdot") for s in ("", "64_", "_64")]
TOLD = ["xerbla_", "cblas_xerbla", "RowMajorStrg", "CBLAS_CallFromC"]


class Routine:
    """One routine of one type: its parameters are (name, kind) with the kind of BLAS's."""

    def __init__(self, row, letter, functions):
        self.row, self.letter, self.base = row, letter, row["routine"]
        self.name = (letter + self.base).lower()
        stem = f"cublas{letter}{self.base}"
        candidates = [stem + v + w for v in ("_v2", "") for w in ("_64", "")]
        self.serves = next((c for c in candidates if c in functions), None)
        self.complex = letter[-1] in "CZcz" or letter in ("Cs", "Zd")
        if self.serves:
            types = c_generator.CGenerator()
            declared = functions[self.serves].type.args.params
            self.passed = [(p.name, types.visit(p.type)) for p in declared[1:]]
            self.result = next((t for n, t in self.passed if n == "result"), None)
            dropped = {"result"} | (REPLACED.keys() if self.base == "trmm" else set())
            self.parameters = [(n, kind(n, t)) for n, t in self.passed if n not in dropped]
            self.types = dict(self.passed)

    def trans(self):
        """What trans may be."""
        return {"herk": "NC", "her2k": "NC"}.get(
            self.base, "NT" if self.complex and self.base in ("syrk", "syr2k") else "NTC"
        )


def kind(name, ctype):
    if name.startswith("trans") or name in CODES:
        return "letter"
    return "pointer" if "*" in ctype else "integer"


def expanded(letters):
    return letters.split(",") if "," in letters else letters


def routines(rows, functions):
    return [Routine(row, letter, functions) for row in rows for letter in expanded(row["letters"])]


def value_type(routine, name):
    return routine.types[name].replace("const ", "").replace("*", "").strip()


def checked(routine):
    """The number of the first parameter that is wrong, as an expression."""
    least = dict(word.split("=") for word in routine.row["least"].split())
    tests = []
    for number, (name, what) in enumerate(routine.parameters, 1):
        if what == "letter":
            allowed = routine.trans() if name.startswith("trans") else CODES[name][1]
            test = f'!one_of("{allowed}", {name})'
        elif name in least:
            test = f"{name} < AT_LEAST_1({least[name]})"
        elif name.startswith("inc"):
            test = f"!{name}"
        elif what == "integer":
            test = f"{name} < 0"
        else:
            continue
        tests.append(f"{test} ? {number} : ")
    return "".join(tests) + "0" if routine.row["row_major"] else "0"


def argument(routine, name):
    """What cuBLAS is given for one of its parameters."""
    if routine.base == "trmm" and name in REPLACED:
        return f"(void *){REPLACED[name]}" if name == "C" else REPLACED[name]
    if routine.types[name].startswith("cublas"):
        return f"{name[:5].upper() if name.startswith('trans') else name.upper()}({name})"
    return f"STEP({name})" if routine.base == "nrm2" and name == "incx" else name


def body(routine):
    """The routine itself, in column-major order, on checked arguments: 0 if it could not run."""
    ctypes = {"letter": "char", "integer": "int64_t"}
    parameters = "".join(
        f", {ctypes.get(what) or routine.types[name]} {name}" for name, what in routine.parameters
    )
    result = f", {routine.result} result" if routine.result else ""
    arguments = ", ".join(argument(routine, name) for name, _ in routine.passed)
    return (
        f"static int own_{routine.name}(const char *from_c{parameters}{result}) {{\n"
        f"  const int64_t wrong = {checked(routine)};\n"
        f'  if (wrong) return report("{routine.name.upper()}", from_c, wrong);\n'
        f"  return ended({routine.serves}(handle(), {arguments}));\n}}\n"
    )


def returned(routine):
    """C type of the value that a function returns."""
    if not routine.result:
        return "void"
    made = value_type(routine, "result")
    if made.startswith("cu"):
        made = {"cuComplex": "float _Complex", "cuDoubleComplex": "double _Complex"}[made]
    return made


def fortran(routine, suffix, integer):
    name = f"{routine.name}{suffix}"
    ctypes = {"letter": "const char *", "integer": f"const {integer} *"}
    made = returned(routine)
    head = ", ".join(f"{ctypes.get(w) or routine.types[n] + ' '}{n}" for n, w in routine.parameters)
    given = "".join(
        f", {'UPPER(*' + n + ')' if w == 'letter' else '*' + n if w == 'integer' else n}"
        for n, w in routine.parameters
    )
    names = ", ".join(n for n, _ in routine.parameters)
    local, last = "", ""
    if made != "void":
        local, last = f"  {made} result = 0;\n", ", (void *)&result"
    way, end = ("return ", "  return result;\n") if last else ("", "")
    made = integer if made == "int64_t" else made
    return (
        f"{made} {name}({head}) {{\n{local}"
        f"  if (!own_{routine.name}(NULL{given}{last}))\n"
        f"    {way}NEXT({name})({names});\n{end}}}\n"
    )


def cblas_type(routine, name, what, integer):
    ctype = routine.types[name]
    if what != "pointer":
        return "int" if what == "letter" else integer
    if "cu" in ctype:
        return "const void *" if ctype.startswith("const") else "void *"
    return ctype.replace("const ", "").rstrip(" *") if by_value(routine, name) else ctype


def by_value(routine, name):
    ctype = routine.types[name]
    return name in BY_VALUE and ctype.startswith("const") and "cu" not in ctype


def turned(routine):
    """What is passed for a parameter in row-major order."""
    swaps = {n: n for n, _ in routine.parameters}
    for word in routine.row["row_major"].split():
        if "/" in word:
            a, b = word.split("/")
            swaps |= {a: b, b: a}
        elif word[1:] in swaps:
            swaps[word[1:]] = f'OTHER_{word[1:].upper()}({word[1:]}, "{routine.trans()}")'
    return swaps


def cblas_name(routine):
    return f"cblas_{routine.name}" + "_sub" * (routine.base in ("dotu", "dotc"))


def cblas(routine, suffix, integer):
    name, layout = cblas_name(routine), bool(routine.row["row_major"])
    made, sub = returned(routine), name.endswith("_sub")
    types = {n: cblas_type(routine, n, w, integer) for n, w in routine.parameters}
    head, names = [f"{t} {n}" for n, t in types.items()], list(types)
    if layout:
        head, names = ["int layout", *head], ["layout", *names]
    if sub:
        made, head, names = "void", [*head, "void *result"], [*names, "result"]
    last = ", result" if sub else ", &result" if made != "void" else ""
    given = {
        n: f"{n}_" if what == "letter" else f"&{n}" if by_value(routine, n) else n
        for n, what in routine.parameters
    }

    def call(values, target=routine.name):
        return f'own_{target}("{name}", {", ".join(values[n] for n in types)}{last})'

    text = [] if made == "void" else [f"  {made} result = 0;"]
    if layout:
        text += [
            f'  LAYOUT("{name}");',
            *letters(routine, name),
            f"  if (!row) done = {call(given)};",
        ]
        text += row_major(routine, given, call)
        text.append("  if (!done)")
    else:
        text.append(f"  if (!{call(given)})")
    way = "" if made == "void" else "return "
    text.append(f"    {way}NEXT({name}{suffix})({', '.join(names)});")
    if made == "int64_t":
        made = "size_t"
        text.append("  return (size_t)(result > 0 ? result - 1 : 0);")
    elif made != "void":
        text.append("  return result;")
    body_text = "\n".join(text)
    return f"{made} {name}{suffix}({', '.join(head)}) {{\n{body_text}\n}}\n"


def letters(routine, name):
    """Enumerators as BLAS's letters."""
    for number, (n, what) in enumerate(routine.parameters, 2):
        if what == "letter":
            base, values = CODES["trans" if n.startswith("trans") else n]
            yield f'  LETTER({n}, {base}, "{values}", {number}, "{name}");'


def row_major(routine, given, call):
    """The call in row-major order: plain, or on conjugated vectors and scalars."""
    plain = {
        n: re.sub(r"\b\w+\b(?!\()", lambda m: given.get(m[0], m[0]), text)
        for n, text in turned(routine).items()
    }
    only, _, listed = routine.row["conjugate"].rpartition(":")
    if not listed or not routine.complex:
        return [f"  else done = {call(plain)};"]
    lines = conjugated(routine, listed.split(), only, call, plain)
    if not only:
        return ["  else {", *lines, "  }"]
    return ["  else if (trans_ == 'C') {", *lines, "  }", f"  else done = {call(plain)};"]


def conjugated(routine, listed, only, call, values):
    """The call with copies of the vectors that are read, and the others conjugated and back."""
    target, double = routine.name, int(routine.letter == "Z")
    if listed[-1] == "geru":
        target = routine.letter.lower() + listed.pop()
    values = dict(values) | ({"trans": "'N'"} if only else {})
    before, after = [], []
    for n in listed:
        if n in ("alpha", "beta"):
            before.append(
                f"    const {value_type(routine, n)} {n}_c = CONJUGATE_{routine.letter}({n});"
            )
            new = f"&{n}_c"
        else:
            count = "m" if routine.base in ("gemv", "gbmv") and n == "x" else "n"
            vector = f"{double}, {n}, {count}, inc{n}"
            if routine.types[n].startswith("const"):
                before.append(f"    void *{n}_c = conjugate_copy({vector});")
                after.append(f"    free({n}_c);")
                new = f"{n}_c"
            else:
                before.append(f"    conjugate({vector});")
                after.append(f"    conjugate({vector});")
                new = n
        values = {k: new if v == n else v for k, v in values.items()}
    return [*before, f"    done = {call(values, target)};", *after]


def generate(rows, functions):
    """The C text, and {name: is it implemented} of all names."""
    text, names, every = [], {}, routines(rows, functions)
    for routine in every:
        names |= {routine.name + suffix: bool(routine.serves) for suffix, _ in FORTRAN}
        names |= {cblas_name(routine) + suffix: bool(routine.serves) for suffix, _ in CBLAS}
    names |= dict.fromkeys([*WRITTEN, *TOLD], True)
    served = [r for r in every if r.serves]
    text += [body(routine) for routine in served]  # of all first: gerc calls geru's
    text += [fortran(r, *suffix) for r in served for suffix in FORTRAN]
    text += [cblas(r, *suffix) for r in served for suffix in CBLAS]
    return "".join(text), names
