"""The transfer of a file from uv's cache into an entry: the cheapest way that works, with the same result in each."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pepip.host import transfer
from pepip.host.transfer import COPY, LINK, Transfer
from tests.support.filesystems import mounted

pytestmark = pytest.mark.unit


def source_in(folder: Path) -> Path:
    """Return a file with its own mode and time."""
    path = folder / "source"
    path.write_bytes(b"ink")
    path.chmod(0o754)
    os.utime(path, ns=(10**18, 10**18))
    return path


@pytest.mark.parametrize("preferred", ["", "clone", "hardlink", "copy", "symlink"])
def test_a_file_has_content_mode_and_time_of_its_source(tmp_path: Path, preferred: str) -> None:
    """This holds for each way. Only a hard link shares the inode."""
    source, target = source_in(tmp_path), tmp_path / "target"

    is_shared = Transfer(preferred).file(str(source), str(target), 0o754)

    assert not target.is_symlink()
    assert (target.read_bytes(), target.stat().st_mode & 0o777, target.stat().st_mtime_ns) == (b"ink", 0o754, 10**18)
    assert is_shared == (target.stat().st_ino == source.stat().st_ino)
    if preferred == "copy":
        assert not is_shared


def test_to_another_file_system_a_file_is_copied(tmp_path: Path) -> None:
    """The second file is copied too, after other ways were refused for the first."""
    source = source_in(tmp_path)
    with mounted("tmpfs", tmp_path / "disk", mebibytes=8) as disk:
        ways = Transfer("hardlink")

        assert [ways.file(str(source), f"{disk}/{name}", 0o754) for name in "ab"] == [False, False]
        assert (disk / "b").read_bytes() == b"ink"


def test_a_file_system_that_clones_shares_blocks_and_no_inode(tmp_path: Path) -> None:
    """A change in uv's cache can then not reach the store."""
    with mounted("btrfs", tmp_path / "disk", mebibytes=128) as disk:
        source, target = source_in(disk), disk / "target"

        assert not Transfer("clone").file(str(source), str(target), 0o754)
        assert target.stat().st_ino != source.stat().st_ino
        assert (target.read_bytes(), target.stat().st_mode & 0o777) == (b"ink", 0o754)


def test_an_existing_file_is_not_written_to(tmp_path: Path) -> None:
    """On a file system that ignores case, a wheel may have one name twice."""
    source, target = source_in(tmp_path), tmp_path / "target"
    target.write_bytes(b"mine")

    for preferred in ("clone", "hardlink", "copy"):
        with pytest.raises(FileExistsError):
            Transfer(preferred).file(str(source), str(target), 0o644)
    assert target.read_bytes() == b"mine"


def test_a_copy_in_a_files_place_touches_no_other_file(tmp_path: Path) -> None:
    """Neither hard links of the file change, nor a file with a name like the copy's."""
    source, other = source_in(tmp_path), tmp_path / "other"
    other.hardlink_to(source)
    (tmp_path / "source.0~").write_bytes(b"mine")

    transfer.replace_by_copy(str(source))

    assert source.stat().st_nlink == other.stat().st_nlink == 1
    assert (source.read_bytes(), source.stat().st_mode & 0o777) == (b"ink", 0o754)
    assert (tmp_path / "source.0~").read_bytes() == b"mine"


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
@pytest.mark.parametrize("mode", [0o644, 0o755, 0o600, 0o444])
def test_a_copy_has_the_mode_of_its_source_whatever_the_umask_is(tmp_path: Path, umask: int, mode: int) -> None:
    """Also if nobody may write it."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"text" * 500_000)
    source.chmod(mode)
    before = os.umask(umask)
    try:
        assert not Transfer(COPY).file(str(source), str(target))
    finally:
        os.umask(before)

    assert target.stat().st_mode & 0o7777 == mode
    assert target.read_bytes() == source.read_bytes()


def test_a_copy_keeps_times_unless_it_need_not(tmp_path: Path) -> None:
    """Each time costs a call."""
    source = tmp_path / "source"
    source.write_text("text")
    os.utime(source, (1_000_000_000, 1_000_000_000))

    Transfer(COPY).file(str(source), f"{tmp_path}/same")
    Transfer(COPY, keeps_times=False).file(str(source), f"{tmp_path}/new")

    assert (tmp_path / "same").stat().st_mtime == 1_000_000_000
    assert (tmp_path / "new").stat().st_mtime > 1_000_000_000


@pytest.mark.parametrize("in_turn", [True, False])
@pytest.mark.parametrize("way", [LINK, COPY])
def test_a_tree_has_all_files_and_says_which_are_its_own(tmp_path: Path, way: str, in_turn: bool) -> None:
    """One after the other, and in threads."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    names = [f"file-{number}" for number in range(50)]
    for name in names:
        (source / name).write_text(name)
    found = [(name, (source / name).stat()) for name in names]

    own = Transfer(way).tree(str(source), str(target), found, in_turn=in_turn)

    assert {path.name: path.read_text() for path in target.iterdir()} == {name: name for name in names}
    assert own == (set(names) if way == COPY else set())
    with pytest.raises(FileExistsError):
        Transfer(way).tree(str(source), str(target), found, in_turn=in_turn)


@pytest.mark.parametrize("pieces", [[(0, b"a")], [(1 << 20, b"b")], [(0, b"a"), (3 << 20, b"c" * 5000)], []], ids=len)
def test_a_copy_keeps_holes(tmp_path: Path, pieces: list[tuple[int, bytes]]) -> None:
    """Content and size are the same, and holes occupy no blocks."""
    source, target = tmp_path / "source", tmp_path / "target"
    with source.open("wb") as file:
        for start, text in pieces:
            file.seek(start)
            file.write(text)
        file.truncate(8 << 20)
    if source.stat().st_blocks * 512 >= source.stat().st_size:
        pytest.skip("this file system has no holes")

    Transfer(COPY).file(str(source), str(target), 0o644)

    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_blocks <= source.stat().st_blocks
