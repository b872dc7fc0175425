"""What a command loads: each module on the warm path has a reason, and nothing heavy is among them."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

from tests.support.machines import Machine

_TELL_MODULES = """
import sys
before = set(sys.modules)
from pepip.__main__ import main
code = main()
print(*sorted(set(sys.modules) - before))
sys.exit(code)
"""

ARGPARSE = "argparse reads the options, and needs it"
JSON = "json reads entries, the registry and remembered answers, and needs it"

REASONS = {
    "__future__": "annotations are not evaluated",
    "_collections": ARGPARSE,
    "_functools": ARGPARSE,
    "_json": JSON,
    "_locale": ARGPARSE,
    "_operator": ARGPARSE,
    "_sha2": "names and hashes, without OpenSSL (Python 3.12 and newer)",
    "_sha256": "the same before",
    "_sre": ARGPARSE,
    "_string": ARGPARSE,
    "argparse": "reads the options",
    "binascii": "hashes as RECORD writes them",
    "collections": ARGPARSE,
    "collections.abc": "contextlib needs it",
    "contextlib": "locks are context managers",
    "copyreg": ARGPARSE,
    "encodings.unicode_escape": "mount points are escaped in /proc",
    "enum": ARGPARSE,
    "errno": "locks and links tell errors apart",
    "fcntl": "locks",
    "functools": ARGPARSE,
    "gettext": ARGPARSE,
    "importlib": "loads the one command that runs",
    "importlib._bootstrap": "importlib needs it",
    "importlib._bootstrap_external": "importlib needs it",
    "itertools": ARGPARSE,
    "json": "reads entries, the registry and remembered answers",
    "json.decoder": JSON,
    "json.encoder": JSON,
    "json.scanner": JSON,
    "keyword": ARGPARSE,
    "locale": ARGPARSE,
    "operator": ARGPARSE,
    "re": ARGPARSE,
    "re._casefix": ARGPARSE,
    "re._compiler": ARGPARSE,
    "re._constants": ARGPARSE,
    "re._parser": ARGPARSE,
    "reprlib": ARGPARSE,
    "signal": "a signal that asks to end unwinds what is going on",
    "sre_compile": ARGPARSE,
    "sre_constants": ARGPARSE,
    "sre_parse": ARGPARSE,
    "string": ARGPARSE,
    "types": ARGPARSE,
    "warnings": "the interpreter loads it where one is set",
}
"""Each module of the standard library that an install from the store may load, and why."""


def _modules(machine: Machine, folder: Path, *words: str | Path) -> list[str]:
    """Run pepip and return the modules that it loaded, of its own and others'."""
    output = machine.run([sys.executable, "-c", _TELL_MODULES, *words], folder=folder)
    return output.stdout.splitlines()[-1].split()


def test_a_quiet_install_from_the_store_loads_what_it_needs(
    machine: Machine, project: Path, interpreter: Path
) -> None:
    """A small real set, offline, in a new environment: no rich, no humanize, no packaging, no importlib.metadata.

    uv's cache is the test's own: a page that another test's install adds to it has uv asked again.
    """
    machine = replace(machine, uv_cache=project.parent / "uv-cache")
    words = ("--python", interpreter, "six")
    first, second, third = (project / name for name in ("first", "second", "third"))
    for folder in (first, second, third):
        folder.mkdir(parents=True)
    machine.pepip("install", *words, folder=first)
    machine.pepip("install", "--offline", *words, folder=second)

    found = _modules(machine, third, "install", "--quiet", "--offline", *words)

    foreign = [name for name in found if name.partition(".")[0] != "pepip"]
    assert [name for name in foreign if name not in REASONS] == []


def test_the_version_is_told_by_almost_nothing(machine: Machine, tmp_path: Path) -> None:
    """It is what shells and scripts ask most often."""
    found = _modules(machine, tmp_path, "--version")

    assert set(found) <= {"__future__", "pepip", "pepip.__main__"}


def test_nothing_to_do_loads_no_parser(machine: Machine, project: Path, interpreter: Path) -> None:
    """A command that is known to have nothing to do ends before anything else is loaded."""
    words = ("install", "--python", interpreter, "six")
    for _ in range(3):
        found = _modules(machine, project, *words)
        time.sleep(0.1)  # what has just changed is not noted yet

    assert not {"argparse", "re", "json", "typing", "subprocess", "pepip.model"} & set(found)
