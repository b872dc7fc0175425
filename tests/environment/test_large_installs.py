"""Large installs use two processes for metadata and links, with the same result as one process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from pepip.cli.output import LiveReporter
from pepip.operations.reporting import Progress
from pepip.wheel import record
from tests.support.environments import Twins
from tests.support.filesystems import mounted
from tests.support.parity import Level
from tests.support.refusals import assert_refused
from tests.support.snapshots import changes, snapshot
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

pytestmark = pytest.mark.every(2)

MANY = 60
"""Enough distributions for a second process that makes metadata."""

PARTS = 80
"""The data files of some distributions: together enough links for a second process."""


def player(number: int) -> Wheel:
    """Return one of many wheels: some have a script, and some have data whose names need quotes in RECORD."""
    name = f"player{number}"
    has_script, has_data = number % 3 == 0, number % 10 == 0
    return Wheel(
        f"player-{number}",
        "1.0",
        files={f"{name}/__init__.py": f"def main():\n    print({number})\n", f"{name}/part.txt": name},
        data={f"data/share/{name}/{part}, {name}.txt": name for part in range(PARTS)} if has_data else {},
        entry_points={"console_scripts": {name: f"{name}:main"}} if has_script else {},
    )


EVERYONE = [f"player-{number}" for number in range(MANY)]
"""The names of all players."""

WHEELS = [
    *(player(number) for number in range(MANY)),
    *(
        Wheel(
            name,
            "1.0",
            files={f"{name}.py": "def main(): pass\n"},
            entry_points={"console_scripts": {"conduct": f"{name}:main"}},
        )
        for name in ("alto", "bass")
    ),
]
"""The wheels of many players, and two wheels with the same script."""


def script_of(workbench: Workbench, *names: str) -> str:
    """Install into a new project, and return the script `conduct` without its first line."""
    return (workbench.install(*names) / "bin" / "conduct").read_text().partition("\n")[2]


@pytest.fixture
def processors() -> int:
    """Return the number of processors. Skip the test if there are too few for two processes."""
    if sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one process does all here")
    return len(os.sched_getaffinity(0))


def test_many_distributions_equal_uvs(workbench: Workbench, twins: Twins) -> None:
    """Many distributions equal uv's, with their scripts, their data, and each row of RECORD."""
    twins.install(*EVERYONE, *workbench.from_wheelhouse)

    twins.assert_equal(Level.METADATA)
    assert workbench.problems() == []


_COUNT_FORKS = """
import sys
forks = []
sys.addaudithook(lambda event, _: forks.append(event) if event == "os.fork" else None)
from pepip.__main__ import main
main()
print("forks:", len(forks))
"""


@pytest.mark.usefixtures("processors")
def test_a_large_install_takes_two_processes(workbench: Workbench) -> None:
    """A large install forks twice: once for metadata and once for links."""
    workbench.at("stored").install(*EVERYONE)

    output = workbench.machine.run(
        [sys.executable, "-c", _COUNT_FORKS, "install", *EVERYONE, *workbench.source], folder=workbench.project
    )

    assert output.stdout.splitlines()[-1] == "forks: 2"


def test_a_bar_that_was_not_shown_yet_leaves_no_thread_to_linking() -> None:
    """A bar that is not visible yet ends its thread before linking, so that linking can use two processes.

    A later step that may take minutes gets a bar again.
    """
    before = threading.enumerate()
    bar = LiveReporter()
    try:
        bar.show(Progress("resolve"))
        assert len(threading.enumerate()) > len(before)

        bar.show(Progress("link", "", 0, MANY))
        assert threading.enumerate() == before

        bar.show(Progress("build"))
        assert len(threading.enumerate()) > len(before), "what may take minutes gets a bar again"
    finally:
        bar.close()


def test_a_script_of_two_distributions_is_the_same_ones_in_any_company(workbench: Workbench) -> None:
    """The owner of a script that two distributions have does not depend on which process is faster."""
    alone = script_of(workbench.at("alone"), "alto", "bass")

    assert {script_of(workbench.at(f"crowd{number}"), "alto", *EVERYONE, "bass") for number in range(3)} == {alone}


_WITH_FORKS = """
import os, resource, sys, time
number = 0

def in_first():
    global number
    number += 1
    if number == {fork}:
        {first}

def in_second():
    if number + 1 == {fork}:
        {second}

os.register_at_fork(after_in_parent=in_first, after_in_child=in_second)
from pepip.__main__ import main
sys.exit(main())
"""
"""Run pepip, and run code in both processes right after the fork of the given number."""


def _install_with(
    workbench: Workbench, project: Path, *, fork: int, first: str = "pass", second: str = "pass"
) -> int:
    project.mkdir()
    code = _WITH_FORKS.format(fork=fork, first=first, second=second)
    command = [sys.executable, "-c", code, "install", *EVERYONE, *workbench.source]
    return workbench.machine.run(command, folder=project, check=False).returncode


@pytest.mark.usefixtures("processors")
@pytest.mark.parametrize("fork", [1, 2], ids=["metadata", "links"])
def test_the_leftovers_of_a_killed_first_process_are_completed(workbench: Workbench, fork: int) -> None:
    """If the first process is killed, the next run waits for the second process and completes the install."""
    whole = workbench.at("whole").install(*EVERYONE)
    project = workbench.folder / "killed"

    killed = _install_with(workbench, project, fork=fork, first="os.kill(os.getpid(), 9)", second="time.sleep(1.5)")
    workbench.at(project).install(*EVERYONE)

    assert killed == -signal.SIGKILL
    assert _shape(project / ".venv") == _shape(whole)
    assert workbench.problems() == []
    time.sleep(1.5)
    assert _shape(project / ".venv") == _shape(whole), "nobody writes there any more"


@pytest.mark.every(6)
@pytest.mark.usefixtures("processors")
@pytest.mark.parametrize("fork", [1, 2], ids=["metadata", "links"])
@pytest.mark.parametrize(
    "trouble",
    ["resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))", "os.kill(os.getpid(), 9)", "os.kill(os.getpid(), 15)"],
    ids=["may write nothing", "is killed", "is ended"],
)
def test_an_install_is_whole_whatever_befalls_the_second_process(
    workbench: Workbench, fork: int, trouble: str
) -> None:
    """The first process does all work that the second process leaves undone."""
    whole = workbench.at("whole").install(*EVERYONE)
    project = workbench.folder / "app"

    assert _install_with(workbench, project, fork=fork, second=trouble) == 0

    assert _shape(project / ".venv") == _shape(whole)
    assert workbench.problems() == []


def _shape(environment: Path) -> list[str]:
    """Return the paths in an environment. Environments of the same set differ only in the contents of files."""
    return sorted(snapshot(environment))


@pytest.mark.parametrize("free_kibibytes", [0, 40, 120])
def test_a_full_disk_is_named_whichever_process_finds_it(
    workbench: Workbench, tmp_path: Path, free_kibibytes: int
) -> None:
    """The message names a full disk, whichever process finds it, and the environment stays as before."""
    workbench.at("stored").install(*EVERYONE)
    with mounted("tmpfs", tmp_path / "small", mebibytes=1) as disk:
        project = disk / "project"
        workbench.at(project).install("alto")
        before = snapshot(project / ".venv")
        ballast = disk / "ballast"
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize
        ballast.write_bytes(bytes(free - (free_kibibytes << 10)))

        output = workbench.at(project).attempt(*EVERYONE)

        assert_refused(output, "No space left on device")
        assert changes(before, snapshot(project / ".venv")) == []
        assert workbench.problems() == []


_IN_TWO = """
import os, signal, sys, time
from pepip.host import parallel

first = os.getpid()

def make(names):
    for name in names:
        time.sleep({seconds} if name == "there" else 0)
        os.mkdir(name)
        with open("processes", "a") as file:
            file.write(f"{{name}} {{'first' if os.getpid() == first else 'second'}}\\n")
        if name in {failing} and os.getpid() != first:
            raise OSError("in the second process")

{before}
parallel.in_two(make, {here}, {there})
"""
"""Make folders with two processes. The interpreter has no threads, unlike the one that runs the tests."""


def _make_in_two(
    folder: Path,
    *,
    here: Sequence[str] = ("here",),
    there: Sequence[str] = ("there",),
    failing: Sequence[str] = (),
    seconds: float = 0,
    before: str = "",
) -> tuple[str, list[str]]:
    """Make folders, and return stderr and, for each folder, the process that made it."""
    code = _IN_TWO.format(here=here, there=there, failing=failing, seconds=seconds, before=before)
    output = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert output.stdout == ""
    return output.stderr, sorted((folder / "processes").read_text().splitlines())


@pytest.mark.usefixtures("processors")
def test_two_processes_do_one_thing(tmp_path: Path) -> None:
    """Each process makes its part."""
    assert _make_in_two(tmp_path) == ("", ["here first", "there second"])


@pytest.mark.usefixtures("processors")
def test_a_second_process_starts_beside_a_thread_without_locks(tmp_path: Path) -> None:
    """Python warns of a thread, but this one can't block the second process."""
    before = "parallel.start_lockless_thread(lambda: time.sleep(0.5))"

    assert _make_in_two(tmp_path, before=before) == ("", ["here first", "there second"])


@pytest.mark.usefixtures("processors")
def test_work_that_fails_in_the_second_process_is_done_again_by_the_first(tmp_path: Path) -> None:
    """The first process repeats work that fails in the second, and raises any error of its own.

    Here the error is that the folder of the second process is in the way.
    """
    error, made = _make_in_two(tmp_path, there=["there"], failing=["there"])

    assert error.splitlines()[-1] == "FileExistsError: [Errno 17] File exists: 'there'"
    assert "in the second process" not in error
    assert made == ["here first", "there second"]


@pytest.mark.usefixtures("processors")
def test_an_error_of_the_first_process_is_raised_when_the_second_has_ended(tmp_path: Path) -> None:
    """An error of the first process is raised after the second has ended, so that nothing disturbs a clean-up."""
    error, made = _make_in_two(tmp_path, here=["here", "."], seconds=0.5)

    assert error.splitlines()[-1] == "FileExistsError: [Errno 17] File exists: '.'"
    assert made == ["here first", "there second"]


@pytest.mark.usefixtures("processors")
def test_an_interrupt_waits_for_the_second_process(tmp_path: Path) -> None:
    """An interrupt that only the first process gets is raised after the second has ended."""
    error, made = _make_in_two(
        tmp_path,
        seconds=1,
        before="signal.signal(signal.SIGALRM, signal.default_int_handler)\n"
        "os.register_at_fork(after_in_parent=lambda: signal.setitimer(signal.ITIMER_REAL, 0.3))",
    )

    assert error.splitlines()[-1] == "KeyboardInterrupt"
    assert made == ["here first", "there second"]


@pytest.mark.usefixtures("processors")
def test_a_second_process_whose_end_nobody_hears_of_counts_as_failed(tmp_path: Path) -> None:
    """A second process without an exit status counts as failed, as when pepip's parent ignores SIGCHLD."""
    error, made = _make_in_two(tmp_path, before="signal.signal(signal.SIGCHLD, signal.SIG_IGN)")

    assert error.splitlines()[-1] == "FileExistsError: [Errno 17] File exists: 'there'"
    assert made == ["here first", "there second"]


@pytest.mark.parametrize(
    "before",
    [
        "os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])",
        "import threading; threading.Thread(target=time.sleep, args=(0.5,)).start()",
        "parallel.start_lockless_thread(lambda: 0); "
        "import threading; threading.Thread(target=time.sleep, args=(0.5,)).start()",
        "os.fork = lambda: os.mkdir('.')",
    ],
    ids=["one processor", "a thread", "another thread beside one without locks", "no more processes"],
)
@pytest.mark.usefixtures("processors")
def test_one_process_does_all_where_a_second_would_be_no_help(tmp_path: Path, before: str) -> None:
    """With one processor, with threads, or after a failed fork, one process does all the work.

    With threads, a second process could hang: it would inherit their locks.
    """
    assert _make_in_two(tmp_path, before=before) == ("", ["here first", "there first"])


@pytest.mark.parametrize(
    "rows",
    [
        ["x-1.data/data/share/a,sha256=aa,1"],
        ["x/a,,", "x-1.data/data/share/a,sha256=aa,1", "x-1.data/data/share/b,sha256=bb,1", "x/b,,", "x/c,,"],
        ["x-1.data/data/share/\u00e9\udcff,,", "x/x-1.data/data/b,,", "x-1.data/data/share/b,sha256=bb,1"],
        ['"x-1.data/data/share/a,b",sha256=aa,1'],
        ['"x-1.data/data/share/a""b",sha256=aa,1', "x/__init__.py,sha256=bb,2"],
        ['"x/a\nb.txt",sha256=aa,1', "x-1.data/data/share/a,sha256=aa,1", '"x/c,d",,'],
        ['"x-1.data/data/share/a\nb",sha256=aa,1', "x-1.dist-info/RECORD,,"],
    ],
    ids=[
        "plain",
        "several",
        "other letters",
        "comma",
        "quote",
        "another row with the end of a line",
        "the end of a line",
    ],
)
def test_rows_of_data_are_moved_in_a_record(rows: Sequence[str]) -> None:
    """Rows of data get new paths, whatever characters they have. Other rows stay as they are."""
    content = "".join(f"{row}\n" for row in rows).encode("utf-8", "surrogateescape")
    moving = re.compile(r'^("?)x-1\.data/data/', re.MULTILINE)

    moved = record.moved(content, "x-1.data/data/", lambda path: path.replace("x-1.data/data/", "../"))
    without = record.moved(content, "x-1.data/data/", lambda _: "")

    expected = "".join(moving.sub(r"\1../", f"{row}\n") for row in rows)
    assert moved.decode("utf-8", "surrogateescape") == expected
    expected = "".join(f"{row}\n" for row in rows if not moving.match(row))
    assert without.decode("utf-8", "surrogateescape") == expected
