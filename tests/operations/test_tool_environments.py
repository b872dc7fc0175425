"""Tools, `uvx` and `--with`: receipts, launchers and folders are uv's, and the packages come from the store."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.machines import Machine, Output, site_packages_of, uv_executable
from tests.support.signals import PASSED_ON, TELLING, told_by
from tests.support.snapshots import snapshot
from tests.support.stores import leftovers_of, problems_of
from tests.support.wheels import Wheel

pytestmark = pytest.mark.every(2)

MAIN = "import sys\ndef main():\n    print('{}', *sys.argv[1:])\n    sys.exit(len(sys.argv) - 1)\n"
PEN = [
    Wheel(
        "pen",
        version,
        files={"pen/__init__.py": MAIN.format(f"pen {version}"), "pen/nib.txt": "gold\n"},
        dependencies=["ink"],
        entry_points={"console_scripts": {"pen": "pen:main"}},
    )
    for version in ("1.0", "2.0")
]
INK = Wheel("ink", "1.0", files={"ink/__init__.py": "COLOR = 'blue'\n"})


@dataclass(frozen=True)
class Desk:
    """A user with two folders for tools, uv's and pepip's, and a cache of their own."""

    machine: Machine
    folder: Path
    wheels: Path
    interpreter: Path

    def variables(self, of: str) -> dict[str, str]:
        """Return the variables with which tools go to the folder of `uv` or `pepip`."""
        return {
            "UV_CACHE_DIR": str(self.folder / "cache"),
            "UV_FIND_LINKS": str(self.wheels),
            "UV_NO_INDEX": "1",
            "UV_PYTHON": str(self.interpreter),
            "UV_TOOL_BIN_DIR": str(self.folder / of / "bin"),
            "UV_TOOL_DIR": str(self.folder / of / "tools"),
        }

    def pepip(self, *words: str | Path, check: bool = True) -> Output:
        """Run pepip."""
        return self.machine.pepip(*words, folder=self.folder, check=check, variables=self.variables("pepip"))

    def both(self, *words: str, check: bool = True) -> tuple[Output, Output]:
        """Run one command with uv and with pepip. Returns both outputs."""
        by_uv = self.machine.uv(*words, folder=self.folder, check=check, variables=self.variables("uv"))
        return by_uv, self.pepip(*words, check=check)

    def tool(self, of: str = "pepip", name: str = "pen") -> Path:
        """Return the environment of a tool."""
        return self.folder / of / "tools" / name

    def run_tool(self, of: str, *words: str) -> Output:
        """Run the launcher of the tool `pen`."""
        return self.machine.run([self.folder / of / "bin" / "pen", *words], folder=self.folder, check=False)

    def projects(self, *words: str) -> list[dict[str, object]]:
        """Return the environments that the store knows."""
        found: list[dict[str, object]] = json.loads(self.pepip("projects", "--json", *words).stdout)
        return found

    def is_linked(self, environment: Path, package: str) -> bool:
        """Say whether an environment links a package from the store."""
        path = site_packages_of(environment) / package
        return path.is_symlink() and path.resolve().is_relative_to(self.machine.store.resolve())

    def assert_whole(self) -> None:
        """Assert that the store is whole."""
        assert problems_of(self.machine.store) == []
        assert leftovers_of(self.machine.store) == []


@pytest.fixture
def desk(machine: Machine, tmp_path: Path, interpreter: Path) -> Desk:
    """Return a desk with the wheels of one tool, of which the newer version is not there yet."""
    folder = machine.make_folder(tmp_path / "desk")
    wheels = machine.make_folder(tmp_path / "wheels")
    for wheel in (PEN[0], INK):
        wheel.write(wheels)
    return Desk(machine, folder, wheels, interpreter)


def receipt(desk: Desk, of: str) -> str:
    """Return the receipt of the tool, with the same folder for both."""
    return (desk.tool(of) / "uv-receipt.toml").read_text().replace(f"/{of}/", "/…/")


def test_an_installed_tool_is_linked(desk: Desk) -> None:
    """Output, receipt, launchers and the tool's own output are uv's. Its packages are links."""
    by_uv, by_pepip = desk.both("tool", "install", "pen")

    assert by_pepip.stdout == by_uv.stdout
    assert receipt(desk, "pepip") == receipt(desk, "uv")
    assert os.readlink(desk.folder / "pepip/bin/pen") == os.readlink(desk.folder / "uv/bin/pen").replace(
        "/uv/", "/pepip/"
    )
    assert desk.run_tool("pepip", "x").stdout == desk.run_tool("uv", "x").stdout == "pen 1.0 x\n"
    assert desk.is_linked(desk.tool(), "pen")
    assert desk.is_linked(desk.tool(), "ink")
    assert [item["name"] for item in desk.projects("--kind", "tool")] == ["pen"]
    assert "pen" in desk.pepip("uses", "ink").stdout
    desk.assert_whole()


def test_a_linked_tool_is_upgraded_and_removed_by_uv(desk: Desk) -> None:
    """The commands of uv's guide say and do the same on a linked tool, and never write through its links."""
    desk.both("tool", "install", "pen")
    before = snapshot(desk.machine.store / "packages")
    PEN[1].write(desk.wheels)
    for words in (
        ("tool", "list"),
        ("tool", "install", "pen"),
        ("tool", "upgrade", "pen"),
        ("tool", "upgrade", "--all"),
        ("tool", "install", "--force", "pen"),
        ("tool", "list", "--show-paths"),
        ("tool", "upgrade", "nothing"),
        ("tool", "install", "there-is-no-such-tool"),
    ):
        by_uv, by_pepip = desk.both(*words, check=False)
        assert by_pepip.returncode == by_uv.returncode, by_pepip.stderr
        assert by_pepip.stdout.replace("/pepip/", "/uv/") == by_uv.stdout

    assert desk.run_tool("pepip").stdout == "pen 2.0\n"
    assert receipt(desk, "pepip") == receipt(desk, "uv")
    assert desk.is_linked(desk.tool(), "pen")
    after = snapshot(desk.machine.store / "packages")
    assert {path: after.get(path) for path in before if "pen-1.0" in path} == {
        path: node for path, node in before.items() if "pen-1.0" in path
    }
    by_uv, by_pepip = desk.both("tool", "uninstall", "pen")
    assert by_pepip.stdout == by_uv.stdout
    assert not desk.tool().exists()
    assert not (desk.folder / "pepip/bin/pen").exists()
    desk.assert_whole()
    desk.pepip("prune", "--yes")
    assert json.loads(desk.pepip("store", "list", "--json").stdout) == []


def test_an_installed_tool_is_never_pruned(desk: Desk) -> None:
    """To be installed is to be used: a tool that only its own launcher starts keeps its entries, however old."""
    desk.pepip("tool", "install", "pen")

    for words in (("--older-than", "0s"), ("--max-size", "0")):
        desk.pepip("prune", "--yes", *words)

    assert desk.run_tool("pepip").stdout == "pen 1.0\n"
    assert len(json.loads(desk.pepip("store", "list", "--json").stdout)) == 2


def test_a_tool_and_a_project_share_entries(desk: Desk) -> None:
    """The same wheel is in the store once, whoever came first."""
    desk.pepip("install", "ink")
    desk.pepip("tool", "install", "pen")

    names = [item["name"] for item in json.loads(desk.pepip("store", "list", "--json").stdout)]
    assert sorted(names) == ["ink", "pen"]


@pytest.mark.parametrize(
    "words",
    [("x", "pen", "a", "b"), ("tool", "run", "pen", "a", "b"), ("x", "--from", "pen==1.0", "pen", "a", "b")],
    ids=" ".join,
)
def test_x_links_its_environment(desk: Desk, words: tuple[str, ...]) -> None:
    """Output and exit code are uvx's, the first time and later. The environment in uv's cache is linked."""
    for _ in range(3):
        output = desk.pepip(*words, check=False)
        assert output.stdout == "pen 1.0 a b\n"
        assert output.returncode == 2

    (found,) = desk.projects("--kind", "run")
    environment = Path(str(found["environment"]))
    assert environment.is_relative_to(desk.folder / "cache")
    assert desk.is_linked(environment, "pen")
    assert str(found["name"]).startswith("uvx pen")
    desk.assert_whole()


def test_a_warm_x_becomes_uv(desk: Desk) -> None:
    """When the environment is linked, pepip itself does not stay: the process is replaced by uv."""
    desk.pepip("x", "pen")

    traced = [
        "strace",
        "-f",
        "-qq",
        "-e",
        "trace=execve,clone,clone3,vfork",
        sys.executable,
        "-m",
        "pepip",
        "x",
        "pen",
    ]
    output = desk.machine.run(traced, folder=desk.folder, variables=desk.variables("pepip"))

    calls = [line for line in output.stderr.splitlines() if "execve(" in line or "clone" in line or "vfork" in line]
    first_uv = next(at for at, line in enumerate(calls) if f'"{uv_executable()}"' in line)
    assert [line for line in calls[:first_uv] if "execve(" not in line] == []


def test_with_is_linked(desk: Desk) -> None:
    """What `--with` and `--with-requirements` ask for is found, and linked."""
    (desk.folder / "list.txt").write_text("pen\n")
    for words in (("--with", "ink"), ("--with-requirements", "list.txt")):
        by_uv, by_pepip = desk.both("run", *words, "python", "-c", "import ink; print(ink.COLOR)")
        assert by_pepip.stdout == by_uv.stdout

    # uv came first, so the environments were there, as uv made them
    desk.pepip("run", "--with", "pen<2", "--with", "ink<2", "python", "-c", "import ink")
    for found in desk.projects("--kind", "run"):
        assert desk.is_linked(Path(str(found["environment"])), "ink")
    desk.assert_whole()


def test_requirements_from_a_pipe_are_read_once(desk: Desk) -> None:
    """A shell gives the output of a command as a file that can't be read a second time."""
    shown = f"{sys.executable} -m pepip run --with-requirements <(echo ink) python -c 'import ink; print(ink.COLOR)'"
    by_uv = desk.both("run", "--with", "ink", "python", "-c", "import ink; print(ink.COLOR)")[0]

    output = desk.machine.run(["bash", "-c", shown], folder=desk.folder, variables=desk.variables("pepip"))

    assert output.stdout == by_uv.stdout


def test_with_is_linked_before_the_command_starts(desk: Desk) -> None:
    """A worker that runs for days, or that is killed, has its packages from the store from its first run on."""
    shows = "import os, ink; print(os.path.realpath(ink.__file__))"
    for words in (("python", "-c", shows), ("-m", "ink")):
        desk.machine.uv("cache", "clean", folder=desk.folder, variables=desk.variables("uv"))
        options, command = (words[:1], words[1:]) if words[0] == "-m" else ((), words)
        said = desk.pepip("run", "--with", "ink", *options, *command, check=False)
        environments = [item for item in desk.projects("--kind", "run") if item["state"] == "ok"]

        assert [desk.is_linked(Path(str(item["environment"])), "ink") for item in environments] == [True]
        if words[0] == "python":
            assert said.stdout.startswith(f"{desk.machine.store}/packages/")
        else:
            assert "No module named ink.__main__" in said.stderr
    desk.assert_whole()


def test_a_script_from_stdin_is_linked(desk: Desk) -> None:
    """Its environment in uv's cache is linked when the script has ended."""
    text = '# /// script\n# dependencies = ["ink"]\n# ///\nimport ink; print(ink.COLOR)\n'
    process = desk.machine.start(
        [sys.executable, "-m", "pepip", "run", "-"], folder=desk.folder, variables=desk.variables("pepip")
    )

    stdout, stderr = process.communicate(text, timeout=120)

    assert stdout == "blue\n", stderr
    (found,) = desk.projects("--kind", "script")
    assert desk.is_linked(Path(str(found["environment"])), "ink")


@pytest.mark.parametrize("variables", [{"UV_LINK_MODE": "copy"}, {"UV_NO_CACHE": "1"}], ids=str)
def test_a_user_who_asks_for_own_files_gets_those_of_uv(desk: Desk, variables: dict[str, str]) -> None:
    """A link mode of uv keeps its meaning, and an environment that does not last is not linked."""
    for words in (("tool", "install", "pen"), ("x", "pen")):
        desk.machine.pepip(*words, folder=desk.folder, variables={**desk.variables("pepip"), **variables})

    if "UV_LINK_MODE" in variables:
        assert not desk.is_linked(desk.tool(), "pen")
    assert desk.run_tool("pepip").stdout == "pen 1.0\n"


@pytest.mark.parametrize("command", ["clean", "prune"])
def test_uvs_cache_can_be_emptied(desk: Desk, command: str) -> None:
    """The environments go, not the entries behind their links, and the next run links anew."""
    desk.pepip("x", "pen")
    desk.machine.uv("cache", command, folder=desk.folder, variables=desk.variables("uv"))

    desk.assert_whole()
    assert [item["state"] for item in desk.projects()] == ["missing"]
    desk.pepip("x", "pen")
    assert "ok" in [item["state"] for item in desk.projects("--kind", "run")]


def test_a_signal_ends_the_tool_too(desk: Desk) -> None:
    """A first run, in which pepip waits for uv, ends with its tool when it is asked to."""
    waits = "import os, time; print(os.getpid(), flush=True); time.sleep(300)"
    (desk.folder / "waits.py").write_text(waits)
    process = desk.machine.start(
        [sys.executable, "-m", "pepip", "run", "--with", "ink", "waits.py"],
        folder=desk.folder,
        variables=desk.variables("pepip"),
    )
    assert process.stdout is not None
    number = int(process.stdout.readline())

    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)

    assert process.returncode != 0
    deadline = time.monotonic() + 30
    while Path(f"/proc/{number}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("words", ["tool run bell", "run --with ink -"])
def test_signals_reach_the_tool_in_its_first_run(desk: Desk, words: str) -> None:
    """As under uv, also while pepip waits for uv. The exit code is the tool's."""
    bell = Wheel("bell", "1.0", files={"bell.py": TELLING}, entry_points={"console_scripts": {"bell": "bell:main"}})
    bell.write(desk.wheels)
    ends = []
    for tool in ([sys.executable, "-m", "pepip"], [uv_executable()]):
        process = desk.machine.start(
            [*map(str, tool), *words.split()], folder=desk.folder, variables=desk.variables("uv")
        )
        assert process.stdin is not None
        process.stdin.write(TELLING)
        process.stdin.close()
        process.stdin = None
        ends.append(told_by(process))

    assert ends[0] == ends[1] == (["ready", *(number.name for number in PASSED_ON), "SIGTERM"], 7)


def test_open_files_reach_the_tool(desk: Desk, tmp_path: Path) -> None:
    """A file descriptor that the shell opened for the command is open in it, as with uv."""
    (tmp_path / "input").write_text("from the shell\n")
    (desk.folder / "reads.py").write_text("import os; print(os.read(7, 99))")
    line = f'exec 7< {tmp_path / "input"}; "$0" -m pepip run --with ink reads.py'

    output = desk.machine.run(
        ["sh", "-c", line, sys.executable], folder=desk.folder, variables=desk.variables("pepip")
    )

    assert output.stdout == "b'from the shell\\n'\n"


def test_prune_breaks_nothing_that_runs(desk: Desk) -> None:
    """Runs with new environments, and a tool, work while the store is pruned again and again."""
    desk.pepip("tool", "install", "pen")
    words = [sys.executable, "-m", "pepip", "prune", "--yes"]
    for number in range(6):
        with_new = [sys.executable, "-m", "pepip", "run", "--with", "pen", "--with", f"ink>0.{number}", "python"]
        runs = [
            desk.machine.start(command, folder=desk.folder, variables=desk.variables("pepip"))
            for command in ([*with_new, "-c", "import ink, pen"], words, words)
        ]
        for run in runs:
            _, stderr = run.communicate(timeout=120)
            assert run.returncode == 0, stderr
        assert desk.run_tool("pepip").stdout == "pen 1.0\n"
    desk.assert_whole()
