"""Ejecting gives the files of an environment back all that they had before it was adopted, not only their bytes."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import stat
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.operations.adoption.test_adopt import Attic, attic
from tests.support.machines import site_packages_of
from tests.support.stores import leftovers_of, problems_of

__all__ = ["attic"]

NAMES = {"camera", "cloud-core", "old-one", "old-two", "single"}

_ACCESS_LIST = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, rights, number)
    for tag, rights, number in (
        (0x01, 6, 0xFFFFFFFF),
        (0x02, 6, 12345),  # this user may read and write
        (0x04, 4, 0xFFFFFFFF),
        (0x10, 6, 0xFFFFFFFF),
        (0x20, 4, 0xFFFFFFFF),
    )
)
"""The attribute in which Linux keeps an access list."""


def _camera(environment: Path) -> Path:
    return site_packages_of(environment) / "camera"


def _info(environment: Path) -> Path:
    return site_packages_of(environment) / "camera-1.0.dist-info"


def _list(environment: Path, path: str, content: bytes, *, quoted: str = "") -> None:
    """Make a file in site-packages, and list it in the RECORD of `camera`."""
    place = site_packages_of(environment) / path
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(content)
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    with (_info(environment) / "RECORD").open("a") as file:
        file.write(f"{quoted or path},sha256={digest},{len(content)}\n")


def _for_each(environment: Path, change: Callable[[Path], object]) -> None:
    for folder, _, names in os.walk(environment, topdown=False):
        for path in (*(Path(folder, name) for name in names), Path(folder)):
            if not path.is_symlink():
                change(path)


def _read_only(environment: Path) -> None:
    _for_each(_camera(environment), lambda path: path.chmod(0o555 if path.is_dir() else 0o444))
    for path in (*_info(environment).iterdir(), _info(environment)):
        path.chmod(0o500 if path.is_dir() else 0o400)


def _closed(environment: Path) -> None:
    (_camera(environment) / "lenses" / "glass.txt").chmod(0)
    (_camera(environment) / "lenses").chmod(0o1700)


def _of_a_group(environment: Path) -> None:
    _for_each(environment, lambda path: path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o020))
    _for_each(environment, lambda path: path.is_dir() and path.chmod(0o2775))


def _writable_for_all(environment: Path) -> None:
    _for_each(_camera(environment), lambda path: path.is_file() and path.chmod(0o666))
    _list(environment, f"camera/{'n' * 255}", b"long\n")
    (_camera(environment) / ("n" * 255)).chmod(0o777)


def _set(path: Path, name: str, value: bytes) -> None:
    try:
        os.setxattr(path, name, value)
    except OSError as error:
        pytest.skip(f"no file gets the attribute {name} here: {error}")


def _attributes(environment: Path) -> None:
    site_packages = site_packages_of(environment)
    info = _info(environment)
    for path in (site_packages / "single.py", _camera(environment) / "lenses", info / "RECORD", info / "WHEEL", info):
        _set(path, "user.note", b"\0mine")


def _access_list(environment: Path) -> None:
    for path in (site_packages_of(environment) / "single.py", _camera(environment) / "__init__.py"):
        _set(path, "system.posix_acl_access", _ACCESS_LIST)


def _times(environment: Path) -> None:
    """Set times before 1970 and after 2106, which are beyond 32 bits."""
    _for_each(_camera(environment), lambda path: os.utime(path, (-(1 << 31), -(1 << 31))))
    os.utime(site_packages_of(environment) / "single.py", (1 << 33, 1 << 33))


def _record_without_end(environment: Path) -> None:
    (_camera(environment) / "lenses" / "glass.txt").chmod(0o640)  # so that the RECORD also gets the row of a note
    record = _info(environment) / "RECORD"
    record.write_bytes(record.read_bytes().rstrip(b"\n"))


def _record_of_windows(environment: Path) -> None:
    record = _info(environment) / "RECORD"
    record.write_bytes(record.read_bytes().replace(b"\n", b"\r\n"))


def _odd_names(environment: Path) -> None:
    _list(environment, 'camera/a,"b.txt', b"comma\n", quoted='"camera/a,""b.txt"')
    _list(environment, "camera/a\nb.txt", b"two lines\n", quoted='"camera/a\nb.txt"')
    _list(environment, "camera/GLASS.txt", b"loud\n")
    _list(environment, "camera/glass.TXT", b"LOUD\n")
    _list(environment, "Camera/__init__.py", b"LOUD = True\n")


def _folders_that_nobody_lists(environment: Path) -> None:
    (_camera(environment) / "empty" / "inside").mkdir(parents=True)
    gone = site_packages_of(environment) / "gone" / "__pycache__"
    gone.mkdir(parents=True)
    (gone / "gone.cpython-312.pyc").write_bytes(b"old")
    (site_packages_of(environment) / "cloud" / "core" / "left" / "__pycache__").mkdir(parents=True)


def _files_beside_metadata(environment: Path) -> None:
    _list(environment, "camera-1.0.dist-info/licenses/ours.txt", b"ours\n")
    info = _info(environment)
    (info / "licenses" / "mine.txt").write_text("mine\n")
    (info / "notes").mkdir(mode=0o700)
    (info / "notes" / "note.txt").write_text("note\n")
    (info / "link.txt").symlink_to("notes/note.txt")
    (info / "nowhere").symlink_to("nothing")


def _links_of_a_program(environment: Path) -> None:
    (_camera(environment) / "link.py").symlink_to("__init__.py")
    (_camera(environment) / "lenses" / "nowhere").symlink_to("nothing")


def _shared_inodes(environment: Path) -> None:
    """Make hard links of equal files, also of two distributions, as tools do that look for such files."""
    site_packages = site_packages_of(environment)
    first = _camera(environment) / "lenses" / "__init__.py"
    for name in ("one", "two"):
        other = site_packages / "old" / name / "__init__.py"
        other.unlink()
        os.link(first, other)


ODDITIES: dict[str, Callable[[Path], object]] = {
    "read-only": _read_only,
    "closed": _closed,
    "of a group": _of_a_group,
    "writable for all": _writable_for_all,
    "attributes": _attributes,
    "access list": _access_list,
    "times": _times,
    "RECORD without an end": _record_without_end,
    "RECORD of Windows": _record_of_windows,
    "names": _odd_names,
    "folders that nobody lists": _folders_that_nobody_lists,
    "files beside metadata": _files_beside_metadata,
    "links of a program": _links_of_a_program,
    "shared inodes": _shared_inodes,
}


def _facts(environment: Path) -> dict[str, tuple[object, ...]]:
    """Return kind, mode, owner, attributes and content of each path. Bytecode, locks and pepip's id are left out."""
    found: dict[str, tuple[object, ...]] = {}
    for folder, folders, names in os.walk(environment):
        if os.path.basename(folder) == "__pycache__":
            continue
        for name in (*folders, *names):
            path = Path(folder, name)
            status = path.lstat()
            content: object = (
                os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
            )
            attributes = {} if path.is_symlink() else {key: os.getxattr(path, key) for key in os.listxattr(path)}
            found[os.path.relpath(path, environment)] = (
                stat.filemode(status.st_mode),
                status.st_uid,
                status.st_gid,
                attributes,
                content,
            )
    by_nature = {".lock", ".pepip-id", "__pycache__"}
    return {path: row for path, row in found.items() if os.path.basename(path) not in by_nature}


@pytest.mark.every(3)
@pytest.mark.parametrize("oddity", ODDITIES)
def test_ejected_environment_has_all_that_its_files_had(attic: Attic, oddity: str) -> None:
    """The odd environment is adopted, and so is a usual one beside it. Both are as before after an eject."""
    odd, usual = (attic.make(name, "uv copy", *sorted(NAMES)) for name in ("one", "two"))
    ODDITIES[oddity](odd)
    before = [_facts(environment) for environment in (odd, usual)]

    attic.adopt()

    assert [attic.linked(environment) for environment in (odd, usual)] == [NAMES, NAMES]
    assert problems_of(attic.machine.store) == []
    attic.machine.pepip("store", "verify", folder=attic.folder)
    attic.machine.pepip("eject", odd, usual, folder=attic.folder)
    for environment, facts in zip((odd, usual), before, strict=True):
        after = _facts(environment)
        assert [
            (path, facts.get(path), after.get(path))
            for path in facts.keys() | after.keys()
            if facts.get(path) != after.get(path)
        ] == []
    assert leftovers_of(attic.machine.store) == []


@pytest.mark.parametrize("oddity", ["writable for all", "access list"])
def test_nobody_else_may_write_a_file_of_the_store(attic: Attic, oddity: str) -> None:
    """A file that others could write becomes a copy in the store, which its owner alone can write."""
    environment = attic.make("one", "uv copy", "camera", "single")
    ODDITIES[oddity](environment)

    attic.adopt()

    files = [path for path in attic.machine.store.glob("packages/*/*/**/*") if path.is_file()]
    assert {"single.py", "__init__.py"} <= {path.name for path in files}
    assert [path for path in files if path.stat().st_mode & 0o022] == []
    assert [path for path in files if "system.posix_acl_access" in os.listxattr(path)] == []


def test_note_of_modes_from_a_checkout_gives_no_special_rights(attic: Attic) -> None:
    """A planted note can't give a file a set-user-ID bit or a capability. Its other modes are those of own files."""
    environment = attic.make("one", "uv copy", "single")
    attic.adopt()
    info = site_packages_of(environment) / "single-1.0.dist-info"
    path = (site_packages_of(environment) / "single.py").relative_to(environment)
    capability = base64.b64encode(b"\x01\x00\x00\x02" + bytes(16)).decode()
    note = f'{{"{path}": {{"mode": 3577, "attributes": {{"security.capability": "{capability}", "user.a": 1}}}}}}'
    (info / "pepip-modes.json").write_text(note)

    attic.machine.pepip("eject", environment, folder=attic.folder)

    assert stat.S_IMODE((environment / path).stat().st_mode) == 3577 & 0o777
    assert os.listxattr(environment / path) == []
    assert not (info / "pepip-modes.json").exists()
    shutil.rmtree(attic.machine.store / "packages")
    attic.machine.python(environment, "-c", "import single")
