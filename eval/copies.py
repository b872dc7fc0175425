"""pepip against uv where one thing is there many times: worktrees of a project, copies of a script.

    python eval/copies.py --set worktrees --count 50
    python eval/copies.py --set scripts --count 1000

`worktrees` makes git worktrees of one locked project and runs `sync --frozen` in each. With `--backend`, the project
is a package, which uv builds in each worktree. `scripts` makes copies of one script with inline metadata, and runs
each.
Every tool has a home, a cache and a store of its own, on one file system, and one more worktree or copy before the
count begins: the figures are those of each further one. Each inode counts once. `--importing` lets the first import
write its bytecode, as it does for users.

Needs POSIX, git, and an index for the packages, to which uv is set.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from eval.bench.measure import Sample, clean_variables, measure
from eval.bench.rounds import clear
from tests.support.disk import Usage, usage

SETS = ("worktrees", "scripts")
PACKAGES = ("numpy", "pandas")
TARGETS = {"worktrees": {"bytes": 0.05, "inodes": 0.05, "seconds": 0.25}, "scripts": {"bytes": 0.05, "inodes": 0.05}}
"""The most that each further one may need, in shares of what uv needs."""


BACKENDS = {
    "hatchling": 'requires = ["hatchling"]\nbuild-backend = "hatchling.build"\n',
    "uv_build": 'requires = ["uv_build>=0.9,<1"]\nbuild-backend = "uv_build"\n',
}

_OF_INDEXES = ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_FIND_LINKS")


@dataclass(frozen=True)
class Figures:
    """The needs of each further worktree or copy: medians of seconds, means of the rest.

    `processor_seconds` are those of all processes, user and system. They depend less on other programs.
    """

    seconds: float
    processor_seconds: float
    allocated_bytes: float
    inodes: float


def main() -> int:
    """Measure both tools in turn, print, and return 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=SETS, required=True)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--packages", nargs="+", default=list(PACKAGES), metavar="PACKAGE")
    parser.add_argument("--backend", choices=BACKENDS, help="the project is a package, built by this")
    parser.add_argument("--python", default=sys.executable, help="the interpreter of the environments")
    parser.add_argument("--importing", action="store_true", help="import the packages, and write bytecode")
    parser.add_argument("--uv", default=os.fspath(Path(sys.executable).with_name("uv")))
    parser.add_argument("--pepip", default=os.fspath(Path(sys.executable).with_name("pepip")))
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="pepip-copies-"))
    try:
        found = {name: measured(folder / name, getattr(arguments, name), arguments) for name in ("uv", "pepip")}
    finally:
        clear(folder)
    return report(found, TARGETS[arguments.set], arguments.count)


def measured(folder: Path, program: str, arguments: argparse.Namespace) -> Figures:
    """Return the figures of one tool."""
    home = folder / "home"
    home.mkdir(parents=True)
    variables = {
        **clean_variables(),
        **{name: value for name, value in os.environ.items() if name.startswith(_OF_INDEXES)},
        "HOME": os.fspath(home),
        "UV_CACHE_DIR": f"{home}/uv-cache",
        "PEPIP_HOME": f"{home}/store",
        "UV_PYTHON": arguments.python,
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_CONFIG_FILE": os.environ.get("UV_CONFIG_FILE", ""),
    }
    variables = {name: value for name, value in variables.items() if value}
    make = worktrees if arguments.set == "worktrees" else scripts
    samples: list[Sample] = []
    before = Usage(0, 0)
    for place, command in make(folder, program, variables, arguments):
        sample = measure([command], place, variables)
        if not before.inodes:
            before = _usage(folder)  # with the first one, which fills the caches that all use
        else:
            samples.append(sample)
    after = _usage(folder)
    count = len(samples)
    return Figures(
        statistics.median(sample.seconds for sample in samples),
        statistics.median(sample.processor_seconds for sample in samples),
        (after.allocated_bytes - before.allocated_bytes) / count,
        (after.inodes - before.inodes) / count,
    )


def _usage(folder: Path) -> Usage:
    if sys.platform != "win32":
        os.sync()  # unwritten data has no blocks yet
    return usage([folder])


def worktrees(
    folder: Path, program: str, variables: Mapping[str, str], arguments: argparse.Namespace
) -> Iterator[tuple[Path, Sequence[str]]]:
    """Yield worktrees of one locked project, all made before the first, and the command to run in each."""
    main_tree = folder / "project"
    main_tree.mkdir()
    listed = ", ".join(f'"{package}"' for package in arguments.packages)
    text = f'[project]\nname = "app"\nversion = "1.0"\nrequires-python = ">=3.9"\ndependencies = [{listed}]\n'
    if arguments.backend:
        text += f"\n[build-system]\n{BACKENDS[arguments.backend]}"
        (main_tree / "src/app").mkdir(parents=True)
        (main_tree / "src/app/__init__.py").write_text("NAME = 'app'\n")
    (main_tree / "pyproject.toml").write_text(text)
    (main_tree / ".gitignore").write_text(".venv\noutput.log\n")
    _run([arguments.uv, "lock", "--quiet"], main_tree, variables)
    git = ["git", "-c", "user.name=eval", "-c", "user.email=eval@example.invalid", "-c", "commit.gpgsign=false"]
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "Begin"]):
        _run([*git, *words], main_tree, variables)
    trees = [folder / f"tree-{number:04}" for number in range(arguments.count + 1)]
    for tree in trees:
        _run([*git, "worktree", "add", "--quiet", "--detach", os.fspath(tree)], main_tree, variables)
        (tree / "output.log").touch()
    program_words = ["run", "--frozen", "python", "-c", f"import {', '.join(arguments.packages)}"]
    for tree in trees:
        yield tree, [program, *(program_words if arguments.importing else ["sync", "--frozen"])]


def scripts(
    folder: Path, program: str, variables: Mapping[str, str], arguments: argparse.Namespace
) -> Iterator[tuple[Path, Sequence[str]]]:
    """Yield a folder with copies of one script, all made before the first, and the command for each copy."""
    del variables
    place = folder / "scripts"
    place.mkdir()
    listed = ", ".join(f'"{package}"' for package in arguments.packages)
    body = f"import {', '.join(arguments.packages)}\n" if arguments.importing else "pass\n"
    text = f'# /// script\n# requires-python = ">=3.9"\n# dependencies = [{listed}]\n# ///\n{body}'
    copies = [place / f"copy-{number:04}.py" for number in range(arguments.count + 1)]
    for copy in copies:
        copy.write_text(text)
    (place / "output.log").touch()
    seconds_ago = time.time() - 5  # like files that a user wrote
    for copy in copies:
        os.utime(copy, (seconds_ago, seconds_ago))
        yield place, [program, "run", copy.name]


def report(found: Mapping[str, Figures], targets: Mapping[str, float], count: int) -> int:
    """Print the figures and the verdict on each target. Returns 1 if one is missed."""
    print(f"each of {count} further ones: median of seconds, means of bytes and inodes")
    print(f"{'':<9} {'seconds':>9} {'processor':>9} {'bytes':>13} {'inodes':>9}")
    for name, figures in found.items():
        times = f"{figures.seconds:9.3f} {figures.processor_seconds:9.3f}"
        print(f"{name:<9} {times} {figures.allocated_bytes:13,.0f} {figures.inodes:9.1f}")
    uv, pepip = found["uv"], found["pepip"]
    ratios = {
        "seconds": pepip.seconds / uv.seconds,
        "processor": pepip.processor_seconds / uv.processor_seconds,
        "bytes": pepip.allocated_bytes / uv.allocated_bytes,
        "inodes": pepip.inodes / uv.inodes,
    }
    missed = 0
    for name, ratio in ratios.items():
        limit = targets.get(name)
        is_met = limit is None or ratio <= limit
        missed += not is_met
        verdict = "" if limit is None else f"  (target {limit:.2f}: {'met' if is_met else 'NOT MET'})"
        print(f"{name:<9} {ratio:9.3f} of uv{verdict}")
    return int(bool(missed))


def _run(command: Sequence[str], folder: Path, variables: Mapping[str, str]) -> None:
    subprocess.run(command, cwd=folder, env=dict(variables), check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
