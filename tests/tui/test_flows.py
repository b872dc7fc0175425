"""The flows of `pepip ui`, each up to its result on disk: a person uses the real app, a real store and real links."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from pepip.operations import install as installing
from pepip.operations import scan as scanning
from pepip.operations.reporting import Progress, Summary
from pepip.store.root import Store
from pepip.tui import jobs as jobs_of
from pepip.tui.bars import Drawer
from pepip.tui.job import CANCELLED, DONE, FAILED
from tests.support.machines import site_packages_of, version_in
from tests.support.screens import PATIENCE_SECONDS, Person, use
from tests.support.snapshots import changes, snapshot
from tests.support.stores import entries_of, leftovers_of, problems_of
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

T = TypeVar("T")

WHEELS = [
    Wheel("drum", "1.0", files={"drum/__init__.py": "VERSION = '1.0'\n"}),
    Wheel("drum", "2.0", files={"drum/__init__.py": "VERSION = '2.0'\n"}, dependencies=["skin"]),
    Wheel("skin", "1.0", files={"skin/__init__.py": "x = 1\n" * 3000}),
    Wheel("horn", "1.0", files={"horn/__init__.py": ""}, extras={"brass": ["skin"]}),
]


@pytest.fixture
def player(app_bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    """Return the workbench of the app's user, who starts the app in the folder of the test."""
    monkeypatch.chdir(tmp_path)
    return replace(app_bench, folder=tmp_path)


def test_a_first_install_into_a_new_path(player: Workbench, store: Path, tmp_path: Path) -> None:
    """From the welcome screen: the path is made, the preview lists the distributions, the environment works."""

    async def script(person: Person) -> None:
        await person.sees("Nothing is stored yet")
        await person.press("I")
        await person.write("#place", str(tmp_path / "new" / "band"))
        await person.write("#line", "drum 'horn[brass]'")
        await person.press("enter")
        await person.sees("3 from local files", "horn 1.0", "from a local file")
        await person.answers("go")
        job = await person.has_done()
        assert job.state == DONE, job.log
        await person.sees("skin", "3 linked")

    use(store, script)

    environment = tmp_path / "new" / "band" / ".venv"
    assert entries_of(store) == ["drum-2.0", "horn-1.0", "skin-1.0"]
    player.machine.python(environment, "-c", "import drum, horn, skin; assert drum.VERSION == '2.0'")
    assert problems_of(store) == []


def test_a_second_install_reuses_all(player: Workbench, store: Path, tmp_path: Path) -> None:
    """An install into a known project, chosen from the list, downloads nothing, and its command is shown."""
    player.at("one").install("drum")
    environment = player.at("two").install("horn")

    async def script(person: Person) -> None:
        await person.press("I")
        await person.write("#place", "two")
        await person.until(lambda: len(person.table("#known").keys) == 1, "one project")
        await person.press("down", "enter")
        await person.write("#line", "drum")
        await person.until(lambda: person.dialog and person.dialog.command, "the command")
        assert person.dialog is not None
        assert person.dialog.command == f"pepip install --directory {tmp_path / 'two'} --venv .venv drum"
        await person.press("enter")
        await person.sees("2 reused", "0 B to download")
        await person.press("enter")
        job = await person.has_done()
        assert job.state == DONE, job.log

    use(store, script, size=(140, 36))

    assert version_in(environment, "drum") == "2.0"
    assert (site_packages_of(environment) / "drum").is_symlink()


def test_uninstalling_removes_links_and_leaves_the_store(player: Workbench, store: Path, tmp_path: Path) -> None:
    """The dialog's default is Cancel. A confirmed uninstall changes only the environment."""
    environment = player.at("one").install("drum")
    before = snapshot(store / "packages")

    async def script(person: Person) -> None:
        await person.press("2", "enter")
        person.table("#packages").put_cursor("skin")
        await person.press("u")
        await person.sees("Removes 1 distribution, which 1 package", "drum 2.0", "stays, and needs skin")
        assert person.focus == "answer-"
        await person.answers("go")
        assert (await person.has_done()).state == DONE
        await person.sees("unmet needs", "drum needs skin: not installed")
        await person.press("I")
        await person.write("#place", str(tmp_path / "one"))
        await person.write("#line", "skin")
        await person.press("enter")
        await person.answers("go")
        await person.has_done(2)
        await person.until(lambda: "unmet needs" not in person.screen, "no unmet needs")
        person.table("#packages").put_cursor("skin")
        await person.press("u")
        await person.answers("go")
        await person.has_done(3)

    use(store, script, size=(140, 36))

    assert version_in(environment, "skin") == ""
    assert version_in(environment, "drum") == "2.0"
    assert changes(before, snapshot(store / "packages")) == []


def test_upgrading_a_package(player: Workbench, store: Path, tmp_path: Path) -> None:
    """The preview names both versions. Afterwards the new version and its dependency are linked."""
    environment = player.at("one").install("drum==1.0")

    async def script(person: Person) -> None:
        await person.press("2", "enter", "space", "U")
        await person.sees("drum 2.0", "was 1.0")
        assert person.focus == "answer-go"
        await person.press("right")
        assert person.focus == "answer-"
        await person.press("left")
        assert person.focus == "answer-go"
        await person.press("enter")
        assert (await person.has_done()).state == DONE

    use(store, script, size=(130, 36))

    assert version_in(environment, "drum") == "2.0"
    assert version_in(environment, "skin") == "1.0"


def test_syncing_a_project_with_its_lock(player: Workbench, store: Path, tmp_path: Path, interpreter: Path) -> None:
    """The project's environment follows its lock, and uv makes the lock."""
    project = player.machine.make_folder(tmp_path / "app")
    environment = player.at(project).install("horn")
    (project / "pyproject.toml").write_text(
        '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["drum"]\n'
    )

    async def script(person: Person) -> None:
        await person.press("2", "S")
        await person.sees("drum 2.0", "horn 1.0")
        await person.answers("go")
        job = await person.has_done()
        assert job.state == DONE, job.log

    use(store, script)

    assert version_in(environment, "drum") == "2.0"
    assert version_in(environment, "horn") == ""
    assert (project / "uv.lock").exists()


def test_a_project_with_a_lock_changes_in_its_pyproject_too(player: Workbench, store: Path, tmp_path: Path) -> None:
    """Add and Remove are offered, since the next sync would undo an install. An upgrade follows the lock."""
    project = player.machine.make_folder(tmp_path / "app")
    described = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["drum<2"]\n'
    (project / "pyproject.toml").write_text(described)
    player.at(project).pepip("sync")
    (project / "pyproject.toml").write_text(described.replace("drum<2", "drum"))

    async def script(person: Person) -> None:
        await person.press("2", "U")
        await person.sees("drum 2.0", "was 1.0", "pepip sync --directory")
        await person.answers("go")
        assert (await person.has_done()).state == DONE
        await person.press("i")
        await person.write("#line", "horn")
        await person.press("enter")
        await person.sees("Add writes them there")
        await person.answers("instead")
        await person.answers("go")
        job = await person.has_done(2)
        assert job.state == DONE, job.log
        assert job.command == f"pepip add --directory {project} horn"
        await person.press("enter")
        person.table("#packages").put_cursor("horn")
        await person.press("u")
        await person.sees("Remove takes them out")
        await person.answers("instead")
        await person.answers("go")
        assert (await person.has_done(3)).state == DONE

    use(store, script, size=(140, 36))

    environment = project / ".venv"
    assert version_in(environment, "drum") == "2.0"
    assert version_in(environment, "horn") == ""
    assert "horn" not in (project / "pyproject.toml").read_text()
    assert 'name = "drum"' in (project / "uv.lock").read_text()


def held(operation: Generator[Progress, None, T], phase: str, go_on: threading.Event) -> Generator[Progress, None, T]:
    """Relay an operation. After each step of a phase, wait until `go_on` is set."""
    while True:
        try:
            step = next(operation)
        except StopIteration as end:
            return end.value
        yield step
        if step.phase == phase:
            go_on.wait(PATIENCE_SECONDS)


def test_a_scan_of_thousands_of_folders_can_be_cancelled(
    player: Workbench, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scan ends between two folders. Environments found until then are registered, and others are not."""
    player.at("code/a").install("horn")
    for number in range(120):
        (tmp_path / "code" / "z" / str(number)).mkdir(parents=True)
    cancelled = threading.Event()
    real = scanning.scan

    def slowly(*arguments: Any) -> Generator[Progress, None, scanning.Scanned]:
        return (yield from held(real(*arguments), "scan", cancelled))

    monkeypatch.setattr(scanning, "scan", slowly)

    async def script(person: Person) -> None:
        job = person.app.session.queue.submit(jobs_of.scan(Store(str(store)), str(tmp_path / "code")))
        await person.until(lambda: job.step.phase == "scan", "a folder")
        person.app.session.queue.cancel(job)
        cancelled.set()
        assert (await person.has_done()).state == CANCELLED

    use(store, script)

    assert len(list((store / "projects").glob("*.json"))) == 1


def test_pruning_leaves_unticked_and_linked_entries(player: Workbench, store: Path, tmp_path: Path) -> None:
    """One key opens the preview with the focus on Cancel. Only ticked entries are removed."""
    environment = player.at("one").install("drum==1.0", "horn")
    player.at("one").pepip("uninstall", "-y", "drum", "horn")
    player.at("one").install("skin")

    async def script(person: Person) -> None:
        await person.press("P")
        await person.until(lambda: len(person.table("#orphans").marks) == 2, "the preview")
        assert person.focus == "answer-"
        await person.sees("[x] keep in the trash for 1 day", "pepip prune --yes --trash")
        await person.click("#trash-line")
        person.table("#orphans").put_cursor(next(key for key in person.table("#orphans").keys if "horn" in key))
        await person.press("space")
        await person.sees("1 entry of 2 to remove", "pepip prune --yes drum==1.0")
        await person.answers("go")
        job = await person.has_done()
        assert job.state == DONE, job.log
        await person.sees("1 entry removed")

    use(store, script)

    assert entries_of(store) == ["horn-1.0", "skin-1.0"]
    assert leftovers_of(store) == []
    player.machine.python(environment, "-c", "import skin")


def test_all_screens_show_the_same_freed_space(player: Workbench, store: Path, tmp_path: Path) -> None:
    """Header, preview and result have the same figure. The detail of an entry has the share of that entry."""
    player.at("one").install("drum==1.0", "skin", "horn")
    player.at("one").pepip("uninstall", "-y", "drum", "horn", "skin")

    def figure(before: str, text: str, after: str) -> float:
        words = re.sub(r"[\s│▏]+", " ", text)
        (amount, unit), *_ = re.findall(rf"{before}([\d.]+) ([kM]?B){after}", words)
        return float(amount) * {"B": 1, "kB": 1000, "MB": 1_000_000}[unit]

    async def script(person: Person) -> None:
        await person.sees("kB to prune", "more in uv's cache")
        in_all = figure("", person.screen, " to prune")
        person.table("#entries").put_cursor(next(key for key in person.table("#entries").keys if "skin" in key))
        await person.sees("a removal: ")
        of_one = figure("a removal: ", person.screen, " free at once")
        await person.press("P")
        await person.sees("3 entries to remove: ")
        await person.press("t")
        await person.sees("[ ] keep in the trash")
        await person.until(lambda: "to remove: …" not in person.screen, "the figure")
        assert figure("to remove: ", person.screen, " free at once") == in_all
        table = person.table("#orphans")
        table.put_cursor(next(key for key in table.keys if "skin" in key))
        await person.press("space")
        await person.sees("2 entries of 3 to remove")
        await person.until(lambda: "to remove: …" not in person.screen, "the figure")
        assert abs(figure("to remove: ", person.screen, " free at once") - (in_all - of_one)) < 200
        table.put_cursor(next(key for key in table.keys if "skin" in key))
        await person.press("space")
        await person.answers("go")
        assert figure("", (await person.has_done()).outcome, " freed") == in_all

    use(store, script, size=(300, 40))


def test_pruning_keeps_entries_linked_since_the_preview(player: Workbench, store: Path, tmp_path: Path) -> None:
    """If another project links an orphan while the preview is open, it stays. Other orphans are removed."""
    player.at("one").install("drum==1.0", "horn")
    player.at("one").pepip("uninstall", "-y", "drum", "horn")

    async def script(person: Person) -> None:
        await person.press("P")
        await person.until(lambda: len(person.table("#orphans").marks) == 2, "the preview")
        player.at("two").install("horn")
        await person.answers("go")
        assert (await person.has_done()).state == DONE

    use(store, script)

    assert entries_of(store) == ["horn-1.0"]
    player.machine.python(tmp_path / "two" / ".venv", "-c", "import horn")


def test_enter_and_escape_cancel_a_prune(player: Workbench, store: Path, tmp_path: Path) -> None:
    """Both keys close the preview, and nothing is removed."""
    player.at("one").install("horn")
    player.at("one").pepip("uninstall", "-y", "horn")

    async def script(person: Person) -> None:
        for key in ("enter", "escape"):
            await person.press("P")
            await person.until(lambda: person.dialog and person.table("#orphans").marks, "the preview")
            await person.press(key)
            await person.until(lambda: person.dialog is None, "the end of the dialog")

    app = use(store, script)

    assert app.session.queue.jobs == []
    assert entries_of(store) == ["horn-1.0"]


def test_marked_entries_that_are_linked_are_not_removed(player: Workbench, store: Path, tmp_path: Path) -> None:
    """The app names the environments that link them, and offers no button to remove them."""
    environment = player.at("one").install("horn")

    async def script(person: Person) -> None:
        await person.press("space", "d")
        await person.sees("is linked by", "First uninstall them")
        await person.press("enter")

    app = use(store, script)

    assert app.session.queue.jobs == []
    player.machine.python(environment, "-c", "import horn")


def test_damage_is_found_shown_and_repaired(player: Workbench, store: Path, tmp_path: Path) -> None:
    """A verification moves the damaged entry to the top.

    The repair names the affected environments, and mends the entry.
    """
    environment = player.at("one").install("drum", "horn")
    (module,) = store.glob("packages/*/horn-1.0/horn/__init__.py")
    module.chmod(0o644)
    module.unlink()

    async def script(person: Person) -> None:
        await person.press("V")
        assert (await person.has_done()).state == DONE
        await person.until(lambda: "horn" in person.table("#entries").keys[0], "the damaged entry at the top")
        await person.sees("damaged 1", "✗")
        await person.press("4")
        await person.sees("! verify the whole store", "damaged")
        assert "✓" not in person.screen
        await person.press("1", "g", "R")
        await person.sees("renews the links of 1 environment", str(environment))
        await person.answers("go")
        job = await person.has_done(2)
        assert job.state == DONE, job.log
        await person.until(lambda: "✗" not in person.screen, "a whole store")
        await person.sees("every file intact")
        assert list(store.glob("trash/*-*")), "the damaged entry waits for the next prune"
        await person.until(lambda: person.app.session.prunable, "the space that a prune would free")
        assert "[z]" not in person.screen  # no undo brings a damaged entry back

    use(store, script)

    assert problems_of(store) == []
    player.machine.python(environment, "-c", "import horn")


def test_detaching_and_attaching_a_package(player: Workbench, store: Path, tmp_path: Path) -> None:
    """The package becomes a real folder, and a link again. The user's change is named before it is lost."""
    environment = player.at("one").install("horn")
    package = site_packages_of(environment) / "horn"

    async def script(person: Person) -> None:
        await person.press("2", "enter", "D")
        await person.answers("go")
        assert (await person.has_done()).state == DONE
        assert not package.is_symlink()
        (package / "__init__.py").write_text("mine = True\n")
        await person.until(lambda: "private" in person.screen, "a private copy")
        await person.press("L")
        await person.sees("horn/__init__.py", "These changes would be lost")
        await person.answers("go")
        assert (await person.has_done(2)).state == DONE

    use(store, script, size=(140, 36))

    assert package.is_symlink()


def test_forgetting_and_finding_an_environment(player: Workbench, store: Path, tmp_path: Path) -> None:
    """A scan of its folder finds a forgotten environment again."""
    player.at("code/one").install("horn")

    async def script(person: Person) -> None:
        await person.press("2", "f")
        await person.answers("go")
        await person.has_done()
        await person.until(lambda: not person.table("#environments").keys, "no project")
        await person.press("c")
        await person.write("#line", str(tmp_path / "code"))
        await person.press("enter")
        job = await person.has_done(2)
        assert job.outcome == "1 new, 1 link the store"
        await person.until(lambda: person.table("#environments").keys, "the project")

    use(store, script)


def test_the_shown_one_of_two_environments_with_one_path_is_forgotten(player: Workbench, store: Path) -> None:
    """The other one belongs to another container, and stays registered."""
    player.at("code/one").install("horn")
    (own,) = (store / "projects").glob("*.json")
    document = json.loads(own.read_text())
    other = own.with_name("zzz-0000000000000000.json")
    other.write_text(json.dumps({**document, "id": "0" * len(document["id"]), "location": "elsewhere"}))

    async def script(person: Person) -> None:
        await person.press("2", "f")
        await person.answers("go")
        assert (await person.has_done()).command == f"pepip projects forget {own}"

    use(store, script)

    assert list((store / "projects").glob("*.json")) == [other]


def test_packages_are_stored_without_a_project(player: Workbench, store: Path, tmp_path: Path) -> None:
    """During typing, the form shows the command `pepip store add`. It names words that are not allowed."""
    del tmp_path

    async def script(person: Person) -> None:
        await person.press("plus")
        await person.write("#line", "horn 'drum==1.0")
        await person.sees("pepip store add horn 'drum==1.0")
        await person.press("enter")
        await person.sees("can't be read")
        await person.press("escape")
        await person.write("#line", "horn -e .")
        await person.press("enter")
        await person.sees("-e is not allowed here", "use requirements, -r and -U only")
        await person.press("escape")
        await person.write("#line", "horn drum==1.0")
        await person.press("enter")
        job = await person.has_done()
        assert job.outcome == "2 entries stored"
        assert job.command == "pepip store add horn drum==1.0"
        await person.press("plus")
        await person.write("#line", "horn")
        await person.press("enter")
        assert (await person.has_done(2)).outcome == "nothing stored, 1 already stored"

    use(store, script)

    assert sorted(path.name for path in store.glob("packages/*/*")) == ["drum-1.0", "horn-1.0"]


def test_a_refusal_of_uv_is_shown_in_full(player: Workbench, store: Path, tmp_path: Path) -> None:
    """The preview shows uv's refusal, with names that look like markup, and nothing is made."""
    player.at("one").install("horn")
    before = snapshot(store / "packages")

    async def script(person: Person) -> None:
        await person.press("I")
        await person.write("#place", str(tmp_path / "two"))
        await person.write("#line", "no-such-thing[socks]")
        await person.press("enter")
        await person.sees("No version fits", "no-such-thing[socks]")
        await person.answers("back")
        await person.sees("Requirements, as for")
        await person.press("escape")

    use(store, script)

    assert not (tmp_path / "two" / ".venv").exists()
    assert changes(before, snapshot(store / "packages")) == []


def test_an_operation_that_fails_says_why(player: Workbench, store: Path, tmp_path: Path, wheelhouse: Path) -> None:
    """A wheel that would write outside is refused. A dialog and the log show the full error, and no file is kept."""
    player.at("one").install("horn")
    points = {"console_scripts": {"../../liar": "liar:main"}}
    Wheel("liar", "1.0", files={"liar/__init__.py": "1"}, entry_points=points).write(wheelhouse)

    async def script(person: Person) -> None:
        await person.press("I")
        await person.write("#place", str(tmp_path / "one"))
        await person.write("#line", "liar")
        await person.press("enter")
        await person.answers("go")
        job = await person.has_done()
        assert job.state == FAILED
        await person.sees("Failed: install liar", "script")
        await person.press("escape", "4")
        await person.sees("failed", "script")

    use(store, script)

    assert entries_of(store) == ["horn-1.0"]
    assert problems_of(store) == []
    assert leftovers_of(store) == []


def test_cancelling_in_the_middle_leaves_nothing_half_done(
    player: Workbench, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new environment is removed again, the store is whole, and the next install works."""
    real = installing.install

    def slowly(*arguments: Any) -> Generator[Progress, None, Summary]:
        return (yield from held(real(*arguments), "store", cancelled))

    cancelled = threading.Event()
    monkeypatch.setattr(installing, "install", slowly)

    async def script(person: Person) -> None:
        await person.press("I")
        await person.write("#place", str(tmp_path / "one"))
        await person.write("#line", "drum")
        await person.press("enter")
        await person.answers("go")
        jobs = person.app.session.queue.jobs
        await person.until(lambda: jobs and jobs[0].step.phase == "store", "a distribution")
        await person.until(lambda: person.dialog is None, "the end of the dialog")
        await person.until(lambda: person.app.query_one(Drawer).click_targets, "the drawer")
        spot = person.app.query_one(Drawer).click_targets[0]
        await person.click("#drawer", (spot.start, 0))
        await person.until(jobs[0].is_cancelled.is_set, "the click")
        cancelled.set()
        job = await person.has_done()
        assert job.state == CANCELLED

    use(store, script)

    assert not (tmp_path / "one" / ".venv").exists()
    assert problems_of(store) == []
    assert leftovers_of(store) == []
    player.machine.python(player.at("one").install("drum"), "-c", "import drum, skin")
