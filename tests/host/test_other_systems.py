"""Differences of macOS and Windows that can be tested on Linux: numbers of errors, modes, and statuses of files."""

from __future__ import annotations

import errno
import functools
import os
import stat
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from pepip.environment import metadata, swap
from pepip.host import files, filesystems, links, permissions, transfer
from tests.support.other_systems import loaded_on

pytestmark = pytest.mark.unit

_MOUNT_POINT = 0xA0000003  # IO_REPARSE_TAG_MOUNT_POINT


def refused(*_: object, **__: object) -> None:
    """Fail as Windows does if a file has 1,023 links: Python turns that error into EINVAL."""
    error = OSError(errno.EINVAL, "too many links")
    error.winerror = 1142  # type: ignore[attr-defined]
    raise error


def test_a_file_with_too_many_links_is_no_fault_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller then makes a copy. On Linux, EINVAL stays an error."""
    monkeypatch.setattr(os, "link", refused)

    with pytest.raises(OSError, match="too many links"):
        links.link_file("source", "target")
    assert not loaded_on("win32", links, monkeypatch).link_file("source", "target")


def test_too_many_links_of_one_file_leave_the_way_for_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only that file is copied."""
    (tmp_path / "source").write_bytes(b"ink")
    ways = transfer.Transfer("hardlink")
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", refused)
        assert not ways.file(str(tmp_path / "source"), str(tmp_path / "copy"), 0o644)

    assert ways.file(str(tmp_path / "source"), str(tmp_path / "link"), 0o644)
    assert (tmp_path / "copy").read_bytes() == b"ink"


def test_windows_gets_no_file_that_it_can_not_remove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mode without write permission makes a file read-only there, which is neither removed nor replaced."""
    (tmp_path / "tree" / "inner").mkdir(parents=True)
    wheel_file = tmp_path / "tree" / "inner" / "file"
    wheel_file.touch(mode=0o444)
    monkeypatch.setattr(sys, "platform", "win32")

    permissions.unseal_tree(str(tmp_path / "tree"))
    files.write_whole(str(tmp_path / "settings"), b"", exact_mode=0o444)

    assert permissions.sealed_mode(root_stat=tmp_path.stat()) & 0o200
    assert wheel_file.stat().st_mode & 0o200
    assert (tmp_path / "settings").stat().st_mode & 0o200


def test_the_status_of_a_child_has_its_inode_on_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`DirEntry.stat` has zeros there for the inode, the device and the number of links."""
    monkeypatch.setattr(sys, "platform", "win32")
    child = SimpleNamespace(path=str(tmp_path), stat=lambda **_: os.stat_result([0] * 10))

    assert links.status_of(child).st_ino == tmp_path.stat().st_ino  # type: ignore[arg-type]


@pytest.mark.parametrize(("tag", "is_folder"), [(0, True), (_MOUNT_POINT, False)])
def test_a_junction_is_no_folder(monkeypatch: pytest.MonkeyPatch, tag: int, is_folder: bool) -> None:
    """Its status has the mode of a folder. Whoever takes it for one descends into the store."""
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", _MOUNT_POINT, raising=False)
    status = SimpleNamespace(st_mode=stat.S_IFDIR | 0o777, st_reparse_tag=tag)

    assert links.is_folder(status) == is_folder  # type: ignore[arg-type]


def test_the_note_of_a_local_archive_has_its_last_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As uv writes it: the change time, and on Windows, where that is the time of creation, the modification."""
    os.utime(tmp_path, ns=(0, 5 * 10**9))
    assert b'"secs_since_epoch":5,' not in metadata._timestamp(str(tmp_path))

    monkeypatch.setattr(sys, "platform", "win32")

    assert b'"secs_since_epoch":5,' in metadata._timestamp(str(tmp_path))


def test_a_walk_enters_no_junction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Python 3.12, `os.walk` enters junctions as it enters links here. They are listed, as links are."""
    (tmp_path / "store" / "inner").mkdir(parents=True)
    (tmp_path / "top" / "real" / "deep").mkdir(parents=True)
    (tmp_path / "top" / "linked").symlink_to(tmp_path / "store")
    top = str(tmp_path / "top")
    listed = sorted((folder, sorted(folders)) for folder, folders, _ in links.walk(top))
    upward = [folder for folder, _, _ in links.walk(top, topdown=False)]
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(os, "walk", functools.partial(os.walk, followlinks=True))

    assert sorted((folder, sorted(folders)) for folder, folders, _ in links.walk(top)) == listed
    assert [folder for folder, _, _ in links.walk(top, topdown=False)] == upward
    assert f"{top}/linked" not in upward


def test_a_copy_has_the_times_of_its_source_on_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python trusts copied bytecode only if the copied source has its time."""
    (tmp_path / "source").touch()
    os.utime(tmp_path / "source", ns=(10**18, 10**18))
    monkeypatch.setattr(sys, "platform", "win32")

    transfer.Transfer("copy").file(str(tmp_path / "source"), str(tmp_path / "copy"), 0o644)

    assert (tmp_path / "copy").stat().st_mtime_ns == 10**18


def test_a_file_that_can_not_be_written_is_closed_before_its_removal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows removes no open file, so the error would be another one, and a part of the file would stay."""
    closed: list[int] = []
    monkeypatch.setattr(os, "write", refused)
    monkeypatch.setattr(os, "close", lambda number, close=os.close: (closed.append(number), close(number)))
    monkeypatch.setattr(os, "unlink", lambda path, unlink=os.unlink: unlink(path) if closed else pytest.fail(path))

    with pytest.raises(OSError, match="too many links"):
        files.create(str(tmp_path / "file"), b"ink")

    assert len(closed) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_use_is_no_junction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows refuses to remove a library that a program has loaded. A junction is removed like a folder."""
    (tmp_path / "junction").mkdir()
    (tmp_path / "library").touch()
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(
        os, "unlink", lambda path: (_ for _ in ()).throw(PermissionError(errno.EACCES, "in use", path))
    )

    assert links.unlink(str(tmp_path / "junction"))
    with pytest.raises(PermissionError, match="in use"):
        links.unlink(str(tmp_path / "library"))

    assert [path.name for path in tmp_path.iterdir()] == ["library"]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("\\\\?\\C:\\store\\packages", "C:/store/packages"),
        ("\\\\?\\UNC\\server\\share\\store", "//server/share/store"),
        ("C:\\store", "C:/store"),
    ],
)
def test_the_target_of_a_link_of_windows_is_a_plain_path(
    monkeypatch: pytest.MonkeyPatch, written: str, read: str
) -> None:
    """`os.readlink` answers in the form of extended paths there."""
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(os, "readlink", lambda _: written)

    assert links.read_link("link") == read


def test_a_swap_is_done_though_a_program_has_loaded_an_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows refuses to remove that file. The next command removes it, or the first after the end of the program."""
    (tmp_path / "file").write_text("old")
    change = swap.Swap(str(tmp_path))
    change.prepare("file", lambda place: files.create(place, b"new"))
    monkeypatch.setattr(swap, "_KEEPS_LOADED_FILES", True)
    with monkeypatch.context() as patch:
        patch.setattr(filesystems, "remove_tree", in_use)

        change.carry_out()
        swap.take_back(str(tmp_path))

    assert (tmp_path / "file").read_text() == "new"
    assert swap.is_begun(str(tmp_path))
    swap.take_back(str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "new"


def in_use(*_: object, **__: object) -> None:
    """Fail as Windows does."""
    raise PermissionError(errno.EACCES, "in use")
