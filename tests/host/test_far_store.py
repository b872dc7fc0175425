"""A store on another file system, or of another user: files that can't be hard links are copies.

A copy keeps its real path inside the environment. Jupyter and Starlette serve no file whose real path is outside of
the folder that they serve.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gluster import two_mounts
from tests.support.kills import changes_seen, killed_before
from tests.support.machines import Machine, interpreter_of, site_packages_of
from tests.support.snapshots import changes, snapshot
from tests.support.stores import entries_of, problems_of
from tests.support.teams import Team
from tests.support.wheels import Wheel

LAMP = {
    "lamp.py": (
        "import pathlib\nHOME = pathlib.Path(__file__).resolve().parent\nBULB = (HOME / 'bulb.txt').read_text()\n"
    ),
    "bulb.txt": "bright",
    "lights/lamp/__init__.py": "",
    "lights/switch.py": "",
    "lib_of_lamp.so": "\x7fELF no library",
}


def lamp(version: str) -> Wheel:
    """Return one version of a wheel with single files of all kinds."""
    return Wheel(
        "lamp",
        version,
        files={**LAMP, "lamp_version.py": f"VERSION = {version!r}\n"},
        data={
            "data/share/lamp/page.html": "<html>",
            "scripts/lamp-shell": "#!/bin/sh\necho lit\n",
            "data/bin/lamp-tool": "#!/bin/sh\necho tool\n",
        },
        executables=frozenset({"lamp-1.0.data/data/bin/lamp-tool", "lamp-2.0.data/data/bin/lamp-tool"}),
    )


WHEELS = [
    lamp("1.0"),
    lamp("2.0"),
    Wheel("shade", "1.0", files={"shade/__init__.py": "", "shade/cloth.py": ""}),
    Wheel("shade-fringe", "1.0", files={"shade/fringe.py": ""}),
]


class Room:
    """A project on one file system, and a store on another one."""

    def __init__(self, machine: Machine, project: Path, interpreter: Path, wheelhouse: Path) -> None:
        self.machine, self.project = machine, project
        self.environment = project / ".venv"
        self.store = machine.store
        self.source = ("--no-index", "--find-links", wheelhouse, "--python", interpreter)

    def install(self, *words: str) -> None:
        """Install into the project."""
        self.machine.pepip("install", *words, *self.source, folder=self.project)

    def pepip(self, *words: str | Path, check: bool = True) -> str:
        """Run pepip in the project, and return stdout and stderr together."""
        output = self.machine.pepip(*words, folder=self.project, check=check)
        return output.stdout + output.stderr

    def says(self, statement: str) -> str:
        """Run a statement with the environment's Python, and return its output."""
        return self.machine.python(self.environment, "-c", statement).stdout.strip()

    def links(self) -> set[str]:
        """Return the names of the symbolic links into the store, except those in metadata."""
        return {
            path.name
            for path in self.environment.rglob("*")
            if path.is_symlink()
            and os.readlink(path).startswith(str(self.store))
            and not path.parent.name.endswith(".dist-info")
        }


@pytest.fixture
def room(machine: Machine, project: Path, interpreter: Path, wheelhouse: Path) -> Iterator[Room]:
    """Return a project whose store is on another file system."""
    if not Path("/dev/shm").is_dir():
        pytest.skip("there is no second file system at /dev/shm")
    for wheel in WHEELS:
        wheel.write(wheelhouse)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        far = Machine(machine.home, Path(folder) / "store", machine.uv_cache)
        yield Room(far, project, interpreter, wheelhouse)
        subprocess.run(["chmod", "-R", "u+w", folder], check=True)


def test_single_files_are_copies_and_libraries_are_links(room: Room) -> None:
    """The real path of each file, except of a library, is in the environment."""
    room.install("lamp==1.0")

    assert room.links() == {"lamp", "lib_of_lamp.so"}
    for place in ("share/lamp/page.html", "bin/lamp-shell", "bin/lamp-tool"):
        path = room.environment / place
        assert path.resolve() == path
        assert os.access(path, os.X_OK) == (path.parent.name == "bin")
    assert room.says("import lamp; print(lamp.BULB, lamp.HOME)") == f"bright {site_packages_of(room.environment)}"


def test_uninstall_and_upgrade_take_copies_along(room: Room) -> None:
    """An upgrade and an uninstall, by pepip and by uv, leave no copies behind and do not change the store."""
    room.install("lamp==1.0")
    room.install("lamp==2.0")
    assert room.says("import lamp, lamp_version; print(lamp.BULB, lamp_version.VERSION)") == "bright 2.0"
    before = snapshot(room.store / "packages")

    room.pepip("uninstall", "lamp")
    gone = sorted(path.name for path in site_packages_of(room.environment).iterdir() if path.name[0] != "_")
    room.install("lamp==1.0")
    room.machine.uv("pip", "uninstall", "lamp", folder=room.project)

    left = sorted(path.name for path in site_packages_of(room.environment).iterdir() if path.name[0] != "_")
    assert [name for name in (*gone, *left) if "lamp" in name or "bulb" in name] == []
    assert [path for path in room.environment.glob("share/**/*") if path.is_file()] == []
    assert changes(before, snapshot(room.store / "packages")) == []


def test_a_folder_unfolds_into_copies_and_folds_again(room: Room) -> None:
    """A folder unfolds into copies while two distributions share it. Afterwards it is one link again.

    A copy does not prevent that, since it counts as pepip's own link.
    """
    room.install("shade")
    assert (site_packages_of(room.environment) / "shade").is_symlink()

    room.install("shade-fringe")
    cloth = site_packages_of(room.environment) / "shade" / "cloth.py"
    assert cloth.is_file()
    assert cloth.resolve() == cloth
    room.pepip("uninstall", "shade-fringe")

    assert (site_packages_of(room.environment) / "shade").is_symlink()
    assert problems_of(room.store) == []


def test_copies_are_ours_to_every_command(room: Room) -> None:
    """Each command treats a copy like a link.

    A copy keeps its entry in use, is sound, and can be detached, attached and reinstalled.
    """
    room.install("lamp==1.0")

    room.pepip("prune", "--yes")
    assert entries_of(room.store) == ["lamp-1.0"]
    assert "lamp" in room.pepip("uses", "lamp")
    before = snapshot(room.environment)
    room.pepip("store", "verify")
    room.pepip("store", "repair")
    assert changes(before, snapshot(room.environment)) == []
    room.pepip("detach", "lamp")
    room.pepip("attach", "lamp")
    assert room.links() == {"lamp", "lib_of_lamp.so"}
    assert room.says("import lamp; print(lamp.BULB)") == "bright"
    room.install("lamp==1.0", "--reinstall")
    assert "Nothing to do" in room.pepip("install", "lamp", *room.source)


def test_a_repair_gives_copies_the_bytes_of_the_entry(room: Room) -> None:
    """A repair replaces a changed copy with the entry's file."""
    room.install("lamp==1.0")
    (site_packages_of(room.environment) / "bulb.txt").write_text("broken")

    room.pepip("store", "repair", *room.source[:3])

    assert room.says("import lamp; print(lamp.BULB)") == "bright"


def test_a_copy_in_the_store_gets_its_mode_when_it_is_opened(room: Room) -> None:
    """Its time is the source's."""
    assert set(_calls_on_a_copy(room)) == {"openat", "utimensat"}


@pytest.mark.real_world
def test_a_copy_on_a_network_file_system_is_made_by_opening_writing_and_closing(
    machine: Machine, project: Path, interpreter: Path, wheelhouse: Path, tmp_path: Path
) -> None:
    """No mode and no time is set afterwards: each call takes as long as the write."""
    for wheel in WHEELS:
        wheel.write(wheelhouse)
    with two_mounts(tmp_path / "volume") as (here, _):
        far = Machine(machine.home, here / "store", machine.uv_cache)
        assert _calls_on_a_copy(Room(far, project, interpreter, wheelhouse)) == ["openat"]


def _calls_on_a_copy(room: Room) -> list[str]:
    """Return the names of the calls by which a file of an entry is made and changed."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is missing")
    log = room.project / "calls"
    words = (strace, "-f", "-y", "-e", "trace=fchmod,chmod,utimensat,openat", "-o", str(log))
    room.machine.run(
        [*words, sys.executable, "-m", "pepip", "install", "lamp==1.0", "shade", *room.source], folder=room.project
    )

    places = [
        line for line in log.read_text().splitlines() if f"{room.store}/staging/" in line and "cloth.py" in line
    ]
    return re.findall(r"(\w+)\(", "\n".join(line.partition("<")[0] for line in places))


def test_savings_count_copies_once(room: Room) -> None:
    """A copy counts as the environment's own bytes. Without pepip the environment would need about as many bytes."""
    import json

    Wheel("brick", "1.0", files={"brick.bin": os.urandom(1_000_000)}).write(Path(room.source[2]))
    room.install("brick")

    (share,) = json.loads(room.machine.pepip("projects", "--json", folder=room.project).stdout)

    assert 1_000_000 < share["own_bytes"] < 1_500_000
    assert abs(share["alone_bytes"] - share["own_bytes"]) < 100_000


KILLS = 6


@pytest.mark.every(3)
@pytest.mark.parametrize("part", range(KILLS))
def test_an_upgrade_that_is_killed_is_completed(room: Room, part: int) -> None:
    """After a kill at any change, also during a copy, the next install completes the upgrade."""
    room.install("lamp==1.0", "shade")
    words = ("install", "lamp==2.0", "shade-fringe", *room.source)
    within = room.project
    killed_before(room.machine, 0, words, folder=room.project, within=within)
    count = len(changes_seen(within))
    room.install("lamp==1.0", "--reinstall")
    room.pepip("uninstall", "shade-fringe")

    killed_before(room.machine, 1 + part * (count - 1) // (KILLS - 1), words, folder=room.project, within=within)
    room.install("lamp==2.0", "shade-fringe")

    assert room.says("import lamp_version, shade.fringe; print(lamp_version.VERSION)") == "2.0"
    room.pepip("uninstall", "lamp", "shade", "shade-fringe")
    left = [path.name for path in site_packages_of(room.environment).iterdir() if path.name[0] not in "_v"]
    assert left == []
    assert problems_of(room.store) == []


def test_a_full_disk_leaves_no_half_of_a_copy(room: Room) -> None:
    """An incomplete copy is removed, and the same install works when there is room."""
    from tests.support.filesystems import mounted

    Wheel("brick", "1.0", files={"brick_a.bin": os.urandom(900_000), "brick_b.bin": os.urandom(900_000)}).write(
        Path(room.source[2])
    )
    with mounted("tmpfs", room.project / "small", mebibytes=2) as disk:
        small = Room(room.machine, disk, Path(room.source[4]), Path(room.source[2]))
        small.install("shade")
        filler = disk / "filler"
        filler.write_bytes(bytes(600_000))

        output = room.machine.pepip("install", "brick", *small.source, folder=disk, check=False)

        assert output.returncode != 0
        assert "No space left" in output.stderr
        assert list(small.environment.rglob("brick*")) == []
        filler.unlink()
        small.install("brick")
        assert small.says("import shade; print(1)") == "1"


def test_a_program_finds_its_libraries_beside_it(room: Room) -> None:
    """A program finds its libraries by `$ORIGIN/../lib`, which the loader derives from the program's real path."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("building a program needs cc, which is missing")
    folder = room.project / "build"
    folder.mkdir()
    (folder / "light.c").write_text("int light(void) { return 7; }\n")
    (folder / "main.c").write_text("int light(void);\nint main(void) { return light(); }\n")
    for words in (
        ["-shared", "-fPIC", "light.c", "-o", "liblight.so"],
        ["main.c", "-o", "light", "-L.", "-llight", "-Wl,-rpath,$ORIGIN/../lib"],
    ):
        subprocess.run([compiler, *words], cwd=folder, check=True)
    Wheel(
        "lantern",
        "1.0",
        files={"lantern.py": ""},
        data={
            "data/bin/light": (folder / "light").read_bytes(),
            "data/lib/liblight.so": (folder / "liblight.so").read_bytes(),
        },
        executables=frozenset({"lantern-1.0.data/data/bin/light"}),
    ).write(Path(room.source[2]))

    room.install("lantern")

    assert subprocess.run([room.environment / "bin" / "light"], check=False).returncode == 7


def test_files_of_another_user_are_copied(tmp_path: Path, wheelhouse: Path, interpreter: Path) -> None:
    """Files of another user are copied if the system protects hard links: a user may link only writable files."""
    if Path("/proc/sys/fs/protected_hardlinks").read_text().strip() != "1":
        pytest.skip("this system lets everybody link what they can read")
    for wheel in WHEELS:
        wheel.write(wheelhouse)
    team = Team.assemble(tmp_path / "team", umask="022")
    rooms = [Room(user, user.make_folder(user.home / "project"), interpreter, wheelhouse) for user in team.users]
    for room in rooms:
        room.install("lamp==1.0")

    for room in rooms:
        assert room.links() == {"lamp", "lib_of_lamp.so"} - ({"lib_of_lamp.so"} if room is rooms[0] else set())
        page = room.environment / "share" / "lamp" / "page.html"
        assert page.resolve() == page
        assert room.says("import lamp; print(lamp.BULB)") == "bright"


@pytest.mark.real_world
def test_web_frameworks_serve_the_files_of_packages(room: Room) -> None:
    """Starlette and Jupyter, which check real paths, serve the files of packages."""
    source = ("--python", room.source[4])
    room.machine.pepip("install", "jupyterlab", "starlette", "httpx", *source, folder=room.project)
    script = (
        "import sys, os\n"
        "from starlette.applications import Starlette\n"
        "from starlette.routing import Mount\n"
        "from starlette.staticfiles import StaticFiles\n"
        "from starlette.testclient import TestClient\n"
        "folder = os.path.join(sys.prefix, 'share', 'jupyter', 'lab', 'static')\n"
        "app = Starlette(routes=[Mount('/s', StaticFiles(directory=folder))])\n"
        "print(TestClient(app).get('/s/index.html').status_code)\n"
        "from jupyter_server.base.handlers import FileFindHandler\n"
        "import tornado.web\n"
        "path = FileFindHandler.get_absolute_path([folder], 'index.html')\n"
        "handler = FileFindHandler.__new__(FileFindHandler)\n"
        "handler.root = (os.path.realpath(folder) + os.sep,)\n"
        "print(handler.validate_absolute_path(handler.root, os.path.realpath(path)) is not None)\n"
    )
    said = room.machine.run([interpreter_of(room.environment), "-c", script], folder=room.project).stdout

    assert said.split() == ["200", "True"]
