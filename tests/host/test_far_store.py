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
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.filesystems import mounted
from tests.support.gluster import two_mounts
from tests.support.kills import changes_seen, killed_before
from tests.support.snapshots import changes, snapshot
from tests.support.teams import Team
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

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


@pytest.fixture
def workbench(workbench: Workbench) -> Iterator[Workbench]:
    """Yield a project whose store is on another file system."""
    if not Path("/dev/shm").is_dir():
        pytest.skip("there is no second file system at /dev/shm")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield replace(workbench, machine=replace(workbench.machine, store=Path(folder) / "store"))
        subprocess.run(["chmod", "-R", "u+w", folder], check=True)


def links_of(workbench: Workbench) -> set[str]:
    """Return the names of the symbolic links into the store, except those in metadata."""
    return {
        path.name
        for path in workbench.environment.rglob("*")
        if path.is_symlink()
        and os.readlink(path).startswith(str(workbench.store))
        and not path.parent.name.endswith(".dist-info")
    }


def test_single_files_are_copies_and_libraries_are_links(workbench: Workbench) -> None:
    """The real path of each file, except of a library, is in the environment."""
    workbench.install("lamp==1.0")

    assert links_of(workbench) == {"lamp", "lib_of_lamp.so"}
    for place in ("share/lamp/page.html", "bin/lamp-shell", "bin/lamp-tool"):
        path = workbench.environment / place
        assert path.resolve() == path
        assert os.access(path, os.X_OK) == (path.parent.name == "bin")
    said = workbench.python("-c", "import lamp; print(lamp.BULB, lamp.HOME)")
    assert said == f"bright {workbench.site_packages}"


def test_uninstall_and_upgrade_take_copies_along(workbench: Workbench) -> None:
    """An upgrade and an uninstall, by pepip and by uv, leave no copies behind and do not change the store."""
    workbench.install("lamp==1.0")
    workbench.install("lamp==2.0")
    assert workbench.python("-c", "import lamp, lamp_version; print(lamp.BULB, lamp_version.VERSION)") == "bright 2.0"
    before = snapshot(workbench.store / "packages")

    workbench.pepip("uninstall", "lamp")
    gone = sorted(path.name for path in workbench.site_packages.iterdir() if path.name[0] != "_")
    workbench.install("lamp==1.0")
    workbench.uv("pip", "uninstall", "lamp")

    left = sorted(path.name for path in workbench.site_packages.iterdir() if path.name[0] != "_")
    assert [name for name in (*gone, *left) if "lamp" in name or "bulb" in name] == []
    assert [path for path in workbench.environment.glob("share/**/*") if path.is_file()] == []
    assert changes(before, snapshot(workbench.store / "packages")) == []


def test_a_folder_unfolds_into_copies_and_folds_again(workbench: Workbench) -> None:
    """A folder unfolds into copies while two distributions share it. Afterwards it is one link again.

    A copy does not prevent that, since it counts as pepip's own link.
    """
    workbench.install("shade")
    assert (workbench.site_packages / "shade").is_symlink()

    workbench.install("shade-fringe")
    cloth = workbench.site_packages / "shade" / "cloth.py"
    assert cloth.is_file()
    assert cloth.resolve() == cloth
    workbench.pepip("uninstall", "shade-fringe")

    assert (workbench.site_packages / "shade").is_symlink()
    assert workbench.problems() == []


def test_copies_are_ours_to_every_command(workbench: Workbench) -> None:
    """Each command treats a copy like a link.

    A copy keeps its entry in use, is sound, and can be detached, attached and reinstalled.
    """
    workbench.install("lamp==1.0")

    workbench.pepip("prune", "--yes")
    assert workbench.entries() == ["lamp-1.0"]
    assert "lamp" in workbench.pepip("uses", "lamp").stdout
    before = snapshot(workbench.environment)
    workbench.pepip("store", "verify")
    workbench.pepip("store", "repair")
    assert changes(before, snapshot(workbench.environment)) == []
    workbench.pepip("detach", "lamp")
    workbench.pepip("attach", "lamp")
    assert links_of(workbench) == {"lamp", "lib_of_lamp.so"}
    assert workbench.python("-c", "import lamp; print(lamp.BULB)") == "bright"
    workbench.install("lamp==1.0", "--reinstall")
    assert "Nothing to do" in workbench.attempt("lamp").stderr


def test_a_repair_gives_copies_the_bytes_of_the_entry(workbench: Workbench) -> None:
    """A repair replaces a changed copy with the entry's file."""
    workbench.install("lamp==1.0")
    (workbench.site_packages / "bulb.txt").write_text("broken")

    workbench.pepip("store", "repair", *workbench.from_wheelhouse)

    assert workbench.python("-c", "import lamp; print(lamp.BULB)") == "bright"


def test_a_copy_in_the_store_gets_its_mode_when_it_is_opened(workbench: Workbench) -> None:
    """Its time is the source's."""
    assert set(_calls_on_a_copy(workbench)) == {"openat", "utimensat"}


@pytest.mark.real_world
def test_a_copy_on_a_network_file_system_is_made_by_opening_writing_and_closing(
    workbench: Workbench, tmp_path: Path
) -> None:
    """No mode and no time is set afterwards: each call takes as long as the write."""
    with two_mounts(tmp_path / "volume") as (here, _):
        far = replace(workbench, machine=replace(workbench.machine, store=here / "store"))
        assert _calls_on_a_copy(far) == ["openat"]


def _calls_on_a_copy(workbench: Workbench) -> list[str]:
    """Return the names of the calls by which a file of an entry is made and changed."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is missing")
    log = workbench.project / "calls"
    words = (strace, "-f", "-y", "-e", "trace=fchmod,chmod,utimensat,openat", "-o", str(log))
    workbench.machine.run(
        [*words, sys.executable, "-m", "pepip", "install", "lamp==1.0", "shade", *workbench.source],
        folder=workbench.project,
    )

    places = [
        line for line in log.read_text().splitlines() if f"{workbench.store}/staging/" in line and "cloth.py" in line
    ]
    return re.findall(r"(\w+)\(", "\n".join(line.partition("<")[0] for line in places))


def test_savings_count_copies_once(workbench: Workbench) -> None:
    """A copy counts as the environment's own bytes. Without pepip the environment would need about as many bytes."""
    Wheel("brick", "1.0", files={"brick.bin": os.urandom(1_000_000)}).write(workbench.wheelhouse)
    workbench.install("brick")

    (share,) = workbench.ask("projects")

    assert 1_000_000 < share["own_bytes"] < 1_500_000
    assert abs(share["alone_bytes"] - share["own_bytes"]) < 100_000


KILLS = 6


@pytest.mark.every(3)
@pytest.mark.parametrize("part", range(KILLS))
def test_an_upgrade_that_is_killed_is_completed(workbench: Workbench, part: int) -> None:
    """After a kill at any change, also during a copy, the next install completes the upgrade."""
    workbench.install("lamp==1.0", "shade")
    words = ("install", "lamp==2.0", "shade-fringe", *workbench.source)
    within = workbench.project
    killed_before(workbench.machine, 0, words, folder=workbench.project, within=within)
    count = len(changes_seen(within))
    workbench.install("lamp==1.0", "--reinstall")
    workbench.pepip("uninstall", "shade-fringe")

    killed_before(
        workbench.machine, 1 + part * (count - 1) // (KILLS - 1), words, folder=workbench.project, within=within
    )
    workbench.install("lamp==2.0", "shade-fringe")

    assert workbench.python("-c", "import lamp_version, shade.fringe; print(lamp_version.VERSION)") == "2.0"
    workbench.pepip("uninstall", "lamp", "shade", "shade-fringe")
    left = [path.name for path in workbench.site_packages.iterdir() if path.name[0] not in "_v"]
    assert left == []
    assert workbench.problems() == []


def test_a_full_disk_leaves_no_half_of_a_copy(workbench: Workbench) -> None:
    """An incomplete copy is removed, and the same install works when there is room."""
    files = {"brick_a.bin": os.urandom(900_000), "brick_b.bin": os.urandom(900_000)}
    workbench.supply([Wheel("brick", "1.0", files=files)])
    with mounted("tmpfs", workbench.project / "small", mebibytes=2) as disk:
        small = workbench.at(disk)
        small.install("shade")
        filler = disk / "filler"
        filler.write_bytes(bytes(600_000))

        output = small.attempt("brick")

        assert output.returncode != 0
        assert "No space left" in output.stderr
        assert list(small.environment.rglob("brick*")) == []
        filler.unlink()
        small.install("brick")
        assert small.python("-c", "import shade; print(1)") == "1"


def test_a_program_finds_its_libraries_beside_it(workbench: Workbench) -> None:
    """A program finds its libraries by `$ORIGIN/../lib`, which the loader derives from the program's real path."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("building a program needs cc, which is missing")
    folder = workbench.project / "build"
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
    ).write(workbench.wheelhouse)

    workbench.install("lantern")

    assert subprocess.run([workbench.environment / "bin" / "light"], check=False).returncode == 7


def test_files_of_another_user_are_copied(workbench: Workbench, tmp_path: Path) -> None:
    """Files of another user are copied if the system protects hard links: a user may link only writable files."""
    if Path("/proc/sys/fs/protected_hardlinks").read_text().strip() != "1":
        pytest.skip("this system lets everybody link what they can read")
    team = Team.assemble(tmp_path / "team", umask="022")
    first, second = (replace(workbench, machine=user, folder=user.home) for user in team.users)
    for user in (first, second):
        user.install("lamp==1.0")

    assert (links_of(first), links_of(second)) == ({"lamp"}, {"lamp", "lib_of_lamp.so"})
    for user in (first, second):
        page = user.environment / "share" / "lamp" / "page.html"
        assert page.resolve() == page
        assert user.python("-c", "import lamp; print(lamp.BULB)") == "bright"


@pytest.mark.real_world
def test_web_frameworks_serve_the_files_of_packages(workbench: Workbench) -> None:
    """Starlette and Jupyter, which check real paths, serve the files of packages."""
    workbench.pepip("install", "jupyterlab", "starlette", "httpx", "--python", workbench.interpreter)
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

    assert workbench.python("-c", script).split() == ["200", "True"]
