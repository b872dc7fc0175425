"""The least that a change could cost: a Python program that only asks uv for its plan, beside uv and pepip.

python eval/change_floor.py PROJECT/.venv tabulate==0.8.10 --rounds 9

All three only plan: nothing is changed. The figures are processor seconds of user and system, with those of uv as a
child; the least of all rounds, in which they take turns. POSIX only.
"""

from __future__ import annotations

import argparse
import os
import sys
import sysconfig
from pathlib import Path

_MODULES = "argparse, contextlib, functools, json, subprocess"
"""The modules of the standard library that pepip needs to read options and entries, and to start uv."""


def main() -> None:
    """Measure, and print one line for each program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environment", type=Path, help="an environment that lacks the package")
    parser.add_argument("package", help="a version that the store and uv's cache have")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    programs = Path(sysconfig.get_path("scripts"))
    plan = ["pip", "install", "--dry-run", "--python", str(arguments.environment.absolute()), arguments.package]
    uv = [str(programs / "uv"), *plan]
    bare = f"import sys, {_MODULES}; subprocess.run(sys.argv[1:], check=True, capture_output=True)"
    asked = ["install", "--dry-run", "--venv", str(arguments.environment.absolute()), arguments.package]
    commands = {
        "uv": uv,
        "a Python program that only asks uv": [sys.executable, "-c", bare, *uv],
        "pepip": [str(programs / "pepip"), *asked],
    }
    least = dict.fromkeys(commands, float("inf"))
    for _ in range(arguments.rounds):
        for name, command in commands.items():
            least[name] = min(least[name], _processor_seconds(command))
    for name, seconds in least.items():
        print(f"{seconds:.3f} s  {name}")


def _processor_seconds(command: list[str]) -> float:
    """Run a program, and return its processor seconds and those of its children."""
    actions = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    process = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
    _, status, used = os.wait4(process, 0)
    if status:
        sys.exit(f"failed: {' '.join(command)}")
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
