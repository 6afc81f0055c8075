"""An ELF object laid out as one blob that can be mapped anywhere and called at an offset.

Code that LLVM emits with reloc=pic, codemodel=small holds only PC-relative relocations between its
own sections; an undefined symbol means that LLVM called a library, which is a compile error here.
"""

import struct
from typing import NamedTuple

_SYMTAB, _RELA, _ALLOC, _NOBITS = 2, 4, 0x2, 8
_PC32, _PLT32, _PC64 = 2, 4, 24  # R_X86_64_*
_UNWIND = ".eh_frame"  # nothing unwinds through a kernel


class Blob(NamedTuple):
    code: bytes
    entry: int  # offset of the entry point


class _Section(NamedTuple):
    """A section's header, as it lies in the file."""

    name_at: int
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entry: int


def _name(elf: bytes, strings: _Section, at: int) -> str:
    start = strings.offset + at
    return elf[start : elf.index(b"\0", start)].decode()


def link(elf: bytes, entry: str) -> Blob:
    """Lay out an x86-64 object file and apply its relocations."""
    if elf[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<HH", elf, 16) != (1, 62):
        raise ValueError("expected an x86-64 object file")
    (table,) = struct.unpack_from("<Q", elf, 0x28)
    size, count, names = struct.unpack_from("<HHH", elf, 0x3A)
    headers = elf[table : table + size * count]
    sections = [_Section(*header) for header in struct.iter_unpack("<IIQQQQIIQQ", headers)]
    code, place = bytearray(), {}
    for i, s in enumerate(sections):
        name = _name(elf, sections[names], s.name_at)
        if s.flags & _ALLOC and s.size and name != _UNWIND:
            if s.type == _NOBITS:
                raise ValueError(f"section {name}: code objects have no writable memory")
            code += bytes(-len(code) % max(s.align, 64))
            place[i] = len(code)
            code += elf[s.offset : s.offset + s.size]

    symbols, start = [], None
    for table in (s for s in sections if s.type == _SYMTAB):
        for at in range(table.offset, table.offset + table.size, 24):
            name, _, _, section, value, _ = struct.unpack_from("<IBBHQQ", elf, at)
            text = _name(elf, sections[table.link], name)
            where = place[section] + value if section in place else None
            symbols.append((text, where))
            if text == entry and where is not None:
                start = where

    for s in (s for s in sections if s.type == _RELA and s.info in place):
        for at in range(s.offset, s.offset + s.size, 24):
            offset, info, addend = struct.unpack_from("<QQq", elf, at)
            name, target = symbols[info >> 32]
            kind, spot = info & 0xFFFFFFFF, place[s.info] + offset
            if target is None:
                what = name or "a section that is not there"
                raise ValueError(f"the code calls {what}, which no code object may")
            if kind not in (_PC32, _PLT32, _PC64):
                raise ValueError(f"relocation type {kind} against {name}")
            struct.pack_into("<q" if kind == _PC64 else "<i", code, spot, target + addend - spot)
    if start is None:
        raise ValueError(f"no symbol {entry}")
    return Blob(bytes(code), start)
