"""Each command that a page shows exists and ends with exit code 0.

The commands run in a home of their own. It has a store, a project that is linked to it, other projects below
`~/code`, and an index on the loopback device whose `requests`, `numpy` and `torch` have a few bytes each.
"""

from __future__ import annotations

import functools
import grp
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import forking, pages
from tests.support.indexes import Index, counting_server
from tests.support.machines import Machine, require_interpreter, uv_executable
from tests.support.pages import Block
from tests.support.terminals import run_on_terminal
from tests.support.wheels import Wheel

_TOOL = "import sys\n\n\ndef main():\n    print(sys.argv[0], 'ran')\n"


def _tool(name: str, version: str) -> Wheel:
    return Wheel(
        name,
        version,
        files={f"{name}/__init__.py": _TOOL},
        entry_points={"console_scripts": {name: f"{name}:main"}},
    )


def _library(name: str, version: str, *dependencies: str) -> Wheel:
    files = {f"{name}/__init__.py": f"__version__ = {version!r}\n", f"{name}/core.py": "VALUE = 1\n"}
    return Wheel(name, version, files=files, dependencies=dependencies)


INDEX = Index(
    wheels=[
        _library("requests", "2.32.5", "urllib3>=1.21"),
        _library("urllib3", "2.4.0"),
        _library("numpy", "1.26.4"),
        _library("numpy", "2.3.1"),
        _library("torch", "2.9.1"),
        _library("httpx", "0.28.1", "idna"),
        _library("idna", "3.10"),
        _library("matplotlib", "3.10.3", "numpy"),
        _library("flask", "3.0.0"),
        *(_tool(name, "25.1.0") for name in ("black", "pytest", "ruff")),
    ]
)
PROJECT = Wheel("shop", "0.1.0", files={"shop/__init__.py": ""}, dependencies=["requests", "torch"])
GIT_PROJECT = Wheel("gauge", "1.0", files={"gauge/__init__.py": ""})

_MORE_OF_PROJECT = """
[project.optional-dependencies]
plot = ["matplotlib"]

[dependency-groups]
dev = ["pytest"]
"""


@dataclass(frozen=True)
class World:
    """A home and its user. `folder` is the project in which commands run."""

    machine: Machine
    settings: dict[str, str]
    folder: Path

    def run(self, lines: Sequence[str]) -> list[str]:
        """Run lines in one shell, in order. Return each line after its exit code and a space."""
        home = self.machine.home
        script, ends = home / "page.sh", home / "ends"
        ends.unlink(missing_ok=True)
        texts = [f"cd {shlex.quote(str(self.folder))}"]
        for line in lines:
            texts += [line, f'echo "$? "{shlex.quote(line)} >> {shlex.quote(str(ends))}']
        script.write_text("\n".join(texts) + "\n")
        output = self.machine.run(["bash", script], folder=home, variables=self.settings, check=False)
        print(output.stdout, output.stderr)
        return ends.read_text().splitlines()

    def look_at_the_app(self) -> None:
        """Run `pepip ui` on a terminal, and quit it by its key."""
        command = [sys.executable, "-m", "pepip", "ui"]
        answers = [("requests", "q")]
        output = run_on_terminal(self.machine, command, folder=self.folder, answers=answers, variables=self.settings)
        assert output.returncode == 0


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, uv_cache: Path) -> Iterator[tuple[World, Path]]:
    """Yield a world and the folder of its copy, from which a test can restore it."""
    ground = tmp_path_factory.mktemp("world")
    home = ground / "home"
    shop = PROJECT.write_source(home / "shop")
    with (shop / "pyproject.toml").open("a") as file:
        file.write(_MORE_OF_PROJECT)
    (shop / "requirements.txt").write_text("requests\nflask\n")
    for name in ("api", "site"):
        (home / "code" / name).mkdir(parents=True)
    with counting_server() as server:
        server.add("made", INDEX, ground / "index")
        machine = Machine(home, home / ".pepip", uv_cache)
        world = World(machine, _settings(machine, ground, server.simple("made")), shop)
        _make_repository(machine, ground / "git")
        ends = world.run(
            [
                "pepip sync --quiet",
                "cd ~/code/api && pepip install --quiet httpx 'urllib3<2.5'",
                "cd ~/code/site && uv venv --quiet && uv pip install --quiet httpx",
                "pepip store add --quiet 'flask==3.0.0'",
            ]
        )
        assert [end for end in ends if not end.startswith("0 ")] == []
        copy = ground / "copy"
        machine.run(["cp", "-a", home, copy], folder=ground)
        yield world, copy


@pytest.fixture
def world(template: tuple[World, Path]) -> World:
    """Return the world, restored from its copy."""
    found, copy = template
    home = found.machine.home
    found.machine.run(["chmod", "-R", "u+rwX", home], folder=home.parent)
    shutil.rmtree(home)
    found.machine.run(["cp", "-a", copy, home], folder=home.parent)
    return found


def _settings(machine: Machine, ground: Path, index: str) -> dict[str, str]:
    """Return the variables that keep commands in the world, and make its index the only one."""
    programs = ground / "programs"
    programs.mkdir()
    for name, words in {
        "pepip": [sys.executable, "-m", "pepip"],
        "uv": [str(uv_executable())],
        "uvx": [str(uv_executable()), "tool", "run"],
    }.items():
        (programs / name).write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        (programs / name).chmod(0o755)
    path = [str(programs), str(require_interpreter("3.12").parent), machine.variables()["PATH"]]
    return {
        "PATH": os.pathsep.join(path),
        "UV_DEFAULT_INDEX": index,
        "UV_PYTHON_DOWNLOADS": "never",
        "XDG_CONFIG_HOME": str(machine.home / ".config"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{(ground / 'git').as_uri()}/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://host/",
    }


def _make_repository(machine: Machine, folder: Path) -> None:
    source = GIT_PROJECT.write_source(folder / "project.git")
    identity = ["-c", "user.name=tests", "-c", "user.email=tests@localhost"]
    for words in (["init", "--quiet"], ["add", "."], [*identity, "commit", "--quiet", "-m", "first"]):
        machine.run(["git", *words], folder=source)


def _lacks(block: Block) -> str:
    """Return the first thing that a block needs and this machine lacks. Return an empty text if it lacks nothing."""
    groups = {group.gr_name for group in grp.getgrall()}
    for need in block.needs:
        kind, _, name = need.partition(" ")
        is_missing = kind == "program" and shutil.which(name) is None
        if is_missing or (kind == "root" and os.geteuid() != 0) or (kind == "group" and name not in groups):
            return need
    return ""


NEED_NETWORK = [block for page in pages.PAGES for block in pages.blocks(page) if "network" in block.needs]
WITH_BLOCKS = [page for page in pages.PAGES if any(block.is_run for block in pages.blocks(page))]


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda page: page.name)
def test_blocks_of_a_page_run_from_top_to_bottom(world: World, page: Path) -> None:
    """Each line of a page ends with exit code 0. All lines run in one shell."""
    lines: list[str] = []
    for block in pages.blocks(page):
        if block.is_run and "network" not in block.needs and not _lacks(block):
            lines += block.lines
    of_the_app = [line for line in lines if shlex.split(line, comments=True) == ["pepip", "ui"]]
    if of_the_app:
        world.look_at_the_app()

    ends = world.run([line for line in lines if line not in of_the_app])

    assert [end for end in ends if not end.startswith("0 ")] == []
    assert len(ends) + len(of_the_app) == len(lines)


def _is_run(words: Sequence[str]) -> bool:
    """Tell whether a test runs this command from running text: it is one of pepip's, and more than its name."""
    return pages.without_variables(words)[:1] == ["pepip"] and not pages.is_name_alone(words)


def _texts() -> list[str]:
    """Return the commands of pepip in running text that are more than a name, each once."""
    found = {}
    for page in pages.PAGES:
        for words in pages.spans(page):
            if _is_run(words):
                variables = words[: len(words) - len(pages.without_variables(words))]
                command = " ".join([*variables, shlex.join(pages.without_variables(words))])
                found[command] = None
    return sorted(found)


@pytest.mark.parametrize("command", _texts())
def test_commands_in_running_text_run(world: World, command: str) -> None:
    """Each command runs by itself in a linked project. Real words replace NAME, FOLDER and so on."""
    words = shlex.split(command)
    if "GROUP" in words and os.geteuid() != 0:
        pytest.skip("needs root")
    line = " ".join(word if word.startswith("~") else shlex.quote(word) for word in pages.filled(words))

    assert world.run([line]) == [f"0 {line}"]


@pytest.mark.real_world
@pytest.mark.parametrize("block", NEED_NETWORK, ids=lambda block: block.page.name)
def test_blocks_that_need_the_network_run(machine: Machine, block: Block, tmp_path: Path) -> None:
    """Blocks that need the network run in a checkout, with the machine's own index."""
    checkout = tmp_path / "checkout"
    shutil.copytree(pages.ROOT, checkout, ignore=shutil.ignore_patterns(".git", ".venv", ".*_cache", "snapshots"))
    settings = {"PEPIP_HOME": str(machine.home / ".pepip")}
    world = World(machine, settings, checkout)

    ends = world.run(block.lines)

    assert ends == [f"0 {line}" for line in block.lines]


def test_blocks_of_which_ci_has_each_command() -> None:
    """CI runs each command of the set-up that the pages show."""
    in_ci = (pages.ROOT / ".ci" / "run").read_text().replace(" --quiet", "")
    found = [block for page in pages.PAGES for block in pages.blocks(page) if block.mark == pages.IN_CI]

    assert found
    for block in found:
        for words in block.commands():
            assert shlex.join(words) in in_ci, shlex.join(words)


def test_marks_have_a_meaning() -> None:
    """The mark of a block is known, or gives the reason why the block is not run."""
    for page in pages.PAGES:
        for block in pages.blocks(page):
            known = block.mark in {"", pages.IN_CI} or block.is_run or len(block.mark) > len(pages.NOT_RUN) + 10
            assert known, f"{block.mark} in {page.name}"
            assert all(re.fullmatch(r"root|network|group \w+|program \w+", need) for need in block.needs), block.needs


_PROGRAMS = ("pepip", "uv", "uvx", "pytest", "coverage", "ruff", "python")
"""The programs whose options are checked."""


def _start(program: str) -> list[str]:
    """Return the words that start a program."""
    if program in {"uv", "uvx"}:
        return [str(uv_executable()), *(["tool", "run"] if program == "uvx" else [])]
    return [sys.executable, *(["-m", program] if program != "python" else [])]


_GROUPS = {"store", "image", "projects", "pip", "tool", "cache", "uv"}
_PASSING_ON = {"run", "x"}
"""Commands whose later words belong to another program."""


def _not_run() -> list[str]:
    """Return the commands that no other test here runs, each once."""
    found = set()
    for page in pages.PAGES:
        shown = [words for block in pages.blocks(page) if not block.is_run for words in block.commands()]
        shown += [words for words in pages.spans(page) if not _is_run(words)]
        for words in map(pages.without_variables, shown):
            is_ours = words[:1] != ["python"] or words[1].startswith(("eval/", "docs/"))
            if words and words[0].rpartition("/")[2] in _PROGRAMS and is_ours:
                found.add(shlex.join(words))
    return sorted(found)


@pytest.mark.parametrize("command", _not_run())
def test_options_that_a_page_shows_are_known(command: str) -> None:
    """For a command that no test runs, the help lists its options, which also proves that the command exists."""
    program, *words = shlex.split(command)
    program = program.rpartition("/")[2]
    names = list(itertools.takewhile(lambda word: not word.startswith("-"), words))
    depth = {"pytest": 0, "uvx": 0}.get(program, 2 if set(names[:1]) & _GROUPS else 1)
    is_for_another = program == "uvx" or bool(set(names[:1]) & _PASSING_ON)

    said = _help(*_start(program), *names[: 1 if names[:1] == ["help"] else depth], "--help")

    for word in words[: len(names) + 1 if is_for_another else None]:
        if word.startswith("-"):
            option = word.partition("=")[0]
            assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", said), f"{option} of {command}"


@functools.cache
def _help(*words: str) -> str:
    if words[1:3] == ("-m", "pepip") and forking.may_fork(os.environ):
        output = forking.run(words[3:], folder=pages.ROOT, variables=os.environ, timeout_seconds=60)
    else:
        output = subprocess.run(words, capture_output=True, text=True, check=False, cwd=pages.ROOT)
    assert output.returncode == 0, f"{shlex.join(words)}: {output.stderr}"
    return output.stdout
