"""`pepip uninstall` leaves the same environment as `uv pip uninstall`, and does not change the store.

Twin environments get the same commands on wheels built here. Folders that were unfolded for a removed package are
folded again, so the environment has the same shape as one that never had the package.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.environments import SuppliedTwins, Twins
from tests.support.machines import Output, site_packages_of, uv_executable
from tests.support.parity import Level
from tests.support.snapshots import changes, link_shape, snapshot
from tests.support.stores import problems_of
from tests.support.terminals import run_on_terminal
from tests.support.wheels import PKGUTIL_NAMESPACE, Wheel

pytestmark = pytest.mark.every(2)

CLOCK = Wheel(
    "clock",
    "1.0",
    files={"clock/__init__.py": "def main():\n    print('noon')\n", "clock/hands/__init__.py": "", "tick.py": ""},
    data={
        "data/share/clock/manual.txt": "wind it\n",
        "data/etc/clock.conf": "zone = utc\n",
        "scripts/wind": "#!python\nprint('wound')\n",
        "headers/clock.h": "/* clock */\n",
    },
    entry_points={"console_scripts": {"clock": "clock:main"}, "gui_scripts": {"clock-face": "clock:main"}},
)
TOWER = Wheel("tower", "1.0", files={"tower/__init__.py": "import clock\n"}, dependencies=["clock"])
LENS_FILES = {"lens/__init__.py": "", "lens/glass/__init__.py": "", "lens/glass/curve.txt": "curve\n"}
JOINT_FILES = {"joint/__init__.py": PKGUTIL_NAMESPACE}
EVERY_WHEEL = [
    CLOCK,
    TOWER,
    Wheel("lens", "1.0", files={**LENS_FILES, "lens/plain.py": ""}),
    Wheel("lens-extra", "1.0", files={**LENS_FILES, "lens/extra.py": ""}),
    Wheel("space-one", "1.0", files={"space/one/__init__.py": "", "space/one/inner/__init__.py": ""}),
    Wheel("space-two", "1.0", files={"space/two/__init__.py": ""}),
    Wheel("joint-one", "1.0", files={**JOINT_FILES, "joint/one/__init__.py": ""}),
    Wheel("joint-two", "1.0", files={**JOINT_FILES, "joint/two/__init__.py": ""}),
    Wheel("kernel-one", "1.0", data={"data/share/kernels/one/kernel.json": "{}\n"}),
    Wheel("kernel-two", "1.0", data={"data/share/kernels/two/kernel.json": "{}\n"}),
]


@dataclass(frozen=True)
class Desk(SuppliedTwins):
    """Twin projects, from which the same distributions are uninstalled."""

    @property
    def environment(self) -> Path:
        """Return pepip's environment."""
        return self.twins.pepip_environment

    def install(self, *arguments: str | Path) -> None:
        """Install into both environments."""
        self.twins.install(*arguments, *self.source)

    def uninstall(self, *arguments: str | Path, check: bool = True) -> tuple[Output, Output]:
        """Uninstall from both environments, and return the outputs of uv and pepip."""
        machine = self.twins.machine
        return (
            machine.uv("pip", "uninstall", *arguments, folder=self.twins.uv_project, check=check),
            machine.pepip("uninstall", *arguments, folder=self.twins.pepip_project, check=check),
        )

    def on_terminal(self, *arguments: str | Path, answer: str) -> Output:
        """Let pepip uninstall on a terminal, and answer its question."""
        return run_on_terminal(
            self.twins.machine,
            [sys.executable, "-m", "pepip", "uninstall", *arguments],
            folder=self.twins.pepip_project,
            answers=[("[Y/n]", answer)] if answer else [],
        )

    def assert_equal(self) -> None:
        """Assert that both environments are equal."""
        assert self.twins.differences(Level.METADATA) == []

    def has(self, distribution: str) -> bool:
        """Return whether pepip's environment has a distribution, as uv lists it."""
        listed = self.twins.machine.uv("pip", "freeze", folder=self.twins.pepip_project).stdout
        return f"{distribution}==" in listed


@pytest.fixture
def desk(twins: Twins, wheelhouse: Path) -> Desk:
    """Return empty twin projects, and wheels to install."""
    for wheel in EVERY_WHEEL:
        wheel.write(wheelhouse)
    for folder in (twins.uv_project, twins.pepip_project):
        folder.mkdir(parents=True)
    return Desk(twins, wheelhouse)


@pytest.mark.every(4)
@pytest.mark.parametrize(
    ("installed", "leaving"),
    [
        (["clock"], ["clock"]),
        (["clock", "space-one"], ["CLOCK"]),
        (["tower"], ["clock"]),
        (["tower", "lens"], ["tower", "lens"]),
        (["lens", "lens-extra"], ["lens", "lens-extra"]),
        (["space-one", "space-two"], ["space-two"]),
        (["space-one", "space-two"], ["space.one"]),
        (["joint-one", "joint-two"], ["joint_one", "joint-two"]),
        (["kernel-one", "kernel-two"], ["kernel-two"]),
        (["kernel-one", "kernel-two"], ["kernel-one", "kernel-two"]),
        (["clock", "space-one"], ["clock==7.0"]),
    ],
    ids=str,
)
def test_a_distribution_is_gone_and_the_rest_is_as_uv_leaves_it(
    desk: Desk, installed: list[str], leaving: list[str]
) -> None:
    """Links, scripts, data files, headers and metadata are removed, and the store keeps every byte."""
    desk.install(*installed)
    before = snapshot(desk.twins.machine.store / "packages")

    desk.uninstall(*leaving)

    desk.assert_equal()
    assert changes(before, snapshot(desk.twins.machine.store / "packages")) == []


@pytest.mark.parametrize(
    ("staying", "leaving", "shared"),
    [("lens", "lens-extra", LENS_FILES), ("lens-extra", "lens", LENS_FILES), ("joint-two", "joint-one", JOINT_FILES)],
)
def test_a_file_of_two_stays_with_the_one_that_stays(
    desk: Desk, staying: str, leaving: str, shared: dict[str, str]
) -> None:
    """A file that two distributions share stays. uv removes it, and so breaks the other distribution.

    This is the only difference to uv.
    """
    desk.install(staying, leaving)

    desk.uninstall(leaving)

    folder = site_packages_of(desk.environment).relative_to(desk.environment)
    kept = {line.partition(":")[0] for line in desk.twins.differences(Level.METADATA) if "only in pepip's" in line}
    files = {f"file {folder}/{path}" for path in shared}
    assert {line for line in kept if line.startswith("file")} == files
    assert len(desk.twins.differences(Level.FILES)) == len(kept)
    desk.twins.machine.python(desk.environment, "-c", f"import {next(iter(shared)).partition('/')[0]}")


def test_everything_can_go(desk: Desk) -> None:
    """The environment then is as `uv venv` made it, and works."""
    names = [wheel.name for wheel in EVERY_WHEEL]
    desk.install(*names)
    before = snapshot(desk.twins.machine.store / "packages")

    desk.uninstall(*names)

    desk.assert_equal()
    assert [path.name for path in site_packages_of(desk.environment).iterdir() if path.suffix == ".dist-info"] == []
    assert not (desk.environment / "share").exists()
    assert changes(before, snapshot(desk.twins.machine.store / "packages")) == []


@pytest.mark.parametrize(
    ("staying", "leaving"),
    [("lens", "lens-extra"), ("space-one", "space-two"), ("kernel-one", "kernel-two"), ("clock", "tower")],
)
def test_folders_fold_again(desk: Desk, staying: str, leaving: str) -> None:
    """The remaining distribution has the same links as in an environment that never had the other one."""
    project = desk.twins.pepip_project
    alone = desk.twins.folder / "alone"
    alone.mkdir()
    source = (*desk.source, "--python", desk.twins.interpreter)
    desk.twins.machine.pepip("install", staying, *source, folder=alone)
    desk.twins.machine.pepip("install", staying, leaving, *source, folder=project)

    desk.twins.machine.pepip("uninstall", leaving, folder=project)

    assert link_shape(desk.environment) == link_shape(alone / ".venv")


def test_a_distribution_removed_from_one_project_stays_in_another(desk: Desk) -> None:
    """A second project with the same packages still works, and the package can be linked again without a download."""
    machine = desk.twins.machine
    desk.install("tower")
    second = desk.twins.folder / "second"
    second.mkdir()
    machine.pepip("install", "tower", *desk.source, "--python", desk.twins.interpreter, folder=second)

    desk.uninstall("clock", "tower")
    desk.install("clock")

    desk.assert_equal()
    machine.python(second / ".venv", "-c", "import tower, clock.hands, tick")
    assert machine.run([second / ".venv/bin/clock"], folder=second).stdout == "noon\n"
    assert problems_of(machine.store) == []


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_real_files_of_another_installer_go(desk: Desk, pip: Path, installer: str) -> None:
    """Real files that uv or pip installed are removed by their own RECORD."""
    desk.install("space-one")
    if installer == "uv":
        desk.twins.run("uv", "pip", "install", "clock", "space-two", *desk.source)
    else:
        runner = pip / "pip" / "__pip-runner__.py"
        desk.twins.run("python", runner, "install", "clock", "space-two", *desk.source)

    desk.uninstall("clock", "space-two")

    desk.assert_equal()
    assert not (desk.environment / "bin" / "clock").exists()
    assert problems_of(desk.twins.machine.store) == []


@pytest.mark.parametrize("kind", ["editable", "folder"])
def test_a_local_project_goes_and_its_source_stays(desk: Desk, kind: str) -> None:
    """The source folder of an editable, or of a distribution installed from a folder, is unchanged."""
    source = CLOCK.write_source(desk.twins.folder / "source")
    desk.install(*(["-e", source] if kind == "editable" else [source]), "space-one")
    before = snapshot(source)

    assert (desk.environment / "bin" / "clock").exists()

    desk.uninstall("clock")

    desk.assert_equal()
    assert not (desk.environment / "bin" / "clock").exists()
    assert changes(before, snapshot(source)) == []


def test_bytecode_beside_linked_modules_goes(desk: Desk) -> None:
    """Bytecode that the project's interpreter compiled of a removed package is removed, as under uv."""
    desk.install("clock", "space-one", "space-two")
    desk.twins.run("python", "-c", "import tick, clock.hands, space.one.inner, space.two")

    desk.uninstall("clock", "space-two")

    desk.assert_equal()
    left = {path.name.partition(".")[0] for path in site_packages_of(desk.environment).rglob("*.pyc")}
    assert "tick" not in left


@pytest.mark.parametrize("names", [["absent"], ["absent", "clock"], ["absent", "missing"]], ids=str)
def test_an_unknown_name_is_a_warning(desk: Desk, names: list[str]) -> None:
    """The exit code is uv's, each unknown name has a warning, and the known ones are removed."""
    desk.install("clock", "space-one")

    of_uv, of_pepip = desk.uninstall(*names, check=False)

    assert of_pepip.returncode == of_uv.returncode == 0
    warnings = [line for line in of_pepip.stderr.splitlines() if line.startswith("warning:")]
    for name in {"absent", "missing"} & set(names):
        assert any(name in line for line in warnings), of_pepip.stderr
    assert not any("clock" in line for line in warnings)
    desk.assert_equal()


def test_names_come_from_a_file(desk: Desk) -> None:
    """`-r` takes a requirements file with versions, comments, nested files and names that are not installed."""
    desk.install("tower", "lens", "space-one", "space-two")
    for project in (desk.twins.uv_project, desk.twins.pepip_project):
        (project / "leaving.txt").write_text("clock==1.0  # the clock\n-r more.txt\nabsent\n")
        (project / "more.txt").write_text("lens>=0.1\n")

    desk.uninstall("-r", "leaving.txt", "space-two")

    desk.assert_equal()
    assert not desk.has("clock")
    assert not desk.has("lens")
    assert desk.has("tower")


@pytest.mark.every(2)
@pytest.mark.parametrize(
    "arguments",
    [(), ("-r", "missing.txt"), ("-r", "empty.txt"), ("clock", "--no-such-option"), ("clock==",), ("!!!",)],
    ids=str,
)
def test_a_bad_request_ends_as_with_uv(desk: Desk, arguments: tuple[str, ...]) -> None:
    """The exit code is uv's, stderr has a message, and nothing is removed."""
    desk.install("clock")
    for project in (desk.twins.uv_project, desk.twins.pepip_project):
        (project / "empty.txt").write_text("# nothing\n")
    before = snapshot(desk.environment)

    of_uv, of_pepip = desk.uninstall(*arguments, check=False)

    assert of_pepip.returncode == of_uv.returncode, of_pepip.stderr
    assert of_pepip.stdout == ""
    assert "Traceback" not in of_pepip.stderr
    assert of_pepip.stderr != ""
    assert changes(before, snapshot(desk.environment)) == []


def test_without_an_environment_nothing_is_made(desk: Desk) -> None:
    """There is one error line, and neither an environment nor a store is made."""
    folder = desk.twins.pepip_project

    output = desk.twins.machine.pepip("uninstall", "clock", folder=folder, check=False)

    assert output.returncode == 1
    assert output.stderr.startswith("error:")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("answer", ["\n", "y\n", "YES\n"])
def test_on_a_terminal_it_asks_and_a_yes_removes(desk: Desk, answer: str) -> None:
    """Enter means yes, as with pip. The question lists the distributions to remove."""
    desk.install("tower")
    desk.twins.machine.uv("pip", "uninstall", "clock", folder=desk.twins.uv_project)

    output = desk.on_terminal("clock", answer=answer)

    assert output.returncode == 0
    assert "clock==1.0" in output.stdout.partition("[Y/n]")[0]
    desk.assert_equal()


@pytest.mark.parametrize("answer", ["n\n", "no\n", "what?\n", "\x04"])
def test_on_a_terminal_all_else_keeps_everything(desk: Desk, answer: str) -> None:
    """Any other answer, and the end of input, gives exit code 1, and the environment is unchanged."""
    desk.install("tower")
    before = snapshot(desk.environment)

    output = desk.on_terminal("clock", answer=answer)

    assert output.returncode == 1
    assert changes(before, snapshot(desk.environment)) == []


def test_an_interrupt_at_the_question_keeps_everything(desk: Desk) -> None:
    """Ctrl-C ends the command with 130 and without a traceback."""
    desk.install("tower")
    before = snapshot(desk.environment)

    output = desk.on_terminal("clock", answer="\x03")

    assert output.returncode == 130
    assert "Traceback" not in output.stdout
    assert changes(before, snapshot(desk.environment)) == []


@pytest.mark.parametrize("flag", ["-y", "--yes"])
def test_yes_is_said_beforehand(desk: Desk, flag: str) -> None:
    """With `-y` there is no question on a terminal."""
    desk.install("clock", "space-one")
    desk.twins.machine.uv("pip", "uninstall", "clock", folder=desk.twins.uv_project)

    output = desk.on_terminal(flag, "clock", answer="")

    assert output.returncode == 0
    assert "[Y/n]" not in output.stdout
    desk.assert_equal()


def test_nothing_to_remove_asks_nothing(desk: Desk) -> None:
    """Even on a terminal, an unknown name alone gives a warning and no question."""
    desk.install("clock")

    output = desk.on_terminal("absent", answer="")

    assert output.returncode == 0
    assert "[Y/n]" not in output.stdout
    assert "warning:" in output.stdout


def test_a_dry_run_says_and_changes_nothing(desk: Desk) -> None:
    """A dry run lists the distributions to remove, and asks no question on a terminal."""
    desk.install("tower")
    before = snapshot(desk.environment)

    _, of_pepip = desk.uninstall("--dry-run", "clock", "absent")
    on_terminal = desk.on_terminal("--dry-run", "clock", answer="")

    assert " - clock==1.0" in of_pepip.stderr
    assert "[Y/n]" not in on_terminal.stdout
    assert changes(before, snapshot(desk.environment)) == []


@pytest.mark.parametrize("flags", [(), ("--dry-run",)], ids=str)
def test_json_is_one_document_on_stdout(desk: Desk, flags: tuple[str, ...]) -> None:
    """The document names the environment and the removed distributions."""
    desk.install("tower")

    said = desk.twins.machine.pepip("uninstall", "--json", "clock", *flags, folder=desk.twins.pepip_project)

    document = json.loads(said.stdout)
    assert document["environment"] == str(desk.environment)
    assert document["removed"] == [{"name": "clock", "version": "1.0"}]
    assert document["dry_run"] is bool(flags)
    assert said.stderr == ""
    assert desk.has("clock") is bool(flags)


def test_an_environment_is_named(desk: Desk) -> None:
    """`--venv`, `--python` and `VIRTUAL_ENV` name another environment than the one here."""
    machine = desk.twins.machine
    desk.install("clock", "lens", "space-one", "tower")
    elsewhere = desk.twins.folder / "elsewhere"
    elsewhere.mkdir()

    machine.pepip("uninstall", "clock", "--venv", desk.environment, folder=elsewhere)
    machine.pepip("uninstall", "lens", "--python", desk.environment / "bin/python", folder=elsewhere)
    variables = {"VIRTUAL_ENV": str(desk.environment)}
    machine.pepip("pip", "uninstall", "tower", folder=elsewhere, variables=variables)
    machine.uv("pip", "uninstall", "clock", "lens", "tower", folder=desk.twins.uv_project)

    desk.assert_equal()


def test_a_target_is_uvs(desk: Desk) -> None:
    """Only uv removes from the folder of `--target`, with its words and exit code."""
    folder = desk.twins.pepip_project
    target = folder / "target"
    machine = desk.twins.machine
    said = []
    for command in ([uv_executable(), "pip"], [sys.executable, "-m", "pepip"]):
        machine.uv("pip", "install", "--target", target, "--python", desk.twins.interpreter, "clock", *desk.source,
                   folder=folder)  # fmt: skip
        arguments = ["uninstall", "--target", target, "--python", desk.twins.interpreter, "clock"]
        output = machine.run([*command, *arguments], folder=folder)
        said.append(output.stderr.splitlines()[-1])
        assert not (target / "clock").exists()

    assert said == [" - clock==1.0"] * 2


def test_a_store_that_is_gone_does_not_hinder(desk: Desk) -> None:
    """Dangling links are removed too."""
    desk.install("clock", "space-one", "space-two")
    machine = desk.twins.machine
    machine.run(["chmod", "-R", "u+w", machine.store], folder=desk.twins.folder)
    machine.run(["rm", "-rf", machine.store / "packages"], folder=desk.twins.folder)

    desk.uninstall("clock", "space-one", "space-two")

    desk.assert_equal()
