"""Stores in every place: shared by two users, read-only, on other file systems, behind links, in long paths."""

from __future__ import annotations

import json
import os
import shutil
import stat
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.support.environments import Twins
from tests.support.filesystems import mounted
from tests.support.keeping import drum
from tests.support.machines import Machine, site_packages_of
from tests.support.parity import Level
from tests.support.refusals import assert_refused
from tests.support.snapshots import changes, snapshot
from tests.support.stores import entries_of, leftovers_of, problems_of
from tests.support.teams import Team
from tests.support.wheels import Wheel

WHEELS = [
    drum("1.0"),
    drum("2.0"),
    Wheel("horn", "1.0", files={"horn/__init__.py": ""}),
    Wheel("wind-one", "1.0", files={"wind/one/__init__.py": ""}),
    Wheel("wind-two", "1.0", files={"wind/two/__init__.py": ""}),
]


@dataclass(frozen=True)
class Music:
    """Wheels to install, and the arguments that find them."""

    wheelhouse: Path
    interpreter: Path

    @property
    def source(self) -> tuple[str | Path, ...]:
        """Return the arguments that make uv and pepip take wheels only from the wheelhouse."""
        return ("--no-index", "--find-links", self.wheelhouse, "--python", self.interpreter)

    def install(self, machine: Machine, project: Path, *arguments: str | Path) -> None:
        """Install into a project, and fail the test on an error. A missing project is made."""
        machine.make_folder(project)
        machine.pepip("install", *arguments, *self.source, folder=project)

    @staticmethod
    def assert_plays(machine: Machine, project: Path, version: str = "1.0") -> None:
        """Assert that a project's drum can be imported and started."""
        environment = project / ".venv"
        machine.python(environment, "-c", f"import drum, drum.skins; assert drum.VERSION == {version!r}")
        said = machine.run([environment / "bin" / "drum"], folder=project).stdout
        assert said.strip() == version
        assert (environment / "share" / "drum" / "manual.txt").read_text() == version


@pytest.fixture
def music(wheelhouse: Path, interpreter: Path) -> Music:
    """Return wheels to install."""
    for wheel in WHEELS:
        wheel.write(wheelhouse)
    return Music(wheelhouse, interpreter)


@pytest.fixture(params=["022", "077"], ids=["umask 022", "umask 077"])
def team(request: pytest.FixtureRequest, tmp_path: Path) -> Team:
    """Return two users of one group and the store that they share."""
    return Team.assemble(tmp_path / "team", umask=request.param)


def test_a_second_user_reuses_the_entries_of_the_first_and_adds_others(team: Team, music: Music) -> None:
    """Each wheel is stored once for both, and both environments work."""
    first, second = team.users
    music.install(first, first.home / "app", "drum==1.0", "wind-one")
    before = snapshot(team.store / "packages")

    music.install(second, second.home / "app", "drum==1.0", "wind-one")
    assert changes(before, snapshot(team.store / "packages")) == []
    music.install(second, second.home / "app", "horn", "wind-two")

    assert entries_of(team.store) == ["drum-1.0", "horn-1.0", "wind-one-1.0", "wind-two-1.0"]
    assert problems_of(team.store) == []
    for user in team.users:
        music.assert_plays(user, user.home / "app")
    first.pepip("install", "horn", *music.source, folder=first.home / "app")
    first.python(first.home / "app" / ".venv", "-c", "import horn")


def test_new_paths_get_the_group_and_mode_of_the_store(team: Team, music: Music) -> None:
    """Whatever the umask, each path in the store belongs to its group or is readable for all. Others can't write."""
    first = team.users[0]
    music.install(first, first.home / "app", "drum==1.0")

    for folder, folders, names in os.walk(team.store / "packages"):
        for path in [Path(folder), *(Path(folder, name) for name in [*folders, *names])]:
            status = path.lstat()
            is_for_all = stat.S_ISREG(status.st_mode) and status.st_nlink > 1 and status.st_mode & stat.S_IROTH
            assert status.st_gid == team.group_id or is_for_all, path  # uv's cache shares its mode
            assert status.st_mode & stat.S_IRGRP, path
            assert stat.S_ISLNK(status.st_mode) or not status.st_mode & stat.S_IWOTH, path
    for path in (team.store / "projects").iterdir():
        assert path.lstat().st_mode & stat.S_IRGRP, path


def test_neither_user_can_change_or_remove_the_others_entries(team: Team, music: Music) -> None:
    """The system refuses to write, add, rename and remove, for files and for whole entries."""
    first, second = team.users
    music.install(first, first.home / "app", "drum==1.0")
    music.install(second, second.home / "app", "horn")
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
        second.run(["sh", "-c", command], folder=second.home, check=False)

    assert changes(before, snapshot(team.store / "packages")) == []
    assert not list(entry.glob("drum/__pycache__/evil.pyc"))
    assert registered.exists()
    music.assert_plays(first, first.home / "app")


def test_an_answer_of_another_user_about_an_interpreter_is_not_believed(team: Team, music: Music) -> None:
    """A cached answer of another user could name any folder as site-packages."""
    first, second = team.users
    music.install(first, first.home / "app", "drum==1.0")
    (told,) = (team.store / "cache").glob("interpreters-*/*.json")
    facts = json.loads(told.read_text())
    planted = team.store / "cache" / f"interpreters-{second.home.stat().st_uid}"
    planted.mkdir(mode=0o777)
    for path in (told, planted / told.name):
        path.write_text(json.dumps({**facts, "site_packages": "elsewhere"}))
        os.chown(path, told.stat().st_uid, team.group_id)

    music.install(second, second.home / "app", "drum==1.0")

    music.assert_plays(second, second.home / "app")


def test_both_users_environments_are_registered(team: Team, music: Music) -> None:
    """The registry has a file for each user's environment."""
    for user in team.users:
        music.install(user, user.home / "app", "drum==1.0")

    registered = "".join(path.read_text() for path in (team.store / "projects").iterdir())

    for user in team.users:
        assert str(user.home / "app" / ".venv") in registered


def test_two_users_install_at_once(team: Team, music: Music) -> None:
    """Locks work between users: both installs succeed, and each wheel is stored once."""
    from concurrent.futures import ThreadPoolExecutor

    names = ["drum==1.0", "horn", "wind-one", "wind-two"]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda user: music.install(user, user.home / "app", *names), team.users))

    assert entries_of(team.store) == ["drum-1.0", "horn-1.0", "wind-one-1.0", "wind-two-1.0"]
    assert problems_of(team.store) == []
    assert leftovers_of(team.store) == []


def test_a_read_only_store_serves_its_entries(machine: Machine, tmp_path: Path, music: Music) -> None:
    """A user who may only read the store links from it and changes nothing in it."""
    music.install(machine, tmp_path / "owner", "drum==1.0", "wind-one")
    reader = replace(machine.as_plain_user(tmp_path / "plain"), store=machine.store)
    before = snapshot(machine.store)

    music.install(reader, reader.home / "app", "drum==1.0", "wind-one")

    music.assert_plays(reader, reader.home / "app")
    assert changes(before, snapshot(machine.store)) == []
    assert (site_packages_of(reader.home / "app" / ".venv") / "drum").resolve().is_relative_to(machine.store)


def test_a_read_only_store_names_the_missing_distribution(machine: Machine, tmp_path: Path, music: Music) -> None:
    """The error names the store and the distribution, with a hint, and no environment is made."""
    music.install(machine, tmp_path / "owner", "drum==1.0")
    reader = replace(machine.as_plain_user(tmp_path / "plain"), store=machine.store)
    project = reader.make_folder(reader.home / "app")
    before = snapshot(machine.store)

    output = reader.pepip("install", "drum==1.0", "horn", *music.source, folder=project, check=False)

    assert_refused(output, str(machine.store), "horn 1.0", "PEPIP_HOME")
    assert list(project.iterdir()) == []
    assert changes(before, snapshot(machine.store)) == []


def test_a_store_mounted_read_only_serves_its_entries(machine: Machine, tmp_path: Path, music: Music) -> None:
    """Even root can't write the store, and root's environments work."""
    import subprocess

    with mounted("tmpfs", tmp_path / "disk", mebibytes=16) as disk:
        shared = replace(machine, store=disk / "store")
        music.install(shared, tmp_path / "owner", "drum==1.0")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)

        music.install(shared, tmp_path / "reader", "drum==1.0")
        output = shared.pepip("install", "horn", *music.source, folder=tmp_path / "reader", check=False)

        music.assert_plays(shared, tmp_path / "reader")
        assert_refused(output, str(shared.store), "horn")


def test_store_project_and_cache_on_three_file_systems(machine: Machine, tmp_path: Path, music: Music) -> None:
    """Links lead across file systems. Install, upgrade and uv's uninstall work as on one."""
    with (
        mounted("ext4", tmp_path / "store-disk", mebibytes=32) as store_disk,
        mounted("tmpfs", tmp_path / "cache-disk", mebibytes=32) as cache_disk,
    ):
        spread = replace(machine, store=store_disk / "store", uv_cache=cache_disk / "cache")
        project = tmp_path / "app"

        music.install(spread, project, "drum==1.0", "wind-one", "wind-two")
        music.assert_plays(spread, project)
        linked = site_packages_of(project / ".venv") / "drum"
        assert linked.is_symlink()
        assert linked.resolve().is_relative_to(store_disk)

        music.install(spread, project, "drum==2.0")
        music.assert_plays(spread, project, "2.0")
        spread.uv("pip", "uninstall", "drum", "wind-one", folder=project)

        assert problems_of(spread.store) == []
        assert entries_of(spread.store) == ["drum-1.0", "drum-2.0", "wind-one-1.0", "wind-two-1.0"]


@pytest.mark.parametrize("kind", ["btrfs", "xfs"])
def test_everything_on_a_copy_on_write_file_system(machine: Machine, tmp_path: Path, music: Music, kind: str) -> None:
    """Files are cloned: environments work and equal uv's, and the store is whole."""
    with mounted(kind, tmp_path / "disk", mebibytes=330) as disk:
        cloning = replace(machine, store=disk / "store", uv_cache=disk / "cache")
        twins = Twins(cloning, disk, music.interpreter)

        twins.install("drum==1.0", "wind-one", *music.source[:3])

        music.assert_plays(cloning, twins.pepip_project)
        assert problems_of(cloning.store) == []
        assert twins.differences(Level.METADATA) == []


def test_environments_outlive_uvs_cache(machine: Machine, tmp_path: Path, music: Music) -> None:
    """`uv cache clean` removes nothing from environments, and a new project can still link the stored entries."""
    own = replace(machine, uv_cache=tmp_path / "own-cache")
    music.install(own, tmp_path / "first", "drum==1.0", "horn")

    own.uv("cache", "clean", folder=tmp_path)

    music.assert_plays(own, tmp_path / "first")
    music.install(own, tmp_path / "second", "drum==1.0", "horn")
    music.assert_plays(own, tmp_path / "second")
    assert problems_of(own.store) == []


def test_a_store_behind_a_link(machine: Machine, tmp_path: Path, music: Music) -> None:
    """`PEPIP_HOME` may be a link. An upgrade finds earlier links by either path of the store."""
    (tmp_path / "real-store").mkdir()
    (tmp_path / "link-to-store").symlink_to("real-store")
    linked = replace(machine, store=tmp_path / "link-to-store")
    direct = replace(machine, store=tmp_path / "real-store")

    music.install(linked, tmp_path / "app", "drum==1.0", "wind-one")
    music.assert_plays(linked, tmp_path / "app")
    music.install(direct, tmp_path / "app", "drum==2.0")
    music.assert_plays(direct, tmp_path / "app", "2.0")
    music.install(linked, tmp_path / "app", "drum==1.0", "wind-two")

    music.assert_plays(linked, tmp_path / "app")
    assert problems_of(direct.store) == []
    assert entries_of(direct.store) == ["drum-1.0", "drum-2.0", "wind-one-1.0", "wind-two-1.0"]
    assert (tmp_path / "link-to-store").is_symlink()


def test_a_project_behind_a_link(machine: Machine, tmp_path: Path, music: Music) -> None:
    """A project with two paths has one environment."""
    (tmp_path / "real").mkdir()
    (tmp_path / "alias").symlink_to("real")

    music.install(machine, tmp_path / "alias", "drum==1.0")
    music.install(machine, tmp_path / "real", "drum==2.0")

    music.assert_plays(machine, tmp_path / "real", "2.0")
    music.assert_plays(machine, tmp_path / "alias", "2.0")


@pytest.mark.parametrize("name", ["with space", "münchen-ÄÖ-日本", "quote'n\"more", "a" * 120, "-dash", "per%cent"])
def test_odd_and_long_paths(machine: Machine, tmp_path: Path, music: Music, name: str) -> None:
    """Scripts start, and the environment equals uv's.

    The paths have spaces, other alphabets or quotes, or are too long for a script's first line.
    """
    folder = tmp_path / name
    odd = replace(machine, store=folder / "store")
    twins = Twins(odd, folder, music.interpreter)

    twins.install("drum==1.0", "wind-one", *music.source[:3])

    script = twins.uv_environment / "bin" / "drum"
    assert problems_of(odd.store) == []
    unequal = twins.differences(Level.METADATA)
    assert [line for line in unequal if not line.startswith("file bin/activate")] == []  # these quote their path
    if odd.run([script], folder=folder, check=False).returncode == 0:
        music.assert_plays(odd, twins.pepip_project)
    twins.run("uv", "pip", "uninstall", "drum")
    assert problems_of(odd.store) == []


def test_the_store_lies_in_the_home_folder_by_default(machine: Machine, tmp_path: Path, music: Music) -> None:
    """Without `PEPIP_HOME`, or with an empty one, the store is `~/.pepip`. A `~` in it is expanded."""
    for number, setting in enumerate(["", "~/elsewhere"]):
        project = tmp_path / f"app{number}"
        project.mkdir()
        machine.pepip("install", "drum==1.0", *music.source, folder=project, variables={"PEPIP_HOME": setting})

    assert entries_of(machine.home / ".pepip") == ["drum-1.0"]
    assert entries_of(machine.home / "elsewhere") == ["drum-1.0"]


def test_a_relative_store_is_meant_from_here(machine: Machine, tmp_path: Path, music: Music) -> None:
    """A relative store is below the current folder. Links to it are absolute, so the environment works everywhere."""
    project = tmp_path / "app"
    project.mkdir()

    machine.pepip("install", "drum==1.0", *music.source, folder=project, variables={"PEPIP_HOME": "store"})

    music.assert_plays(machine, project)
    assert entries_of(project / "store") == ["drum-1.0"]
    shutil.copytree(project / ".venv", tmp_path / "copy", symlinks=True)
    assert (site_packages_of(tmp_path / "copy") / "drum" / "__init__.py").exists()
