"""With `alias uv=pepip` and `alias pip='pepip pip'`, the command lines of uv's quick-start guides end as with uv.

Each guide is one shell script. It runs with uv in one folder, and with the aliases in a twin folder. Each line has
the same exit code in both, and at the end the projects and their environments are equal.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.machines import Machine, uv_executable
from tests.support.parity import Level, differences, observe
from tests.support.snapshots import changes, snapshot
from tests.support.stores import entries_of, problems_of


@dataclass(frozen=True)
class Guide:
    """Twin folders in which a guide runs."""

    machine: Machine
    uv_folder: Path
    pepip_folder: Path
    interpreter: Path

    def replay(self, lines: Sequence[str], *, own_caches: bool = False) -> list[str]:
        """Run the lines in both folders, and return `exit code: line` for each line.

        The exit codes must be equal. The output of a line may differ. PATH alone chooses the Python: with
        `UV_PYTHON`, uv would install into the named interpreter itself. With `own_caches`, each folder has a cache
        of uv: pepip links environments in the cache, and the store of a test ends with the test.
        """
        caches = [folder.parent / "cache" if own_caches else self.machine.uv_cache for folder in _folders(self)]
        of_uv, _ = self._replay(self.uv_folder, [str(uv_executable())], lines, caches[0])
        of_pepip, stderr = self._replay(self.pepip_folder, [sys.executable, "-m", "pepip"], lines, caches[1])

        assert of_pepip == of_uv, stderr
        return of_uv

    def assert_equal(self, environment: str, *, files: Sequence[str] = ()) -> None:
        """Assert that both environments are equal, and these files beside them, too."""
        uvs, pepips = self.uv_folder / environment, self.pepip_folder / environment
        for name in files:
            assert (pepips.parent / name).read_text() == (uvs.parent / name).read_text()
        assert (pepips / "pyvenv.cfg").exists()
        observed = [observe(made, self.machine, level=Level.METADATA) for made in (uvs, pepips)]
        assert differences(*observed) == []
        assert problems_of(self.machine.store) == []

    def _replay(
        self, folder: Path, program: Sequence[str], lines: Sequence[str], cache: Path
    ) -> tuple[list[str], str]:
        """Run the lines, and return their ends and what they wrote to stderr."""
        shims = folder.parent / "shims"
        shims.mkdir(exist_ok=True)
        shim = shims / "uv"
        shim.write_text(f'#!/bin/sh\nexec {shlex.join(program)} "$@"\n')
        shim.chmod(0o755)
        script = folder.parent / "guide.sh"
        ends = folder.parent / "ends"
        texts = [
            "shopt -s expand_aliases",
            f"alias uv={shlex.quote(shlex.join(program))}",
            "alias uvx='uv tool run' pip='uv pip'",
            f"PATH={shlex.quote(str(shims))}:{shlex.quote(str(self.interpreter.parent))}:$PATH",
        ]
        for line in lines:
            first = line.partition("\n")[0]
            texts += [line, f'echo "$?: "{shlex.quote(first)} >> {shlex.quote(str(ends))}']
        script.write_text("\n".join(texts) + "\n")
        settings = {
            "UV_CACHE_DIR": str(cache),
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_TOOL_DIR": str(folder.parent / "tools"),
            "UV_TOOL_BIN_DIR": str(folder.parent / "tool-bin"),
        }
        output = self.machine.run(["bash", script], folder=folder, variables=settings, check=False)
        assert "/pepip/cli/" not in output.stderr, output.stderr
        return ends.read_text().splitlines(), output.stderr


@pytest.fixture
def guide(machine: Machine, tmp_path: Path, interpreter: Path) -> Guide:
    """Return twin folders whose paths have the same length. Skip if bash is not installed."""
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    folders = [tmp_path / name / "work" for name in ("by-uv", "pepip")]
    for folder in folders:
        folder.mkdir(parents=True)
    return Guide(machine, *folders, interpreter)


def repository_in(machine: Machine, folder: Path) -> Path:
    """Make a git repository that holds a small package. Skip if git is not installed."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    folder.mkdir()
    git = "git -c user.name=tests -c user.email=tests@example.invalid -c commit.gpgsign=false"
    machine.uv("init", "--lib", "--name", "grove", "--vcs", "none", "--python", sys.executable, ".", folder=folder)
    command = f"{git} init -q -b main && {git} add --all && {git} commit -q -m first && {git} tag v1"
    machine.run(["sh", "-c", command], folder=folder)
    return folder


def test_the_guide_to_projects(guide: Guide, tmp_path: Path) -> None:
    """The guide to projects ends as with uv, from `uv init` to `uv build`."""
    repository = repository_in(guide.machine, tmp_path / "grove")
    lines = [
        "uv init --no-package hello-world",
        "cd hello-world",
        "ls main.py",
        "uv run main.py",
        "uv add requests",
        "uv add 'requests==2.31.0'",
        f"uv add 'grove @ git+{repository.as_uri()}'",
        "uv run python -c 'import requests, grove; print(requests.__version__)'",
        "uv remove grove",
        "uv lock --upgrade-package requests",
        "uv add --dev 'iniconfig<2'",
        "uv version",
        "uv version --short",
        "uv version --bump minor",
        "uv version 1.2.3",
        "uv run -- python -c 'import sys; sys.exit(3)'",
        "printf 'import requests\\nprint(requests.get)\\n' > example.py",
        "uv run example.py",
        "uv sync",
        "uv sync --locked",
        "source .venv/bin/activate",
        "python example.py",
        "python -m pip --version",
        "deactivate",
        "uv tree",
        "uv export --format requirements.txt -o requirements.txt",
        "uv build",
        "uv add absent-package-of-pepips-tests",
        "uv remove absent",
        "uv sync --frozen --no-dev",
    ]

    ends = guide.replay(lines)

    failed = [end.split(" ", 2)[2] for end in ends if not end.startswith("0:")]
    assert failed == [
        "run -- python -c 'import sys; sys.exit(3)'",
        "-m pip --version",
        "add absent-package-of-pepips-tests",
        "remove absent",
    ]
    guide.assert_equal("hello-world/.venv", files=("pyproject.toml", "uv.lock", "requirements.txt"))
    assert "requests-2.31.0" in entries_of(guide.machine.store)
    built = [sorted(path.name for path in (folder / "hello-world/dist").iterdir()) for folder in _folders(guide)]
    assert built[0] == built[1] != []


def test_the_guide_to_packaged_projects(guide: Guide) -> None:
    """A project with a build system is installed editable, and its script runs."""
    lines = [
        "uv init --package example-pkg",
        "cd example-pkg",
        "uv run example-pkg",
        "uv add idna",
        "uv run python -c 'import example_pkg, idna'",
        "uv build --wheel",
        "uv run --with dist/*.whl --no-project -- python -c 'import example_pkg'",
        "uv publish --dry-run --token none --publish-url http://127.0.0.1:9/ absent.whl",
        "uv sync --no-editable",
    ]

    ends = guide.replay(lines)

    assert [end for end in ends if not end.startswith("0:")] == [end for end in ends if "uv publish" in end]
    guide.assert_equal("example-pkg/.venv", files=("pyproject.toml", "uv.lock"))


def test_the_guide_to_scripts(guide: Guide) -> None:
    """Scripts with and without inline metadata run from a file, from stdin and by their first line."""
    lines = [
        "printf 'print(\"Hello world\")\\n' > example.py",
        "uv run example.py",
        "printf 'import sys\\nprint(\" \".join(sys.argv[1:]))\\n' > words.py",
        "uv run words.py test hello --flag",
        "echo 'print(\"hello world!\")' | uv run -",
        "uv run - <<EOF\nprint('hello world!')\nEOF",
        "printf 'import rich\\nprint(rich)\\n' > needs_rich.py",
        "uv run --no-project needs_rich.py",
        "uv run --with rich needs_rich.py",
        "uv run --with 'rich>12,<13' needs_rich.py",
        "uv init --script inline.py",
        "uv add --script needs_rich.py 'rich' 'idna<4'",
        "uv run needs_rich.py",
        "uv lock --script needs_rich.py",
        "uv tree --script needs_rich.py",
        "uv export --script needs_rich.py -o exported.txt",
        "uv remove --script needs_rich.py idna",
        "uv run --script needs_rich.py",
        "printf '#!/usr/bin/env -S uv run --script\\n"
        '# /// script\\n# dependencies = ["rich"]\\n# ///\\nimport rich, sys\\nsys.exit(5)\\n\' > greet',
        "chmod +x greet",
        "./greet",
        "printf '#!/usr/bin/env -S uv run --script\\nprint(1)\\n' > plain; chmod +x plain; ./plain",
        "uv run absent.py",
    ]

    ends = guide.replay(lines, own_caches=True)

    failed = [line for line in ends if not line.startswith("0:")]
    assert failed == ["1: uv run --no-project needs_rich.py", "5: ./greet", "2: uv run absent.py"]
    seen = [
        {name: node for name, node in snapshot(folder).items() if name != "inline.py"} for folder in _folders(guide)
    ]
    assert changes(seen[0], seen[1]) == []


@pytest.mark.real_world
def test_the_guide_to_tools(guide: Guide) -> None:
    """Tools are run and installed by uv: `uvx`, `uv tool run`, `install`, `upgrade`, `list` and `uninstall`."""
    lines = [
        "uvx pycowsay 'hello from uv'",
        "uv tool run pycowsay moo",
        "uvx --from httpie http --version",
        "uvx pycowsay@0.0.0.1 moo",
        "uvx --with idna pycowsay moo",
        "uvx --from absent-package-of-pepips-tests absent",
        "uv tool install ruff",
        "../tool-bin/ruff --version",
        "uv tool list",
        "uv tool upgrade ruff",
        "uv tool upgrade --all",
        "uv tool install --with idna pycowsay",
        "uv tool dir",
        "uv tool uninstall ruff",
        "uv tool uninstall absent",
    ]

    ends = guide.replay(lines, own_caches=True)

    failed = [line.partition(": ")[2] for line in ends if not line.startswith("0:")]
    assert failed == ["uvx --from absent-package-of-pepips-tests absent", "uv tool uninstall absent"]
    for folder in _folders(guide):
        assert [path.name for path in (folder.parent / "tools").iterdir() if path.is_dir()] == ["pycowsay"]
    tools = [
        observe(folder.parent / "tools/pycowsay", guide.machine, level=Level.METADATA) for folder in _folders(guide)
    ]
    assert [line for line in differences(*tools) if "uv-receipt.toml" not in line] == []


def _folders(guide: Guide) -> tuple[Path, Path]:
    return guide.uv_folder, guide.pepip_folder


@pytest.mark.real_world
@pytest.mark.every(2)
@pytest.mark.parametrize("pip", ["uv pip", "pip"])
def test_the_guide_to_the_pip_interface(guide: Guide, pip: str) -> None:
    """Under both names, environments, packages, requirements files and queries end as with uv."""
    lines = [
        "uv venv",
        "pip install flask",
        "pip install 'flask[dotenv]'",
        "pip install 'idna<3.8' 'requests'",
        "mkdir -p local/src/local && touch local/src/local/__init__.py",
        'printf \'[project]\\nname = "local"\\nversion = "1"\\n[build-system]\\n'
        'requires = ["uv_build"]\\nbuild-backend = "uv_build"\\n\' > local/pyproject.toml',
        "cd local && pip install -e . && cd ..",
        "pip install 'local @ ./local'",
        "printf 'iniconfig\\n' > requirements.txt",
        "pip install -r requirements.txt",
        "pip install -r local/pyproject.toml",
        "pip list",
        "pip list --format json",
        "pip freeze > frozen.txt",
        "pip show flask",
        "pip show absent",
        "pip tree",
        "pip check",
        "pip uninstall -y blinker absent",
        "pip check",
        "pip uninstall flask",
        "printf 'requests\\nidna<3.9\\n' > requirements.in",
        "pip compile requirements.in -o requirements.txt",
        "pip compile requirements.in --upgrade-package idna -o requirements.txt --generate-hashes",
        "pip sync requirements.txt",
        "pip freeze > frozen.txt",
        "printf 'iniconfig==2.0.0\\n' | pip install -r -",
        "source .venv/bin/activate",
        "pip install six",
        "python -c 'import six, requests'",
        "deactivate",
        "pip install absent-package-of-pepips-tests",
        "pip install 'six==1.15' 'six==1.16'",
        "pip sync absent.txt",
    ]
    lines = ["uv venv", "test -f .venv/pyvenv.cfg || exit 1", *lines[1:]]
    lines = [re.sub(r"(^|&& |\| )pip ", rf"\g<1>{pip} ", line) for line in lines]

    ends = guide.replay(lines)

    failed = [line.partition(": ")[2].removeprefix("uv ") for line in ends if not line.startswith("0:")]
    assert failed == [
        "pip show absent",
        "pip check",
        "pip install absent-package-of-pepips-tests",
        "pip install 'six==1.15' 'six==1.16'",
        "pip sync absent.txt",
    ]
    guide.assert_equal(".venv", files=("requirements.txt", "frozen.txt"))
