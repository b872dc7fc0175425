"""The modules that a command loads: each module on the warm path has a reason, and no heavy module is among them."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from tests.support.machines import Machine

_TELL_MODULES = """
import subprocess
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
"""Each standard-library module that an install from the store may load, with the reason."""


NEEDED_TO_KNOW_THAT_NOTHING_IS_TO_DO = [
    "pepip",
    "pepip.__main__",
    "pepip.cli",
    "pepip.cli.early_end",
    "pepip.cli.main",
    "pepip.cli.nothing_to_do",
    "pepip.digests",
    "pepip.host",
    "pepip.host.files",
    "pepip.host.user_cache",
    "pepip.paths",
    "pepip.store",
    "pepip.store.venv_times",
    "pepip.uv",
    "pepip.uv.answer_cache",
    "pepip.uv.up_to_date",
    "pepip.uv.writable_cache",
]
"""pepip's modules on that way, sorted. Each further one costs a dozen system calls."""


def _modules(machine: Machine, folder: Path, *words: str | Path) -> list[str]:
    """Run pepip and return the modules that it loaded, its own and others."""
    output = machine.run([sys.executable, "-c", _TELL_MODULES, *words], folder=folder)
    return output.stdout.splitlines()[-1].split()


def test_a_quiet_install_from_the_store_loads_only_modules_that_it_needs(
    machine: Machine, project: Path, interpreter: Path
) -> None:
    """An offline install of a small real set into a new environment loads only modules with a reason.

    So it loads no rich, no humanize, no packaging and no importlib.metadata. The test has its own uv cache: if
    another test's install adds a page to a shared cache, pepip asks uv again.
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
    """`--version` loads almost nothing, since shells and scripts ask for it most often."""
    found = _modules(machine, tmp_path, "--version")

    assert set(found) <= {"__future__", "pepip", "pepip.__main__"}


def test_nothing_to_do_loads_no_parser(machine: Machine, project: Path, interpreter: Path) -> None:
    """If a command is known to have nothing to do, it ends before it loads anything else."""
    words = ("install", "--python", interpreter, "six")
    for _ in range(3):
        found = _modules(machine, project, *words)
        time.sleep(0.1)  # files that changed just now are not noted as up to date yet

    assert not {"argparse", "re", "json", "typing", "subprocess", "contextlib"} & set(found)
    assert [name for name in found if name.partition(".")[0] == "pepip"] == NEEDED_TO_KNOW_THAT_NOTHING_IS_TO_DO


def test_the_options_of_run_are_split_as_its_parser_reads_them() -> None:
    """A repeated `pepip run` is split without the parser, so the list of options with a value must be the same."""
    code = (
        "from pepip.cli import run, uv_options\n"
        "print(*sorted(run.parser_of_run().options_with_value() ^ uv_options.VALUES_OF_RUN))"
    )

    differing = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout

    assert differing == "\n"


def test_the_first_paint_of_the_app_waits_for_no_parser() -> None:
    """The parsers of METADATA and of requirements are imported by the threads that need them later."""
    code = "import sys; from pepip.tui import start; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()

    assert "pepip.tui.app" in modules
    assert {"email.parser", "packaging.requirements", "pepip.operations.needs", "humanize"}.isdisjoint(modules)
