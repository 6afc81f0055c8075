"""AMD code objects, read back by pyelftools: what the HIP loader looks at."""

import io
import struct

import llvmlite.binding as llvm
import pytest
from elftools.elf.elffile import ELFFile

from opencu.compiler.elf import link
from opencu.drivers.hip import TARGETS

KERNEL = """
target triple = "amdgcn-amd-amdhsa"
@primes = internal addrspace(4) constant [4 x i32] [i32 2, i32 3, i32 5, i32 7], align 16
@tile = internal addrspace(3) global [256 x i32] poison, align 16
define amdgpu_kernel void @opencu_kernel(ptr addrspace(1) %x, i64 %n) {
  %t = call i32 @llvm.amdgcn.workitem.id.x()
  %i = and i32 %t, 3
  %p = getelementptr i32, ptr addrspace(4) @primes, i32 %i
  %v = load i32, ptr addrspace(4) %p
  %s = getelementptr i32, ptr addrspace(3) @tile, i32 %t
  store i32 %v, ptr addrspace(3) %s
  %q = getelementptr i32, ptr addrspace(1) %x, i32 %t
  store i32 %v, ptr addrspace(1) %q
  BODY
  ret void
}
declare i32 @llvm.amdgcn.workitem.id.x()
declare void @elsewhere()
!llvm.module.flags = !{!0}
!0 = !{i32 1, !"amdhsa_code_object_version", i32 500}
"""


def assembled(processor: str, text: str) -> bytes:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple("amdgcn-amd-amdhsa").create_target_machine(
        cpu=processor, opt=3, reloc="pic"
    )
    return machine.emit_object(llvm.parse_assembly(text))


@pytest.fixture(params=TARGETS, scope="module")
def files(request):
    """The object of a kernel, and the code object made of it."""
    given = assembled(request.param, KERNEL.replace("BODY", ""))
    return tuple(ELFFile(io.BytesIO(data)) for data in (given, link(given)))


@pytest.fixture
def code(files):
    return files[1]


def bytes_at(elf, address, size):
    """What the loader puts there: the bytes of the LOAD segment that holds the address."""
    for segment in elf.iter_segments("PT_LOAD"):
        start = address - segment["p_vaddr"]
        if start >= 0 and start + size <= segment["p_filesz"]:
            return segment.data()[start : start + size]
    raise AssertionError(f"no segment holds {address:#x}")


def test_it_is_a_shared_object_for_the_same_processor(files):
    given, made = files
    assert made["e_type"] == "ET_DYN" and made["e_machine"] == "EM_AMDGPU"
    assert made["e_flags"] == given["e_flags"] and made["e_ident"] == given["e_ident"]
    made.stream.seek(7)
    assert made.stream.read(2) == b"\x40\x03"  # HSA, code object version 5


def test_the_segments_are_read_execute_and_write_and_lie_a_page_apart(code):
    loads = list(code.iter_segments("PT_LOAD"))
    assert [s["p_flags"] for s in loads] == [4, 5, 6]
    assert loads[0]["p_offset"] == loads[0]["p_vaddr"] == 0
    for one, next_one in zip(loads, loads[1:]):
        end = one["p_vaddr"] + one["p_memsz"]
        assert next_one["p_vaddr"] // 4096 > (end - 1) // 4096
    for segment in code.iter_segments():
        assert segment["p_offset"] % 4096 == segment["p_vaddr"] % 4096
        assert segment["p_filesz"] == segment["p_memsz"]


def test_sections_are_aligned_and_lie_in_their_segments(files):
    given, made = files
    for name in (".text", ".rodata", ".note"):
        section = made.get_section_by_name(name)
        assert section["sh_addr"] % given.get_section_by_name(name)["sh_addralign"] == 0
        assert bytes_at(made, section["sh_addr"], section["sh_size"]) == section.data()
    places = [r["r_offset"] for r in given.get_section_by_name(".rela.text").iter_relocations()]
    for name, patched in ((".text", places), (".rodata", range(16, 24)), (".note", [])):
        pairs = zip(*(elf.get_section_by_name(name).data() for elf in files), strict=True)
        changed = {i for i, (old, new) in enumerate(pairs) if old != new}
        assert changed <= {at + i for at in patched for i in range(4)}


@pytest.mark.parametrize("table", [".symtab", ".dynsym"])
def test_the_kernel_and_its_descriptor_are_named(code, table):
    symbols = {s.name: s for s in code.get_section_by_name(table).iter_symbols()}
    kernel, descriptor = symbols["opencu_kernel"], symbols["opencu_kernel.kd"]
    assert kernel["st_info"]["type"] == "STT_FUNC"
    assert descriptor["st_info"]["type"] == "STT_OBJECT" and descriptor["st_size"] == 64
    for symbol, name in ((kernel, ".text"), (descriptor, ".rodata")):
        section = code.get_section(symbol["st_shndx"])
        assert section.name == name and symbol["st_info"]["bind"] == "STB_GLOBAL"
        assert section["sh_addr"] <= symbol["st_value"] < section["sh_addr"] + section["sh_size"]
    assert set(symbols) == {"", "opencu_kernel", "opencu_kernel.kd"}


def test_the_descriptor_leads_to_the_code(code):
    symbols = {s.name: s["st_value"] for s in code.get_section_by_name(".dynsym").iter_symbols()}
    at = symbols["opencu_kernel.kd"]
    shared, private, arguments = struct.unpack("<III", bytes_at(code, at, 12))
    (to_code,) = struct.unpack("<q", bytes_at(code, at + 16, 8))
    assert at + to_code == symbols["opencu_kernel"] and symbols["opencu_kernel"] % 256 == 0
    assert (shared, private) == (1024, 0) and arguments >= 16
    assert not any(s["sh_type"] in ("SHT_RELA", "SHT_REL") for s in code.iter_sections())


def test_the_code_reads_its_constants_where_they_are(files):
    """The two halves of a distance that LLVM left to the linker: low and high."""
    given, made = files
    table = given.get_section_by_name(".rela.text")
    text, constants = made.get_section_by_name(".text"), made.get_section_by_name(".rodata")
    assert table.num_relocations() == 2
    for relocation, shift in zip(table.iter_relocations(), (0, 32)):
        place = text["sh_addr"] + relocation["r_offset"]
        (half,) = struct.unpack("<I", bytes_at(made, place, 4))
        distance = constants["sh_addr"] + relocation["r_addend"] - place
        assert half == distance >> shift & 0xFFFFFFFF
    assert struct.pack("<4I", 2, 3, 5, 7) in constants.data()


def test_the_notes_are_the_objects_own(files):
    given, made = files
    notes = list(made.get_section_by_name(".note").iter_notes())
    assert [n["n_name"] for n in notes] == ["AMDGPU"]
    (segment,) = made.iter_segments("PT_NOTE")
    assert segment.data() == given.get_section_by_name(".note").data()
    for word in (b"opencu_kernel.kd", b".value_kind", b"amdhsa.target"):
        assert word in segment.data()


def test_a_debugger_finds_the_symbols_through_the_dynamic_segment(code):
    (dynamic,) = code.iter_segments("PT_DYNAMIC")
    tags = {t["d_tag"]: t["d_val"] for t in dynamic.iter_tags()}
    assert tags["DT_SYMTAB"] == code.get_section_by_name(".dynsym")["sh_addr"]
    assert tags["DT_STRTAB"] == code.get_section_by_name(".dynstr")["sh_addr"]
    assert tags["DT_SYMENT"] == 24
    names = {s.name for s in dynamic.iter_symbols()}
    assert {"opencu_kernel", "opencu_kernel.kd"} <= names
    for name in names - {""}:
        assert code.get_section_by_name(".hash").get_symbol(name).name == name


@pytest.mark.parametrize(
    "text, words",
    [
        (KERNEL.replace("BODY", "call void @elsewhere()"), "the code calls elsewhere, which no"),
        (KERNEL.replace("BODY", "store i32 0, ptr addrspace(1) @counter").replace(
            "@tile =", "@counter = global i32 7\n@tile =").replace(
            "@counter = global", "@counter = addrspace(1) global"),
         "section .data: code objects have no writable memory"),
        ('target triple = "amdgcn-amd-amdhsa"', "the object holds no kernel"),
    ],
)  # fmt: skip
def test_what_cannot_be_loaded_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        link(assembled("gfx942", text))


def test_another_machines_object_is_refused():
    with pytest.raises(ValueError, match="expected an AMDGPU object file"):
        link(b"\x7fELF\x02\x01" + bytes(10) + struct.pack("<HH", 1, 62) + bytes(44))
