"""If another tool writes into an entry, the next command of pepip in any project notices and repairs it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from pepip.operations import foreign_writes
from pepip.store.root import Store
from tests.support.machines import uv_executable
from tests.support.snapshots import Snapshot, changes, snapshot
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

pytestmark = pytest.mark.every(2)

MANUAL = "data/share/drum/manual.txt"
FILES = {"drum/__init__.py": "SOUND = 'boom'\n", "drum/kit/__init__.py": "", "drum/kit/snare.py": "SOUND = 'tack'\n"}
WHEELS = [
    Wheel("drum", "1.0", files=FILES, data={MANUAL: "boom"}),
    Wheel("drum", "2.0", files={name: f"{text}NEW = True\n" for name, text in FILES.items()}, data={MANUAL: "new"}),
    Wheel("stick", "1.0", files={"drum/kit/brush.py": "HAIR = 'nylon'\n", "stick.py": ""}),
    Wheel("cover", "1.0", files={"drum/kit/snare.py": "SOUND = 'thud'\n", "cover.py": ""}, data={MANUAL: "thud"}),
    Wheel("horn", "1.0", files={"horn.py": ""}),
]


class Studio(NamedTuple):
    """Two projects of root that link drum, and a pip."""

    first: Workbench
    second: Workbench
    pip_folder: Path
    before: Snapshot

    def uv(self, *words: str, project: Workbench | None = None) -> None:
        """Let uv install into a project, or uninstall from it. The default is the first project."""
        source = self.first.from_wheelhouse if words[0] == "install" else ()
        (project or self.first).uv("pip", *words, *source)

    def come_and_go(self, name: str) -> None:
        """Let uv install a distribution, and remove it again."""
        self.uv("install", name)
        self.uv("uninstall", name)

    def pip(self, *words: str) -> None:
        """Let pip install into the first project, or uninstall from it."""
        source = self.first.from_wheelhouse if words[0] == "install" else ()
        self.first.python(self.pip_folder / "pip" / "__pip-runner__.py", *words, *source)


def says(project: Workbench, statement: str) -> str:
    """Return the output of a statement in a project's Python, which may fail."""
    return project.python("-c", statement, check=False)


def drum_of(workbench: Workbench) -> Snapshot:
    """Return a snapshot of the stored drum, without bytecode and without its document, which has a time."""
    left_out = ("__pycache__", "pepip-entry.json")
    files = snapshot(workbench.entry("drum-1.0"))
    return {path: node for path, node in files.items() if not str(path).endswith(left_out)}


@pytest.fixture
def studio(workbench: Workbench, pip: Path) -> Studio:
    """Return two projects of root, whom the modes of an entry do not restrict."""
    if os.geteuid() != 0:
        pytest.skip("only root can write into an entry")
    first, second = workbench.at("first"), workbench.at("second")
    for project in (first, second):
        project.install("drum==1.0")
    return Studio(first, second, pip, drum_of(workbench))


WRITES: dict[str, Callable[[Studio], None]] = {
    "a file more, by uv": lambda studio: studio.uv("install", "stick"),
    "a file more, by pip": lambda studio: studio.pip("install", "stick"),
    "other bytes, by uv": lambda studio: studio.uv("install", "cover"),
    "a file less, by uv": lambda studio: studio.come_and_go("cover"),
    "another version over it, by pip": lambda studio: studio.pip("install", "-I", "drum==2.0"),
}
"""Changes by other tools in the first project. Each writes through the folder that this project links whole."""


@pytest.mark.every(3)
@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("command", ["list", "uses", "run", "install"])
def test_the_next_command_in_another_project_notices(studio: Studio, name: str, command: str) -> None:
    """The command names the entry.

    That project has drum unchanged, and the store is whole at once or after an install.
    """
    WRITES[name](studio)
    words = {
        "list": ["list"],
        "uses": ["uses", "drum"],
        "run": ["run", "python", "-c", ""],
        "install": ["install", "horn", *studio.first.from_wheelhouse],
    }

    said = studio.second.pepip(*words[command]).stderr
    studio.second.pepip("install", "horn", *studio.first.from_wheelhouse)

    assert "drum-1.0" in said
    assert studio.first.problems() == []
    assert changes(studio.before, drum_of(studio.first)) == []
    assert says(studio.second, "import drum.kit.snare; print(drum.SOUND, drum.kit.snare.SOUND)") == "boom tack"
    assert not says(studio.second, "import drum.kit.brush; print('there')")


def test_a_distribution_that_another_tool_added_stays_in_its_own_project(studio: Studio) -> None:
    """The added distribution works where it was installed, and nowhere else."""
    studio.uv("install", "stick")

    studio.second.pepip("list")

    assert says(studio.first, "import drum.kit.brush; print(drum.kit.brush.HAIR)") == "nylon"
    assert says(studio.first, "import drum.kit.snare; print(drum.kit.snare.SOUND)") == "tack"
    assert not says(studio.second, "import drum.kit.brush; print('there')")
    studio.uv("uninstall", "stick")
    assert changes(studio.before, drum_of(studio.first)) == []
    assert not (studio.first.site_packages / "drum/kit/brush.py").exists()


@pytest.mark.parametrize("writer", ["first", "second"])
def test_a_distribution_that_another_tool_added_stays_despite_its_other_changes(studio: Studio, writer: str) -> None:
    """This holds if the tool changed another project too, and pepip reads that one first."""
    projects = {"first": studio.first, "second": studio.second}
    for name, project in projects.items():
        studio.uv("install", "stick" if name == writer else "horn", project=project)

    studio.first.pepip("list")

    there = [name for name, project in projects.items() if says(project, "import drum.kit.brush; print('there')")]
    assert there == [writer]
    assert studio.first.problems() == []


def test_other_bytes_stay_in_their_own_project(studio: Studio) -> None:
    """This holds after a command in another project, after the entry was stored anew, and after `store repair`."""
    studio.uv("install", "cover")
    for words in (["list"], ["install", "horn", *studio.first.from_wheelhouse], ["store", "repair"]):
        studio.second.pepip(*words)

        assert says(studio.first, "import drum.kit.snare; print(drum.kit.snare.SOUND)") == "thud"
        assert (studio.first.environment / "share/drum/manual.txt").read_text() == "thud"
    assert (studio.second.environment / "share/drum/manual.txt").read_text() == "boom"
    assert says(studio.second, "import drum.kit.snare; print(drum.kit.snare.SOUND)") == "tack"


def test_another_version_stays_in_its_own_project(studio: Studio) -> None:
    """The other version replaces the version over which it was installed."""
    studio.pip("install", "-I", "drum==2.0")

    studio.second.pepip("list")
    studio.second.pepip("install", "horn", *studio.first.from_wheelhouse)

    for _ in range(2):
        shown = says(studio.first, "import drum.kit.snare; print(drum.SOUND, drum.NEW, drum.kit.snare.NEW)")
        assert shown == "boom True True"
        assert (studio.first.environment / "share/drum/manual.txt").read_text() == "new"
        site_packages = studio.first.site_packages
        assert [path.name for path in site_packages.glob("drum*.dist-info")] == ["drum-2.0.dist-info"]
        studio.first.pepip("install", "horn", *studio.first.from_wheelhouse)
    assert not says(studio.second, "import drum; print(drum.NEW)")


def test_the_same_version_installed_over_it_is_the_projects_own(studio: Studio) -> None:
    """It no longer needs the store, and the tool that installed it removes all of it again."""
    studio.pip("install", "-I", "drum==1.0")

    studio.second.pepip("list")

    drum = studio.first.site_packages / "drum"
    assert not drum.is_symlink()
    assert says(studio.first, "import drum; print(drum.SOUND)") == "boom"
    studio.pip("uninstall", "--yes", "drum")
    assert not drum.exists()
    assert studio.first.problems() == []


def test_two_projects_that_wrote_into_one_entry_keep_their_own_files(studio: Studio) -> None:
    """One project added a file, the other changed one. The first does not get the bytes of the second."""
    studio.uv("install", "stick")
    studio.uv("install", "cover", project=studio.second)

    studio.first.pepip("list")
    studio.second.pepip("install", "horn", *studio.first.from_wheelhouse)

    statement = "import drum.kit.snare; print(drum.kit.snare.SOUND)"
    assert says(studio.first, statement) == "tack"
    assert says(studio.second, statement) == "thud"
    assert says(studio.first, "import drum.kit.brush; print(drum.kit.brush.HAIR)") == "nylon"


def test_a_tool_that_is_still_at_work_is_looked_at_again(studio: Studio) -> None:
    """A tool makes its metadata first. Files that it writes into an entry later are noticed too."""
    with (studio.first.environment / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (studio.first.site_packages / "stick-1.0.dist-info").mkdir()
        studio.second.pepip("list")
        (studio.first.site_packages / "drum/kit/brush.py").touch()

    assert "drum-1.0" in studio.second.pepip("list").stderr


def test_a_tool_that_wrote_while_pepip_decided_is_noticed(studio: Studio, tmp_path: Path) -> None:
    """A build takes long, and nobody holds the environment's lock during it."""
    source = Wheel("harp", "1.0", files={"harp/__init__.py": ""}).write_source(tmp_path / "source")
    words = [
        "pip",
        "install",
        "stick",
        "--python",
        str(studio.first.environment),
        *map(str, studio.first.from_wheelhouse),
    ]
    backend = source / "backend.py"
    backend.write_text(f"__import__('subprocess').run({[str(uv_executable()), *words]!r})\n" + backend.read_text())

    studio.first.pepip("install", source)
    studio.second.pepip("list")

    assert studio.first.problems() == []
    assert not says(studio.second, "import drum.kit.brush; print('there')")


def test_one_of_several_commands_repairs_an_entry(studio: Studio) -> None:
    """Commands that notice a write at the same time wait for the one that repairs the entry. None fails."""

    def command(_: int) -> list[str]:
        return [step.detail for step in foreign_writes.repair_written(Store(os.fspath(studio.first.store)))]

    for number in range(20):
        (studio.first.site_packages / f"stick-{number}.dist-info").mkdir()
        (studio.first.site_packages / f"drum/kit/brush{number}.py").touch()
        with ThreadPoolExecutor(3) as pool:
            said = [sentence for sentences in pool.map(command, range(3)) for sentence in sentences]

        assert len(said) == 1, said
        assert said[0].endswith("repaired")
        assert changes(studio.before, drum_of(studio.first)) == []
    assert list((studio.first.store / "staging").iterdir()) == []


def test_nothing_is_said_where_another_tool_wrote_into_no_entry(studio: Studio) -> None:
    """The next command does not mention the untouched entry."""
    studio.uv("install", "horn")

    assert "drum" not in studio.second.pepip("uses", "horn").stderr


def test_an_import_does_not_look_like_another_tool(workbench: Workbench) -> None:
    """The bytecode of a module in site-packages does not change the time by which pepip notices other tools."""
    workbench.install("horn")
    before = workbench.site_packages.stat().st_mtime_ns

    workbench.python("-c", "import horn")

    assert list(workbench.site_packages.glob("__pycache__/horn.*.pyc"))
    assert workbench.site_packages.stat().st_mtime_ns == before


def test_a_damaged_entry_is_linked_into_no_new_project(studio: Studio) -> None:
    """The entry is stored anew before it is linked."""
    studio.uv("install", "cover")
    third = studio.first.at("third")

    third.install("drum==1.0")

    assert says(third, "import drum.kit.snare; print(drum.kit.snare.SOUND)") == "tack"
