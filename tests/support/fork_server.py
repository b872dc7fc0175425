"""Runs pepip in processes that are forked from one process with pepip's modules already imported.

A short command spends most of its time on the start of the interpreter and on imports. This file alone runs in the
server. It knows nothing of the tests; `tests/support/forking.py` is its client.

Usage: python fork_server.py PATH-OF-SOCKET. It ends when its standard input ends.
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


def serve(path: str) -> dict:
    """Fork a process for each request, and return the request in that process. The server itself never returns.

    The answer to a request is the number of its process, and then the status with which that process ended.
    """
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    print("ready", flush=True)
    running = {}  # connections and numbers of processes, by the descriptors of processes
    while True:
        ready, _, _ = select.select([0, listener, *running], [], [])
        if 0 in ready:
            os._exit(0)
        for descriptor in running.keys() & set(ready):
            connection, child = running.pop(descriptor)
            os.close(descriptor)
            answer(connection, os.waitpid(child, 0)[1])
            connection.close()
        if listener in ready:
            connection, _ = listener.accept()
            text, streams = read(connection)
            child = os.fork()
            if not child:
                null = os.open(os.devnull, os.O_RDONLY)
                for number, stream in enumerate((null, *streams)):
                    os.dup2(stream, number)
                os.closerange(3, 1024)
                return json.loads(text)
            for stream in streams:
                os.close(stream)
            running[os.pidfd_open(child)] = connection, child
            answer(connection, child)


def read(connection: socket.socket) -> tuple:
    """Return the text of a request, and its two streams."""
    length = int.from_bytes(connection.recv(8, socket.MSG_WAITALL), "big")
    text, streams, _, _ = socket.recv_fds(connection, 1, 2)
    while len(text) < length:
        text += connection.recv(length - len(text))
    return text, streams


def answer(connection: socket.socket, number: int) -> None:
    """Send a number. A client that no longer waits does not matter."""
    with contextlib.suppress(OSError):
        connection.sendall(number.to_bytes(8, "big"))


if __name__ == "__main__":
    sys.path.pop(0)  # the folder of this file
    import_all()
    gc.freeze()  # the collector would write to the memory that forks share
    request = serve(sys.argv[1])
    os.umask(request["umask"])
    os.environ.clear()
    os.environ.update(request["variables"])
    os.chdir(request["folder"])
    sys.argv[:] = ["pepip", *request["words"]]
    sys.path.insert(0, request["folder"])

    from pepip.__main__ import start

    start()
