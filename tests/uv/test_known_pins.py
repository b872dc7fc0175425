"""uv is not asked again for the file of a version that it named before, as long as it would name the same file."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from eval.bench.index import Index, read_wheel, served
from pepip.model import Artifact
from pepip.uv import known_pins
from tests.support.machines import site_packages_of
from tests.support.projects import project_table
from tests.support.told import commands_of_uv
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

PIN, LOOK_UP = "pip install", "pip compile"


@dataclass(frozen=True, kw_only=True)
class Shop(Workbench):
    """A user with an index of their own on the loopback device, and projects that share a store."""

    index: Index

    def publish(self, *wheels: Wheel) -> None:
        """Put wheels on the index."""
        for wheel in wheels:
            path = wheel.write(self.wheelhouse)
            self.index.wheels[path.name] = read_wheel(path)

    def settled(self, name: str) -> Path:
        """Return the folder of a project with an environment that holds a first distribution."""
        folder = self.folder / name
        if not folder.exists():
            folder.mkdir()
            self.run(folder, "install", "--python", self.interpreter, "sticks")
        return folder

    def run(self, folder: Path, *words: str | Path) -> list[str]:
        """Run pepip in a folder, and return the commands of uv that it started."""
        return commands_of_uv(self.machine, *words, folder=folder, variables=self.variables)

    def refresh(self) -> None:
        """Let uv ask the index again for the page of the drum."""
        (self.folder / "in.txt").write_text("drum\n")
        command = ("pip", "compile", "--refresh-package", "drum", "in.txt")
        self.uv(*command)


@pytest.fixture
def shop(workbench: Workbench) -> Iterator[Shop]:
    """Return a shop whose index has a drum, and sticks."""
    machine = replace(workbench.machine, uv_cache=workbench.folder / "uv-cache")
    with served([]) as index:
        settings = {"UV_DEFAULT_INDEX": index.url}
        found = Shop.like(workbench, machine=machine, name=".", variables=settings, index=index)
        found.publish(
            Wheel("sticks", "1.0", files={"sticks.py": ""}), Wheel("drum", "1.0", files={"drum.py": "A = 1"})
        )
        yield found


def test_a_version_that_another_project_has_is_added_with_one_call_of_uv(shop: Shop) -> None:
    """Once uv has planned the change, it names no file again."""
    asked = [shop.run(shop.settled(name), "install", "drum") for name in ("first", "second", "third")]

    assert asked == [[PIN, LOOK_UP, LOOK_UP, PIN], [PIN], [PIN]]  # the first stages it, too
    assert (site_packages_of(shop.folder / "third" / ".venv") / "drum.py").read_text() == "A = 1"


def test_a_page_that_the_index_confirms_is_the_same(shop: Shop) -> None:
    """The index says "not modified", and uv notes that in the page."""
    shop.run(shop.settled("first"), "install", "drum")
    page = next(shop.machine.uv_cache.rglob("drum.rkyv"))
    before = page.read_bytes()

    shop.refresh()

    assert page.read_bytes() != before
    assert shop.run(shop.settled("second"), "install", "drum") == [PIN]


def test_a_page_that_the_index_sends_again_is_the_same(shop: Shop) -> None:
    """The index says nothing of caching, so uv gets the whole page each time, with a new id."""
    shop.index.has_validators = False
    shop.run(shop.settled("first"), "install", "drum")
    page = next(shop.machine.uv_cache.rglob("drum.rkyv"))
    before = page.read_bytes()

    asked = shop.run(shop.settled("second"), "install", "drum")

    assert asked == [PIN]
    assert page.read_bytes() != before


def _better_wheel(shop: Shop) -> None:
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    shop.publish(Wheel("drum", "1.0", tag=f"py3-none-{platform}", files={"drum.py": "A = 2"}))
    shop.refresh()


def _setting(shop: Shop) -> None:
    (shop.folder / "uv.toml").write_text("pip.no-binary = ['cymbal']\n")


CHANGES: dict[str, Callable[[Shop], None]] = {
    "a wheel that fits better": _better_wheel,
    "a setting": _setting,
}


@pytest.mark.parametrize("change", CHANGES)
def test_uv_names_the_file_again_after(shop: Shop, change: str) -> None:
    """What it named before may be another file by now."""
    shop.run(shop.settled("first"), "install", "drum")
    second = shop.settled("second")
    CHANGES[change](shop)

    asked = shop.run(second, "install", "drum")

    assert asked[:2] == [PIN, LOOK_UP]
    text = (site_packages_of(second / ".venv") / "drum.py").read_text()
    assert text == ("A = 1" if change == "a setting" else "A = 2")


def test_a_request_that_is_not_plain_is_asked_in_full(shop: Shop) -> None:
    """A constraint of a file that uv reads anew each time, and a folder of wheels, may change the answer unseen."""
    first, second = shop.settled("first"), shop.settled("second")
    words = ("install", "--find-links", shop.wheelhouse, "drum")

    asked = [shop.run(folder, *words) for folder in (first, second)]

    assert [LOOK_UP in commands for commands in asked] == [True, True]


def test_only_wheels_of_indexes_are_kept() -> None:
    """A build, a folder and a file on this machine are looked up each time."""
    wheel = Artifact("drum", "1", "sha256:0", {"name": "drum", "wheels": []}, "drum-1-py3-none-any.whl", 0, None, "")
    others = [
        wheel._replace(wheel=""),
        wheel._replace(identity=""),
        wheel._replace(local_path="/drum-1-py3-none-any.whl"),
        wheel._replace(direct_url={"url": "https://host/drum"}),
    ]

    assert known_pins.is_lasting(wheel)
    assert not any(map(known_pins.is_lasting, others))


def _lock(shop: Shop, name: str, *dependencies: str) -> Path:
    """Write a project that has these dependencies and a lock of them, and return its folder."""
    folder = shop.folder / name
    folder.mkdir(exist_ok=True)
    (folder / "pyproject.toml").write_text(project_table(", ".join(f'"{name}"' for name in dependencies)))
    shop.machine.uv("lock", "--python", shop.interpreter, folder=folder, variables=shop.variables)
    return folder


def test_a_lock_that_changed_by_a_known_version_is_synced_with_one_call_of_uv(shop: Shop) -> None:
    """In another project, too: the lock says the same about it there."""
    asked = []
    for name in ("first", "second"):
        shop.run(_lock(shop, name, "sticks"), "sync", "--python", shop.interpreter)
        folder = _lock(shop, name, "sticks", "drum")
        asked.append(shop.run(folder, "sync", "--python", shop.interpreter))
        assert (site_packages_of(folder / ".venv") / "drum.py").exists()

    assert "export" in asked[0]
    assert asked[1] == ["sync"]


def test_the_lock_is_exported_again_when_it_says_more_about_a_version(shop: Shop) -> None:
    """A wheel that fits better came meanwhile."""
    first = _lock(shop, "first", "drum")
    shop.run(first, "sync", "--python", shop.interpreter)
    _better_wheel(shop)
    second = _lock(shop, "second", "drum")

    asked = shop.run(second, "sync", "--python", shop.interpreter)

    assert "export" in asked
    assert (site_packages_of(second / ".venv") / "drum.py").read_text() == "A = 2"


def test_adding_a_known_version_to_a_project_calls_uv_twice(shop: Shop) -> None:
    """Once to change the project and its lock, once to plan the sync."""
    shop.run(_lock(shop, "first", "drum", "sticks"), "sync", "--python", shop.interpreter)
    second = _lock(shop, "second", "sticks")
    shop.run(second, "sync", "--python", shop.interpreter)

    assert shop.run(second, "add", "--python", shop.interpreter, "drum==1.0") == ["add", "sync"]
    assert (site_packages_of(second / ".venv") / "drum.py").exists()


def test_uninstalling_calls_uv_once(shop: Shop) -> None:
    """The preview, which a terminal shows, is what is done."""
    folder = shop.settled("first")

    assert shop.run(folder, "uninstall", "--yes", "sticks") == ["pip uninstall"]
    assert not (site_packages_of(folder / ".venv") / "sticks.py").exists()
