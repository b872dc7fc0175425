"""The parts of the benchmark, with small wheels: its index, its measurements, its comparisons and its report."""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import pytest

from eval import copies, floor
from eval.bench import check, disk, index, phases, plot, prepare, report, rows, sets, tools
from eval.bench.measure import FailedError, clean_variables, measure
from eval.bench.network import Network
from eval.bench.rounds import Results, Rounds, Sample, Work
from tests.support.machines import Machine, uv_executable
from tests.support.wheels import Wheel

LIBRARY = Wheel(
    "the-library",
    "1.5",
    files={"the_library/__init__.py": "VALUE = 1\n", "_private.py": ""},
    entry_points={"console_scripts": {"greet": "the_library:main"}},
)
PINS = ["the-library==1.5"]


@pytest.fixture
def files(wheelhouse: Path) -> list[Path]:
    """Return the wheels that small rounds of the benchmark need."""
    extra = [Wheel(sets.EXTRA, pin.partition("==")[2]) for pin in (sets.EXTRA_OLD, sets.EXTRA_NEW)]
    return [wheel.write(wheelhouse) for wheel in (LIBRARY, *extra)]


@pytest.fixture
def programs(interpreter: Path) -> tools.Programs:
    """Return uv, and the pepip beside the interpreter of the tests."""
    return tools.Programs(uv_executable(), Path(sys.executable).with_name("pepip"), None, interpreter)


def outcome(results: Results, footprints: list[disk.Footprint] | None = None) -> report.Outcome:
    """Return the outcome of a run of uv and pepip on the seed set."""
    return report.Outcome(["uv", "pepip"], "seed", "copied", {"rounds": 1}, results, footprints or [])


def results_of(row: rows.Row, **seconds: list[float]) -> Results:
    """Return results that have these samples, in seconds, of one row."""
    return Results(
        {(row, tool): [Sample(second, 20000, second / 2) for second in of_tool] for tool, of_tool in seconds.items()}
    )


@pytest.mark.real_world
def test_rounds_fill_every_row_and_ask_the_index_nothing_after_the_warm_up(
    files: list[Path], programs: tools.Programs, interpreter: Path, tmp_path: Path
) -> None:
    """Both tools run through all steps of a project, and the environments have the pinned distributions.

    After the warm-up, no request reaches the index.
    """
    compared = [tools.make(name, programs) for name in ("uv", "pepip")]
    work = Work(PINS, ["the_library"], interpreter, prepare.python_version(interpreter))
    with index.served(map(index.read_wheel, files)) as server:
        supply = tools.Supply(server.url, files[0].parent)
        rounds = Rounds(tmp_path / "run", compared, work, supply, say=lambda _: None, settle=lambda: None)
        asked = rounds.warm(1, tmp_path / "others", lambda: server.requests)
        rounds.cold(1)
        rounds.network(1, supply)
        rounds.remove(1)
        footprint = disk.measure_projects(tmp_path / "disk", compared[1], work, supply, 2)

    found = rounds.results
    assert found.troubles == {}
    assert found.missing_programs == {}
    assert asked == 0
    assert {row for row in rows.ROWS if not found.seconds(row, "pepip")} == set()
    assert {row for row in rows.ROWS if not found.seconds(row, "uv")} == {rows.TIDY}
    assert footprint.whole.inodes > footprint.last_after_import.inodes > 0
    ElementTree.fromstring(plot.draw(outcome(found), "seed & more"))
    assert rows.NEW.title in report.text(outcome(found, [footprint]))


def test_a_network_carries_no_more_than_its_speed(files: list[Path]) -> None:
    """Two connections share one line."""
    wheel = index.read_wheel(files[0])
    size = files[0].stat().st_size
    with index.served([wheel], Network(size * 4)) as server:
        url = server.url.replace("/simple/", f"/files/{files[0].name}")
        started = time.monotonic()
        with ThreadPoolExecutor(2) as pool:
            contents = list(pool.map(lambda _: urllib.request.urlopen(url).read(), range(2)))
        seconds = time.monotonic() - started

    assert contents == [files[0].read_bytes()] * 2
    assert seconds >= 0.5


def test_environment_is_compared_with_its_pins_and_its_scripts(
    files: list[Path], machine: Machine, project: Path
) -> None:
    """The check reports a wrong version, an extra distribution and a missing console script."""
    machine.uv("venv", folder=project)
    machine.uv("pip", "install", files[0], files[1], folder=project)
    python = project / ".venv" / "bin" / "python"
    python.with_name("greet").unlink()

    assert check.differences(python, ["the-library==2"]) == (
        f"no the-library 2, also {sets.EXTRA} {sets.EXTRA_OLD.partition('==')[2]}, also the-library 1.5"
    )
    assert check.missing_programs(python) == ["greet"]


def test_bare_loop_makes_all_that_an_environment_consists_of(
    files: list[Path], machine: Machine, project: Path, interpreter: Path, tmp_path: Path
) -> None:
    """The bare loop, with which pepip is compared, makes the same folders, links and files."""
    machine.pepip("install", "--python", interpreter, files[0], folder=project)
    copy = tmp_path / "copy"
    copy.mkdir()

    seconds = floor.made(floor.pieces_of(project / ".venv"), copy)

    def names(root: Path) -> set[tuple[str, str]]:
        places = [Path(folder) / name for folder, *names in os.walk(root) for name in [*names[0], *names[1]]]
        return {(str(place.relative_to(root)), os.readlink(place) if place.is_symlink() else "") for place in places}

    assert seconds > 0
    assert names(copy) == names(project / ".venv")
    assert (copy / "bin" / "greet").read_bytes() == (project / ".venv" / "bin" / "greet").read_bytes()


def test_a_first_install_is_told_by_its_phases(
    files: list[Path], machine: Machine, project: Path, interpreter: Path
) -> None:
    """Each phase is reported in order, with elapsed time and processor time. A full store needs fewer phases."""
    requirements = project / "requirements.txt"
    requirements.write_text(f"{PINS[0]}\n")
    command: list[str | Path] = [sys.executable, phases.__file__, interpreter, requirements]
    with index.served(map(index.read_wheel, files)) as server:
        variables = {"UV_DEFAULT_INDEX": server.url}
        first = json.loads(machine.run(command, folder=project, variables=variables).stdout)
        (project / "again").mkdir()
        second = json.loads(machine.run(command, folder=project / "again", variables=variables).stdout)

    titles = list(phases.TITLES.values())
    assert [phase["title"] for phase in first] == titles
    assert [phase["title"] for phase in second] == [titles[0], titles[1], titles[-1]]
    assert all(phase["seconds"] > 0 and phase["own_processor_seconds"] >= 0 for phase in first)
    assert sum(phase["childrens_processor_seconds"] for phase in first) > 0
    assert (project / ".venv" / "bin" / "greet").exists()


@pytest.mark.real_world
def test_the_profile_of_a_first_install_has_uvs_too(
    files: list[Path], machine: Machine, project: Path, interpreter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table has uv's total, pepip's phases, and pepip's total from the start of its process, as medians."""
    machine.pepip("install", "--no-index", "--find-links", files[0].parent, *PINS, "-p", interpreter, folder=project)
    monkeypatch.setenv("PEPIP_HOME", str(machine.store))

    told = floor.Bench(project / ".venv", project).profile(files[0].parent, 2)

    titles = [line.split("|")[1].strip() for line in told.splitlines()[2:]]
    bare = "bare loop: the same system calls for each file and folder of the entries"
    assert titles == ["uv venv, uv pip install", *phases.TITLES.values(), "pepip, from its start to its end", bare]


def test_index_answers_with_the_headers_of_a_real_one(files: list[Path]) -> None:
    """Pages may be cached for ten minutes and files for ever. Metadata is available without the wheel."""
    with index.served(map(index.read_wheel, files)) as server:
        accept = {"Accept": index.JSON_TYPE}
        with urllib.request.urlopen(urllib.request.Request(f"{server.url}the-library/", headers=accept)) as page:
            text = page.read().decode()
        with urllib.request.urlopen(f"{server.url}the-library/") as html:
            text_of_html = html.read().decode()
        with urllib.request.urlopen(server.url.replace("simple/", f"files/{files[0].name}.metadata")) as file:
            metadata = file.read().decode()

    assert page.headers["Cache-Control"] == "max-age=600, public"
    assert page.headers["Content-Type"] == index.JSON_TYPE
    assert f'"url": "/files/{files[0].name}"' in text
    assert f"/files/{files[0].name}#sha256=" in text_of_html
    assert "immutable" in file.headers["Cache-Control"]
    assert "Name: the-library" in metadata


def test_memory_is_the_programs_own_and_not_its_starters(tmp_path: Path) -> None:
    """A small program has a small peak of memory, even if the process that measures it is large."""
    ballast = bytearray(200 << 20)

    small = measure([["/bin/sh", "-c", ":"]], tmp_path, clean_variables())
    large = measure([[sys.executable, "-c", "bytearray(100 << 20)"]], tmp_path, clean_variables())

    assert len(ballast) > 1000 * small.peak_kilobytes
    assert large.peak_kilobytes > 100_000 > 2 * small.peak_kilobytes
    assert large.seconds > small.seconds > 0


def test_work_of_processors_is_told_from_waiting(tmp_path: Path) -> None:
    """Processor time does not include waiting. It includes all commands and the processes that they start."""
    asleep = measure([["/bin/sleep", "0.6"]], tmp_path, clean_variables())
    busy = measure([["/bin/sh", "-c", f"{sys.executable} -c 'sum(range(10**7))'"]] * 2, tmp_path, clean_variables())

    assert asleep.processor_seconds < 0.1 < asleep.seconds
    assert busy.processor_seconds > 0.1


def test_a_failure_has_the_last_words_of_the_program(tmp_path: Path) -> None:
    """The error has the last words of the command that failed, and later commands do not run."""
    failing = [[sys.executable, "-c", "raise SystemExit('no such package')"], ["/usr/bin/touch", "touched"]]

    with pytest.raises(FailedError, match="exit code 1: no such package"):
        measure(failing, tmp_path, clean_variables())

    assert not (tmp_path / "touched").exists()


def test_bytecode_is_written_whatever_the_machine_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The measured processes do not inherit variables that would change a measurement."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("UV_LINK_MODE", "symlink")
    (tmp_path / "module.py").write_text("")

    measure([[sys.executable, "-c", "import module"]], tmp_path, clean_variables())

    assert (tmp_path / "__pycache__").is_dir()
    assert "UV_LINK_MODE" not in clean_variables()
    assert os.environ["UV_LINK_MODE"] == "symlink"


def test_target_is_met_by_the_ratio_of_medians() -> None:
    """An outlier does not decide, and a row without samples is neither met nor failed."""
    found = results_of(rows.NEW, uv=[1.0, 1.0, 1.0], pepip=[0.5, 0.5, 9.0])

    by_title = {verdict.title: verdict for verdict in report.verdicts(outcome(found))}

    assert by_title[rows.NEW.title].measured == pytest.approx(0.5)
    assert by_title[rows.NEW.title].word == "met"
    assert by_title[rows.NOTHING.title].word == "not measured"


def test_modules_are_found_in_the_wheel_of_a_package(wheelhouse: Path) -> None:
    """Modules are found by the files of the wheel, not by the package's name. Private modules are left out."""
    other = Wheel("a-name", "1", files={"another/__init__.py": "", "another_file.py": "", "_hidden/__init__.py": ""})
    wheels = [LIBRARY.write(wheelhouse), other.write(wheelhouse)]

    assert sets.modules_of(["The_Library", "a-name"], wheels) == ["the_library", "another", "another_file"]


def test_package_of_other_hardware_is_installed_only_where_a_wheel_is_offered() -> None:
    """An offered wheel is pinned if it fits the Python, and left out if not."""
    fitting = Path("torch-2.13.0+cpu-py3-none-any.whl")
    other = Path("torch-2.13.0+cpu-cp38-cp38-win32.whl")

    with_torch, nothing_lacks = sets.SETS["ml"].offered_by([fitting], (3, 12))
    without, lacking = sets.SETS["ml"].offered_by([other], (3, 12))

    assert with_torch.packages[0] == "torch==2.13.0+cpu"
    assert nothing_lacks == []
    assert lacking == ["torch"]
    assert "torch" not in "".join(without.packages)


@pytest.mark.parametrize("kind", copies.SETS)
def test_copies_of_one_thing_are_compared(
    kind: str,
    wheelhouse: Path,
    programs: tools.Programs,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each further worktree, or copy of a script, has times, bytes and inodes with both tools, and a verdict."""
    LIBRARY.write(wheelhouse)
    monkeypatch.setenv("UV_FIND_LINKS", str(wheelhouse))
    words = ["--set", kind, "--count", "2", "--packages", LIBRARY.name, "--python", str(programs.python)]
    words += ["--uv", str(programs.uv), "--pepip", str(programs.pepip)]
    monkeypatch.setattr(sys, "argv", ["copies.py", *words])

    code = copies.main()

    shown = capsys.readouterr().out
    rows = ["uv", "pepip", "seconds", "processor", "bytes", "inodes"]
    assert [line.split()[0] for line in shown.splitlines()[2:]] == rows
    assert (code == 1) == ("NOT MET" in shown)
