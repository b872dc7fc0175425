"""What uv unpacks is read while uv goes on, and not again afterwards, unless it is another file by then."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pepip.model import Request
from pepip.uv.unpacking import Reader
from pepip.wheel.seen import Seen
from tests.support.machines import Machine
from tests.support.wheels import Wheel

SECONDS_UNTIL_READ = 20.0

DRUM = Wheel("drum", "1.0", files={"drum/__init__.py": "LOUD = True\n", "drum/deep/skin.txt": "calf"})
BIG_HORN = Wheel("Big.Horn", "1.0", files={"horn/__init__.py": "LOUD = False\n", "horn/deep/bell.txt": "brass"})


def reader_of(cache: Path, name: str, *, device: int | None = None) -> Reader:
    """Return one that waits for this distribution in a cache, which is installed on the same device, or another."""
    same = cache.parent.stat().st_dev
    return Reader(Request(everywhere=("--cache-dir", str(cache))), [name], device=same if device is None else device)


def digests_below(folder: Path, seen: Seen) -> dict[str, bool]:
    """Return the files below a folder, and whether the right digest of each is known."""
    return {
        path.relative_to(folder).as_posix(): seen.digest(path.lstat()) == hashlib.sha256(path.read_bytes()).digest()
        for path in sorted(folder.rglob("*.*"))
        if path.is_file()
    }


def test_wheels_that_are_wanted_are_read_as_uv_unpacks_them(
    machine: Machine, wheelhouse: Path, interpreter: Path, tmp_path: Path
) -> None:
    """By any name that their files have later, and only those: others may use the same cache."""
    for wheel in (DRUM, BIG_HORN):
        wheel.write(wheelhouse)
    install = ["pip", "install", "--python", interpreter, "--no-index", "--find-links", wheelhouse]

    with reader_of(machine.uv_cache, "big-horn") as reader:
        machine.uv(*install, "--target", tmp_path / "other", "drum", folder=tmp_path)
        machine.uv(*install, "--target", tmp_path / "staged", "big-horn", folder=tmp_path)
        last = time.monotonic() + SECONDS_UNTIL_READ
        while time.monotonic() < last and not all(digests_below(tmp_path / "staged" / "horn", reader.seen).values()):
            time.sleep(0.05)

    assert digests_below(tmp_path / "staged" / "horn", reader.seen) == {"__init__.py": True, "deep/bell.txt": True}
    assert digests_below(tmp_path / "other" / "drum", reader.seen) == {"__init__.py": False, "deep/skin.txt": False}


@pytest.mark.parametrize("why", ["before", "elsewhere"])
def test_what_would_not_be_of_use_is_not_read(
    machine: Machine, wheelhouse: Path, interpreter: Path, tmp_path: Path, why: str
) -> None:
    """What lay in the cache before, of which nobody knows what will be staged, and what will be copied from there."""
    DRUM.write(wheelhouse)
    install = ["pip", "install", "--python", interpreter, "--no-index", "--find-links", wheelhouse, "drum"]
    if why == "before":
        machine.uv(*install, "--target", tmp_path / "staged", folder=tmp_path)

    with reader_of(machine.uv_cache, "drum", device=-1 if why == "elsewhere" else None) as reader:
        if why == "elsewhere":
            machine.uv(*install, "--target", tmp_path / "staged", folder=tmp_path)
        time.sleep(0.3)

    assert set(digests_below(tmp_path / "staged" / "drum", reader.seen).values()) == {False}


def test_a_cache_that_is_not_there_is_waited_for_and_no_error(tmp_path: Path) -> None:
    """As with uv's first run, or where uv keeps its cache at another place than is thought."""
    with reader_of(tmp_path / "nowhere", "drum") as reader:
        time.sleep(0.1)

    assert reader.seen.digest(tmp_path.lstat()) is None


def rewrite(path: Path) -> None:
    """Give a file other content of the same size, now."""
    path.write_bytes(b"two")


def replace(path: Path) -> None:
    """Put another file of the same size and time in its place."""
    path.with_name("new").write_bytes(b"two")
    os.utime(path.with_name("new"), ns=(0, path.stat().st_mtime_ns))
    path.with_name("new").replace(path)


def append(path: Path) -> None:
    """Make a file longer, and let it seem as old as before."""
    at = path.stat().st_mtime_ns
    path.write_bytes(path.read_bytes() + b"more")
    os.utime(path, ns=(at, at))


@pytest.mark.parametrize("change", [rewrite, replace, append])
def test_a_file_that_has_changed_since_it_was_read_is_not_known(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    """By its size, its time or its inode: then it is read again."""
    path, seen = tmp_path / "file", Seen()
    path.write_bytes(b"one")
    os.utime(path, ns=(1, 1))
    seen.read(str(path))
    assert seen.digest(path.lstat()) == hashlib.sha256(b"one").digest()

    change(path)

    assert seen.digest(path.lstat()) is None


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """No wheel holds one: what it leads to may change at any time."""
    (tmp_path / "file").write_bytes(b"one")
    (tmp_path / "link").symlink_to("file")
    seen = Seen()

    seen.read(str(tmp_path / "link"))

    assert seen.digest((tmp_path / "file").lstat()) is None
    assert seen.digest((tmp_path / "link").lstat()) is None
