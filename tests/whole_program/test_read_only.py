"""Where nothing may be written but the project and temporary files: sandboxes, hardened machines, unknown users."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.machines import Machine, Output, site_packages_of, uv_executable

PROJECT = """\
[project]
name = "app"
version = "1.0"
requires-python = ">=3.9"
dependencies = ["iniconfig", "click"]
"""
INTO = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && cd "$1" && shift && exec "$@"'
WITHOUT_HOME = """\
for file in /etc/passwd /etc/nsswitch.conf; do mount --bind /dev/null $file || exit; done
unset HOME
"$0" -c 'import os, pwd; pwd.getpwuid(os.getuid())' 2>/dev/null && exit 99
exec "$@"
"""
"""Runs a command for a user whose home neither HOME nor the system names."""


@dataclass(frozen=True)
class Sandbox:
    """A home with store, cache and tools that can't be written, no network, and projects that can be written."""

    machine: Machine
    folder: Path
    interpreter: Path

    @property
    def home(self) -> Path:
        """Return the home."""
        return self.folder / "home"

    def project(self, name: str) -> Path:
        """Return the folder of a project, made and locked if it is missing."""
        folder = self.folder / name
        if not folder.exists():
            folder.mkdir(parents=True)
            (folder / "pyproject.toml").write_text(PROJECT)
            self.outside("uv", "lock", folder=folder)
            self.outside("uv", "export", "-q", "--format", "pylock.toml", "-o", "pylock.toml", folder=folder)
        return folder

    def variables(self) -> dict[str, str]:
        """Return the variables of a command."""
        return {
            "HOME": str(self.home),
            "PEPIP_HOME": "",
            "UV_CACHE_DIR": str(self.home / ".cache/uv"),
            "UV_PYTHON": str(self.interpreter),
            "TMPDIR": str(self.folder / "tmp"),
            "XDG_CACHE_HOME": "",
            "XDG_DATA_HOME": "",
        }

    def outside(self, program: str, *words: str, folder: Path) -> Output:
        """Run uv or pepip where everything may be written."""
        return self.machine.run([*self._program(program), *words], folder=folder, variables=self.variables())

    def layer(self, *names: str) -> Path:
        """Return a store of another user that has these packages, by default all that are stored."""
        folder = self.folder / "layer"
        self.outside("pepip", "store", "publish", *(names or ["*"]), "--to", str(folder), folder=self.folder)
        return folder

    def inside(
        self, program: str, *words: str, folder: Path, traced: str = "", layers: str = "", has_home: bool = True
    ) -> Output:
        """Run uv or pepip in the sandbox. With `traced`, write its system calls into that file."""
        command = [*self._program(program), *words]
        if traced:
            command = ["strace", "-f", "-qq", "-y", "-e", "trace=file", "-o", traced, *command]
        if not has_home:
            command = ["sh", "-c", WITHOUT_HOME, sys.executable, *command]
        words_in = ["unshare", "-mn", "sh", "-c", INTO, str(self.home), str(folder), *command]
        variables = {**self.variables(), "PEPIP_LAYERS": layers}
        return self.machine.run(words_in, folder=folder, check=False, variables=variables)

    def _program(self, name: str) -> list[str]:
        return {"uv": [str(uv_executable())], "pepip": [sys.executable, "-m", "pepip"]}.get(name, [name])


@pytest.fixture
def sandbox(machine: Machine, tmp_path: Path, interpreter: Path) -> Sandbox:
    """Return a sandbox whose store has what its projects need, and a tool."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-mn", "true"], check=False).returncode != 0:
        pytest.skip("only root can make a file system read-only for one command")
    found = Sandbox(machine, tmp_path / "box", interpreter)
    found.home.mkdir(parents=True)
    (found.folder / "tmp").mkdir()
    first = found.project("first")
    found.outside("pepip", "sync", folder=first)
    found.outside("pepip", "run", "python", "-c", "", folder=first)
    found.outside("pepip", "tool", "install", "pycowsay", folder=first)
    return found


ROWS = [
    ("sync", "--frozen"),
    ("install", "--offline", "-r", "pylock.toml"),
    ("run", "--frozen", "python", "-c", "import click; print(click.__file__)"),
    ("x", "pycowsay", "moo"),
    ("tool", "run", "pycowsay", "moo"),
]


@pytest.mark.parametrize("words", ROWS, ids=" ".join)
def test_stored_packages_can_be_used(sandbox: Sandbox, words: tuple[str, ...]) -> None:
    """The command succeeds where uv ends, twice, and what it needs is linked."""
    project = sandbox.project("second")
    before = _listing(sandbox.home)

    outputs = [sandbox.inside("pepip", *words, folder=project) for _ in range(2)]

    for output in outputs:
        assert output.returncode == 0, output.stderr
    assert _listing(sandbox.home) == before
    if "pycowsay" in words:
        assert "moo" in outputs[0].stdout
    else:
        assert (site_packages_of(project / ".venv") / "click").resolve().is_relative_to(sandbox.home / ".pepip")


@pytest.mark.every(2)
@pytest.mark.parametrize("words", ROWS[:3], ids=" ".join)
def test_nothing_is_written_elsewhere(sandbox: Sandbox, words: tuple[str, ...]) -> None:
    """Every file that is opened to be written, made, renamed or removed is the project's or a temporary one."""
    if shutil.which("strace") is None:
        pytest.skip("strace is missing")
    project = sandbox.project("second")
    log = sandbox.folder / "tmp" / "calls"

    output = sandbox.inside("pepip", *words, folder=project, traced=str(log))

    assert output.returncode == 0, output.stderr
    allowed = (str(project), str(sandbox.folder / "tmp"), "/dev/", "/proc/self")
    assert [line for line in log.read_text().splitlines() if _writes(line) and not _is_below(line, allowed)] == []


@pytest.mark.every(4)
@pytest.mark.parametrize("home", ["read-only", "none"])
@pytest.mark.parametrize(
    "words", [*ROWS[:3], ("run", "--frozen", "--with", "click", "python", "-c", "import click")], ids=" ".join
)
def test_a_layer_is_enough_where_no_store_can_be_made(sandbox: Sandbox, words: tuple[str, ...], home: str) -> None:
    """All packages are linked from the layer. Nothing is written but the project and temporary files."""
    project = sandbox.project("second")
    layer = sandbox.layer()
    shutil.rmtree(sandbox.home / ".pepip", onerror=_open_and_retry)
    log = sandbox.folder / "tmp" / "calls"
    outputs = [
        sandbox.inside(
            "pepip", *words, folder=project, traced=str(log), layers=str(layer), has_home=home == "read-only"
        )
        for _ in range(2)
    ]

    if outputs[0].returncode == 99:
        pytest.skip("the system's record of its users can't be hidden")
    for output in outputs:
        assert output.returncode == 0, output.stderr
        assert "registered" not in output.stderr
    if "--with" not in words:
        assert (site_packages_of(project / ".venv") / "click").resolve().is_relative_to(layer)
    allowed = (str(project), str(sandbox.folder / "tmp"), "/dev/", "/proc/self")
    assert [line for line in log.read_text().splitlines() if _writes(line) and not _is_below(line, allowed)] == []
    left = sandbox.inside("pepip", "list", folder=project, layers=str(layer), has_home=home == "read-only")
    assert left.returncode == 0, left.stderr


def test_a_package_that_no_layer_has_needs_a_store(sandbox: Sandbox) -> None:
    """The error names the store that can't be made. The environment stays as it is."""
    project = sandbox.project("second")
    layer = sandbox.layer("iniconfig")
    shutil.rmtree(sandbox.home / ".pepip", onerror=_open_and_retry)

    output = sandbox.inside("pepip", "sync", "--frozen", folder=project, layers=str(layer))

    assert output.returncode == 1
    assert f"error: cannot make the store {sandbox.home}/.pepip: Read-only file system" in output.stderr
    assert "hint: set PEPIP_HOME to a folder that you may write" in output.stderr
    assert not (project / ".venv").exists()


def test_the_environment_is_registered_by_the_first_command_that_may(sandbox: Sandbox) -> None:
    """Until then its entries are kept, because the environment lies beside one that is registered."""
    project = sandbox.project("second")
    sandbox.inside("pepip", "sync", "--frozen", folder=project)
    shutil.rmtree(sandbox.project("first"))
    sandbox.project("first")

    preview = json.loads(sandbox.outside("pepip", "prune", "--dry-run", "--json", folder=project).stdout)
    assert preview["orphans"] == []
    sandbox.outside("pepip", "sync", "--frozen", folder=project)

    shown = json.loads(sandbox.outside("pepip", "projects", "--json", folder=project).stdout)
    assert str(project / ".venv") in [item["environment"] for item in shown]


def test_a_stored_tool_that_uv_cached_runs_offline(sandbox: Sandbox) -> None:
    """What `pepip x` has run before, and uv's cache still has, runs with `--offline`."""
    project = sandbox.project("second")
    sandbox.outside("pepip", "x", "--from", "click", "python", "-c", "", folder=project)

    command = ("x", "--offline", "--from", "click", "python", "-c", "import click; print('here')")
    assert sandbox.inside("uv", "tool", "run", *command[1:], folder=project).returncode != 0
    output = sandbox.inside("pepip", *command, folder=project)

    assert output.stdout == "here\n", output.stderr


def test_a_cache_that_settings_name_is_used(sandbox: Sandbox) -> None:
    """With a read-only home, but a cache elsewhere, pepip leaves uv its cache."""
    project = sandbox.project("second")
    (project / "uv.toml").write_text("cache-dir = '../scratch'\n")

    output = sandbox.inside(
        "sh", "-c", 'unset UV_CACHE_DIR; exec "$0" -m pepip sync --frozen', sys.executable, folder=project
    )

    assert output.returncode == 0, output.stderr
    assert (sandbox.folder / "scratch").is_dir()
    assert not list((sandbox.folder / "tmp").glob("pepip-*"))


@pytest.mark.parametrize("home", ["/", "", "/nonexistent", "/root"], ids=["root", "none", "missing", "closed"])
def test_a_user_without_a_home_gets_an_environment_or_a_sentence(
    machine: Machine, tmp_path: Path, interpreter: Path, home: str
) -> None:
    """An unknown user with a strange home, and umask 077: success with a store of their own, else one sentence."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    plain = machine.as_plain_user(tmp_path / "plain")
    project = plain.make_folder(tmp_path / "plain" / "project")
    variables = {"HOME": home, "PEPIP_HOME": "", "XDG_CACHE_HOME": "", "TMPDIR": str(project)}
    words = [sys.executable, "-m", "pepip", "install", "--python", str(interpreter), "iniconfig"]
    line = 'umask 077; unset UV_CACHE_DIR; exec "$0" "$@"'

    without = plain.run(["sh", "-c", line, *words], folder=project, check=False, variables=variables)
    own = {**variables, "PEPIP_HOME": str(project / "store")}
    with_store = plain.run(["sh", "-c", line, *words], folder=project, check=False, variables=own)

    assert "Traceback" not in without.stderr + with_store.stderr
    assert without.returncode == 0 or without.stderr.count("error:") == 1, without.stderr
    assert with_store.returncode == 0, with_store.stderr


def _open_and_retry(remove: Callable[[str], object], path: str, _: object) -> None:
    """Remove a file of a read-only folder."""
    Path(path).parent.chmod(0o755)
    remove(path)


def _listing(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.lstat().st_mtime_ns) for path in folder.rglob("*"))


def _writes(line: str) -> bool:
    """Say whether a system call in a line of strace succeeded in changing something."""
    if re.search(r"= -1 E[A-Z]+", line):
        return False
    opened = re.search(r"open(at)?\(.*\b(O_WRONLY|O_RDWR|O_CREAT|O_TRUNC)\b", line)
    return bool(
        opened or re.search(r"\b(mkdir|rename|unlink|symlink|link|rmdir|chmod|utimensat|truncate)\w*\(", line)
    )


def _is_below(line: str, folders: tuple[str, ...]) -> bool:
    """Say whether a line names one of these folders, by its path or by a folder that strace shows."""
    return any(folder in line for folder in folders)
