"""Each action of `pepip ui` and the command that it shows have the same effect on equal stores."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from pepip.tui.job import DONE
from pepip.tui.matrix import Matrix
from tests.support.machines import site_packages_of
from tests.support.screens import Person, use
from tests.support.wheels import Wheel
from tests.support.workbench import SettledWorkbench, Workbench

WHEELS = [
    Wheel("drum", "1.0", files={"drum/__init__.py": "VERSION = '1.0'\n"}),
    Wheel("drum", "2.0", files={"drum/__init__.py": "VERSION = '2.0'\n"}, dependencies=["skin"]),
    Wheel("skin", "1.0", files={"skin/__init__.py": "x = 1\n" * 3000}),
    Wheel("horn", "1.0", files={"horn/__init__.py": ""}),
    Wheel("horn", "2.0", files={"horn/__init__.py": "", "horn/other.py": ""}),
    Wheel(
        "blow",
        "1.0",
        files={"blow/__init__.py": "def main(): ..."},
        dependencies=["horn"],
        entry_points={"console_scripts": {"blow": "blow:main"}},
    ),
]


@dataclass(frozen=True)
class Studio(SettledWorkbench):
    """The workbench of the app's user, whose state can be compared."""

    @property
    def tools(self) -> Path:
        """Return the folder of the user's tools."""
        return self.machine.home / ".local" / "share" / "uv" / "tools"

    def state(self) -> dict[str, object]:
        """Return the contents of the store and of each environment, and the registered environments."""
        environments = {}
        for environment in sorted(self.folder.glob("*/.venv")):
            packages = sorted(site_packages_of(environment).glob("*.dist-info"))
            environments[str(environment)] = [
                (folder.name, (folder.parent / folder.name.partition("-")[0]).is_symlink()) for folder in packages
            ]
        documents = [json.loads(path.read_text()) for path in self.store.glob("projects/*.json")]
        modules = {str(path.relative_to(self.store)) for path in self.store.glob("packages/*/*/*/__init__.py")}
        return {
            "entries": sorted(str(path.relative_to(self.store)) for path in self.store.glob("packages/*/*")),
            "modules": sorted(modules),
            "environments": environments,
            "registered": sorted(document["environment"] for document in documents),
            "trash": sorted(str(Path(*path.parts[-2:])) for path in self.store.glob("trash/*.kept-*/*/*")),
            "tools": sorted(path.name for path in self.tools.glob("*")),
            "pyprojects": {str(path): path.read_text() for path in self.folder.glob("*/pyproject.toml")},
        }


@pytest.fixture
def studio(app_bench: Workbench) -> Studio:
    """Return the user of the app."""
    return Studio.like(app_bench)


Script = Callable[[Person], Awaitable[None]]


class Flow(NamedTuple):
    """An action: the state before it, and the keys up to the question of the dialog. The last answer is `answer`.

    It ends with a number of `jobs`.
    """

    prepare: Callable[[Studio], None]
    script: Script
    answer: str = "go"
    pane: str = "store"
    jobs: int = 1


def orphans(studio: Studio) -> None:
    """Have three orphans: two versions of one package, and another package."""
    studio.at("one").install("skin")
    studio.pepip("store", "add", "drum==1.0", "horn==1.0")
    studio.pepip("store", "add", "horn==2.0")


def linked(studio: Studio) -> None:
    """Have two projects."""
    studio.at("one").install("drum==1.0", "horn==1.0")
    studio.at("two").install("horn==1.0")


def damaged(studio: Studio) -> None:
    """Have two damaged entries, and two projects that link them."""
    linked(studio)
    for module in studio.store.glob("packages/*/*/*/__init__.py"):
        module.chmod(0o644)
        module.unlink()


def locked(studio: Studio) -> None:
    """Have a project with a lock, which lacks a package."""
    project = studio.machine.make_folder(studio.folder / "app")
    text = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["drum<2"]\n'
    (project / "pyproject.toml").write_text(text)
    studio.at("app").pepip("sync")


def outdated(studio: Studio) -> None:
    """Have a project whose requirement allows a newer version than its lock has."""
    locked(studio)
    pyproject = studio.folder / "app" / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace("drum<2", "drum"))


def foreign(studio: Studio) -> None:
    """Have two environments that uv made."""
    for name in ("one", "two"):
        project = studio.at(name)
        studio.machine.make_folder(project.project)
        project.uv("venv", ".venv")
        project.uv("pip", "install", "--python", ".venv", "--link-mode", "copy", "horn")


async def remove_filtered(person: Person) -> None:
    """Filter for one of several orphans, and remove it."""
    await person.write("#filter", "horn 1.0")
    await person.press("d")
    await person.sees("1 entry")


async def untick(person: Person) -> None:
    """Untick one of several orphans."""
    await person.press("P")
    table = person.table("#orphans")
    await person.until(lambda: len(table.marks) == 3, "the preview")
    table.put_cursor(next(key for key in table.keys if "horn-2.0" in key))
    await person.press("space")
    await person.sees("2 entries of 3")


async def prune(person: Person) -> None:
    """Prune all orphans."""
    await person.press("P")
    await person.until(lambda: len(person.table("#orphans").marks) == 3, "the preview")


def resting(studio: Studio) -> None:
    """Have two orphans, and an idle project with a requirements file."""
    studio.pepip("store", "add", "drum==1.0", "horn==1.0")
    studio.at("one").install("skin")
    (studio.folder / "one" / "requirements.txt").write_text("skin")
    for path in (studio.folder / "one" / ".venv" / "pyvenv.cfg", site_packages_of(studio.folder / "one" / ".venv")):
        os.utime(path, (1_700_000_000, 1_700_000_000))


def pruned(studio: Studio) -> None:
    """Have the entries of a prune in the trash."""
    orphans(studio)
    studio.pepip("prune", "--yes", "--trash", "horn")


async def reclaim_all(person: Person) -> None:
    """Remove all unused entries and the idle project, at once."""
    await person.press("F")
    await person.sees("2 entries to remove")
    await person.press("t", "down", "space")
    await person.sees("3 entries and 1 environment to remove", "free at once")


async def reclaim_project(person: Person) -> None:
    """By the mouse, move only the idle project and its entries into the trash, and its packages out of uv's cache."""
    await person.press("F")
    await person.sees("2 entries to remove")
    table = person.table("#bundles")
    await person.click("#bundles", (0, 1 + table.keys.index("unused")))
    idle = next(number for number, key in enumerate(table.keys) if key.startswith("idle:"))
    await person.click("#bundles", (0, 1 + idle))
    await person.click("#switches", (3, 0))
    await person.sees("1 entry and 1 environment to remove", "[x] also uv's cache")


async def reclaim_target(person: Person) -> None:
    """Type a size for which the unused entries are enough."""
    await person.press("F")
    await person.sees("2 entries to remove")
    await person.press("slash", *"1 kB", "enter")
    await person.sees("2 entries to remove:", "free at once")


async def take_back(person: Person) -> None:
    """Undo the last prune."""
    await person.press("z")
    await person.sees("horn-2.0")


async def install(person: Person) -> None:
    """Install into a new project."""
    await person.press("I")
    await person.write("#place", f"{os.environ['CODE']}/three")
    await person.write("#line", "drum 'horn<2'")
    await person.press("enter")


async def repair(person: Person) -> None:
    """Repair one of two damaged entries."""
    await person.write("#filter", "horn")
    await person.press("R")


def in_project(*keys: str, package: str = "") -> Script:
    """Return the script that presses keys on a project, or on one of its packages."""

    async def script(person: Person) -> None:
        if package:
            await person.press("enter")
            person.table("#packages").put_cursor(package)
        await person.press(*keys)

    return script


def side_by_side(studio: Studio) -> None:
    """Have three projects, two of them with older versions, and one of these with a lock."""
    studio.at("one").install("drum==1.0", "horn==1.0")
    studio.at("two").install("drum", "horn")
    outdated(studio)


async def mark(person: Person) -> None:
    """Mark one package in two projects, and another one in one of them, and upgrade them."""
    matrix = person.app.screen.query_one(Matrix)
    code = os.environ["CODE"]
    await person.until(lambda: len(matrix.grid.rows) == 2, "the matrix")
    for place in (("drum", f"{code}/one/.venv"), ("drum", f"{code}/app/.venv"), ("horn", f"{code}/one/.venv")):
        matrix.put_cursor(place)
        await person.press("space")
    await person.press("U")


def tool(studio: Studio) -> None:
    """Have a tool."""
    studio.at("one").install("horn")
    studio.pepip("tool", "install", "blow")


async def remove_tool(person: Person) -> None:
    """Remove the tool."""
    table = person.table("#environments")
    table.put_cursor(next(key for key in table.keys if key.endswith("/blow")))
    await person.press("d")


def twins(studio: Studio) -> None:
    """Have an orphan, and two projects that link the same entry: neither links one alone."""
    studio.pepip("store", "add", "drum==1.0")
    studio.at("one").install("skin")
    studio.at("two").install("skin")


def remove_environment(name: str) -> Script:
    """Return the script that removes the environment of a project."""

    async def script(person: Person) -> None:
        person.table("#environments").put_cursor(f"{os.environ['CODE']}/{name}/.venv")
        await person.press("d")

    return script


def locked_twice(studio: Studio) -> None:
    """Have two projects with locks that lack a package, and one without a lock."""
    locked(studio)
    project = studio.machine.make_folder(studio.folder / "two")
    (project / "pyproject.toml").write_text((studio.folder / "app" / "pyproject.toml").read_text())
    studio.at("two").pepip("sync")
    studio.at("one").install("horn==1.0")
    for name in ("app", "two"):
        pyproject = studio.folder / name / "pyproject.toml"
        pyproject.write_text(pyproject.read_text().replace("drum<2", "drum<2', 'horn<2").replace("'", '"'))


def on_all(*keys: str) -> Script:
    """Return the script that marks all projects and presses keys."""

    async def script(person: Person) -> None:
        await person.press("a", *keys)

    return script


async def install_into_all(person: Person) -> None:
    """Mark all projects, and install into them."""
    await person.press("a", "i")
    await person.write("#line", "skin 'horn<2'")
    await person.press("enter")
    await person.sees("skin 1.0")


async def add(person: Person) -> None:
    """Add a package to a project with a lock."""
    await person.press("i")
    await person.write("#line", "horn")
    await person.press("enter")
    await person.answers("instead")


async def adopt(person: Person) -> None:
    """Adopt one of two environments of uv."""
    table = person.table("#unshared-first #unshared-list")
    await person.until(lambda: len(table.keys) == 2, "two environments")
    await person.press("space", "A")


FLOWS = {
    "remove one orphan": Flow(orphans, remove_filtered),
    "prune all but one": Flow(orphans, untick),
    "prune": Flow(orphans, prune),
    "undo": Flow(pruned, take_back),
    "reclaim all": Flow(resting, reclaim_all),
    "reclaim a project": Flow(resting, reclaim_project),
    "reclaim a size": Flow(resting, reclaim_target),
    "install": Flow(linked, install),
    "repair": Flow(damaged, repair),
    "uninstall": Flow(linked, in_project("u", package="horn"), pane="projects"),
    "upgrade": Flow(linked, in_project("U", package="drum"), pane="projects"),
    "detach": Flow(linked, in_project("D", package="horn"), pane="projects"),
    "forget": Flow(linked, in_project("f"), pane="projects"),
    "eject": Flow(linked, in_project("E"), pane="projects"),
    "sync": Flow(outdated, in_project("U"), pane="projects"),
    "add": Flow(locked, add, pane="projects"),
    "upgrade in two projects": Flow(side_by_side, mark, pane="versions", jobs=2),
    "remove a tool": Flow(tool, remove_tool, pane="projects"),
    "remove an environment": Flow(resting, remove_environment("one"), pane="projects"),
    "remove an environment alone": Flow(twins, remove_environment("two"), pane="projects"),
    "adopt": Flow(foreign, adopt),
    "sync marked projects": Flow(locked_twice, on_all("S"), pane="projects", jobs=2),
    "upgrade marked projects": Flow(side_by_side, on_all("U"), pane="projects", jobs=2),
    "install into marked projects": Flow(linked, install_into_all, pane="projects", jobs=2),
    "eject marked projects": Flow(linked, on_all("E"), pane="projects", jobs=2),
    "forget marked projects": Flow(linked, on_all("f"), pane="projects", jobs=2),
    "remove marked environments": Flow(twins, on_all("d"), pane="projects"),
    "remove a tool and a project": Flow(tool, on_all("d"), pane="projects", jobs=2),
}


@pytest.mark.every(4)
@pytest.mark.parametrize("name", FLOWS)
def test_the_shown_command_does_the_same(name: str, studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the action and after its command, the store, the environments and the registry are equal."""
    flow = FLOWS[name]
    monkeypatch.setenv("CODE", str(studio.folder))
    commands: list[str] = []

    async def script(person: Person) -> None:
        await flow.script(person)
        await person.until(lambda: person.dialog and person.dialog.command, "the command")
        assert person.dialog is not None
        commands.append(person.dialog.command)
        await person.answers(flow.answer)
        job = await person.has_done(flow.jobs)
        assert job.state == DONE, job.log
        assert flow.jobs > 1 or job.command == commands[0]

    flow.prepare(studio)
    before = studio.state()
    use(studio.store, script, pane=flow.pane, folder=studio.folder)
    after = studio.state()
    assert after != before
    for folder in (studio.store, studio.folder, studio.tools):
        shutil.rmtree(folder, ignore_errors=True)
    studio.machine.make_folder(studio.folder)
    flow.prepare(studio)
    assert studio.state() == before

    for command in commands[0].split("; "):
        program, *words = shlex.split(command)
        assert program == "pepip"
        studio.pepip(*words)

    assert studio.state() == after
