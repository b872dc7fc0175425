"""`pepip store verify` finds every fault. `pepip store repair` repairs entries and environments, or names the rest.

The tests damage files on disk. Each has its own uv cache: entries share inodes with it, so some damage reaches the
cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.indexes import served
from tests.support.machines import Machine, Output, find_interpreter, site_packages_of
from tests.support.parity import Level, Observation, differences, observe
from tests.support.projects import commit, write_simple_index
from tests.support.refusals import assert_refused
from tests.support.snapshots import Snapshot, changes, snapshot
from tests.support.teams import Team
from tests.support.terminals import run_on_terminal
from tests.support.wheels import Wheel, record_hash
from tests.support.workbench import Workbench

pytestmark = pytest.mark.every(2)

CHIME = Wheel(
    "chime",
    "1.0",
    files={
        "chime/__init__.py": "VERSION = '1.0'\ndef main():\n    print(VERSION)\n",
        "chime/tunes/__init__.py": "",
        "chime/tunes/notes.txt": "c d e f g a h c\n",
        "chime/strike": "#!/bin/sh\necho bong\n",
        "chime_module.py": "VERSION = '1.0'\n",
    },
    data={"data/share/chime/manual.txt": "ring it\n", "scripts/chime-script": "#!python\nprint('ding')\n"},
    entry_points={"console_scripts": {"chime": "chime:main"}},
    executables=["chime/strike"],
)
BELL_CORE = Wheel("bell-core", "1.0", files={"bell/__init__.py": "", "bell/core.py": "SOUND = 'bim'\n"})
BELL_EXTRA = Wheel("bell-extra", "1.0", files={"bell/extra.py": "SOUND = 'bam'\n"})
WHEELS = [CHIME, BELL_CORE, BELL_EXTRA]


@pytest.fixture
def workbench(workbench: Workbench) -> Workbench:
    """Return a project and a store with its own uv cache."""
    return replace(workbench, machine=replace(workbench.machine, uv_cache=workbench.folder / "own-cache"))


@pytest.fixture
def members(workbench: Workbench, tmp_path: Path) -> list[Workbench]:
    """Return two users of one store, each with a project."""
    team = Team.assemble(tmp_path / "team", umask="022")
    return [replace(workbench, machine=user, folder=user.home) for user in team.users]


def install_copies(workbench: Workbench, *requirements: str) -> None:
    """Install. The store shares no file with uv's cache."""
    workbench.machine.make_folder(workbench.project)
    workbench.pepip("store", "add", *requirements, *workbench.source, variables={"UV_LINK_MODE": "copy"})
    workbench.install(*requirements)


def install_from(workbench: Workbench, *words: str | Path) -> None:
    """Install from elsewhere than the wheelhouse."""
    workbench.machine.make_folder(workbench.project)
    workbench.pepip("install", "--python", workbench.interpreter, *words)


def verify(workbench: Workbench, *words: str) -> Output:
    """Verify the store."""
    return workbench.at(".").pepip("store", "verify", *words, check=False)


def verify_on_terminal(workbench: Workbench) -> Output:
    """Verify the store on a terminal."""
    command = [sys.executable, "-m", "pepip", "store", "verify"]
    return run_on_terminal(workbench.machine, command, folder=workbench.folder)


def flaws_of(workbench: Workbench, *patterns: str) -> dict[str, set[tuple[str, str]]]:
    """Return the flaws that a verification reports, as kinds and paths, by the id of the damaged entry."""
    output = verify(workbench, "--json", *patterns)
    document = json.loads(output.stdout)
    assert output.returncode == (1 if document["damaged"] else 0), output.stderr
    return {item["entry"]: {(flaw["kind"], flaw["path"]) for flaw in item["flaws"]} for item in document["damaged"]}


def repair(workbench: Workbench, *words: str | Path, check: bool = True) -> Output:
    """Repair the store. uv may take wheels from the wheelhouse."""
    return workbench.at(".").pepip("store", "repair", *words, *workbench.from_wheelhouse, check=check)


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[None]:
    """Make a folder writable for a moment."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    folder.chmod(0o700)
    yield
    folder.chmod(mode)


def overwrite(path: Path, contents: bytes) -> None:
    """Write other bytes into a file. All its hard links get them too."""
    mode = stat.S_IMODE(path.stat().st_mode)
    path.chmod(mode | 0o200)
    path.write_bytes(contents)
    path.chmod(mode)


def supplant(path: Path, contents: bytes) -> None:
    """Replace a file by another one with the same mode. Hard links keep the old file."""
    mode = stat.S_IMODE(path.stat().st_mode)
    with opened(path.parent):
        path.unlink()
        path.write_bytes(contents)
        path.chmod(mode)


def differing(before: Snapshot, after: Snapshot) -> list[str]:
    """Return the differences between two snapshots of an entry, without its own metadata and without modes of uv.

    A file that is fetched past uv's cache has no hard link there, and so gets the store's mode. The files that lie
    ready for environments depend on where the entry came from this time.
    """
    of_modes = re.compile(
        r"changed: (.*) \(from file of (\d+) bytes, mode [67].*, (.*) to file of \2 bytes, mode [45].*, \3\)"
    )
    own = ("changed: pepip-entry.json (from file ", "added: .pepip/RECORD (file ")
    lines = [line for line in changes(before, after) if not line.startswith(own)]
    return [line for line in lines if not of_modes.fullmatch(line)]


def change_one_byte(entry: Path) -> None:
    """Change one byte of a module, but neither its size nor its time."""
    path = entry / "chime" / "__init__.py"
    status = path.stat()
    supplant(path, path.read_bytes().replace(b"1.0", b"1.1"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def change_one_byte_in_place(entry: Path) -> None:
    """Change one byte of a module, also in uv's cache."""
    path = entry / "chime" / "__init__.py"
    overwrite(path, path.read_bytes().replace(b"1.0", b"1.1"))


def truncate_in_place(entry: Path) -> None:
    """Cut a file, also in uv's cache."""
    overwrite(entry / "chime" / "tunes" / "notes.txt", b"c d")


def truncate(entry: Path) -> None:
    """Cut a file."""
    supplant(entry / "chime" / "tunes" / "notes.txt", b"c d")


def empty_a_module(entry: Path) -> None:
    """Empty a module that lies beside the packages."""
    supplant(entry / "chime_module.py", b"")


def change_data(entry: Path) -> None:
    """Change a file outside site-packages."""
    supplant(entry / "chime-1.0.data" / "data" / "share" / "chime" / "manual.txt", b"do not ring it\n")


def change_metadata(entry: Path) -> None:
    """Change METADATA, which environments link."""
    supplant(
        entry / "chime-1.0.dist-info" / "METADATA", b"Metadata-Version: 2.1\nName: chime\nVersion: 1.0\n\nhello\n"
    )


def remove_a_file(entry: Path) -> None:
    """Remove a file."""
    with opened(entry / "chime" / "tunes"):
        (entry / "chime" / "tunes" / "notes.txt").unlink()


def remove_a_folder(entry: Path) -> None:
    """Remove a package in a package."""
    with opened(entry / "chime"):
        (entry / "chime" / "tunes").chmod(0o700)
        shutil.rmtree(entry / "chime" / "tunes")


def add_a_file(entry: Path) -> None:
    """Add a module."""
    with opened(entry / "chime"):
        (entry / "chime" / "stray.py").write_text("STRAY = True\n")


def add_a_file_at_the_top(entry: Path) -> None:
    """Add a module beside the packages."""
    with opened(entry):
        (entry / "stray.py").write_text("STRAY = True\n")


def add_a_folder(entry: Path) -> None:
    """Add a folder with a file."""
    with opened(entry / "chime"):
        (entry / "chime" / "stray").mkdir()
        (entry / "chime" / "stray" / "inside.py").write_text("")


def add_an_empty_folder(entry: Path) -> None:
    """Add an empty folder, which is a namespace package to Python."""
    with opened(entry / "chime"):
        (entry / "chime" / "stray").mkdir(mode=0o555)


def add_beside_bytecode(entry: Path) -> None:
    """Add a file that is not bytecode to a folder of bytecode."""
    (entry / "chime" / "__pycache__" / "stray.txt").write_text("")


def put_a_link_for_a_file(entry: Path) -> None:
    """Replace a file by a link to its own bytes elsewhere."""
    path = entry / "chime" / "tunes" / "notes.txt"
    elsewhere = entry.parents[2] / "notes.txt"
    with opened(path.parent):
        shutil.move(path, elsewhere)
        path.symlink_to(elsewhere)


def put_a_pipe_for_a_file(entry: Path) -> None:
    """Replace a file by a pipe, which blocks a reader for ever."""
    path = entry / "chime" / "tunes" / "notes.txt"
    with opened(path.parent):
        path.unlink()
        os.mkfifo(path)


def put_a_pipe_for_the_record(entry: Path) -> None:
    """Replace RECORD by a pipe."""
    path = entry / "chime-1.0.dist-info" / "RECORD"
    with opened(path.parent):
        path.unlink()
        os.mkfifo(path)


def put_a_link_for_a_folder(entry: Path) -> None:
    """Replace a folder by a link to its own files elsewhere."""
    path = entry / "chime" / "tunes"
    elsewhere = entry.parents[2] / "tunes"
    path.chmod(0o755)
    with opened(path.parent):
        shutil.move(path, elsewhere)
        path.symlink_to(elsewhere)


def add_a_link(entry: Path) -> None:
    """Add a dangling link."""
    with opened(entry / "chime"):
        (entry / "chime" / "stray").symlink_to("nowhere")


def make_a_file_writable(entry: Path) -> None:
    """Let everyone write a file of which the environment has a copy. Its owner may write it, as with uv."""
    (entry / "chime" / "tunes" / "notes.txt").chmod(0o666)


def make_a_linked_file_writable(entry: Path) -> None:
    """Let everyone write a file to which an environment has a hard link."""
    (entry / "chime_module.py").chmod(0o666)


def make_a_folder_writable(entry: Path) -> None:
    """Let the owner write a folder of modules."""
    (entry / "chime").chmod(0o755)


def make_a_folder_writable_by_all(entry: Path) -> None:
    """Let everyone write a folder of data."""
    (entry / "chime" / "tunes").chmod(0o777)


def make_the_entry_writable(entry: Path) -> None:
    """Let everyone write the entry's own folder."""
    entry.chmod(0o777)


def drop_the_executable_bit(entry: Path) -> None:
    """Remove the executable bits of a program."""
    path = entry / "chime" / "strike"
    path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o111)


def make_a_file_unreadable(entry: Path) -> None:
    """Let nobody read a file."""
    (entry / "chime" / "tunes" / "notes.txt").chmod(0)


def make_a_folder_unreadable(entry: Path) -> None:
    """Let nobody enter a folder."""
    (entry / "chime" / "tunes").chmod(0)


def shorten_the_record(entry: Path) -> None:
    """Remove the package's rows from RECORD, so that it does not list all files."""
    path = entry / "chime-1.0.dist-info" / "RECORD"
    lines = path.read_text().splitlines(keepends=True)
    supplant(path, "".join(line for line in lines if not line.startswith("chime/")).encode())


def empty_the_record(entry: Path) -> None:
    """Empty RECORD, as a crash of the file system does."""
    supplant(entry / "chime-1.0.dist-info" / "RECORD", b"")


def remove_the_record(entry: Path) -> None:
    """Remove RECORD."""
    with opened(entry / "chime-1.0.dist-info"):
        (entry / "chime-1.0.dist-info" / "RECORD").unlink()


DAMAGES: dict[Callable[[Path], None], set[tuple[str, str]]] = {
    change_one_byte: {("altered", "chime/__init__.py")},
    change_one_byte_in_place: {("altered", "chime/__init__.py")},
    truncate: {("altered", "chime/tunes/notes.txt")},
    truncate_in_place: {("altered", "chime/tunes/notes.txt")},
    empty_a_module: {("altered", "chime_module.py")},
    change_data: {("altered", "chime-1.0.data/data/share/chime/manual.txt")},
    change_metadata: {("altered", "chime-1.0.dist-info/METADATA")},
    remove_a_file: {("missing", "chime/tunes/notes.txt")},
    remove_a_folder: {("missing", "chime/tunes/notes.txt"), ("missing", "chime/tunes/__init__.py")},
    add_a_file: {("added", "chime/stray.py")},
    add_a_file_at_the_top: {("added", "stray.py")},
    add_a_folder: {("added", "chime/stray")},
    add_an_empty_folder: {("added", "chime/stray")},
    add_beside_bytecode: {("added", "chime/__pycache__/stray.txt")},
    put_a_link_for_a_file: {("link", "chime/tunes/notes.txt")},
    put_a_link_for_a_folder: {("link", "chime/tunes")},
    put_a_pipe_for_a_file: {("altered", "chime/tunes/notes.txt")},
    put_a_pipe_for_the_record: {("altered", "chime-1.0.dist-info/RECORD")},
    add_a_link: {("link", "chime/stray")},
    make_a_file_writable: {("mode", "chime/tunes/notes.txt")},
    make_a_linked_file_writable: {("mode", "chime_module.py")},
    make_a_folder_writable: {("mode", "chime")},
    make_a_folder_writable_by_all: {("mode", "chime/tunes")},
    make_the_entry_writable: {("mode", ".")},
    drop_the_executable_bit: {("mode", "chime/strike")},
    make_a_file_unreadable: {("mode", "chime/tunes/notes.txt")},
    make_a_folder_unreadable: {("mode", "chime/tunes")},
    shorten_the_record: set(),
    empty_the_record: set(),
    remove_the_record: {("missing", "chime-1.0.dist-info/RECORD")},
}
"""Each way to damage the entry of chime, with flaws that a verification must report, maybe among others."""

_OF_MODES = {make_a_file_writable, make_a_linked_file_writable, drop_the_executable_bit, make_a_file_unreadable}
"""Damages of a file's mode. A mode belongs to the inode, and uv's cache decides it if the store shares the inode."""


@pytest.fixture(scope="module")
def by_uv(uv_cache: Path, interpreter: Path, tmp_path_factory: pytest.TempPathFactory) -> Observation:
    """Return the observation of an environment that uv made with chime."""
    folder = tmp_path_factory.mktemp("a_fault_is_found_and_repaired")
    CHIME.write(folder / "wheelhouse")
    machine, project = Machine(folder / "home", folder / "store", uv_cache), folder / "project"
    for made in (machine.home, project):
        made.mkdir()
    machine.uv("venv", ".venv", "--python", interpreter, folder=project)
    machine.uv("pip", "install", "--no-index", "--find-links", folder / "wheelhouse", "chime", folder=project)
    return observe(project / ".venv", machine, level=Level.METADATA)


@pytest.mark.every(4)
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__.replace("_", " "))
def test_a_fault_is_found_and_repaired(
    workbench: Workbench, by_uv: Observation, damage: Callable[[Path], None]
) -> None:
    """Verify names the fault and changes nothing.

    After a repair the entry is as stored, and the environment equals uv's.
    """
    if damage in _OF_MODES:
        install_copies(workbench, "chime")
    else:
        workbench.install("chime")
    entry = workbench.entry("chime-1.0")
    sound = snapshot(entry)

    damage(entry)
    damaged = snapshot(entry)
    found = flaws_of(workbench)
    assert list(found) == ["py3-none-any/chime-1.0"]
    assert DAMAGES[damage] <= found["py3-none-any/chime-1.0"]
    assert changes(damaged, snapshot(entry)) == []

    repair(workbench)

    assert differing(sound, snapshot(entry)) == []
    assert flaws_of(workbench) == {}
    assert workbench.problems() == []
    assert differences(by_uv, observe(workbench.environment, workbench.machine, level=Level.METADATA)) == []


def test_a_record_that_environments_share_is_read_only_and_looked_at(workbench: Workbench) -> None:
    """Environments share a RECORD without scripts. A write to it, which root can do, is found."""
    projects = ("project", "other")
    for project in projects:
        install_from(workbench.at(project), "six==1.17.0")
    records = [next((workbench.folder / name / ".venv").glob("lib/*/*/six-*/RECORD")) for name in projects]
    assert os.path.samefile(*records)
    assert stat.S_IMODE(records[0].stat().st_mode) & 0o222 == 0

    overwrite(records[0], records[0].read_bytes() + b"more.py,,\n")

    assert flaws_of(workbench) == {"py3-none-any/six-1.17.0": {("altered", ".pepip/RECORD")}}
    workbench.machine.pepip("store", "repair", folder=workbench.folder)
    assert flaws_of(workbench) == {}


def test_a_link_that_lies_ready_for_environments_is_looked_at(workbench: Workbench) -> None:
    """If it leads elsewhere, every new environment would lead there too, so it is found and repaired."""
    workbench.install("chime==1.0")
    entry = next(workbench.store.glob("packages/*/chime-1.0"))
    link = entry / ".pepip" / "chime"
    assert link.readlink() == entry / "chime"

    with opened(link.parent):
        link.unlink()
        link.symlink_to(workbench.folder)

    assert (flaws_of(workbench)["py3-none-any/chime-1.0"]) >= {("altered", ".pepip/chime")}
    repair(workbench)
    assert flaws_of(workbench) == {}
    assert next(workbench.store.glob("packages/*/chime-1.0/.pepip/chime")).readlink() == entry / "chime"


@pytest.mark.parametrize("path", ["data/share/hour/__pycache__/hour.pyc", "data/share/hour/notes.txt"])
def test_data_is_missed_wherever_it_lies(workbench: Workbench, path: str) -> None:
    """Data in a folder of bytecode is not sealed, but its loss is noticed all the same."""
    files = {"data/share/hour/__pycache__/hour.pyc": "code", "data/share/hour/notes.txt": "notes"}
    Wheel("hour", "1.0", files={"hour.py": ""}, data=files).write(workbench.wheelhouse)
    workbench.install("hour")
    again = workbench.pepip("install", "hour", "chime", *workbench.from_wheelhouse)
    assert "lost" not in again.stderr
    lost = next(workbench.store.glob("packages/*/hour-1.0/hour-1.0.data")) / path

    with opened(lost.parent):
        lost.unlink()
    output = workbench.pepip("install", "hour", "chime==1.0", *workbench.from_wheelhouse)

    assert "the store has lost hour" in output.stderr
    assert lost.exists()


def test_a_store_that_was_removed_is_filled_again_at_once(workbench: Workbench) -> None:
    """All lost entries are fetched by one call of uv, and the command says why."""
    workbench.install("chime==1.0", "bell-core", "bell-extra")
    workbench.store.rename(workbench.folder / "lost")

    output = workbench.pepip("install", "-v", "chime==1.0", *workbench.from_wheelhouse)

    sentence = "the store has lost bell-core, bell-extra, chime, or somebody else may have changed them there"
    assert f"warning: {sentence}: fetching them again" in output.stderr
    assert output.stderr.count("Storing 3 distributions") == 1
    workbench.python("-c", "import chime, bell.core, bell.extra")


def test_files_of_this_machine_are_not_said_to_be_downloaded(workbench: Workbench) -> None:
    """Only files of an index are."""
    of_folder = workbench.pepip("install", "chime==1.0", *workbench.from_wheelhouse)
    of_index = workbench.pepip("install", "--no-deps", "iniconfig")

    assert "Downloading" not in of_folder.stderr
    assert "Downloading 1 distribution" in of_index.stderr


def test_a_run_says_that_the_store_has_lost_an_entry(workbench: Workbench) -> None:
    """`pepip run` leaves only uv's own warnings to uv."""
    text = '[project]\nname = "belfry"\nversion = "1.0"\ndependencies = ["chime==1.0"]\n'
    (workbench.project / "pyproject.toml").write_text(text)
    workbench.pepip("sync", *workbench.from_wheelhouse)
    workbench.store.rename(workbench.folder / "lost")

    words = ("run", *workbench.from_wheelhouse, "python", "-c", "import chime")
    output = workbench.pepip(*words)

    assert "warning: the store has lost chime" in output.stderr


_PRUNE_MEANWHILE = """
import subprocess, sys
from pepip.store import entries
find = entries.find
def find_and_prune(*words, **options):
    found = find(*words, **options)
    if found is not None:
        subprocess.run([sys.executable, "-m", "pepip", "prune", "--yes"], check=True, timeout=60)
    return found
entries.find = find_and_prune
from pepip.__main__ import main
sys.exit(main())
"""


def test_an_entry_that_is_pruned_as_soon_as_it_is_found_is_stored_again(workbench: Workbench) -> None:
    """The install finds the entry before it holds a lock."""
    workbench.pepip("store", "add", "chime", *workbench.source)
    command = [sys.executable, "-c", _PRUNE_MEANWHILE, "install", "chime", *workbench.source]

    workbench.machine.run(command, folder=workbench.machine.make_folder(workbench.project))

    assert workbench.entries() == ["chime-1.0"]
    assert workbench.problems() == []
    assert workbench.version("chime") == "1.0"


def test_a_whole_store_is_reported_as_whole(workbench: Workbench) -> None:
    """Bytecode that imports leave in the store and in environments is no fault."""
    workbench.install("chime", "bell-core", "bell-extra")
    workbench.python("-c", "import chime.tunes, chime_module, bell.core, bell.extra")
    (compiled, *_) = workbench.entry("chime-1.0").glob("chime/__pycache__/*.pyc")
    compiled.with_name(f"{compiled.name}.140234").write_bytes(b"")  # a file that an interpreter is just writing

    output = verify(workbench)

    assert (output.returncode, output.stdout) == (0, "")
    assert "3 entries checked, all intact" in output.stderr
    assert json.loads(verify(workbench, "--json").stdout) == {"checked": 3, "damaged": [], "unproven": []}


def test_damage_is_a_table_for_people_and_a_document_for_machines(workbench: Workbench) -> None:
    """Findings go to stdout, the error and its hint to stderr, and the exit code is 1, also on a terminal."""
    workbench.install("chime", "bell-core")
    change_one_byte(workbench.entry("chime-1.0"))

    output = verify(workbench)
    screen = verify_on_terminal(workbench)

    assert output.returncode == screen.returncode == 1
    assert output.stdout.splitlines()[0] == "py3-none-any/chime-1.0"
    assert ["content", "changed", "chime/__init__.py"] in [line.split() for line in output.stdout.splitlines()]
    assert "error: 2 entries checked, 1 damaged" in output.stderr
    assert "pepip store repair" in output.stderr
    assert "\x1b" not in output.stdout + output.stderr
    assert "chime/__init__.py" in screen.stdout
    assert "2 entries checked, 1 damaged" in screen.stdout


@pytest.mark.parametrize(
    ("pattern", "is_checked"),
    [("chime", True), ("ch*", True), ("chime==1.0", True), ("bell*", False)],
)
def test_a_pattern_chooses_the_entries_to_check_and_repair(
    workbench: Workbench, pattern: str, is_checked: bool
) -> None:
    """Entries that the pattern does not match are neither read nor repaired."""
    workbench.install("chime", "bell-core")
    change_one_byte(workbench.entry("chime-1.0"))

    found = flaws_of(workbench, pattern)
    output = repair(workbench, pattern, "--json")

    assert list(found) == (["py3-none-any/chime-1.0"] if is_checked else [])
    assert json.loads(output.stdout)["repaired"] == list(found)
    assert bool(flaws_of(workbench)) != is_checked


def test_a_pattern_that_no_entry_has_is_refused(workbench: Workbench) -> None:
    """A mistyped name must not count as a whole entry."""
    workbench.install("chime")

    assert_refused(verify(workbench, "chime==2*"), "the store has no entry chime==2*")
    assert_refused(repair(workbench, "chimes", check=False), "the store has no entry chimes")


def test_an_environment_that_can_not_be_repaired_is_named_with_the_reason(workbench: Workbench) -> None:
    """An environment without its interpreter is named, and is not called another user's."""
    workbench.install("chime")
    (workbench.environment / "bin" / "python").unlink()

    output = repair(workbench, check=False)

    assert output.returncode == 1
    assert f"error: {workbench.environment} could not be repaired:" in output.stderr
    assert "another user's" not in output.stderr


def test_nothing_to_repair_writes_nothing(workbench: Workbench) -> None:
    """The repair of a whole store changes nothing but what pepip remembers of it, and says so."""
    workbench.install("chime")
    repair(workbench)  # notes that each entry was verified
    before = snapshot(workbench.store), snapshot(workbench.environment)

    output = repair(workbench)

    assert "Nothing to repair" in output.stderr
    nothing: dict[str, list[str]] = {
        key: [] for key in ("repaired", "failed", "healed", "left", "layered", "unproven")
    }
    assert json.loads(repair(workbench, "--json").stdout) == nothing
    changed = changes(before[0], snapshot(workbench.store))
    assert [line for line in changed if "verdicts.json" not in line] == []
    assert changes(before[1], snapshot(workbench.environment)) == []


def test_without_uvs_cache_all_is_still_whole(workbench: Workbench) -> None:
    """`uv cache clean` removes hard links to files and nothing from the store, so it is no damage."""
    workbench.install("chime", "bell-core")
    assert (workbench.entry("chime-1.0") / "chime" / "__init__.py").stat().st_nlink > 1

    workbench.machine.uv("cache", "clean", folder=workbench.folder)

    assert flaws_of(workbench) == {}
    assert verify(workbench).returncode == 0


def test_an_empty_or_missing_store_is_whole(workbench: Workbench) -> None:
    """Neither command makes a store or fails."""
    assert flaws_of(workbench) == {}
    repair(workbench)
    assert not workbench.store.exists()


def test_an_entry_without_a_readable_document_comes_back(workbench: Workbench) -> None:
    """An entry without a readable document is found, and the environment that links it gets a whole one."""
    workbench.install("chime")
    sound = snapshot(workbench.entry("chime-1.0"))
    supplant(workbench.entry("chime-1.0") / "pepip-entry.json", b'{"format": 1')

    assert flaws_of(workbench) == {"py3-none-any/chime-1.0": {("altered", "pepip-entry.json")}}
    repair(workbench, check=False)

    assert flaws_of(workbench) == {}
    assert differing(sound, snapshot(workbench.entry("chime-1.0"))) == []
    workbench.python("-c", "import chime.tunes, chime_module")


def put_a_pipe(document: Path) -> None:
    """Make a pipe there, which blocks a reader for ever."""
    os.mkfifo(document)


def put_a_device(document: Path) -> None:
    """Make a link there to an endless device."""
    document.symlink_to("/dev/zero")


@pytest.mark.parametrize("put", [put_a_pipe, put_a_device])
def test_a_document_that_is_no_file_is_a_damaged_entry(workbench: Workbench, put: Callable[[Path], None]) -> None:
    """Another member of a team may have made it. No command waits for it or reads it without end."""
    workbench.install("chime")
    with opened(workbench.entry("chime-1.0")):
        (workbench.entry("chime-1.0") / "pepip-entry.json").unlink()
        put(workbench.entry("chime-1.0") / "pepip-entry.json")

    assert "damaged" in workbench.machine.pepip("store", "list", folder=workbench.folder).stdout
    assert flaws_of(workbench) == {"py3-none-any/chime-1.0": {("altered", "pepip-entry.json")}}
    repair(workbench, check=False)

    assert flaws_of(workbench) == {}


def test_an_entry_of_a_newer_pepip_is_no_damage(workbench: Workbench) -> None:
    """No command replaces it. The wheel is stored beside it for an environment that this pepip makes."""
    workbench.install("chime")
    entry = workbench.entry("chime-1.0")
    document = entry / "pepip-entry.json"
    with opened(entry), opened(document):
        document.write_text(document.read_text().replace('"format":2', '"format":3'))
    before = snapshot(entry)

    verified = verify(workbench)
    repair(workbench)
    workbench.at("another").install("chime")
    repair(workbench)

    assert verified.returncode == 0
    assert verified.stderr.startswith("warning: a newer pepip stored py3-none-any/chime-1.0: only that pepip can ")
    assert snapshot(entry) == before
    assert len(workbench.entries()) == 2
    assert {item["state"] for item in workbench.ask("doctor") if item["topic"] == "store"} == {"ok"}
    workbench.at("another").python("-c", "import chime")
    workbench.python("-c", "import chime")


def make_it_of_the_first_format(entry: Path) -> None:
    """Rewrite an entry in the first format, with a script that the first versions took from one environment."""
    record_path = entry / "chime-1.0.dist-info" / "RECORD"
    script = entry / "chime-1.0.data" / "scripts" / "chime-script"
    text = b"#!/nowhere/project/.venv/bin/python\nprint('ding')\n"
    supplant(script, text)
    lines = record_path.read_text().splitlines(keepends=True)
    row = ",".join((f"chime-1.0.data/scripts/{script.name}", record_hash(text), str(len(text)))) + "\n"
    supplant(record_path, "".join(row if script.name in line else line for line in lines).encode())
    document = json.loads((entry / "pepip-entry.json").read_text())
    for field in ("package", "metadata", "digests", "absent", "empty"):
        del document[field]
    document["record"] = hashlib.sha256(record_path.read_bytes()).hexdigest()
    supplant(entry / "pepip-entry.json", json.dumps({**document, "format": 1}).encode())
    for folder in (record_path.parent, script.parent, entry):
        os.utime(folder, (946_684_800, 946_684_800))


def test_a_script_of_one_environment_does_not_stay_in_an_older_entry(workbench: Workbench) -> None:
    """In the first format, a script could name the interpreter of the project for which the entry was stored."""
    workbench.install("chime")
    make_it_of_the_first_format(workbench.entry("chime-1.0"))

    assert flaws_of(workbench) == {"py3-none-any/chime-1.0": {("altered", "chime-1.0.data/scripts/chime-script")}}
    workbench.at("other").install("chime")

    assert flaws_of(workbench) == {}
    assert workbench.at("other").script("chime-script") == "ding"


def test_an_empty_folder_is_no_damage_of_an_older_entry(workbench: Workbench) -> None:
    """The first format did not list a wheel's empty folders, so a repair must not remove them."""
    Wheel("hall", "1.0", files={"hall/__init__.py": ""}, folders=["hall/hollow"]).write(workbench.wheelhouse)
    workbench.install("hall")
    entry = workbench.entry("hall-1.0")
    document = json.loads((entry / "pepip-entry.json").read_text())
    supplant(entry / "pepip-entry.json", json.dumps({**document, "format": 1, "empty": []}).encode())
    os.utime(entry, (946_684_800, 946_684_800))

    assert flaws_of(workbench) == {}


def lay_out_wheel(workbench: Workbench, url: str) -> list[str | Path]:
    """Name a wheel of an index."""
    del workbench, url
    return ["chime"]


def lay_out_sdist(workbench: Workbench, url: str) -> list[str | Path]:
    """Name an sdist of an index."""
    del workbench, url
    return ["drone"]


def lay_out_commit(workbench: Workbench, url: str) -> list[str | Path]:
    """Name a commit of a git repository."""
    del url
    return [f"drone @ git+{commit(workbench.machine, workbench.folder / 'repository', DRONE).as_uri()}"]


def lay_out_wheel_file(workbench: Workbench, url: str) -> list[str | Path]:
    """Name a wheel by its path."""
    del url
    return [CHIME.write(workbench.folder / "elsewhere")]


def lay_out_sdist_file(workbench: Workbench, url: str) -> list[str | Path]:
    """Name an sdist by its path."""
    del url
    return [DRONE.write_sdist(workbench.folder / "elsewhere")]


def lay_out_wheel_url(workbench: Workbench, url: str) -> list[str | Path]:
    """Name a wheel by its URL."""
    CHIME.write(workbench.folder / "index" / "elsewhere")
    return [f"chime @ {url}elsewhere/{CHIME.filename}"]


def lay_out_sdist_url(workbench: Workbench, url: str) -> list[str | Path]:
    """Name an sdist by its URL."""
    path = DRONE.write_sdist(workbench.folder / "index" / "elsewhere")
    return [f"drone @ {url}elsewhere/{path.name}"]


DRONE = Wheel("drone", "1.0", files={"drone/__init__.py": "SOUND = 'mmm'\n"})
ORIGINS = [
    lay_out_wheel,
    lay_out_sdist,
    lay_out_commit,
    lay_out_wheel_file,
    lay_out_sdist_file,
    lay_out_wheel_url,
    lay_out_sdist_url,
]


def test_an_older_entry_of_a_commit_is_repaired(workbench: Workbench) -> None:
    """The first format has a line of a requirements file in place of a lock's table."""
    install_from(workbench, *lay_out_commit(workbench, ""))
    entry = workbench.entry("drone-1.0")
    document = json.loads((entry / "pepip-entry.json").read_text())
    vcs = document.pop("package")["vcs"]
    line = f"drone @ git+{vcs['url']}@{vcs['commit-id']}"
    supplant(entry / "pepip-entry.json", json.dumps({**document, "format": 1, "requirement": line}).encode())
    supplant(entry / "drone" / "__init__.py", b"EVIL = True\n")

    repair(workbench)

    assert flaws_of(workbench) == {}
    workbench.python("-c", "import drone; drone.SOUND")


@pytest.mark.every(3)
@pytest.mark.parametrize("is_linked", [True, False], ids=["linked", "orphan"])
@pytest.mark.parametrize("lay_out", ORIGINS, ids=lambda lay_out: lay_out.__name__.removeprefix("lay_out_"))
def test_uvs_cache_is_enough_for_a_repair(
    workbench: Workbench, lay_out: Callable[..., list[str | Path]], is_linked: bool
) -> None:
    """An entry of any origin is repaired by its hash, without the network and after its index is gone."""
    (workbench.folder / "sources").mkdir()
    CHIME.write(workbench.folder / "sources")
    DRONE.write_sdist(workbench.folder / "sources")
    write_simple_index(workbench.folder / "index" / "simple", workbench.folder / "sources", hashes=True)
    with served(workbench.folder / "index") as url:
        index = ("--default-index", f"{url}simple")
        install_from(workbench, *index, *lay_out(workbench, url))
    (entry,) = workbench.store.glob("packages/*/*")
    sound = snapshot(entry)
    (module,) = (path for path in (entry / "chime" / "__init__.py", entry / "drone" / "__init__.py") if path.exists())
    supplant(module, b"EVIL = True\n")
    if not is_linked:
        shutil.rmtree(workbench.environment)

    output = workbench.machine.pepip("store", "repair", "--offline", *index, folder=workbench.folder, check=False)

    assert output.returncode == 0, output.stderr
    assert f"Repaired {entry.parent.name}/{entry.name}" in output.stderr
    assert differing(sound, snapshot(entry)) == []
    assert flaws_of(workbench) == {}
    assert len(list(workbench.store.glob("packages/*/*"))) == 1


def test_an_orphan_of_another_python_is_repaired(workbench: Workbench) -> None:
    """The repair asks uv for the interpreter that the bucket names, not for the first one on PATH."""
    found = {version: find_interpreter(version) for version in ("3.11", "3.10", "3.13", "3.9")}
    other, path = next(
        ((key, path) for key, path in found.items() if path not in {None, workbench.interpreter}), ("", None)
    )
    if path is None:
        pytest.skip("there is but one Python")
    tag = f"cp{other.replace('.', '')}"
    Wheel("native", "1.0", files={"native/__init__.py": ""}, tag=f"{tag}-{tag}-linux_x86_64").write(
        workbench.wheelhouse
    )
    workbench.at(".").pepip("store", "add", "native", *workbench.from_wheelhouse, "--python", path)
    supplant(workbench.entry("native-1.0") / "native" / "__init__.py", b"EVIL = True\n")

    folders = [str(workbench.interpreter.parent), workbench.machine.variables()["PATH"], str(path.parent)]
    last_on_path = {"PATH": os.pathsep.join(folders)}
    workbench.at(".").pepip("store", "repair", *workbench.from_wheelhouse, variables=last_on_path)

    assert flaws_of(workbench) == {}


def test_an_entry_that_can_not_be_fetched_again_is_named_and_left(workbench: Workbench) -> None:
    """If uv's cache is empty and the index has lost the wheel, the entry stays unchanged. Others are repaired."""
    workbench.install("chime", "bell-core", "bell-extra")
    change_one_byte(workbench.entry("chime-1.0"))
    supplant(workbench.entry("bell-core-1.0") / "bell" / "core.py", b"")
    damaged = snapshot(workbench.entry("chime-1.0"))
    shutil.rmtree(workbench.machine.uv_cache)
    (workbench.wheelhouse / CHIME.filename).unlink()

    output = repair(workbench, "--json", check=False)

    document = json.loads(output.stdout)
    assert output.returncode == 1
    assert "Traceback" not in output.stderr
    assert [item["entry"] for item in document["failed"]] == ["py3-none-any/chime-1.0"]
    assert "chime" in document["failed"][0]["reason"], "uv's own words say why"
    assert [entry.partition("/")[2] for entry in document["repaired"]] == [workbench.entry("bell-core-1.0").name]
    assert changes(damaged, snapshot(workbench.entry("chime-1.0"))) == []
    assert list(flaws_of(workbench)) == ["py3-none-any/chime-1.0"]
    said = repair(workbench, check=False)
    assert "error: py3-none-any/chime-1.0 could not be repaired" in said.stderr


def test_another_wheel_of_that_name_repairs_nothing(workbench: Workbench) -> None:
    """A wheel with other bytes is refused: a repair restores the stored bytes or nothing."""
    workbench.install("chime")
    change_one_byte(workbench.entry("chime-1.0"))
    damaged = snapshot(workbench.entry("chime-1.0"))
    shutil.rmtree(workbench.machine.uv_cache)
    replace(CHIME, variant="other bytes").write(workbench.wheelhouse)

    output = repair(workbench, check=False)

    assert output.returncode == 1
    assert "could not be repaired" in output.stderr
    assert changes(damaged, snapshot(workbench.entry("chime-1.0"))) == []


@pytest.mark.parametrize("reach", ["in place", "in the store alone"])
def test_hard_links_of_environments_get_the_whole_file(workbench: Workbench, reach: str) -> None:
    """Files of shared folders, and modules, are hard links. After a repair, two environments have the right bytes."""
    for project in ("project", "another"):
        install_copies(workbench.at(project), "chime", "bell-core", "bell-extra")
    core = workbench.site_packages / "bell" / "core.py"
    assert core.stat().st_nlink == 3
    damage = overwrite if reach == "in place" else supplant
    damage(workbench.entry("bell-core-1.0") / "bell" / "core.py", b"SOUND = 'bum'\n")
    damage(workbench.entry("chime-1.0") / "chime_module.py", b"VERSION = '9.9'\n")

    output = repair(workbench, "--json")

    environments = [workbench.folder / project / ".venv" for project in ("another", "project")]
    assert sorted(json.loads(output.stdout)["healed"]) == list(map(str, environments))
    for environment in environments:
        script = "import bell.core, chime_module; print(bell.core.SOUND, chime_module.VERSION)"
        assert workbench.machine.python(environment, "-c", script).stdout == "bim 1.0\n"
        for entry, path in (("bell-core", "bell/core.py"), ("chime", "chime_module.py")):
            assert (site_packages_of(environment) / path).samefile(workbench.entry(f"{entry}-1.0") / path)
    assert flaws_of(workbench) == {}


def test_an_environment_whose_links_dangle_is_repaired(workbench: Workbench) -> None:
    """Entries that are gone are fetched again for the environments that link them."""
    for project in ("project", "another"):
        workbench.at(project).install("chime", "bell-core", "bell-extra")
    before = observe(workbench.environment, workbench.machine, level=Level.METADATA)
    entry = workbench.entry("chime-1.0")
    for folder, _, _ in os.walk(entry):
        Path(folder).chmod(0o700)
    shutil.rmtree(entry)
    with pytest.raises(pytest.fail.Exception):
        workbench.python("-c", "import chime")

    output = repair(workbench, "--json")

    healed = json.loads(output.stdout)["healed"]
    assert sorted(healed) == [str(workbench.folder / "another" / ".venv"), str(workbench.environment)]
    for project in ("project", "another"):
        workbench.machine.python(workbench.folder / project / ".venv", "-c", "import chime.tunes, chime_module")
    assert differences(before, observe(workbench.environment, workbench.machine, level=Level.METADATA)) == []
    assert flaws_of(workbench) == {}


def test_a_repair_leaves_other_entries_and_environments_alone(workbench: Workbench) -> None:
    """Environments that do not link the damaged entry stay unchanged, and so do other entries."""
    workbench.install("chime")
    workbench.at("another").install("bell-core")
    change_one_byte(workbench.entry("chime-1.0"))
    another, bell = snapshot(workbench.folder / "another"), snapshot(workbench.entry("bell-core-1.0"))

    output = repair(workbench, "--json")

    assert json.loads(output.stdout)["healed"] == [str(workbench.environment)]
    assert changes(another, snapshot(workbench.folder / "another")) == []
    assert changes(bell, snapshot(workbench.entry("bell-core-1.0"))) == []


def test_a_change_of_a_detached_copy_is_no_damage_and_stays(workbench: Workbench) -> None:
    """A repair of the entry does not change a project's own copy."""
    workbench.install("chime")
    workbench.pepip("detach", "chime")
    mine = workbench.site_packages / "chime" / "__init__.py"
    mine.write_text("MINE = True\n")
    change_one_byte(workbench.entry("chime-1.0"))

    repair(workbench)

    assert flaws_of(workbench) == {}
    assert mine.read_text() == "MINE = True\n"


def test_hostile_names_in_an_entry_do_not_break_the_output(workbench: Workbench) -> None:
    """Control characters and markup in file names are escaped in a pipe and on a terminal, and exact in JSON."""
    workbench.install("chime")
    names = ["[red]alarm[/red]", "bell\x07", "clear\x1b[2J", "two\nlines", "\udcff"]
    with opened(workbench.entry("chime-1.0") / "chime"):
        for name in names:
            path = workbench.entry("chime-1.0") / "chime" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text("")

    output = verify(workbench)
    screen = verify_on_terminal(workbench)
    found = flaws_of(workbench)["py3-none-any/chime-1.0"]

    for said in (output.stdout, screen.stdout):
        assert "chime/[red]alarm[" in said  # a folder, of which only the top is named
        assert "\x07" not in said
        assert "\x1b[2J" not in said
        assert "two\nlines" not in said
        assert "Traceback" not in said
    assert "Traceback" not in output.stderr
    assert {("added", f"chime/{name.split('/')[0]}") for name in names} <= found
    repair(workbench)
    assert flaws_of(workbench) == {}


def test_a_team_member_repairs_their_own_entries_and_names_the_rest(members: list[Workbench]) -> None:
    """Another user's entries are verified, and named if they are damaged. The user's own entries are repaired."""
    first, second = (member.machine for member in members)
    install_copies(members[0], "chime")
    install_copies(members[1], "chime", "bell-core")
    change_one_byte(members[0].entry("chime-1.0"))
    os.chown(
        members[0].entry("chime-1.0") / "chime" / "__init__.py",
        first.home.stat().st_uid,
        members[0].store.stat().st_gid,
    )
    core = members[0].entry("bell-core-1.0") / "bell" / "core.py"
    supplant(core, b"")
    os.chown(core, second.home.stat().st_uid, members[0].store.stat().st_gid)
    damaged, environment = snapshot(members[0].entry("chime-1.0")), snapshot(members[0].environment)
    assert len(flaws_of(members[1])) == 2

    output = repair(members[1], check=False)

    assert "Traceback" not in output.stderr
    assert "Repaired py3-none-any/bell-core-1.0" in output.stderr
    assert "py3-none-any/chime-1.0 could not be repaired: it belongs to another user" in output.stderr
    assert len(members[0].leftovers()) == 1  # the replaced entry
    assert changes(damaged, snapshot(members[0].entry("chime-1.0"))) == []
    assert changes(environment, snapshot(members[0].environment)) == []
    assert list(flaws_of(members[1])) == ["py3-none-any/chime-1.0"]
    repair(members[0])
    assert flaws_of(members[1]) == {}
    for each in members:
        each.python("-c", "import chime; assert chime.VERSION == '1.0'")


def test_root_makes_no_files_in_another_users_environment(
    workbench: Workbench, members: list[Workbench], tmp_path: Path
) -> None:
    """The environment's owner could not change files of root. The owner's own repair repairs the environment."""
    member = members[0]
    install_copies(member, "chime", "bell-core")
    entry = member.entry("chime-1.0")
    entry.chmod(0o755)
    entry.rename(tmp_path / "lost")
    root = replace(workbench, machine=replace(workbench.machine, store=member.store))

    output = repair(root)

    assert f"Left {member.environment}, which you may not change" in output.stderr
    assert {path.lstat().st_uid for path in member.environment.rglob("*")} == {member.folder.stat().st_uid}
    repair(member)
    member.python("-c", "import chime, bell.core")


def test_a_team_member_goes_on_where_anothers_entry_is_damaged(members: list[Workbench]) -> None:
    """A user who links a damaged entry, and may not repair it, can still install.

    Their own environment is repaired as far as possible.
    """
    for each in members:
        install_copies(each, "chime")
    change_one_byte(members[0].entry("chime-1.0"))

    members[1].install("bell-core")

    members[1].python("-c", "import bell.core, chime.tunes")


def test_an_entry_that_only_another_user_may_repair_gets_a_twin_beside_it(members: list[Workbench]) -> None:
    """Another user does not wait for the owner of a damaged entry. The owner's environments stay unchanged."""
    install_copies(members[0], "chime")
    entry, environment = members[0].entry("chime-1.0"), snapshot(members[0].environment)
    with opened(entry):
        (entry / "chime_module.py").unlink()
    damaged = snapshot(entry)

    for project in ("project", "other"):
        install_copies(members[1].at(project), "chime")

    assert [path.name.partition("~")[0] for path in sorted(entry.parent.glob("chime*"))] == ["chime-1.0"] * 2
    assert changes(damaged, snapshot(entry)) == []
    assert changes(environment, snapshot(members[0].environment)) == []
    members[1].python("-c", "import chime_module")
    (beside,) = entry.parent.glob("chime*~*")
    with opened(beside):
        (beside / "chime_module.py").unlink()
    assert "could not be repaired: it belongs to another user" in repair(members[1], check=False).stderr
    assert list(flaws_of(members[1])) == ["py3-none-any/chime-1.0"]
    repair(members[0])
    assert flaws_of(members[1]) == {}
    for each in members:
        each.python("-c", "import chime_module, chime.tunes")


def test_of_two_entries_of_one_wheel_the_damaged_one_is_repaired(
    workbench: Workbench, members: list[Workbench]
) -> None:
    """Even root, who may remove both entries, replaces only the damaged one."""
    install_copies(members[0], "chime")
    entry = members[0].entry("chime-1.0")
    with opened(entry):
        (entry / "chime_module.py").unlink()
    install_copies(members[1], "chime")
    repair(members[0])
    whole = snapshot(entry)
    (beside,) = entry.parent.glob("chime*~*")
    with opened(beside):
        (beside / "chime_module.py").unlink()

    repair(replace(workbench, machine=replace(workbench.machine, store=members[0].store)))

    assert changes(whole, snapshot(entry)) == []
    assert (beside / "chime_module.py").exists()
    assert flaws_of(members[0]) == {}


@pytest.mark.parametrize("damage", [make_a_folder_writable, add_a_file], ids=lambda damage: damage.__name__)
def test_a_reader_verifies_and_may_not_repair(
    workbench: Workbench, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """A user who may only read the store sees the damage and is refused a repair. Nothing changes."""
    install_copies(workbench, "chime")
    damage(workbench.entry("chime-1.0"))
    reader = replace(workbench.machine.as_plain_user(tmp_path / "plain"), store=workbench.store)
    before = snapshot(workbench.store)
    reading = replace(workbench, machine=reader, folder=reader.home)

    found = flaws_of(reading)
    output = repair(reading, check=False)

    assert DAMAGES[damage] <= found["py3-none-any/chime-1.0"]
    assert_refused(output, "py3-none-any/chime-1.0 could not be repaired")
    assert changes(before, snapshot(workbench.store)) == []
