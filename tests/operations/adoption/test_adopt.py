"""`pepip adopt` links environments of other tools. They behave as before, and take less space on disk."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.disk import usage
from tests.support.filesystems import mounted
from tests.support.kills import changes_seen, killed_before, refused_at
from tests.support.machines import Output, interpreter_of, site_packages_of
from tests.support.parity import Level, differences, observe
from tests.support.shelf import SHARED_FOLDERS, camera
from tests.support.snapshots import changes, link_shape, snapshot
from tests.support.stores import entries_of, leftovers_of, problems_of
from tests.support.terminals import run_on_terminal
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

WHEELS = [
    camera("# glass\n" * 9000),
    *SHARED_FOLDERS,
    Wheel("single", "1.0", files={"single.py": "HERE = True\n"}),
]
NAMES = tuple(wheel.name for wheel in WHEELS)


@dataclass(frozen=True, kw_only=True)
class Attic(Workbench):
    """A user with a folder of environments that other tools made, and the wheels that they install."""

    pip: Path

    @property
    def code(self) -> Path:
        """Return the folder that contains all environments."""
        return self.folder / "code"

    @property
    def source(self) -> tuple[str | Path, ...]:
        """Return the arguments that restrict an installer to these wheels. The tools have Pythons of their own."""
        return self.from_wheelhouse

    def make(self, name: str, tool: str, *packages: str) -> Path:
        """Make an environment with a tool, and install packages into it: all wheels if none is named."""
        environment = self.code / name / ".venv"
        self.machine.make_folder(environment.parent)
        wanted = packages or NAMES
        if tool.startswith("uv"):
            mode = tool.partition(" ")[2] or "copy"
            self.machine.uv("venv", environment, "--python", self.interpreter, folder=environment.parent)
            arguments = ("--python", environment, "--link-mode", mode, *self.source, *wanted)
            self.machine.uv("pip", "install", *arguments, folder=environment.parent)
        else:
            self.machine.run([self.interpreter, "-m", "venv", "--without-pip", environment], folder=self.code)
            self.install_by_pip(environment, *wanted)
        return environment

    def install_by_pip(self, environment: Path, *packages: str) -> None:
        """Install packages with pip, which also compiles their modules."""
        self.machine.python(
            environment,
            "-m",
            "pip",
            "install",
            "--quiet",
            *self.source,
            *packages,
            variables={"PYTHONPATH": str(self.pip)},
        )

    def adopt(self, *arguments: str | Path, check: bool = True) -> Output:
        """Adopt all environments without asking."""
        return self.machine.pepip("adopt", self.code, "--yes", *arguments, folder=self.folder, check=check)

    def kept(self, output: Output) -> dict[str, Any]:
        """Return the distributions that stayed, by name, from an adoption's JSON document."""
        return {item["name"]: item for found in json.loads(output.stdout)["environments"] for item in found["kept"]}

    def linked(self, environment: Path) -> set[str]:
        """Return the names of the distributions that pepip links in an environment."""
        folders = site_packages_of(environment).glob("*.dist-info")
        return {
            folder.name.partition("-")[0].replace("_", "-")
            for folder in folders
            if (folder / "METADATA").is_symlink()
        }


@pytest.fixture
def attic(workbench: Workbench, pip: Path) -> Attic:
    """Return an attic with the wheels of these tests and no environment."""
    workbench.supply(WHEELS)
    return Attic.like(workbench, name=".", pip=pip)


@pytest.mark.every(2)
@pytest.mark.parametrize("tool", ["uv copy", "uv hardlink", "pip"])
def test_adopted_environment_is_as_before(attic: Attic, tool: str) -> None:
    """Files, modes, metadata, scripts and the answers of tools stay the same; only links are new."""
    environment = attic.make("one", tool)
    before = observe(environment, attic.machine, level=Level.BEHAVIOUR)
    scripts = snapshot(environment / "bin")

    attic.adopt()

    assert attic.linked(environment) == set(NAMES)
    assert (site_packages_of(environment) / "single.py").stat().st_nlink > 1
    after = observe(environment, attic.machine, level=Level.BEHAVIOUR)
    assert differences(before, after) == []
    assert changes(scripts, snapshot(environment / "bin")) == []
    assert problems_of(attic.machine.store) == []
    assert leftovers_of(attic.machine.store) == []
    assert attic.machine.pepip("store", "verify", folder=attic.folder).returncode == 0


def test_same_content_is_one_entry_whichever_tool_installed_it(attic: Attic) -> None:
    """Each wheel has one entry, whether uv copied it, uv hard-linked it or pip installed it.

    Adopting the three environments frees space and adds only a few inodes.
    """
    environments = [attic.make(str(number), tool) for number, tool in enumerate(("uv copy", "uv hardlink", "pip"))]
    inodes = usage(environments).inodes

    output = attic.adopt("--json")

    assert entries_of(attic.machine.store) == sorted(f"{wheel.name}-{wheel.version}" for wheel in WHEELS)
    targets = {os.readlink(site_packages_of(item) / "camera-1.0.dist-info" / "METADATA") for item in environments}
    assert len(targets) == 1
    document = json.loads(output.stdout)
    assert document["freed_bytes"] > 0
    assert usage([*environments, attic.machine.store]).inodes < inodes + 130


def test_every_command_works_on_adopted_environment(attic: Attic) -> None:
    """Commands of pepip, uv and pip work in an adopted environment. The store and the other project stay whole."""
    environment, other = attic.make("one", "pip"), attic.make("two", "uv copy")
    attic.adopt()
    project = environment.parent

    attic.machine.pepip("uninstall", "cloud-core", folder=project)
    attic.machine.pepip("install", *attic.source, "cloud-core", folder=project)
    attic.machine.pepip("detach", "single", folder=project)
    attic.machine.pepip("attach", "single", folder=project)
    attic.install_by_pip(environment, "--force-reinstall", "--no-deps", "camera")
    attic.machine.uv(
        "pip", "install", "--reinstall", "--python", environment, *attic.source, "old-one", folder=project
    )
    attic.machine.uv("pip", "uninstall", "--python", environment, "old-two", "camera-contrib", folder=project)

    assert problems_of(attic.machine.store) == []
    assert attic.machine.pepip("store", "verify", folder=project).returncode == 0
    attic.machine.python(other, "-c", "import camera.contrib, old.two, cloud.core, single")
    attic.machine.python(environment, "-c", "import camera, old.one, cloud.core, single")
    assert attic.machine.pepip("projects", folder=project).stdout.count(str(attic.code)) == 2
    attic.machine.pepip("prune", "--yes", folder=project)
    attic.machine.python(other, "-c", "import camera.contrib, old.two, cloud.core, single")


def test_project_commands_work_on_an_adopted_environment(attic: Attic) -> None:
    """A project of uv's is adopted: sync has nothing to do, add and remove link, run runs, and all looks know it."""
    project = attic.machine.make_folder(attic.code / "gallery")
    (project / "pyproject.toml").write_text(
        '[project]\nname = "gallery"\nversion = "1.0"\nrequires-python = ">=3.8"\n'
        'dependencies = ["camera", "cloud-core"]\n'
        f'[tool.uv]\npackage = false\nno-index = true\nfind-links = ["{attic.wheelhouse}"]\n'
    )
    attic.machine.uv("sync", "--python", attic.interpreter, "--link-mode", "copy", folder=project)
    environment = project / ".venv"
    attic.adopt()
    adopted = link_shape(environment)

    attic.machine.pepip("sync", folder=project)
    assert link_shape(environment) == adopted
    attic.machine.pepip("add", "single", folder=project)
    assert attic.linked(environment) == {"camera", "cloud-core", "single"}
    assert attic.machine.pepip("run", "python", "-c", "import camera, single; print('ran')", folder=project).stdout
    attic.machine.pepip("remove", "single", folder=project)
    assert attic.linked(environment) == {"camera", "cloud-core"}
    assert str(project) in attic.machine.pepip("uses", "camera", "--json", folder=project).stdout
    assert json.loads(attic.machine.pepip("savings", "--json", folder=project).stdout)
    attic.machine.pepip("prune", "--yes", folder=project)
    attic.machine.uv("sync", "--reinstall", "--python", attic.interpreter, folder=project)
    attic.machine.pepip("sync", "--reinstall", folder=project)
    assert attic.linked(environment) == {"camera", "cloud-core"}
    attic.machine.pepip("doctor", folder=project)
    attic.machine.pepip("store", "verify", folder=project)
    assert problems_of(attic.machine.store) == []
    attic.machine.pepip("prune", "--yes", folder=project)
    assert entries_of(attic.machine.store) == ["camera-1.0", "cloud-core-1.0"]


def test_damaged_adopted_entry_is_repaired_or_named(attic: Attic) -> None:
    """A file of an adopted entry that changed is found; the repair brings its bytes back from an index."""
    environment = attic.make("one", "uv copy", "camera", "single")
    attic.adopt()
    (module,) = attic.machine.store.glob("packages/*/camera-1.0/camera/__init__.py")
    content = module.read_bytes()
    module.chmod(0o644)
    module.write_bytes(b"spoiled\n")

    verdict = attic.machine.pepip("store", "verify", folder=attic.folder, check=False)
    repaired = attic.machine.pepip("store", "repair", *attic.source, folder=attic.folder, check=False)

    assert verdict.returncode == 1
    assert "camera" in verdict.stdout + verdict.stderr
    assert repaired.returncode == 0, repaired.stderr
    assert (site_packages_of(environment) / "camera" / "__init__.py").read_bytes() == content
    attic.machine.pepip("store", "verify", folder=attic.folder)


def test_lost_adopted_entry_is_stored_again(attic: Attic) -> None:
    """An entry that somebody has deleted comes back from the index by name and version with the next command."""
    environment = attic.make("one", "uv copy", "camera", "single")
    before = observe(environment, attic.machine, level=Level.METADATA)
    attic.adopt()
    (entry,) = attic.machine.store.glob("packages/*/camera-1.0")
    attic.machine.run(["chmod", "-R", "u+w", entry], folder=attic.folder)
    shutil.rmtree(entry)

    attic.machine.pepip("install", "single", *attic.source, folder=environment.parent)

    assert differences(before, observe(environment, attic.machine, level=Level.METADATA)) == []
    assert attic.linked(environment) == {"camera", "single"}
    attic.machine.pepip("store", "verify", folder=attic.folder)


def test_damaged_adopted_entry_is_not_repaired_from_another_wheel(attic: Attic) -> None:
    """An index that has other files under the same name and version is no source: the entry stays and is named."""
    attic.make("one", "uv copy", "single")
    attic.adopt()
    (module,) = attic.machine.store.glob("packages/*/single-1.0/single.py")
    module.chmod(0o644)
    module.write_text("spoiled\n")
    other = attic.folder / "other"
    Wheel("single", "1.0", files={"single.py": "HERE = False\n"}).write(other)

    repaired = attic.machine.pepip(
        "store", "repair", "--no-index", "--find-links", other, folder=attic.folder, check=False
    )

    assert repaired.returncode == 1
    assert "no index has the adopted files of single 1.0" in repaired.stderr
    assert module.read_text() == "spoiled\n"
    assert leftovers_of(attic.machine.store) == []


def test_an_edited_file_stays_and_is_named(attic: Attic) -> None:
    """An edited file of the same size is detected by its hash.

    Its distribution stays, and the output names the file.
    """
    environment = attic.make("one", "uv copy")
    other = attic.make("two", "uv copy")
    edited = site_packages_of(environment) / "camera" / "lenses" / "glass.txt"
    edited.write_text("foggy\n")

    output = attic.adopt("--json")

    assert attic.kept(output)["camera"]["changed"] == ["camera/lenses/glass.txt"]
    assert attic.linked(environment) == set(NAMES) - {"camera"}
    assert attic.linked(other) == set(NAMES)
    assert edited.read_text() == "foggy\n"
    assert not edited.is_symlink()
    assert (site_packages_of(other) / "camera" / "lenses" / "glass.txt").read_text() == "clear\n"


def test_files_that_nobody_lists_stay_where_they_are(attic: Attic) -> None:
    """A file that no RECORD lists stays in its environment and appears in no other environment."""
    environment, other = attic.make("one", "uv copy", "camera"), attic.make("two", "uv copy", "camera")
    mine = site_packages_of(environment) / "camera" / "lenses" / "mine.txt"
    mine.write_text("mine\n")

    attic.adopt()

    assert attic.linked(environment) == {"camera"}
    assert mine.read_text() == "mine\n"
    assert not (site_packages_of(other) / "camera" / "lenses" / "mine.txt").exists()
    assert (site_packages_of(other) / "camera").is_symlink()
    assert problems_of(attic.machine.store) == []


def test_editable_and_local_distributions_stay(attic: Attic) -> None:
    """An editable distribution stays, with its reason, and works as before."""
    environment = attic.make("one", "uv copy", "single")
    Wheel("quill", "1.0", files={"quill/__init__.py": "FEATHER = 1\n"}).write_source(attic.folder / "quill")
    attic.machine.uv(
        "pip", "install", "--python", environment, *attic.source, "-e", attic.folder / "quill", folder=attic.folder
    )

    output = attic.adopt("--json")

    assert attic.kept(output)["quill"]["reason"] == "it is editable"
    attic.machine.python(environment, "-c", "import quill; assert quill.FEATHER == 1")


def test_archive_with_equal_content_takes_the_adopted_entry(attic: Attic) -> None:
    """Installing the archive of an adopted wheel adds no second entry.

    The next install knows the archive by its hash, and downloads nothing.
    """
    attic.make("one", "uv copy")
    attic.adopt()
    before = entries_of(attic.machine.store)
    project = attic.machine.make_folder(attic.folder / "project")

    first = attic.machine.pepip(
        "install", "--python", attic.interpreter, "--json", *attic.source, *NAMES, folder=project
    )
    shutil.rmtree(project / ".venv")
    second = attic.machine.pepip(
        "install", "--python", attic.interpreter, "--json", *attic.source, *NAMES, folder=project
    )

    assert entries_of(attic.machine.store) == before
    assert len(json.loads(first.stdout)["linked"]) == len(NAMES)
    assert json.loads(second.stdout)["downloaded"] == []
    attic.machine.python(project / ".venv", "-c", "import camera.contrib, old.two, cloud.core, single")


def test_archive_with_other_content_gets_an_entry_of_its_own(attic: Attic) -> None:
    """Another wheel of the same name and version gets its own entry. Each project keeps its own files."""
    attic.make("one", "uv copy", "single")
    attic.adopt()
    other = attic.folder / "other"
    Wheel("single", "1.0", files={"single.py": "HERE = False\n"}).write(other)
    project = attic.machine.make_folder(attic.folder / "project")

    attic.machine.pepip(
        "install", "--python", attic.interpreter, "--no-index", "--find-links", other, "single", folder=project
    )

    attic.machine.python(project / ".venv", "-c", "import single; assert single.HERE is False")
    attic.machine.python(attic.code / "one" / ".venv", "-c", "import single; assert single.HERE is True")
    assert len(entries_of(attic.machine.store)) == 2


def test_adopting_links_to_entries_that_the_store_has(attic: Attic) -> None:
    """An entry that was stored by its archive's hash is found by its content, and no second entry is made."""
    project = attic.machine.make_folder(attic.folder / "project")
    attic.machine.pepip("install", "--python", attic.interpreter, *attic.source, *NAMES, folder=project)
    before = entries_of(attic.machine.store)
    environment = attic.make("one", "pip")

    attic.adopt()

    assert attic.linked(environment) == set(NAMES)
    assert entries_of(attic.machine.store) == before


def test_only_chosen_distributions_are_linked(attic: Attic) -> None:
    """`--package` and `--exclude` choose distributions; `--exclude` also leaves out environments by path."""
    one, two = attic.make("one", "uv copy"), attic.make("two", "uv copy")

    attic.adopt("--package", "camera", "--package", "Old.One", "--exclude", "*/two/*")
    assert attic.linked(one) == {"camera", "old-one"}
    assert attic.linked(two) == set()

    attic.adopt("--exclude", "cloud-*")
    assert attic.linked(two) == set(NAMES) - {"cloud-core", "cloud-store"}


def test_second_adoption_has_nothing_to_do(attic: Attic) -> None:
    """A second adoption says that everything is shared, and changes no file of the environment."""
    environment = attic.make("one", "pip")
    attic.adopt()
    before = snapshot(environment)

    output = attic.adopt()

    assert output.stdout.endswith("Everything that can be shared is shared already.\n")
    assert output.stderr == ""
    assert changes(before, snapshot(environment)) == []


def test_without_a_terminal_it_wants_yes(attic: Attic) -> None:
    """Without a terminal nothing is linked, and the hint names `--yes`."""
    environment = attic.make("one", "uv copy", "single")

    output = attic.machine.pepip("adopt", attic.code, folder=attic.folder, check=False)

    assert output.returncode == 2
    assert "error: adopt asks before it links, and it can't ask here" in output.stderr
    assert "hint: `--yes` links without asking" in output.stderr
    assert attic.linked(environment) == set()


@pytest.mark.parametrize(("answer", "linked"), [("y", {"single"}), ("n", set())])
def test_on_a_terminal_it_asks(attic: Attic, answer: str, linked: set[str]) -> None:
    """The preview comes before the question, and only the answer `y` links."""
    environment = attic.make("one", "uv copy", "single")

    output = run_on_terminal(
        attic.machine,
        [sys.executable, "-m", "pepip", "adopt", attic.code],
        folder=attic.folder,
        answers=[("Link them?", f"{answer}\n")],
    )

    assert "would free" in output.stdout
    assert attic.linked(environment) == linked


def test_lazy_imports_of_a_running_process_go_on(attic: Attic) -> None:
    """A process that keeps importing modules during the adoption never misses a file."""
    environment = attic.make("one", "uv copy")
    script = (
        "import importlib, os, sys\n"
        "import camera, single, old.one, cloud.core\n"
        "data = os.path.join(os.path.dirname(camera.__file__), 'lenses', 'glass.txt')\n"
        "held = open(data)\n"
        "print('ready', flush=True)\n"
        "rounds = 0\n"
        "while not os.path.exists('stop'):\n"
        "    for name in ('camera', 'camera.lenses', 'camera.contrib', 'single', 'old.one', 'cloud.core'):\n"
        "        sys.modules.pop(name, None)\n"
        "        importlib.invalidate_caches()\n"
        "        importlib.import_module(name)\n"
        "    assert open(data).read() == 'clear\\n'\n"
        "    rounds += 1\n"
        "assert held.read() == 'clear\\n'\n"
        "print(rounds)\n"
    )
    process = attic.machine.start([interpreter_of(environment), "-c", script], folder=environment.parent)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"

    attic.adopt()
    (environment.parent / "stop").touch()
    out, error = process.communicate(timeout=60)

    assert process.returncode == 0, error
    assert int(out) > 0
    assert attic.linked(environment) == set(NAMES)


KILLS = 24


@pytest.mark.every(30)
@pytest.mark.parametrize("part", range(KILLS))
def test_after_a_kill_the_environment_is_whole_and_the_next_run_goes_on(attic: Attic, part: int) -> None:
    """After a kill before any change, each distribution is either as before or linked.

    The next adoption completes the work.
    """
    environment = attic.make("one", "pip")
    before = observe(environment, attic.machine, level=Level.METADATA)
    probe = replace(
        attic, folder=attic.folder / "probe", machine=replace(attic.machine, store=attic.folder / "probe-s")
    )
    probe.make("one", "pip")
    arguments = ("adopt", "--yes")
    killed_before(probe.machine, 0, (*arguments, probe.code), folder=attic.folder, within=attic.folder)
    count = len(changes_seen(attic.folder))

    point = 1 + part * (count - 1) // (KILLS - 1)
    output = killed_before(attic.machine, point, (*arguments, attic.code), folder=attic.folder, within=attic.folder)

    assert output.returncode == -9, output.stderr
    assert problems_of(attic.machine.store, sealed=False) == []
    attic.machine.python(environment, "-c", "import camera.contrib, old.two, cloud.core, single")
    attic.adopt()
    assert attic.linked(environment) == set(NAMES)
    assert differences(before, observe(environment, attic.machine, level=Level.METADATA)) == []
    assert leftovers_of(attic.machine.store) == []
    assert not (environment / ".pepip.adopting").exists()


@pytest.mark.every(30)
@pytest.mark.parametrize("part", range(KILLS))
def test_a_refused_change_leaves_each_distribution_old_or_linked(attic: Attic, part: int) -> None:
    """If the disk is full at any change, each distribution is either as before or linked.

    There is no traceback, and the next adoption completes the work.
    """
    import errno

    environment = attic.make("one", "uv copy")
    before = observe(environment, attic.machine, level=Level.METADATA)
    probe = replace(
        attic, folder=attic.folder / "probe", machine=replace(attic.machine, store=attic.folder / "probe-s")
    )
    probe.make("one", "uv copy")
    killed_before(probe.machine, 0, ("adopt", "--yes", probe.code), folder=attic.folder, within=attic.folder)
    count = len(changes_seen(attic.folder))

    point = 1 + part * (count - 1) // (KILLS - 1)
    output = refused_at(
        attic.machine,
        point,
        ("adopt", "--yes", attic.code),
        folder=attic.folder,
        within=attic.folder,
        error=errno.ENOSPC,
    )

    assert "Traceback" not in output.stderr
    assert problems_of(attic.machine.store, sealed=False) == []
    changed = differences(before, observe(environment, attic.machine, level=Level.METADATA))
    assert set(changed) <= {"folder .pepip.adopting: only in pepip's"}  # where its removal was refused
    attic.adopt()
    assert attic.linked(environment) == set(NAMES)
    assert not (environment / ".pepip.adopting").exists()


def test_two_adoptions_at_once_end_as_one_would(attic: Attic) -> None:
    """Two adoptions at the same time both succeed, and store each distribution once."""
    environments = [attic.make(name, "uv copy") for name in ("one", "two")]
    before = [observe(item, attic.machine, level=Level.METADATA) for item in environments]
    command = [sys.executable, "-m", "pepip", "adopt", "--yes", attic.code]

    runs = [attic.machine.start(command, folder=attic.folder) for _ in range(2)]
    errors = [run.communicate(timeout=120)[1] for run in runs]

    assert [run.returncode for run in runs] == [0, 0], errors
    assert entries_of(attic.machine.store) == sorted(f"{wheel.name}-{wheel.version}" for wheel in WHEELS)
    for item, seen in zip(environments, before, strict=True):
        assert attic.linked(item) == set(NAMES)
        assert differences(seen, observe(item, attic.machine, level=Level.METADATA)) == []


def test_store_on_another_disk_gets_verified_copies(attic: Attic) -> None:
    """A store on another disk gets one copy of each distribution, and every environment links to it."""
    environments = [attic.make(name, "uv copy") for name in ("one", "two")]
    before = [observe(item, attic.machine, level=Level.METADATA) for item in environments]
    with mounted("ext4", attic.folder / "disk", mebibytes=64) as disk:
        elsewhere = replace(attic, machine=replace(attic.machine, store=disk / "store"))

        elsewhere.adopt()

        assert problems_of(disk / "store") == []
        for item, seen in zip(environments, before, strict=True):
            assert attic.linked(item) == set(NAMES)
            assert differences(seen, observe(item, attic.machine, level=Level.METADATA)) == []


def test_a_committed_note_of_a_swap_is_data(attic: Attic) -> None:
    """A swap note from a checkout moves no file outside of the environment, neither by path nor through a link."""
    environment = attic.make("one", "uv copy", "single")
    victim = attic.folder / "victim"
    victim.write_text("mine\n")
    (environment / "out").symlink_to(attic.folder)
    planted = environment / ".pepip.adopting"
    planted.mkdir()
    (planted / "0").write_text("theirs\n")
    rows = [[path, 0, victim.stat().st_ino, False] for path in ("../../../victim", "out/victim", str(victim))]
    (planted / "swap.json").write_text(json.dumps(rows))

    attic.adopt()

    assert victim.read_text() == "mine\n"
    assert not planted.exists()
    assert attic.linked(environment) == {"single"}
