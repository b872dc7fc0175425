"""Runs pepip in processes that are forked from one process with pepip's modules already imported.

A short command spends most of its time on the start of the interpreter and on imports. This file alone runs in the
server. It knows nothing of the tests; `tests/support/forking.py` is its client.

Usage: python fork_server.py DESCRIPTOR, the number of a socket of packets. It ends when the other end is closed.
"""

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import select
import socket
import sys

_NOT_IMPORTED = ("pepip.__main__", "pepip.tui", "pepip.cli.ui")  # the app loads Textual, which only `pepip ui` needs
_ALSO_IMPORTED = ("packaging.requirements", "packaging.tags", "subprocess", "tempfile")


def import_all() -> None:
    """Import the modules that commands import, so that each forked process has them."""
    import pepip

    for found in pkgutil.walk_packages(pepip.__path__, "pepip."):
        if not found.name.startswith(_NOT_IMPORTED):
            importlib.import_module(found.name)
    for name in _ALSO_IMPORTED:
        importlib.import_module(name)


def serve(control: socket.socket) -> dict:
    """Fork a process for each request, and return the request in that process. The server itself never returns.

    With a request come a socket for the answer, and two streams. The answer is the number of the process, and then
    the status with which it ended.
    """
    running = {}  # connections and numbers of processes, by the descriptors of processes
    while True:
        ready, _, _ = select.select([control, *running], [], [])
        for descriptor in running.keys() & set(ready):
            connection, child = running.pop(descriptor)
            os.close(descriptor)
            answer(connection, os.waitpid(child, 0)[1])
            connection.close()
        if control in ready:
            text, descriptors, _, _ = socket.recv_fds(control, 1 << 18, 3)
            if not text:
                os._exit(0)
            reply, *streams = descriptors
            child = os.fork()
            if not child:
                null = os.open(os.devnull, os.O_RDONLY)
                for number, stream in enumerate((null, *streams)):
                    os.dup2(stream, number)
                os.closerange(3, 1024)
                return json.loads(text)
            for stream in streams:
                os.close(stream)
            connection = socket.socket(fileno=reply)
            running[os.pidfd_open(child)] = connection, child
            answer(connection, child)


def answer(connection: socket.socket, number: int) -> None:
    """Send a number. A client that no longer waits does not matter."""
    with contextlib.suppress(OSError):
        connection.sendall(number.to_bytes(8, "big"))


if __name__ == "__main__":
    sys.path.pop(0)  # the folder of this file
    import_all()
    gc.freeze()  # the collector would write to the memory that forks share
    request = serve(socket.socket(fileno=int(sys.argv[1])))
    os.environ.clear()
    os.environ.update(request["variables"])
    os.chdir(request["folder"])
    sys.argv[:] = ["pepip", *request["words"]]
    sys.path.insert(0, request["folder"])

    from pepip.__main__ import start

    start()
