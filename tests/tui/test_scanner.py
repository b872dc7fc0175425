"""The app reads the store again when something has changed, and not all the time while a change is under way."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from pepip import paths
from pepip.host import locks
from pepip.tui import catalog as catalogs
from tests.support.machines import site_packages_of
from tests.support.screens import Person, use
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

WHEELS = [Wheel("drum", "1.0", files={"drum/__init__.py": ""})]


def test_a_change_that_is_under_way_is_looked_at_and_not_read(
    app_bench: Workbench, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run holds the lock of an environment for long. The app only asks for the lock, and reads at the end."""
    environment = app_bench.folder / "one" / ".venv"
    app_bench.at("one").install("drum")
    link = next(path for path in site_packages_of(environment).iterdir() if path.is_symlink())
    target = link.readlink()
    link.unlink()
    link.symlink_to(str(target).replace("drum-1.0", "drum-9.0"))
    stamps: list[object] = []
    real = catalogs.stamp
    monkeypatch.setattr(catalogs, "stamp", lambda store: (stamps.append(store), real(store))[1])

    async def script(person: Person) -> None:
        scanner = person.app._scanner
        with locks.held(paths.environment_lock(str(environment))):
            person.app.read_again()
            await person.has_looked()
            await person.sees("changing")
            readings = scanner._readings
            for _ in range(3):
                scanner._rests_until = 0.0
                seen = len(stamps)
                person.app._check()
                await person.until(lambda seen=seen: len(stamps) > seen and not scanner._is_checking, "a check")  # type: ignore[misc]
            assert scanner._readings == readings
        link.unlink()
        link.symlink_to(target)
        scanner._rests_until = 0.0
        await person.until(lambda: "changing" not in person.screen, "the end of the change")

    use(store, script, pane="projects")


def test_an_entry_that_replaces_a_damaged_one_has_none_of_its_flaws(app_bench: Workbench, store: Path) -> None:
    """The flaws of a verification belong to the entry that was verified."""
    app_bench.at("one").install("drum")
    shutil.rmtree(app_bench.folder / "one" / ".venv")

    async def script(person: Person) -> None:
        session = person.app.session
        assert session.catalog is not None
        (stored,) = session.catalog.stored.values()
        file = Path(stored.path) / "drum" / "__init__.py"
        file.parent.chmod(0o755)
        file.unlink()
        file.write_text("damaged = True\n")
        await person.press("v")
        await person.has_done()
        assert session.damaged == {stored.id}
        await person.press("d")
        await person.answers("go")
        await person.has_done(2)
        await asyncio.get_running_loop().run_in_executor(None, app_bench.at("one").install, "drum")
        await person.press("r")
        await person.has_looked()
        await person.until(lambda: "used 1" in person.screen, "the new entry")
        assert not session.damaged
        assert "damaged" not in person.screen

    use(store, script)
