"""Measure the start of pepip's commands against `python -c pass`, and list the modules that each imports.

python eval/startup.py

Each command runs as its own process, by the installed program, in a project where nothing is left to do. `python` is
the interpreter of that program. Rounds are interleaved. Beside each command is uv's command of the same meaning;
pepip can't be faster where it asks uv. Modules are those that `-X importtime` names and `python -c pass` does not
import. Needs POSIX, and an index for the wheels.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))  # this folder's packages

from eval.bench import index, prepare, sets, tools
from eval.bench.measure import measure
from eval.bench.report import spread, table
from eval.bench.rounds import clear

COMMANDS = {
    "--version": "--version",
    "--help": "--help",
    "install --help": "pip install --help",
    "install -r requirements.txt": "pip install -r requirements.txt",
    "sync": "sync",
    "run true": "run true",
    "list": "pip list",
    "freeze": "pip freeze",
    "show numpy": "pip show numpy",
    "check": "pip check",
    "store list": "",
    "uses numpy": "",
    "projects": "",
    "savings": "",
    "prune --dry-run": "",
    "doctor": "",
    "generate-shell-completion bash": "generate-shell-completion bash",
}
"""Commands of pepip, each with uv's command of the same meaning, empty if there is none."""

VERSION_AT_MOST = 2.0
"""The target of `pepip --version`, as a multiple of `python -c pass`."""

_PROJECT = """\
[project]
name = "startup"
version = "0"
requires-python = ">={python}"
dependencies = {pins}
"""


@dataclass(frozen=True)
class Project:
    """The folder where commands run, and their environment variables: offline, with a store of its own."""

    folder: Path
    programs: tools.Programs
    variables: Mapping[str, str]

    def seconds(self, command: list[str]) -> float:
        """Return the seconds of one run of a command. Raises FailedError."""
        return measure([command], self.folder, self.variables).seconds


@dataclass
class Start:
    """The start times of one command, and the modules that it imports beyond those of a bare interpreter."""

    command: str
    modules: list[str]
    seconds: list[float] = field(default_factory=list)
    seconds_of_uv: list[float] = field(default_factory=list)


def main() -> None:
    """Prepare a project, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--modules", action="store_true", help="print the names of the modules, too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample and every module")
    parser.add_argument("--folder", type=Path, help="work here, and keep wheels and tools for the next run")
    arguments = parser.parse_args()
    folder = (arguments.folder or Path(tempfile.mkdtemp(prefix="pepip-startup-"))).resolve()
    try:
        bare, starts = measure_starts(lay_out(folder), arguments.rounds)
    finally:
        if not arguments.folder:
            clear(folder)
    print(shown(bare, starts))
    if arguments.modules:
        for start in starts:
            print(f"\n{start.command}: {' '.join(start.modules)}")
    if arguments.json:
        document = {"python -c pass": bare, "commands": [vars(start) for start in starts]}
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")


def lay_out(folder: Path) -> Project:
    """Make a project in `folder`, with uv's lock of it, in which no command of COMMANDS has anything left to do."""
    programs = prepare.install_tools(folder / "tools", "", with_old_pepip=False)
    goods = prepare.collect(programs, sets.SETS["seed"], folder / "wheels", [])
    tool, home, project = tools.make("pepip", programs), folder / "startup-home", folder / "startup-project"
    for scratch in (home, project):
        clear(scratch)
        scratch.mkdir()
    major, minor, _ = prepare.python_version(programs.python)
    (project / tools.REQUIREMENTS).write_text("".join(f"{pin}\n" for pin in goods.pins))
    document = _PROJECT.format(python=f"{major}.{minor}", pins=json.dumps(goods.pins))
    (project / "pyproject.toml").write_text(document)
    with index.served(map(index.read_wheel, goods.files)) as server:
        supply = tools.Supply(server.url, folder / "wheels")
        commands = [*tool.new, [str(programs.pepip), "sync"]]
        measure(commands, project, tool.variables(home, supply, offline=False))
    return Project(project, programs, tool.variables(home, supply, offline=True))


def measure_starts(project: Project, rounds: int) -> tuple[list[float], list[Start]]:
    """Return the seconds of `python -c pass`, and the starts of each command."""
    pepip, uv = str(project.programs.pepip), str(project.programs.uv)
    python = str(project.programs.pepip.with_name("python"))
    bare_modules = imported(project, [python, "-X", "importtime", "-c", "pass"])
    starts = []
    for command in COMMANDS:
        modules = imported(project, [python, "-X", "importtime", pepip, *command.split()])
        starts.append(Start(command, [module for module in modules if module not in bare_modules]))
    bare = []
    for number in range(rounds + 1):
        is_counted = number > 0  # the first round warms up
        bare += [project.seconds([python, "-c", "pass"])][:is_counted]
        for start in starts:
            start.seconds += [project.seconds([pepip, *start.command.split()])][:is_counted]
            if COMMANDS[start.command]:
                start.seconds_of_uv += [project.seconds([uv, *COMMANDS[start.command].split()])][:is_counted]
    return bare, starts


def imported(project: Project, command: list[str]) -> list[str]:
    """Return the modules that a run of Python with `-X importtime` imported."""
    done = subprocess.run(
        command, cwd=project.folder, env=project.variables, capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return [line.rpartition("|")[2].strip() for line in lines[1:]]


def shown(bare: list[float], starts: list[Start]) -> str:
    """Return the table, and a line that says whether the target is met."""
    base = spread(bare)
    lines = [["milliseconds: median (quartiles)", "pepip", "of python -c pass", "modules", "uv's command"]]
    lines.append(["python -c pass", _milliseconds(bare), "1.00x", "0", ""])
    for start in starts:
        ratio = spread(start.seconds).median / base.median
        of_uv = _milliseconds(start.seconds_of_uv) if start.seconds_of_uv else ""
        lines.append(
            [f"pepip {start.command}", _milliseconds(start.seconds), f"{ratio:.2f}x", str(len(start.modules)), of_uv]
        )
    ratio = spread(starts[0].seconds).median / base.median
    verdict = "met" if ratio <= VERSION_AT_MOST else "NOT MET"
    target = f"target: pepip --version at most {VERSION_AT_MOST:.2f}x, measured {ratio:.2f}x: {verdict}"
    return f"{table(lines)}\n\n{target}"


def _milliseconds(seconds: list[float]) -> str:
    middle = spread(seconds)
    return f"{middle.median * 1000:.1f} ({middle.low * 1000:.1f}-{middle.high * 1000:.1f})"


if __name__ == "__main__":
    main()
