"""A prune never removes a linked entry, wherever its environment is and whoever works meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from pepip.cli import output
from pepip.host import filesystems, locks, run_dirs
from pepip.operations import prune
from pepip.store import trash
from pepip.store.root import Store
from tests.support.filesystems import mounted
from tests.support.keeping import (
    Keeper,
    close,
    dangling_links,
    free_bytes,
    leave_only_hard_links,
    names_of,
    stranger_prefix,
    without_metadata,
)
from tests.support.kills import changes_seen, killed_before
from tests.support.machines import site_packages_of
from tests.support.refusals import assert_refused
from tests.support.snapshots import changes, snapshot
from tests.support.stores import entries_of, leftovers_of, problems_of
from tests.support.teams import Team

pytestmark = pytest.mark.every(2)

KILLS = 6
"""Number of kills of one prune, spread evenly over its changes on disk."""


DRUMS_METADATA = "lib/python3.*/site-packages/drum-1.0.dist-info"


@pytest.fixture(params=[1, 2], ids=["first prune", "second prune"])
def prunes(request: pytest.FixtureRequest) -> range:
    """Return a range of prunes. If one prune forgets an environment, the next one must still not miss it."""
    return range(request.param)


def assert_drum_is_kept(keeper: Keeper, environment: Path, times: range = range(2)) -> None:
    """Prune several times, and assert that nothing was removed and that the environment works."""
    for _ in times:
        assert keeper.prune()["orphans"] == []

    assert keeper.entries() == ["drum-1.0"]
    assert dangling_links(environment) == []
    assert keeper.run_drum(environment) == "1.0"


# Projects that were deleted, moved or copied


def test_a_deleted_project_frees_the_entries_that_only_it_linked(keeper: Keeper) -> None:
    """Entries that another project links too are kept, and the deleted project leaves the registry."""
    keeper.at("first").install("drum==1.0", "horn", "wind-one")
    second = keeper.at("second").install("drum==1.0", "wind-two")
    shutil.rmtree(keeper.folder / "first")

    done = keeper.prune()

    assert sorted(names_of(done["orphans"])) == ["horn-1.0", "wind-one-1.0"]
    assert done["gone"] == [str(keeper.at("first").environment)]
    assert keeper.entries() == ["drum-1.0", "wind-two-1.0"]
    assert [row["environment"] for row in keeper.ask("projects")] == [str(second)]
    assert keeper.run_drum(second) == "1.0"
    assert dangling_links(second) == []


@pytest.mark.parametrize("what", ["environment", "project"])
def test_a_moved_project_is_kept_after_a_scan(keeper: Keeper, what: str) -> None:
    """The scan registers the new place, even below a folder named `dev`, and the old place is forgotten."""
    environment = keeper.at("before").install("drum==1.0")
    elsewhere = keeper.folder / "far" / "dev" / "after"
    elsewhere.parent.mkdir(parents=True)
    if what == "project":
        environment.parent.rename(elsewhere)
    else:
        elsewhere.mkdir()
        environment.rename(elsewhere / ".venv")

    found = keeper.ask("projects", "scan", keeper.folder / "far")

    assert found == [{"environment": str(elsewhere / ".venv"), "was_known": False}]
    for _ in range(2):
        assert keeper.prune()["orphans"] == []
    assert keeper.entries() == ["drum-1.0"]
    assert dangling_links(elsewhere / ".venv") == []
    assert [row["environment"] for row in keeper.ask("projects")] == [str(elsewhere / ".venv")]


def test_a_project_that_was_moved_far_away_without_a_scan_is_as_good_as_deleted(keeper: Keeper) -> None:
    """The old place is on a disk that is mounted, and nobody knows the new one.

    The prune says which environment is gone.
    """
    environment = keeper.at("before").install("drum==1.0")
    (keeper.folder / "far" / "away").mkdir(parents=True)
    environment.parent.rename(keeper.folder / "far" / "away" / "after")

    done = keeper.prune_in_words()

    assert f"gone: {environment}" in done.stderr
    assert keeper.entries() == []


def test_a_moved_project_is_kept_while_its_old_place_may_be_an_unmounted_disk(keeper: Keeper) -> None:
    """If a project was moved off a disk that is now unmounted, its old registration keeps its entries.

    No scan has registered its new place.
    """
    with mounted("tmpfs", keeper.folder / "disk", mebibytes=64) as disk:
        environment = keeper.at(disk / "app").install("drum==1.0")
        moved = keeper.folder / "far" / "away" / "app"
        shutil.move(environment.parent, keeper.machine.make_folder(moved.parent))

    for _ in range(2):
        assert [row["environment"] for row in keeper.prune()["unreachable"]] == [str(environment)]

    assert keeper.entries() == ["drum-1.0"]
    assert dangling_links(moved / ".venv") == []


@pytest.mark.parametrize("place", ["copy/.venv", "app/.venv-copy"], ids=["project", "environment"])
@pytest.mark.parametrize("original", ["stays", "changes", "is deleted"])
def test_an_environment_that_was_copied_beside_the_original_is_kept(
    keeper: Keeper, place: str, original: str
) -> None:
    """An unregistered copy by `cp -r` keeps its entries, even if the original now links others, or is gone."""
    environment = keeper.at("app").install("drum==1.0")
    copy = keeper.folder / place
    copy.parent.mkdir(exist_ok=True)
    subprocess.run(["cp", "-r", environment, copy], check=True)
    if original == "is deleted":
        shutil.rmtree(environment)
    elif original == "changes":
        keeper.machine.uv("pip", "uninstall", "drum", folder=environment.parent)

    for _ in range(3):
        assert keeper.prune()["orphans"] == []

    assert keeper.entries() == ["drum-1.0"]
    assert dangling_links(copy) == []
    keeper.machine.run([copy / "bin" / "python", "-c", "import drum.skins"], folder=copy)


def test_a_project_that_was_renamed_is_kept(keeper: Keeper, prunes: range) -> None:
    """The new name lies beside the old one, so no scan is needed."""
    environment = keeper.at("before").install("drum==1.0")
    environment.parent.rename(keeper.folder / "after")

    for _ in prunes:
        done = keeper.prune()
        assert done["orphans"] == []

    assert keeper.entries() == ["drum-1.0"]
    assert dangling_links(keeper.at("after").environment) == []


def test_an_environment_that_is_reached_by_a_link_outlives_the_link(keeper: Keeper, prunes: range) -> None:
    """An environment is registered by its real path, and so is still known after the link to its project is gone."""
    real = keeper.machine.make_folder(keeper.folder / "far" / "away" / "real")
    (keeper.folder / "alias").symlink_to(real)
    keeper.at("alias").install("drum==1.0", "--venv", keeper.at("alias").environment)
    (keeper.folder / "alias").unlink()

    assert_drum_is_kept(keeper, real / ".venv", prunes)


def test_an_environment_folder_that_is_a_link_is_kept_where_it_leads(keeper: Keeper, prunes: range) -> None:
    """On clusters, `.venv` is often a link to a larger disk.

    The environment counts as long as the link's target exists.
    """
    elsewhere = keeper.folder / "scratch" / "environments" / "app"
    project = keeper.machine.make_folder(keeper.folder / "work" / "app")
    keeper.machine.make_folder(elsewhere.parent)
    keeper.machine.uv("venv", elsewhere, "--python", keeper.interpreter, folder=project)
    (project / ".venv").symlink_to(elsewhere)
    keeper.at(project).install("drum==1.0")
    (project / ".venv").unlink()

    assert_drum_is_kept(keeper, elsewhere, prunes)


@pytest.mark.parametrize("pruned_by", ["link", "real path"])
def test_a_store_with_two_names_keeps_entries_linked_by_either(keeper: Keeper, pruned_by: str) -> None:
    """Links contain the path by which the store was known at the install.

    A prune by another path understands them too.
    """
    (keeper.folder / "link-to-store").symlink_to("real-store")
    keeper.machine.make_folder(keeper.folder / "real-store")
    by_link = replace(keeper, machine=replace(keeper.machine, store=keeper.folder / "link-to-store"))
    by_path = replace(keeper, machine=replace(keeper.machine, store=keeper.folder / "real-store"))
    by_link.at("first").install("drum==1.0")
    by_path.at("second").install("horn")

    done = (by_link if pruned_by == "link" else by_path).prune()

    assert done["orphans"] == []
    assert entries_of(keeper.folder / "real-store") == ["drum-1.0", "horn-1.0"]


def test_a_link_that_leads_elsewhere_now_leaves_both_environments_known(keeper: Keeper) -> None:
    """If `current` leads to `release-1` and later to `release-2`, each release is registered by its real path."""
    (keeper.folder / "deployed").mkdir()
    current = keeper.folder / "current"
    for release, name in (("one", "drum==1.0"), ("two", "horn")):
        keeper.machine.make_folder(keeper.folder / "deployed" / release / "inner")
        current.unlink(missing_ok=True)
        current.symlink_to(keeper.folder / "deployed" / release / "inner")
        keeper.at(current).install(name, "--venv", current / ".venv")
    (first,) = keeper.ask("projects", keeper.folder / "deployed" / "one" / "inner")
    (second,) = keeper.ask("projects", current)

    assert keeper.prune()["orphans"] == []
    assert [first["environment"], second["environment"]] == [
        str(keeper.folder / "deployed" / release / "inner" / ".venv") for release in ("one", "two")
    ]
    assert len(keeper.ask("projects")) == 2  # each is counted once, whichever path names it


def test_a_store_that_is_mounted_at_a_second_place_keeps_entries_linked_there(keeper: Keeper) -> None:
    """The entries are kept while the store is mounted there, and after."""
    second = keeper.machine.make_folder(keeper.folder / "second")
    keeper.machine.make_folder(keeper.store)
    try:
        subprocess.run(["mount", "--bind", keeper.store, second], check=True, capture_output=True)
    except subprocess.CalledProcessError:
        pytest.skip("a bind mount is not allowed here")
    try:
        by_second = replace(keeper, machine=replace(keeper.machine, store=second))
        by_second.at("app").install("drum==1.0")
        orphans = keeper.preview()["orphans"]
    finally:
        subprocess.run(["umount", second], check=True)

    assert orphans == []
    assert keeper.prune()["orphans"] == []


def test_a_store_that_was_moved_keeps_entries_linked_at_its_old_place(keeper: Keeper) -> None:
    """Its environments are shown as broken. A command that changes one repairs it, and so does `store repair`."""
    environments = [keeper.at(name).install("drum==1.0", "band", "band-guests") for name in ("app", "other", "third")]
    keeper.ask("projects")
    moved = replace(keeper, machine=replace(keeper.machine, store=keeper.folder / "larger" / "store"))
    moved.store.parent.mkdir()
    keeper.store.rename(moved.store)

    states = {row["state"]: row["reason"] for row in moved.ask("projects")}
    assert states == {"broken": "its links lead to the former place of the store"}
    assert moved.prune()["orphans"] == []
    moved.at("app").install("horn")
    moved.machine.pepip("uninstall", "band-guests", folder=keeper.folder / "other")
    healed = moved.ask("store", "repair")["healed"]

    assert healed == [str(environments[2])]
    assert {row["state"] for row in moved.ask("projects")} == {"ok"}
    assert moved.prune()["orphans"] == []
    assert [moved.run_drum(environment) for environment in environments] == ["1.0"] * 3
    assert [link for environment in environments for link in dangling_links(environment)] == []


# Unmounted disks


@pytest.mark.parametrize("mount_point", ["stays", "vanishes"])
@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_a_project_on_an_unmounted_disk_is_kept(keeper: Keeper, kind: str, mount_point: str) -> None:
    """The entries that it linked last are kept and named with the reason. Other orphans are removed."""
    with mounted(kind, keeper.folder / "media" / "disk", mebibytes=64) as disk:
        environment = keeper.at(disk / "work" / "app").install("drum==1.0", "wind-one")
        keeper.at("here").install("horn")
        shutil.rmtree(keeper.folder / "here")
    if mount_point == "vanishes":
        disk.rmdir()

    said = keeper.prune_in_words("--dry-run").stderr
    for _ in range(2):
        done = keeper.prune()
        assert [row["environment"] for row in done["unreachable"]] == [str(environment)]
        assert [entry.partition("/")[2] for entry in done["unreachable"][0]["entries"]] == [
            "drum-1.0",
            "wind-one-1.0",
        ]

    assert f"kept: 2 entries of {environment}, which is unreachable: the disk of {disk} is not there" in said
    assert keeper.entries() == ["drum-1.0", "wind-one-1.0"]
    (row,) = keeper.ask("projects")
    assert row["state"] == "unreachable"


def test_an_environment_that_is_a_mount_point_is_kept_when_it_is_not_mounted(keeper: Keeper) -> None:
    """A container may have a volume at `.venv`. Without the volume, that folder exists and is empty."""
    with mounted("tmpfs", keeper.at("app").environment, mebibytes=16) as environment:
        keeper.at("app").install("drum==1.0")

    done = keeper.prune()

    assert [row["environment"] for row in done["unreachable"]] == [str(environment)]
    assert keeper.entries() == ["drum-1.0"]


def test_an_unmounted_disk_that_comes_back_has_working_projects(keeper: Keeper) -> None:
    """After the disk is mounted again, the environment works as before."""
    with mounted("ext4", keeper.folder / "disk", mebibytes=64) as disk:
        environment = keeper.at(disk / "app").install("drum==1.0")
        subprocess.run(["umount", disk], check=True)
        keeper.prune()
        subprocess.run(["mount", "-o", "loop", disk.with_name("disk.ext4"), disk], check=True)

        assert_drum_is_kept(keeper, environment)
        shutil.rmtree(disk / "app")
        state = keeper.ask("projects")[0]["state"]
        keeper.prune()
        subprocess.run(["umount", disk], check=True)
        keeper.prune()
        subprocess.run(["mount", "-o", "loop", disk.with_name("disk.ext4"), disk], check=True)

    assert state in {"missing", "unreachable"}  # the number of its device may have changed


def test_another_disk_in_the_place_of_an_unmounted_one_is_not_taken_for_it(keeper: Keeper) -> None:
    """Two USB sticks in one slot have one device number and one mount point: the projects of the first are kept."""
    place = keeper.folder / "stick"
    with mounted("tmpfs", place, mebibytes=64):
        environment = keeper.at(place / "app").install("drum==1.0")
        device = place.stat().st_dev
    for _ in range(20):
        with mounted("tmpfs", place, mebibytes=1):
            if place.stat().st_dev == device:
                done = keeper.prune()
                break
    else:
        pytest.skip("the kernel never used the device's number again")

    assert keeper.entries() == ["drum-1.0"]
    assert [row["environment"] for row in done["unreachable"]] == [str(environment)]


def test_a_folder_that_was_mounted_elsewhere_is_not_taken_for_deleted(keeper: Keeper) -> None:
    """In a container, the project's folder is a bind mount from the host's disk. Outside, its path does not exist."""
    real = keeper.machine.make_folder(keeper.folder / "real")
    with mounted("tmpfs", keeper.folder / "container", mebibytes=1) as container:
        inside = container / "work"
        inside.mkdir()
        subprocess.run(["mount", "--bind", real, inside], check=True)
        try:
            environment = keeper.at(inside / "app").install("drum==1.0")
        finally:
            subprocess.run(["umount", inside], check=True)

    done = keeper.prune()

    assert keeper.entries() == ["drum-1.0"]
    assert [row["environment"] for row in done["unreachable"]] == [str(environment)]
    assert dangling_links(real / "app" / ".venv") == []


# Folders and a registry that can't be read


@pytest.mark.parametrize(
    "closed",
    [
        "..",
        ".",
        "lib",
        "lib/python3.*",
        "lib/python3.*/site-packages",
        DRUMS_METADATA,
        "share",
    ],
)
def test_an_environment_behind_a_closed_folder_is_kept(keeper: Keeper, closed: str) -> None:
    """If permissions hide another user's environment, the entries that it linked last are kept and named."""
    stranger = replace(keeper, machine=replace(keeper.machine, prefix=stranger_prefix()))
    environment = keeper.at("app").install("drum==1.0")
    keeper.at("gone").install("horn")
    shutil.rmtree(keeper.folder / "gone")
    (folder,) = (
        [environment.parent] if closed == ".." else environment.glob(closed) if closed != "." else [environment]
    )
    close(folder)

    try:
        previewed = json.loads(
            stranger.machine.pepip("prune", "--dry-run", "--json", folder=keeper.folder, check=False).stdout
        )
        for _ in range(2):
            done = stranger.prune()
            assert [row["environment"] for row in done["unreachable"]] == [str(environment)]
            assert "Permission denied" in done["unreachable"][0]["reason"]
        listed = stranger.ask("projects")
    finally:
        folder.chmod(0o700)

    assert names_of(previewed["orphans"]) == ["horn-1.0"]
    assert keeper.entries() == ["drum-1.0"]
    assert dangling_links(environment) == []
    assert [row["state"] for row in listed] == ["unreachable"] or closed in {"share", DRUMS_METADATA}


@pytest.mark.parametrize(
    "text",
    ["", "{", "\0\0\0\0", "[]", "{}", '{"environment": "/app/.venv", "project": "/app"}', "null"],
    ids=["empty", "cut off", "zeros", "a list", "nothing in it", "half", "null"],
)
def test_a_damaged_registry_file_keeps_everything(keeper: Keeper, text: str) -> None:
    """Nobody knows which environment the file named.

    Nothing is removed; the error names the file and `projects scan`.
    """
    environment = keeper.at("app").install("drum==1.0")
    keeper.at("gone").install("horn")
    shutil.rmtree(keeper.folder / "gone")
    damaged = keeper.registry_file(environment)
    damaged.write_text(text)
    before = snapshot(keeper.store)

    preview = keeper.preview()
    refusal = keeper.prune_in_words(check=False)

    assert preview["orphans"] == []
    assert str(damaged) in preview["blocked"]
    assert_refused(refusal, str(damaged), "projects scan", exit_codes=(1,))
    assert changes(before, snapshot(keeper.store)) == []


def test_a_registry_file_of_nonsense_stops_nobody_for_ever(keeper: Keeper) -> None:
    """An impossible path, or a pipe, counts as a damaged file. No command fails or waits for it."""
    environment = keeper.at("app").install("drum==1.0")
    document = json.loads(keeper.registry_file(environment).read_text())
    strange = keeper.store / "projects" / "strange-0123456789abcdef.json"

    for path in ("", "relative/.venv", "/with/\0/.venv", "/half/\ud800/.venv", 5):
        strange.write_text(json.dumps({**document, "environment": path}))
        assert str(strange) in keeper.preview()["blocked"]
    strange.unlink()
    os.mkfifo(strange)

    assert str(strange) in keeper.preview()["blocked"]
    assert [row["environment"] for row in keeper.ask("projects")] == [str(environment)]


def test_a_registry_that_is_gone_keeps_everything(keeper: Keeper) -> None:
    """Without the registry no environment would count, so nothing is removed. A scan makes a new registry."""
    environment = keeper.at("app").install("drum==1.0")
    keeper.pepip("store", "add", "horn", *keeper.source)
    shutil.rmtree(keeper.store / "projects")

    refusal = keeper.prune_in_words(check=False)
    doctor = keeper.pepip("doctor", check=False)
    removal = keeper.pepip("store", "remove", "drum", check=False)
    assert_refused(refusal, str(keeper.store / "projects"), "is gone", "projects scan", exit_codes=(1,))
    assert_refused(removal, "is gone", exit_codes=(1,))
    assert (doctor.returncode, "is gone: nothing is pruned" in doctor.stdout) == (1, True)
    assert keeper.entries() == ["drum-1.0", "horn-1.0"]
    keeper.ask("projects", "scan", keeper.folder)

    assert names_of(keeper.prune()["orphans"]) == ["horn-1.0"]
    assert keeper.run_drum(environment) == "1.0"


def test_a_damaged_registry_is_made_whole_by_a_scan(keeper: Keeper) -> None:
    """If the scan writes a damaged file anew, no more is needed. Any other damaged file must be forgotten."""
    environment = keeper.at("app").install("drum==1.0")
    keeper.at("gone").install("horn")
    shutil.rmtree(keeper.folder / "gone")
    keeper.registry_file(environment).write_text("{")
    stranded = keeper.store / "projects" / "stranded-0123456789abcdef.json"
    stranded.write_text("")

    keeper.ask("projects", "scan", keeper.folder)
    keeper.ask("projects", "forget", stranded)
    done = keeper.prune()

    assert names_of(done["orphans"]) == ["horn-1.0"]
    assert keeper.entries() == ["drum-1.0"]
    assert keeper.run_drum(environment) == "1.0"


# Links decide


@pytest.mark.parametrize("tool", ["uv", "pip", "pepip"])
def test_uninstalling_with_any_tool_makes_an_orphan(keeper: Keeper, pip: Path, tool: str) -> None:
    """The registration still lists the entries, but the links decide."""
    environment = keeper.at("app").install("drum==1.0", "wind-one", "horn")
    if tool == "uv":
        keeper.machine.uv("pip", "uninstall", "drum", "wind-one", folder=environment.parent)
    elif tool == "pip":
        keeper.machine.python(
            environment, "-m", "pip", "uninstall", "--yes", "drum", "wind-one", variables={"PYTHONPATH": str(pip)}
        )
    else:
        keeper.machine.pepip("uninstall", "drum", "wind-one", folder=environment.parent)

    done = keeper.prune()

    assert sorted(names_of(done["orphans"])) == ["drum-1.0", "wind-one-1.0"]
    assert keeper.entries() == ["horn-1.0"]
    assert dangling_links(environment) == []


def test_an_upgrade_makes_an_orphan_of_the_old_version(keeper: Keeper) -> None:
    """This holds for an upgrade by uv, which installs real files, and by pepip."""
    keeper.at("by-pepip").install("drum==1.0")
    by_uv = keeper.at("by-uv").install("drum==1.0")
    keeper.at("by-pepip").install("drum==2.0")
    assert keeper.preview()["orphans"] == []
    keeper.machine.uv("pip", "install", "drum==2.0", *keeper.source[:3], folder=by_uv.parent)

    done = keeper.prune()

    assert names_of(done["orphans"]) == ["drum-1.0"]
    assert keeper.run_drum(by_uv) == keeper.run_drum(keeper.at("by-pepip").environment) == "2.0"


@pytest.mark.parametrize("rest", ["folder", "inner link"])
def test_one_link_is_enough_to_keep_an_entry(keeper: Keeper, rest: str) -> None:
    """After `rm -r` of the metadata, the link of a folder keeps the entry, and so does a link below a namespace."""
    with mounted("tmpfs", keeper.folder / "disk", mebibytes=64) as disk:  # so that all links are symbolic
        environment = keeper.at(disk / "app").install("drum==1.0", "wind-one")
        without_metadata(environment, "wind_one-1.0" if rest == "inner link" else "drum-1.0")
        links = [path for path in environment.rglob("*") if str(keeper.store) in str(path.resolve())]

        for _ in range(2):
            assert keeper.prune()["orphans"] == []

        assert len(links) > 1
        assert all(path.is_symlink() for path in links)
        assert keeper.entries() == ["drum-1.0", "wind-one-1.0"]
        assert dangling_links(environment) == []


def test_metadata_alone_keeps_an_entry(keeper: Keeper) -> None:
    """Unfolded folders have hard links, which name no entry. The links of the metadata do."""
    environment = keeper.at("app").install("band", "band-guests")
    members = site_packages_of(environment) / "band" / "members.py"

    done = keeper.prune()

    assert not members.is_symlink()
    assert members.samefile(keeper.entry("band-1.0") / "band" / "members.py")
    assert done["orphans"] == []
    assert keeper.entries() == ["band-1.0", "band-guests-1.0"]


def test_link_counts_say_nothing(keeper: Keeper) -> None:
    """An entry is an orphan even if uv's cache, or an environment without metadata, has hard links to its files."""
    environment = keeper.at("app").install("band", "band-guests")
    leave_only_hard_links(environment, "band-1.0", "band_guests-1.0")

    done = keeper.prune()

    assert len(done["orphans"]) == 2
    assert (site_packages_of(environment) / "band" / "members.py").read_text().startswith("NAMES")


# Concurrent runs


def test_an_install_between_the_look_and_the_removal_is_registered_and_kept(keeper: Keeper) -> None:
    """If a deleted project is made again while a prune runs, the prune does not forget the new one."""
    environment = keeper.at("far/app").install("drum==1.0")
    keeper.at("third").install("drum==1.0")
    leftover = keeper.at("other").install("horn")
    for root in (environment, leftover):
        shutil.rmtree(root)
    pruning = prune.prune(Store(str(keeper.store)), prune.PruneOptions())
    for step in pruning:
        if step.detail.startswith("horn"):
            break  # the census is done, the prune holds its lock, and is about to remove the first entry

    with ThreadPoolExecutor(1) as pool:
        installing = pool.submit(keeper.at("far/app").install, "drum==1.0")
        _wait_until_it_waits(keeper, installing.done)
        for _ in pruning:
            pass
        installing.result()
    shutil.rmtree(keeper.folder / "third")
    after = keeper.prune()

    assert after["orphans"] == []
    assert [row["environment"] for row in keeper.ask("projects")] == [str(environment)]
    assert dangling_links(environment) == []
    assert keeper.run_drum(environment) == "1.0"


def _wait_until_it_waits(keeper: Keeper, is_over: Callable[[], bool]) -> None:
    """Wait until an install waits for the store's lock, or is over."""
    awaited = threading.Event()
    for _ in range(600):
        if is_over() or _is_waiting_for_lock(keeper.store / ".lock"):
            return
        awaited.wait(0.05)
    pytest.fail("the install neither waits nor ends")


def _is_waiting_for_lock(path: Path) -> bool:
    """Return whether a process waits for a lock on a file. In `/proc/locks`, `->` marks a waiting process."""
    number = path.stat().st_ino
    lines = Path("/proc/locks").read_text().splitlines()
    return any("->" in line and f":{number} " in line for line in lines)


def crowd(keeper: Keeper, *, installers: int, pruners: int, rounds: int) -> list[int]:
    """Let processes install, check, uninstall and delete in a loop while others prune without a pause.

    Returns the number of prunes of each pruner. A failed install or a dangling link fails the test.
    """
    wanted = (("drum==1.0", "wind-one"), ("horn", "drum==2.0"), ("band", "band-guests"), ("wind-two", "wind-one"))
    is_over = threading.Event()
    keeper.at("first").install("wind-one")  # prune refuses to run without a store

    def install(number: int) -> None:
        project = Path(f"user{number}", "app")  # far apart, since a prune also looks beside known environments
        for turn in range(rounds):
            environment = keeper.at(project).install(*wanted[(turn + number) % len(wanted)])
            assert dangling_links(environment) == [], (number, turn)
            way = (turn + number // 2) % 4
            if way == 0:
                _remove(environment)
            elif way == 1:
                keeper.machine.uv("pip", "uninstall", "drum", "horn", folder=environment.parent)
            elif way == 2:
                keeper.machine.pepip("uninstall", "wind-one", "band", folder=environment.parent)
            elif turn % 2:
                _remove(environment.parent)

    def keep_pruning(_: int) -> int:
        count = 0
        while not is_over.is_set():
            assert keeper.prune()["blocked"] == ""
            count += 1
        return count

    with ThreadPoolExecutor(installers + pruners) as pool:
        prunings = [pool.submit(keep_pruning, number) for number in range(pruners)]
        installs = [pool.submit(install, number) for number in range(installers)]
        try:
            for future in installs:
                future.result()
        finally:
            is_over.set()
        counts = [future.result() for future in prunings]
    for number in range(installers):
        assert dangling_links(keeper.folder / f"user{number}") == []
    return counts


def _remove(folder: Path) -> None:
    """Remove a folder, as often as needed: another run may link a half-removed environment anew."""
    for _ in range(20):
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)
        if not folder.exists():
            return
    pytest.fail(f"{folder} comes back again and again")


def test_eight_processes_install_and_prune_at_once(keeper: Keeper) -> None:
    """In dozens of rounds every install succeeds, no link ever dangles, and the store is whole."""
    counts = crowd(keeper, installers=6, pruners=2, rounds=8)

    assert all(count >= 4 for count in counts)
    assert keeper.problems() == []
    assert keeper.leftovers() == []


def test_the_trash_of_a_run_that_goes_on_is_left_to_it(keeper: Keeper) -> None:
    """A run that empties the trash leaves alone the part that another run is still filling."""
    keeper.at("app").install("drum==1.0", "horn")
    shutil.rmtree(keeper.folder / "app")
    store = Store(str(keeper.store))
    previewed = prune.preview(store, prune.PruneOptions())
    operation = prune.prune(store, prune.PruneOptions())
    for step in operation:
        if step.detail.startswith("horn"):
            break
    assert list((keeper.store / "trash").glob("*/drum-1.0.*"))

    trash.empty(store)

    done = output.follow(operation, output.Reporter(verbosity=-1))
    assert [orphan.stored.name for orphan in done.orphans] == ["drum", "horn"]
    assert done.freed_bytes == previewed.freed_bytes > 0
    assert keeper.entries() == []
    assert keeper.leftovers() == []


def test_a_run_that_begins_while_another_clears_up_is_not_cleared_away(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock of a killed run's folder is held until the folder is removed, so no new run can begin in it."""
    keeper.at("app").install("drum==1.0")
    left = keeper.store / "trash" / "1-2"
    left.mkdir()
    left.with_suffix(".lock").touch()
    held = []

    def remove(path: str) -> None:
        held.append((path, locks.is_held(f"{path}.lock")))
        shutil.rmtree(path)

    monkeypatch.setattr(filesystems, "remove", remove)
    trash.empty(Store(str(keeper.store)))

    assert held == [(str(left), True)]
    assert keeper.leftovers() == []
    assert not left.with_suffix(".lock").exists()


def test_a_second_clean_up_takes_nothing_that_came_between(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a new run makes a removed lock again, it is another lock, and the folder of that run stays."""
    keeper.at("app").install("drum==1.0")
    place = keeper.store / "trash" / "1-2"
    place.with_suffix(".lock").touch()
    real = os.open

    def open_late(path: str, *arguments: int) -> int:
        descriptor = real(path, *arguments)
        if path == str(place.with_suffix(".lock")):  # another process removed the lock, and a new run has begun
            place.with_suffix(".lock").unlink()
            place.with_suffix(".lock").touch()
            place.mkdir()
        return descriptor

    monkeypatch.setattr(os, "open", open_late)
    run_dirs.remove_abandoned(str(place.parent))

    assert place.is_dir()
    assert place.with_suffix(".lock").exists()


def test_every_member_of_a_team_sees_that_a_run_goes_on(team: Team) -> None:
    """Every member can open the lock of a run, whatever the umask of its maker.

    Otherwise the lock would count as missing, or as held for ever.
    """
    first, second = team.users
    first.pepip("store", "list", folder=first.home)
    code = (
        "import os, sys; from pepip.host import run_dirs; from pepip.store.root import Store; os.umask(0o077)\n"
        "store = Store(os.environ['PEPIP_HOME']); store.create()\n"
        "with run_dirs.marked(store.root + '/trash', mode=store.lock_mode) as folder:\n"
        "    os.mkdir(folder); print(folder, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [*first.prefix, sys.executable, "-c", code],
        env=first.variables(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())

        second.pepip("prune", "--yes", folder=second.home)

        assert folder.is_dir()
        process.communicate("")
    first.pepip("prune", "--yes", folder=first.home)
    assert leftovers_of(team.store) == []


@pytest.mark.real_world
def test_eight_processes_install_and_prune_for_long(keeper: Keeper) -> None:
    """The same holds for more than a thousand rounds, also with more pruners than installers."""
    for installers, pruners, rounds in ((6, 2, 50), (3, 5, 50), (7, 1, 40)):
        counts = crowd(keeper, installers=installers, pruners=pruners, rounds=rounds)

        assert min(counts) > 0
        assert keeper.problems() == []
        assert keeper.leftovers() == []


# Kills


def test_a_killed_prune_leaves_whole_entries_and_the_next_one_finishes(keeper: Keeper) -> None:
    """After a kill before any change on disk, the remaining entries can be linked as before."""
    kept = keeper.at("kept").install("drum==2.0", "wind-one")
    keeper.at("gone").install("drum==1.0", "horn", "band")
    shutil.rmtree(keeper.folder / "gone")
    pristine, log = keeper.folder / "pristine", keeper.folder / "log"
    log.mkdir()
    subprocess.run(["cp", "-a", keeper.store, pristine], check=True)
    arguments = ["prune", "--yes"]
    assert killed_before(keeper.machine, 0, arguments, folder=keeper.folder, within=keeper.folder).returncode == 0
    total = len(changes_seen(keeper.folder))
    assert total > 20

    for change in sorted({*range(1, 5), *(1 + turn * (total - 1) // (KILLS - 1) for turn in range(KILLS))}):
        subprocess.run(["rm", "-rf", keeper.store], check=True)
        subprocess.run(["cp", "-a", pristine, keeper.store], check=True)
        killed = killed_before(keeper.machine, change, arguments, folder=keeper.folder, within=keeper.folder)
        where = f"killed before change {change} of {total}: {changes_seen(keeper.folder)[-1]}"
        assert killed.returncode == -9, where
        assert problems_of(keeper.store, sealed=False) == [], where
        assert dangling_links(kept) == [], where
        if change in {1, 2, 3, total}:
            again = keeper.at("again").install("drum==1.0")
            assert keeper.run_drum(again) == "1.0", where
            shutil.rmtree(again.parent)

        keeper.prune()

        assert keeper.entries() == ["drum-2.0", "wind-one-1.0"], where
        assert keeper.problems() == [], where
        assert keeper.leftovers() == [], where
    assert keeper.run_drum(kept) == "2.0"


def test_a_killed_prune_leaves_entries_that_all_may_read(keeper: Keeper) -> None:
    """Entries that a team's members could read before the kill can still be read after it."""
    keeper.at("gone").install("drum==1.0", "horn")
    shutil.rmtree(keeper.folder / "gone")
    before = {path.name: path.stat().st_mode & 0o055 for path in keeper.store.glob("packages/*/*")}

    for change in range(1, 9):
        killed_before(keeper.machine, change, ["prune", "--yes"], folder=keeper.folder, within=keeper.folder)
        after = {path.name: path.stat().st_mode & 0o055 for path in keeper.store.glob("packages/*/*")}
        assert after == {name: before[name] for name in after}, changes_seen(keeper.folder)[-1]

    assert after == {}


def test_a_killed_install_keeps_the_entries_that_it_had_linked(keeper: Keeper) -> None:
    """If an install is killed while it links, a prune keeps the entries that it linked or was about to link."""
    keeper.at("second").install("drum==1.0", "wind-one")
    project = keeper.machine.make_folder(keeper.folder / "app")
    arguments = ["install", "drum==1.0", "wind-one", *keeper.source]
    killed_before(keeper.machine, 0, arguments, folder=project, within=keeper.folder)
    total = len(changes_seen(keeper.folder))
    for change in range(total - 6, total, 2):
        shutil.rmtree(project / ".venv")
        killed_before(keeper.machine, change, arguments, folder=project, within=keeper.folder)
        shutil.rmtree(keeper.folder / "second", ignore_errors=True)

        keeper.prune()

        assert dangling_links(project / ".venv") == [], change
        keeper.machine.pepip(*arguments, folder=project)
        assert keeper.run_drum(project / ".venv") == "1.0"


# A team's store


@pytest.fixture
def team(tmp_path: Path) -> Team:
    """Return two users of one group and the store that they share."""
    return Team.assemble(tmp_path / "team", umask="027")


def test_files_of_another_user_are_named_and_are_no_failure(
    team: Team, wheelhouse: Path, interpreter: Path, tmp_path: Path
) -> None:
    """Each user removes their own entries, and the entries of the other user stay whole."""
    first, second = (Keeper.settle(user, user.home / "work", wheelhouse, interpreter) for user in team.users)
    first.at("app").install("drum==1.0", "wind-one")
    first.at("stays").install("band")
    second.at("app").install("horn", "wind-two")
    for keeper in (first, second):
        shutil.rmtree(keeper.folder / "app")

    said = first.prune_in_words()

    assert said.returncode == 0
    assert entries_of(team.store) == ["band-1.0", "horn-1.0", "wind-two-1.0"]
    for name in ("horn-1.0", "wind-two-1.0"):
        assert f"{name} belongs to another user" in said.stderr
    assert "Removed 2 entries" in said.stderr
    done = second.prune()
    assert sorted(names_of(done["orphans"])) == ["horn-1.0", "wind-two-1.0"]
    assert entries_of(team.store) == ["band-1.0"]
    assert problems_of(team.store) == []


@pytest.mark.parametrize("is_dry", [True, False], ids=["preview", "prune"])
def test_bytes_that_another_user_keeps_are_not_called_free(
    team: Team, wheelhouse: Path, interpreter: Path, tmp_path: Path, is_dry: bool
) -> None:
    """Entries, registrations and trash that only another user can remove do not count as freed bytes."""
    with mounted("ext4", tmp_path / "disk", mebibytes=64) as disk:
        team.store.rename(team.store.with_name("unused"))
        (disk / "store").mkdir()
        os.chown(disk / "store", 0, team.group_id)
        (disk / "store").chmod(0o2775)
        first, second = (
            Keeper.settle(replace(user, store=disk / "store"), user.home / "work", wheelhouse, interpreter)
            for user in team.users
        )
        first.at("app").install("drum==1.0", "wind-one")
        second.at("app").install("horn", "wind-two")
        for keeper in (first, second):
            shutil.rmtree(keeper.folder / "app")
        # The second user's prune was killed after it moved an entry into the trash.
        (first.store / "trash" / "horn-1.0.1-1").mkdir()
        (first.store / "trash" / "horn-1.0.1-1" / "sound.bin").write_bytes(bytes(50_000))
        others = ["chown", "-R", "--reference", second.entry("horn-1.0"), first.store / "trash" / "horn-1.0.1-1"]
        subprocess.run(others, check=True)
        before = free_bytes(disk)

        said = first.preview() if is_dry else first.prune()
        if is_dry:
            first.prune()

        assert said["freed_bytes"] == free_bytes(disk) - before
        assert first.entries() == ["horn-1.0", "wind-two-1.0"]
        if is_dry:
            assert sorted(names_of(said["orphans"])) == ["drum-1.0", "wind-one-1.0"]
            assert {entry.partition("/")[2] for entry in said["refused"]} == {"horn-1.0", "wind-two-1.0"}


def test_a_project_that_two_users_work_on_is_kept_when_its_disk_is_not_there(
    team: Team, wheelhouse: Path, interpreter: Path, tmp_path: Path
) -> None:
    """The registration also lists the entries that a second user linked into the environment."""
    first, second = (Keeper.settle(user, tmp_path, wheelhouse, interpreter) for user in team.users)
    with mounted("tmpfs", tmp_path / "disk", mebibytes=64) as disk:
        os.chown(disk, -1, team.group_id)
        disk.chmod(0o2775)
        environment = first.at(disk / "app").install("drum==1.0")
        subprocess.run(["chmod", "-R", "g+w", disk / "app"], check=True)
        second.machine.pepip("install", "horn", *second.source, folder=disk / "app")

    done = second.prune()

    assert [row["environment"] for row in done["unreachable"]] == [str(environment)]
    assert entries_of(team.store) == ["drum-1.0", "horn-1.0"]


def test_a_store_can_be_locked_by_all_who_may_use_it(keeper: Keeper) -> None:
    """All users can open the lock, whoever made it and with whatever umask.

    A user who can't open the lock can't wait for running installs, and so must not prune.
    """
    keeper.machine.make_folder(keeper.store).chmod(0o2775)
    secretive = replace(keeper, machine=replace(keeper.machine, prefix=("sh", "-c", 'umask 077; exec "$@"', "sh")))
    secretive.at("app").install("drum==1.0")
    lock = keeper.store / ".lock"

    assert stat.S_IMODE(lock.stat().st_mode) == 0o664
    close(lock)
    stranger = replace(keeper, machine=replace(keeper.machine, prefix=stranger_prefix()))
    refusal = stranger.prune_in_words(check=False)
    lock.chmod(0o600)

    assert_refused(refusal, str(lock), "can't be read", exit_codes=(1,))
    assert keeper.entries() == ["drum-1.0"]


def test_someone_who_may_only_read_the_store_removes_nothing(keeper: Keeper, tmp_path: Path) -> None:
    """The output says that the entries belong to another user, and the exit code is 0."""
    keeper.at("app").install("drum==1.0")
    shutil.rmtree(keeper.folder / "app")
    reader = replace(keeper.machine.as_plain_user(tmp_path / "plain"), store=keeper.store)
    before = snapshot(keeper.store)

    output = reader.pepip("prune", "--yes", folder=reader.home)

    assert "drum-1.0 belongs to another user" in output.stderr
    assert "Nothing was removed" in output.stderr
    assert changes(before, snapshot(keeper.store)) == []
