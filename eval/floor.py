"""How near pepip is to the cost that can't be avoided, for an environment that it made.

python eval/floor.py PROJECT/.venv [--wheels FOLDER]

For a new environment it measures the start of the interpreter, the start of the command, and a bare loop. The loop
gets a list of the same folders, links and files, and makes them anew. For a first install, another bare loop reads
and hashes every byte of the entries, in one process for each processor. Beside both stands the time of `pepip
install` for the same pins, offline, and its system calls, if strace is there to count them.

With a folder of wheels that has all of them, it also profiles the first install: its phases, from an index on the
loopback device, uv's as a whole, and a bare loop: it looks at each file, makes the folders and hard links of all
entries, sets times and modes, and removes the links that uv has staged. What each round makes is removed at the end:
gigabytes for a large set. Needs POSIX, and uv's cache with the same versions.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.append(str(Path(__file__).resolve().parents[1]))  # this folder's packages

from eval.bench import index, phases
from eval.bench.measure import clean_variables, measure
from eval.bench.report import table
from pepip.host import filesystems
from pepip.store import entries
from pepip.store.root import Store

_KEPT = ("UV_", "PEPIP_HOME", "XDG_")
_UV, _WHOLE = "uv venv, uv pip install", "pepip, from its start to its end"
_BARE = "bare loop: the same system calls for each file and folder of the entries"
_ROWS = (_UV, *phases.TITLES.values(), _WHOLE, _BARE)


class Piece(NamedTuple):
    """A thing to make at `path`: a folder, a further name of `source`, or a file with this content."""

    path: str
    source: str
    content: bytes | None


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environment", type=Path, help="an environment that pepip made")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--wheels", type=Path, metavar="FOLDER", help="profile a first install of these, too")
    arguments = parser.parse_args()
    root = arguments.environment.resolve()
    with tempfile.TemporaryDirectory(prefix="pepip-floor-", dir=root.parent.parent) as scratch:
        bench = Bench(root, Path(scratch))
        bench.install()
        steps = bench.steps()
        found: dict[str, list[float]] = {title: [] for title in steps}
        for _ in range(arguments.rounds):
            for title, step in steps.items():
                os.sync()
                found[title].append(step())
        rows = [[title, f"{statistics.median(seconds):.3f}"] for title, seconds in found.items()]
        print(table([["step", "seconds, median"], *rows]))
        calls = bench.system_calls()
        if calls:
            print(f"\nsystem calls of the install: {sum(calls.values())}")
            most = sorted(calls.items(), key=lambda item: -item[1])[:12]
            print(", ".join(f"{name} {count}" for name, count in most))
        if arguments.wheels:
            print(f"\n{bench.profile(arguments.wheels, arguments.rounds)}")


class Bench:
    """The measurements for one environment, in a scratch folder beside its project."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._root, self._folder = root, folder
        self._pepip = str(Path(sys.executable).with_name("pepip"))
        kept = {name: value for name, value in os.environ.items() if name.startswith(_KEPT)}
        self._variables = {**clean_variables(), **kept, "UV_OFFLINE": "1"}
        frozen = [self._pepip, "freeze"]
        pins = subprocess.run(frozen, cwd=root.parent, capture_output=True, text=True, check=True).stdout
        requirements = folder / "requirements.txt"
        requirements.write_text(pins)
        python = os.path.realpath(root / "bin" / "python")
        self._install = [self._pepip, "install", "--python", python, "-r", str(requirements)]
        self._wanted = [python, str(requirements)]

    def steps(self) -> dict[str, Callable[[], float]]:
        """Return the steps to measure, by title. Each step returns seconds."""
        pieces = pieces_of(self._root)
        files = files_of(_store(), self._root)
        megabytes = sum(map(os.path.getsize, files)) / 1e6
        return {
            "python -c pass": lambda: self._seconds([sys.executable, "-c", "pass"]),
            "pepip install --help": lambda: self._seconds([self._pepip, "install", "--help"]),
            f"bare loop: {len(pieces)} folders, links and files": lambda: made(pieces, self._new_folder()),
            "pepip install, all in the store, offline": self.install,
            f"bare check: {len(files)} files, {megabytes:.0f} MB": lambda: checked(files),
        }

    def install(self) -> float:
        """Make the environment again in a new folder, and return the seconds."""
        return self._seconds(self._install)

    def system_calls(self) -> dict[str, int]:
        """Return the number of each system call in an install; empty if there is no strace."""
        if not shutil.which("strace"):
            return {}
        log = self._folder / "calls"
        traced = ["strace", "-f", "-c", "-o", str(log), *self._install]
        subprocess.run(traced, cwd=self._new_folder(), env=self._variables, check=True, capture_output=True)
        rows = [line.split() for line in log.read_text().splitlines()[2:]]
        return {row[-1]: int(row[3]) for row in rows if len(row) >= 5 and row[3].isdecimal() and row[-1] != "total"}

    def profile(self, wheels: Path, rounds: int) -> str:
        """Return a table of the phases of a first install, and of uv's whole, with their processor seconds."""
        found: dict[str, list[phases.Phase]] = {}
        pieces = entry_pieces(_store(), self._root)
        with index.served(map(index.read_wheel, sorted(wheels.glob("*.whl")))) as server:
            for number in range(rounds):
                tools = [self._whole_of_uv, self._phases]
                for tool in tools if number % 2 else reversed(tools):
                    for phase in tool(server.url):
                        found.setdefault(phase.title, []).append(phase)
                folder = self._new_folder()
                laid_out(pieces, f"{folder}/staged", os.symlink)
                began = phases.Clock.now()
                stored(pieces, folder)
                found.setdefault(_BARE, []).append(began.until(phases.Clock.now(), _BARE))
        rows = [
            [title, *(f"{statistics.median(figures):.2f}" for figures in list(zip(*samples, strict=True))[1:])]
            for title, samples in sorted(found.items(), key=lambda item: list(_ROWS).index(item[0]))
        ]
        head = ["first install, index on loopback", "seconds", "processor seconds", "of processes that it starts"]
        return table([head, *rows])

    def _phases(self, url: str) -> list[phases.Phase]:
        """Return the phases of pepip's install with an empty store and an empty cache of uv, and its whole."""
        folder = self._new_folder()
        command = [sys.executable, phases.__file__, *self._wanted]
        os.sync()
        began = phases.Clock.now()
        done = subprocess.run(
            command, cwd=folder, env=self._cold(folder, url), stdout=subprocess.PIPE, text=True, check=True
        )
        ended = phases.Clock.now()
        found: dict[str, phases.Phase] = {}
        for phase in (phases.Phase(**row) for row in json.loads(done.stdout)):
            before = found.get(phase.title, phases.Phase(phase.title, 0.0, 0.0, 0.0))
            found[phase.title] = phases.Phase(phase.title, *map(sum, zip(before[1:], phase[1:], strict=True)))
        children = sum(phase.childrens_processor_seconds for phase in found.values())
        own = ended.children - began.children - children
        return [*found.values(), phases.Phase(_WHOLE, ended.seconds - began.seconds, own, children)]

    def _whole_of_uv(self, url: str) -> list[phases.Phase]:
        """Return the figures of uv for the same install."""
        folder = self._new_folder()
        python, requirements = self._wanted
        uv = str(Path(sys.executable).with_name("uv"))
        commands = [[uv, "venv", "--python", python], [uv, "pip", "install", "-r", requirements]]
        os.sync()
        sample = measure(commands, folder, self._cold(folder, url))
        return [phases.Phase(_UV, sample.seconds, sample.processor_seconds, 0.0)]

    def _cold(self, folder: Path, url: str) -> dict[str, str]:
        places = {"HOME": f"{folder}", "UV_CACHE_DIR": f"{folder}/cache", "PEPIP_HOME": f"{folder}/store"}
        return {**clean_variables(), **places, "UV_DEFAULT_INDEX": url, "UV_PYTHON_DOWNLOADS": "never"}

    def _seconds(self, command: Sequence[str]) -> float:
        return measure([command], self._new_folder(), self._variables).seconds

    def _new_folder(self) -> Path:
        place = self._folder / str(time.monotonic_ns())
        place.mkdir()
        return place


def pieces_of(root: Path) -> list[Piece]:
    """Return the pieces of an environment, each folder before its content."""
    found = []
    for folder, folders, names in os.walk(root):
        inside = os.path.relpath(folder, root)
        found.append(Piece(inside, "", None))
        for name in [*names, *(name for name in folders if os.path.islink(f"{folder}/{name}"))]:
            place = f"{folder}/{name}"
            is_shared = os.path.islink(place) or os.lstat(place).st_nlink > 1
            content = None if is_shared else Path(place).read_bytes()
            found.append(Piece(os.path.normpath(f"{inside}/{name}"), place if is_shared else "", content))
    return found


def entry_pieces(store: Store, root: Path) -> list[Piece]:
    """Return the folders and files of the entries that an environment links, each folder before its content."""
    found = [Piece(".", "", None)]
    for number, item in enumerate(linked(store, root)):
        entry = entries.read(store, item).path
        for folder, folders, names in os.walk(entry):
            inside = os.path.normpath(f"{number}/{os.path.relpath(folder, entry)}")
            found.append(Piece(inside, "", None))
            if os.path.basename(folder) == "__pycache__":
                names.clear()
            folders[:] = [name for name in folders if name != ".pepip"]
            found += [Piece(f"{inside}/{name}", f"{folder}/{name}", None) for name in names]
    return found


def _store() -> Store:
    return Store(os.environ.get("PEPIP_HOME") or os.path.expanduser("~/.pepip"))


def made(pieces: Sequence[Piece], folder: Path) -> float:
    """Make all pieces below a folder, and return the seconds that it took."""
    base = f"{folder}/"
    started = time.perf_counter()
    for path, source, content in pieces[1:]:
        if source:
            os.link(source, base + path, follow_symlinks=False)
        elif content is None:
            os.mkdir(base + path)
        else:
            with open(base + path, "wb", buffering=0) as file:
                file.write(content)
    return time.perf_counter() - started


def laid_out(pieces: Sequence[Piece], folder: str, link: Callable[[str, str], None]) -> None:
    """Make the folders of the pieces below the new folder, and a link for each piece that has a source."""
    for path, source, _ in pieces:
        if source:
            link(source, f"{folder}/{path}")
        else:
            os.mkdir(f"{folder}/{path}" if path != "." else folder)


def stored(pieces: Sequence[Piece], folder: Path) -> None:
    """Do what an install must do for each file and folder of its entries, after uv has staged them in `folder`."""
    for _, source, _ in pieces:
        if source:
            os.lstat(source)
    laid_out(pieces, f"{folder}/entries", lambda source, target: os.link(source, target, follow_symlinks=False))
    for path, source, _ in pieces:
        if not source:
            os.utime(f"{folder}/entries/{path}", (0, 0))
            os.chmod(f"{folder}/entries/{path}", 0o555)
    filesystems.remove_tree(f"{folder}/staged")


def files_of(store: Store, root: Path) -> list[str]:
    """Return all files of the entries that an environment links, except bytecode."""
    folders = {entries.read(store, item).path for item in linked(store, root)}
    walks = (walk for folder in folders for walk in os.walk(folder) if "__pycache__" not in walk[0])
    return [
        f"{folder}/{name}" for folder, _, names in walks for name in names if not os.path.islink(f"{folder}/{name}")
    ]


def linked(store: Store, root: Path) -> list[str]:
    """Return the entries that an environment links."""
    from pepip.environment import contents

    site_packages = next(root.glob("lib/python*/site-packages"))
    return [item.entry_id for item in contents.installed_in(str(site_packages), store.known_roots) if item.entry_id]


def checked(files: Sequence[str]) -> float:
    """Read and hash all files, on all processors, and return the seconds that it took."""
    workers = os.cpu_count() or 1
    with multiprocessing.Pool(workers) as pool:
        pool.map(_hash_all, [[]] * workers)  # waits until they have started
        started = time.perf_counter()
        pool.map(_hash_all, [files[number::workers] for number in range(workers)], chunksize=1)
        return time.perf_counter() - started


def _hash_all(files: Sequence[str]) -> None:
    for path in files:
        with open(path, "rb", buffering=0) as file:
            hashed = hashlib.sha256()
            while block := file.read(1 << 20):
                hashed.update(block)


if __name__ == "__main__":
    main()
