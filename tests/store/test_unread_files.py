"""Files that uv has unpacked and checked in the same run are not read again, unless somebody has written since.

Later reads compare them with RECORD.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pepip.uv.archives import UnpackedWheels
from pepip.wheel import record
from tests.support.customers import Customer
from tests.support.gluster import two_mounts
from tests.support.machines import Output
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

CLOCK = Wheel("clock", "1.0", files={"clock/__init__.py": "HOUR = 12\n", "clock/face.txt": "twelve\n"})
BELL = Wheel("bell", "1.0", files={"bell.py": "LOUD = True\n"})
SECONDS_OF_BELL = 1.0
"""The time that the wheel of the second distribution takes to arrive. Nothing else is slow."""

LYING_CLOCK = replace(CLOCK, wrong_hashes=["clock/face.txt"])
FACE = "py3-none-any/clock-1.0/clock/face.txt"


@dataclass(frozen=True)
class Workshop(Customer):
    """A store and a cache of uv, both empty at first, and an index with hashes."""

    def offer(self, *wheels: Wheel, is_sdist: bool = False) -> None:
        """Let the index have these distributions alone."""
        for folder in (self.wheelhouse, self.folder / "pages"):
            shutil.rmtree(folder, ignore_errors=True)
        self.wheelhouse.mkdir()
        for wheel in wheels:
            (wheel.write_sdist if is_sdist else wheel.write)(self.wheelhouse)
        self.write_pages()

    def add(self, *words: str | Path) -> Output:
        """Install into the project, and return the output."""
        return self.pepip("install", *self.source, *words)

    def packages(self) -> Path:
        """Return the folder of entries."""
        return self.store / "packages"

    def document(self, name: str) -> dict[str, Any]:
        """Return the document of the only entry of a distribution."""
        (place,) = self.packages().glob(f"*/{name}-*/pepip-entry.json")
        found: dict[str, Any] = json.loads(place.read_text())
        return found

    def verify(self) -> dict[str, Any]:
        """Return the result of a verification. It fails if an entry is damaged or unproven."""
        output = self.pepip("store", "verify", "--json", check=False)
        found: dict[str, Any] = json.loads(output.stdout)
        assert output.returncode == (1 if found["damaged"] or found["unproven"] else 0), output.stderr
        return found

    def repair(self, *words: str | Path, check: bool = True) -> Output:
        """Repair the store. uv may use the index."""
        return self.pepip("store", "repair", *self.index, *words, check=check)


@pytest.fixture
def workshop(workbench: Workbench) -> Iterator[Workshop]:
    """Return a workshop."""
    with Workshop.with_index(workbench, slow={"bell-1.0-py3-none-any.whl": SECONDS_OF_BELL}) as found:
        yield found


def flaws(entry: str, *found: tuple[str, str]) -> list[dict[str, Any]]:
    """Return these flaws of an entry, kinds and paths, as a verification reports them."""
    return [{"entry": entry, "flaws": [{"kind": kind, "path": path} for kind, path in found]}]


def overwrite(path: Path, content: str, *, keeps_time: bool) -> None:
    """Write into a file, also into its other hard links. With `keeps_time`, no time shows the change."""
    status = path.stat()
    path.chmod(0o600)
    path.write_text(content)
    path.chmod(status.st_mode & 0o777)
    if keeps_time:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


_TELL_READING = """
import sys
from pepip.wheel import record
digest = record.digest
def tell(path, *words, **options):
    with open("read.log", "a") as log:
        log.write(f"{path}\\n")
    return digest(path, *words, **options)
record.digest = tell
from pepip.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize("is_there_before", [False, True])
def test_only_wheels_that_lay_in_uvs_cache_before_are_read(
    workshop: Workshop, tmp_path: Path, *, is_there_before: bool
) -> None:
    """With an archive, uv has compared its hash. What lay in uv's cache may have been edited since."""
    workshop.offer(CLOCK)
    words = [*workshop.source, "clock"]
    if is_there_before:
        workshop.uv("pip", "install", "--target", tmp_path / "other", *words)
    workshop.machine.run([sys.executable, "-c", _TELL_READING, "install", "-q", *words], folder=workshop.project)

    log = workshop.project / "read.log"
    read = {line.rpartition("/")[2] for line in log.read_text().splitlines()} if log.exists() else set()
    assert read == ({"__init__.py", "face.txt", "METADATA", "WHEEL", "RECORD"} if is_there_before else set())
    assert bool(workshop.document("clock")["unread_until_ns"]) == (not is_there_before)
    assert workshop.verify() == {"checked": 1, "damaged": [], "unproven": []}


def test_a_wheel_that_uv_built_is_read(workshop: Workshop) -> None:
    """No hash proves a wheel that was built here, so its entry gets digests of its own."""
    workshop.offer(CLOCK, is_sdist=True)

    workshop.add("clock")

    assert workshop.document("clock")["unread_until_ns"] == 0


@pytest.fixture(params=["hard links", "copies", "cache on another disk"])
def placed(request: pytest.FixtureRequest, workshop: Workshop) -> Iterator[tuple[Workshop, list[str]]]:
    """Return a workshop, and the options of an install whose entries get their files in this way."""
    if request.param != "cache on another disk":
        yield workshop, ["--link-mode", "copy"] if request.param == "copies" else []
        return
    if not Path("/dev/shm").is_dir():
        pytest.skip("there is no second file system at /dev/shm")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield replace(workshop, machine=replace(workshop.machine, uv_cache=Path(folder))), []


def test_a_wheel_whose_record_is_wrong_is_unproven(placed: tuple[Workshop, list[str]]) -> None:
    """It is installed, and a verification fails. A repair fetches it once, and then its own digests count."""
    workshop, options = placed
    workshop.offer(LYING_CLOCK)
    said = workshop.add("clock", *options).stderr
    assert "RECORD" not in said
    assert workshop.verify() == {
        "checked": 1, "damaged": [], "unproven": flaws("py3-none-any/clock-1.0", ("unproven", "clock/face.txt")),
    }  # fmt: skip

    said = workshop.repair().stderr

    assert "Repaired py3-none-any/clock-1.0" in said
    assert workshop.document("clock")["digests"].keys() == {"clock/face.txt"}
    assert workshop.verify() == {"checked": 1, "damaged": [], "unproven": []}
    assert (workshop.site_packages / "clock/face.txt").read_text() == "twelve\n"
    overwrite(workshop.packages() / FACE, "eleven", keeps_time=True)
    assert workshop.verify()["damaged"] == flaws("py3-none-any/clock-1.0", ("altered", "clock/face.txt"))


def test_a_verification_says_in_words_which_files_are_unproven(workshop: Workshop) -> None:
    """The sentence says what to do, and the exit code tells a program."""
    workshop.offer(LYING_CLOCK)
    workshop.add("clock")

    output = workshop.pepip("store", "verify", check=False)

    assert output.returncode == 1
    assert "RECORD differs   clock/face.txt" in output.stdout
    assert "1 entry checked, 1 differs from its RECORD, and was not read before" in output.stderr
    assert "`pepip store repair` settles it" in output.stderr


def test_a_wrong_mode_of_an_unproven_entry_is_corrected_offline(workshop: Workshop) -> None:
    """A mode needs no download. The file that differs stays, with a warning."""
    workshop.offer(LYING_CLOCK)
    workshop.add("clock")
    shutil.rmtree(workshop.machine.uv_cache)
    module = (workshop.packages() / FACE).with_name("__init__.py")
    module.chmod(0o200)
    assert workshop.verify()["damaged"] == flaws(
        "py3-none-any/clock-1.0", ("mode", "clock/__init__.py"), ("unproven", "clock/face.txt")
    )

    said = workshop.repair("--offline", check=False).stderr

    assert "py3-none-any/clock-1.0 differs from its RECORD, and its wheel can't be fetched" in said
    assert module.read_text() == "HOUR = 12\n"
    assert workshop.verify() == {
        "checked": 1, "damaged": [], "unproven": flaws("py3-none-any/clock-1.0", ("unproven", "clock/face.txt")),
    }  # fmt: skip


def replace_file(path: Path, content: str) -> None:
    """Put another file in the place of one, with its times, as an editor does."""
    status = path.stat()
    other = path.with_name("new")
    other.write_text(content)
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)


def overwrite_and_keep_time(path: Path, content: str) -> None:
    """Write into a file, and set its time back."""
    overwrite(path, content, keeps_time=True)


@pytest.mark.parametrize(
    ("edit", "name"), [(overwrite_and_keep_time, "clock/face.txt"), (replace_file, "dial.txt")], ids=["deep", "top"]
)
def test_a_write_while_uv_waits_for_another_wheel_is_noticed(
    workshop: Workshop, edit: Callable[[Path, str], None], name: str
) -> None:
    """The write comes after the check of the first wheel. So it is read, it differs, and it is fetched again."""
    workshop.offer(replace(CLOCK, files={**CLOCK.files, "dial.txt": "twelve\n"}), BELL)
    edited = threading.Event()

    def write() -> None:
        last = time.monotonic() + 20
        while time.monotonic() < last:
            if found := list(workshop.machine.uv_cache.glob("archive-v*/*/clock-1.0.dist-info/RECORD")):
                time.sleep(0.3 * SECONDS_OF_BELL)
                edit(found[0].parents[1] / name, "eleven\n")
                assert not list(workshop.machine.uv_cache.glob("archive-v*/*/bell-1.0.dist-info"))
                edited.set()
                return
            time.sleep(0.01)

    writer = threading.Thread(target=write)
    writer.start()
    said = workshop.add("clock", "bell").stderr
    writer.join()

    assert edited.is_set()
    assert f"{name} differs from the RECORD of the wheel: fetching it again" in said
    (installed,) = workshop.packages().glob(f"*/clock-1.0/{name}")
    assert installed.read_text() == "twelve\n"
    assert workshop.verify() == {"checked": 2, "damaged": [], "unproven": []}


@pytest.mark.real_world
def test_a_wheel_whose_record_is_wrong_is_no_damage_on_a_network_file_system(
    workshop: Workshop, tmp_path: Path
) -> None:
    """There a copy has the time at which it was made."""
    with two_mounts(tmp_path / "volume") as (here, _):
        workshop = replace(workshop, machine=replace(workshop.machine, store=here / "store"))
        workshop.offer(LYING_CLOCK)
        workshop.add("clock")

        assert workshop.verify() == {
            "checked": 1, "damaged": [], "unproven": flaws("py3-none-any/clock-1.0", ("unproven", "clock/face.txt")),
        }  # fmt: skip


def test_a_wheel_whose_record_is_wrong_has_lost_nothing_by_a_purge(workshop: Workshop) -> None:
    """Also if somebody has written into a folder of its entry: only a file that is missing was purged."""
    workshop.offer(LYING_CLOCK)
    workshop.add("clock")
    os.utime(workshop.packages() / "py3-none-any/clock-1.0/clock")
    words = ("install", *workshop.source, "clock", "--offline")

    said = workshop.pepip(*words, variables={"PEPIP_PURGE_AFTER": "60d"}).stderr

    assert "has lost files" not in said


def test_an_unproven_entry_stays_if_it_cannot_be_fetched(workshop: Workshop) -> None:
    """Nothing shows that it is damaged, but nothing is settled: the exit code is that of a verification."""
    workshop.offer(LYING_CLOCK)
    workshop.add("clock")
    shutil.rmtree(workshop.machine.uv_cache)

    in_words, document = (workshop.repair("--offline", *words, check=False) for words in ((), ("--json",)))

    assert [in_words.returncode, document.returncode] == [1, 1]
    assert "py3-none-any/clock-1.0 differs from its RECORD, and its wheel can't be fetched" in in_words.stderr
    assert "Nothing to repair" not in in_words.stderr
    assert json.loads(document.stdout)["unproven"] == ["py3-none-any/clock-1.0"]
    assert (workshop.packages() / FACE).read_text() == "twelve\n"
    assert workshop.verify()["damaged"] == []


@pytest.mark.parametrize("keeps_time", [False, True])
def test_other_bytes_in_an_unread_file_are_found_and_repaired(workshop: Workshop, *, keeps_time: bool) -> None:
    """A later modification time proves a change. Without one, RECORD may be wrong as well; the archive decides."""
    workshop.offer(CLOCK)
    workshop.add("clock")

    overwrite(workshop.packages() / FACE, "eleven\n", keeps_time=keeps_time)

    kind, title = ("unproven", "unproven") if keeps_time else ("altered", "damaged")
    assert workshop.verify()[title] == flaws("py3-none-any/clock-1.0", (kind, "clock/face.txt"))
    workshop.repair()
    assert (workshop.packages() / FACE).read_text() == "twelve\n"
    assert (workshop.site_packages / "clock/face.txt").read_text() == "twelve\n"
    assert workshop.verify() == {"checked": 1, "damaged": [], "unproven": []}


def test_a_layer_gets_no_unproven_entry(workshop: Workshop) -> None:
    """Others rely on a layer, so what is published there has been read and found as its RECORD says."""
    workshop.offer(LYING_CLOCK)
    workshop.add("clock")
    command = ("store", "publish", "clock", "--to", workshop.folder / "layer")

    output = workshop.pepip(*command, check=False)
    assert output.returncode == 1
    assert "clock/face.txt, RECORD differs" in output.stderr

    workshop.repair()
    workshop.pepip(*command)


def test_a_record_that_lies_makes_no_wheel_equal_to_an_adopted_one(workshop: Workshop) -> None:
    """RECORD lists the digests of an adopted distribution. The wheel has other bytes, so it gets an entry."""
    workshop.offer(CLOCK)
    owner = workshop.at("code/owner")
    owner.machine.make_folder(owner.project)
    owner.uv("venv", "--python", owner.interpreter)
    owner.uv("pip", "install", *owner.index, "clock")
    workshop.pepip("adopt", "--yes", workshop.folder / "code")
    assert workshop.document("clock")["identity"].startswith("content:")
    listed = record.row_of("clock/face.txt", b"twelve\n")
    other = replace(
        CLOCK,
        files={**CLOCK.files, "clock/face.txt": "eleven\n"},
        rewrite_record=lambda rows: [tuple(listed) if row[0] == listed.path else row for row in rows],
    )
    workshop.offer(other)

    workshop.add("--refresh", "clock")

    installed = workshop.site_packages / "clock/face.txt"
    assert installed.read_text() == "eleven\n"
    assert len(list(workshop.packages().glob("*/clock-1.0*"))) == 2


def add(cache: Path, bucket: str, name: str) -> str:
    """Put an unpacked wheel into a cache, and return its path."""
    (cache / bucket / name).mkdir(parents=True)
    return str(cache / bucket / name)


def test_an_unpacked_wheel_is_new_if_it_was_not_there_before(tmp_path: Path) -> None:
    """This holds for each bucket of the cache, also if uv makes the bucket later, and by any path to the cache."""
    before = add(tmp_path / "cache", "archive-v0", "aaa")
    (tmp_path / "link").symlink_to("cache")

    found = UnpackedWheels(str(tmp_path / "cache"))

    names = [("archive-v0", "bbb"), ("archive-v1", "ccc")]
    for path in [add(tmp_path / "cache", *name) for name in names]:
        assert found.is_new(path)
        assert found.is_new(path.replace("/cache/", "/link/"))
    assert not found.is_new(before)
    assert not found.is_new(before.replace("/cache/", "/link/"))


@pytest.mark.parametrize("cache", ["", "missing", "file"])
def test_nobody_can_tell_which_wheels_are_new_elsewhere(tmp_path: Path, cache: str) -> None:
    """The cache may be in another place than expected, and another folder may have such names, too."""
    (tmp_path / "file").touch()
    elsewhere = add(tmp_path / "elsewhere", "archive-v0", "aaa")

    found = UnpackedWheels(str(tmp_path / cache) if cache else "")

    assert not found.is_new(elsewhere)
    assert not found.is_new(add(tmp_path / "elsewhere", "wheels-v6", "aaa"))


def test_a_cache_that_appears_later_holds_new_wheels(tmp_path: Path) -> None:
    """At its first use, uv makes its cache."""
    found = UnpackedWheels(str(tmp_path / "cache"))

    assert found.is_new(add(tmp_path / "cache", "archive-v0", "aaa"))


def test_the_move_of_a_wheel_is_told_from_later_changes(tmp_path: Path) -> None:
    """A file in the wheel's own folder may change the folder's time. If the wheel was seen to come, that shows."""
    cache, made = tmp_path / "cache", tmp_path / "made"
    found = UnpackedWheels(str(cache))
    (cache / "archive-v0").mkdir(parents=True)
    (made / "deep").mkdir(parents=True)
    (made / "deep" / "file").write_text("four")
    place = cache / "archive-v0" / "aaa"
    with found.watched():
        made.rename(place)
    moved_at_ns = place.stat().st_ctime_ns
    assert found.moved_at_ns(str(place)) == moved_at_ns >= (place / "deep" / "file").stat().st_ctime_ns

    time.sleep(0.05)  # longer than a tick of the clock of the file system
    overwrite_and_keep_time(place / "deep" / "file", "five")
    assert found.moved_at_ns(str(place)) == moved_at_ns < (place / "deep" / "file").stat().st_ctime_ns
    (place / "new").touch()
    assert found.moved_at_ns(str(place)) == 0
    assert UnpackedWheels(str(cache)).moved_at_ns(str(place)) == 0


RIGHT = record.row_of("a", b"four")


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row._replace(size="5"),
        lambda row: row._replace(size=""),
        lambda row: row._replace(hash_value=""),
        lambda row: row._replace(hash_value=row.hash_value.replace("sha256", "md5")),
        lambda row: row._replace(hash_value=f"{row.hash_value}A"),
        lambda row: row._replace(hash_value=f"sha256={'a1' * 32}"),
        lambda row: row._replace(hash_value=f"sha256={'+' * 43}"),
    ],
    ids=["size", "no size", "no hash", "weak", "long", "hexadecimal", "no letter"],
)
def test_a_row_that_can_be_no_baseline_is_told_without_reading(change: Callable[[record.Row], record.Row]) -> None:
    """Its file is read, so that the entry gets a digest that proves the file."""
    assert record.may_match(RIGHT, 4)
    assert not record.may_match(change(RIGHT), 4)
