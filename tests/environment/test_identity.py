"""Two containers may have different environments at the same path, and share a store.

Pruning keeps the entries of an environment that can't be seen from here, unless that environment is certainly gone.
The containers in these tests are mount namespaces without the other parts of a container.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support.filesystems import mounted
from tests.support.keeping import Keeper


def inside(keeper: Keeper, script: str) -> Keeper:
    """Return the user in a new mount namespace. A shell script mounts something there before each command."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("mount namespaces need root")
    prefix = ("unshare", "-m", "sh", "-c", f'set -e; {script}; exec "$@"', "sh")
    return replace(keeper, machine=replace(keeper.machine, prefix=prefix))


def with_volume(keeper: Keeper, name: str) -> Keeper:
    """Return the user in a container that has its own folder, of the same disk, at `app`."""
    volume, place = keeper.folder / "volumes" / "of" / name, keeper.folder / "app"
    volume.mkdir(parents=True, exist_ok=True)
    place.mkdir(exist_ok=True)
    return inside(keeper, f"mount --bind '{volume}' '{place}'")


def with_layer(keeper: Keeper, name: str) -> Keeper:
    """Return the user in a container whose root is its own layer over this system's, as in images."""
    disk = keeper.folder / "layers"
    layer, root = disk / name, disk / f"{name}-root"
    for folder in (layer / "upper", layer / "work", root):
        folder.mkdir(parents=True, exist_ok=True)
    options = f"lowerdir=/,upperdir={layer}/upper,workdir={layer}/work"
    binds = [keeper.store, keeper.machine.uv_cache]
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
def test_two_containers_with_one_path_keep_the_entries_of_each(
    keeper: Keeper, kind: str, request: pytest.FixtureRequest
) -> None:
    """Pruning in either container, or outside of both, keeps the entries of both."""
    make: Callable[[Keeper, str], Keeper] = CONTAINERS[kind]
    if make is with_layer:
        layers = mounted("tmpfs", keeper.folder / "layers", mebibytes=512)
        layers.__enter__()
        request.addfinalizer(lambda: layers.__exit__(None, None, None))
    (keeper.folder / "app").mkdir()
    one, two = make(keeper, "one"), make(keeper, "two")
    one.at("app").install("drum==1.0")
    two.at("app").install("drum==2.0", "horn")

    for user in (one, two, keeper):
        done = user.prune()
        assert done["orphans"] == []
        assert done["gone"] == []

    assert keeper.entries() == ["drum-1.0", "drum-2.0", "horn-1.0"]
    states = sorted(row["state"] for row in one.ask("projects"))
    assert states == ["ok", "unreachable"]
    assert sorted(row["state"] for row in keeper.ask("projects")) == ["unreachable", "unreachable"]


def test_an_eject_in_one_container_leaves_the_registration_of_the_other(keeper: Keeper) -> None:
    """The ejected environment is no longer registered. The other container's entries stay."""
    one, two = with_volume(keeper, "one"), with_volume(keeper, "two")
    one.at("app").install("drum==1.0")
    two.at("app").install("drum==2.0", "horn")

    one.pepip("eject", "--yes", "app")

    assert [row["state"] for row in one.ask("projects")] == ["unreachable"]
    assert [row["state"] for row in two.ask("projects")] == ["ok"]
    one.prune()
    assert keeper.entries() == ["drum-2.0", "horn-1.0"]
    two.at("app").python("-c", "import drum, horn")


def test_an_environment_that_goes_in_one_container_takes_nothing_of_the_other(keeper: Keeper) -> None:
    """A prune removes the environment that it sees, with its entries. The other container's registration stays."""
    one, two = with_volume(keeper, "one"), with_volume(keeper, "two")
    one.at("app").install("drum==1.0")
    two.at("app").install("drum==2.0", "horn")

    gone = one.prune("--environment", "app/.venv")

    assert gone["gone"] == [str(keeper.folder / "app" / ".venv")]
    assert keeper.entries() == ["drum-2.0", "horn-1.0"]
    assert [row["state"] for row in two.ask("projects")] == ["ok"]


def test_two_containers_of_one_image_keep_the_entries_of_each(keeper: Keeper) -> None:
    """The environment of an image has the same ID in each container, and each container may install into it."""
    with mounted("tmpfs", keeper.folder / "layers", mebibytes=512):
        keeper.at("app").install("band")
        one, two = with_layer(keeper, "one"), with_layer(keeper, "two")
        one.at("app").install("drum==1.0")
        two.at("app").install("drum==2.0", "horn")

        for user in (one, two, keeper):
            assert user.prune()["orphans"] == []
        one.pepip("eject", "--yes", "app")
        one.prune()

        assert keeper.entries() == ["band-1.0", "drum-2.0", "horn-1.0"]


def test_environments_without_an_id_are_told_apart_by_their_containers(keeper: Keeper) -> None:
    """If no ID can be written, neither container overwrites or forgets the registration of the other."""
    one, two = with_volume(keeper, "one"), with_volume(keeper, "two")
    for user, requirement in ((one, "drum==1.0"), (two, "drum==2.0")):
        user.at("app").install("horn")
        path = keeper.folder / "volumes" / "of" / ("one" if user is one else "two") / ".venv" / ".pepip-id"
        path.unlink()
        path.mkdir()
        user.at("app").install(requirement)

    for user in (one, two, keeper):
        assert user.prune()["orphans"] == []
    one.pepip("eject", "--yes", "app")
    one.prune()

    assert keeper.entries() == ["drum-2.0", "horn-1.0"]


def test_an_environment_of_a_namespace_is_kept_outside_of_it(keeper: Keeper) -> None:
    """An environment on a tmpfs that only one namespace sees keeps its entries, until it is forgotten."""
    place = keeper.folder / "app"
    place.mkdir()
    hidden = inside(keeper, f"mount -t tmpfs tests '{place}'")
    hidden.at("app").install("drum==1.0")

    assert keeper.prune()["orphans"] == []
    assert keeper.entries() == ["drum-1.0"]
    (row,) = keeper.ask("projects")
    assert row["state"] == "unreachable"

    keeper.pepip("projects", "forget", place)
    assert [row["entry"].partition("/")[2] if "entry" in row else row for row in keeper.prune()["orphans"]] != []
    assert keeper.entries() == []


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_two_disks_at_one_mount_point_are_two(keeper: Keeper, kind: str) -> None:
    """Two disks at one mount point are told apart, even if the second has the device number of the first."""
    place = keeper.folder / "disk"
    with mounted(kind, place, mebibytes=320):
        keeper.at("disk/app").install("drum==1.0")
    with mounted(kind, place, mebibytes=320):
        keeper.at("disk/app").install("horn")
        assert keeper.prune()["orphans"] == []

    assert keeper.entries() == ["drum-1.0", "horn-1.0"]


def test_an_environment_that_is_made_again_holds_nothing_of_the_old_one(keeper: Keeper) -> None:
    """On one machine, another environment at the same path means that the first one is gone."""
    environment = keeper.at("app").install("drum==1.0")
    shutil.rmtree(environment)
    keeper.at("app").install("horn")

    keeper.prune()

    assert keeper.entries() == ["horn-1.0"]
    assert [row["state"] for row in keeper.ask("projects")] == ["ok"]


def test_a_copy_of_an_environment_is_one_more(keeper: Keeper) -> None:
    """A copy of an environment has the same ID at another path, and counts as one more environment."""
    environment = keeper.at("app").install("drum==1.0")
    shutil.copytree(environment.parent, keeper.folder / "far" / "away" / "copy", symlinks=True)
    keeper.at("far/away/copy").install("horn")
    shutil.rmtree(environment.parent)

    keeper.prune()

    assert keeper.entries() == ["drum-1.0", "horn-1.0"]


def test_an_older_registration_is_replaced_by_one_with_an_id(keeper: Keeper) -> None:
    """An older registration without an ID is replaced, so that the environment is registered once."""
    environment = keeper.at("app").install("drum==1.0")
    path = keeper.registry_file(environment)
    document = json.loads(path.read_text())
    del document["id"], document["location"]
    from pepip.store import registry

    older = path.with_name(registry.file_name(str(environment)))
    older.write_text(json.dumps(document))
    path.unlink()

    keeper.at("app").install("horn")

    assert keeper.registry_file(environment) != older
    assert len(list((keeper.store / "projects").glob("*.json"))) == 1


def test_a_registry_that_was_lost_and_made_anew_blocks_pruning_until_a_scan(keeper: Keeper) -> None:
    """A registry that an install made again lacks earlier environments, so pruning is refused until a scan."""
    keeper.at("first").install("drum==1.0")
    shutil.rmtree(keeper.store / "projects")
    keeper.at("second").install("horn")

    refused = keeper.prune_in_words(check=False)

    assert refused.returncode == 1
    assert "was lost once" in refused.stderr
    assert "pepip projects scan" in refused.stderr
    assert keeper.entries() == ["drum-1.0", "horn-1.0"]
    keeper.pepip("projects", "scan", keeper.folder)
    assert keeper.prune()["orphans"] == []
    assert len(keeper.ask("projects")) == 2


@pytest.mark.parametrize("claim", ["links nothing", "was elsewhere"])
def test_a_planted_registration_makes_no_orphan(keeper: Keeper, claim: str) -> None:
    """A planted registration of an environment that can't be reached makes no orphan, whatever it claims."""
    place = keeper.folder / "app"
    with mounted("tmpfs", place, mebibytes=64):
        environment = keeper.at("app").install("drum==1.0")
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
    """If a checkout has something else in the ID's place, it is not followed, and the environment is registered."""
    environment = keeper.at("app").install("drum==1.0")
    path, precious = environment / ".pepip-id", keeper.folder / "precious"
    precious.write_text("mine\n")
    path.unlink()
    if content == "a link":
        path.symlink_to(precious)
    elif content == "garbage":
        path.write_text("../../etc/passwd")
    else:
        path.mkdir()

    keeper.at("app").install("horn")

    assert precious.read_text() == "mine\n"
    assert keeper.prune()["orphans"] == []
    assert {row["state"] for row in keeper.ask("projects")} == {"ok"}
