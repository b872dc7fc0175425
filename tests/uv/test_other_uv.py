"""A uv with unknown answers: an answer that pepip must read is one clear error, all others pass through."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import elftools
import packaging
import pytest

import pepip
from pepip.uv.versions import SUPPORTED
from tests import ROOT
from tests.support.machines import Machine, Output, site_packages_of, uv_executable
from tests.support.refusals import assert_refused
from tests.support.stores import entries_of
from tests.support.wheels import Wheel

LAMP = Wheel("lamp", "1.0", files={"lamp.py": "VERSION = '1.0'\n"})

TABLE = Wheel("table", "1.0", files={"table.py": ""})

UNREADABLE = "error: uv 0.99.1 answers in a way that this pepip can't read"

_FAKE = """\
#!{python}
import os, subprocess, sys
words, real = sys.argv[1:], {real!r}
if words == ["--version"]:
    print({version!r})
elif {is_spoilt}:
    done = subprocess.run([real, *words], capture_output=True, text=True)
    out, err, code = done.stdout, done.stderr, done.returncode
    file = words[words.index("--output-file") + 1] if "--output-file" in words else None
    out = open(file).read() if file else out
    {spoil}
    print(out, end="", file=open(file, "w") if file else sys.stdout)
    sys.stderr.write(err)
    sys.exit(code)
else:
    os.execv(real, [real, *words])
"""

_DRY, _LOCK = "'--dry-run' in words", "'pylock.toml' in words"
SPOILT = {
    "other words in the text": (_DRY, "err = err.replace('==', ' at ')"),
    "no text": (_DRY, "err = ''"),
    "another JSON": (_DRY, "out = out.replace('changes', 'differences')"),
    "a new action in the JSON": (_DRY, "out = out.replace('installed', 'linked')"),
    "no JSON": (_DRY, "out = 'All is well.'"),
    "no option": (_DRY, "out, err, code = '', \"error: unexpected argument '--output-format' found\\\\n\", 2"),
    "a newer lock": (_LOCK, "out = out.replace('lock-version = \"1', 'lock-version = \"2')"),
    "another lock": (_LOCK, "out = out.replace('name', 'title')"),
    "no lock": (_LOCK, "out = 'All is well.'"),
    "an empty lock": (_LOCK, "out = ''"),
}

Runner = Callable[..., Output]


@pytest.fixture
def other(machine: Machine, project: Path, wheelhouse: Path, tmp_path: Path) -> Runner:
    """Return a function that runs pepip with a uv that spoils its answers.

    Its first argument names the way: a key of SPOILT.

    pepip runs in an environment without uv, so that it takes the uv on PATH.
    """
    alone = tmp_path / "alone"
    machine.run([sys.executable, "-m", "venv", "--without-pip", alone], folder=tmp_path)
    for module in (pepip, packaging, elftools):
        (site_packages_of(alone) / module.__name__).symlink_to(Path(module.__path__[0]).resolve())
    LAMP.write(wheelhouse)
    fakes = tmp_path / "fakes"
    fakes.mkdir()

    def run(kind: str, *words: str | Path, version: str = "uv 0.99.1 (someday)", check: bool = True) -> Output:
        is_spoilt, spoil = SPOILT[kind]
        fake = fakes / "uv"
        fake.write_text(
            _FAKE.format(
                python=sys.executable,
                real=str(uv_executable()),
                version=version,
                is_spoilt=is_spoilt,
                spoil=spoil,
            )
        )
        fake.chmod(0o755)
        path = os.pathsep.join([str(fakes), os.environ["PATH"]])
        command = [alone / "bin" / "python", "-m", "pepip", *words]
        return machine.run(command, folder=project, check=check, variables={"PATH": path})

    return run


@pytest.fixture
def environment(machine: Machine, project: Path, wheelhouse: Path, interpreter: Path) -> Path:
    """Return the project's environment, which uv made, with one distribution."""
    TABLE.write(wheelhouse)
    machine.uv("venv", "--quiet", "--python", interpreter, folder=project)
    machine.uv("pip", "install", "--quiet", "table", "--no-index", "--find-links", wheelhouse, folder=project)
    return project / ".venv"


@pytest.mark.every(2)
@pytest.mark.parametrize("kind", SPOILT)
def test_an_answer_that_cannot_be_read_is_one_clear_error(
    other: Runner, environment: Path, wheelhouse: Path, store: Path, kind: str
) -> None:
    """The error names uv's version, a hint says what to do, and neither the environment nor the store changes."""
    before = sorted(path.name for path in site_packages_of(environment).iterdir())

    refused = other(kind, "install", "lamp", "--no-index", "--find-links", wheelhouse, check=False)

    assert_refused(refused, UNREADABLE, f"hint: pepip reads uv {SUPPORTED.oldest} to {SUPPORTED.newest_tested}")
    assert sorted(path.name for path in site_packages_of(environment).iterdir()) == before
    assert entries_of(store) == []


@pytest.mark.every(4)
@pytest.mark.parametrize("kind", [kind for kind, (is_spoilt, _) in SPOILT.items() if is_spoilt == _DRY])
def test_a_sync_that_cannot_be_read_is_one_clear_error(
    other: Runner, project: Path, wheelhouse: Path, interpreter: Path, kind: str
) -> None:
    """The sync is refused, and no environment is made."""
    document = '[project]\nname = "desk"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["lamp"]\n'
    (project / "pyproject.toml").write_text(document)

    refused = other(kind, "sync", "--no-index", "--find-links", wheelhouse, "--python", interpreter, check=False)

    assert_refused(refused, UNREADABLE)
    assert not (project / ".venv").exists()


@pytest.mark.usefixtures("environment")
def test_a_uv_without_a_readable_version_is_refused_too(other: Runner, wheelhouse: Path) -> None:
    """The error calls it `this uv`."""
    words = ("install", "lamp", "--no-index", "--find-links", wheelhouse)

    refused = other("no JSON", *words, version="Hello", check=False)

    assert_refused(refused, "error: this uv answers in a way that this pepip can't read")


def test_an_uninstall_that_cannot_be_read_removes_nothing(
    other: Runner, machine: Machine, environment: Path, wheelhouse: Path
) -> None:
    """If uv's text about an uninstall can't be read, nothing is removed."""
    words = ("pip", "install", "--quiet", "lamp", "--no-index", "--find-links", wheelhouse)
    machine.uv(*words, folder=environment.parent)

    refused = other("other words in the text", "uninstall", "lamp", check=False)

    assert_refused(refused, UNREADABLE)
    machine.python(environment, "-c", "import lamp")


def test_commands_that_pass_through_are_not_read(other: Runner, project: Path, interpreter: Path) -> None:
    """The answers of such a uv are shown unchanged."""
    (project / "pyproject.toml").write_text('[project]\nname = "desk"\nversion = "1"\nrequires-python = ">=3.10"\n')

    assert other("no JSON", "version").stdout == "desk 1\n"
    assert other("no JSON", "tree", "--python", interpreter).stdout == "desk v1\n"
    assert other("no JSON", "uv", "--version").stdout == "uv 0.99.1 (someday)\n"


def test_the_supported_versions_are_those_of_the_project(machine: Machine, project: Path) -> None:
    """The oldest version is the one that pepip requires.

    The newest is the one that these tests run with: raise it with uv.
    """
    document = (ROOT / "pyproject.toml").read_text()
    (required,) = re.findall(r'^    "uv>=(.+)",', document, re.MULTILINE)
    version = machine.uv("--version", folder=project).stdout.split()[1]

    assert f"{required}.0" == SUPPORTED.oldest
    assert version == SUPPORTED.newest_tested
