"""The app removes environments: with one undo for all, also on other disks, and no other than the chosen ones."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

import pytest

from pepip.errors import StoreError
from pepip.operations import prune
from pepip.store import trash
from pepip.tui.job import DONE, FAILED
from tests.support.filesystems import mounted
from tests.support.machines import site_packages_of
from tests.support.screens import Person, use
from tests.support.stores import entries_of
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

WHEELS = [
    Wheel("drum", "1.0", files={"drum/__init__.py": "V = 1\n" * 2000}),
    Wheel("horn", "1.0", files={"horn/__init__.py": ""}),
]


def test_one_undo_brings_back_all_projects_that_were_removed_together(app_bench: Workbench, store: Path) -> None:
    """One operation removes three projects with their entries. One removal is in the trash."""
    roots = [
        app_bench.at(name).install(*names) for name, names in (("a", ["drum"]), ("b", ["drum"]), ("c", ["horn"]))
    ]

    async def script(person: Person) -> None:
        await person.press("a", "d")
        await person.sees("3 environments would change", "z brings them back until then")
        assert person.dialog is not None
        command = shlex.split(person.dialog.command)
        assert command[:4] == ["pepip", "prune", "--yes", "--trash"]
        assert sorted(command[5:10:2]) == [str(root) for root in roots]
        await person.answers("go")
        job = await person.has_done()
        assert (job.state, len(person.app.session.queue.jobs)) == (DONE, 1), job.log
        assert not any(root.exists() for root in roots)
        assert len(trash.kept(person.app.session.store)) == 1
        await person.press("escape", "z")
        await person.sees("Undo the last prune", "drum-1.0", "horn-1.0")
        await person.answers("go")
        job = await person.has_done(2)
        assert job.state == DONE, job.log

    use(store, script, pane="projects", size=(150, 40))

    assert all(
        (site_packages_of(root) / name).exists() for root, name in zip(roots, ("drum", "drum", "horn"), strict=True)
    )
    assert entries_of(store) == ["drum-1.0", "horn-1.0"]
    assert app_bench.problems() == []


@pytest.mark.parametrize("is_alone", [True, False], ids=["alone", "with one beside the trash"])
def test_an_environment_on_another_disk_than_the_trash_goes_for_good(
    app_bench: Workbench, store: Path, *, is_alone: bool
) -> None:
    """The dialog says so. An environment on the disk of the trash still goes there, and an undo brings it back."""
    near = app_bench.at("near").install("drum")
    with mounted("tmpfs", app_bench.folder / "disk", mebibytes=64) as disk:
        far = app_bench.at("disk/far").install("horn")
        assert far.stat().st_dev == disk.stat().st_dev

        async def script(person: Person) -> None:
            person.table("#environments").put_cursor(str(far))
            await person.press(*(["d"] if is_alone else ["a", "d"]))
            await person.sees("1 environment is on another disk than the store, so z can't bring it back")
            assert person.dialog is not None
            command = f"pepip prune --yes --environment {far} horn==1.0"
            second = f"; pepip prune --yes --trash --environment {near} drum==1.0"
            assert person.dialog.command == command + ("" if is_alone else second)
            await person.answers("go")
            await person.has_done(1 if is_alone else 2)
            assert {job.state for job in person.app.session.queue.jobs} == {DONE}
            kept = [grave.environments for grave in trash.kept(person.app.session.store)]
            assert kept == ([] if is_alone else [(str(near),)])

        use(store, script, pane="projects", size=(150, 40))
        assert not far.exists()

    assert near.exists() is is_alone
    assert entries_of(store) == (["drum-1.0"] if is_alone else [])


def test_reclaim_removes_an_environment_on_another_disk_for_good(app_bench: Workbench, store: Path) -> None:
    """With such an environment, nothing of this removal goes into the trash. The shown command does the same."""
    app_bench.pepip("store", "add", "drum", *app_bench.source)
    with mounted("tmpfs", app_bench.folder / "disk", mebibytes=64):
        far = app_bench.at("disk/far").install("horn")
        for path in (far / "pyvenv.cfg", site_packages_of(far)):
            os.utime(path, (1_700_000_000, 1_700_000_000))

        async def script(person: Person) -> None:
            await person.press("F")
            await person.sees("1 entry to remove", "free in")
            table = person.table("#bundles")
            table.put_cursor(next(key for key in table.keys if key.startswith("idle:")))
            await person.press("space")
            await person.sees("2 entries and 1 environment to remove", "on another disk than the trash")
            assert person.dialog is not None
            assert person.dialog.command == f"pepip prune --yes --environment {far}"
            await person.answers("go")
            job = await person.has_done()
            assert job.state == DONE, job.log
            assert trash.kept(person.app.session.store) == []

        use(store, script, size=(150, 40))
        assert not far.exists()

    assert entries_of(store) == []


@pytest.mark.parametrize("many", [False, True], ids=["alone", "with others"])
def test_an_environment_that_took_the_place_of_the_chosen_one_stays(
    app_bench: Workbench, store: Path, *, many: bool
) -> None:
    """Somebody makes the environment anew while the dialog asks. The operation fails, and removes nothing."""
    one, two = (app_bench.at(name).install("drum") for name in ("one", "two"))

    async def script(person: Person) -> None:
        person.table("#environments").put_cursor(str(one))
        await person.press(*(["a", "d"] if many else ["d"]))
        await person.sees("The environment goes", "free")
        shutil.rmtree(one)
        app_bench.at("one").install("horn")
        await person.answers("go")
        job = await person.has_done()
        assert job.state == FAILED, job.log
        assert job.outcome == f"{one} was replaced by another environment, so nothing was removed"

    use(store, script, pane="projects")

    assert (site_packages_of(one) / "horn").exists()
    assert two.exists()
    assert entries_of(store) == ["drum-1.0", "horn-1.0"]


def test_a_prune_refuses_an_environment_with_another_id(app_bench: Workbench, store: Path) -> None:
    """The folder may have the same inode: its id decides. A prune that knows no identity removes the environment."""
    from pepip.store.root import Store

    root = str(app_bench.at("one").install("drum"))
    known = prune.identities_of([root])
    assert known[root] is not None
    other = {root: known[root]._replace(id="another")}

    with pytest.raises(StoreError, match="was replaced by another environment"):
        list(prune.prune(Store(str(store)), prune.PruneOptions(environments=(root,), identities=other)))
    assert entries_of(store) == ["drum-1.0"]
    assert (site_packages_of(Path(root)) / "drum").exists()

    list(prune.prune(Store(str(store)), prune.PruneOptions(environments=(root,), identities=known)))
    assert not Path(root).exists()
