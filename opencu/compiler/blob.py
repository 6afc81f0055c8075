"""An ELF object laid out as one blob that can be mapped anywhere and called at an offset.

Code that LLVM emits with reloc=pic, codemodel=small holds only PC-relative relocations between its
own sections; an undefined symbol means that LLVM called a library, which is a compile error here.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

SYMTAB, RELA, NOBITS, ALLOC = 2, 4, 8, 0x2
_PC32, _PLT32, _PC64 = 2, 4, 24  # R_X86_64_*
_UNWIND = ".eh_frame"  # nothing unwinds through a kernel


class Blob(NamedTuple):
    code: bytes
    entry: int  # offset of the entry point


class Section(NamedTuple):
    """A section's header, as it lies in the file but for the name."""

    name: str
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entry: int


def _name(elf: bytes, strings: int, at: int) -> str:
    start = strings + at
    return elf[start : elf.index(b"\0", start)].decode()


def sections(elf: bytes, machine: int, what: str) -> list[Section]:
    """The sections of a 64-bit object file for a machine."""
    if elf[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<HH", elf, 16) != (1, machine):
        raise ValueError(f"expected an {what} object file")
    (table,) = struct.unpack_from("<Q", elf, 0x28)
    size, count, names = struct.unpack_from("<HHH", elf, 0x3A)
    headers = list(struct.iter_unpack("<IIQQQQIIQQ", elf[table : table + size * count]))
    strings = headers[names][4]
    return [Section(_name(elf, strings, at), *rest) for at, *rest in headers]


def symbols(elf: bytes, found: list[Section]) -> list[tuple[str, int, int, int, int, int]]:
    """Every symbol: name, info, visibility, number of its section, value, size."""
    return [
        (_name(elf, found[table.link].offset, name), *rest)
        for table in found
        if table.type == SYMTAB
        for name, *rest in struct.iter_unpack(
            "<IBBHQQ", elf[table.offset : table.offset + table.size]
        )
    ]


def relocations(elf: bytes, found: list[Section]) -> Iterator[tuple[int, int, int, int, int]]:
    """Every relocation: number of its section, offset there, symbol, kind, addend."""
    for table in (s for s in found if s.type == RELA):
        for entry in struct.iter_unpack("<QIIq", elf[table.offset : table.offset + table.size]):
            offset, kind, symbol, addend = entry
            yield table.info, offset, symbol, kind, addend


def link(elf: bytes, entry: str) -> Blob:
    """Lay out an x86-64 object file and apply its relocations."""
    found = sections(elf, 62, "x86-64")
    code, place = bytearray(), {}
    for i, s in enumerate(found):
        if s.flags & ALLOC and s.size and s.name != _UNWIND:
            if s.type == NOBITS:
                raise ValueError(f"section {s.name}: code objects have no writable memory")
            code += bytes(-len(code) % max(s.align, 64))
            place[i] = len(code)
            code += elf[s.offset : s.offset + s.size]

    named = [
        (name, place[section] + value if section in place else None)
        for name, _, _, section, value, _ in symbols(elf, found)
    ]
    start = next((at for name, at in named if name == entry and at is not None), None)
    for section, offset, number, kind, addend in relocations(elf, found):
        if section not in place:
            continue
        (name, target), spot = named[number], place[section] + offset
        if target is None:
            what = name or "a section that is not there"
            raise ValueError(f"the code calls {what}, which no code object may")
        if kind not in (_PC32, _PLT32, _PC64):
            raise ValueError(f"relocation type {kind} against {name}")
        struct.pack_into("<q" if kind == _PC64 else "<i", code, spot, target + addend - spot)
    if start is None:
        raise ValueError(f"no symbol {entry}")
    return Blob(bytes(code), start)
