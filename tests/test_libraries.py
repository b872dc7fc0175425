"""Which shared libraries may look outside of their distribution, told by their bytes."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from pepip.wheel import libraries

PIECE = 1 << 20
LEAVING = [b"$ORIGIN/../../other", b"${ORIGIN}/../../..", b"$ORIGIN/lib:$ORIGIN/../../other"]


def mentions_leaving(root: Path, content: bytes) -> bool:
    """Tell whether bytes of the library `package/lib/it.so` hold a run path that leaves."""
    return libraries._mentions_leaving(str(root), "package/lib/it.so", io.BytesIO(content))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a distribution with a package, its folder of libraries, and one beside it."""
    (tmp_path / "package" / "lib" / "lib").mkdir(parents=True)
    (tmp_path / "package.libs").mkdir()
    return tmp_path


@pytest.mark.parametrize("run_path", LEAVING)
@pytest.mark.parametrize(
    "before", [0, 1, PIECE - 4100, PIECE - 4096, PIECE - 7, PIECE - 2, PIECE - 1, PIECE, PIECE + 1]
)
@pytest.mark.parametrize("after", [0, 1, 4096, PIECE])
def test_a_run_path_that_leaves_is_seen_wherever_it_stands(
    root: Path, run_path: bytes, before: int, after: int
) -> None:
    """Also where the pieces end that a large library is read in, and where the file ends."""
    content = b"\x01" * before + run_path + b"\0" + b"\x01" * after

    assert mentions_leaving(root, content)
    assert mentions_leaving(root, content[: before + len(run_path)])


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_a_library_that_stays_inside_needs_no_second_look(root: Path, size: int) -> None:
    """Folders that the distribution has, and the word alone, are no reason to read the tables."""
    staying = b"$ORIGIN\0$ORIGIN/lib\0${ORIGIN}/../../package.libs:$ORIGIN/..\0ORIGIN/../../..\0"

    assert not mentions_leaving(root, b"\x01" * size + staying + b"\x01" * size)
    assert not mentions_leaving(root, b"\x01" * size)
