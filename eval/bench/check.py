"""Checks whether an environment holds the requested distributions: the same for every tool."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

from eval.bench.measure import clean_variables
from eval.bench.prepare import pin_key

_SEEDS = {"pip", "setuptools"}
"""Distributions that `python -m venv` installs by itself."""

_LIST = """
import importlib.metadata as metadata, json
print(json.dumps([[item.metadata["Name"] or "?", item.version] for item in metadata.distributions()]))
"""


_PROGRAMS = """
import importlib.metadata as metadata, os, sys
points = [point for item in metadata.distributions() for point in item.entry_points]
named = {point.name for point in points if point.group == "console_scripts"}
print(*sorted(name for name in named if not os.path.exists(os.path.join(os.path.dirname(sys.executable), name))))
"""


def missing_programs(python: Path) -> list[str]:
    """Return the console scripts that distributions of an environment declare but that the environment lacks."""
    done = subprocess.run(
        [python, "-c", _PROGRAMS], capture_output=True, text=True, env=clean_variables(), check=False
    )
    return done.stdout.split()


def differences(python: Path, pins: Sequence[str]) -> str:
    """Return the differences between the environment of `python` and `pins`, empty if there are none."""
    done = subprocess.run([python, "-c", _LIST], capture_output=True, text=True, env=clean_variables(), check=False)
    if done.returncode:
        return "its distributions can't be listed"
    present = {(str(canonicalize_name(name)), version) for name, version in json.loads(done.stdout)}
    wanted = {pin_key(pin) for pin in pins}
    missing = [f"no {name} {version}" for name, version in sorted(wanted - present)]
    more = [f"also {name} {version}" for name, version in sorted(present - wanted) if name not in _SEEDS]
    return ", ".join(missing + more)
