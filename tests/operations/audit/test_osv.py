"""Which versions an OSV record concerns, and how files of records are read."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some
from packaging.version import Version

from pepip.errors import UsageError
from pepip.operations.audit import osv
from tests.support.advisories import record

pytestmark = pytest.mark.unit

# In the order of versions: a position in this list stands for a version.
ORDER = ["0.dev0", "0.1a1", "0.1", "1.0rc1", "1.0", "1.0.post1", "1.1", "2!0.1", "2!3"]


def concerned(*events: dict[str, str], versions: tuple[str, ...] = ()) -> set[str]:
    """Return the versions that a record with these events and versions concerns."""
    records = osv.Records()
    records.add(record("A-1", "drum", *events, versions=versions))
    return {version for version in ORDER if records.about("drum", version)}


@given(some.sets(some.integers(0, len(ORDER) - 1)), some.booleans(), some.randoms(use_true_random=False))
def test_a_range_holds_the_versions_between_its_events(cuts: set[int], starts_at_zero: bool, random) -> None:  # type: ignore[no-untyped-def]
    """Events alternate: introduced, fixed, introduced, … Their order in the record does not matter."""
    places = sorted(cuts)
    events, expected, begin = [], set(), -1
    for number, place in enumerate(places):
        if number % 2 == 0:
            begin = 0 if starts_at_zero and number == 0 else place
            events.append({"introduced": "0" if starts_at_zero and number == 0 else ORDER[place]})
        else:
            events.append({"fixed": ORDER[place]})
            expected.update(ORDER[begin:place])
    if len(places) % 2:
        expected.update(ORDER[begin:])
    random.shuffle(events)

    assert concerned(*events) == expected


@given(some.integers(0, len(ORDER) - 1), some.integers(0, len(ORDER) - 1))
def test_the_last_affected_version_is_in(first: int, last: int) -> None:
    """It is, also if it is the first one, too."""
    expected = set(ORDER[first : last + 1]) if first <= last else set(ORDER[first:])

    assert concerned({"introduced": ORDER[first]}, {"last_affected": ORDER[last]}) == expected


@given(some.integers(0, len(ORDER) - 1))
def test_no_version_from_a_limit_on_is_in(limit: int) -> None:
    """A limit ends a range without a fix."""
    assert concerned({"introduced": "0"}, {"limit": ORDER[limit]}) == set(ORDER[:limit])


@given(some.sets(some.sampled_from(ORDER)))
def test_listed_versions_are_in(versions: set[str]) -> None:
    """They are without a range, and in every spelling."""
    spelled = tuple(str(Version(version)).replace(".", "_") if "rc" in version else version for version in versions)

    assert concerned(versions=(*versions, *spelled)) == versions


def test_a_local_build_counts_as_its_release() -> None:
    """It does at the end of a range, too, although it is a later version than the release."""
    records = osv.Records()
    records.add(record("A-1", "drum", {"introduced": "0"}, {"last_affected": "1.0"}))

    assert records.about("drum", "1.0+cpu")
    assert not records.about("drum", "1.1+cpu")


def test_withdrawn_records_and_those_of_others_concern_nothing() -> None:
    """Another ecosystem may have a distribution of the same name."""
    records = osv.Records()
    records.add(record("A-1", "drum", {"introduced": "0"}, withdrawn="2026-01-02T00:00:00Z"))
    records.add(record("A-2", "drum", {"introduced": "0"}, ecosystem="npm"))
    records.add(record("A-3", "Drum.Kit", {"introduced": "0"}))

    assert records.about("drum", "1.0") == []
    assert [found.id for found in records.about("drum-kit", "1.0")] == ["A-3"]


def test_records_of_one_weakness_are_one_advisory() -> None:
    """Two databases name the same alias: one of them knows the fix, the other one says the matter."""
    records = osv.Records()
    records.add(record("G-1", "drum", {"introduced": "0"}, {"fixed": "2"}, aliases=["C-1"], summary="Too loud"))
    records.add(record("A-1", "drum", {"introduced": "0"}, {"fixed": "1.5"}, aliases=["C-1"]))
    records.add(record("Z-1", "drum", {"introduced": "0"}))

    first, second = records.about("drum", "1.0")

    assert (first.id, first.aliases, first.summary, first.fixed) == ("A-1", ("C-1", "G-1"), "Too loud", ("1.5", "2"))
    assert second.id == "Z-1"


json_values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=5) | some.sampled_from(ORDER),
    lambda inner: (
        some.lists(inner, max_size=3)
        | some.dictionaries(
            some.sampled_from(
                ["id", "affected", "package", "ecosystem", "name", "ranges", "type", "events", "introduced", "fixed"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values, json_values)
def test_no_record_breaks_the_reading(value: object, inner: object) -> None:
    """What is no record counts as unread, or concerns nothing."""
    package = {"ecosystem": "PyPI", "name": "drum"}
    records = osv.Records()

    records.add(value)
    records.add({"id": "A-1", "affected": value})
    records.add({"id": "A-2", "affected": [{"package": package, "ranges": value, "versions": inner}]})
    records.add({"id": "A-3", "aliases": inner, "references": value, "affected": [{"package": package}]})
    records.add(record("A-4", "drum", {"introduced": "0"}))

    assert "A-4" in [found.id for found in records.about("drum", "1.0")]


def test_a_file_a_folder_and_an_archive_hold_the_same_records(tmp_path: Path) -> None:
    """Files that hold no record are counted and left out."""
    first, second = record("A-1", "drum", {"introduced": "0"}), record("A-2", "drum", {"introduced": "0"})
    listed = tmp_path / "list.json"
    listed.write_text(json.dumps([first, second, "no record"]))
    folder = tmp_path / "folder" / "inner"
    folder.mkdir(parents=True)
    for name, text in (("1", json.dumps(first)), ("2", json.dumps({"vulns": [second]})), ("3", "{broken")):
        (folder / f"{name}.json").write_text(text)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)

    for path in (listed, tmp_path / "folder", tmp_path / "all.zip"):
        records = osv.read(str(path))
        assert [found.id for found in records.about("drum", "1.0")] == ["A-1", "A-2"]
        assert records.unread == 1


@pytest.mark.parametrize("content", ["", "{}", "[]", "no JSON", "PK\x03\x04 no archive"])
def test_a_file_without_a_record_is_refused(tmp_path: Path, content: str) -> None:
    """An audit without records would find nothing, and look like a good answer."""
    path = tmp_path / "records.json"
    path.write_text(content)

    with pytest.raises(UsageError, match="no OSV record"):
        osv.read(str(path))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """The error names it."""
    with pytest.raises(UsageError, match=r"absent\.zip can't be read: No such file"):
        osv.read(str(tmp_path / "absent.zip"))
