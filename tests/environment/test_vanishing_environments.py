"""While an environment is being deleted, no command of another project makes anything in it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.keeping import Keeper, names_of
from tests.support.machines import site_packages_of
from tests.support.snapshots import changes, snapshot


def removals(folder: Path, order: Callable[[Path], object]) -> Iterator[Path]:
    """Yield all paths below a folder, each after the paths in it, with siblings in this order. The folder is last."""
    for path in sorted(folder.iterdir(), key=order):
        if path.is_dir() and not path.is_symlink():
            yield from removals(path, order)
        else:
            yield path
    yield folder


def metadata_first(path: Path) -> object:
    """Sort metadata before the files that it lists, and otherwise by name."""
    return path.suffix != ".dist-info", path


def copy(source: Path, target: Path) -> None:
    """Make a folder a copy of another one, with its times and hard links."""
    subprocess.run(["rm", "-rf", target], check=True)
    subprocess.run(["cp", "-a", source, target], check=True)


@pytest.mark.parametrize(
    ("command", "order", "moments"),
    [
        pytest.param("install", Path, {"band", "one"}, id="install"),
        pytest.param("list", metadata_first, {"METADATA"}, id="list"),
        *(
            pytest.param(command, order, None, id=f"{command}, {order.__name__}", marks=pytest.mark.real_world)
            for command in ("install", "list")
            for order in (Path, metadata_first)
        ),
    ],
)
def test_an_environment_that_is_being_deleted_is_not_repaired(
    keeper: Keeper, command: str, order: Callable[[Path], object], moments: set[str] | None
) -> None:
    """`install` stores an entry anew that the environment once linked; `list` finds an entry that root wrote into.

    Otherwise `rm` finds a folder that is not empty. The deletion stops each time after a path was removed: by default
    after those with the names in `moments`, when what is left looks most like a case for a repair.
    """
    environment = keeper.at("user/app").install("drum==1.0", "wind-one", "band", "horn")
    other = keeper.at("other/app").install("wind-two").parent
    keeper.machine.uv("pip", "uninstall", "drum", folder=environment.parent)
    keeper.machine.pepip("list", folder=other)
    if command == "install":
        assert names_of(keeper.prune()["orphans"]) == ["drum-1.0"]
    kept = {name: keeper.folder / f"kept-{name}" for name in ("store", "environment", "other")}
    places = {"store": keeper.store, "environment": environment, "other": other}
    for name, place in places.items():
        copy(place, kept[name])
    going = list(removals(site_packages_of(environment), order))

    made = {}
    for number, last in enumerate(going):
        if moments is not None and last.name not in moments:
            continue
        for name, place in places.items():
            copy(kept[name], place)
        if command == "list":
            (keeper.entry("band-1.0") / "band" / "more.py").write_text("")
        for path in going[: number + 1]:
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        before = snapshot(environment)
        keeper.machine.pepip(command, *(("drum==1.0", *keeper.source) if command == "install" else ()), folder=other)
        difference = changes(before, snapshot(environment))
        if difference:
            made[os.fspath(last.relative_to(environment))] = difference

    assert made == {}
