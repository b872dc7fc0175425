"""One bad file, in each place of a store, a registry, a cache or an environment, for each command.

The bad file is a pipe without a writer, an endless device, endless brackets, a folder in place of a file, or a file
in place of a folder. No command hangs or shows a traceback. The damaged file is named, and everything else goes on.
"""

from __future__ import annotations

import itertools
import random
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.support.badness import BAD, clear
from tests.support.machines import Output
from tests.support.stores import entries_of, problems_of
from tests.support.worlds import World

pytestmark = pytest.mark.every(2)

_SECONDS = 60.0
"""No command takes as long as this here, even on a busy machine."""

_ENTRY = "store/packages/py3-none-any/lamp-1.0"
_SITE_PACKAGES = "a/.venv/lib/python*/site-packages"

PLACES = [
    *("store", "store/.lock", "store/packages", "store/packages/stray", "store/packages/py3-none-any"),
    *("store/packages/py3-none-any/stray", _ENTRY),
    *(f"{_ENTRY}/{name}" for name in ("pepip-entry.json", "lamp", "lamp/__init__.py", "lamp/__pycache__")),
    *(f"{_ENTRY}/lamp-1.0.dist-info{name}" for name in ("", "/RECORD", "/METADATA", "/WHEEL", "/entry_points.txt")),
    *(f"{_ENTRY}/{name}" for name in ("lamp-1.0.data", "lamp-1.0.data/scripts/lamp-data", ".pepip")),
    *(f"{_ENTRY}/.pepip/{name}" for name in ("RECORD", "INSTALLER")),
    "store/packages/py3-none-any/spare-1.0/pepip-entry.json",
    *("store/projects", "store/projects/a-*.json", "store/projects/stray.json"),
    *("store/cache", "store/cache/answers-*", "store/cache/answers-*/*"),
    *("store/cache/answers-*/site-packages", "store/cache/interpreters-*", "store/cache/interpreters-*/*"),
    *("store/staging", "store/staging/1-1", "store/staging/1-1.lock"),
    *("store/trash", "store/trash/.lock", "store/trash/1-1", "store/trash/1-1.lock", "store/global-venv"),
    *(f"a/.venv{name}" for name in ("", "/pyvenv.cfg", "/.lock", "/.gitignore", "/lib", "/bin", "/bin/lamp")),
    *("a/.venv/bin/python", _SITE_PACKAGES, f"{_SITE_PACKAGES}/lamp", f"{_SITE_PACKAGES}/wick"),
    *(
        f"{_SITE_PACKAGES}/{name}-1.0.dist-info{file}"
        for name in ("wick", "lamp")
        for file in (
            "",
            "/RECORD",
            "/METADATA",
            "/INSTALLER",
            "/entry_points.txt",
            "/direct_url.json",
            "/uv_cache.json",
            "/pepip-modes.json",
        )
    ),
    *(f"{_SITE_PACKAGES}/stray.{kind}" for kind in ("egg-info", "egg-link", "pth", "dist-info")),
    *(f"a/.venv/.pepip{name}" for name in ("", "/journal.json", "/installing", "/aside", "-id", ".copies")),
    "a/.venv/.pepip.copies/ready.json",
    *(f"a/.venv/{name}" for name in (".pepip.adopting", ".pepip.adopting/swap.json", ".pepip-linked.json")),
]

_FROM = ("--no-index", "--find-links", "../wheelhouse")
_WRITES = "out.svg"

COMMANDS: list[tuple[str, ...]] = [
    *(("list",), ("freeze",), ("check",), ("show", "lamp"), ("pip", "tree")),
    *(("install", "lamp", *_FROM), ("install", "spare", *_FROM), ("install", "--dry-run", "spare", *_FROM)),
    *(("install", "--reinstall", "lamp", *_FROM), ("pip", "sync", "requirements.txt", *_FROM)),
    *(("uninstall", "lamp"), ("uninstall", "wick"), ("sync", *_FROM), ("run", *_FROM, "python", "-c", "")),
    *(("adopt", "--dry-run", ".."), ("adopt", "--yes", "."), ("eject",)),
    *(("detach", "lamp"), ("attach", "lamp"), ("uses", "lamp"), ("savings",), ("doctor",)),
    *(("projects",), ("projects", "."), ("projects", "scan", ".."), ("projects", "forget", ".")),
    *(("prune", "--dry-run"), ("prune", "--yes")),
    *(("store", "list"), ("store", "show", "lamp"), ("store", "verify"), ("store", "repair"), ("store", "path")),
    *(("store", "add", "spare", *_FROM), ("store", "remove", "spare"), ("generate-shell-completion", "bash")),
    *(("ui", "--screen", screen, "--screenshot", _WRITES) for screen in ("store", "projects", "savings")),
]

_ANSWERS_BY_CODE = {"check", "doctor", "show", "uses"}
"""Commands whose exit code 1 is an answer, without an `error:`. `store verify` and `store repair` belong to them."""

PRODUCT = list(itertools.product(PLACES, BAD, range(len(COMMANDS))))
SOME = random.Random(11).sample(PRODUCT, 40)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return a world whose files are restored after each case."""
    return World.build(tmp_path_factory.mktemp("bad") / "world")


@pytest.fixture
def spoil(world: World) -> Iterator[Callable[[str, str], None]]:
    """Return a function that puts something bad in a place."""

    def put(place: str, bad: str) -> None:
        path = world.find(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        clear(path)
        BAD[bad](path)

    yield put
    world.put_back()


def faults_of(world: World, command: tuple[str, ...]) -> list[str]:
    """Run a command and return the faults in how it ends: a list of at most one."""
    try:
        output = world.run(*command, seconds=_SECONDS)
    except subprocess.TimeoutExpired:
        return [f"`{' '.join(command)}` does not end"]
    shown = f"`{' '.join(command)}` ended with {output.returncode}:\n{output.stdout}{output.stderr}"
    lines = (output.stdout + output.stderr).splitlines()
    if any(line.startswith(("Traceback", "╭─")) for line in lines):  # uv indents an interpreter's traceback
        return [f"traceback: {shown}"]
    if output.returncode not in {0, 1, 2}:
        return [shown]
    if output.returncode and not _says_why(output, command):
        return [f"no reason: {shown}"]
    return []


def _says_why(output: Output, command: tuple[str, ...]) -> bool:
    is_answer = command[0] in _ANSWERS_BY_CODE or command[:2] in {("store", "verify"), ("store", "repair")}
    return is_answer or "error:" in output.stderr


@pytest.mark.every(4)
@pytest.mark.parametrize(
    ("place", "bad", "number"),
    [pytest.param(*case, id=f"{case[0]}-{case[1]}-{' '.join(COMMANDS[case[2]][:2])}") for case in SOME],
)
def test_a_bad_file_is_no_end_of_a_command(
    world: World, spoil: Callable[[str, str], None], place: str, bad: str, number: int
) -> None:
    """The command ends in time, without a traceback, and gives a reason if it fails.

    This test takes some of all cases.
    """
    spoil(place, bad)

    assert faults_of(world, COMMANDS[number]) == []


@pytest.mark.real_world
@pytest.mark.timeout(14_400)
@pytest.mark.parametrize("place", PLACES)
def test_no_bad_file_is_the_end_of_any_command(world: World, place: str) -> None:
    """Every command passes the same check with every bad file in every place."""
    found = []
    for bad, command in itertools.product(BAD, COMMANDS):
        path = world.find(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        clear(path)
        BAD[bad](path)
        found += [f"{bad}: {fault}" for fault in faults_of(world, command)]
        world.put_back()

    assert found == []


@pytest.mark.every(5)
@pytest.mark.parametrize("bad", [bad for bad in BAD if bad != "nothing"])
def test_a_bad_entry_is_named_and_the_others_are_used(
    world: World, spoil: Callable[[str, str], None], bad: str
) -> None:
    """A bad entry stops neither the list, the prune nor an install.

    An install that needs it, and a repair, replace it.
    """
    spoil(f"{_ENTRY}/pepip-entry.json", bad)

    listed = world.run("store", "list", seconds=_SECONDS)
    pruned = world.run("prune", "--yes", seconds=_SECONDS)
    installed = world.run("install", "lamp", "spare", *_FROM, seconds=_SECONDS)
    world.run("store", "repair", seconds=_SECONDS)

    assert listed.returncode == pruned.returncode == installed.returncode == 0, installed.stderr
    states = {line.split()[0]: line for line in listed.stdout.splitlines()[1:]}
    assert "damaged" in states["lamp"]
    assert "damaged" not in states["shade"]
    assert problems_of(world.machine.store) == []
    world.machine.python(world.environment, "-c", "import lamp.bulbs, shade, spare")


@pytest.mark.every(5)
@pytest.mark.parametrize("bad", [bad for bad in BAD if bad != "nothing"])
def test_a_bad_registration_stops_the_prune_alone(world: World, spoil: Callable[[str, str], None], bad: str) -> None:
    """Nobody knows what its environment links: nothing is pruned, and the file is named. Installs go on."""
    spoil("store/projects/b-*.json", bad)
    damaged = world.find("store/projects/b-*.json")

    pruned = world.run("prune", "--yes", seconds=_SECONDS)
    looked = world.run("doctor", seconds=_SECONDS)
    installed = world.run("install", "spare", *_FROM, seconds=_SECONDS)

    assert pruned.returncode == 1
    assert str(damaged) in pruned.stderr
    assert str(damaged) in looked.stdout
    assert installed.returncode == 0, installed.stderr
    assert entries_of(world.machine.store) == ["lamp-1.0", "shade-1.0", "spare-1.0"]
