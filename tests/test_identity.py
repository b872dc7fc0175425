"""An environment is not its path: two containers may have one each at the same path, and share a store.

Pruning keeps what an environment links that can't be seen from where it runs, unless that environment is certainly
gone. The containers here are mount namespaces, which are real ones without the rest.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.filesystems import mounted
from tests.support.keeping import Keeper
from tests.support.machines import Machine


@pytest.fixture
def keeper(machine: Machine, tmp_path: Path, wheelhouse: Path, interpreter: Path) -> Keeper:
    """Return a user with wheels to install and no project yet."""
    return Keeper.settle(machine, tmp_path, wheelhouse, interpreter)


def inside(keeper: Keeper, script: str) -> Keeper:
    """Return the same user in a mount namespace of its own, in which a shell script mounts something before."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("mount namespaces need root")
    prefix = ("unshare", "-m", "sh", "-c", f'set -e; {script}; exec "$@"', "sh")
    return replace(keeper, machine=replace(keeper.machine, prefix=prefix))


def with_volume(keeper: Keeper, name: str) -> Keeper:
    """Return the user in a container that has a folder of its own, of the same disk, at `app`."""
    volume, place = keeper.folder / "volumes" / "of" / name, keeper.folder / "app"
    volume.mkdir(parents=True, exist_ok=True)
    place.mkdir(exist_ok=True)
    return inside(keeper, f"mount --bind '{volume}' '{place}'")


def with_layer(keeper: Keeper, name: str) -> Keeper:
    """Return the user in a container whose root is a layer of its own over this system's, as images have it."""
    disk = keeper.folder / "layers"
    layer, root = disk / name, disk / f"{name}-root"
    for folder in (layer / "upper", layer / "work", root):
        folder.mkdir(parents=True, exist_ok=True)
    options = f"lowerdir=/,upperdir={layer}/upper,workdir={layer}/work"
    binds = [keeper.machine.store, keeper.machine.uv_cache]
    for folder in binds:
        folder.mkdir(parents=True, exist_ok=True)
    mounts = " && ".join(f"mount --bind '{folder}' '{root}{folder}'" for folder in binds)
    script = f"mount -t overlay -o '{options}' layers '{root}' && {mounts} && mount --rbind /proc '{root}/proc'"
    contained = inside(keeper, f"{script} && mount --rbind /dev '{root}/dev'")
    entered = 'cd_to=$PWD; exec chroot "$0" sh -c \'cd "$0" && exec "$@"\' "$cd_to" "$@"'
    prefix = (*contained.machine.prefix, "sh", "-c", entered, str(root))
    return replace(contained, machine=replace(contained.machine, prefix=prefix))


CONTAINERS = {"a volume each": with_volume, "an image each": with_layer}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_two_containers_with_one_path_keep_what_each_links(
    keeper: Keeper, kind: str, request: pytest.FixtureRequest
) -> None:
    """Whichever of them prunes, and from outside of both, too."""
    make: Callable[[Keeper, str], Keeper] = CONTAINERS[kind]
    if make is with_layer:
        layers = mounted("tmpfs", keeper.folder / "layers", mebibytes=512)
        layers.__enter__()
        request.addfinalizer(lambda: layers.__exit__(None, None, None))
    (keeper.folder / "app").mkdir()
    one, two = make(keeper, "one"), make(keeper, "two")
    one.install("app", "drum==1.0")
    two.install("app", "drum==2.0", "horn")

    for user in (one, two, keeper):
        done = user.prune()
        assert done["orphans"] == []
        assert done["gone"] == []

    assert keeper.entries() == ["drum-1.0", "drum-2.0", "horn-1.0"]
    states = sorted(row["state"] for row in one.ask("projects"))
    assert states == ["ok", "unreachable"]
    assert sorted(row["state"] for row in keeper.ask("projects")) == ["unreachable", "unreachable"]


def test_an_environment_of_a_namespace_is_kept_outside_of_it(keeper: Keeper) -> None:
    """It lies on a disk in memory that only that namespace has, and that is gone for everybody else."""
    place = keeper.folder / "app"
    place.mkdir()
    hidden = inside(keeper, f"mount -t tmpfs tests '{place}'")
    hidden.install("app", "drum==1.0")

    assert keeper.prune()["orphans"] == []
    assert keeper.entries() == ["drum-1.0"]
    (row,) = keeper.ask("projects")
    assert row["state"] == "unreachable"

    keeper.machine.pepip("projects", "forget", place, folder=keeper.folder)
    assert [row["entry"].partition("/")[2] if "entry" in row else row for row in keeper.prune()["orphans"]] != []
    assert keeper.entries() == []


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_two_disks_at_one_mount_point_are_two(keeper: Keeper, kind: str) -> None:
    """Also where the second gets the number of the first."""
    place = keeper.folder / "disk"
    with mounted(kind, place, mebibytes=320):
        keeper.install("disk/app", "drum==1.0")
    with mounted(kind, place, mebibytes=320):
        keeper.install("disk/app", "horn")
        assert keeper.prune()["orphans"] == []

    assert keeper.entries() == ["drum-1.0", "horn-1.0"]


def test_an_environment_that_is_made_again_holds_nothing_of_the_old_one(keeper: Keeper) -> None:
    """On one machine, a path that shows another environment means that the first is gone."""
    environment = keeper.install("app", "drum==1.0")
    shutil.rmtree(environment)
    keeper.install("app", "horn")

    keeper.prune()

    assert keeper.entries() == ["horn-1.0"]
    assert [row["state"] for row in keeper.ask("projects")] == ["ok"]


def test_a_copy_of_an_environment_is_one_more(keeper: Keeper) -> None:
    """It has the same number at another path."""
    environment = keeper.install("app", "drum==1.0")
    shutil.copytree(environment.parent, keeper.folder / "far" / "away" / "copy", symlinks=True)
    keeper.install("far/away/copy", "horn")
    shutil.rmtree(environment.parent)

    keeper.prune()

    assert keeper.entries() == ["drum-1.0", "horn-1.0"]


def test_an_older_registration_is_replaced_by_one_with_an_id(keeper: Keeper) -> None:
    """Nothing of the environment is registered twice."""
    environment = keeper.install("app", "drum==1.0")
    path = keeper.registry_file(environment)
    document = json.loads(path.read_text())
    del document["id"], document["location"]
    from pepip.store import registry

    older = path.with_name(registry.file_name(str(environment)))
    older.write_text(json.dumps(document))
    path.unlink()

    keeper.install("app", "horn")

    assert keeper.registry_file(environment) != older
    assert len(list((keeper.store / "projects").glob("*.json"))) == 1


def test_a_registry_that_was_lost_and_made_anew_blocks_pruning_until_a_scan(keeper: Keeper) -> None:
    """The next install makes the folder, and knows nothing of the environments before it."""
    keeper.install("first", "drum==1.0")
    shutil.rmtree(keeper.store / "projects")
    keeper.install("second", "horn")

    refused = keeper.prune_in_words(check=False)

    assert refused.returncode == 1
    assert "was lost once" in refused.stderr
    assert "pepip projects scan" in refused.stderr
    assert keeper.entries() == ["drum-1.0", "horn-1.0"]
    keeper.machine.pepip("projects", "scan", keeper.folder, folder=keeper.folder)
    assert keeper.prune()["orphans"] == []
    assert len(keeper.ask("projects")) == 2


@pytest.mark.parametrize("claim", ["links nothing", "was elsewhere"])
def test_a_planted_registration_makes_no_orphan(keeper: Keeper, claim: str) -> None:
    """Whatever it says of somebody's environment, which can't be reached just now."""
    place = keeper.folder / "app"
    with mounted("tmpfs", place, mebibytes=64):
        environment = keeper.install("app", "drum==1.0")
        document = json.loads(keeper.registry_file(environment).read_text())
    if claim == "links nothing":
        document["entries"] = []
    else:
        here = os.stat(place)
        document.update(device=here.st_dev, mount_point="/", location="", id="", filesystem=0)
    (keeper.store / "projects" / "aaa-0000000000000000.json").write_text(json.dumps(document))

    assert keeper.prune()["orphans"] == []
    assert keeper.entries() == ["drum-1.0"]


@pytest.mark.parametrize("content", ["a link", "garbage", "a folder"])
def test_an_id_that_is_none_is_only_data(keeper: Keeper, content: str) -> None:
    """A checkout may have anything there: it is not followed, and the environment is registered all the same."""
    environment = keeper.install("app", "drum==1.0")
    path, precious = environment / ".pepip-id", keeper.folder / "precious"
    precious.write_text("mine\n")
    path.unlink()
    if content == "a link":
        path.symlink_to(precious)
    elif content == "garbage":
        path.write_text("../../etc/passwd")
    else:
        path.mkdir()

    keeper.install("app", "horn")

    assert precious.read_text() == "mine\n"
    assert keeper.prune()["orphans"] == []
    assert {row["state"] for row in keeper.ask("projects")} == {"ok"}
