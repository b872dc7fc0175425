"""A cloned repository may contain a hostile environment, whose links and documents lead out of it.

No command writes, makes or removes anything outside of the environment. Commands that only look, at the store or at
all environments, start no program of it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.machines import Machine, site_packages_of
from tests.support.snapshots import changes, snapshot
from tests.support.worlds import World

_FROM = ("--no-index", "--find-links", "../wheelhouse")
CHANGES: list[tuple[str, ...]] = [
    *(("list",), ("check",), ("projects", "scan", ".."), ("install", "spare", *_FROM)),
    *(("install", "--reinstall", "lamp", *_FROM), ("pip", "sync", "requirements.txt", *_FROM), ("detach", "lamp")),
    *(
        ("attach", "--force", "lamp"),
        ("uninstall", "lamp", "wick"),
        ("sync", *_FROM),
        ("run", *_FROM, "python", "-V"),
    ),
    *(("adopt", "--yes", "."), ("eject",), ("store", "repair"), ("prune", "--yes"), ("doctor",)),
]
LOOKS: list[tuple[str, ...]] = [
    *(
        ("adopt", "--dry-run", "."),
        ("uses", "lamp"),
        ("savings",),
        ("doctor",),
        ("projects",),
        ("projects", "."),
    ),
    ("projects", "scan", "."),
    *(("prune", "--dry-run"), ("prune", "--yes"), ("store", "list"), ("store", "show", "lamp"), ("store", "verify")),
    *(("ui", "--screen", screen, "--screenshot", "/dev/null") for screen in ("store", "projects", "savings")),
    ("projects", "forget", "."),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return a world that is restored after each case."""
    return World.build(tmp_path_factory.mktemp("hostile") / "world")


@pytest.fixture(autouse=True)
def _put_back(world: World) -> Iterator[None]:
    yield
    world.put_back()


@pytest.fixture
def outside(world: World) -> Path:
    """Return a folder with files of the user, outside of the environment."""
    folder = world.root / "home" / "own"
    folder.mkdir()
    for name in ("precious.txt", "lamp", "spare", "python", "journal.json", "RECORD"):
        (folder / name).write_text("precious\n")
    for name in ("lamp-1.0.dist-info", "wick-1.0.dist-info", "site-packages"):
        (folder / name).mkdir()
        (folder / name / "RECORD").write_text("precious\n")
    return folder


def _replace(path: Path, target: Path) -> None:
    """Put a link at `path`, in place of a file, folder or link that may be there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def _move_out(path: Path, target: Path) -> None:
    """Move a folder out of the environment, and put a link in its place. The environment still works."""
    shutil.move(path, target)
    path.symlink_to(target)


def _link(name: str, target: str) -> Callable[[Path, Path], None]:
    def plant(environment: Path, outside: Path) -> None:
        (python,) = (environment / "lib").iterdir()
        _replace(environment / name.replace("python*", python.name), outside / target)

    return plant


def _moved(name: str) -> Callable[[Path, Path], None]:
    def plant(environment: Path, outside: Path) -> None:
        (python,) = (environment / "lib").iterdir()
        _move_out(environment / name.replace("python*", python.name), outside / "moved")

    return plant


def _rows(*paths: str) -> Callable[[Path, Path], None]:
    """Return a function that adds rows for outside files to two RECORDs: one that is linked, and one that is not."""

    def plant(environment: Path, outside: Path) -> None:
        up = os.path.relpath(outside, site_packages_of(environment))
        for name in ("lamp", "wick"):
            record = site_packages_of(environment) / f"{name}-1.0.dist-info" / "RECORD"
            text = record.read_text()
            record.unlink()
            rows = "".join(f"{path.format(outside=outside, up=up)},,\n" for path in paths)
            record.write_text(rows + text)

    return plant


def _journal(environment: Path, outside: Path) -> None:
    """Plant a journal that links an entry with paths outside, and removes two distributions."""
    (environment / ".pepip").mkdir()
    document = {
        "link": [["py3-none-any/spare-1.0", {"url": f"file://{outside}"}, f"{outside}/precious.txt", ""]],
        "remove": ["wick-1.0.dist-info", "lamp-1.0.dist-info"],
        "private": [],
    }
    (environment / ".pepip" / "journal.json").write_text(json.dumps(document))


def _journal_that_leads_out(environment: Path, outside: Path) -> None:
    (environment / ".pepip").mkdir()
    up = os.path.relpath(outside, site_packages_of(environment))
    document = {"link": [[f"../../{up}", None, "", ""]], "remove": [f"{up}/lamp-1.0.dist-info"], "private": ["../x"]}
    (environment / ".pepip" / "journal.json").write_text(json.dumps(document))


def _what_was_set_aside(environment: Path, outside: Path) -> None:
    """Plant a journal, and a file that was set aside, below a folder that is a link in the environment."""
    _journal(environment, outside)
    (environment / "share").mkdir(exist_ok=True)
    _replace(environment / "share" / "way", outside)
    kept = environment / ".pepip" / "aside" / "share" / "way"
    kept.mkdir(parents=True)
    (kept / "precious.txt").write_text("replaced\n")


def _copies(environment: Path, outside: Path) -> None:
    """Plant copies of an entry whose place is outside, through a link."""
    folder = environment / ".pepip.copies"
    (folder / "share" / "way").mkdir(parents=True)
    (folder / "share" / "way" / "precious.txt").write_text("replaced\n")
    _replace(environment / "share" / "way", outside)
    (folder / "ready.json").write_text(json.dumps(["lamp", "lamp-1.0.dist-info", ["share/way/precious.txt"], []]))


def _exchange(environment: Path, outside: Path) -> None:
    """Plant a note of exchanges to take back, with files outside: by their paths and through a link."""
    folder = environment / ".pepip.adopting"
    folder.mkdir()
    _replace(environment / "share" / "way", outside)
    up = os.path.relpath(outside, environment)
    inode = (outside / "precious.txt").stat().st_ino
    for number in range(4):
        (folder / str(number)).write_text("replaced\n")
    shown = (
        "share/way/precious.txt",
        f"{up}/precious.txt",
        f"{outside}/precious.txt",
        "share/../share/way/precious.txt",
    )
    note = [[path, number, inode, False] for number, path in enumerate(shown)]
    (folder / "swap.json").write_text(json.dumps(note))


def _exchange_of_folder(environment: Path, outside: Path) -> None:
    """Plant a note of an exchange of a folder, which is a link to the outside."""
    folder = environment / ".pepip.adopting"
    (folder / "0.left").mkdir(parents=True)
    (folder / "0.left" / "came.txt").write_text("came\n")
    (folder / "0").write_text("replaced\n")
    _replace(environment / "share" / "way", outside)
    (folder / "swap.json").write_text(json.dumps([["share/way", 0, 0, False]]))


def _exchange_of_link(environment: Path, outside: Path) -> None:
    """Plant a note of an exchange of a folder, the rest of which is a link to the outside."""
    folder = environment / ".pepip.adopting"
    folder.mkdir()
    (folder / "0").write_text("replaced\n")
    (folder / "0.left").symlink_to(outside)
    (environment / "share" / "way").mkdir(parents=True)
    (folder / "swap.json").write_text(json.dumps([["share/way", 0, 0, False]]))


PLANTED: dict[str, Callable[[Path, Path], None]] = {
    "lib is a link": _moved("lib"),
    "the folder of Python is a link": _moved("lib/python*"),
    "site-packages is a link": _moved("lib/python*/site-packages"),
    "the folder of scripts is a link": _moved("bin"),
    "site-packages leads to a folder of the user's": _link("lib/python*/site-packages", "site-packages"),
    "the lock is a link": _link(".lock", "precious.txt"),
    "the lock is a link to nothing": _link(".lock", "new"),
    "pyvenv.cfg is a link": _link("pyvenv.cfg", "precious.txt"),
    "the number is a link": _link(".pepip-id", "precious.txt"),
    "the number is a link to nothing": _link(".pepip-id", "new"),
    "the journal's folder is a link": _link(".pepip", "."),
    "the journal's folder is a link to nothing": _link(".pepip", "new"),
    "the journal is a link": _link(".pepip/journal.json", "journal.json"),
    "a run's lock is a link to nothing": _link(".pepip/installing", "new"),
    "what was set aside is a link": _link(".pepip/aside", "."),
    "the copies' folder is a link": _link(".pepip.copies", "."),
    "the copies' note is a link": _link(".pepip.copies/ready.json", "journal.json"),
    "the data's folder is a link": _link("share", "."),
    "a package is a link": _link("lib/python*/site-packages/lamp", "."),
    "a package of uv's is a link": _link("lib/python*/site-packages/wick", "."),
    "a package to come is a link": _link("lib/python*/site-packages/spare", "."),
    "metadata is a link": _link("lib/python*/site-packages/lamp-1.0.dist-info", "lamp-1.0.dist-info"),
    "metadata of uv's is a link": _link("lib/python*/site-packages/wick-1.0.dist-info", "wick-1.0.dist-info"),
    "RECORD is a link": _link("lib/python*/site-packages/lamp-1.0.dist-info/RECORD", "RECORD"),
    "RECORD of uv's is a link": _link("lib/python*/site-packages/wick-1.0.dist-info/RECORD", "RECORD"),
    "a new RECORD is a link": _link("lib/python*/site-packages/lamp-1.0.dist-info/RECORD.new", "RECORD"),
    "a script is a link": _link("bin/lamp", "precious.txt"),
    "a script to activate is a link": _link("bin/activate", "precious.txt"),
    ".gitignore is a link": _link(".gitignore", "precious.txt"),
    "rows with absolute paths": _rows("{outside}/precious.txt", "{outside}/lamp"),
    "rows that lead out": _rows("{up}/precious.txt", "{up}/lamp", "lamp/../{up}/spare"),
    "a journal": _journal,
    "a journal that leads out": _journal_that_leads_out,
    "what was set aside, below a link": _what_was_set_aside,
    "copies, below a link": _copies,
    "the exchange's folder is a link": _link(".pepip.adopting", "."),
    "the exchange's note is a link": _link(".pepip.adopting/swap.json", "journal.json"),
    "an exchange that leads out": _exchange,
    "an exchange of a folder that leads out": _exchange_of_folder,
    "an exchange of a link that leads out": _exchange_of_link,
    "the note of link modes is a link": _link(".pepip-linked.json", "precious.txt"),
}


@pytest.mark.every(16)
@pytest.mark.parametrize("planted", PLANTED)
def test_no_command_leaves_the_environment(world: World, outside: Path, planted: str) -> None:
    """After each of the commands, the folder outside has the same files as before."""
    PLANTED[planted](world.environment, outside)
    before = snapshot(outside)

    for command in CHANGES:
        output = world.run(*command, seconds=60)

        assert changes(before, snapshot(outside)) == [], f"{command}: {output.stdout}{output.stderr}"
        assert "Traceback (most" not in output.stderr, output.stderr


@pytest.mark.parametrize("command", LOOKS, ids=" ".join)
def test_to_look_starts_no_program_of_an_environment(world: World, outside: Path, command: tuple[str, ...]) -> None:
    """A command that only looks starts no program, even if facts about the interpreter are not cached."""
    shutil.rmtree(world.machine.store / "cache")
    _journal(world.environment, outside)
    for name in ("python", "python3"):
        program = world.environment / "bin" / name
        program.unlink(missing_ok=True)
        program.write_text(f"#!/bin/sh\necho started >> {outside}/started\n")
        program.chmod(0o755)

    world.run(*command, seconds=60)

    assert not (outside / "started").exists()


@pytest.mark.parametrize(
    "words", [("sync",), ("sync", "--dry-run"), ("install", "spare", "--no-index")], ids=" ".join
)
def test_a_marker_of_an_unfinished_environment_removes_nothing_behind_a_link(
    user: Machine, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """A checkout has `.venv` as a link to a folder of the user, and the marker of a killed run."""
    mine = user.make_folder(tmp_path / "mine")
    precious = user.make_folder(mine / "deep") / "precious.txt"
    precious.write_text("mine")
    user.give(precious)
    checkout = user.make_folder(tmp_path / "checkout")
    (checkout / "pyproject.toml").write_text('[project]\nname = "a"\nversion = "0"\nrequires-python = ">=3.8"\n')
    (checkout / ".venv").symlink_to(mine / "deep")
    user.give(checkout / "pyproject.toml")
    (checkout / "..venv.pepip-making").touch()
    user.give(checkout / "..venv.pepip-making")
    mine.chmod(0o555)  # so that the folder behind the link can only be emptied, not moved
    before = snapshot(mine)

    user.pepip(*words, folder=checkout, check=False)

    assert changes(before, snapshot(mine)) == []
