"""Shared libraries whose run path leads out of their distribution, found by their ELF headers and tables."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import example, given
from hypothesis import strategies as st

from pepip.wheel import libraries

pytestmark = pytest.mark.unit

LEAVING = ["$ORIGIN/../../other", "${ORIGIN}/../../..", "$ORIGIN/lib:$ORIGIN/../../other"]
STAYING = ["$ORIGIN", "$ORIGIN/lib", "${ORIGIN}/../../package.libs:$ORIGIN/..", "/usr/lib", ""]

RPATH, RUNPATH = 15, 29
KINDS = [(bits, order) for bits in (32, 64) for order in "<>"]


def library(run_path: str, *, tag: int = RUNPATH, bits: int = 64, order: str = "<") -> bytes:
    """Return an ELF file with a dynamic section. If `run_path` is empty, the section names none."""
    return library_of([(tag, run_path)] if run_path else [], bits=bits, order=order)


def library_of(run_paths: Sequence[tuple[int, str]], *, bits: int = 64, order: str = "<", after: int = 0) -> bytes:
    """Return an ELF file whose dynamic section has these tags and texts. The last `after` tags follow its end."""
    word = "Q" if bits == 64 else "I"
    header_bytes, entry_bytes = (64, 56) if bits == 64 else (52, 32)
    strings, places = b"\0", []
    for tag, text in run_paths:
        places.append((tag, len(strings)))
        strings += text.encode() + b"\0"
    strings_at = header_bytes + 2 * entry_bytes
    dynamic_at = strings_at + len(strings) + -len(strings) % 16
    tags = [(5, strings_at), (10, len(strings)), *places]
    tags.insert(len(tags) - after, (0, 0))
    dynamic = b"".join(struct.pack(f"{order}{word}{word}", *pair) for pair in tags)
    size = dynamic_at + len(dynamic)
    segments = b"".join(
        _segment(order, word, kind, at, length) for kind, at, length in ((1, 0, size), (2, dynamic_at, len(dynamic)))
    )
    identity = b"\x7fELF" + bytes([bits // 32, 1 if order == "<" else 2, 1]).ljust(12, b"\0")
    addresses = struct.pack(f"{order}{word * 3}", 0, header_bytes, 0)
    sizes = struct.pack(f"{order}IHHHHHH", 0, header_bytes, entry_bytes, 2, 0, 0, 0)
    header = identity + struct.pack(f"{order}HHI", 3, 62, 1) + addresses + sizes
    return (header + segments + strings).ljust(dynamic_at, b"\0") + dynamic


def _segment(order: str, word: str, kind: int, at: int, length: int) -> bytes:
    if word == "Q":
        return struct.pack(f"{order}IIQQQQQQ", kind, 4, at, at, at, length, length, 8)
    return struct.pack(f"{order}IIIIIIII", kind, at, at, at, length, length, 4, 4)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a distribution with a package, a folder of libraries in it, and one beside it."""
    (tmp_path / "package" / "lib" / "lib").mkdir(parents=True)
    (tmp_path / "package.libs").mkdir()
    return tmp_path


def escaping(root: Path, content: bytes) -> list[str]:
    """Return the escaping libraries among a library and a module, both with this content."""
    (root / "package/lib/it.so.1").write_bytes(content)
    (root / "package/lib/it.py").write_bytes(content)
    return libraries.escaping(str(root), ["package/lib/it.so.1", "package/lib/it.py"])


@pytest.mark.parametrize("run_path", LEAVING)
@pytest.mark.parametrize("tag", [RPATH, RUNPATH])
@pytest.mark.parametrize(("bits", "order"), KINDS)
def test_a_library_that_looks_outside_is_found(root: Path, run_path: str, tag: int, bits: int, order: str) -> None:
    """This holds for both word sizes, both byte orders and both tags."""
    assert escaping(root, library(run_path, tag=tag, bits=bits, order=order)) == ["package/lib/it.so.1"]


@pytest.mark.parametrize("run_path", STAYING)
@pytest.mark.parametrize(("bits", "order"), KINDS)
def test_a_library_that_stays_inside_is_not(root: Path, run_path: str, bits: int, order: str) -> None:
    """It looks in folders of the distribution, in folders of the system, or where the loader looks by default."""
    assert escaping(root, library(run_path, bits=bits, order=order)) == []


@pytest.mark.parametrize(("bits", "order"), KINDS)
def test_headers_alone_name_the_run_paths(bits: int, order: str) -> None:
    """The full ELF reader is only for files with odd headers."""
    without, with_one = (library(path, bits=bits, order=order) for path in ("", "$ORIGIN"))

    assert libraries._plain_run_paths(io.BytesIO(without)) == []
    assert libraries._plain_run_paths(io.BytesIO(with_one)) == ["$ORIGIN"]


@pytest.mark.parametrize("length", [0, 4, 5, 20, 63, 64, 100, 175, 200])
def test_a_library_that_is_cut_short_stops_nobody(root: Path, length: int) -> None:
    """A wheel may ship a file that no tool can read."""
    assert escaping(root, library(LEAVING[0])[:length]) == []


@pytest.mark.parametrize(
    ("at", "replaced"),
    [
        (4, b"\x07"),
        (32, b"\xff" * 8),
        (32, (1 << 62).to_bytes(8, "little")),
        (54, b"\x00\x00"),
        (54, b"\x01\x00"),
        (56, b"\xff\xff"),
        (64 + 56 + 8, b"\xff" * 8),
        (64 + 56 + 32, b"\xff" * 8),
        (64 + 56 + 32, b"\x07" + bytes(7)),
    ],
    ids=["class", "far table", "farther table", "no size", "small size", "many", "far section", "large", "odd"],
)
def test_a_library_whose_headers_lie_stops_nobody(root: Path, at: int, replaced: bytes) -> None:
    """Memory and time do not depend on the sizes that the headers claim."""
    content = library(LEAVING[0])

    assert isinstance(escaping(root, content[:at] + replaced + content[at + len(replaced) :]), list)


def test_no_byte_of_the_headers_can_stop_an_install(root: Path) -> None:
    """Each byte is changed in turn. The reader of the tables then raises many kinds of errors."""
    content = library(LEAVING[0])
    for at in range(4, len(content)):
        for byte in (0, 1, 255):
            assert isinstance(escaping(root, content[:at] + bytes([byte]) + content[at + 1 :]), list)


@pytest.mark.parametrize("content", [b"", b"!<arch>\n", b"/* GNU ld script */ GROUP ( libit.so.6 )"])
def test_a_file_named_like_a_library_need_not_be_one(root: Path, content: bytes) -> None:
    """Linker scripts and archives have such names, too."""
    assert escaping(root, content) == []


TEXTS = st.text(st.sampled_from("$ORIGIN{}/.:ab ü"), max_size=12)
TAGS = st.lists(st.tuples(st.sampled_from([RPATH, RUNPATH, 1, 14, 0x7FFFFFFF]), TEXTS), max_size=4)


@given(TAGS, st.sampled_from(KINDS), st.integers(0, 2))
@example([(RPATH, "a:b"), (RUNPATH, "c")], (32, ">"), 1)
def test_run_paths_are_those_that_pyelftools_reads(
    tmp_path_factory: pytest.TempPathFactory, tags: list[tuple[int, str]], kind: tuple[int, str], after: int
) -> None:
    """This holds for all parts of all tags before the end of the dynamic section, in any order."""
    after = min(after, len(tags))
    content = library_of(tags, bits=kind[0], order=kind[1], after=after)
    path = tmp_path_factory.getbasetemp() / "made.so"
    path.write_bytes(content)

    named = [text for tag, text in tags[: len(tags) - after] if tag in (RPATH, RUNPATH)]
    tags_read = next(ELFFile(io.BytesIO(content)).iter_segments("PT_DYNAMIC")).iter_tags()
    read = [
        getattr(tag, tag.entry.d_tag[3:].lower())
        for tag in tags_read
        if tag.entry.d_tag in {"DT_RPATH", "DT_RUNPATH"}
    ]
    assert read == named
    assert libraries.run_paths(str(path)) == [part for text in named for part in text.split(":") if part]


@given(TAGS, st.sampled_from(KINDS), st.data())
def test_no_change_of_some_bytes_can_stop_an_install(
    tmp_path_factory: pytest.TempPathFactory, tags: list[tuple[int, str]], kind: tuple[int, str], data: st.DataObject
) -> None:
    """The bytes may be lengths, offsets, tags or texts."""
    content = bytearray(library_of(tags, bits=kind[0], order=kind[1]))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "changed.so"
    path.write_bytes(content)

    assert isinstance(libraries.run_paths(str(path)), list)


@given(st.sampled_from(["it.so", "package/it.so", "package/lib/it.so"]), st.data())
@example("it.so", None).via("above a distribution lies nothing of it")
def test_a_run_path_leaves_the_distribution_if_its_folder_does(
    tmp_path_factory: pytest.TempPathFactory, place: str, data: st.DataObject | None
) -> None:
    """The file system itself resolves the path. If a folder on the way is missing, the path leaves, too."""
    root = tmp_path_factory.getbasetemp() / "x/y/root"
    for folder in ("package/lib", "..lib/lib", "../package"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    parts = (
        data.draw(st.lists(st.sampled_from(["..", ".", "lib", "package", "..lib"]), max_size=4)) if data else [".."]
    )
    inside = "/".join(parts)

    walked = os.path.realpath(root / os.path.dirname(place) / inside)
    is_inside = os.path.isdir(walked) and f"{walked}/".startswith(f"{os.path.realpath(root)}/")
    for run_path in (f"$ORIGIN/{inside}", f"${{ORIGIN}}/{inside}/", f"$ORIGIN//{inside}"):
        assert libraries.leaving(str(root), {place: [run_path]}) == ([] if is_inside else [place])


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("a.so", True),
        ("a/b.so.1.2", True),
        ("a.cpython-312.so", True),
        ("a.so/b", False),
        ("a.sol", False),
        (".so", True),
    ],
)
def test_a_library_is_told_by_its_name(path: str, *, is_one: bool) -> None:
    """Only the name of the file counts, not the names of its folders."""
    assert libraries.is_library_name(path) == is_one
