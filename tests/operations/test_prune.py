"""`pepip prune`: its preview, its question, its options, and the freed bytes that it reports."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.filesystems import mounted
from tests.support.keeping import Keeper, dangling_links, free_bytes, leave_only_hard_links, names_of
from tests.support.refusals import assert_refused
from tests.support.snapshots import changes, snapshot
from tests.support.stores import leftovers_of
from tests.support.terminals import run_on_terminal
from tests.support.wheels import Wheel

pytestmark = pytest.mark.every(2)


@pytest.fixture
def orphaned(keeper: Keeper) -> Keeper:
    """Return a user with two orphans, drum 1.0 and horn, and a project that links drum 2.0."""
    keeper.at("kept").install("drum==2.0")
    leave_orphans(keeper, "drum==1.0", "horn")
    return keeper


def leave_orphans(keeper: Keeper, *requirements: str) -> None:
    """Install into a project and delete it."""
    keeper.at("gone").install(*requirements)
    shutil.rmtree(keeper.folder / "gone")


def on_terminal(
    keeper: Keeper, *arguments: str | Path, answers: Any = (), variables: dict[str, str] | None = None
) -> Any:
    """Run `pepip prune` on a terminal."""
    command = [sys.executable, "-m", "pepip", "prune", *arguments]
    return run_on_terminal(keeper.machine, command, folder=keeper.folder, answers=answers, variables=variables)


# The preview and the question


def test_a_preview_lists_the_orphans_and_changes_nothing(orphaned: Keeper) -> None:
    """The JSON document lists each orphan with its bytes, the freed bytes, and the unreachable environments."""
    before = snapshot(orphaned.store)

    document = orphaned.preview()

    assert sorted(names_of(document["orphans"])) == ["drum-1.0", "horn-1.0"]
    for row in document["orphans"]:
        assert row["bucket"] == "py3-none-any"
        assert row["size_bytes"] == _du(orphaned.entry(f"{row['name']}-{row['version']}"))
    assert document["freed_bytes"] > 0
    assert document["unreachable"] == []
    assert changes(before, snapshot(orphaned.store)) == []


def _du(*trees: Path) -> int:
    """Return the bytes that trees occupy together, by `du`."""
    import subprocess

    lines = subprocess.run(["du", "-c", "-s", "-B1", *trees], capture_output=True, text=True, check=True).stdout
    return int(lines.splitlines()[-1].split()[0])


def test_a_preview_in_words(orphaned: Keeper) -> None:
    """The text names the orphans with version and size, the reason for their removal, and the freed bytes."""
    said = orphaned.prune_in_words("--dry-run")

    for words in (("drum", "1.0"), ("horn", "1.0")):
        assert any(all(word in line for word in words) for line in (said.stdout + said.stderr).splitlines())
    assert f"gone: {orphaned.folder / 'gone' / '.venv'}" in said.stderr
    assert "Would remove 2 entries" in said.stderr
    assert orphaned.entries() == ["drum-1.0", "drum-2.0", "horn-1.0"]


def test_a_store_without_orphans_has_nothing_to_prune(keeper: Keeper) -> None:
    """A preview and a prune say so in words, and count no zeros."""
    keeper.at("app").install("drum==1.0")

    assert keeper.prune_in_words("--dry-run").stderr == "Nothing to prune\n"
    assert keeper.prune_in_words().stderr == "Nothing to prune\n"
    assert keeper.entries() == ["drum-1.0"]


def test_it_removes_orphans_whole_and_leaves_nothing_behind(orphaned: Keeper) -> None:
    """The prune's document equals the preview's, and the next prune finds nothing."""
    preview = orphaned.preview()

    done = orphaned.prune()

    assert done == preview
    assert orphaned.entries() == ["drum-2.0"]
    assert [name for name in orphaned.leftovers() if name != "trash/.lock"] == []
    assert orphaned.problems() == []
    assert orphaned.run_drum(orphaned.folder / "kept" / ".venv") == "2.0"
    again = orphaned.prune()
    assert (again["orphans"], again["freed_bytes"], again["gone"]) == ([], 0, [])


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_without_a_terminal_it_wants_yes(orphaned: Keeper, arguments: tuple[str, ...]) -> None:
    """A script that forgot `--yes` gets an error that names it, and nothing is removed."""
    before = snapshot(orphaned.store)

    output = orphaned.pepip("prune", *arguments, check=False)

    assert_refused(output, "--yes", exit_codes=(2,))
    assert changes(before, snapshot(orphaned.store)) == []


@pytest.mark.parametrize("typed", ["y\n", "yes\n"])
def test_on_a_terminal_it_shows_and_asks(orphaned: Keeper, typed: str) -> None:
    """The preview comes first. After a yes, exactly its entries are removed."""
    screen = on_terminal(orphaned, answers=[("[y/N]", typed)])

    assert screen.returncode == 0
    preview, _, after = screen.stdout.partition("[y/N]")
    assert "horn" in preview
    assert "Would remove 2 entries" in preview
    assert "Removed 2 entries" in after
    assert orphaned.entries() == ["drum-2.0"]


@pytest.mark.parametrize("typed", ["n\n", "\n", "\x04"], ids=["no", "nothing", "end of input"])
def test_any_other_answer_removes_nothing(orphaned: Keeper, typed: str) -> None:
    """An answer other than yes removes nothing, and neither does the end of input."""
    before = snapshot(orphaned.store)

    screen = on_terminal(orphaned, answers=[("[y/N]", typed)])

    assert screen.returncode == 1
    assert "Nothing was removed" in screen.stdout
    assert changes(before, snapshot(orphaned.store)) == []


def test_nothing_to_remove_asks_nothing(keeper: Keeper) -> None:
    """Without orphans there is no question, even on a terminal."""
    keeper.at("kept").install("horn")

    screen = on_terminal(keeper)

    assert screen.returncode == 0
    assert "[y/N]" not in screen.stdout
    assert keeper.entries() == ["horn-1.0"]


def test_a_change_during_the_question_counts(orphaned: Keeper) -> None:
    """Entries that were linked during the question are kept.

    New orphans are kept too, since nobody was asked about them.
    """

    def answers() -> Iterator[tuple[str, str]]:
        yield ("[y/N]", "")
        orphaned.at("late").install("drum==1.0")
        leave_orphans(orphaned, "wind-one")
        yield ("", "y\n")

    screen = on_terminal(orphaned, answers=answers())

    assert "Removed 1 entry" in screen.stdout
    assert orphaned.entries() == ["drum-1.0", "drum-2.0", "wind-one-1.0"]
    assert orphaned.run_drum(orphaned.folder / "late" / ".venv") == "1.0"


def test_without_a_store_it_says_so_and_makes_none(keeper: Keeper) -> None:
    """A mistyped `PEPIP_HOME` is an error, not an empty store."""
    output = keeper.prune_in_words(check=False)

    assert_refused(output, str(keeper.store))
    assert not keeper.store.exists()


# Which orphans


def test_patterns_choose_names_and_versions(keeper: Keeper) -> None:
    """Patterns are shell patterns of names, or of `name==version`."""
    leave_orphans(keeper, "drum==1.0", "horn", "wind-one", "wind-two")
    leave_orphans(keeper, "drum==2.0")

    assert sorted(names_of(keeper.preview("wind-*")["orphans"])) == ["wind-one-1.0", "wind-two-1.0"]
    assert names_of(keeper.preview("drum==2*")["orphans"]) == ["drum-2.0"]
    assert sorted(names_of(keeper.preview("*o*", "--keep", "horn")["orphans"])) == ["wind-one-1.0", "wind-two-1.0"]
    assert keeper.preview("nothing-of-that-name")["orphans"] == []
    keeper.prune("wind-*", "drum", "--keep", "drum==2.0", "--keep", "*-two")

    assert keeper.entries() == ["drum-2.0", "horn-1.0", "wind-two-1.0"]


@pytest.mark.parametrize("spelled", ["Big_Bell", "big.bell", "BIG-BELL", "Big_*", "big_bell==1.0"])
def test_patterns_know_a_distribution_by_any_spelling(keeper: Keeper, spelled: str) -> None:
    """Names are compared as everywhere in packaging: a capital or an underscore makes no `--keep` miss its entry."""
    leave_orphans(keeper, "Big_Bell", "horn")

    assert names_of(keeper.preview("--keep", spelled)["orphans"]) == ["horn-1.0"]
    assert names_of(keeper.preview(spelled)["orphans"]) == ["big-bell-1.0"]


def test_only_entries_that_were_not_linked_for_so_long(keeper: Keeper) -> None:
    """`--older-than` takes an age in hours, days or weeks, counted from the last link."""
    leave_orphans(keeper, "drum==1.0", "horn", "wind-one")
    keeper.age("drum-1.0", days=40)
    keeper.age("horn-1.0", days=20)

    assert names_of(keeper.preview("--older-than", "30d")["orphans"]) == ["drum-1.0"]
    assert names_of(keeper.preview("--older-than", "2w")["orphans"]) == ["drum-1.0", "horn-1.0"]
    assert names_of(keeper.preview("--older-than", "481h")["orphans"]) == ["drum-1.0"]
    keeper.age("wind-one-1.0", days=-1)  # stamped by a clock that was ahead
    assert len(keeper.preview("--older-than", "0s")["orphans"]) == 3
    keeper.prune("--older-than", "30d")

    assert keeper.entries() == ["horn-1.0", "wind-one-1.0"]


def test_a_new_link_makes_an_old_entry_young(keeper: Keeper) -> None:
    """A new link counts even if it only reuses the entry."""
    leave_orphans(keeper, "drum==1.0", "horn")
    keeper.age("drum-1.0", days=40)
    keeper.age("horn-1.0", days=40)
    leave_orphans(keeper, "drum==1.0")

    done = keeper.prune("--older-than", "30d")

    assert names_of(done["orphans"]) == ["horn-1.0"]


def test_the_least_recently_linked_go_first_until_the_store_is_small(keeper: Keeper) -> None:
    """No more entries are removed than are needed to get the store down to the given size."""
    leave_orphans(keeper, "Big_Bell", "horn", "drum==1.0")
    for days, name in ((10, "big-bell-1.0"), (30, "horn-1.0"), (20, "drum-1.0")):
        keeper.age(name, days)
    sizes = {row["name"]: row["size_bytes"] for row in keeper.preview()["orphans"]}
    everything = sum(sizes.values())

    def chosen(limit: int) -> list[str]:
        return [row["name"] for row in keeper.preview("--max-size", str(limit))["orphans"]]

    assert chosen(everything) == []
    assert chosen(everything - 1) == ["horn"]
    assert chosen(everything - sizes["horn"]) == ["horn"]
    assert chosen(everything - sizes["horn"] - 1) == ["horn", "drum"]
    assert chosen(0) == ["horn", "drum", "big-bell"]
    keeper.prune("--max-size", f"{(sizes['big-bell'] + 999) // 1000}kB")
    assert keeper.entries() == ["big-bell-1.0"]


def test_a_size_never_takes_an_entry_in_use(keeper: Keeper) -> None:
    """A linked entry stays, even if it is old and the store is still too large."""
    environment = keeper.at("kept").install("Big_Bell")
    leave_orphans(keeper, "horn")
    keeper.age("big-bell-1.0", days=400)

    done = keeper.prune("--max-size", "1kB")

    assert names_of(done["orphans"]) == ["horn-1.0"]
    assert keeper.entries() == ["big-bell-1.0"]
    assert dangling_links(environment) == []


def test_a_size_with_the_other_options(keeper: Keeper) -> None:
    """Entries that are kept or too young are skipped, and the next oldest entry is removed."""
    leave_orphans(keeper, "Big_Bell", "horn", "drum==1.0")
    for days, name in ((40, "big-bell-1.0"), (50, "horn-1.0"), (1, "drum-1.0")):
        keeper.age(name, days)

    kept = keeper.preview("--max-size", "1B", "--keep", "horn", "--older-than", "30d")

    assert names_of(kept["orphans"]) == ["big-bell-1.0"]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--older-than", "30"),
        ("--older-than", "soon"),
        ("--older-than", "-1d"),
        ("--max-size", "big"),
        ("--max-size", "20XB"),
        ("--max-size", ""),
    ],
)
def test_a_text_that_is_no_age_or_size_is_refused(orphaned: Keeper, option: str, value: str) -> None:
    """An unreadable age or size is refused, and nothing is removed."""
    output = orphaned.prune_in_words(f"{option}={value}", check=False)

    assert_refused(output, repr(value), exit_codes=(2,))
    assert orphaned.entries() == ["drum-1.0", "drum-2.0", "horn-1.0"]


@pytest.mark.parametrize(("text", "size_bytes"), [("1MB", 10**6), ("1MiB", 2**20), ("0.5 gb", 5 * 10**8), ("7", 7)])
def test_sizes_are_read_as_they_are_written(text: str, size_bytes: int) -> None:
    """Units are decimal, or binary with an `i`."""
    from pepip.cli.prune import _bytes

    assert _bytes(text) == size_bytes


def test_one_version_in_two_buckets_goes_from_both(keeper: Keeper) -> None:
    """A package that was built for two Pythons has two entries of one name, and both are removed."""
    for tag in ("py3-none-any", "py3-none-linux_x86_64"):
        wheel = Wheel("twin", "1.0", files={"twin/__init__.py": ""}, tag=tag).write(keeper.wheelhouse)
        keeper.pepip("store", "add", wheel, *keeper.source)
    assert keeper.entries() == ["twin-1.0", "twin-1.0"]

    done = keeper.prune()

    assert (names_of(done["orphans"]), done["refused"]) == (["twin-1.0", "twin-1.0"], [])
    assert keeper.entries() == []
    assert keeper.leftovers() == []


def test_a_full_disk_can_be_pruned(keeper: Keeper) -> None:
    """A prune works without room for a folder in the trash, a lock, or a file of the registry."""
    with mounted("ext4", keeper.folder / "disk", mebibytes=16) as place:
        crowded = replace(keeper, machine=replace(keeper.machine, store=place / "store"))
        environment = crowded.at("app").install("drum==1.0")
        crowded.machine.pepip("store", "add", "horn", *keeper.source, folder=keeper.folder)
        shutil.copytree(environment.parent, keeper.folder / "copied", symlinks=True)
        fill(place)

        doctor = crowded.machine.pepip("doctor", folder=keeper.folder)
        done = crowded.prune()

        assert names_of(done["orphans"]) == ["horn-1.0"]
        assert crowded.entries() == ["drum-1.0"]
        assert leftovers_of(crowded.store) == []
        assert "0 B free" in doctor.stdout


def fill(disk: Path) -> None:
    """Fill a disk so that no byte and no folder has room on it."""
    for size_bytes in (65536, 1):
        with contextlib.suppress(OSError), (disk / f"filler-{size_bytes}").open("wb", buffering=0) as file:
            while file.write(bytes(size_bytes)):
                pass
    with contextlib.suppress(OSError):
        for number in itertools.count():
            (disk / f"folder-{number}").mkdir()


# Freed bytes


@pytest.fixture(params=["cache elsewhere", "cache on the same disk"])
def disk(request: pytest.FixtureRequest, keeper: Keeper) -> Iterator[tuple[Path, Keeper]]:
    """Yield a separate disk with a store and a project, and their user. uv's cache is on this disk or elsewhere."""
    with mounted("ext4", keeper.folder / "disk", mebibytes=64) as place:
        cache = place / "cache" if request.param == "cache on the same disk" else keeper.folder / "own-cache"
        machine = replace(keeper.machine, store=place / "store", uv_cache=cache)
        yield place, replace(keeper, machine=machine, folder=keeper.machine.make_folder(place / "work"))


WHAT_GOES = {
    "a deleted project": ("drum==1.0", "horn", "Big_Bell", "wind-one"),
    "bytecode": ("drum==1.0", "horn", "--compile-bytecode"),
    "shared folders": ("band", "band-guests"),
}


@pytest.mark.parametrize("requirements", WHAT_GOES.values(), ids=WHAT_GOES)
def test_the_freed_bytes_are_those_that_the_file_system_gains(
    disk: tuple[Path, Keeper], requirements: tuple[str, ...]
) -> None:
    """The freed bytes equal the difference in `df` to the byte.

    Bytes that hard links in uv's cache keep are reported.

    ext4 itself keeps no bytes here: the folders of the store have as many blocks before as after.
    """
    place, keeper = disk
    keeper.at("kept").install("drum==2.0", "wind-two")
    leave_orphans(keeper, *requirements)
    previewed = keeper.preview()
    before = free_bytes(place)

    said = keeper.prune_in_words()

    gained = free_bytes(place) - before
    is_shared = keeper.machine.uv_cache.is_relative_to(place)
    assert previewed["freed_bytes"] == gained
    assert gained > 0
    assert (previewed["shared_bytes"] > 0) == is_shared
    assert ("hard links" in said.stderr) == is_shared
    sizes = sum(row["size_bytes"] for row in previewed["orphans"])
    registry_bytes = os.statvfs(place).f_bsize  # the registration of the deleted project
    assert gained + previewed["shared_bytes"] == sizes + registry_bytes
    assert keeper.entries() == ["drum-2.0", "wind-two-1.0"]


def test_many_orphans_free_the_predicted_bytes(disk: tuple[Path, Keeper]) -> None:
    """The freed bytes are right even if the folder of their names grows by blocks, which ext4 never gives back."""
    place, keeper = disk
    names = [f"leaf-with-a-rather-long-name-{number}" for number in range(60)]
    for name in names:
        Wheel(name, "1.0", files={f"{name.replace('-', '_')}.py": ""}).write(keeper.wheelhouse)
    keeper.at("kept").install("drum==2.0")
    leave_orphans(keeper, *names)
    previewed = keeper.preview()
    before = free_bytes(place)

    done = keeper.prune()

    assert len(done["orphans"]) == len(names)
    assert done["freed_bytes"] == previewed["freed_bytes"] == free_bytes(place) - before


def test_bytes_in_the_trash_of_a_killed_prune_are_counted(disk: tuple[Path, Keeper]) -> None:
    """The next prune frees the bytes in the trash of a killed prune, and counts them."""
    place, keeper = disk
    keeper.at("kept").install("drum==2.0")
    leave_orphans(keeper, "drum==1.0", "horn")
    (keeper.entry("horn-1.0")).rename(keeper.store / "trash" / "horn-1.0.1-1")
    previewed = keeper.preview()
    before = free_bytes(place)

    done = keeper.prune()

    assert names_of(done["orphans"]) == ["drum-1.0"]
    assert done["freed_bytes"] == previewed["freed_bytes"] == free_bytes(place) - before
    assert list((keeper.store / "trash").glob("[!.]*")) == []


def test_bytes_that_an_environment_still_has_are_not_called_free(disk: tuple[Path, Keeper]) -> None:
    """If an environment lost its metadata, its hard links still keep the bytes of an orphan."""
    place, keeper = disk
    environment = keeper.at("app").install("band", "band-guests")
    leave_only_hard_links(environment, "band-1.0", "band_guests-1.0")
    previewed = keeper.preview()
    before = free_bytes(place)

    done = keeper.prune()

    assert len(done["orphans"]) == 2
    assert done["shared_bytes"] >= 2 * 8192
    assert done["freed_bytes"] == previewed["freed_bytes"] == free_bytes(place) - before


def test_bytes_that_stay_are_not_called_free(disk: tuple[Path, Keeper]) -> None:
    """If a damaged registry keeps everything, the preview promises no byte."""
    _, keeper = disk
    leave_orphans(keeper, "drum==1.0")
    (keeper.store / "projects" / "unreadable-0123456789abcdef.json").write_text("{")

    document = keeper.preview()

    assert document["freed_bytes"] == 0
    assert document["orphans"] == []
    assert "unreadable-0123456789abcdef.json" in document["blocked"]
    assert json.dumps(document["gone"]) == json.dumps([str(keeper.at("gone").environment)])
