"""`pepip reclaim`: bundles with their gain and cost, a target that picks, and figures that `df` confirms."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.filesystems import mounted
from tests.support.keeping import Keeper, free_bytes
from tests.support.machines import site_packages_of
from tests.support.refusals import assert_refused
from tests.support.snapshots import changes, snapshot
from tests.support.wheels import Wheel

DAY_SECONDS = 86_400
MEBIBYTE = 1 << 20


def stone(name: str, version: str, mebibytes: float) -> Wheel:
    """Return a package of a size, whose bytes can't be compressed."""
    files = {f"{name}/__init__.py": "", f"{name}/stone.bin": os.urandom(int(mebibytes * MEBIBYTE))}
    return Wheel(name, version, files=files)


@pytest.fixture
def keeper(keeper: Keeper) -> Keeper:
    """Return a user with packages of known sizes."""
    sizes = {("boulder", "1.0"): 6, ("boulder", "2.0"): 5, ("rock", "1.0"): 3, ("pebble", "1.0"): 1}
    keeper.supply(stone(name, version, size) for (name, version), size in sizes.items())
    return keeper


def settle(keeper: Keeper) -> None:
    """Have an orphan (rock), two idle projects of which one says what it needs, and one in use."""
    keeper.at("live").install("boulder==2.0", "pebble")
    keeper.at("old").install("boulder==1.0")
    (keeper.folder / "old" / "requirements.txt").write_text("boulder==1.0\n")
    keeper.at("forgotten").install("pebble")
    keeper.pepip("store", "add", "rock", *keeper.source)
    let_rest(keeper.at("old").environment, days=200)
    let_rest(keeper.at("forgotten").environment, days=400)


def let_rest(environment: Path, *, days: float) -> None:
    """Make an environment look as if nobody had used it for this number of days."""
    then = time.time() - days * DAY_SECONDS
    for path in (environment / "pyvenv.cfg", site_packages_of(environment)):
        os.utime(path, (then, then))


def bundles(document: Any) -> dict[str, Any]:
    """Return the bundles of a document by their kind and the name of their project."""
    found = {}
    for bundle in document["bundles"]:
        project = Path(bundle["environment"]).parent.name
        found[f"{bundle['kind']} {project}".strip()] = bundle
    return found


def test_bundles_have_their_gain_and_their_cost(keeper: Keeper) -> None:
    """Unused entries come first, then what costs more. Looking changes nothing, not even the times of use."""
    settle(keeper)
    settings = keeper.folder / "old" / ".venv" / "pyvenv.cfg"
    read_at = os.stat(settings).st_atime
    before = snapshot(keeper.store / "packages")

    document = keeper.ask("reclaim")

    found = bundles(document)
    assert list(found) == ["unused", "idle old", "upgrade old", "idle forgotten"]
    assert found["unused"]["entries"] == ["py3-none-any/rock-1.0"]
    assert found["idle old"]["entries"] == ["py3-none-any/boulder-1.0"]
    assert found["idle old"]["title"] == "idle for 200 days"
    assert found["idle old"]["cost"] == "requirements.txt describes it"
    assert found["idle forgotten"]["entries"] == []
    assert found["idle forgotten"]["cost"] == "no file describes it"
    assert found["upgrade old"]["cost"] == "an upgrade removes it: 1 other has 2.0"
    assert changes(before, snapshot(keeper.store / "packages")) == []
    assert os.stat(settings).st_atime == read_at
    assert list(bundles(keeper.ask("reclaim", "--idle", "300d"))) == ["unused", "upgrade old", "idle forgotten"]


@pytest.mark.real_world
def test_a_started_python_ends_the_rest_of_an_environment(keeper: Keeper) -> None:
    """Nothing was installed, but the interpreter read its settings: the environment is in use."""
    settle(keeper)
    if not os.statvfs(keeper.folder).f_flag & getattr(os, "ST_NOATIME", 0):
        keeper.machine.python(keeper.at("old").environment, "-c", "")

        assert "idle old" not in bundles(keeper.ask("reclaim"))


@pytest.mark.real_world
def test_a_target_picks_the_cheapest_loss(keeper: Keeper) -> None:
    """First unused entries, then uv's cache, then the longest idle project that a file describes."""
    with disk(keeper, "ext4") as (_, near):
        settle(near)

        def picked(size: str) -> tuple[list[str], bool]:
            document = near.ask("reclaim", "--free", size)
            return [name for name, item in bundles(document).items() if item["picked"]], "--uv-cache" in document[
                "command"
            ]

        assert picked("1kB") == (["unused"], False)
        assert picked("2MB") == (["unused"], True)
        assert picked("8MB") == (["unused", "idle old"], True)
        assert picked("9GB") == (["unused", "idle old"], True)
        refused = near.machine.pepip("reclaim", "--free", "9GB", "--yes", folder=near.folder, check=False)
        assert_refused(refused, "less than 9.0 GB")
        assert len(near.entries()) == 4


def disk(keeper: Keeper, kind: str) -> Any:
    """Yield a disk, and the user with the store, the projects and uv's cache on it."""
    import contextlib

    @contextlib.contextmanager
    def made() -> Iterator[tuple[Path, Keeper]]:
        with mounted(kind, keeper.folder / "disk", mebibytes=96 if kind == "ext4" else 400) as place:
            machine = replace(keeper.machine, store=place / "store", uv_cache=place / "cache")
            yield place, replace(keeper, machine=machine, folder=keeper.machine.make_folder(place / "code"))

    return made()


KINDS = [
    "ext4",
    pytest.param("btrfs", marks=pytest.mark.real_world),
    pytest.param("xfs", marks=pytest.mark.real_world),
]


@pytest.mark.parametrize("with_cache", [True, pytest.param(False, marks=pytest.mark.real_world)])
@pytest.mark.parametrize("kind", KINDS)
def test_the_predicted_gain_is_that_of_the_disk(keeper: Keeper, kind: str, *, with_cache: bool) -> None:
    """Within one percent of `df`, with hard links on ext4 and with clones on btrfs and XFS.

    On btrfs and XFS the packages are larger: the file system's own trees change by some 100 kB.
    """
    times = 1 if kind == "ext4" else 5
    for name, version, mebibytes in (("boulder", "1.0", 6), ("rock", "1.0", 3)):
        stone(name, version, mebibytes * times).write(keeper.wheelhouse)
    with disk(keeper, kind) as (place, near):
        settle(near)
        size = (8 if with_cache else 2) * times
        document = near.ask("reclaim", "--free", f"{size}MB")
        before = free_bytes(place)

        program, *words = shlex.split(document["command"])
        assert program == "pepip"
        done = json.loads(near.machine.pepip(*words, "--json", folder=near.folder).stdout)

        gained = free_bytes(place) - before
        assert abs(document["freed_bytes"] - gained) <= 0.01 * gained, (document["freed_bytes"], gained)
        assert done["freed_bytes"] == document["freed_bytes"]
        assert near.entries() == sorted(["boulder-2.0", "pebble-1.0", *([] if with_cache else ["boulder-1.0"])])
        assert (near.folder / "forgotten" / ".venv").is_dir()


@pytest.mark.real_world
def test_entries_in_the_trash_are_not_free_yet(keeper: Keeper) -> None:
    """A prune into the trash frees nothing on the disk; emptying it frees what was predicted."""
    with disk(keeper, "ext4") as (place, near):
        settle(near)
        before = free_bytes(place)

        done = near.prune("--trash", "--uv-cache", "--environment", near.folder / "old")

        assert done["trashed_bytes"] > 8 * MEBIBYTE
        assert abs(free_bytes(place) - before - done["freed_bytes"]) < 0.01 * done["trashed_bytes"]
        middle = free_bytes(place)
        emptied = near.prune("--now")
        assert abs(free_bytes(place) - middle - done["trashed_bytes"]) < 0.01 * done["trashed_bytes"]
        assert abs(emptied["freed_bytes"] - done["trashed_bytes"]) < 0.01 * done["trashed_bytes"]


@pytest.mark.real_world
def test_environments_that_are_not_shared_are_a_bundle(keeper: Keeper) -> None:
    """`--look` searches a folder; the bundle names the command that adopts them."""
    keeper.at("live").install("boulder==2.0")
    project = keeper.machine.make_folder(keeper.folder / "foreign")
    keeper.machine.uv("venv", "--python", keeper.interpreter, ".venv", folder=project)
    words = ("pip", "install", "--python", ".venv", "--link-mode", "copy", "boulder==2.0")
    keeper.machine.uv(*words, "--no-index", "--find-links", keeper.wheelhouse, folder=project)

    found = bundles(keeper.ask("reclaim", "--look", keeper.folder))

    assert found["adopt"]["freed_bytes"] > 4 * MEBIBYTE
    assert found["adopt"]["command"] == f"pepip adopt --yes {project}/.venv"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--free", "much"), "'much' is not a size"),
        (("--idle", "long"), "'long' is not an age"),
        (("--yes",), "--free"),
        (("--look", "nowhere"), "nowhere"),
    ],
)
def test_a_text_that_can_not_be_read_is_refused(keeper: Keeper, words: tuple[str, ...], said: str) -> None:
    """One line says what is wrong."""
    keeper.machine.make_folder(keeper.store)

    assert_refused(keeper.pepip("reclaim", *words, check=False), said, exit_codes=(2,))
