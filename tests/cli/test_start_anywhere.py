"""pepip starts wherever uv starts: in any current folder, with any variables, any home, and any interpreter's output.

One test shows a case that no Python program can mend: the interpreter fails before pepip's first line.
"""

from __future__ import annotations

import json
import os
import pwd
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pepip import paths
from pepip.errors import UsageError
from tests.support import forking
from tests.support.machines import Machine, Output, interpreter_of, plain_user_prefix, site_packages_of
from tests.support.refusals import assert_refused
from tests.support.wheels import Wheel

pytestmark = pytest.mark.every(2)


@pytest.fixture(autouse=True)
def _start_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start an interpreter for each run of pepip: a fork would have found its modules already."""
    monkeypatch.setattr(forking, "is_wanted", False)


LAMP = Wheel("lamp", "1.0", files={"lamp.py": "VERSION = '1.0'\n"})
UNKNOWN_USER_ID = "54321"


@pytest.fixture
def source(wheelhouse: Path, interpreter: Path) -> tuple[str | Path, ...]:
    """Return the arguments that make pepip and uv take `lamp` from a folder of wheels, and nothing from elsewhere."""
    LAMP.write(wheelhouse)
    return ("--no-index", "--find-links", wheelhouse, "--python", interpreter)


@pytest.fixture
def script() -> Path:
    """Return the program `pepip` as an installer made it."""
    found = Path(sys.executable).with_name("pepip")
    if not found.exists():
        pytest.skip("pepip is not installed as a program beside this interpreter")
    return found


def _out_of_reach(script: Path) -> set[str]:
    """Return the modules that the interpreter or the script imports from files before pepip's first line."""
    code = """if True:
        import sys
        specs = [getattr(module, "__spec__", None) for module in sys.modules.values()]
        print(*[spec.name for spec in specs if spec and spec.has_location])
    """
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    imported = {name.partition(".")[0] for name in found}
    return {*imported, "sitecustomize", "usercustomize", *({"re"} if "import re" in script.read_text() else set())}


def test_a_folder_of_pythonpath_takes_no_modules_place(
    machine: Machine, project: Path, source: Sequence[str | Path], script: Path, tmp_path: Path
) -> None:
    """No file there is imported in place of a module of the standard library."""
    shadows = tmp_path / "shadows"
    shadows.mkdir()
    for name in sys.stdlib_module_names - _out_of_reach(script):
        (shadows / f"{name}.py").write_text(f"raise SystemExit('the local {name}')\n")
    variables = {"PYTHONPATH": str(shadows)}

    again = ["install", "--compile-bytecode", "--reinstall", "lamp", *source]
    for words in (["install", "lamp", *source], again, ["list"], ["store", "list"], ["store", "verify"], ["doctor"]):
        machine.run([script, *words], folder=project, variables=variables)
    in_folder = machine.run([script, "list", "--directory", project], folder=shadows, variables={"PYTHONPATH": "."})

    assert "lamp" in in_folder.stdout
    machine.python(project / ".venv", "-c", "import lamp")


def test_a_module_that_was_imported_from_pythonpath_before_is_forgotten(
    machine: Machine, project: Path, script: Path, tmp_path: Path
) -> None:
    """If a `sitecustomize` there has already imported a local `json` and `argparse`, pepip imports the real ones."""
    shadows = tmp_path / "shadows"
    shadows.mkdir()
    for name in ("json", "argparse"):
        (shadows / f"{name}.py").write_text("")
    (shadows / "sitecustomize.py").write_text("import json, argparse\n")

    said = machine.run([script, "store", "list", "--json"], folder=project, variables={"PYTHONPATH": str(shadows)})

    assert said.stdout == "[]\n"


def test_paths_are_the_same_in_a_locale_without_utf8(
    machine: Machine, project: Path, source: Sequence[str | Path], script: Path
) -> None:
    """An environment below a folder with an umlaut is made, found, and kept by a prune, whatever the locale."""
    folder = project / "Prüfung 日本"
    machine.make_folder(folder)
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    machine.run([script, "install", "lamp", *source], folder=folder, variables=ascii_only)

    in_ascii = machine.run([script, "projects", "--json"], folder=project, variables=ascii_only)
    in_utf8 = machine.run([script, "projects", "--json"], folder=project)
    machine.run([script, "prune", "--yes"], folder=project, variables=ascii_only)

    rows = json.loads(in_utf8.stdout)
    assert [row["environment"] for row in rows] == [str(folder / ".venv")]
    assert json.loads(in_ascii.stdout) == rows
    inherited = machine.run(
        [script, "run", "--no-project", "python", "-c", "import sys; print(sys.flags.utf8_mode)"],
        folder=folder,
        variables=ascii_only,
    )
    assert inherited.stdout == "0\n"
    machine.python(folder / ".venv", "-c", "import lamp")


def test_the_current_folder_takes_no_modules_place(machine: Machine, project: Path) -> None:
    """`python -m pepip` has the current folder on its path, but imports no module from it."""
    for name in ("argparse", "json", "signal", "gc"):
        (project / f"{name}.py").write_text(f"raise SystemExit('the local {name}')\n")

    said = machine.pepip("store", "list", folder=project)

    assert said.stderr.startswith("No entries in ")


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONSAFEPATH": "1"},
        {"PYTHONSTARTUP": "missing.py"},
        {"PYTHONWARNINGS": "error", "PYTHONDEVMODE": "1"},
        {"PYTHONOPTIMIZE": "2"},
        {"PYTHONNOUSERSITE": "1"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONINSPECT": "1"},
        {"PYTHONUNBUFFERED": "1"},
        {"PYTHONPLATLIBDIR": "lib"},
    ],
    ids=str,
)
def test_pythons_variables_do_not_matter(
    machine: Machine, project: Path, source: Sequence[str | Path], script: Path, variables: dict[str, str]
) -> None:
    """An install and a list give the same result under each of them."""
    machine.run([script, "install", "lamp", *source], folder=project, variables=variables)
    said = machine.run([script, "list", "--format", "freeze"], folder=project, variables=variables)

    assert said.stdout == "lamp==1.0\n"


def test_pythoninspect_loses_no_exit_code(machine: Machine, project: Path, source: Sequence[str | Path]) -> None:
    """Otherwise the interpreter would show a prompt after `sys.exit`, and end with 0 without a terminal."""
    variables = {"PYTHONINSPECT": "1"}

    refused = machine.pepip("install", "nosuch", *source, folder=project, check=False, variables=variables)
    drawn = machine.pepip("ui", "--screenshot", "ui.svg", folder=project, variables=variables)

    assert_refused(refused, "nosuch")
    assert ">>>" not in drawn.stdout + drawn.stderr


def test_pythonhome_is_out_of_reach(machine: Machine, project: Path, script: Path) -> None:
    """If PYTHONHOME has no Python, the interpreter ends before pepip's first line. The remedy is to unset it."""
    said = machine.run(
        [script, "--version"], folder=project, check=False, variables={"PYTHONHOME": str(project / "missing")}
    )

    assert said.returncode != 0
    assert "PYTHONHOME = " in said.stderr
    assert "encodings" in said.stderr
    assert "pepip.__main__" not in said.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams_do_not_matter(
    machine: Machine, project: Path, source: Sequence[str | Path], script: Path, closed: str
) -> None:
    """Output to a closed stream is lost, as with uv. No other file gets the stream's number."""
    words = shlex.join(map(str, (script, "install", "lamp", *source)))

    machine.run(["sh", "-c", f"exec {words} {closed}"], folder=project)
    machine.run(["sh", "-c", f"exec {shlex.quote(str(script))} --version {closed}"], folder=project)

    machine.python(project / ".venv", "-c", "import lamp")


def _noisy(machine: Machine, project: Path, interpreter: Path, name: str, text: str) -> Path:
    """Make an environment that uv knows, then write a file into it that the interpreter reads at its start."""
    machine.uv("venv", "--quiet", "--python", interpreter, folder=project)
    environment = project / ".venv"
    machine.uv("pip", "list", "--python", interpreter_of(environment), folder=project)
    (site_packages_of(environment) / name).write_text(text)
    return environment


@pytest.mark.parametrize(
    "noise",
    [
        ("noise.pth", "import sys; print('hello')\n"),
        ("noise.pth", "import sys; sys.stdout.write('{')\n"),
        ("sitecustomize.py", "import atexit\nprint('{}')\natexit.register(print, '{}')\n"),
        ("sitecustomize.py", "import io, sys\nsys.stdout = io.StringIO()\n"),
        ("sitecustomize.py", "raise ValueError('broken')\n"),
    ],
)
def test_an_interpreter_that_says_more_than_it_is_asked_is_understood(
    machine: Machine, project: Path, source: Sequence[str | Path], interpreter: Path, noise: tuple[str, str]
) -> None:
    """If uv can still install with this interpreter, so can pepip."""
    environment = _noisy(machine, project, interpreter, *noise)

    machine.pepip("install", "lamp", *source[:-2], folder=project)

    assert (site_packages_of(environment) / "lamp.py").exists()


def test_an_interpreter_that_ends_before_it_answers_is_refused(
    machine: Machine, project: Path, source: Sequence[str | Path], interpreter: Path
) -> None:
    """A hint says where to look, and nothing is installed."""
    environment = _noisy(machine, project, interpreter, "end.pth", "import os; os._exit(0)\n")

    refused = machine.pepip("install", "lamp", *source[:-2], folder=project, check=False)

    assert_refused(refused, "ended before it reported its version", "hint: look for a sitecustomize.py")
    assert not (site_packages_of(environment) / "lamp.py").exists()


def _in_removed_folder(machine: Machine, project: Path, *words: str | Path, check: bool = True) -> Output:
    """Run a command in a folder that was removed after it was entered."""
    command = shlex.join(map(str, words))
    (project / "gone").mkdir()
    return machine.run(["sh", "-c", f"cd gone && rmdir ../gone && exec {command}"], folder=project, check=check)


@pytest.mark.parametrize(
    "command", ["install lamp", "sync", "add lamp", "list", "uninstall lamp", "run true", "projects scan ."]
)
def test_a_removed_current_folder_is_one_clear_error(
    machine: Machine, project: Path, script: Path, command: str
) -> None:
    """The exit code is uv's, and nothing is made."""
    refused = _in_removed_folder(machine, project, script, *command.split(), check=False)

    assert_refused(refused, "error: the current directory does not exist", "hint: ", exit_codes=(1,))
    assert list(project.iterdir()) == []


@pytest.mark.parametrize("command", ["store list", "savings", "projects", "--version", "--help"])
def test_commands_on_the_store_run_without_a_current_folder(
    machine: Machine, project: Path, script: Path, command: str
) -> None:
    """Commands on the store alone need no current folder, since the store is elsewhere."""
    assert _in_removed_folder(machine, project, script, *command.split()).returncode == 0


def test_the_home_folder_is_uvs() -> None:
    """The home is `HOME`, relative or not.

    If it is unset or empty, it is the home that the system records for the user.
    """
    recorded = pwd.getpwuid(os.getuid()).pw_dir.rstrip("/")

    assert paths.configured_store_root({}) == f"{recorded}/.pepip"
    assert paths.configured_store_root({"HOME": ""}) == f"{recorded}/.pepip"
    assert paths.configured_store_root({"HOME": "relative"}) == f"{Path.cwd()}/relative/.pepip"
    assert paths.configured_store_root({"HOME": "/"}) == "/.pepip"
    assert paths.configured_store_root({"PEPIP_HOME": "~/store", "HOME": "/home/a"}) == "/home/a/store"
    with pytest.raises(UsageError, match="no user nosuchuser"):
        paths.configured_store_root({"PEPIP_HOME": "~nosuchuser/store"})


@pytest.fixture
def stranger(machine: Machine, tmp_path: Path) -> Machine:
    """Return a user whom the system does not know, without HOME and PEPIP_HOME, as in many containers."""
    if os.geteuid() != 0:
        pytest.skip("only root can become a user whom the system does not know")
    prefix = [word.replace("65534", UNKNOWN_USER_ID) for word in plain_user_prefix()]
    cache = tmp_path / "uv-cache"
    cache.mkdir()
    cache.chmod(0o777)
    return replace(machine, uv_cache=cache, prefix=(*prefix, "env", "-u", "HOME", "-u", "PEPIP_HOME"))


@pytest.mark.parametrize("command", ["install lamp", "sync", "store list", "savings", "prune"])
def test_a_user_without_a_home_is_told_the_variable_to_set(
    stranger: Machine, project: Path, script: Path, command: str
) -> None:
    """The error has a hint, and no folder named `~` is made."""
    project.chmod(0o777)

    refused = stranger.run([script, *command.split()], folder=project, check=False)

    assert_refused(refused, "HOME is not set", "hint: set HOME, or set PEPIP_HOME")
    assert list(project.iterdir()) == []


def test_a_user_without_a_home_can_name_the_store(
    stranger: Machine, project: Path, source: Sequence[str | Path], script: Path
) -> None:
    """`PEPIP_HOME` is enough. Commands that pass through to uv do not even need that."""
    project.chmod(0o777)
    named = replace(stranger, prefix=(*stranger.prefix, f"PEPIP_HOME={project / 'store'}"))

    named.run([script, "install", "lamp", *source], folder=project)
    stranger.run([script, "cache", "dir"], folder=project)

    assert {path.name for path in project.iterdir()} == {".venv", "store"}


def test_a_home_that_may_not_be_written_is_one_clear_error(
    machine: Machine, tmp_path: Path, source: Sequence[str | Path], script: Path
) -> None:
    """The error names the store, and the hint names the variable to set."""
    user = machine.as_plain_user(tmp_path / "plain")
    project = user.make_folder(tmp_path / "plain" / "project")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    user = replace(user, prefix=(*user.prefix, "env", "-u", "PEPIP_HOME", f"HOME={closed}"))

    refused = user.run([script, "install", "lamp", *source], folder=project, check=False)

    assert_refused(refused, f"cannot make the store {closed}/.pepip", "hint: set PEPIP_HOME")
    assert list(closed.iterdir()) == []


def test_the_example_of_install_names_the_environment(
    machine: Machine, tmp_path: Path, source: tuple[str | Path, ...]
) -> None:
    """In a folder below a project, the nearest environment is the project's. Only without one, a new one is made."""
    inner = machine.make_folder(tmp_path / "project" / "inner")

    text = machine.pepip("install", "--help", folder=inner).stdout
    machine.pepip("install", "lamp", *source, folder=inner.parent)
    machine.pepip("install", "lamp", *source, folder=inner)
    active = machine.make_folder(tmp_path / "other") / ".venv"
    machine.uv("venv", active, *source[-2:], folder=active.parent)
    machine.pepip("install", "lamp", *source, folder=inner, variables={"VIRTUAL_ENV": str(active)})

    assert "into the active environment, the nearest .venv, or a new .venv here" in text
    assert (site_packages_of(inner.parent / ".venv") / "lamp.py").exists()
    assert (site_packages_of(active) / "lamp.py").exists()
    assert not (inner / ".venv").exists()
