"""Preparing a run before the clock starts: exact pins, their wheels, and the tools in separate environments.

No other part uses the network. It uses the index to which the user's own uv and pip are set.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from eval.bench import sets
from eval.bench.measure import clean_variables
from eval.bench.sets import Selection
from eval.bench.tools import Programs

OLD_PEPIP = "pepip==0.0.10"
_CHECKOUT = Path(__file__).resolve().parents[2]


def install_tools(folder: Path, python: str, *, with_old_pepip: bool) -> Programs:
    """Install this checkout, and the old pepip with the uv that it requires, and return the programs.

    `python` is the interpreter for the environments of the run: a path or a version; if empty, the one that runs
    this.
    """
    current = _environment(folder / "pepip", os.fspath(_CHECKOUT))
    old = None
    if with_old_pepip:
        old = _environment(folder / "old-pepip", OLD_PEPIP) / "pepip"
    wanted = python or str(getattr(sys, "_base_executable", sys.executable))
    found = _output([current / "uv", "python", "find", "--no-project", "--system", wanted])
    return Programs(current / "uv", current / "pepip", old, Path(found))


def uv_version(uv: Path) -> str:
    """Return the version of a `uv` program."""
    return _output([uv, "--version"]).split()[1]


def pip_version(python: Path) -> str:
    """Return the version of the pip that an interpreter puts into new environments."""
    return _output([python, "-m", "ensurepip", "--version"]).split()[1]


def python_version(python: Path) -> tuple[int, int, int]:
    """Return the version of an interpreter."""
    major, minor, micro = _output([python, "-c", "import sys; print(*sys.version_info[:3])"]).split()
    return int(major), int(minor), int(micro)


class Goods(NamedTuple):
    """Exact pins, the modules to import, and the wheels of the pins and of the packages that are added later."""

    pins: list[str]
    modules: list[str]
    files: list[Path]


def collect(programs: Programs, selection: Selection, wheels: Path, offers: Sequence[Path]) -> Goods:
    """Resolve a selection, and download the wheels that the folder `wheels` lacks.

    `offers` are folders of more wheels.
    """
    pins = resolve(programs, selection.packages, offers)
    files = download(programs, pins, wheels, offers)
    extra = [*download(programs, [sets.EXTRA_OLD], wheels, []), *download(programs, [sets.EXTRA_NEW], wheels, [])]
    names = [Requirement(package).name for package in selection.packages]
    return Goods(pins, list(selection.modules) or sets.modules_of(names, files), [*files, *extra])


def resolve(programs: Programs, packages: Sequence[str], offers: Sequence[Path]) -> list[str]:
    """Return `name==version` of every distribution that `packages` need, from wheels alone."""
    command: list[str | Path] = [
        programs.uv,
        "pip",
        "compile",
        "--quiet",
        "--python",
        programs.python,
        "--only-binary",
        ":all:",
    ]
    command += ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    for offer in offers:
        command += ["--find-links", offer]
    return _output([*command, "-"], said="\n".join(packages)).splitlines()


def download(programs: Programs, pins: Sequence[str], wheels: Path, offers: Sequence[Path]) -> list[Path]:
    """Download each wheel of `pins` that the folder `wheels` lacks, and return the wheels of all pins."""
    wheels.mkdir(parents=True, exist_ok=True)
    missing = [pin for pin in pins if pin_key(pin) not in _present(wheels)]
    if missing:
        command: list[str | Path] = [programs.python, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary", ":all:", "--dest", wheels]
        for offer in offers:
            command += ["--find-links", offer]
        _output([*command, *missing])
    present = _present(wheels)
    return [present[pin_key(pin)] for pin in pins]


def pin_key(pin: str) -> tuple[str, str]:
    """Return the normalized name and the version of a pin."""
    requirement = Requirement(pin)
    return canonicalize_name(requirement.name), str(requirement.specifier).removeprefix("==")


def _present(wheels: Path) -> dict[tuple[str, str], Path]:
    parsed = ((parse_wheel_filename(path.name), path) for path in sorted(wheels.glob("*.whl")))
    return {(name, str(version)): path for (name, version, _, _), path in parsed}


def _environment(folder: Path, requirement: str) -> Path:
    """Return the folder of programs of a virtual environment with `requirement`. Make it if it is missing."""
    programs = folder / "bin"
    if not programs.exists():
        _output([sys.executable, "-m", "venv", folder])
        _output([programs / "python", "-m", "pip", "install", "--quiet", "--upgrade", "pip"])
    _output([programs / "python", "-m", "pip", "install", "--quiet", requirement])
    return programs


def _output(command: Sequence[str | Path], said: str = "") -> str:
    """Return the output of a program that runs with the user's own settings of indexes.

    Ends the benchmark if the program fails.
    """
    kept = {name: value for name, value in os.environ.items() if name.startswith(("UV_", "PIP_"))}
    variables = {**clean_variables(), **kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(command, input=said, capture_output=True, text=True, env=variables, check=False)
    if done.returncode:
        shown = " ".join(os.path.basename(word) for word in command)
        raise SystemExit(f"`{shown}` failed:\n{done.stderr}")
    return done.stdout.strip()
