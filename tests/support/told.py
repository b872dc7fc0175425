"""Runs pepip so that it tells which commands of uv it starts."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.machines import Machine

_TELL_PROGRAMS = """
import json, os, sys
started = []
def hear(event, details):
    if event in {"subprocess.Popen", "os.posix_spawn"}:
        started.append(list(map(os.fspath, details[1][1:])))
sys.addaudithook(hear)
from pepip.__main__ import main
code = main()
print(json.dumps(started))
sys.exit(code)
"""


def commands_of_uv(
    machine: Machine, *words: str | Path, folder: Path, variables: Mapping[str, str] | None = None
) -> list[str]:
    """Run pepip in a folder, and return the commands of uv that it started: two words of each `uv pip` command."""
    command = [sys.executable, "-c", _TELL_PROGRAMS, *words]
    told = machine.run(command, folder=folder, variables=variables).stdout.splitlines()[-1]
    return [" ".join(words[:2]) if words[0] == "pip" else words[0] for words in json.loads(told)]
