"""The document of an entry: a written document is read again, and an invalid one is refused with a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepip.store import document
from pepip.store.document import Document

pytestmark = pytest.mark.unit

NAMES = st.text(
    st.characters(blacklist_characters="/\\\0", blacklist_categories=["Cs"]), min_size=1, max_size=8
).filter(lambda name: name not in {".", ".."})
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
LISTS = st.lists(PATHS, max_size=3).map(tuple)
TEXTS = st.dictionaries(NAMES, st.text(max_size=8), max_size=2)
DOCUMENTS = st.builds(
    Document,
    name=st.text(max_size=5), version=st.text(max_size=5), identity=st.text(max_size=5), origin=st.text(max_size=5),
    package=st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2), tag=st.text(max_size=5),
    dist_info=PATHS, directories=LISTS, files=LISTS, opened=LISTS, namespaces=LISTS, bytecode=LISTS, compiled=LISTS,
    executables=LISTS, data=st.lists(st.tuples(st.sampled_from(["data", "purelib"]), PATHS), max_size=2).map(tuple),
    launchers=TEXTS, metadata=TEXTS, record=st.text(max_size=5), digests=st.dictionaries(PATHS, st.text(max_size=5)),
    unread_until_ns=st.integers(0, 1 << 61),
    absent=st.lists(st.text(max_size=5), max_size=2).map(tuple), unlisted=LISTS, empty=LISTS,
    record_is_shared=st.booleans(), modes_are_uvs=st.booleans(), size_bytes=st.integers(0, 1 << 60),
    file_count=st.integers(0, 1 << 30), stored_at=st.integers(0, 1 << 40), requirement=st.text(max_size=5),
    format=st.just(document.FORMAT),
)  # fmt: skip
PLAIN = Document(
    name="ink", version="1.0", identity="sha256:1", origin="ink.whl", package={}, tag="py3-none-any",
    dist_info="ink-1.0.dist-info", directories=("ink",), files=(), opened=(), namespaces=(), bytecode=(), compiled=(),
    executables=(), data=(), launchers={}, metadata={}, record="", digests={}, absent=(), unlisted=(), empty=(),
    record_is_shared=True, modes_are_uvs=True, size_bytes=1, file_count=1, stored_at=1,
)  # fmt: skip


@given(DOCUMENTS)
def test_a_written_document_is_read_again(written: Document) -> None:
    """Each field keeps its type."""
    assert document.load(document.dump(written).encode()) == written


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", 3),
        ("name", 7),
        ("dist_info", "../ink-1.0.dist-info"),
        ("directories", "ink"),
        ("directories", ["../ink"]),
        ("files", ["/etc/passwd"]),
        ("files", ["ink/../../x"]),
        ("files", [1]),
        ("opened", [""]),
        ("data", [["data", "../x"]]),
        ("data", [["elsewhere", "x"]]),
        ("data", ["data"]),
        ("data", [[["data"], "x"]]),
        ("absent", 5),
        ("absent", None),
        ("absent", [["x"]]),
        ("directories", ["in\ud800k"]),
        ("launchers", {"x": "\udbff"}),
        ("launchers", {"../../bin/x": ""}),
        ("launchers", {"..": ""}),
        ("launchers", {"x": 1}),
        ("metadata", {"a/b": ""}),
        ("digests", {"/x": "sha256=1"}),
        ("package", []),
        ("size_bytes", -1),
        ("size_bytes", float("inf")),
        ("stored_at", "1"),
    ],
)
def test_a_field_that_is_not_as_it_must_be_is_refused(field: str, value: object) -> None:
    """A path that leads out of the entry is the worst: another member of the team may have written the document."""
    fields: dict[str, Any] = {**json.loads(document.dump(PLAIN)), field: value}

    with pytest.raises(ValueError, match=r"."):
        document.load(json.dumps(fields).encode())


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"[" * 100_000, b"\xff", b"{", b'{"format": 2}'])
def test_a_text_that_is_no_document_is_refused(content: bytes) -> None:
    """The content may be anything."""
    with pytest.raises(ValueError, match=r"."):
        document.load(content)


def test_a_name_that_is_not_utf_8_is_text() -> None:
    """Linux has such file names. Python represents their bytes by lone surrogates (PEP 383)."""
    written = PLAIN._replace(files=("ink/\udcff",))

    assert document.load(document.dump(written).encode()) == written


def test_a_document_of_the_first_format_is_read() -> None:
    """It has a line of a requirements file instead of the table."""
    fields = json.loads(document.dump(PLAIN))
    for field in ("package", "metadata", "digests", "absent", "unlisted", "empty"):
        del fields[field]

    found = document.load(json.dumps({**fields, "format": 1, "requirement": "ink==1.0"}).encode())

    assert (found.name, found.requirement, found.package, found.digests) == ("ink", "ink==1.0", {}, {})
