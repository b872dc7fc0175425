"""Measuring commands as a user would start them: each as its own process, with its time and memory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Commands = Sequence[Sequence[str]]
"""Programs by their absolute paths, with their arguments, to run one after the other."""

_PATH = re.compile(r"(?:/[\w.@+-]+){2,}")
_SPAWN = Path(__file__).with_name("spawn.py")
_MEANING_SOMETHING = ("PYTHON", "UV_", "PIP_", "PEPIP_", "VIRTUAL_ENV", "CONDA", "XDG_", "NO_COLOR", "FORCE_COLOR")


@dataclass(frozen=True)
class Sample:
    """The cost of some commands together, including child processes of a tool. Memory is the largest process's."""

    seconds: float
    peak_kilobytes: int
    processor_seconds: float


class FailedError(Exception):
    """A command ended with another exit code than 0. The text is the end of its output, without paths."""


def clean_variables() -> dict[str, str]:
    """Return this process's variables without those that change what Python or a tool does."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_MEANING_SOMETHING)}


def measure(commands: Commands, folder: Path, variables: Mapping[str, str]) -> Sample:
    """Run `commands` in `folder` and return their cost. Raises FailedError."""
    log = folder / "output.log"
    request = {
        "commands": [list(command) for command in commands],
        "folder": os.fspath(folder),
        "variables": dict(variables),
        "log": os.fspath(log),
    }
    done = subprocess.run(
        [sys.executable, "-I", "-S", _SPAWN], input=json.dumps(request), capture_output=True, text=True, check=True
    )
    answer = json.loads(done.stdout)
    if answer["exit_code"]:
        said = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
        words = _PATH.sub("…", " / ".join(said[-3:]))
        raise FailedError(f"exit code {answer['exit_code']}: {words}")
    return Sample(answer["seconds"], answer["peak_kilobytes"], answer["processor_seconds"])
