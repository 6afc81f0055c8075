"""The planner: a process that makes plans for programs that have no Python in them.

Started by libopencu (runtime/core/planner.c, which has the protocol) with a listening socket as
descriptor 3. It answers one request for each connection and leaves after a minute without any.
"""

import os
import resource
import socket
import struct
import sys
from pathlib import Path

LISTENER = 3
REQUEST = struct.Struct("<8s16s32s")  # magic, spec, target
ANSWER = struct.Struct("<II")  # 0: the plan's bytes, in a memfd; 1: a message's bytes, behind this
IDLE_SECONDS = float(os.environ.get("OPENCU_PLANNER_IDLE", 60))  # tests set the variable


def make(spec: bytes, target: str) -> bytes:
    """The plan of a class of calls. Imported here, so that an import error reaches the caller."""
    from opencu.runtime import plan

    return plan.make(spec, target)


def peer_uid(connection: socket.socket) -> int:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return struct.unpack("iII", credentials)[1]


def answer(connection: socket.socket, plans: dict[bytes, bytes]) -> None:
    request = connection.recv(REQUEST.size, socket.MSG_WAITALL)
    if len(request) < REQUEST.size or peer_uid(connection) != os.geteuid():
        return
    magic, spec, target = REQUEST.unpack(request)
    try:
        if magic != b"OCUASK01":
            raise ValueError("the request is of another version of opencu")
        if request not in plans:
            plans[request] = make(spec, target.rstrip(b"\0").decode())
        memory = in_memory(plans[request])
    except Exception as error:
        text = f"{type(error).__name__}: {error}".encode()
        connection.sendall(ANSWER.pack(1, len(text)) + text)
        return
    try:
        socket.send_fds(connection, [ANSWER.pack(0, len(plans[request]))], [memory])
    finally:
        os.close(memory)


def in_memory(plan: bytes) -> int:
    """A memfd that holds the plan."""
    memory = os.memfd_create("opencu-plan")
    try:
        with open(memory, "wb", closefd=False) as file:
            file.write(plan)
    except OSError:
        os.close(memory)
        raise
    return memory


def serve(listener: socket.socket) -> None:
    plans: dict[bytes, bytes] = {}
    listener.settimeout(IDLE_SECONDS)
    while True:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            return
        with connection:
            connection.settimeout(1)  # a caller's request is on its way when it connects
            try:
                answer(connection, plans)
            except OSError:
                continue  # this caller is gone; the others are not


def main() -> int:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this opencu, not another
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)  # its starter's; a memfd is a file, too
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    try:
        listener = socket.socket(fileno=LISTENER)
    except OSError:
        import opencu.runtime.plan  # noqa: F401  shows why a planner could not start

        print("opencu.planner is started by programs that use opencu; it would work here.")
        return 0
    serve(listener)
    return 0


if __name__ == "__main__":
    sys.exit(main())
