"""RECORD files: read like `csv` and `installer` do, written so that both can read them, and moved row by row."""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.metadata
import io
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import installer.records
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pepip.wheel import record
from pepip.wheel.record import Row

pytestmark = pytest.mark.unit

TEXTS = st.text(st.one_of(st.sampled_from('",\n\r\\ =/a.ü\u2028\x0b\udcff\0'), st.characters()), max_size=12)
PLAIN_TEXTS = st.text(st.sampled_from("ab/._- ü\u2028\udcff"), max_size=8)
HASHES = st.one_of(
    st.just(""), st.binary(max_size=9).map(lambda content: record.row_of("", content).hash_value), TEXTS
)
SIZES = st.one_of(st.just(""), st.integers(0, 10**12).map(str), TEXTS)

DATA = "a-1.0.data/"
PATHS = st.one_of(
    TEXTS,
    PLAIN_TEXTS,
    st.tuples(st.sampled_from([DATA, "a-1.0.data", "a-1.0.dist-info/", f"b/{DATA}"]), TEXTS).map("".join),
    st.tuples(st.just(DATA), PLAIN_TEXTS).map("".join),
)
ROWS = st.lists(st.builds(Row, PATHS.map(lambda path: path.replace("\\", "/")), HASHES, SIZES), max_size=8)
PLAIN_PATHS = st.one_of(PLAIN_TEXTS, PLAIN_TEXTS.map(lambda name: DATA + name))
PLAIN_ROWS = st.lists(st.builds(Row, PLAIN_PATHS, PLAIN_TEXTS, st.integers(0).map(str)), max_size=8)


def csv_rows(text: str) -> list[Row]:
    """Return the rows as Python's `csv` reads them."""
    lines = [line for line in csv.reader(io.StringIO(text, newline="")) if line]
    return [Row(path.replace("\\", "/"), digest, size) for path, digest, size, *_ in ([*x, "", ""] for x in lines)]


def encoded(text: str) -> bytes:
    """Return the bytes of a RECORD file."""
    return text.encode("utf-8", "surrogatepass")


@given(ROWS)
@example([Row("", "", "")]).via("a row of nothing is no blank line")
@example([Row("a,b", "", ""), Row('"', "x\r", "1\n")])
def test_rows_that_were_written_are_read_again(rows: list[Row]) -> None:
    """Fields may contain commas, quotes, line ends, and bytes that are no text."""
    assert record.parse(record.render(rows)) == rows


@given(ROWS)
def test_other_readers_read_the_written_rows(rows: list[Row]) -> None:
    """These are `csv`, which the specification names, and the reader of `installer`."""
    rows = [row for row in rows if "\0" not in "".join(row)]  # which the `csv` of Python 3.10 refuses
    text = record.render(rows)

    assert csv_rows(text) == rows
    stream = io.StringIO(text, newline="")
    assert [Row(*fields) for fields in installer.records.parse_record_file(stream)] == rows


@given(st.one_of(TEXTS, st.lists(TEXTS).map("\n".join), st.text(st.sampled_from('",\n\ra\\'), max_size=30)))
@example('a"b,c\n"d"e"f,\n"g')
@example('a\rb\r\n\r"c')
@example('""\n\n"')
def test_any_text_is_read_as_csv_reads_it(text: str) -> None:
    """This includes quotes in the middle of a field, unclosed quotes, and old line ends."""
    if "\0" not in text:  # which the `csv` of Python 3.10 refuses
        assert record.parse(text) == csv_rows(text)


@pytest.mark.parametrize("text", ['"' + "a" * 200_000 + '",,\n', "\0,\0,\r", '"\0",,'])
def test_a_record_that_csv_refuses_is_read(text: str) -> None:
    """An unusual RECORD is read, and does not stop an install."""
    assert [row.path for row in record.parse(text)] == [text.strip('",\n\r').partition(",")[0]]


def test_a_record_with_one_stray_quote_takes_no_longer_than_another() -> None:
    """A hundred thousand lines are then one quoted field, which is scanned only once."""
    text = '"' + "some/module.py,sha256=abc,1\n" * 100_000
    kept = []

    assert len(record.parse(text)) == 1
    assert record.moved(text.encode(), DATA, lambda path: kept.append(path) or path).startswith(b'"some/')
    assert not kept


@given(st.lists(st.text(st.sampled_from('ab, ";ü'), min_size=1), unique=True))
def test_importlib_metadata_finds_the_files_that_were_written(names: list[str]) -> None:
    """It finds their hashes and sizes, too, although it splits lines before it reads fields."""
    with tempfile.TemporaryDirectory() as folder:
        dist_info = Path(folder) / "a-1.0.dist-info"
        dist_info.mkdir()
        for name in names:
            (Path(folder) / name).write_bytes(name.encode())
        rows = [record.row_of(name, name.encode()) for name in names]
        (dist_info / "RECORD").write_text(record.render(rows), encoding="utf-8")

        found = importlib.metadata.PathDistribution(dist_info).files or []

    assert [(str(file), file.hash and file.hash.value, file.size) for file in found] == [
        (row.path, row.hash_value.partition("=")[2], int(row.size)) for row in rows
    ]


def naively_moved(rows: list[Row], place: Callable[[str], str]) -> list[Row]:
    """Return the rows with paths that `place` moves. Rows with an empty new path are dropped."""
    found = [(row, place(row.path) if row.path.startswith(DATA) else None) for row in rows]
    return [row if path is None else row._replace(path=path) for row, path in found if path is None or path]


def somewhere(path: str) -> str:
    """Return a new place for a path. Some paths get none, and some get one with a comma."""
    inside = path.removeprefix(DATA)
    return "" if inside.startswith("a") else f"../../../share/{inside}" + ("," if inside.startswith("b") else "")


@given(st.one_of(ROWS, PLAIN_ROWS))
@example([Row(DATA + "a", "", ""), Row("c", "", "")])
@example([Row("c", "", ""), Row(DATA + "b", "", ""), Row(DATA + "a", "", "")])
def test_moved_rows_are_those_of_a_naive_loop(rows: list[Row]) -> None:
    """All other rows are unchanged and keep their positions."""
    content = record.moved(encoded_record(record.render(rows)), DATA, somewhere)

    assert record.parse(content.decode("utf-8", "surrogateescape")) == naively_moved(escaped(rows), somewhere)


@given(
    st.one_of(st.lists(PATHS).map("\n".join), st.lists(st.one_of(PLAIN_TEXTS, st.just(DATA + "c"))).map("\n".join))
)
@example("a-1.0.data/scripts/c\nsome.py,sha256=x,1\n").via("a row without commas took the next row's path")
@example("a-1.0.data\\scripts\\c,,\n").via("backslashes stand for slashes")
@example("some.py,,\ra-1.0.data/c,,\r").via("lines that end in the oldest way")
@example("a-1.0.data/b,,\r\nsome.py,,").via("no end of the last line")
def test_rows_of_any_text_are_moved_as_they_are_read(text: str) -> None:
    """A wheel's own RECORD may differ from the form that this module writes."""
    content = record.moved(encoded_record(text), DATA, somewhere).decode("utf-8", "surrogateescape")

    rows = record.parse(encoded_record(text).decode("utf-8", "surrogateescape"))
    assert record.parse(content) == naively_moved(rows, somewhere)


def encoded_record(text: str) -> bytes:
    """Return a text as the bytes of a file. Surrogates become the escaped bytes or, if any can't, question marks."""
    return text.encode("utf-8", "replace") if not _is_escaped(text) else text.encode("utf-8", "surrogateescape")


def _is_escaped(text: str) -> bool:
    return all("\udc80" <= character <= "\udcff" for character in text if "\ud800" <= character <= "\udfff")


def escaped(rows: list[Row]) -> list[Row]:
    """Return the rows as they are read from a file with these rows."""
    return record.parse(encoded_record(record.render(rows)).decode("utf-8", "surrogateescape"))


@given(st.lists(PATHS, unique=True), ROWS, ROWS, st.sampled_from(["", "\n", "\r\n"]))
@example(["a"], [Row("b", "", "")], [Row("c", "", "")], "").via("a wheel's RECORD whose last line does not end")
def test_a_record_of_an_environment_has_all_rows_in_three_parts(
    folders: list[str], wheel_rows: list[Row], own_rows: list[Row], end: str
) -> None:
    """Folders come first, sorted, so that an installer that removes the distribution removes their links first."""
    folders = [folder.replace("\\", "/") for folder in folders if _is_escaped(folder)]
    wheel_rows, own_rows = ([row for row in rows if _is_escaped("".join(row))] for rows in (wheel_rows, own_rows))
    of_wheel = record.render(wheel_rows).removesuffix("\n") + end

    content = b"".join(record.of_environment(folders, encoded_record(of_wheel), own_rows))

    first = [Row(folder, "", "") for folder in sorted(folders)]
    assert record.parse(content.decode("utf-8", "surrogateescape")) == [*first, *wheel_rows, *own_rows]


@given(
    st.binary(max_size=300), st.sampled_from(sorted(hashlib.algorithms_guaranteed)), st.sampled_from(["", "=", "=="])
)
@example(b"", "shake_128", "").via("a digest has no length of its own there")
def test_a_file_matches_the_row_of_its_content_alone(content: bytes, algorithm: str, padding: str) -> None:
    """This holds for every algorithm of this Python with digests of one length, with padding or without."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/file"
        Path(path).write_bytes(content)
        if algorithm.startswith("shake"):
            assert record.matches(Row("file", f"{algorithm}=abc", ""), path)
            return
        digest = base64.urlsafe_b64encode(hashlib.new(algorithm, content).digest()).decode().rstrip("=")
        for size in (str(len(content)), "", "1", "³", "x"):
            assert record.matches(Row("file", f"{algorithm}={digest}{padding}", size), path)
        Path(path).write_bytes(content + b"more")
        assert not record.matches(Row("file", f"{algorithm}={digest}", str(len(content))), path)


@pytest.mark.parametrize(
    "hash_value", ["", "sha256", "sha256=", "md4=abc", "nothing=abc", "\0=abc", "\udcff=abc", "=a"]
)
def test_a_row_that_says_nothing_of_the_content_matches_any_file(tmp_path: Path, hash_value: str) -> None:
    """It has no hash, or a hash by an unknown algorithm. Even so, no row matches a missing file."""
    (tmp_path / "file").write_bytes(b"content")

    says_nothing = record.matches(Row("file", hash_value, ""), str(tmp_path / "file"))

    assert says_nothing or hash_value == "md4=abc"  # some builds of OpenSSL have it
    assert not record.matches(Row("gone", hash_value, ""), str(tmp_path / "gone"))


@pytest.mark.parametrize("name", ["gone", "gone/below", "a\0b", "\ud800", "x" * 300, ""])
def test_a_file_that_no_one_can_have_does_not_match(tmp_path: Path, name: str) -> None:
    """For every name in a RECORD, such a file counts as missing."""
    for hash_value in ("sha256=abc", "sha1=abc"):
        assert not record.matches(Row(name, hash_value, "1"), f"{tmp_path}/{name}")


@given(st.binary(max_size=64), st.integers(0, 70))
def test_a_digest_does_not_depend_on_the_expected_size(content: bytes, likely_bytes: int) -> None:
    """The size in a row may be wrong."""
    with tempfile.TemporaryDirectory() as folder:
        Path(f"{folder}/file").write_bytes(content)

        found = record.digest(f"{folder}/file", "sha256", likely_bytes=likely_bytes)

    assert found == hashlib.sha256(content).digest()


def test_a_large_file_is_read_to_its_end(tmp_path: Path) -> None:
    """It takes several reads, with the right expected size or without."""
    content = os.urandom(1 << 16) * 40
    (tmp_path / "file").write_bytes(content)

    for likely_bytes in (0, 1, len(content)):
        assert record.digest(str(tmp_path / "file"), "sha512", likely_bytes=likely_bytes) == (
            hashlib.sha512(content).digest()
        )


def test_files_of_an_installer_are_told_from_files_of_the_wheel() -> None:
    """They are told apart by the path in the distribution's own `.dist-info` folder."""
    own = record.own_metadata("a-1.0.dist-info")

    assert {f"a-1.0.dist-info/{name}" for name in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")} <= own
    assert "a-1.0.dist-info/METADATA" not in own
    assert "INSTALLER" not in own


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("lamp/__init__.py", "lib/lamp/__init__.py"),
        ("../bin/lamp", "bin/lamp"),
        ("lamp/../../share/./lamp", "share/lamp"),
        ("../../outside", ""),
        ("../..", ""),
        ("/bin/lamp", ""),
    ],
)
def test_a_path_of_record_is_found_in_the_environment(path: str, place: str) -> None:
    """A path that is absolute or leads out has no place there."""
    assert record.in_environment(path, "lib") == place


@pytest.mark.parametrize("is_first", [True, False], ids=["as now", "as older pepips wrote it"])
def test_the_row_of_the_note_goes_with_the_rows_of_folders(is_first: bool) -> None:
    """The wheel's rows keep their bytes."""
    note, wheel = (
        b"drum.dist-info/pepip-modes.json,sha256=b,2\n",
        b"drum/__init__.py,sha256=a,1\ndrum.dist-info/RECORD,,\n",
    )
    head, _, _ = record.of_environment(["drum"], b"", ())
    content = head + (note + wheel if is_first else wheel + note)

    assert record.without_folders(content, ["drum"], "drum.dist-info/pepip-modes.json") == wheel
