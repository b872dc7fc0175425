"""The least that each everyday change could cost: a Python program that only makes pepip's calls of uv.

python eval/change_floor.py PROJECT tabulate 0.8.10 0.9.0 --rounds 7

PROJECT has `pyproject.toml` and `uv.lock`, and does not need the package. The script works on copies of these files.
uv's cache, or an index, must have the project's distributions and both versions. The first turn fills the store.

For each row uv, the bare program and pepip take turns, each from the state before the change. The bare program
imports the modules that pepip needs to read options and entries, and starts uv as pepip did in an earlier turn. It
makes no link. The figures are processor seconds of user and system, with those of uv as a child; the least of all
rounds. POSIX only.
"""

from __future__ import annotations

import argparse
import os
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

_PROGRAMS = Path(sysconfig.get_path("scripts"))
_MODULES = "argparse, contextlib, functools, json, subprocess"
_BARE = f"""
import sys, {_MODULES}
for words, variables in json.load(open(sys.argv[1])):
    subprocess.run(words, env=variables, capture_output=True, stdin=subprocess.DEVNULL)
"""
_RECORD = """
import json, sys
calls, file = [], sys.argv.pop(1)
def note(event, values):
    if event == "subprocess.Popen":
        calls.append([list(map(str, values[1])), values[3]])
sys.addaudithook(note)
sys.argv[0] = "pepip"
from pepip.__main__ import main
code = main()
json.dump(calls, open(file, "w"))
sys.exit(code)
"""
_FILES = ("pyproject.toml", "uv.lock")
_Texts = tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One change: the texts of the project's files before it, and its command.

    `installed` is the requirement that is installed first, into an environment that is in step with `synced`.
    """

    name: str
    synced: _Texts
    texts: _Texts
    words: list[str]
    installed: str = ""


class Copy:
    """A copy of the project, whose environment one tool makes and changes."""

    def __init__(self, source: Path, folder: Path, program: Path) -> None:
        folder.mkdir()
        self.folder, self.program = folder, program
        self.write(tuple((source / name).read_text() for name in _FILES))

    def rows(self, package: str, old: str, new: str) -> list[Row]:
        """Return the changes. Makes the environment, and the texts of the project's files with the package."""
        base = self.texts()
        with_version = []
        for version in (old, new):
            self.run("add", f"{package}=={version}")
            with_version.append(self.texts())
        self.write(base)
        added, renewed = with_version
        first, second = f"{package}=={old}", f"{package}=={new}"
        return [
            Row("install", base, base, ["pip", "install", first]),
            Row("upgrade", base, base, ["pip", "install", second], first),
            Row("uninstall", base, base, ["pip", "uninstall", package], first),
            Row("add", base, base, ["add", first]),
            Row("sync", added, renewed, ["sync"]),
        ]

    def prepare(self, row: Row) -> None:
        """Bring files and environment into the state before a change."""
        self.write(row.synced)
        self.run("sync")
        if row.installed:
            self.run("pip", "install", row.installed)
        self.write(row.texts)

    def texts(self) -> _Texts:
        """Return the texts of the project's files."""
        return tuple((self.folder / name).read_text() for name in _FILES)

    def write(self, texts: _Texts) -> None:
        """Replace the project's files."""
        for name, text in zip(_FILES, texts, strict=True):
            (self.folder / name).write_text(text)

    def run(self, *words: str) -> None:
        """Run the tool. Ends this script if it fails."""
        self.seconds([str(self.program), *words])

    def seconds(self, command: list[str]) -> float:
        """Run a program here, and return its processor seconds and those of its children."""
        os.chdir(self.folder)
        actions = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
        process = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
        _, status, used = os.wait4(process, 0)
        if status:
            sys.exit(f"failed: {' '.join(command)}")
        return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure, and print one line for each change."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path, help="a folder with pyproject.toml and uv.lock")
    parser.add_argument("package", help="a package that the project does not need")
    parser.add_argument("old", help="a version of it")
    parser.add_argument("new", help="a newer version")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pepip-floor-") as folder:
        by_uv = Copy(arguments.project, Path(folder, "by-uv"), _PROGRAMS / "uv")
        by_pepip = Copy(arguments.project, Path(folder, "by-pepip"), _PROGRAMS / "pepip")
        versions = (arguments.package, arguments.old, arguments.new)
        print("processor seconds   uv  bare  pepip  bare/uv  pepip/uv")
        for row_of_uv, row in zip(by_uv.rows(*versions), by_pepip.rows(*versions), strict=True):
            uv, bare, pepip = least(by_uv, row_of_uv, by_pepip, row, arguments.rounds)
            print(f"{row.name:<14} {uv:7.3f} {bare:5.3f} {pepip:6.3f} {bare / uv:8.1f} {pepip / uv:9.1f}", flush=True)
        os.chdir("/")


def least(by_uv: Copy, row_of_uv: Row, by_pepip: Copy, row: Row, rounds: int) -> list[float]:
    """Return the least seconds of uv, of the bare program, and of pepip."""
    calls = str(by_pepip.folder / "calls.json")
    by_pepip.prepare(row)
    by_pepip.run(*row.words)
    by_pepip.prepare(row)
    by_pepip.seconds([sys.executable, "-c", _RECORD, calls, *row.words])
    samples = []
    for _ in range(rounds):
        by_uv.prepare(row_of_uv)
        by_pepip.prepare(row)
        uv = by_uv.seconds([str(by_uv.program), *row_of_uv.words])
        bare = by_pepip.seconds([sys.executable, "-c", _BARE, calls])
        by_pepip.write(row.texts)  # the calls may have changed the project's files
        pepip = by_pepip.seconds([str(by_pepip.program), *row.words])
        samples.append((uv, bare, pepip))
    return [min(seconds) for seconds in zip(*samples, strict=True)]


if __name__ == "__main__":
    main()
