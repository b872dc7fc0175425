"""Libraries of macOS whose run path leads out of their distribution, in files that follow mach-o/loader.h."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepip.wheel import libraries
from tests.support.other_systems import loaded_on

pytestmark = pytest.mark.unit

ID_DYLIB, LOAD_DYLIB, LOAD_WEAK_DYLIB, RPATH, UUID = 0xD, 0xC, 0x80000018, 0x8000001C, 0x1B
LEAVING = [
    (RPATH, "@loader_path/../../other"),
    (LOAD_DYLIB, "@loader_path/../../other/it.dylib"),
    (LOAD_WEAK_DYLIB, "@loader_path/../../other/it.dylib"),
]
STAYING = [
    (RPATH, "@loader_path"),
    (RPATH, "@loader_path/../lib"),
    (LOAD_DYLIB, "@loader_path/../lib/it.dylib"),
    (LOAD_DYLIB, "@rpath/../../other/it.dylib"),
    (LOAD_DYLIB, "/usr/lib/libSystem.B.dylib"),
    (ID_DYLIB, "@loader_path/../../other/it.dylib"),
]


def command(order: str, kind: int, text: str) -> bytes:
    """Return a load command with a text. In a command of a library, numbers of versions come before the text."""
    start = 12 if kind == RPATH else 24
    content = text.encode() + b"\0"
    content += bytes(-(start + len(content)) % 8)
    return struct.pack(f"{order}3I", kind, start + len(content), start).ljust(start, b"\1") + content


def library(commands: Iterable[tuple[int, str]], *, bits: int = 64, order: str = "<") -> bytes:
    """Return a library with these load commands, and one that has no text."""
    parts = [struct.pack(f"{order}2I", UUID, 24) + bytes(16), *(command(order, *item) for item in commands)]
    magic = 0xFEEDFACF if bits == 64 else 0xFEEDFACE
    header = struct.pack(f"{order}7I", magic, 0x0100000C, 0, 6, len(parts), sum(map(len, parts)), 0)
    return header + bytes(4 if bits == 64 else 0) + b"".join(parts) + b"code"


def fat(slices: list[bytes], *, is_wide: bool = False) -> bytes:
    """Return a file for several architectures."""
    rows, content, at = b"", b"", 4096
    for part in slices:
        row = (0x01000007, 3, at + len(content), len(part))
        rows += struct.pack(">2I2Q2I", *row, 12, 0) if is_wide else struct.pack(">5I", *row, 12)
        content += part.ljust(4096, b"\0")
    return (struct.pack(">2I", 0xCAFEBABF if is_wide else 0xCAFEBABE, len(slices)) + rows).ljust(at, b"\0") + content


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a distribution with a package and a folder of libraries in it."""
    (tmp_path / "package" / "lib").mkdir(parents=True)
    return tmp_path


def escaping(root: Path, content: bytes) -> list[str]:
    """Return the escaping libraries: the only one of `root`, or none."""
    (root / "package/lib/it.so").write_bytes(content)
    return libraries.escaping(str(root), ["package/lib/it.so"])


@pytest.mark.parametrize("item", LEAVING)
@pytest.mark.parametrize(("bits", "order"), [(64, "<"), (32, "<"), (64, ">"), (32, ">")])
def test_a_library_that_looks_outside_is_found(root: Path, item: tuple[int, str], bits: int, order: str) -> None:
    """A run path does that, and so does a library that it loads by a path."""
    assert escaping(root, library([(RPATH, "/usr/lib"), item], bits=bits, order=order)) == ["package/lib/it.so"]


@pytest.mark.parametrize("item", STAYING)
def test_a_library_that_stays_inside_is_not(root: Path, item: tuple[int, str]) -> None:
    """Its own name does not count, and `@rpath` stands for the run paths."""
    assert escaping(root, library([item])) == []


@pytest.mark.parametrize("is_wide", [False, True])
@pytest.mark.parametrize("place", [0, 1])
def test_each_architecture_of_a_file_counts(root: Path, place: int, is_wide: bool) -> None:
    """A universal library has a header and commands for each."""
    slices = [library(STAYING), library(STAYING)]
    slices[place] = library(LEAVING[:1])

    assert escaping(root, fat(slices, is_wide=is_wide)) == ["package/lib/it.so"]
    assert escaping(root, fat([library(STAYING)] * 2, is_wide=is_wide)) == []


@given(content=st.binary(max_size=64), at=st.integers(0, 200), is_fat=st.booleans())
def test_no_byte_can_stop_an_install(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, at: int, *, is_fat: bool
) -> None:
    """Wrong headers, and a file that is cut short, count as no library."""
    whole = fat([library(LEAVING)]) if is_fat else library(LEAVING)
    path = tmp_path_factory.getbasetemp() / "odd.so"
    path.write_bytes(whole[:at] + content + (whole[at + len(content) :] if len(content) % 2 else b""))

    assert isinstance(libraries.run_paths(str(path)), list)


def test_a_file_that_names_itself_as_an_architecture_ends(root: Path) -> None:
    """A row may name the start of the file as the place of its architecture."""
    assert escaping(root, struct.pack(">7I", 0xCAFEBABE, 1, 7, 3, 0, 4096, 12)) == []


def test_macos_has_libraries_of_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere no loader opens them, and nobody reads them."""
    assert not libraries.is_library_name("a/b.dylib")
    assert loaded_on("darwin", libraries, monkeypatch).is_library_name("a/b.dylib")
