"""Files that uv unpacks are read while uv goes on. Afterwards a file is read again only if it has changed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pepip.store import hash_pool, staged
from pepip.store.staged import StagedWheel, WheelTree
from pepip.uv.readahead import Readahead
from pepip.wheel.digest_cache import DigestCache
from tests.support.indexes import served
from tests.support.machines import Machine
from tests.support.projects import write_simple_index
from tests.support.wheels import Wheel

SECONDS_UNTIL_READ = 20.0
SECONDS_TO_READ = 0.5
"""Ten times the time to read a small wheel, if the wheel is read at all."""

DRUM = Wheel("drum", "1.0", files={"drum/__init__.py": "LOUD = True\n", "drum/deep/skin.txt": "calf"})
BIG_HORN = Wheel("Big.Horn", "1.0", files={"horn/__init__.py": "LOUD = False\n", "horn/deep/bell.txt": "brass"})


class Shop:
    """An empty cache of uv, wheels, and a folder to link them below."""

    def __init__(self, machine: Machine, wheelhouse: Path, interpreter: Path, folder: Path) -> None:
        self.machine, self.cache, self.area = machine, folder / "uv-cache", folder / "area"
        self.install = ["pip", "install", "--python", interpreter, "--no-index", "--find-links", wheelhouse]
        self.area.mkdir()
        for wheel in (DRUM, BIG_HORN):
            wheel.write(wheelhouse)

    def lookahead(self, *names: str, seen: DigestCache) -> Readahead:
        """Return a `Readahead` that waits for these distributions."""
        return Readahead(names, seen, cache=str(self.cache))

    def stage(self, name: str) -> Path:
        """Let uv unpack and link a distribution, and return its folder."""
        place = self.area / name
        options = ["--cache-dir", self.cache, "--link-mode", "hardlink", "--target", place]
        self.machine.uv(*self.install, *options, name, folder=self.area)
        return place


@pytest.fixture
def shop(machine: Machine, wheelhouse: Path, interpreter: Path, tmp_path: Path) -> Shop:
    """Return a shop with an empty cache."""
    return Shop(machine, wheelhouse, interpreter, tmp_path)


def read_below(folder: Path, seen: DigestCache) -> dict[str, bool]:
    """Return the files below a folder, and whether the right digest of each is known."""
    return {
        path.relative_to(folder).as_posix(): seen.digest(path.lstat()) == hashlib.sha256(path.read_bytes()).digest()
        for path in sorted(folder.rglob("*.*"))
        if path.is_file()
    }


def wait_until_read(folder: Path, seen: DigestCache) -> None:
    """Wait until all files below a folder have been read."""
    last = time.monotonic() + SECONDS_UNTIL_READ
    while not all(read_below(folder, seen).values()):
        assert time.monotonic() < last, read_below(folder, seen)
        time.sleep(0.05)


def test_wheels_that_are_wanted_are_read_as_uv_unpacks_them(shop: Shop) -> None:
    """The digests are known by any path that the files get later.

    Wheels that are not wanted are not read, since other processes may use the same cache.
    """
    seen = DigestCache()
    with shop.lookahead("big-horn", seen=seen):
        other, wanted = shop.stage("drum"), shop.stage("big-horn")
        wait_until_read(wanted / "horn", seen)

    assert read_below(wanted / "horn", seen) == {"__init__.py": True, "deep/bell.txt": True}
    assert read_below(other / "drum", seen) == {"__init__.py": False, "deep/skin.txt": False}


def test_wheels_that_lay_in_the_cache_before_are_not_read(shop: Shop) -> None:
    """The cache may hold thousands of old wheels, and nobody knows yet which ones are staged. Staging reads those."""
    before, seen = shop.stage("drum"), DigestCache()

    with shop.lookahead("drum", "big-horn", seen=seen):
        wait_until_read(shop.stage("big-horn") / "horn", seen)

    assert set(read_below(before / "drum", seen).values()) == {False}


def test_a_cache_that_is_not_there_is_no_error(shop: Shop) -> None:
    """The cache is missing before uv's first run, or if uv keeps it in another place than expected."""
    seen = DigestCache()
    with shop.lookahead("drum", seen=seen):
        time.sleep(SECONDS_TO_READ)

    assert seen.digest(shop.area.lstat()) is None


_TELL_READING = """
import sys
from pepip.wheel.digest_cache import DigestCache as Seen
read = Seen.read
def tell(self, path):
    with open("read.log", "a") as log:
        log.write(f"{path}\\n")
    read(self, path)
Seen.read = tell
from pepip.__main__ import main
sys.exit(main())
"""


def test_an_install_reads_each_file_of_a_build_once(
    shop: Shop, wheelhouse: Path, interpreter: Path, tmp_path: Path
) -> None:
    """The one read takes place in uv's cache, while another distribution is still downloading."""
    for wheel in wheelhouse.iterdir():
        wheel.unlink()
    DRUM.write_sdist(wheelhouse)
    Wheel("slow", "1.0", files={"slow.py": ""}).write(wheelhouse)
    write_simple_index(tmp_path / "pages" / "simple", wheelhouse, hashes=True)
    machine = replace(shop.machine, uv_cache=shop.cache, store=tmp_path / "store")

    with served(tmp_path / "pages", slow={"slow-1.0": 4 * SECONDS_TO_READ}) as url:
        words = ["install", "-q", "--python", interpreter, "--default-index", f"{url}simple/", "drum", "slow"]
        machine.run([sys.executable, "-c", _TELL_READING, *words], folder=shop.area)

    read = [path for path in (shop.area / "read.log").read_text().splitlines() if "/drum/" in path]
    assert sorted(path.rpartition("/drum/")[2] for path in read) == ["__init__.py", "deep/skin.txt"]
    assert all(path.startswith(f"{shop.cache}/archive-v") for path in read)
    machine.python(shop.area / ".venv", "-c", "import drum, slow")


def wheels_of(folder: Path, sizes: dict[str, list[int]]) -> list[tuple[StagedWheel, WheelTree]]:
    """Return unpacked wheels with files of these sizes. `sizes` is by the wheel's name."""
    found = []
    for name, each in sizes.items():
        (folder / name).mkdir()
        for number, size in enumerate(each):
            with (folder / name / str(number)).open("wb") as file:
                file.truncate(size)
        item = StagedWheel(
            name, "1.0", f"{name}-1.0.dist-info", str(folder / name), frozenset(), frozenset(), frozenset(), {}
        )
        found.append((item, staged.list_files(item.wheel)))
    return found


def test_a_wheel_that_is_read_soonest_comes_first(tmp_path: Path) -> None:
    """Wheels whose files are all known come before wheels with much to read."""
    trees, seen = wheels_of(tmp_path, {"long": [300, 200], "known": [1000], "short": [400]}), DigestCache()
    seen.read(str(tmp_path / "known" / "0"))

    order = [item.name for item, _ in hash_pool.in_order(trees, seen)]

    assert order == ["known", "short", "long"]
    assert all(seen.digest(file.status) for _, tree in trees for file in tree.files)


def test_a_reader_that_ends_early_waits_for_no_other_file(tmp_path: Path) -> None:
    """After an early exit such as ctrl-c, only files that are already being read are read to their end."""
    trees, seen = wheels_of(tmp_path, {"short": [1], "long": [32 << 20] * 60}), DigestCache()

    with contextlib.closing(hash_pool.in_order(trees, seen)) as in_order:
        assert next(in_order)[0].name == "short"

    assert sum(seen.digest(file.status) is None for _, tree in trees for file in tree.files) > 30


def rewrite(path: Path) -> None:
    """Give a file other content of the same size, and the present time."""
    path.write_bytes(b"two")


def supplant(path: Path) -> None:
    """Put another file of the same size and time in its place."""
    path.with_name("new").write_bytes(b"two")
    os.utime(path.with_name("new"), ns=(0, path.stat().st_mtime_ns))
    path.with_name("new").replace(path)


def append(path: Path) -> None:
    """Make a file longer, and keep its modification time."""
    at = path.stat().st_mtime_ns
    path.write_bytes(path.read_bytes() + b"more")
    os.utime(path, ns=(at, at))


@pytest.mark.parametrize("change", [rewrite, supplant, append])
def test_a_file_that_has_changed_since_it_was_read_is_not_known(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    """A change of its size, its time or its inode is noticed, so the file is read again."""
    path, seen = tmp_path / "file", DigestCache()
    path.write_bytes(b"one")
    os.utime(path, ns=(1, 1))
    seen.read(str(path))
    assert seen.digest(path.lstat()) == hashlib.sha256(b"one").digest()

    change(path)

    assert seen.digest(path.lstat()) is None


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """No wheel contains a symbolic link, and the target of one may change at any time."""
    (tmp_path / "file").write_bytes(b"one")
    (tmp_path / "link").symlink_to("file")
    seen = DigestCache()

    seen.read(str(tmp_path / "link"))

    assert seen.digest((tmp_path / "file").lstat()) is None
    assert seen.digest((tmp_path / "link").lstat()) is None
