"""Stores in every place: shared by two users, read-only, on other file systems, behind links, in long paths."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.environments import Twins
from tests.support.filesystems import mounted
from tests.support.keeping import drum
from tests.support.machines import site_packages_of
from tests.support.parity import Level
from tests.support.refusals import assert_refused
from tests.support.snapshots import changes, snapshot
from tests.support.stores import entries_of, leftovers_of, problems_of
from tests.support.teams import Team
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

WHEELS = [
    drum("1.0"),
    drum("2.0"),
    Wheel("horn", "1.0", files={"horn/__init__.py": ""}),
    Wheel("wind-one", "1.0", files={"wind/one/__init__.py": ""}),
    Wheel("wind-two", "1.0", files={"wind/two/__init__.py": ""}),
]


def assert_plays(workbench: Workbench, version: str = "1.0") -> None:
    """Assert that a project's drum can be imported and started."""
    workbench.python("-c", f"import drum, drum.skins; assert drum.VERSION == {version!r}")
    assert workbench.script("drum") == version
    assert (workbench.environment / "share" / "drum" / "manual.txt").read_text() == version


@pytest.fixture(params=["022", "077"], ids=["umask 022", "umask 077"])
def team(request: pytest.FixtureRequest, tmp_path: Path) -> Team:
    """Return two users of one group and the store that they share."""
    return Team.assemble(tmp_path / "team", umask=request.param)


def reader_of(workbench: Workbench) -> Workbench:
    """Return a plain user with an empty project, who may only read the store."""
    plain = workbench.machine.as_plain_user(workbench.folder / "plain")
    reader = workbench.of(replace(plain, store=workbench.store))
    plain.make_folder(reader.project)
    return reader


def test_a_second_user_reuses_the_entries_of_the_first_and_adds_others(workbench: Workbench, team: Team) -> None:
    """Each wheel is stored once for both, and both environments work."""
    first, second = (workbench.of(user) for user in team.users)
    first.install("drum==1.0", "wind-one")
    before = snapshot(team.store / "packages")

    second.install("drum==1.0", "wind-one")
    assert changes(before, snapshot(team.store / "packages")) == []
    second.install("horn", "wind-two")

    assert entries_of(team.store) == ["drum-1.0", "horn-1.0", "wind-one-1.0", "wind-two-1.0"]
    assert problems_of(team.store) == []
    for user in (first, second):
        assert_plays(user)
    first.install("horn")
    first.python("-c", "import horn")


def test_new_paths_get_the_group_and_mode_of_the_store(workbench: Workbench, team: Team) -> None:
    """Whatever the umask, each path in the store belongs to its group or is readable for all. Others can't write."""
    first = workbench.of(team.users[0])
    first.install("drum==1.0")

    for folder, folders, names in os.walk(team.store / "packages"):
        for path in [Path(folder), *(Path(folder, name) for name in [*folders, *names])]:
            status = path.lstat()
            is_for_all = stat.S_ISREG(status.st_mode) and status.st_nlink > 1 and status.st_mode & stat.S_IROTH
            assert status.st_gid == team.group_id or is_for_all, path  # uv's cache shares its mode
            assert status.st_mode & stat.S_IRGRP, path
            assert stat.S_ISLNK(status.st_mode) or not status.st_mode & stat.S_IWOTH, path
    for path in (team.store / "projects").iterdir():
        assert path.lstat().st_mode & stat.S_IRGRP, path


def test_neither_user_can_change_or_remove_the_others_entries(workbench: Workbench, team: Team) -> None:
    """The system refuses to write, add, rename and remove, for files and for whole entries."""
    first, second = (workbench.of(user) for user in team.users)
    first.install("drum==1.0")
    second.install("horn")
    before = snapshot(team.store / "packages")
    (entry,) = team.store.glob("packages/*/drum-1.0")
    registered = next((team.store / "projects").iterdir())

    for command in (
        f"echo evil >> '{entry}/drum/__init__.py'",
        f"echo evil > '{entry}/drum/new.py'",
        f"rm -f '{entry}/drum/__init__.py'",
        f"mv '{entry}' '{entry}.away'",
        f"rm -rf '{entry}'",
        f"chmod -R u+w '{entry}'",
        f"echo evil > '{entry}/drum/__pycache__/evil.pyc'",
    ):
        second.machine.run(["sh", "-c", command], folder=second.folder, check=False)

    assert changes(before, snapshot(team.store / "packages")) == []
    assert not list(entry.glob("drum/__pycache__/evil.pyc"))
    assert registered.exists()
    assert_plays(first)


def test_an_answer_of_another_user_about_an_interpreter_is_not_believed(workbench: Workbench, team: Team) -> None:
    """A cached answer of another user could name any folder as site-packages."""
    first, second = (workbench.of(user) for user in team.users)
    first.install("drum==1.0")
    (told,) = (team.store / "cache").glob("interpreters-*/*.json")
    facts = json.loads(told.read_text())
    planted = team.store / "cache" / f"interpreters-{second.folder.stat().st_uid}"
    planted.mkdir(mode=0o777)
    for path in (told, planted / told.name):
        path.write_text(json.dumps({**facts, "site_packages": "elsewhere"}))
        os.chown(path, told.stat().st_uid, team.group_id)

    second.install("drum==1.0")

    assert_plays(second)


def test_both_users_environments_are_registered(workbench: Workbench, team: Team) -> None:
    """The registry has a file for each user's environment."""
    users = [workbench.of(user) for user in team.users]
    for user in users:
        user.install("drum==1.0")

    registered = "".join(path.read_text() for path in (team.store / "projects").iterdir())

    for user in users:
        assert str(user.environment) in registered


def test_two_users_install_at_once(workbench: Workbench, team: Team) -> None:
    """Locks work between users: both installs succeed, and each wheel is stored once."""
    names = ["drum==1.0", "horn", "wind-one", "wind-two"]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda user: workbench.of(user).install(*names), team.users))

    assert entries_of(team.store) == ["drum-1.0", "horn-1.0", "wind-one-1.0", "wind-two-1.0"]
    assert problems_of(team.store) == []
    assert leftovers_of(team.store) == []


def test_a_read_only_store_serves_its_entries(workbench: Workbench) -> None:
    """A user who may only read the store links from it and changes nothing in it."""
    workbench.install("drum==1.0", "wind-one")
    reader = reader_of(workbench)
    before = snapshot(workbench.store)

    reader.install("drum==1.0", "wind-one")

    assert_plays(reader)
    assert changes(before, snapshot(workbench.store)) == []
    assert (reader.site_packages / "drum").resolve().is_relative_to(workbench.store)


def test_a_read_only_store_names_the_missing_distribution(workbench: Workbench) -> None:
    """The error names the store and the distribution, with a hint, and no environment is made."""
    workbench.install("drum==1.0")
    reader = reader_of(workbench)
    before = snapshot(workbench.store)

    output = reader.attempt("drum==1.0", "horn")

    assert_refused(output, str(workbench.store), "horn 1.0", "PEPIP_HOME")
    assert list(reader.project.iterdir()) == []
    assert changes(before, snapshot(workbench.store)) == []


def test_a_store_mounted_read_only_serves_its_entries(workbench: Workbench, tmp_path: Path) -> None:
    """Even root can't write the store, and root's environments work."""
    with mounted("tmpfs", tmp_path / "disk", mebibytes=16) as disk:
        shared = replace(workbench, machine=replace(workbench.machine, store=disk / "store"))
        shared.at("owner").install("drum==1.0")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)

        shared.install("drum==1.0")
        output = shared.attempt("horn")

        assert_plays(shared)
        assert_refused(output, str(shared.store), "horn")


def test_store_project_and_cache_on_three_file_systems(workbench: Workbench, tmp_path: Path) -> None:
    """Links lead across file systems. Install, upgrade and uv's uninstall work as on one."""
    with (
        mounted("ext4", tmp_path / "store-disk", mebibytes=32) as store_disk,
        mounted("tmpfs", tmp_path / "cache-disk", mebibytes=32) as cache_disk,
    ):
        machine = replace(workbench.machine, store=store_disk / "store", uv_cache=cache_disk / "cache")
        spread = replace(workbench, machine=machine)

        spread.install("drum==1.0", "wind-one", "wind-two")
        assert_plays(spread)
        linked = spread.site_packages / "drum"
        assert linked.is_symlink()
        assert linked.resolve().is_relative_to(store_disk)

        spread.install("drum==2.0")
        assert_plays(spread, "2.0")
        spread.uv("pip", "uninstall", "drum", "wind-one")

        assert spread.problems() == []
        assert spread.entries() == ["drum-1.0", "drum-2.0", "wind-one-1.0", "wind-two-1.0"]


@pytest.mark.parametrize("kind", ["btrfs", "xfs"])
def test_everything_on_a_copy_on_write_file_system(workbench: Workbench, tmp_path: Path, kind: str) -> None:
    """Files are cloned: environments work and equal uv's, and the store is whole."""
    with mounted(kind, tmp_path / "disk", mebibytes=330) as disk:
        machine = replace(workbench.machine, store=disk / "store", uv_cache=disk / "cache")
        cloning = replace(workbench, machine=machine, folder=disk, name="pepip/app")
        twins = Twins(machine, disk, workbench.interpreter)

        twins.install("drum==1.0", "wind-one", *workbench.from_wheelhouse)

        assert_plays(cloning)
        assert cloning.problems() == []
        assert twins.differences(Level.METADATA) == []


def test_environments_outlive_uvs_cache(workbench: Workbench, tmp_path: Path) -> None:
    """`uv cache clean` removes nothing from environments, and a new project can still link the stored entries."""
    own = replace(workbench, machine=replace(workbench.machine, uv_cache=tmp_path / "own-cache"))
    own.install("drum==1.0", "horn")

    own.uv("cache", "clean")

    assert_plays(own)
    own.at("second").install("drum==1.0", "horn")
    assert_plays(own.at("second"))
    assert own.problems() == []


def test_a_store_behind_a_link(workbench: Workbench, tmp_path: Path) -> None:
    """`PEPIP_HOME` may be a link. An upgrade finds earlier links by either path of the store."""
    (tmp_path / "real-store").mkdir()
    (tmp_path / "link-to-store").symlink_to("real-store")
    linked, direct = (
        replace(workbench, machine=replace(workbench.machine, store=tmp_path / name))
        for name in ("link-to-store", "real-store")
    )

    linked.install("drum==1.0", "wind-one")
    assert_plays(linked)
    direct.install("drum==2.0")
    assert_plays(direct, "2.0")
    linked.install("drum==1.0", "wind-two")

    assert_plays(linked)
    assert direct.problems() == []
    assert direct.entries() == ["drum-1.0", "drum-2.0", "wind-one-1.0", "wind-two-1.0"]
    assert (tmp_path / "link-to-store").is_symlink()


def test_a_project_behind_a_link(workbench: Workbench, tmp_path: Path) -> None:
    """A project with two paths has one environment."""
    (tmp_path / "real").mkdir()
    (tmp_path / "alias").symlink_to("real")

    workbench.at("alias").install("drum==1.0")
    workbench.at("real").install("drum==2.0")

    for name in ("real", "alias"):
        assert_plays(workbench.at(name), "2.0")


@pytest.mark.parametrize("name", ["with space", "münchen-ÄÖ-日本", "quote'n\"more", "a" * 120, "-dash", "per%cent"])
def test_odd_and_long_paths(workbench: Workbench, tmp_path: Path, name: str) -> None:
    """Scripts start, and the environment equals uv's.

    The paths have spaces, other alphabets or quotes, or are too long for a script's first line.
    """
    folder = tmp_path / name
    machine = replace(workbench.machine, store=folder / "store")
    odd = replace(workbench, machine=machine, folder=folder, name="pepip/app")
    twins = Twins(machine, folder, workbench.interpreter)

    twins.install("drum==1.0", "wind-one", *workbench.from_wheelhouse)

    script = twins.uv_environment / "bin" / "drum"
    assert odd.problems() == []
    unequal = twins.differences(Level.METADATA)
    assert [line for line in unequal if not line.startswith("file bin/activate")] == []  # these quote their path
    if machine.run([script], folder=folder, check=False).returncode == 0:
        assert_plays(odd)
    twins.run("uv", "pip", "uninstall", "drum")
    assert odd.problems() == []


def test_the_store_lies_in_the_home_folder_by_default(workbench: Workbench) -> None:
    """Without `PEPIP_HOME`, or with an empty one, the store is `~/.pepip`. A `~` in it is expanded."""
    for number, setting in enumerate(["", "~/elsewhere"]):
        workbench.at(f"app{number}").install("drum==1.0", variables={"PEPIP_HOME": setting})

    assert entries_of(workbench.machine.home / ".pepip") == ["drum-1.0"]
    assert entries_of(workbench.machine.home / "elsewhere") == ["drum-1.0"]


def test_a_relative_store_is_meant_from_here(workbench: Workbench, tmp_path: Path) -> None:
    """A relative store is below the current folder. Links to it are absolute, so the environment works everywhere."""
    workbench.install("drum==1.0", variables={"PEPIP_HOME": "store"})

    assert_plays(workbench)
    assert entries_of(workbench.project / "store") == ["drum-1.0"]
    shutil.copytree(workbench.environment, tmp_path / "copy", symlinks=True)
    assert (site_packages_of(tmp_path / "copy") / "drum" / "__init__.py").exists()
