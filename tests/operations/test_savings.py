"""`pepip savings`, `projects`, `uses` and `store list`: measured on disk, and checked against `du`."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.filesystems import mounted
from tests.support.keeping import Keeper, close, names_of, stranger_prefix, without_metadata
from tests.support.machines import interpreter_of, site_packages_of
from tests.support.refusals import assert_refused
from tests.support.snapshots import changes, snapshot
from tests.support.wheels import Wheel

pytestmark = pytest.mark.every(2)

LIBRARY = Wheel(
    "library",
    "1.0",
    files={
        "library/__init__.py": "",
        **{f"library/part_{number}/__init__.py": "" for number in range(20)},
        **{f"library/part_{number % 20}/module_{number}.py": f"VALUE = {number}\n" * 500 for number in range(300)},
    },
)


@pytest.fixture
def keeper(keeper: Keeper) -> Keeper:
    """Return a user with wheels to install, also a large one, and no project yet."""
    keeper.supply([LIBRARY])
    return keeper


def du(*trees: Path) -> int:
    """Return the bytes that trees occupy together by `du -c -B1`, with each inode counted once."""
    output = subprocess.run(["du", "-c", "-s", "-B1", *trees], capture_output=True, text=True, check=True).stdout
    return int(output.splitlines()[-1].split()[0])


def entries_in(keeper: Keeper) -> list[Path]:
    """Return the folders of all entries."""
    return sorted(keeper.store.glob("packages/*/*"))


def real_copy(environment: Path, place: Path) -> Path:
    """Copy an environment without sharing: links to the store become real files."""
    shutil.copytree(environment, place, symlinks=False, ignore=_interpreters(environment))
    shutil.copytree(environment / "bin", place / "bin", symlinks=True)
    return place


def _interpreters(environment: Path) -> Callable[[str, list[str]], list[str]]:
    def ignored(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if Path(folder) == environment and name in {"bin", "lib64"}]

    return ignored


# Savings


def test_the_bytes_on_disk_are_those_of_du(keeper: Keeper) -> None:
    """The sum over entries and environments is exact to the byte, with real files, links, hard links and bytecode."""
    environments = [
        keeper.at("first").install("drum==1.0", "library", "wind-one", "band", "band-guests"),
        keeper.at("second").install("drum==2.0", "library", "band"),
        keeper.at("third").install("horn", "library", "--compile-bytecode"),
    ]
    keeper.machine.python(environments[0], "-c", "import drum.skins, wind.one, band.guests, library.part_3.module_3")
    keeper.machine.uv("pip", "install", "Big_Bell", *keeper.source[:3], folder=environments[1].parent)
    shutil.rmtree(environments[2])
    keeper.at("third").install("horn")

    sums = keeper.ask("savings")

    assert sums["on_disk_bytes"] == du(*entries_in(keeper), *environments)
    assert sums["saved_bytes"] == sums["without_sharing_bytes"] - sums["on_disk_bytes"]
    assert sums["entries"] == len(entries_in(keeper)) == 7
    assert sums["projects"] == 3


def test_files_that_environments_share_beside_the_store_count_once(keeper: Keeper) -> None:
    """If uv makes hard links into its cache, two environments have the same files, and these count once."""
    environments = [keeper.at(name).install("drum==1.0") for name in ("first", "second")]
    for environment in environments:
        arguments = ("Big_Bell", "horn", *keeper.source[:3], "--link-mode", "hardlink")
        keeper.machine.uv("pip", "install", *arguments, folder=environment.parent)

    sums = keeper.ask("savings")

    assert sums["on_disk_bytes"] == du(*entries_in(keeper), *environments)


def test_hard_links_whose_metadata_is_gone_are_counted_once(keeper: Keeper) -> None:
    """The files belong to the store, even if the environment has no metadata of them."""
    environment = keeper.at("app").install("band", "band-guests")
    for stem in ("band-1.0", "band_guests-1.0"):
        without_metadata(environment, stem)

    sums = keeper.ask("savings")

    assert sums["on_disk_bytes"] == du(*entries_in(keeper), environment)


TOLERANCE = 0.03
"""Allowed relative difference to real copies: an entry has one folder and one metadata file more than a copy."""


UVS_TOLERANCE = 0.1
"""Allowed relative difference to uv's copies: in the store, each package has a bytecode folder, even an empty one."""


def test_the_size_without_sharing_is_that_of_real_copies(keeper: Keeper) -> None:
    """The sum equals the size of copies with real files in place of links, within three hundredths."""
    environments = [
        keeper.at(name).install("library", "drum==1.0", "Big_Bell", "wind-one", "--compile-bytecode")
        for name in ("first", "second", "third")
    ]

    sums = keeper.ask("savings")

    copies = [
        real_copy(environment, keeper.folder / "copies" / environment.parent.name) for environment in environments
    ]
    together = du(*copies)
    assert sums["without_sharing_bytes"] == pytest.approx(together, rel=TOLERANCE)
    assert sums["saved_bytes"] == pytest.approx(together - du(*entries_in(keeper), *environments), rel=TOLERANCE)


def test_the_size_without_sharing_of_small_packages_is_that_of_real_copies(keeper: Keeper) -> None:
    """Folders and metadata of small packages weigh more than code. The sum does not count the store's own twice."""
    for number in range(20):
        Wheel(f"tiny-{number}", "1.0", files={f"tiny_{number}.py": "HERE = 1\n"}).write(keeper.wheelhouse)
    environment = keeper.at("app").install(*(f"tiny-{number}" for number in range(20)))

    (row,) = keeper.ask("projects")

    copied = du(real_copy(environment, keeper.folder / "copy"))
    assert row["alone_bytes"] == pytest.approx(copied, rel=0.1)


def test_the_size_without_sharing_is_that_of_copies_by_uv(keeper: Keeper) -> None:
    """The sum without sharing equals the environment that uv makes with `--link-mode copy`."""
    keeper.at("app").install("library", "drum==1.0", "Big_Bell", "wind-one")
    by_uv = keeper.machine.make_folder(keeper.folder / "by-uv")
    keeper.machine.uv("venv", ".venv", "--python", keeper.interpreter, folder=by_uv)
    names = ("library", "drum==1.0", "Big_Bell", "wind-one")
    keeper.machine.uv("pip", "install", *names, *keeper.source[:3], "--link-mode", "copy", folder=by_uv)

    (row,) = keeper.ask("projects")

    assert row["alone_bytes"] == pytest.approx(du(by_uv / ".venv"), rel=UVS_TOLERANCE)


def test_one_project_alone_saves_nothing(keeper: Keeper) -> None:
    """With one environment the store saves nothing, and the report claims no saving."""
    keeper.at("app").install("library", "drum==1.0")

    sums = keeper.ask("savings")

    assert sums["saved_bytes"] < 0.03 * sums["on_disk_bytes"]


def test_the_prunable_bytes_are_those_that_a_prune_frees(keeper: Keeper, tmp_path: Path) -> None:
    """Without hard links in uv's cache both sums are equal, but a prune also frees the file of the registry."""
    with mounted("ext4", tmp_path / "disk", mebibytes=64) as disk:
        apart = replace(keeper, machine=replace(keeper.machine, store=disk / "store"), folder=disk / "work")
        apart.at("kept").install("drum==1.0")
        apart.at("gone").install("drum==1.0", "Big_Bell", "horn")
        shutil.rmtree(disk / "work" / "gone")

        sums = apart.ask("savings")
        freed = apart.prune()["freed_bytes"]
        after = apart.ask("savings")

        assert sums["prunable_bytes"] + disk.stat().st_blksize == freed
        assert after["prunable_bytes"] == 0
        assert sums["on_disk_bytes"] - after["on_disk_bytes"] == sums["prunable_bytes"]


def test_entries_that_a_prune_keeps_do_not_count_as_unused(keeper: Keeper) -> None:
    """An entry is in use if only a folder's link, a copy beside, or an unreachable environment links it."""
    environment = keeper.at("first").install("drum==1.0")
    without_metadata(environment, "drum-1.0")
    second = keeper.at("second").install("horn")
    subprocess.run(["cp", "-r", second.parent, keeper.folder / "copy"], check=True)
    keeper.machine.uv("pip", "uninstall", "horn", folder=second.parent)
    assert keeper.preview()["orphans"] == []

    sums = keeper.ask("savings")

    assert sums["prunable_bytes"] == 0
    assert keeper.ask("store", "list", "--orphans") == []
    assert {row["state"] for row in keeper.ask("store", "list")} == {"linked"}


def test_savings_of_an_empty_store(keeper: Keeper) -> None:
    """All sums are 0, without an error, and no store is made."""
    sums = keeper.ask("savings")

    assert not any(sums.values())
    assert not keeper.store.exists()


def test_savings_change_nothing_and_are_said_in_words(keeper: Keeper) -> None:
    """The table says what is compared, and the store stays unchanged."""
    keeper.at("app").install("drum==1.0")
    before = snapshot(keeper.store / "packages")

    said = keeper.pepip("savings")

    for words in ("on disk", "copies", "hard links", "unused"):
        assert words in said.stdout
    assert changes(before, snapshot(keeper.store / "packages")) == []


# Projects


def test_projects_have_their_packages_and_their_sizes(keeper: Keeper) -> None:
    """The JSON document has packages with their entries, the own size, and the size without the store."""
    environment = keeper.at("app").install("drum==1.0", "wind-one")
    keeper.at("other").install("horn")

    rows = keeper.ask("projects")
    (one,) = keeper.ask("projects", environment.parent)

    assert [row["environment"] for row in rows] == [str(keeper.folder / name / ".venv") for name in ("app", "other")]
    assert one == rows[0]
    assert one["project"] == str(environment.parent)
    assert one["packages"] == [
        {"name": "drum", "version": "1.0", "entry": "py3-none-any/drum-1.0", "link_mode": "symlink"},
        {"name": "wind-one", "version": "1.0", "entry": "py3-none-any/wind-one-1.0", "link_mode": "symlink"},
    ]
    assert one["state"] == "ok"
    assert (
        one["python"]
        == keeper.machine.python(
            environment, "-c", "import platform; print(platform.python_version())"
        ).stdout.strip()
    )
    assert one["own_bytes"] == du(*entries_in(keeper), environment) - du(*entries_in(keeper))
    assert keeper.ask("projects", environment) == [one]
    assert_refused(keeper.pepip("projects", keeper.folder, check=False), "projects scan")


def test_a_remembered_size_is_measured_anew_after_a_change(keeper: Keeper) -> None:
    """Remembered sizes of an environment or an entry make a second run faster, but never wrong."""
    environment = keeper.at("app").install("drum==1.0", "band")
    first = keeper.ask("projects")[0]

    keeper.machine.python(environment, "-c", "import drum.skins")
    compiled = keeper.ask("projects")[0]
    keeper.machine.uv("pip", "install", "horn", *keeper.source[:3], folder=environment.parent)
    grown = keeper.ask("projects")[0]
    keeper.at("app").install("band-guests")
    unfolded = keeper.ask("projects")[0]
    (site_packages_of(environment) / "notes.txt").write_bytes(bytes(100_000))
    noted = keeper.ask("projects")[0]
    shutil.rmtree(keeper.store / "cache")

    assert first["alone_bytes"] < compiled["alone_bytes"] < grown["alone_bytes"] < unfolded["alone_bytes"]
    assert noted["own_bytes"] >= unfolded["own_bytes"] + 100_000
    assert keeper.ask("projects")[0] == noted
    assert names_of(noted["packages"]) == ["band-1.0", "band-guests-1.0", "drum-1.0", "horn-1.0"]


def test_a_file_that_grows_in_its_place_is_measured_anew(keeper: Keeper) -> None:
    """`savings` measures each time. `projects` remembers its sizes while no folder has changed."""
    environment = keeper.at("app").install("drum==1.0")
    notes = site_packages_of(environment) / "notes.txt"
    notes.write_bytes(bytes(100_000))
    before = keeper.ask("savings")["on_disk_bytes"]

    notes.write_bytes(bytes(900_000))

    assert keeper.ask("savings")["on_disk_bytes"] >= before + 700_000


def test_distributions_without_an_entry_are_shown(keeper: Keeper) -> None:
    """Distributions that uv installed have no entry, and the table counts them."""
    environment = keeper.at("app").install("drum==1.0", "horn")
    keeper.machine.uv("pip", "install", "wind-one", "drum==2.0", *keeper.source[:3], folder=environment.parent)

    (row,) = keeper.ask("projects")
    table = keeper.pepip("projects").stdout

    assert row["packages"] == [
        {"name": "drum", "version": "2.0", "entry": None, "link_mode": None},
        {"name": "horn", "version": "1.0", "entry": "py3-none-any/horn-1.0", "link_mode": "symlink"},
        {"name": "wind-one", "version": "1.0", "entry": None, "link_mode": None},
    ]
    assert row["state"] == "ok"
    assert any(line.split()[-1] == "2" for line in table.splitlines() if str(environment) in line), table


@pytest.mark.parametrize("way", ["interpreter", "entry", "journal"])
def test_a_broken_environment_is_said_to_be(keeper: Keeper, way: str) -> None:
    """The reason names the lost interpreter, the lost entry or the interrupted change."""
    environment = keeper.at("app").install("drum==1.0")
    if way == "interpreter":
        interpreter_of(environment).unlink()
    elif way == "entry":
        keeper.entry("drum-1.0").rename(keeper.folder / "taken")
    else:
        _kill_while_linking(keeper, environment)

    (row,) = keeper.ask("projects")

    assert row["state"] == "broken"
    expected = {"interpreter": "interpreter", "entry": "drum-1.0", "journal": "interrupted"}[way]
    assert expected in row["reason"]


def _kill_while_linking(keeper: Keeper, environment: Path) -> None:
    from pepip.environment import journal
    from tests.support.kills import killed_before

    for change in range(1, 200):
        arguments = ("install", "wind-one", "horn", *keeper.source)
        killed_before(keeper.machine, change, arguments, folder=environment.parent, within=environment)
        if journal.pending(str(environment)) is not None:
            return
    pytest.fail("no journal was ever seen")


def test_a_deleted_environment_is_missing_until_it_is_pruned(keeper: Keeper) -> None:
    """A missing environment links nothing and needs no bytes."""
    environment = keeper.at("app").install("drum==1.0")
    shutil.rmtree(environment)

    (row,) = keeper.ask("projects")

    assert (row["state"], row["packages"], row["own_bytes"], row["alone_bytes"]) == ("missing", [], 0, 0)
    keeper.prune()
    assert keeper.ask("projects") == []


def test_an_unreachable_environment_is_not_measured_but_counts(keeper: Keeper) -> None:
    """The entries that it linked last are in use. Its own bytes are unknown."""
    prefix = stranger_prefix()
    environment = keeper.at("app").install("drum==1.0")
    close(environment)
    stranger = replace(keeper, machine=replace(keeper.machine, prefix=prefix))

    try:
        (row,) = stranger.ask("projects")
        (listed,) = stranger.ask("store", "list")
        sums = stranger.ask("savings")
    finally:
        environment.chmod(0o700)

    assert (row["state"], row["own_bytes"]) == ("unreachable", 0)
    assert "Permission denied" in row["reason"]
    assert (listed["state"], listed["projects"]) == ("linked", [str(environment)])
    assert sums["prunable_bytes"] == 0


@pytest.mark.parametrize("named", ["environment", "project", "relative"])
def test_a_forgotten_project_is_no_root(keeper: Keeper, named: str) -> None:
    """A project can be forgotten by any of its names.

    Entries that only it linked become orphans; it stays unchanged.
    """
    environment = keeper.at("far/away/app").install("drum==1.0")
    names = {"environment": environment, "project": environment.parent, "relative": Path("far/away/app")}

    assert keeper.ask("projects", "forget", names[named]) == {"forgotten": [str(environment)]}

    assert keeper.ask("projects") == []
    assert names_of(keeper.preview()["orphans"]) == ["drum-1.0"]
    assert keeper.run_drum(environment) == "1.0"
    again = keeper.pepip("projects", "forget", environment, check=False)
    assert_refused(again, str(environment), "is not registered")


def test_a_forgotten_project_leaves_none_of_its_environments_registered(keeper: Keeper) -> None:
    """A deleted environment of the project is forgotten together with the one that is there."""
    kept = keeper.at("app").install("drum==1.0")
    gone = kept.with_name("env")
    keeper.at("app").pepip("install", "--venv", gone, "horn", *keeper.source)
    shutil.rmtree(gone)

    forgotten = keeper.ask("projects", "forget", "app")

    assert sorted(forgotten["forgotten"]) == [str(kept), str(gone)]
    assert keeper.ask("projects") == []
    assert names_of(keeper.preview()["orphans"]) == ["drum-1.0", "horn-1.0"]


def test_a_scan_finds_all_that_links_the_store(keeper: Keeper) -> None:
    """A scan finds environments of any name, below any folder. It skips those without links, and follows no link."""
    known = keeper.at("known/app").install("drum==1.0")
    moved = keeper.machine.make_folder(keeper.folder / "known/b") / "env"
    keeper.at("deep/app").install("horn").rename(moved)
    by_uv = keeper.machine.make_folder(keeper.folder / "known" / "by-uv")
    keeper.machine.uv("venv", ".venv", "--python", keeper.interpreter, folder=by_uv)
    (keeper.folder / "known" / "loop").symlink_to(keeper.folder / "known")

    found = keeper.ask("projects", "scan", keeper.folder / "known")

    assert sorted(found, key=str) == [
        {"environment": str(known), "was_known": True},
        {"environment": str(moved), "was_known": False},
    ]
    assert {row["environment"]: row["state"] for row in keeper.ask("projects")}[str(moved)] == "ok"
    missing = keeper.pepip("projects", "scan", "nowhere", check=False)
    assert_refused(missing, "nowhere", exit_codes=(2,))


# Uses, and the list of entries


def test_uses_names_the_environments_that_have_a_version(keeper: Keeper) -> None:
    """For a security notice, `uses` lists linked and real copies by any specifier.

    The exit code is 1 if there is none.
    """
    first = keeper.at("first").install("drum==1.0")
    second = keeper.at("second").install("drum==2.0", "Big_Bell")
    third = keeper.at("third").install("horn")
    keeper.machine.uv("pip", "install", "drum==1.0", *keeper.source[:3], folder=third.parent)

    def users(requirement: str) -> tuple[int, list[str]]:
        output = keeper.pepip("uses", requirement, "--json", check=False)
        return output.returncode, sorted(row["environment"] for row in json.loads(output.stdout))

    assert users("drum") == (0, [str(first), str(second), str(third)])
    assert users("drum<2") == (0, [str(first), str(third)])
    assert users("drum>=1.5,<3") == (0, [str(second)])
    assert users("big.BELL") == (0, [str(second)])
    assert users("drum>2") == (1, [])
    assert users("wind-one") == (1, [])
    said = keeper.pepip("uses", "wind-one", check=False)
    assert said.returncode == 1
    assert "no environment has wind-one" in said.stderr
    assert_refused(keeper.pepip("uses", "drum<<2", check=False), "drum<<2")


def test_the_list_of_entries(keeper: Keeper) -> None:
    """The JSON document says everything of each entry. The list takes patterns, `--orphans`, and each order."""
    first = keeper.at("first").install("drum==1.0", "wind-one")
    second = keeper.at("second").install("drum==1.0", "horn")
    keeper.at("third").install("Big_Bell")
    shutil.rmtree(keeper.folder / "third")
    for days, name in ((3, "drum-1.0"), (1, "big-bell-1.0"), (4, "wind-one-1.0"), (2, "horn-1.0")):
        keeper.age(name, days)

    rows = keeper.ask("store", "list")

    assert names_of(rows) == ["big-bell-1.0", "drum-1.0", "horn-1.0", "wind-one-1.0"]
    drum = rows[1]
    assert drum["projects"] == [str(first), str(second)]
    assert drum["state"] == "linked"
    assert drum["bucket"] == "py3-none-any"
    assert drum["size_bytes"] == du(keeper.entry("drum-1.0"))
    assert drum["last_linked_at"] == pytest.approx(drum["stored_at"], abs=2)
    files = [path for path in keeper.entry("drum-1.0").rglob("*") if path.is_file() and ".pepip" not in path.parts]
    assert drum["files"] == len(files) - 1
    assert "drum-1.0-py3-none-any.whl" in drum["origin"]
    assert {row["name"]: row["state"] for row in rows}["big-bell"] == "orphan"
    assert names_of(keeper.ask("store", "list", "--orphans")) == ["big-bell-1.0"]
    assert names_of(keeper.ask("store", "list", "*o*")) == ["horn-1.0", "wind-one-1.0"]
    assert names_of(keeper.ask("store", "list", "Big_Bell")) == ["big-bell-1.0"]
    orders = {"size": "big-bell", "projects": "drum", "stored": "big-bell", "name": "big-bell"}
    for order, expected in orders.items():
        assert keeper.ask("store", "list", "--sort", order)[0]["name"] == expected
    assert names_of(keeper.ask("store", "list", "--sort", "stored")) == [
        "big-bell-1.0",
        "horn-1.0",
        "drum-1.0",
        "wind-one-1.0",
    ]
