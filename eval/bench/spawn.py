"""Run commands one after the other, and print their cost as JSON. Started with `-I -S` for each measurement.

It is a separate process because the kernel counts the memory of a program's parent, up to the start of the program,
as the program's own. This process is smaller than any tool.
"""

import json
import os
import sys
import time

UNIT = 1024 if sys.platform == "darwin" else 1
"""The units of `ru_maxrss` in a kilobyte: macOS counts bytes."""


def main() -> None:
    """Read `commands`, `folder`, `variables` and `log` from standard input, run, and print the figures."""
    request = json.load(sys.stdin)
    os.chdir(request["folder"])
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, log, 1),
        (os.POSIX_SPAWN_DUP2, log, 2),
    ]
    peak = exit_code = 0
    processor_seconds = 0.0
    started = time.perf_counter()
    for command in request["commands"]:
        process = os.posix_spawn(command[0], command, request["variables"], file_actions=actions)
        _, status, used = os.wait4(process, 0)
        peak = max(peak, used.ru_maxrss // UNIT)
        processor_seconds += used.ru_utime + used.ru_stime
        exit_code = os.waitstatus_to_exitcode(status)
        if exit_code:
            break
    seconds = time.perf_counter() - started
    took = {"seconds": seconds, "processor_seconds": processor_seconds, "peak_kilobytes": peak}
    print(json.dumps({**took, "exit_code": exit_code}))


main()
