"""Runs uv, pepip and interpreters for tests, as root or as a plain user, with cleaned environment variables.

If this machine lacks a program, the test is skipped, and the reason names it. This module contains no machine's own
paths: interpreters are discovered.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.support import forking

PLAIN_USER_ID = 65534
"""The user id of plain users when the tests run as root. It is `nobody` on most systems."""

TIMEOUT_SECONDS = 1200
"""More than any single install of the long list takes on two cores with an empty cache."""

_REMOVED_VARIABLES = (
    "CI",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "CONDA_PREFIX",
    "FORCE_COLOR",
    "NO_COLOR",
    "PEPIP_HOME",
    "PIP_TARGET",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONPYCACHEPREFIX",
    "UV_LINK_MODE",
    "UV_OFFLINE",
    "UV_PROJECT_ENVIRONMENT",
    "UV_PYTHON",
    "VIRTUAL_ENV",
)

Output = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Machine:
    """One user of the machine: a home, a store and uv's cache."""

    home: Path
    store: Path
    uv_cache: Path
    prefix: tuple[str, ...] = ()
    """Words before each command, such as those that run it as another user."""

    def as_plain_user(self, home: Path) -> Machine:
        """Return a plain user of the same machine, who owns `home` with a store and a uv cache in it.

        Skips the test if root can't become a plain user who can start this interpreter.
        """
        plain = replace(self, home=home, store=home / "store", uv_cache=home / "uv-cache")
        plain = replace(plain, prefix=plain_user_prefix())
        plain.make_folder(home)
        return plain

    def make_folder(self, folder: Path) -> Path:
        """Make a folder and the missing folders above it, give them to this user, and return the folder."""
        missing = [above for above in (folder, *folder.parents) if not above.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for made in missing:
            self.give(made)
        return folder

    def give(self, path: Path) -> None:
        """Make this user the owner of `path`."""
        if self.prefix:
            os.chown(path, PLAIN_USER_ID, PLAIN_USER_ID)

    @contextlib.contextmanager
    def scratch_folder(self) -> Iterator[Path]:
        """Yield an empty folder of this user, and remove it afterwards."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            self.give(Path(folder))
            yield Path(folder)

    def variables(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment variables of a command: the tests' own without `_REMOVED_VARIABLES`, and `extra`."""
        kept = {name: value for name, value in os.environ.items() if name not in _REMOVED_VARIABLES}
        configuration = os.environ.get("XDG_CONFIG_HOME", str(Path.home() / ".config"))
        executables = os.pathsep.join([str(uv_executable().parent), kept.get("PATH", os.defpath)])
        return {
            **kept,
            "HOME": str(self.home),
            "PATH": executables,
            "PEPIP_HOME": str(self.store),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_ROOT_USER_ACTION": "ignore",
            "UV_CACHE_DIR": str(self.uv_cache),
            "UV_NO_PROGRESS": "1",
            "XDG_CONFIG_HOME": configuration,
            **(extra or {}),
        }

    def run(
        self,
        command: Sequence[str | Path],
        *,
        folder: Path,
        check: bool = True,
        timeout_seconds: float = TIMEOUT_SECONDS,
        variables: Mapping[str, str] | None = None,
    ) -> Output:
        """Run a command in `folder` and return its output. With `check`, a failure fails the test and shows it."""
        words = [*self.prefix, *(os.fspath(word) for word in command)]
        output = subprocess.run(
            words,
            cwd=folder,
            env=self.variables(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_seconds,
            check=False,
        )
        return _checked(output) if check else output

    def start(
        self, command: Sequence[str | Path], *, folder: Path, variables: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start a command in `folder`, with three pipes, as the leader of a new session and process group."""
        return subprocess.Popen(
            [*self.prefix, *(os.fspath(word) for word in command)],
            cwd=folder,
            env=self.variables(variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def uv(
        self,
        *arguments: str | Path,
        folder: Path,
        check: bool = True,
        variables: Mapping[str, str] | None = None,
    ) -> Output:
        """Run uv."""
        return self.run([uv_executable(), *arguments], folder=folder, check=check, variables=variables)

    def pepip(
        self,
        *arguments: str | Path,
        folder: Path,
        check: bool = True,
        variables: Mapping[str, str] | None = None,
    ) -> Output:
        """Run pepip with the tests' own interpreter, in a forked process if that is the same: see `forking.py`."""
        settings = self.variables(variables)
        if not forking.may_fork(settings, self.prefix):
            command = [sys.executable, "-m", "pepip", *arguments]
            return self.run(command, folder=folder, check=check, variables=variables)
        words = [os.fspath(word) for word in arguments]
        output = forking.run(
            words, folder=folder, variables=settings, timeout_seconds=TIMEOUT_SECONDS, prefix=self.prefix
        )
        return _checked(output) if check else output

    def python(
        self,
        environment: Path,
        *arguments: str | Path,
        check: bool = True,
        variables: Mapping[str, str] | None = None,
    ) -> Output:
        """Run the interpreter of an environment, in the folder of its project."""
        command = [interpreter_of(environment), *arguments]
        return self.run(command, folder=environment.parent, check=check, variables=variables)


def _checked(output: Output) -> Output:
    """Return an output, or fail the test and show it if the exit code is not 0."""
    if output.returncode != 0:
        shown = " ".join(output.args)
        pytest.fail(f"`{shown}` ended with {output.returncode}:\n{output.stdout}{output.stderr}", pytrace=False)
    return output


def interpreter_of(environment: Path) -> Path:
    """Return the path of an environment's interpreter."""
    return environment / "bin" / "python"


def site_packages_of(environment: Path) -> Path:
    """Return the site-packages folder of an environment."""
    (folder,) = environment.glob("lib/python3.*/site-packages")
    return folder


def version_in(environment: Path, name: str) -> str:
    """Return the version of a distribution in an environment, empty if the environment lacks it."""
    found = list(site_packages_of(environment).glob(f"{name}-*.dist-info"))
    return found[0].name.removesuffix(".dist-info").rpartition("-")[2] if found else ""


@functools.cache
def uv_executable() -> Path:
    """Return the uv that pepip finds: from uv's Python package, or else from beside the interpreter or PATH.

    Skips the test if there is none.
    """
    if importlib.util.find_spec("uv") is not None:
        uv_package = importlib.import_module("uv")
        return Path(uv_package.find_uv_bin())
    beside_interpreter = Path(sys.executable).with_name("uv")
    on_path = str(beside_interpreter) if beside_interpreter.exists() else shutil.which("uv")
    if on_path is None:
        pytest.skip("uv is neither a package of this interpreter nor on PATH")
    return Path(on_path)


@functools.cache
def find_interpreter(version: str) -> Path | None:
    """Return an interpreter of a version such as `3.12`, or None if there is none.

    Interpreters of virtual environments are skipped. Of a shim, such as pyenv's, the interpreter that it starts is
    returned: the shim looks for it below HOME, which is another one in tests.
    """
    named = shutil.which(f"python{version}")
    candidates = [Path(named)] if named else []
    for versions in (Path.home() / ".pyenv" / "versions", Path(sys.base_prefix).parent):
        candidates += sorted(versions.glob(f"{version}.*/bin/python"), reverse=True)
    for candidate in candidates:
        base = _base_interpreter(candidate, version)
        if base is not None:
            return base
    found = subprocess.run(
        [uv_executable(), "python", "find", "--no-project", "--no-python-downloads", "--system", version],
        capture_output=True,
        text=True,
        check=False,
    )
    return _base_interpreter(Path(found.stdout.strip()), version) if found.returncode == 0 else None


def require_interpreter(version: str) -> Path:
    """Return an interpreter of this version, or skip the test."""
    interpreter = find_interpreter(version)
    if interpreter is None:
        pytest.skip(f"no Python {version} on PATH, below ~/.pyenv, or known to uv")
    return interpreter


def any_interpreter(preferred: Sequence[str] = ("3.12", "3.11", "3.13", "3.10")) -> Path:
    """Return the interpreter of the first preferred version that is found, or skip the test."""
    for version in preferred:
        interpreter = find_interpreter(version)
        if interpreter is not None:
            return interpreter
    pytest.skip(f"none of Python {', '.join(preferred)} found")


@functools.cache
def plain_user_prefix() -> tuple[str, ...]:
    """Return the words that run a command as a plain user: `setpriv`, or none if the tests do not run as root.

    The plain user may read every file, because interpreters and pytest's folders are often in folders that only root
    may enter. They may write only their own files. Skips the test if `setpriv` does not work here.
    """
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("the tests run as root and setpriv is missing: cannot become a plain user")
    prefix = (
        setpriv,
        "--securebits=+no_setuid_fixup",  # else access(2) ignores the capability
        f"--reuid={PLAIN_USER_ID}",
        f"--regid={PLAIN_USER_ID}",
        "--clear-groups",
        "--inh-caps=+dac_read_search",
        "--ambient-caps=+dac_read_search",
    )
    if subprocess.run([*prefix, sys.executable, "-c", ""], capture_output=True, check=False).returncode != 0:
        pytest.skip("setpriv cannot start this interpreter as a plain user here")
    return prefix


def _base_interpreter(candidate: Path, version: str) -> Path | None:
    """Return the interpreter that a program starts, or None if it is another version or of a virtual environment."""
    script = (
        "import sys\n"
        "print('%d.%d' % sys.version_info[:2], sys.prefix == sys.base_prefix, sys.executable, sep='\\n', end='')"
    )
    try:
        answer = subprocess.run(
            [candidate, "-I", "-c", script], capture_output=True, text=True, timeout=60, check=False
        ).stdout
    except OSError:
        return None
    facts = answer.split("\n", 2)
    return Path(facts[2]) if facts[:2] == [version, "True"] else None
