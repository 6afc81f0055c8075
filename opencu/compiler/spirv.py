"""LLVM's SPIR-V backend, in processes of its own: it aborts at what it does not know, and after one
module it makes mistakes. A child of ours forks for every module.

    to the child     8 bytes: how many follow; a module's text
    from it          1 if it worked, 0 if not; 8 bytes: how many follow; SPIR-V, or why there is none
"""

import atexit
import os
import subprocess
import sys
import threading

from opencu.tile.ir import KernelError

_CHILD = """
import os, sys, tempfile
import llvmlite.binding as llvm
llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()
llvm.set_option("", "-disable-lsr")  # makes i2 of x & 3, and the backend i8 of that
machine = llvm.Target.from_triple("spirv64-unknown-unknown").create_target_machine(opt=2)
read, write = sys.stdin.buffer.read, sys.stdout.buffer.write
while size := read(8):
    text = read(int.from_bytes(size, "little")).decode()
    with tempfile.TemporaryFile() as code, tempfile.TemporaryFile() as said:
        pid = os.fork()
        if not pid:
            os.dup2(said.fileno(), 2)
            code.write(machine.emit_object(llvm.parse_assembly(text)))
            code.flush()
            os._exit(0)
        failed = os.waitpid(pid, 0)[1] != 0
        file = said if failed else code
        file.seek(0)
        data = file.read()
    write(bytes([not failed]) + len(data).to_bytes(8, "little") + data)
    sys.stdout.flush()
"""
_lock = threading.Lock()
_children: dict[int, subprocess.Popen] = {}  # by who started it: a fork must not share its pipes


def emit(text: str, loc: tuple[str, int] | None) -> bytes:
    """The SPIR-V of a module; KernelError with the backend's own words if it gives none."""
    data = text.encode()
    with _lock:
        child = _children.get(os.getpid())
        if child is None or child.poll() is not None:
            command, pipe = [sys.executable, "-I", "-c", _CHILD], subprocess.PIPE
            child = _children[os.getpid()] = subprocess.Popen(command, stdin=pipe, stdout=pipe)
            atexit.register(child.kill)
        to, back = child.stdin, child.stdout
        assert to and back
        to.write(len(data).to_bytes(8, "little") + data)
        to.flush()
        worked, size = back.read(1), back.read(8)
        answer = back.read(int.from_bytes(size, "little"))
    if worked != b"\1":
        why = (answer.decode(errors="replace").strip() or "no reason given").splitlines()[0]
        raise KernelError(loc, f"LLVM's SPIR-V backend gave up: {why}")
    return answer
