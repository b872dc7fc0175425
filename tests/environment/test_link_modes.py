"""The link modes of uv keep their meaning: `hardlink`, `clone` and `copy` make environments like uv's."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.environments import Twins
from tests.support.machines import Machine, site_packages_of
from tests.support.parity import Level
from tests.support.snapshots import changes, snapshot
from tests.support.stores import entries_of, problems_of
from tests.support.wheels import Wheel

pytestmark = pytest.mark.every(2)

OWN_FILES = ("hardlink", "clone", "copy")


def organ(version: str) -> Wheel:
    """Return a wheel with every kind of file that a wheel may have."""
    return Wheel(
        "organ",
        version,
        files={
            "organ/__init__.py": f"VERSION = {version!r}\ndef main():\n    print(VERSION)\n",
            "organ/pipes/__init__.py": "",
            "organ/pipes/long.py": "",
            "organ/tunes/first.txt": "la\n",
            "organ/pump": "#!/bin/sh\n",
            "organ_module.py": "",
            f"organ-{version}.dist-info/licenses/third/LICENSE": "yours\n",
        },
        data={
            "data/share/organ/manual.txt": version,
            "scripts/organ-script": "#!python\nprint(1)\n",
            "scripts/organ-shell": "#!/bin/sh\n",
            "headers/organ.h": "",
        },
        entry_points={"console_scripts": {"organ": "organ:main"}},
        executables=frozenset({"organ/pump"}),
    )


WHEELS = [
    organ("1.0"),
    organ("2.0"),
    Wheel("organ-extra", "1.0", files={"organ/extra.py": "", "ns/extra/__init__.py": ""}),
    Wheel("flute", "1.0", files={"flute/__init__.py": "", "ns/flute/__init__.py": ""}),
]


@dataclass(frozen=True)
class Loft:
    """A project whose environment pepip makes, and wheels for it."""

    machine: Machine
    project: Path
    wheelhouse: Path
    interpreter: Path

    @property
    def environment(self) -> Path:
        """Return the project's environment."""
        return self.project / ".venv"

    @property
    def site_packages(self) -> Path:
        """Return the environment's `site-packages`."""
        return site_packages_of(self.environment)

    @property
    def source(self) -> tuple[str | Path, ...]:
        """Return the arguments that restrict an installer to the wheelhouse."""
        return ("--no-index", "--find-links", self.wheelhouse)

    def install(self, *words: str | Path, mode: str = "", variables: dict[str, str] | None = None) -> str:
        """Install into the project, and return stderr."""
        options = ("--link-mode", mode) if mode else ()
        source = (*self.source, "--python", self.interpreter)
        return self.machine.pepip(
            "install", *words, *options, *source, folder=self.project, variables=variables
        ).stderr

    def pepip(self, *words: str | Path, check: bool = True) -> str:
        """Run pepip in the project, and return stdout and stderr together."""
        output = self.machine.pepip(*words, folder=self.project, check=check)
        return output.stdout + output.stderr

    def mode_of(self, name: str) -> str:
        """Return the link mode that the store shows for a distribution: empty if its files are not from the store."""
        (project,) = json.loads(self.machine.pepip("projects", "--json", folder=self.project).stdout)
        return {package["name"]: package["link_mode"] or "" for package in project["packages"]}[name]

    def links_into_store(self) -> list[Path]:
        """Return the symbolic links of the environment that lead into the store."""
        return [
            path
            for path in self.environment.rglob("*")
            if path.is_symlink() and os.readlink(path).startswith(str(self.machine.store))
        ]


@pytest.fixture
def loft(machine: Machine, project: Path, wheelhouse: Path, interpreter: Path) -> Loft:
    """Return a project in which nothing is installed."""
    for wheel in WHEELS:
        wheel.write(wheelhouse)
    return Loft(machine, project, wheelhouse, interpreter)


def modes_of(root: Path) -> dict[str, str]:
    """Return the mode of each file and folder below a folder, except bytecode, `.lock` and pepip's own files."""
    return {
        str(path.relative_to(root)): oct(stat.S_IMODE(path.lstat().st_mode))
        for path in sorted(root.rglob("*"))
        if "__pycache__" not in path.parts and not path.name.startswith(".pepip") and path.name != ".lock"
    }


def records_of(environment: Path) -> dict[str, list[str]]:
    """Return the paths that each RECORD lists, in its order."""
    return {
        path.parent.name: [line.rpartition(",")[0].rpartition(",")[0] for line in path.read_text().splitlines()]
        for path in environment.rglob("RECORD")
    }


@pytest.mark.parametrize("mode", OWN_FILES)
def test_the_environment_is_uvs_to_the_last_row_of_record(twins: Twins, wheelhouse: Path, mode: str) -> None:
    """Files, their kinds, their modes and the order of RECORD equal uv's. No symbolic link leads into the store."""
    for wheel in WHEELS:
        wheel.write(wheelhouse)

    words = ("organ==1.0", "organ-extra", "flute", "--link-mode", mode)
    twins.install(*words, "--no-index", "--find-links", wheelhouse)

    twins.assert_equal(Level.METADATA)
    assert modes_of(twins.pepip_environment) == modes_of(twins.uv_environment)
    assert records_of(twins.pepip_environment) == records_of(twins.uv_environment)
    loft = Loft(twins.machine, twins.pepip_project, wheelhouse, twins.interpreter)
    assert loft.links_into_store() == []
    counts = {
        environment: (site_packages_of(environment) / "organ" / "__init__.py").stat().st_nlink > 1
        for environment in (twins.uv_environment, twins.pepip_environment)
    }
    assert counts[twins.pepip_environment] == counts[twins.uv_environment] == (mode != "copy")


@pytest.mark.parametrize("mode", OWN_FILES)
@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_other_tools_work_without_the_store(loft: Loft, pip: Path, mode: str, tool: str) -> None:
    """Without the store, programs run, and uv and pip upgrade and uninstall."""
    loft.install("organ==1.0", "flute", mode=mode)
    loft.machine.store.rename(loft.project.parent / "gone")

    def run(*words: str) -> None:
        if tool == "uv":
            loft.machine.uv("pip", *words, folder=loft.project)
        else:
            loft.machine.python(loft.environment, pip / "pip" / "__pip-runner__.py", *words)

    shown = loft.machine.run([loft.environment / "bin" / "organ"], folder=loft.project)
    assert shown.stdout == "1.0\n"
    run("install", "organ==2.0", *map(str, loft.source))
    assert loft.machine.run([loft.environment / "bin" / "organ"], folder=loft.project).stdout == "2.0\n"
    run("uninstall", "organ", *(["-y"] if tool == "pip" else []))
    assert [path.name for path in loft.site_packages.iterdir() if "organ" in path.name] == []


@pytest.mark.parametrize("where", ["option", "variable", "uv.toml", "pip table"])
def test_the_mode_is_read_where_uv_reads_it(loft: Loft, where: str) -> None:
    """The mode is read from the command line, the variable and settings files."""
    variables = {"UV_LINK_MODE": "hardlink"} if where == "variable" else None
    settings = {"uv.toml": 'link-mode = "hardlink"\n', "pip table": '[pip]\nlink-mode = "hardlink"\n'}
    if where in settings:
        (loft.project / "uv.toml").write_text(settings[where])

    loft.install("organ==1.0", mode="hardlink" if where == "option" else "", variables=variables)

    assert loft.links_into_store() == []
    assert loft.mode_of("organ") == "hardlink"


@pytest.mark.parametrize(
    "settings", ['# link-mode = "copy"\n', '[tool.uv.x]\nlink-mode = "copy"\n', 'link-mode = "symlink"\n', ""]
)
def test_folders_are_linked_where_no_other_mode_is_told(loft: Loft, settings: str) -> None:
    """A settings file that only mentions the word sets no mode, and `symlink` is the mode of pepip."""
    (loft.project / "uv.toml").write_text("" if "tool" in settings else settings)
    (loft.project / "pyproject.toml").write_text(settings if "tool" in settings else "")

    loft.install("organ==1.0")

    assert (loft.site_packages / "organ").is_symlink()


def test_an_option_counts_more_than_the_variable(loft: Loft) -> None:
    """An option overrides the variable, as with uv."""
    loft.install("organ==1.0", mode="symlink", variables={"UV_LINK_MODE": "copy"})

    assert (loft.site_packages / "organ").is_symlink()


def test_a_synced_project_has_the_mode_of_its_settings(loft: Loft) -> None:
    """`sync` and `add` use the mode in the project's `[tool.uv]`."""
    (loft.project / "pyproject.toml").write_text(
        '[project]\nname = "tower"\nversion = "1.0"\nrequires-python = ">=3.8"\ndependencies = ["organ==1.0"]\n'
        f'[tool.uv]\nlink-mode = "copy"\nno-index = true\nfind-links = ["{loft.wheelhouse}"]\n'
    )

    loft.pepip("sync", "--python", loft.interpreter)
    loft.pepip("add", "flute")

    assert loft.links_into_store() == []
    assert [loft.mode_of(name) for name in ("organ", "flute")] == ["copy", "copy"]


@pytest.mark.parametrize("where", ["option", "variable", "uv.toml"])
def test_an_unknown_mode_is_refused_in_uvs_words(loft: Loft, where: str) -> None:
    """The message names the unknown mode and the valid ones, and no environment is made."""
    if where == "uv.toml":
        (loft.project / "uv.toml").write_text('link-mode = "rope"\n')
    options = ["--link-mode", "rope"] if where == "option" else []

    output = loft.machine.pepip(
        *("install", "organ", *loft.source, "--python", loft.interpreter, *options),
        folder=loft.project,
        check=False,
        variables={"UV_LINK_MODE": "rope"} if where == "variable" else None,
    )

    assert output.returncode != 0
    assert "rope" in output.stderr
    assert "hardlink" in output.stderr
    assert "Traceback" not in output.stderr
    assert not loft.environment.exists()


@pytest.mark.parametrize("mode", OWN_FILES)
def test_the_store_knows_where_its_entries_went(loft: Loft, mode: str) -> None:
    """Entries are in use in each mode: `projects` and `uses` show them, and pruning keeps them.

    `store verify` and `store repair` find no damage.
    """
    loft.install("organ==1.0", "flute", mode=mode)

    pruned = loft.pepip("prune", "--yes")

    assert entries_of(loft.machine.store) == ["flute-1.0", "organ-1.0"], pruned
    assert str(loft.environment) in loft.pepip("uses", "organ<2")
    assert loft.mode_of("organ") in ({mode} if mode != "clone" else {"clone", "hardlink"})
    assert "1 environment" in loft.pepip("doctor", check=False)
    loft.pepip("store", "verify")
    loft.pepip("store", "repair")
    loft.pepip("uninstall", "organ")
    loft.pepip("prune", "--yes")
    assert entries_of(loft.machine.store) == ["flute-1.0"]


def test_a_distribution_that_another_tool_replaced_does_not_count(loft: Loft) -> None:
    """If another tool replaces a distribution, the noted RECORD is gone, and the entry is an orphan."""
    loft.install("organ==1.0", mode="copy")
    loft.machine.uv("pip", "install", "organ==2.0", *loft.source, folder=loft.project)

    loft.pepip("prune", "--yes")

    assert entries_of(loft.machine.store) == []


def test_a_distribution_keeps_its_mode_until_it_is_reinstalled(loft: Loft) -> None:
    """A distribution keeps its mode until it is reinstalled, as with uv, from each mode to each other.

    The store stays whole, and no folder is half linked.
    """
    loft.install("organ==1.0")
    loft.install("flute", mode="hardlink")
    assert [loft.mode_of(name) for name in ("organ", "flute")] == ["symlink", "hardlink"]
    assert loft.install("organ", mode="copy").strip().startswith("Nothing to do")

    for mode in ("copy", "hardlink", "symlink", "copy", "symlink"):
        loft.install("organ==1.0", "--reinstall", mode=mode)

        assert loft.mode_of("organ") == mode
        assert (loft.site_packages / "organ").is_symlink() == (mode == "symlink")
        assert bool(loft.links_into_store()) == (mode == "symlink")
        assert loft.machine.run([loft.environment / "bin" / "organ"], folder=loft.project).stdout == "1.0\n"
    assert problems_of(loft.machine.store) == []


@pytest.mark.parametrize("mode", OWN_FILES)
def test_own_files_and_links_share_a_folder(loft: Loft, mode: str) -> None:
    """A linked package is unfolded when real files of another distribution join it.

    When those are uninstalled, it is one link again.
    """
    loft.install("organ==1.0")

    loft.install("organ-extra", mode=mode)

    assert not (loft.site_packages / "organ").is_symlink()
    loft.machine.python(loft.environment, "-c", "import organ.extra, organ.pipes.long")
    loft.pepip("uninstall", "organ-extra")
    assert (loft.site_packages / "organ").is_symlink()
    assert problems_of(loft.machine.store) == []


def test_upgrades_and_syncs_leave_nothing_behind(loft: Loft, tmp_path: Path) -> None:
    """All files of the old version are removed, whatever the modes, and its entry stays as it was."""
    loft.install("organ==1.0", "organ-extra", mode="hardlink")
    before = snapshot(loft.machine.store / "packages")

    loft.install("organ==2.0", mode="copy")
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("flute\n")
    loft.pepip("pip", "sync", wanted, *loft.source, "--link-mode", "hardlink")

    assert sorted(path.name for path in loft.site_packages.iterdir() if path.name[0] not in "_v") == [
        "flute",
        "flute-1.0.dist-info",
        "ns",
    ]
    assert not (loft.environment / "share").exists()
    assert [line for line in changes(before, snapshot(loft.machine.store / "packages")) if "organ-1" in line] == []


@pytest.fixture
def other_disk() -> Iterator[Path]:
    """Yield a folder on another file system than that of the tests. Skip if there is none."""
    if not Path("/dev/shm").is_dir():
        pytest.skip("there is no second file system at /dev/shm")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.mark.parametrize("mode", OWN_FILES)
def test_hard_links_across_file_systems_are_copies_and_that_is_said(loft: Loft, other_disk: Path, mode: str) -> None:
    """Across file systems, files are copied, and the store shows the mode `copy`.

    A warning says so unless the user asked for copies, as with uv.
    """
    far = Loft(loft.machine, other_disk, loft.wheelhouse, loft.interpreter)

    said = far.install("organ==1.0", mode=mode)

    assert ("UV_LINK_MODE=copy" in said) == (mode != "copy")
    assert far.mode_of("organ") == "copy"
    assert far.links_into_store() == []
    assert far.install("flute", mode="copy").count("warning") == 0


def test_savings_have_the_cost_of_each_mode(loft: Loft, tmp_path: Path) -> None:
    """Copies cost all bytes, and hard links cost their folders. Without sharing, each mode would cost the same."""
    big = Wheel("barrel", "1.0", files={"barrel/__init__.py": "", "barrel/data.bin": os.urandom(1_000_000)})
    big.write(loft.wheelhouse)
    shares = {}
    for mode in ("symlink", "hardlink", "copy"):
        project = tmp_path / mode
        project.mkdir()
        Loft(loft.machine, project, loft.wheelhouse, loft.interpreter).install("barrel", mode=mode)
    for item in json.loads(loft.machine.pepip("projects", "--json", folder=loft.project).stdout):
        shares[Path(item["project"]).name] = item

    own = {mode: share["own_bytes"] for mode, share in shares.items()}
    alone = {mode: share["alone_bytes"] for mode, share in shares.items()}
    assert own["symlink"] < own["hardlink"] < own["copy"] - 900_000
    assert max(alone.values()) - min(alone.values()) < 50_000
    sums = json.loads(loft.machine.pepip("savings", "--json", folder=loft.project).stdout)
    assert sums["without_sharing_bytes"] > 3_000_000
    assert 2_000_000 < sums["on_disk_bytes"] < 3_000_000


@pytest.mark.parametrize("mode", ["hardlink", "copy"])
def test_a_repair_makes_hard_links_whole_and_leaves_copies_alone(loft: Loft, mode: str) -> None:
    """A repair restores hard links, which share a damaged file with the entry. It leaves copies as they are."""
    loft.install("organ==1.0", mode=mode)
    (entry,) = loft.machine.store.glob("packages/*/organ-1.0")
    (entry / "organ" / "__init__.py").write_text("VERSION = 'bad'\ndef main():\n    print(VERSION)\n")
    (loft.site_packages / "organ" / "pipes" / "long.py").unlink()

    loft.pepip("store", "repair", *loft.source)

    assert problems_of(loft.machine.store) == []
    assert loft.machine.run([loft.environment / "bin" / "organ"], folder=loft.project).stdout == "1.0\n"
    assert (loft.site_packages / "organ" / "pipes" / "long.py").exists() == (mode == "hardlink")
    assert loft.mode_of("organ") == mode


def test_a_detached_distribution_shares_no_file(loft: Loft) -> None:
    """Hard links become copies, and a change of a copy does not change the entry."""
    loft.install("organ==1.0", mode="hardlink")
    before = snapshot(loft.machine.store / "packages")

    loft.pepip("detach", "organ")

    module = loft.site_packages / "organ" / "__init__.py"
    assert module.stat().st_nlink == 1
    module.write_text("VERSION = 'mine'\n")
    assert changes(before, snapshot(loft.machine.store / "packages")) == []
    assert loft.mode_of("organ") == ""


NOTES: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a device": lambda place: place.symlink_to("/dev/zero"),
    "a folder": lambda place: (place / "inside").mkdir(parents=True),
    "deep": lambda place: place.write_text('{"distributions":' * 10_000),
    "a list": lambda place: place.write_text("[]"),
    "no text": lambda place: place.write_bytes(b"\xff\xfe"),
    "half a character": lambda place: place.write_text(
        '{"distributions": {"organ-1.0.dist-info": {"entry_id": "a/\\ud800", "mode": "copy", "record": ""}}}'
    ),
    "a way out": lambda place: place.write_text(
        '{"distributions": {"../x.dist-info": {"entry_id": "../..", "mode": "copy", "record": ""}}}'
    ),
    "numbers": lambda place: place.write_text(
        '{"distributions": {"organ-1.0.dist-info": {"entry_id": 1, "mode": [], "record": Infinity}, "x": 1}}'
    ),
}


@pytest.mark.parametrize("name", NOTES)
def test_a_note_that_somebody_else_left_is_no_more_than_a_note(loft: Loft, name: str) -> None:
    """A damaged note stops no command, changes nothing outside, and is replaced by the next install."""
    loft.install("organ==1.0")
    NOTES[name](loft.environment / ".pepip-linked.json")

    loft.pepip("projects")
    loft.pepip("prune", "--yes")
    loft.install("flute", mode="copy")
    loft.pepip("uninstall", "organ")

    assert loft.mode_of("flute") == "copy"
    assert entries_of(loft.machine.store) == ["flute-1.0", "organ-1.0"]
    assert problems_of(loft.machine.store) == []


def test_root_is_warned_of_a_store_that_no_other_user_can_enter(loft: Loft, tmp_path: Path) -> None:
    """The warning appears if other users could run the environment. Copies need no store, and so no warning."""
    if os.geteuid() != 0:
        pytest.skip("the tests do not run as root")
    home = tmp_path / "closed"
    home.mkdir(mode=0o700)
    machine = Machine(home, home / "store", loft.machine.uv_cache)
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        closed_above = [above for above in tmp_path.parents if not above.stat().st_mode & 0o001]
        shown = str(closed_above[-1]) if closed_above else str(home)
        for name in ("first", "second", "third"):
            (folder / name).mkdir()
        warned = Loft(machine, folder / "first", loft.wheelhouse, loft.interpreter).install("flute")
        copied = Loft(machine, folder / "second", loft.wheelhouse, loft.interpreter).install("flute", mode="copy")

        assert f"only root can enter {shown}" in warned
        assert "UV_LINK_MODE=copy" in warned
        assert "only root" not in copied
        output = machine.pepip("doctor", folder=folder / "third", check=False)
        assert f"only root can enter {shown}" in output.stdout
    finally:
        machine.run(["rm", "-rf", folder], folder=tmp_path)
