"""LLVM's AMDGPU object file made into the code object that the HIP loader takes, as ld.lld does.

        object (ET_REL)                  code object (ET_DYN)
    .text       kernel code         0   ELF header, program headers   --+
    .rodata     its descriptor          .note     from the object       |  LOAD r
    .rela.*     descriptor -> code      .dynsym .hash .dynstr           |
    .note       metadata                .rodata                       --+
    .symtab                     4 KiB   .text                         --   LOAD r x
                                8 KiB   .dynamic                      --   LOAD r w, DYNAMIC
                             not loaded .symtab .strtab .shstrtab, section headers

Addresses are offsets in the file, a page further on with each LOAD. The metadata names the kernel
and its descriptor, kernel.kd, which the loader looks up in .symtab and the debugger in .dynsym. The
descriptor holds how far its code lies from it, so nothing is left to relocate at load time.
"""

import struct
from dataclasses import dataclass

from opencu.compiler.blob import ALLOC, NOBITS, SYMTAB, relocations, sections, symbols

_AMDGPU, _PAGE, _HEADERS = 224, 0x1000, 6
_PROGBITS, _STRTAB, _HASH, _DYNAMIC, _NOTE, _DYNSYM = 1, 3, 5, 6, 7, 11
_WRITE, _EXECUTE = 0x1, 0x4  # flags of sections; a segment's are 1: execute, 2: write, 4: read
# R_AMDGPU_*: symbol + addend - place, as 32 bits, 64 bits, the low or the high half.
_RELATIVE = {4: ("<I", 0), 5: ("<Q", 0), 10: ("<I", 0), 11: ("<I", 32)}


@dataclass
class _Part:
    """A section of the code object; `link` names another one."""

    name: str
    type: int
    flags: int
    align: int
    data: bytearray
    link: str = ""
    info: int = 0
    entry: int = 0
    offset: int = 0
    address: int = 0
    number: int = 0


def link(elf: bytes) -> bytes:
    """The loadable code object of an AMDGPU object file for the HSA runtime."""
    found = sections(elf, _AMDGPU, "AMDGPU")
    carried: dict[int, _Part] = {}
    for i, s in enumerate(found):
        if s.flags & ALLOC and s.size:
            if s.type == NOBITS or s.flags & _WRITE:
                raise ValueError(f"section {s.name}: code objects have no writable memory")
            data = bytearray(elf[s.offset : s.offset + s.size])
            carried[i] = _Part(s.name, s.type, s.flags & 6, s.align, data)
    named = symbols(elf, found)
    public = [s for s in named if s[1] >> 4 and s[3] in carried]
    if not public:
        raise ValueError("the object holds no kernel")
    strings = bytearray(b"\0" + b"".join(s[0].encode() + b"\0" for s in public))
    parts = _layout(list(carried.values()), len(public), strings)
    place = {part.name: part for part in parts}

    for section, offset, number, kind, addend in relocations(elf, found):
        if section in carried:
            name, _, _, where, value, _ = named[number]
            if where not in carried:
                raise ValueError(f"the code calls {name}, which no code object may")
            if kind not in _RELATIVE:
                raise ValueError(f"relocation type {kind} against {name}")
            part, (form, shift) = carried[section], _RELATIVE[kind]
            distance = carried[where].address + value + addend - (part.address + offset)
            word = distance >> shift & (1 << 8 * struct.calcsize(form)) - 1
            struct.pack_into(form, part.data, offset, word)

    at = 1
    for i, (name, info, other, where, value, size) in enumerate(public, 1):
        part = carried[where]
        entry = (at, info, other, part.number, part.address + value, size)
        for table in (".dynsym", ".symtab"):
            struct.pack_into("<IBBHQQ", place[table].data, 24 * i, *entry)
        at += len(name.encode()) + 1
    where = [place[name].address for name in (".dynsym", ".dynstr", ".hash")]
    tags = (6, where[0], 5, where[1], 4, where[2], 11, 24, 10, len(strings), 0, 0)
    struct.pack_into("<12Q", place[".dynamic"].data, 0, *tags)
    return _write(elf, parts)


def _layout(carried: list[_Part], n: int, strings: bytearray) -> list[_Part]:
    """All parts in their order, with offsets and addresses; n is the number of symbols."""
    # One bucket holds the chain 1 -> 2 -> ... -> n, so that names need no hashing.
    chain = bytearray(struct.pack(f"<{n + 4}I", 1, n + 1, 1, 0, *range(2, n + 1), 0))
    table = bytearray(24 * (n + 1))
    parts = [
        *(p for p in carried if p.type == _NOTE),
        _Part(".dynsym", _DYNSYM, ALLOC, 8, table, ".dynstr", 1, 24),
        _Part(".hash", _HASH, ALLOC, 4, chain, ".dynsym", 0, 4),
        _Part(".dynstr", _STRTAB, ALLOC, 1, strings),
        *(p for p in carried if p.type != _NOTE and not p.flags & _EXECUTE),
        *(p for p in carried if p.flags & _EXECUTE),
        _Part(".dynamic", _DYNAMIC, ALLOC | _WRITE, 8, bytearray(96), ".dynstr", 0, 16),
        _Part(".symtab", SYMTAB, 0, 8, bytearray(table), ".strtab", 1, 24),
        _Part(".strtab", _STRTAB, 0, 1, bytearray(strings)),
    ]
    names = bytearray(b"\0" + b"".join(p.name.encode() + b"\0" for p in parts) + b".shstrtab\0")
    parts.append(_Part(".shstrtab", _STRTAB, 0, 1, names))
    end, page, loaded = 64 + 56 * _HEADERS, 0, 0
    for number, part in enumerate(parts, 1):
        segment = part.flags & (_EXECUTE | _WRITE)
        page, loaded = page + _PAGE * (part.flags and segment != loaded), segment
        part.number, part.offset = number, end + -end % part.align
        part.address = part.offset + page if part.flags else 0
        end = part.offset + len(part.data)
    return parts


def _write(elf: bytes, parts: list[_Part]) -> bytes:
    place = {part.name: part for part in parts}

    def segment(kind: int, flags: int, first: _Part, last: _Part, align: int) -> bytes:
        size = last.offset + len(last.data) - first.offset
        sizes = (first.offset, first.address, first.address, size, size, align)
        return struct.pack("<IIQQQQQQ", kind, flags, *sizes)

    def load(flags: int, kind: int) -> bytes:
        inside = [p for p in parts if p.flags and p.flags & (_EXECUTE | _WRITE) == kind]
        if not kind:  # the first LOAD begins with the file's own header
            inside.insert(0, _Part("", 0, 0, 1, bytearray()))
        return segment(1, flags, inside[0], inside[-1], _PAGE)

    headers = _Part("", 0, 0, 8, bytearray(56 * _HEADERS), offset=64, address=64)
    dynamic, note = place[".dynamic"], place[".note"]
    programs = segment(6, 4, headers, headers, 8)
    programs += load(4, 0) + load(5, _EXECUTE) + load(6, _WRITE)
    programs += segment(2, 6, dynamic, dynamic, 8) + segment(4, 4, note, note, 4)

    table, names = bytearray(64), bytes(place[".shstrtab"].data)
    for p in parts:
        at, target = names.index(b"\0" + p.name.encode() + b"\0") + 1, place.get(p.link)
        spot = (p.address, p.offset, len(p.data), target.number if target else 0, p.info)
        table += struct.pack("<IIQQQQIIQQ", at, p.type, p.flags, *spot, p.align, p.entry)
    body = bytearray(64) + programs
    for p in parts:
        body += bytes(p.offset - len(body)) + p.data
    body += bytes(-len(body) % 8)
    flags = struct.unpack_from("<I", elf, 48)[0]  # the processor, its xnack and sramecc
    sizes = (64, 56, _HEADERS, 64, len(parts) + 1, len(parts))
    kind = struct.pack("<HHIQQQI6H", 3, _AMDGPU, 1, 0, 64, len(body), flags, *sizes)
    body[:64] = elf[:16] + kind
    return bytes(body + table)
