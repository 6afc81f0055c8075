"""The libraries that opencu does not have yet, made from tables/absent.csv and tables/exports.

A row of absent.csv is a file: the list of names that it exports, its version node (none: names
without version), the library's own status for what is not supported, and C with the few names that
are not refused ("hand" in the list). Such a library lets the programs that link it start; every
other name in it refuses by name. One that is implemented leaves here.
"""

import csv
from pathlib import Path

TABLES = Path(__file__).parent / "tables"
MACROS = {
    "": "REFUSE({name}, NULL)",
    "void": "REFUSE_VOID({name}, NULL)",
    "string": "REFUSE_STRING({name}, NULL)",
    "string@2": "REFUSE_STRING_AT({name}, UNUSED int a)",
    "string@3": "REFUSE_STRING_AT({name}, UNUSED int a, UNUSED int b)",
    "text": "REFUSE_TEXT({name})",
    "int": "REFUSE_VALUE(int, {name}, NULL)",
    "size_t": "REFUSE_VALUE(size_t, {name}, NULL)",
    "minus": "REFUSE_AS(long, -1, {name})",
    "pointer": "REFUSE_AS(void *, NULL, {name})",
    "hand": "",
    "team": "REFUSE_AS(team, (team){{0}}, {name})",
}


def rows(name):
    with open(TABLES / name, newline="") as file:
        return list(csv.DictReader(file))


def libraries():
    """The rows of absent.csv: {"file", "library", "node", "status", "sources"}."""
    return rows("absent.csv")


def generate(out):
    """LIBRARY_absent.inc and FILE.map for every library; absent_audit.inc for the audit library."""
    for library in libraries():
        names = rows(f"exports/{library['library']}.csv")
        refusals = [MACROS[row["returns"]].format(name=row["symbol"]) + "\n" for row in names]
        (out / f"{library['library']}_absent.inc").write_text("".join(refusals))
        listed = "".join(f"  {row['symbol']};\n" for row in names)
        node = library["node"] + " " if library["node"] else ""
        script = f"{node}{{\nglobal:\n{listed}local:\n  *;\n}};\n"
        (out / f"{library['file']}.map").write_text(script)
    (out / "absent_audit.inc").write_text(audit_rows())


def audit_rows():
    """{"libcufft.so", {"11", "12"}}, ...: a stem and its versions, the newest last."""
    versions = {}
    for library in libraries():
        stem, _, version = library["file"].rpartition(".")
        versions.setdefault(stem, []).append(version)
    lines = []
    for stem, served in versions.items():
        older = f'"{served[0]}"' if len(served) == 2 else "NULL"
        lines.append(f'{{"{stem}", {{{older}, "{served[-1]}"}}}},\n')
    return "".join(lines)


def sources(library):
    return ["absent.c", *library["sources"].split()]


def flags(library, out):
    """What compiling absent.c into the library's file needs."""
    return [
        f"-DREFUSED_STATUS={library['status']}",
        f'-DREFUSALS="{library["library"]}_absent.inc"',
        f"-Wl,--version-script={out / library['file']}.map",
    ]
