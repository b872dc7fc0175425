"""A folder in which every changing command of pepip has work to do, and the result of that work without faults.

The folder holds a store, environments and projects that share entries, and entries to prune or repair. It is saved
once, and restored as often as a test needs.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.faults import KILL, Fault, calls_seen, disturbed
from tests.support.filesystems import overlaid
from tests.support.machines import Machine, Output
from tests.support.parity import Level, Observation, differences, observe
from tests.support.shelf import with_script
from tests.support.snapshots import Node, Snapshot, sha256_of, snapshot
from tests.support.stores import leftovers_of, problems_of
from tests.support.wheels import Wheel


def drum(version: str) -> Wheel:
    """Return a distribution with a package, data, a `.data` script and an entry point."""
    names = ("skins/__init__.py", "templates/kit/new.py.txt", f"only_in_{version[0]}.py")
    data = {"data/share/drum/manual.txt": version, "scripts/drum-roll": "#!python\nprint(1)\n"}
    return with_script("drum", version, {f"drum/{name}": "" for name in names}, data=data)


WHEELS = (
    drum("1.0"),
    drum("2.0"),
    Wheel("drum-sticks", "1.0", files={"drum/sticks.py": "", "drum/skins/light.py": ""}),
    Wheel("horn", "1.0", files={"horn/__init__.py": "V = 1\n", "horn/sound.bin": bytes(2000)}),
    Wheel("foreign", "1.0", files={"foreign/__init__.py": "", "foreign/old.py": ""}),
    Wheel("foreign", "2.0", files={"foreign/__init__.py": ""}),
    Wheel("wind-one", "1.0", files={"wind/one/__init__.py": ""}),
    Wheel("wind-two", "1.0", files={"wind/two/__init__.py": ""}),
    Wheel("orphan", "1.0", files={"orphan/__init__.py": ""}),
    Wheel("spoiled", "1.0", files={"spoiled/__init__.py": "", "spoiled/part.py": "PART = 1\n"}),
    Wheel("late", "1.0", files={"late/__init__.py": ""}),
)

PYPROJECT = """\
[project]
name = "gallery"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["drum==1.0", "wind-one"]

[dependency-groups]
more = ["drum-sticks", "wind-two"]

[tool.uv]
package = false
no-index = true
find-links = ["../../wheelhouse"]
"""


@dataclass(frozen=True)
class Course:
    """One command that changes something, its project, and the preparation that it needs."""

    name: str
    words: tuple[str, ...]
    project: str = "app"
    takes_wheels: bool = False
    """Whether the command needs options that name the wheelhouse."""
    takes_python: bool = False
    """Whether the command needs an option that names the interpreter."""
    prepare: Callable[[Place], None] | None = None
    changed_entries: tuple[str, ...] = ()
    """Names of entries that are damaged until the command has run."""
    again: tuple[str, ...] = ()
    """Other words that complete the command after a fault, if it can't be repeated, such as `remove`."""
    is_stepwise: bool = False
    """Whether each distribution changes by itself, so that some may be old and others new after a fault."""


def _spoil(place: Place) -> None:
    for path in place.store.glob("packages/*/spoiled-1.0/spoiled/part.py"):
        mode = path.stat().st_mode
        path.unlink()
        path.write_text("PART = 2\n")
        path.chmod(mode)


def _detach(place: Place) -> None:
    place.machine.pepip("detach", "drum", folder=place.folder / "app")


def _forget(place: Place) -> None:
    place.machine.pepip("projects", "forget", place.folder / "app", folder=place.folder)


COURSES = (
    Course("first install", ("install", "drum==1.0", "wind-one"), "fresh", takes_wheels=True, takes_python=True),
    Course("install", ("install", "late", "wind-two"), takes_wheels=True),
    Course("upgrade", ("install", "drum==2.0"), takes_wheels=True),
    Course("unfold", ("install", "drum-sticks"), takes_wheels=True),
    Course("replace what uv installed", ("install", "foreign==2.0"), takes_wheels=True),
    Course("reinstall", ("install", "--reinstall", "drum==1.0", "horn"), takes_wheels=True),
    Course("uninstall", ("uninstall", "-y", "drum", "wind-one", "foreign")),
    Course("pip sync", ("pip", "sync", "../requirements.txt"), takes_wheels=True),
    Course("first sync", ("sync",), "new-gallery", takes_python=True),
    Course("sync", ("sync", "--group", "more"), "gallery"),
    Course("add", ("add", "horn"), "gallery"),
    Course("remove", ("remove", "wind-one"), "gallery", again=("sync",)),
    Course("run", ("run", "--group", "more", "python", "-c", "pass"), "gallery"),
    Course("prune", ("prune", "--yes")),
    Course("verify", ("store", "verify")),
    Course("repair", ("store", "repair"), takes_wheels=True, prepare=_spoil, changed_entries=("spoiled-1.0",)),
    Course("store add", ("store", "add", "late"), takes_wheels=True, takes_python=True),
    Course("store remove", ("store", "remove", "--force", "orphan==1.0")),
    Course("detach", ("detach", "drum")),
    Course("attach", ("attach", "drum"), prepare=_detach),
    Course("scan", ("projects", "scan", ".."), prepare=_forget),
    Course("forget", ("projects", "forget", "../other")),
    Course("adopt", ("adopt", "--yes", "."), "found", is_stepwise=True),
    Course("eject", ("eject",), is_stepwise=True),
)


class Place:
    """The folder in which courses run, in its present state."""

    def __init__(self, machine: Machine, folder: Path, wheelhouse: Path, interpreter: Path) -> None:
        self.machine = machine
        self.folder = folder
        self.store = machine.store
        self._wheels = ("--no-index", "--find-links", wheelhouse)
        self._python = ("--python", interpreter)
        self.saved = folder.with_name(f"{folder.name}-saved")
        self._undisturbed: dict[tuple[str, str], Undisturbed] = {}

    def build(self) -> None:
        """Make the contents of the folder, and save a copy."""
        for name in ("app", "fresh", "other", "spoiled", "past"):
            self.machine.make_folder(self.folder / name)
        for name in ("gallery", "new-gallery"):
            self.machine.make_folder(self.folder / name)
            self._write(self.folder / name / "pyproject.toml", PYPROJECT)
        self._write(self.folder / "requirements.txt", "drum==2.0\nwind-two\nforeign==1.0\n")
        self._install("app", "drum==1.0", "horn", "wind-one")
        self.machine.uv("pip", "install", "foreign==1.0", *self._wheels, folder=self.folder / "app")
        self._install("other", "drum==1.0", "horn", "wind-one", "wind-two")
        self._install("spoiled", "spoiled", "horn")
        self._install("past", "orphan", "horn")
        shutil.rmtree(self.folder / "past")
        self._make_for_adoption()
        self.machine.pepip("sync", *self._python, folder=self.folder / "gallery")
        subprocess.run(["cp", "-a", self.folder, self.saved], check=True)
        self._other = self._observe_other()

    def bring_back(self, course: Course) -> None:
        """Restore the folder as it was built, and prepare a course. Hard links are restored as hard links."""
        self.restore()
        if course.prepare:
            course.prepare(self)

    def restore(self) -> None:
        """Replace the folder by the saved copy."""
        if self.folder.exists():
            remove_all(self.folder)
        subprocess.run(["cp", "-a", self.saved, self.folder], check=True)

    def words(self, course: Course) -> tuple[str | Path, ...]:
        """Return the words of a course's command."""
        wheels = self._wheels if course.takes_wheels else ()
        return (*course.words, *wheels, *(self._python if course.takes_python else ()))

    def complete(self, course: Course) -> Output:
        """Run the command that completes a course after a fault."""
        return self.take(replace(course, words=course.again or course.words))

    def take(self, course: Course, fault: Fault = KILL, point: int = 0) -> Output:
        """Run a course's command in the present state of the folder, with a fault at call `point`; 0 for none."""
        return disturbed(
            self.machine, fault, point, self.words(course), folder=self.folder / course.project, within=self.folder
        )

    def state(self, course: Course) -> dict[str, Snapshot]:
        """Return snapshots of a course's environment, of its other project files, and of the store's entries."""
        project = snapshot(self.folder / course.project)
        return {
            "environment": {
                path: _as_read(self.folder / course.project / path, node)
                for path, node in project.items()
                if _counts(path)
            },
            "project": {path: node for path, node in project.items() if path.partition("/")[0] != ".venv"},
            "store": {path: node for path, node in snapshot(self.store / "packages").items() if path.count("/") == 1},
        }

    def undisturbed(self, course: Course, fault: Fault) -> Undisturbed:
        """Run a course without a fault. Return its states before and after, and the number of calls a fault can hit.

        Each result is computed once. The run changes the folder.
        """
        key = (course.name, ",".join(fault.calls))
        if key not in self._undisturbed:
            self.bring_back(course)
            before = self.state(course)
            output = self.take(course, Fault("nothing", 0, fault.calls))
            assert output.returncode == 0, output.stdout + output.stderr
            seen = Undisturbed(before, self.state(course), len(calls_seen(self.folder)))
            self.assert_others_whole(course)
            self._undisturbed[key] = seen
        return self._undisturbed[key]

    def assert_others_whole(self, course: Course) -> None:
        """Assert that the other project is unchanged, and that all entries but `changed_entries` are whole."""
        _assert_none("the other project", differences(self._other, self._observe_other()))
        faults = problems_of(self.store, sealed=False)
        _assert_none(
            "the store", [line for line in faults if not any(name in line for name in course.changed_entries)]
        )

    def assert_clean(self) -> None:
        """Assert by pepip and by the files that the store is whole, and that a prune leaves no temporary files."""
        self.machine.pepip("store", "verify", folder=self.folder)
        self.machine.pepip("prune", "--yes", folder=self.folder, variables={"TMPDIR": str(self.folder / "tmp")})
        ours = [name for name in os.listdir(self.folder / "tmp") if name.startswith("pepip-")]
        _assert_none("leftovers", [*leftovers_of(self.store), *ours])
        _assert_none("the store", problems_of(self.store))

    def _install(self, project: str, *requirements: str) -> None:
        words = ("install", *requirements, *self._wheels, *self._python)
        self.machine.pepip(*words, folder=self.folder / project)

    def _make_for_adoption(self) -> None:
        """Make an environment as uv makes it, with distributions that the store has and others that it lacks."""
        folder = self.machine.make_folder(self.folder / "found")
        self.machine.uv("venv", *self._python, folder=folder)
        words = ("pip", "install", "--link-mode", "copy", *self._wheels)
        self.machine.uv(*words, "drum==1.0", "wind-one", "late", "orphan", folder=folder)

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text)
        self.machine.give(path)

    def _observe_other(self) -> Observation:
        return observe(self.folder / "other" / ".venv", self.machine, level=Level.FILES)


class LayeredPlace(Place):
    """A place as in a container: the built folder is the image, and changes go into a layer above it."""

    def __init__(self, machine: Machine, folder: Path, wheelhouse: Path, interpreter: Path) -> None:
        super().__init__(machine, folder, wheelhouse, interpreter)
        self._layer = contextlib.ExitStack()

    def restore(self) -> None:
        """Mount the image with an empty layer."""
        self.close()
        self._layer.enter_context(overlaid(self.saved, self.folder))

    def close(self) -> None:
        """Remove the layer."""
        self._layer.close()


@dataclass(frozen=True)
class Undisturbed:
    """The result of a course without faults: the states before and after, and the number of calls a fault can hit."""

    before: Mapping[str, Snapshot]
    after: Mapping[str, Snapshot]
    points: int


_NOT_COMPARED = re.compile(r"(/|^)(\.lock|\.pepip-id|uv_cache\.json)$")


def _as_read(path: Path, node: Node) -> Node:
    """Return a node as a reader sees it, because the system decides which kind of link leads to a file.

    The system also decides whether environments share their own metadata files, so the mode of metadata is 0.
    """
    if node.kind == "link" and path.is_file():
        node = Node("file", path.stat().st_mode & 0o7777, path.stat().st_size, sha256_of(path), "")
    is_metadata = node.kind == "file" and path.parent.name.endswith(".dist-info")
    return replace(node, mode=0) if is_metadata else node


def _assert_none(title: str, lines: list[str]) -> None:
    if lines:
        raise AssertionError("\n".join([f"{title}:", *lines]))


def _counts(path: str) -> bool:
    parts = path.split("/")
    return parts[0] == ".venv" and "__pycache__" not in parts and not _NOT_COMPARED.search(path)


def remove_all(folder: Path) -> None:
    """Remove a folder that may contain read-only folders."""
    subprocess.run(["chmod", "-R", "u+w", folder], check=True)
    shutil.rmtree(folder)
