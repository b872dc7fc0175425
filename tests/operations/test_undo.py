"""The trash of a prune: `--undo`, the time that it is kept, kills at any change on disk, and installs meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pepip.host import filesystems
from pepip.operations import prune, undo
from pepip.store import trash
from pepip.store.root import Store
from tests.support.filesystems import mounted
from tests.support.keeping import Keeper, dangling_links, free_bytes
from tests.support.kills import changes_seen, killed_before
from tests.support.refusals import assert_refused
from tests.support.snapshots import changes, snapshot
from tests.support.stores import leftovers_of, problems_of
from tests.support.terminals import run_on_terminal
from tests.support.wheels import Wheel

KILLS = 6
"""Number of kills of one command, spread evenly over its changes on disk."""


@pytest.fixture
def keeper(keeper: Keeper, tmp_path: Path) -> Keeper:
    """Return a user with three orphans (drum 1.0, horn, Big_Bell) and a project that links drum 2.0."""
    if filesystems.free_share(str(tmp_path)) < 0.2:
        pytest.skip("less than a fifth of this disk is free: an install empties the trash")
    keeper.at("kept").install("drum==2.0")
    keeper.pepip("store", "add", "drum==1.0", "horn", "Big_Bell", *keeper.source)
    return keeper


def store_of(keeper: Keeper) -> Store:
    """Return the store as pepip's own code sees it."""
    return Store(str(keeper.store))


def verified(keeper: Keeper) -> bool:
    """Tell whether `store verify` and the independent check find nothing."""
    return not keeper.ask("store", "verify")["damaged"] and not keeper.problems()


def test_an_undo_brings_back_the_entries_of_the_last_prune(keeper: Keeper) -> None:
    """The entries are as before to the mode and the time, they verify, and nothing is left in the trash."""
    before = snapshot(keeper.store / "packages")

    done = keeper.prune("--trash")
    assert keeper.entries() == ["drum-2.0"]
    assert done["freed_bytes"] == 0
    assert done["trashed_bytes"] > 0
    assert done["kept_until"] > time.time() + 80_000
    back = keeper.ask("prune", "--undo")

    assert sorted(map(os.path.basename, back["restored"])) == ["big-bell-1.0", "drum-1.0", "horn-1.0"]
    assert changes(before, snapshot(keeper.store / "packages")) == []
    assert keeper.leftovers() == []
    assert verified(keeper)
    assert_refused(keeper.prune_in_words("--undo", check=False), "nothing to undo")


@pytest.mark.real_world
def test_undos_go_back_one_prune_after_the_other(keeper: Keeper) -> None:
    """The latest removal comes back first. A dry run says which, and changes nothing."""
    keeper.prune("--trash", "horn")
    keeper.prune("--trash", "drum")

    assert keeper.ask("prune", "--undo", "--dry-run")["restored"] == ["py3-none-any/drum-1.0"]
    assert keeper.ask("prune", "--undo")["restored"] == ["py3-none-any/drum-1.0"]
    assert keeper.ask("prune", "--undo")["restored"] == ["py3-none-any/horn-1.0"]


def test_a_script_that_says_yes_gets_its_space_at_once(keeper: Keeper) -> None:
    """`--yes` frees at once, and also what an earlier prune keeps in the trash: its preview says so."""
    keeper.prune("--trash", "Big_Bell")
    kept = keeper.preview("horn")["freed_bytes"]
    assert kept > keeper.entry("horn-1.0").stat().st_size

    done = keeper.prune("horn")

    assert (done["freed_bytes"], done["trashed_bytes"]) == (kept, 0)
    assert keeper.leftovers() == []
    assert_refused(keeper.prune_in_words("--undo", check=False), "nothing to undo")


@pytest.mark.real_world
def test_a_prune_with_a_question_on_a_disk_with_room_can_be_undone(keeper: Keeper) -> None:
    """The question says that the entries stay in the trash. On a disk without room the space is free at once."""
    with mounted("ext4", keeper.folder / "disk", mebibytes=48) as place:
        crowded = replace(keeper, machine=replace(keeper.machine, store=place / "store"))
        crowded.machine.pepip("store", "add", "horn", *keeper.source, folder=keeper.folder)
        command = [shutil.which("env") or "env", *_python(), "-m", "pepip", "prune"]

        screen = run_on_terminal(crowded.machine, command, folder=keeper.folder, answers=[("[y/N]", "y\n")])
        assert "would stay in the trash for 1 day" in screen.stdout
        assert crowded.ask("prune", "--undo")["restored"] == ["py3-none-any/horn-1.0"]
        (place / "ballast").write_bytes(bytes(free_bytes(place) * 85 // 100))
        screen = run_on_terminal(crowded.machine, command, folder=keeper.folder, answers=[("[y/N]", "y\n")])

        assert "trash" not in screen.stdout
        assert leftovers_of(crowded.store) == []


def _python() -> list[str]:
    import sys

    return [sys.executable]


@pytest.mark.every(3)
@pytest.mark.parametrize("value", ["soon", "0", "-1d"])
def test_the_time_of_the_trash_can_be_chosen(keeper: Keeper, value: str) -> None:
    """`PEPIP_TRASH_TIME` 0 turns it off. Anything that is no time is an error, and nothing is removed."""
    output = keeper.pepip("prune", "--yes", "--trash", check=False, variables={"PEPIP_TRASH_TIME": value})

    assert_refused(output, "PEPIP_TRASH_TIME", exit_codes=(2,))
    assert len(keeper.entries()) == 4


@pytest.mark.real_world
def test_when_its_time_is_over_the_trash_is_emptied(keeper: Keeper) -> None:
    """The next install of something new empties what is due, and leaves what is not."""
    old = {"PEPIP_TRASH_TIME": "1s"}
    keeper.pepip("prune", "--yes", "--trash", "horn", variables=old)
    keeper.prune("--trash", "drum")
    deadline = time.time() + 2
    while time.time() < deadline:
        time.sleep(0.1)

    assert [grave.entry_ids for grave in trash.kept(store_of(keeper))] == [("py3-none-any/drum-1.0",)]
    keeper.at("new").install("wind-one")

    assert len(keeper.leftovers()) == 1
    assert keeper.ask("prune", "--undo")["restored"] == ["py3-none-any/drum-1.0"]


def test_an_entry_that_was_stored_anew_meanwhile_stays_as_it_is(keeper: Keeper) -> None:
    """An undo never replaces an entry: an install has linked the new one."""
    keeper.prune("--trash")
    environment = keeper.at("again").install("horn")

    back = keeper.ask("prune", "--undo")

    assert back["replaced"] == ["py3-none-any/horn-1.0"]
    assert len(back["restored"]) == 2
    assert dangling_links(environment) == []
    assert keeper.leftovers() == []
    assert verified(keeper)


@pytest.mark.real_world
def test_another_wheel_of_that_name_stays_as_it_is(keeper: Keeper) -> None:
    """An undo leaves a different wheel at the place of an entry alone."""
    keeper.prune("--trash", "horn")
    other = Wheel("horn", "1.0", files={"horn/__init__.py": "other = 1"}).write(keeper.folder)
    environment = keeper.at("again").install(other)

    keeper.ask("prune", "--undo")

    assert keeper.machine.python(environment, "-c", "import horn; print(horn.other)").stdout == "1\n"
    assert verified(keeper)


def test_an_install_that_finds_the_disk_full_empties_the_trash(keeper: Keeper) -> None:
    """The install succeeds with the space of the trash, and says that the undo is gone."""
    big = Wheel("boulder", "1.0", files={"boulder/stone.bin": os.urandom(12 << 20), "boulder/__init__.py": ""})
    larger = Wheel("rock", "1.0", files={"rock/stone.bin": os.urandom(14 << 20), "rock/__init__.py": ""})
    for wheel in (big, larger):
        wheel.write(keeper.wheelhouse)
    with mounted("ext4", keeper.folder / "disk", mebibytes=32) as place:
        crowded = replace(keeper, machine=replace(keeper.machine, store=place / "store"))
        crowded.machine.pepip("store", "add", "boulder", *keeper.source, folder=keeper.folder)
        crowded.prune("--trash")
        assert trash.has_room(store_of(crowded))

        environment = crowded.at("app").install("rock")

        assert crowded.entries() == ["rock-1.0"]
        assert dangling_links(environment) == []
        assert leftovers_of(crowded.store) == []


def spread(total: int) -> set[int]:
    """Return the numbers of the changes before which a run is killed."""
    return {1 + total * part // KILLS for part in range(KILLS)} | {total}


@pytest.mark.real_world
def test_a_killed_prune_can_be_undone(keeper: Keeper) -> None:
    """After a kill before any change on disk, an undo brings all entries back, and they verify."""
    arguments = ("prune", "--yes", "--trash", "--environment", "kept")
    untouched = keeper.folder / "untouched"
    shutil.copytree(keeper.store, untouched, symlinks=True)
    shutil.copytree(keeper.folder / "kept", keeper.folder / "aside" / "of" / "kept", symlinks=True)
    assert killed_before(keeper.machine, 0, arguments, folder=keeper.folder, within=keeper.folder).returncode == 0
    total = len(changes_seen(keeper.folder))

    for change in spread(total):
        shutil.rmtree(keeper.store)
        shutil.rmtree(keeper.folder / "kept")
        shutil.copytree(untouched, keeper.store, symlinks=True)
        shutil.copytree(keeper.folder / "aside" / "of" / "kept", keeper.folder / "kept", symlinks=True)
        killed = killed_before(keeper.machine, change, arguments, folder=keeper.folder, within=keeper.folder)
        where = f"killed before change {change} of {total}: {changes_seen(keeper.folder)[-1]}"
        assert killed.returncode == -9, where
        keeper.prune_in_words("--undo", check=False)  # there may be nothing to undo yet

        assert keeper.entries() == ["big-bell-1.0", "drum-1.0", "drum-2.0", "horn-1.0"], where
        assert keeper.run_drum(keeper.at("kept").environment) == "2.0", where
        assert len(keeper.ask("projects")) == 1, where
        assert problems_of(keeper.store, sealed=False) == [], where  # its folder was opened for the rename
        keeper.pepip("store", "repair")
        assert verified(keeper), where


@pytest.mark.real_world
def test_a_killed_undo_goes_on_with_the_next(keeper: Keeper) -> None:
    """After a kill of an undo before any change on disk, each entry is whole, and the next undo brings the rest."""
    keeper.prune("--trash", "--environment", "kept")
    untouched = keeper.folder / "untouched"
    shutil.copytree(keeper.store, untouched, symlinks=True)
    arguments = ("prune", "--undo")
    assert killed_before(keeper.machine, 0, arguments, folder=keeper.folder, within=keeper.folder).returncode == 0
    total = len(changes_seen(keeper.folder))

    for change in spread(total):
        shutil.rmtree(keeper.store)
        shutil.rmtree(keeper.at("kept").environment)
        shutil.copytree(untouched, keeper.store, symlinks=True)
        killed = killed_before(keeper.machine, change, arguments, folder=keeper.folder, within=keeper.folder)
        where = f"killed before change {change} of {total}: {changes_seen(keeper.folder)[-1]}"
        assert killed.returncode == -9, where
        assert problems_of(keeper.store, sealed=False) == [], where
        keeper.prune_in_words("--undo", check=False)  # all may be back already

        assert keeper.entries() == ["big-bell-1.0", "drum-1.0", "drum-2.0", "horn-1.0"], where
        assert keeper.run_drum(keeper.at("kept").environment) == "2.0", where
        assert len(keeper.ask("projects")) == 1, where
        keeper.at("user").install("horn", "Big_Bell", "drum==1.0")
        assert verified(keeper), where
        shutil.rmtree(keeper.folder / "user")


@pytest.mark.real_world
def test_installs_prunes_and_undos_at_once(keeper: Keeper) -> None:
    """Installs that link entries while others remove and restore them succeed, and no link dangles."""
    from concurrent.futures import ThreadPoolExecutor

    def install(number: int) -> None:
        for _ in range(4):
            environment = keeper.at(f"user{number}/app").install("horn", "Big_Bell")
            assert dangling_links(environment) == []
            shutil.rmtree(environment)

    def disturb(_: int) -> None:
        for _ in range(6):
            keeper.prune("--trash")
            keeper.prune_in_words("--undo", check=False)

    with ThreadPoolExecutor(4) as pool:
        for future in [*(pool.submit(install, number) for number in range(2)), pool.submit(disturb, 0)]:
            future.result()

    assert verified(keeper)


def test_the_trash_of_another_run_or_user_is_not_restored(keeper: Keeper) -> None:
    """A grave whose prune goes on is left alone; so is one that somebody else made, and a link."""
    store = store_of(keeper)
    with trash.grave(store, keep_seconds=100) as grave:
        trash.discard(store, str(keeper.entry("horn-1.0")), grave)
        with pytest.raises(Exception, match="emptied meanwhile"):
            list(undo.undo(store))
    stranger = f"{os.path.dirname(grave)}/1-2.kept-{time.time_ns()}-{int(time.time()) + 100}"
    os.symlink(grave, stranger)
    assert [found.path for found in trash.kept(store)] == [grave]
    if os.geteuid() == 0:
        os.chown(grave, 64109, 64109)
        assert trash.kept(store) == []


@pytest.mark.real_world
def test_a_removed_entry_comes_back(keeper: Keeper) -> None:
    """`store remove --trash` can be undone, also where `--force` broke an environment."""
    keeper.pepip("store", "remove", "drum==2.0", "--force", "--trash")
    assert dangling_links(keeper.at("kept").environment)

    keeper.ask("prune", "--undo")

    assert keeper.run_drum(keeper.at("kept").environment) == "2.0"


@pytest.mark.parametrize(
    "command", [("prune", "--yes", "--trash"), ("store", "remove", "horn", "--trash")], ids=["prune", "remove"]
)
def test_an_entry_that_can_not_wait_in_the_trash_stays(keeper: Keeper, command: tuple[str, ...]) -> None:
    """On a full disk, nothing is removed for good if the user wants to be able to undo it."""
    with mounted("ext4", keeper.folder / "disk", mebibytes=16) as place:
        crowded = replace(keeper, machine=replace(keeper.machine, store=place / "store"))
        crowded.machine.pepip("store", "add", "horn", *keeper.source, folder=keeper.folder)
        crowded.preview()
        with contextlib.suppress(OSError), (place / "ballast").open("wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(1 << 10))

        refused = crowded.pepip(*command, check=False)

        assert_refused(refused, "the disk is too full for the trash")
        assert crowded.entries() == ["horn-1.0"]
        assert crowded.problems() == []
        (place / "ballast").unlink()
        crowded.pepip(*command)
        crowded.ask("prune", "--undo")
        assert crowded.entries() == ["horn-1.0"]


# Environments that go, too


def test_an_environment_goes_with_the_entries_that_only_it_links_and_comes_back(keeper: Keeper) -> None:
    """The project's own files stay. The undo restores environment, entries and registration."""
    environment = keeper.at("kept").environment
    registered = [json.loads(path.read_text()) for path in keeper.store.glob("projects/*.json")]
    (keeper.folder / "kept" / "main.py").write_text("")

    done = keeper.prune("--trash", "--environment", "kept", "drum==2.0")

    assert [row["name"] for row in done["orphans"]] == ["drum"]
    assert done["gone"] == [str(environment)]
    assert os.listdir(environment.parent) == ["main.py"]
    assert keeper.ask("projects") == []
    back = keeper.ask("prune", "--undo")
    assert back["environments"] == [str(environment)]
    assert keeper.run_drum(environment) == "2.0"
    assert [json.loads(path.read_text()) for path in keeper.store.glob("projects/*.json")] == registered


def test_an_environment_on_another_disk_can_not_wait_in_the_trash(keeper: Keeper) -> None:
    """The command says so before it removes anything. Without the trash, the environment goes for good."""
    if not Path("/dev/shm").is_dir() or os.stat("/dev/shm").st_dev == keeper.folder.stat().st_dev:
        pytest.skip("there is no second file system at /dev/shm")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        environment = Path(folder) / ".venv"
        keeper.machine.pepip("install", "--venv", environment, "horn", *keeper.source, folder=keeper.folder)

        output = keeper.prune_in_words("--trash", "--environment", environment, check=False)

        assert_refused(output, "on another disk than the store")
        assert (environment / "pyvenv.cfg").exists()
        assert len(keeper.entries()) == 4
        keeper.prune("--environment", environment)
        assert not environment.exists()


@pytest.mark.real_world
def test_an_environment_is_left_where_it_holds_anything_else(keeper: Keeper) -> None:
    """Sources that somebody keeps in an environment, and a running interpreter, are never removed with it."""
    environment = keeper.at("kept").environment
    (environment / "sources").mkdir()

    output = keeper.prune_in_words("--environment", "kept", check=False)

    assert_refused(output, "holds sources")
    assert environment.is_dir()
    assert_refused(keeper.prune_in_words("--environment", keeper.folder, check=False), "not registered")
    assert len(keeper.entries()) == 4


@pytest.mark.real_world
def test_a_removed_environment_is_gone_at_once_without_the_trash(keeper: Keeper) -> None:
    """The prediction is what `df` shows; see tests/operations/test_reclaim.py for other file systems."""
    keeper.prune("--environment", "kept")

    assert not (keeper.at("kept").environment).exists()
    assert keeper.entries() == []
    assert keeper.leftovers() == []
    assert prune.preview(store_of(keeper), prune.PruneOptions()).orphans == []


def test_an_environment_whose_folder_is_gone_stays_in_the_trash(keeper: Keeper) -> None:
    """The undo says which folder it needs, and brings the environment back when it is there again."""
    environment = keeper.at("away").install("horn")
    keeper.prune("--trash", "--environment", environment)
    environment.parent.rename(keeper.folder / "moved")

    assert_refused(keeper.prune_in_words("--undo", check=False), f"the folder {environment.parent} is gone")
    environment.parent.mkdir()
    keeper.ask("prune", "--undo")

    assert dangling_links(environment) == []
    keeper.machine.python(environment, "-c", "import horn")
    assert verified(keeper)


@pytest.mark.parametrize("start", ["by its path", "by PATH"])
def test_an_environment_from_which_a_program_runs_is_not_removed(keeper: Keeper, start: str) -> None:
    """Its program is a link to another Python, so only the word that started it leads to the environment."""
    environment = keeper.at("busy").install("horn")
    program = "python" if start == "by PATH" else ".venv/bin/python"
    variables = {**os.environ, "PATH": f"{environment / 'bin'}:{os.environ['PATH']}"}
    command = [program, "-c", "print('ready', flush=True); input()"]
    with subprocess.Popen(
        command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=environment.parent
    ) as running:
        assert running.stdout is not None
        running.stdout.readline()

        refused = keeper.prune_in_words("--yes", "--environment", environment, check=False)
        running.communicate(b"\n")

    assert_refused(refused, f"({running.pid}) runs from it")
    keeper.machine.python(environment, "-c", "import horn")
