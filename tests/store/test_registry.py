"""The registry's files: each field is written, read back and checked. A damaged file is named, and stops nobody."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pepip.store import registry, registry_file
from pepip.store.registry_file import Registration
from pepip.store.root import Store
from tests.support.keeping import Keeper
from tests.support.snapshots import changes, snapshot

pytestmark = pytest.mark.every(2)

WHOLE = Registration(
    file="/store/projects/app-0123456789abcdef.json",
    environment="/code/app/.venv",
    project="/code/app",
    device=2**64 - 1,
    mount_point="/",
    entries=("py3-none-any/drum-1.0", "py3-none-any/horn-1.0"),
    named="/srv/app/.venv",
    filesystem=7,
    registered_at=1_700_000_000,
)
DOCUMENT = json.loads(registry_file.dump(WHOLE))

NO_PATHS = (5, None, "", "relative/.venv", "/with/\0/.venv", ["/code"], True)
NO_NUMBERS = ("5", 1.5, True, [1], {}, 2**64, -(2**64))
NO_LISTS = ("py3-none-any/drum-1.0", {"py3-none-any/drum-1.0": 1}, 5, True, [1], [None], [["x"]])

WRONG = [
    *(("environment", value) for value in NO_PATHS),
    *(("project", value) for value in NO_PATHS),
    *(("named", value) for value in NO_PATHS),
    *(("mount_point", value) for value in NO_PATHS),
    *(("device", value) for value in (*NO_NUMBERS, None)),
    *(("filesystem", value) for value in NO_NUMBERS),
    *(("registered_at", value) for value in NO_NUMBERS),
    *(("entries", value) for value in NO_LISTS),
    *(("format", value) for value in (0, 2, "1", None, [1], {})),
]


# The format


@pytest.mark.parametrize(
    "written",
    [
        WHOLE,
        WHOLE._replace(entries=()),
        WHOLE._replace(entries=None),
        WHOLE._replace(environment="/Bücher/プロジェクト/.venv", named="/tab\tand\nline/.venv"),
        WHOLE._replace(project=os.fsdecode(b"/not/utf-8/\xff\xfe")),
        WHOLE._replace(device=-1, filesystem=0, registered_at=0),
    ],
)
def test_a_registration_is_read_as_it_was_written(written: Registration) -> None:
    """This holds for names that are not UTF-8 and for the numbers of any file system too."""
    assert registry_file.load(registry_file.dump(written), WHOLE.file) == written


def test_fields_that_older_pepips_left_out_are_read_as_unknown() -> None:
    """Older versions wrote no `named` path, no file system, no entries and no time of registration."""
    absent = {"named", "filesystem", "entries", "registered_at"}
    content = json.dumps({key: value for key, value in DOCUMENT.items() if key not in absent}).encode()

    found = registry_file.load(content, WHOLE.file)

    assert found == WHOLE._replace(named=WHOLE.environment, filesystem=0, entries=None, registered_at=0)


@pytest.mark.every(4)
@pytest.mark.parametrize(("field", "value"), WRONG, ids=repr)
def test_a_field_of_another_type_is_named(field: str, value: Any) -> None:
    """If a field has a wrong value, the file is damaged and the reason names that field."""
    with pytest.raises(ValueError, match=f"^its {field} is "):
        registry_file.load(json.dumps({**DOCUMENT, field: value}).encode(), WHOLE.file)


@pytest.mark.parametrize("field", ["format", "environment", "project", "device", "mount_point"])
def test_a_field_that_is_missing_is_named(field: str) -> None:
    """A field that every version of pepip has written is required."""
    with pytest.raises(ValueError, match=f"^its {field} is "):
        registry_file.load(
            json.dumps({key: value for key, value in DOCUMENT.items() if key != field}).encode(), WHOLE.file
        )


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"\0\0", b"\xff", b"[]", b"null", b"1", b'"text"', b"[" * 100_000, b"{}" * 2, b"9" * 10_000),
        *(b'{"device": NaN}', b'{"device": -Infinity}', b'{"project": "/half/\\ud800"}'),
    ],
    ids=lambda content: repr(content[:8]),
)
def test_content_that_is_no_object_is_damage(content: bytes) -> None:
    """This includes brackets nested deeper than Python can parse, and numbers longer than it accepts."""
    with pytest.raises(ValueError, match=r"^it is (not valid JSON|no JSON object)$|^it holds invalid characters$"):
        registry_file.load(content, WHOLE.file)


# The files of a store


def make_link(path: Path) -> str:
    """Make a link to a valid registration."""
    whole = path.with_name("whole.txt")
    whole.write_bytes(registry_file.dump(WHOLE))
    path.symlink_to(whole)
    return "it is no regular file"


def make_dangling_link(path: Path) -> str:
    """Make a link to nothing."""
    path.symlink_to("/nowhere/at/all")
    return "it is no regular file"


def make_pipe(path: Path) -> str:
    """Make a pipe without a writer."""
    os.mkfifo(path)
    return "it is no regular file"


def make_folder(path: Path) -> str:
    """Make a folder."""
    path.mkdir()
    return "it is no regular file"


def make_socket(path: Path) -> str:
    """Make a socket."""
    here = Path.cwd()
    os.chdir(path.parent)  # the length of a socket's path is limited
    try:
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(path.name)
    finally:
        os.chdir(here)
    return "it is no regular file"


def make_endless(path: Path) -> str:
    """Make a sparse file of a terabyte, which takes no space."""
    with path.open("wb") as file:
        file.truncate(1 << 40)
    return "it is larger than 16777216 bytes"


def make_deep(path: Path) -> str:
    """Write brackets nested deeper than Python can parse."""
    path.write_text("[" * 1_000_000)
    return "it is not valid JSON"


def make_wrong(path: Path) -> str:
    """Write a registration with one field of the wrong type."""
    path.write_text(json.dumps({**DOCUMENT, "device": "5"}))
    return "its device is no whole number of 64 bits"


def make_newer(path: Path) -> str:
    """Write a registration in a newer format."""
    path.write_text(json.dumps({**DOCUMENT, "format": 2}))
    return "its format is 2, this pepip reads 1"


OBSTACLES = [
    make_link,
    make_dangling_link,
    make_pipe,
    make_folder,
    make_socket,
    make_endless,
    make_deep,
    make_wrong,
    make_newer,
]


def store_and_environment(folder: Path) -> tuple[Store, Path]:
    """Return a new store, and a folder in the place of an environment."""
    store = Store(str(folder / "store"))
    store.create()
    environment = folder / "app" / ".venv"
    environment.mkdir(parents=True)
    return store, environment


def name_of(make: Callable[[Path], str]) -> str:
    """Return the name of a case."""
    return make.__name__.removeprefix("make_")


@pytest.mark.parametrize("make", OBSTACLES, ids=name_of)
def test_a_file_that_holds_no_registration_is_named_with_the_reason(
    tmp_path: Path, make: Callable[[Path], str]
) -> None:
    """Such a file is not followed, not waited for, and not read without end. The other files count."""
    store, environment = store_and_environment(tmp_path)
    assert registry.register(store, str(environment), ["py3-none-any/drum-1.0"])
    strange = tmp_path / "store" / "projects" / "strange-0123456789abcdef.json"
    damage = make(strange)

    damaged, whole = registry.registrations(store)

    assert damaged == Registration(str(strange), "", "", 0, "", None, damage=damage)
    assert whole.environment == str(environment.resolve())
    assert whole.entries == ("py3-none-any/drum-1.0",)


@pytest.mark.parametrize("make", [make for make in OBSTACLES if make is not make_folder], ids=name_of)
def test_an_environment_is_registered_in_the_place_of_a_file_without_a_registration(
    tmp_path: Path, make: Callable[[Path], str]
) -> None:
    """A regular file replaces it, and the target of a link stays unchanged."""
    store, environment = store_and_environment(tmp_path)
    registry.register(store, str(environment), [])
    place = Path(registry.file_of(store, str(environment)))
    place.unlink()
    make(place)

    assert registry.register(store, str(environment), ["py3-none-any/drum-1.0"])

    assert place.is_file()
    assert not place.is_symlink()
    assert make is not make_link or place.with_name("whole.txt").read_bytes() == registry_file.dump(WHOLE)
    (found,) = registry.registrations(store)
    assert found.environment == str(environment.resolve())


@pytest.mark.parametrize("make", [make_link, make_pipe, make_wrong], ids=name_of)
def test_people_are_told_which_file_is_damaged_and_why(keeper: Keeper, make: Callable[[Path], str]) -> None:
    """The preview, the refused prune and the doctor name the file and the reason. Nothing is removed."""
    keeper.pepip("store", "add", "horn", *keeper.source)
    strange = keeper.store / "projects" / "strange-0123456789abcdef.json"
    damage = make(strange)
    before = snapshot(keeper.store)

    preview = keeper.preview()
    refusal = keeper.prune_in_words(check=False)
    doctor = keeper.pepip("doctor", check=False)

    sentence = f"{strange} can't be read ({damage})"
    assert sentence in preview["blocked"]
    assert (refusal.returncode, refusal.stdout) == (1, "")
    assert sentence in refusal.stderr
    assert "Traceback" not in refusal.stderr + doctor.stderr
    assert f"{strange} can't be read, so nothing is pruned: {damage}" in doctor.stdout
    assert doctor.returncode == 1
    assert changes(before, snapshot(keeper.store)) == []
    assert keeper.entries() == ["horn-1.0"]


def test_registering_again_writes_only_new_entries(tmp_path: Path) -> None:
    """A registration that already lists all entries stays. One that lacks an entry is written anew."""
    store, environment = store_and_environment(tmp_path)
    registry.register(store, str(environment), ["b/horn-1.0", "b/drum-1.0"])
    place = Path(registry.file_of(store, str(environment)))
    first = place.stat().st_ino

    registry.register(store, str(environment), ["b/drum-1.0"])
    second = place.stat().st_ino
    registry.register(store, str(environment), ["b/skin-1.0"])

    assert second == first
    assert place.stat().st_ino != first
    assert [item.entries for item in registry.registrations(store)] == [("b/skin-1.0",)]
