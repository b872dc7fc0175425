"""JSON documents that another user may have written: each field is replaced by nonsense in turn.

A reader returns the document or raises ValueError with a message. Callers rely on that, and expect no other error.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pepip.environment import detached_copies, journal
from pepip.host import files
from pepip.store import document, registry_file
from tests.support.badness import BAD, NONSENSE, spoiled

pytestmark = pytest.mark.unit

ENTRY = {
    **dict.fromkeys(("name", "version", "identity", "origin", "tag", "record", "requirement"), "x"),
    **{key: ["x"] for key in ("directories", "files", "opened", "namespaces", "bytecode", "compiled", "executables")},
    **{key: ["x"] for key in ("absent", "unlisted", "empty")},
    **{key: {} for key in ("package", "launchers", "metadata", "digests")},
    **dict.fromkeys(("size_bytes", "file_count", "stored_at"), 1),
    **{"dist_info": "x.dist-info", "data": [["data", "x"]], "record_is_shared": True, "modes_are_uvs": True},
    "format": document.FORMAT,
}
REGISTRATION = {
    **dict.fromkeys(("environment", "project", "named", "mount_point"), "/x"),
    **{"format": 1, "device": 1, "filesystem": 1, "entries": ["x/y"], "registered_at": 1},
}
JOURNAL = {"link": [["x/y", None, "", ""]], "remove": ["x-1.dist-info"], "private": ["x"]}
COPIES = ["x", "x-1.dist-info", ["a/b"], ["a"]]

READERS: dict[str, tuple[Callable[[bytes], object], list[tuple[str, bytes]]]] = {
    "entry": (document.load, spoiled(ENTRY)),
    "registration": (lambda content: registry_file.load(content, "/x.json"), spoiled(REGISTRATION)),
    "journal": (journal.load, spoiled(JOURNAL)),
    "addition": (
        journal.load,
        [
            (repr(value), json.dumps({**JOURNAL, "link": [[*row[:at], value, *row[at + 1 :]]]}).encode())
            for row in JOURNAL["link"]
            for at in range(4)
            for value in NONSENSE
        ],
    ),
    "copies": (
        detached_copies.load,
        [
            (repr(value), json.dumps([*COPIES[:at], value, *COPIES[at + 1 :]]).encode())
            for at in range(4)
            for value in NONSENSE
        ],
    ),
    "any": (files.load_json, [(repr(value), json.dumps(value).encode()) for value in NONSENSE]),
}


def refusal(load: Callable[[bytes], object], content: bytes) -> ValueError | None:
    """Return the error that reading a document raises, or None if it is accepted."""
    try:
        load(content)
    except ValueError as error:
        return error
    return None


@pytest.mark.parametrize("kind", READERS)
def test_a_document_is_read_or_refused_in_words(kind: str) -> None:
    """This holds for every nonsense in every field. Readers may accept some of it."""
    load, contents = READERS[kind]

    refusals = [error for error in (refusal(load, content) for _, content in contents) if error is not None]

    assert len(refusals) >= 5
    assert all(map(str, refusals))


@pytest.mark.parametrize(
    ("kind", "whole"),
    [("entry", ENTRY), ("registration", REGISTRATION), ("journal", JOURNAL), ("copies", COPIES)],
    ids=("entry", "registration", "journal", "copies"),
)
def test_a_whole_document_is_read(kind: str, whole: object) -> None:
    """The documents from which the others are made are valid."""
    assert refusal(READERS[kind][0], json.dumps(whole).encode()) is None


@pytest.mark.parametrize("follows", [False, True])
@pytest.mark.parametrize(
    "bad", [bad for bad in BAD if bad.startswith(("a link", "a device", "a socket", "a folder"))]
)
def test_a_path_that_is_no_regular_file_is_not_read(tmp_path: Path, bad: str, follows: bool) -> None:
    """The error has a reason and names the path, whether links may be followed or not."""
    path = tmp_path / "file"
    BAD[bad](path)

    with pytest.raises(OSError, match=r".") as caught:
        files.read_regular(str(path), follows=follows)

    assert caught.value.filename == str(path)
    assert caught.value.strerror


def test_no_more_is_read_than_a_limit(tmp_path: Path) -> None:
    """The file may be of any size, because a sparse file occupies no blocks."""
    path = tmp_path / "file"
    BAD["a huge file"](path)

    with pytest.raises(files.UnfitFileError, match=r"^it is larger than 1000 bytes$"):
        files.read_regular(str(path), most_bytes=1000)
