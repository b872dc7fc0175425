"""The link modes of uv keep their meaning: `hardlink`, `clone` and `copy` make environments like uv's."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.environments import Twins
from tests.support.machines import Machine, site_packages_of
from tests.support.parity import Level
from tests.support.shelf import with_script
from tests.support.snapshots import changes, snapshot
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

pytestmark = pytest.mark.every(2)

OWN_FILES = ("hardlink", "clone", "copy")


def organ(version: str) -> Wheel:
    """Return a wheel with every kind of file that a wheel may have."""
    return with_script(
        "organ",
        version,
        {
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
        executables=frozenset({"organ/pump"}),
    )


WHEELS = [
    organ("1.0"),
    organ("2.0"),
    Wheel("organ-extra", "1.0", files={"organ/extra.py": "", "ns/extra/__init__.py": ""}),
    Wheel("flute", "1.0", files={"flute/__init__.py": "", "ns/flute/__init__.py": ""}),
]


def install(workbench: Workbench, *words: str | Path, mode: str = "", variables: dict[str, str] | None = None) -> str:
    """Install into the project, and return stderr."""
    options = ("--link-mode", mode) if mode else ()
    output = workbench.attempt(*words, *options, variables=variables)
    assert output.returncode == 0, output.stderr
    return output.stderr


def mode_of(workbench: Workbench, name: str) -> str:
    """Return the link mode that the store shows for a distribution: empty if its files are not from the store."""
    (project,) = workbench.ask("projects")
    return {package["name"]: package["link_mode"] or "" for package in project["packages"]}[name]


def links_into_store(workbench: Workbench) -> list[Path]:
    """Return the symbolic links of the environment that lead into the store."""
    return [
        path
        for path in workbench.environment.rglob("*")
        if path.is_symlink() and os.readlink(path).startswith(str(workbench.store))
    ]


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
def test_the_environment_is_uvs_to_the_last_row_of_record(workbench: Workbench, twins: Twins, mode: str) -> None:
    """Files, their kinds, their modes and the order of RECORD equal uv's. No symbolic link leads into the store."""
    words = ("organ==1.0", "organ-extra", "flute", "--link-mode", mode)
    twins.install(*words, *workbench.from_wheelhouse)

    twins.assert_equal(Level.METADATA)
    assert modes_of(twins.pepip_environment) == modes_of(twins.uv_environment)
    assert records_of(twins.pepip_environment) == records_of(twins.uv_environment)
    assert links_into_store(workbench.at(twins.pepip_project)) == []
    counts = {
        environment: (site_packages_of(environment) / "organ" / "__init__.py").stat().st_nlink > 1
        for environment in (twins.uv_environment, twins.pepip_environment)
    }
    assert counts[twins.pepip_environment] == counts[twins.uv_environment] == (mode != "copy")


@pytest.mark.parametrize("mode", OWN_FILES)
@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_other_tools_work_without_the_store(workbench: Workbench, pip: Path, mode: str, tool: str) -> None:
    """Without the store, programs run, and uv and pip upgrade and uninstall."""
    install(workbench, "organ==1.0", "flute", mode=mode)
    workbench.store.rename(workbench.project.parent / "gone")

    def run(*words: str) -> None:
        if tool == "uv":
            workbench.uv("pip", *words)
        else:
            workbench.python(pip / "pip" / "__pip-runner__.py", *words)

    assert workbench.script("organ") == "1.0"
    run("install", "organ==2.0", *map(str, workbench.from_wheelhouse))
    assert workbench.script("organ") == "2.0"
    run("uninstall", "organ", *(["-y"] if tool == "pip" else []))
    assert [path.name for path in workbench.site_packages.iterdir() if "organ" in path.name] == []


@pytest.mark.parametrize("where", ["option", "variable", "uv.toml", "pip table"])
def test_the_mode_is_read_where_uv_reads_it(workbench: Workbench, where: str) -> None:
    """The mode is read from the command line, the variable and settings files."""
    variables = {"UV_LINK_MODE": "hardlink"} if where == "variable" else None
    settings = {"uv.toml": 'link-mode = "hardlink"\n', "pip table": '[pip]\nlink-mode = "hardlink"\n'}
    if where in settings:
        (workbench.project / "uv.toml").write_text(settings[where])

    install(workbench, "organ==1.0", mode="hardlink" if where == "option" else "", variables=variables)

    assert links_into_store(workbench) == []
    assert mode_of(workbench, "organ") == "hardlink"


@pytest.mark.parametrize(
    "settings", ['# link-mode = "copy"\n', '[tool.uv.x]\nlink-mode = "copy"\n', 'link-mode = "symlink"\n', ""]
)
def test_folders_are_linked_where_no_other_mode_is_told(workbench: Workbench, settings: str) -> None:
    """A settings file that only mentions the word sets no mode, and `symlink` is the mode of pepip."""
    (workbench.project / "uv.toml").write_text("" if "tool" in settings else settings)
    (workbench.project / "pyproject.toml").write_text(settings if "tool" in settings else "")

    install(workbench, "organ==1.0")

    assert (workbench.site_packages / "organ").is_symlink()


def test_an_option_counts_more_than_the_variable(workbench: Workbench) -> None:
    """An option overrides the variable, as with uv."""
    install(workbench, "organ==1.0", mode="symlink", variables={"UV_LINK_MODE": "copy"})

    assert (workbench.site_packages / "organ").is_symlink()


def test_a_synced_project_has_the_mode_of_its_settings(workbench: Workbench) -> None:
    """`sync` and `add` use the mode in the project's `[tool.uv]`."""
    (workbench.project / "pyproject.toml").write_text(
        '[project]\nname = "tower"\nversion = "1.0"\nrequires-python = ">=3.8"\ndependencies = ["organ==1.0"]\n'
        f'[tool.uv]\nlink-mode = "copy"\nno-index = true\nfind-links = ["{workbench.wheelhouse}"]\n'
    )

    workbench.pepip("sync", "--python", workbench.interpreter)
    workbench.pepip("add", "flute")

    assert links_into_store(workbench) == []
    assert [mode_of(workbench, name) for name in ("organ", "flute")] == ["copy", "copy"]


@pytest.mark.parametrize("where", ["option", "variable", "uv.toml"])
def test_an_unknown_mode_is_refused_in_uvs_words(workbench: Workbench, where: str) -> None:
    """The message names the unknown mode and the valid ones, and no environment is made."""
    if where == "uv.toml":
        (workbench.project / "uv.toml").write_text('link-mode = "rope"\n')
    options = ["--link-mode", "rope"] if where == "option" else []

    variables = {"UV_LINK_MODE": "rope"} if where == "variable" else None
    output = workbench.attempt("organ", *options, variables=variables)

    assert output.returncode != 0
    assert "rope" in output.stderr
    assert "hardlink" in output.stderr
    assert "Traceback" not in output.stderr
    assert not workbench.environment.exists()


@pytest.mark.parametrize("mode", OWN_FILES)
def test_the_store_knows_where_its_entries_went(workbench: Workbench, mode: str) -> None:
    """Entries are in use in each mode: `projects` and `uses` show them, and pruning keeps them.

    `store verify` and `store repair` find no damage.
    """
    install(workbench, "organ==1.0", "flute", mode=mode)

    pruned = workbench.pepip("prune", "--yes")

    assert workbench.entries() == ["flute-1.0", "organ-1.0"], pruned
    assert str(workbench.environment) in workbench.pepip("uses", "organ<2").stdout
    assert mode_of(workbench, "organ") in ({mode} if mode != "clone" else {"clone", "hardlink"})
    assert "1 environment" in workbench.pepip("doctor", check=False).stdout
    workbench.pepip("store", "verify")
    workbench.pepip("store", "repair")
    workbench.pepip("uninstall", "organ")
    workbench.pepip("prune", "--yes")
    assert workbench.entries() == ["flute-1.0"]


def test_a_distribution_that_another_tool_replaced_does_not_count(workbench: Workbench) -> None:
    """If another tool replaces a distribution, the noted RECORD is gone, and the entry is an orphan."""
    install(workbench, "organ==1.0", mode="copy")
    workbench.uv("pip", "install", "organ==2.0", *workbench.from_wheelhouse)

    workbench.pepip("prune", "--yes")

    assert workbench.entries() == []


def test_a_distribution_keeps_its_mode_until_it_is_reinstalled(workbench: Workbench) -> None:
    """A distribution keeps its mode until it is reinstalled, as with uv, from each mode to each other.

    The store stays whole, and no folder is half linked.
    """
    install(workbench, "organ==1.0")
    install(workbench, "flute", mode="hardlink")
    assert [mode_of(workbench, name) for name in ("organ", "flute")] == ["symlink", "hardlink"]
    assert install(workbench, "organ", mode="copy").strip().startswith("Nothing to do")

    for mode in ("copy", "hardlink", "symlink", "copy", "symlink"):
        install(workbench, "organ==1.0", "--reinstall", mode=mode)

        assert mode_of(workbench, "organ") == mode
        assert (workbench.site_packages / "organ").is_symlink() == (mode == "symlink")
        assert bool(links_into_store(workbench)) == (mode == "symlink")
        assert workbench.script("organ") == "1.0"
    assert workbench.problems() == []


@pytest.mark.parametrize("mode", OWN_FILES)
def test_own_files_and_links_share_a_folder(workbench: Workbench, mode: str) -> None:
    """A linked package is unfolded when real files of another distribution join it.

    When those are uninstalled, it is one link again.
    """
    install(workbench, "organ==1.0")

    install(workbench, "organ-extra", mode=mode)

    assert not (workbench.site_packages / "organ").is_symlink()
    workbench.python("-c", "import organ.extra, organ.pipes.long")
    workbench.pepip("uninstall", "organ-extra")
    assert (workbench.site_packages / "organ").is_symlink()
    assert workbench.problems() == []


def test_upgrades_and_syncs_leave_nothing_behind(workbench: Workbench, tmp_path: Path) -> None:
    """All files of the old version are removed, whatever the modes, and its entry stays as it was."""
    install(workbench, "organ==1.0", "organ-extra", mode="hardlink")
    before = snapshot(workbench.store / "packages")

    install(workbench, "organ==2.0", mode="copy")
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("flute\n")
    workbench.pepip("pip", "sync", wanted, *workbench.from_wheelhouse, "--link-mode", "hardlink")

    assert sorted(path.name for path in workbench.site_packages.iterdir() if path.name[0] not in "_v") == [
        "flute",
        "flute-1.0.dist-info",
        "ns",
    ]
    assert not (workbench.environment / "share").exists()
    assert [line for line in changes(before, snapshot(workbench.store / "packages")) if "organ-1" in line] == []


@pytest.fixture
def other_disk() -> Iterator[Path]:
    """Yield a folder on another file system than that of the tests. Skip if there is none."""
    if not Path("/dev/shm").is_dir():
        pytest.skip("there is no second file system at /dev/shm")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.mark.parametrize("mode", OWN_FILES)
def test_hard_links_across_file_systems_are_copies_and_that_is_said(
    workbench: Workbench, other_disk: Path, mode: str
) -> None:
    """Across file systems, files are copied, and the store shows the mode `copy`.

    A warning says so unless the user asked for copies, as with uv.
    """
    far = workbench.at(other_disk)

    said = install(far, "organ==1.0", mode=mode)

    assert ("UV_LINK_MODE=copy" in said) == (mode != "copy")
    assert mode_of(far, "organ") == "copy"
    assert links_into_store(far) == []
    assert install(far, "flute", mode="copy").count("warning") == 0


def test_savings_have_the_cost_of_each_mode(workbench: Workbench) -> None:
    """Copies cost all bytes, and hard links cost their folders. Without sharing, each mode would cost the same."""
    big = Wheel("barrel", "1.0", files={"barrel/__init__.py": "", "barrel/data.bin": os.urandom(1_000_000)})
    workbench.supply([big])
    for mode in ("symlink", "hardlink", "copy"):
        install(workbench.at(mode), "barrel", mode=mode)
    shares = {Path(item["project"]).name: item for item in workbench.ask("projects")}

    own = {mode: share["own_bytes"] for mode, share in shares.items()}
    alone = {mode: share["alone_bytes"] for mode, share in shares.items()}
    assert own["symlink"] < own["hardlink"] < own["copy"] - 900_000
    assert max(alone.values()) - min(alone.values()) < 50_000
    sums = workbench.ask("savings")
    assert sums["without_sharing_bytes"] > 3_000_000
    assert 2_000_000 < sums["on_disk_bytes"] < 3_000_000


@pytest.mark.parametrize("mode", ["hardlink", "copy"])
def test_a_repair_makes_hard_links_whole_and_leaves_copies_alone(workbench: Workbench, mode: str) -> None:
    """A repair restores hard links, which share a damaged file with the entry. It leaves copies as they are."""
    install(workbench, "organ==1.0", mode=mode)
    entry = workbench.entry("organ-1.0")
    (entry / "organ" / "__init__.py").write_text("VERSION = 'bad'\ndef main():\n    print(VERSION)\n")
    (workbench.site_packages / "organ" / "pipes" / "long.py").unlink()

    workbench.pepip("store", "repair", *workbench.from_wheelhouse)

    assert workbench.problems() == []
    assert workbench.script("organ") == "1.0"
    assert (workbench.site_packages / "organ" / "pipes" / "long.py").exists() == (mode == "hardlink")
    assert mode_of(workbench, "organ") == mode


def test_a_detached_distribution_shares_no_file(workbench: Workbench) -> None:
    """Hard links become copies, and a change of a copy does not change the entry."""
    install(workbench, "organ==1.0", mode="hardlink")
    before = snapshot(workbench.store / "packages")

    workbench.pepip("detach", "organ")

    module = workbench.site_packages / "organ" / "__init__.py"
    assert module.stat().st_nlink == 1
    module.write_text("VERSION = 'mine'\n")
    assert changes(before, snapshot(workbench.store / "packages")) == []
    assert mode_of(workbench, "organ") == ""


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
def test_a_note_that_somebody_else_left_is_no_more_than_a_note(workbench: Workbench, name: str) -> None:
    """A damaged note stops no command, changes nothing outside, and is replaced by the next install."""
    install(workbench, "organ==1.0")
    NOTES[name](workbench.environment / ".pepip-linked.json")

    workbench.pepip("projects")
    workbench.pepip("prune", "--yes")
    install(workbench, "flute", mode="copy")
    workbench.pepip("uninstall", "organ")

    assert mode_of(workbench, "flute") == "copy"
    assert workbench.entries() == ["flute-1.0", "organ-1.0"]
    assert workbench.problems() == []


def test_root_is_warned_of_a_store_that_no_other_user_can_enter(workbench: Workbench, tmp_path: Path) -> None:
    """The warning appears if other users could run the environment. Copies need no store, and so no warning."""
    if os.geteuid() != 0:
        pytest.skip("the tests do not run as root")
    home = tmp_path / "closed"
    home.mkdir(mode=0o700)
    machine = Machine(home, home / "store", workbench.machine.uv_cache)
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        closed_above = [above for above in tmp_path.parents if not above.stat().st_mode & 0o001]
        shown = str(closed_above[-1]) if closed_above else str(home)
        for name in ("first", "second", "third"):
            (folder / name).mkdir()
        closed = replace(workbench, machine=machine, folder=folder)
        warned = install(closed.at("first"), "flute")
        copied = install(closed.at("second"), "flute", mode="copy")

        assert f"only root can enter {shown}" in warned
        assert "UV_LINK_MODE=copy" in warned
        assert "only root" not in copied
        output = closed.at("third").pepip("doctor", check=False)
        assert f"only root can enter {shown}" in output.stdout
    finally:
        machine.run(["rm", "-rf", folder], folder=tmp_path)
