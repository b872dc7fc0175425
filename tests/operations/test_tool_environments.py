"""Tools, `uvx` and `--with`: receipts, launchers and folders are uv's, and the packages come from the store."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.indexes import Index, counting_server
from tests.support.machines import Output, site_packages_of, uv_executable
from tests.support.signals import PASSED_ON, TELLING, told_by
from tests.support.snapshots import snapshot
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

pytestmark = pytest.mark.every(2)

PEPIP = (sys.executable, "-m", "pepip")
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


WHEELS = [PEN[0], INK]
"""The wheels of one tool, of which the newer version is not there yet."""


def variables_of(workbench: Workbench, of: str) -> dict[str, str]:
    """Return the variables with which tools go to the folder of `uv` or `pepip`."""
    return {
        "UV_CACHE_DIR": str(workbench.folder / "cache"),
        "UV_FIND_LINKS": str(workbench.wheelhouse),
        "UV_NO_INDEX": "1",
        "UV_PYTHON": str(workbench.interpreter),
        "UV_TOOL_BIN_DIR": str(workbench.folder / of / "bin"),
        "UV_TOOL_DIR": str(workbench.folder / of / "tools"),
    }


@pytest.fixture
def workbench(workbench: Workbench) -> Workbench:
    """Return a user with two folders for tools, uv's and pepip's, and with a cache of their own."""
    folder = workbench.machine.make_folder(workbench.folder / "desk")
    alone = replace(workbench, folder=folder, name=".")
    return replace(alone, variables=variables_of(alone, "pepip"))


def both(workbench: Workbench, *words: str, check: bool = True) -> tuple[Output, Output]:
    """Run one command with uv and with pepip. Returns both outputs."""
    by_uv = workbench.uv(*words, check=check, variables=variables_of(workbench, "uv"))
    return by_uv, workbench.pepip(*words, check=check)


def start(workbench: Workbench, *words: str | Path, of: str = "pepip") -> subprocess.Popen[str]:
    """Start a program with the variables of `uv` or `pepip`."""
    return workbench.machine.start(words, folder=workbench.folder, variables=variables_of(workbench, of))


def tool_of(workbench: Workbench, of: str = "pepip", name: str = "pen") -> Path:
    """Return the environment of a tool."""
    return workbench.folder / of / "tools" / name


def run_tool(workbench: Workbench, of: str, *words: str) -> Output:
    """Run the launcher of the tool `pen`."""
    command = [workbench.folder / of / "bin" / "pen", *words]
    return workbench.machine.run(command, folder=workbench.folder, check=False)


def is_linked(workbench: Workbench, environment: Path, package: str) -> bool:
    """Say whether an environment links a package from the store."""
    path = site_packages_of(environment) / package
    return path.is_symlink() and path.resolve().is_relative_to(workbench.store.resolve())


def assert_whole(workbench: Workbench) -> None:
    """Assert that the store is whole."""
    assert workbench.problems() == []
    assert workbench.leftovers() == []


def receipt(workbench: Workbench, of: str) -> str:
    """Return the receipt of the tool, with the same folder for both."""
    return (tool_of(workbench, of) / "uv-receipt.toml").read_text().replace(f"/{of}/", "/…/")


def test_an_installed_tool_is_linked(workbench: Workbench) -> None:
    """Output, receipt, launchers and the tool's own output are uv's. Its packages are links."""
    by_uv, by_pepip = both(workbench, "tool", "install", "pen")

    assert by_pepip.stdout == by_uv.stdout
    assert receipt(workbench, "pepip") == receipt(workbench, "uv")
    assert os.readlink(workbench.folder / "pepip/bin/pen") == os.readlink(workbench.folder / "uv/bin/pen").replace(
        "/uv/", "/pepip/"
    )
    assert run_tool(workbench, "pepip", "x").stdout == run_tool(workbench, "uv", "x").stdout == "pen 1.0 x\n"
    assert is_linked(workbench, tool_of(workbench), "pen")
    assert is_linked(workbench, tool_of(workbench), "ink")
    assert [item["name"] for item in workbench.ask("projects", "--kind", "tool")] == ["pen"]
    assert "pen" in workbench.pepip("uses", "ink").stdout
    assert_whole(workbench)


def test_a_linked_tool_is_upgraded_and_removed_by_uv(workbench: Workbench) -> None:
    """The commands of uv's guide say and do the same on a linked tool, and never write through its links."""
    both(workbench, "tool", "install", "pen")
    before = snapshot(workbench.store / "packages")
    workbench.supply([PEN[1]])
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
        by_uv, by_pepip = both(workbench, *words, check=False)
        assert by_pepip.returncode == by_uv.returncode, by_pepip.stderr
        assert by_pepip.stdout.replace("/pepip/", "/uv/") == by_uv.stdout

    assert run_tool(workbench, "pepip").stdout == "pen 2.0\n"
    assert receipt(workbench, "pepip") == receipt(workbench, "uv")
    assert is_linked(workbench, tool_of(workbench), "pen")
    after = snapshot(workbench.store / "packages")
    assert {path: after.get(path) for path in before if "pen-1.0" in path} == {
        path: node for path, node in before.items() if "pen-1.0" in path
    }
    by_uv, by_pepip = both(workbench, "tool", "uninstall", "pen")
    assert by_pepip.stdout == by_uv.stdout
    assert not tool_of(workbench).exists()
    assert not (workbench.folder / "pepip/bin/pen").exists()
    assert_whole(workbench)
    workbench.pepip("prune", "--yes")
    assert workbench.ask("store", "list") == []


def test_an_upgrade_tells_linked_packages_from_those_with_files_of_their_own(workbench: Workbench) -> None:
    """A package whose RECORD is wrong keeps uv's files."""
    workbench.pepip("tool", "install", "pen")
    lying = Wheel("ink", "2.0", files={"ink/__init__.py": "COLOR = 'red'\n"}, wrong_hashes=["ink/__init__.py"])
    workbench.supply([PEN[1], lying])

    (found,) = workbench.ask("upgrade", "--projects", tool_of(workbench))["environments"]

    assert [item["name"] for item in found["change"]["linked"]] == ["pen"]
    assert [item["name"] for item in found["change"]["private"]] == ["ink"]
    assert is_linked(workbench, tool_of(workbench), "pen")
    assert not is_linked(workbench, tool_of(workbench), "ink")


@pytest.mark.parametrize(
    "row", ["name = 3", "name = 'pen', extras = 3", "name = 'pen', extras = [1, {}], specifier = []", ""]
)
def test_an_odd_receipt_is_only_data(workbench: Workbench, row: str) -> None:
    """The questions that read receipts are answered, as far as the receipt says anything."""
    workbench.pepip("tool", "install", "pen")
    path = tool_of(workbench) / "uv-receipt.toml"
    path.write_text(f"[tool]\nrequirements = [{{ {row} }}, 'pen']\n")

    answer = workbench.ask("why", "pen", "--project", tool_of(workbench))

    assert ("the tool" in json.dumps(answer)) == ("pen" in row)


BACKEND = """import shutil, subprocess, sys
def build_wheel(folder, config_settings=None, metadata_directory=None):
    shutil.copytree({source!r}, {target!r}, symlinks=True)
    shutil.copy({wheel!r}, folder)
    return {wheel!r}.rpartition("/")[2]
"""


def test_a_tool_that_another_process_installs_meanwhile_is_left_alone(workbench: Workbench) -> None:
    """It may belong to somebody with another store, or with none."""
    cap = replace(INK, name="cap", entry_points={"console_scripts": {"cap": "ink:COLOR"}})
    workbench.supply([cap])
    workbench.uv("tool", "install", "cap", variables=variables_of(workbench, "uv"))
    side = workbench.machine.make_folder(workbench.folder / "side")
    system = '[build-system]\nrequires = []\nbuild-backend = "back"\nbackend-path = ["."]\n'
    (side / "pyproject.toml").write_text(f'[project]\nname = "ink"\nversion = "1.0"\n{system}')
    other = tool_of(workbench, name="cap")
    places = {"source": str(tool_of(workbench, "uv", "cap")), "target": str(other)}
    (side / "back.py").write_text(BACKEND.format(**places, wheel=str(workbench.wheelhouse / INK.filename)))

    workbench.pepip("tool", "install", "--with", "./side", "Pen>=1")

    assert is_linked(workbench, tool_of(workbench), "pen")
    assert (other / "uv-receipt.toml").exists()
    assert not is_linked(workbench, other, "ink")


@pytest.mark.parametrize("word", ["pen", "pen==1.0", "pen[x]", "pen@1.0", "pen @ <url>", "<wheel>", "./<wheel>"])
def test_a_tool_is_linked_however_it_is_named(workbench: Workbench, word: str) -> None:
    """As a requirement, as a path, as a URL."""
    wheel = workbench.wheelhouse / PEN[0].filename
    shutil.copy(wheel, workbench.folder)

    workbench.pepip("tool", "install", "-q", word.replace("<url>", wheel.as_uri()).replace("<wheel>", wheel.name))

    assert is_linked(workbench, tool_of(workbench), "pen")


def test_an_installed_tool_is_never_pruned(workbench: Workbench) -> None:
    """To be installed is to be used: a tool that only its own launcher starts keeps its entries, however old."""
    workbench.pepip("tool", "install", "pen")

    for words in (("--older-than", "0s"), ("--max-size", "0")):
        workbench.pepip("prune", "--yes", *words)

    assert run_tool(workbench, "pepip").stdout == "pen 1.0\n"
    assert len(workbench.ask("store", "list")) == 2


def test_a_tool_and_a_project_share_entries(workbench: Workbench) -> None:
    """The same wheel is in the store once, whoever came first."""
    workbench.pepip("install", "ink")
    workbench.pepip("tool", "install", "pen")

    names = [item["name"] for item in workbench.ask("store", "list")]
    assert sorted(names) == ["ink", "pen"]


@pytest.mark.parametrize(
    "words",
    [("x", "pen", "a", "b"), ("tool", "run", "pen", "a", "b"), ("x", "--from", "pen==1.0", "pen", "a", "b")],
    ids=" ".join,
)
def test_x_links_its_environment(workbench: Workbench, words: tuple[str, ...]) -> None:
    """Output and exit code are uvx's, the first time and later. The environment in uv's cache is linked."""
    for _ in range(3):
        output = workbench.pepip(*words, check=False)
        assert output.stdout == "pen 1.0 a b\n"
        assert output.returncode == 2

    (found,) = workbench.ask("projects", "--kind", "run")
    environment = Path(str(found["environment"]))
    assert environment.is_relative_to(workbench.folder / "cache")
    assert is_linked(workbench, environment, "pen")
    assert str(found["name"]).startswith("uvx pen")
    assert_whole(workbench)


@pytest.mark.every(1)
@pytest.mark.parametrize(
    "words",
    [("pen", "--help"), ("pen", "-n"), ("--with", "ink<2", "-p", "3", "pen"), ("--from=pen", "--", "pen")],
    ids=" ".join,
)
def test_options_of_the_tool_are_not_uvs(workbench: Workbench, words: tuple[str, ...]) -> None:
    """The environment is linked, also if the tool has an option of uv's. Its name is the tool's."""
    workbench.pepip("x", *words, check=False)

    (found,) = workbench.ask("projects", "--kind", "run")
    assert found["name"] == "uvx pen"
    assert is_linked(workbench, Path(str(found["environment"])), "ink")


def test_the_name_of_an_environment_holds_no_password(workbench: Workbench, tmp_path: Path) -> None:
    """Others may read the name, which pepip notes in the environment."""
    with counting_server() as server:
        server.add("own", Index([INK], credentials="joe:secret"), tmp_path / "own")
        url = f"{server.files('own').replace('://', '://joe:secret@')}/{INK.filename}"
        workbench.pepip("run", "--with", f"ink @ {url}", "python", "-c", "import ink")

    (found,) = workbench.ask("projects", "--kind", "run")
    assert found["name"] == f"run --with ink @ {url.replace('joe:secret@', '')}"
    notes = [path.read_text() for path in Path(str(found["environment"])).glob(".pepip*") if path.is_file()]
    assert notes
    assert not any("secret" in note for note in notes)


def test_the_environment_is_found_in_a_cache_that_settings_name(workbench: Workbench) -> None:
    """Settings may say where uv's cache is: a project's for `run`, the user's alone for tools."""
    configuration = workbench.folder / "configuration"
    for folder, name in ((workbench.folder, "of-project"), (configuration / "uv", "of-user")):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "uv.toml").write_text(f"cache-dir = '{workbench.folder / name}'\n")
    variables = {**workbench.variables, "XDG_CONFIG_HOME": str(configuration)}

    for words in (("x", "pen"), ("run", "--with", "ink", "python", "-c", "import ink")):
        command = ["env", "-u", "UV_CACHE_DIR", *PEPIP, *words]
        workbench.machine.run(command, folder=workbench.folder, variables=variables)

    environments = {
        str(item["name"]): Path(item["environment"]) for item in workbench.ask("projects", "--kind", "run")
    }
    assert environments["uvx pen"].is_relative_to(workbench.folder / "of-user")
    assert environments["run --with ink"].is_relative_to(workbench.folder / "of-project")
    assert all(is_linked(workbench, place, "ink") for place in environments.values())


def test_a_warm_x_becomes_uv(workbench: Workbench) -> None:
    """When the environment is linked, pepip itself does not stay: the process is replaced by uv."""
    workbench.pepip("x", "pen")

    traced = ["strace", "-f", "-qq", "-e", "trace=execve,clone,clone3,vfork", *PEPIP, "x", "pen"]
    output = workbench.machine.run(traced, folder=workbench.folder, variables=workbench.variables)

    calls = [line for line in output.stderr.splitlines() if "execve(" in line or "clone" in line or "vfork" in line]
    first_uv = next(at for at, line in enumerate(calls) if f'"{uv_executable()}"' in line)
    assert [line for line in calls[:first_uv] if "execve(" not in line] == []


@pytest.mark.parametrize("words", ["x pen", "run --with pen pen"])
def test_an_environment_for_a_newer_version_is_linked(workbench: Workbench, words: str) -> None:
    """It appears in a run in which pepip expects none. The next run links it, also with other words for the tool."""
    workbench.pepip(*words.split())
    workbench.supply([PEN[1]])

    outputs = [workbench.pepip(*words.split(), *more, check=False).stdout for more in ("", "a", "b")]

    assert outputs == ["pen 2.0\n", "pen 2.0 a\n", "pen 2.0 b\n"]
    environments = [Path(str(item["environment"])) for item in workbench.ask("projects", "--kind", "run")]
    versions = [place.name for root in environments for place in site_packages_of(root).glob("pen-*.dist-info")]
    assert sorted(versions) == ["pen-1.0.dist-info", "pen-2.0.dist-info"]
    assert all(is_linked(workbench, root, "pen") for root in environments)
    assert_whole(workbench)


def test_an_environment_that_uv_made_before_stays_as_it_is(workbench: Workbench) -> None:
    """It may belong to somebody with another store, or with none."""
    workbench.uv("tool", "run", "pen", variables=variables_of(workbench, "uv"))
    workbench.pepip("x", "pen")
    workbench.uv("tool", "run", "--with", "ink<2", "pen", variables=variables_of(workbench, "uv"))

    workbench.pepip("x", "pen")

    assert workbench.ask("projects") == []


def test_the_arguments_of_a_tool_make_no_difference(workbench: Workbench) -> None:
    """After one run, another with other arguments starts uv and nothing else."""
    workbench.pepip("x", "pen")

    traced = ["strace", "-f", "-qq", "-e", "trace=clone,clone3,vfork,execve", *PEPIP, "x", "pen", "a"]
    output = workbench.machine.run(traced, folder=workbench.folder, variables=workbench.variables, check=False)

    calls = [line for line in output.stderr.splitlines() if "execve(" in line or "clone" in line or "vfork" in line]
    first_uv = next(at for at, line in enumerate(calls) if f'"{uv_executable()}"' in line)
    assert [line for line in calls[:first_uv] if "execve(" not in line] == []


def test_with_is_linked(workbench: Workbench) -> None:
    """What `--with` and `--with-requirements` ask for is found, and linked."""
    (workbench.folder / "list.txt").write_text("pen\n")
    for words in (("--with", "ink"), ("--with-requirements", "list.txt")):
        by_uv, by_pepip = both(workbench, "run", *words, "python", "-c", "import ink; print(ink.COLOR)")
        assert by_pepip.stdout == by_uv.stdout

    # uv came first, so the environments were there, as uv made them
    workbench.pepip("run", "--with", "pen<2", "--with", "ink<2", "python", "-c", "import ink")
    for found in workbench.ask("projects", "--kind", "run"):
        assert is_linked(workbench, Path(str(found["environment"])), "ink")
    assert_whole(workbench)


BESIDE = """import os, subprocess
def main():
    import ink
    subprocess.run([{uv!r}, "tool", "run", "pen"], env={{**os.environ, "UV_TOOL_DIR": "others"}})
if __name__ == "__main__":
    main()
"""
ENTRY_POINT_OF_BESIDE = {"console_scripts": {"beside": "beside:main"}}


@pytest.mark.parametrize("words", ["run --with ink beside.py", "x --with ink beside"])
def test_an_environment_that_another_command_makes_meanwhile_is_left_alone(workbench: Workbench, words: str) -> None:
    """It may belong to somebody with another store, or with none."""
    text = BESIDE.format(uv=str(uv_executable()))
    (workbench.folder / "beside.py").write_text(text)
    workbench.supply([replace(INK, name="beside", files={"beside.py": text}, entry_points=ENTRY_POINT_OF_BESIDE)])

    workbench.pepip(*words.split())

    cache = workbench.folder / "cache"
    environments = [path.parent for path in cache.glob("archive-v*/*/pyvenv.cfg")]
    with_pen = [place for place in environments if (site_packages_of(place) / "pen").exists()]
    assert [is_linked(workbench, place, "pen") for place in with_pen] == [False]
    (found,) = workbench.ask("projects", "--kind", "run")
    assert is_linked(workbench, Path(str(found["environment"])), "ink")


def test_a_script_of_another_project_touches_no_project_here(workbench: Workbench) -> None:
    """The script's folder has its own project, which uv takes. The project here gets no environment."""
    for folder in (workbench.folder, workbench.machine.make_folder(workbench.folder / "sub")):
        (folder / "pyproject.toml").write_text('[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.8"\n')
    (workbench.folder / "sub" / "script.py").write_text("import ink\n")

    workbench.pepip("run", "--with", "ink", "sub/script.py")

    assert not (workbench.folder / ".venv").exists()
    (found,) = workbench.ask("projects", "--kind", "run")
    assert is_linked(workbench, Path(str(found["environment"])), "ink")


@pytest.mark.parametrize(
    "words",
    [
        "run --with-requirements <(echo 'pen<2') pen",
        "run --with-requirements - pen <<< 'pen<2'",
        "run --with-requirements=- python -c 'import pen; pen.main()' <<< 'pen<2'",
        "x --with-requirements <(echo 'pen<2') --from pen pen",
        "x --with-requirements - --from pen pen <<< 'pen<2'",
    ],
)
def test_requirements_that_can_be_read_once_are_read_by_uv(workbench: Workbench, words: str) -> None:
    """A shell gives output of a command as stdin, or as a file. uv gets all of it, and pepip links the packages."""
    workbench.supply([PEN[1]])

    for _ in range(2):
        output = workbench.machine.run(
            ["bash", "-c", f"{sys.executable} -m pepip {words}"],
            folder=workbench.folder,
            variables=workbench.variables,
        )
        assert output.stdout == "pen 1.0\n"

    (found,) = workbench.ask("projects", "--kind", "run")
    assert is_linked(workbench, Path(str(found["environment"])), "pen")
    made = [path for path in (workbench.folder / "cache" / "environments-v2").glob("*/*") if path.is_dir()]
    assert len(made) == 1


def test_with_is_linked_before_the_command_starts(workbench: Workbench) -> None:
    """A worker that runs for days, or that is killed, has its packages from the store from its first run on."""
    shows = "import os, ink; print(os.path.realpath(ink.__file__))"
    for words in (("python", "-c", shows), ("-m", "ink")):
        workbench.uv("cache", "clean")
        options, command = (words[:1], words[1:]) if words[0] == "-m" else ((), words)
        said = workbench.pepip("run", "--with", "ink", *options, *command, check=False)
        environments = [item for item in workbench.ask("projects", "--kind", "run") if item["state"] == "ok"]

        assert [is_linked(workbench, Path(str(item["environment"])), "ink") for item in environments] == [True]
        if words[0] == "python":
            assert said.stdout.startswith(f"{workbench.store}/packages/")
        else:
            assert "No module named ink.__main__" in said.stderr
    assert_whole(workbench)


def test_a_script_from_stdin_is_linked(workbench: Workbench) -> None:
    """Its environment in uv's cache is linked when the script has ended."""
    text = '# /// script\n# dependencies = ["ink"]\n# ///\nimport ink; print(ink.COLOR)\n'
    process = start(workbench, *PEPIP, "run", "-")

    stdout, stderr = process.communicate(text, timeout=120)

    assert stdout == "blue\n", stderr
    (found,) = workbench.ask("projects", "--kind", "script")
    assert is_linked(workbench, Path(str(found["environment"])), "ink")


def test_each_script_from_stdin_is_linked(workbench: Workbench) -> None:
    """The words are the same, but another script has another environment."""
    for needed in ("ink", "pen", "pen"):
        process = start(workbench, *PEPIP, "run", "-")
        text = f'# /// script\n# dependencies = ["{needed}"]\n# ///\nimport {needed}\n'
        assert process.communicate(text, timeout=120)[1] is not None
        assert process.returncode == 0

    environments = [Path(str(item["environment"])) for item in workbench.ask("projects", "--kind", "script")]
    assert [is_linked(workbench, root, "ink") for root in environments] == [True, True]


def test_a_script_at_a_url_that_changes_stays_linked(workbench: Workbench, tmp_path: Path) -> None:
    """Its environment stays, and uv adds the new packages. The next run links them."""
    (tmp_path / "web").mkdir()
    with counting_server() as server:
        server.add("own", Index([]), tmp_path / "web")
        for needed in ("ink", "ink", "pen", "pen"):
            text = f'# /// script\n# dependencies = ["{needed}"]\n# ///\nimport {needed}\n'
            (tmp_path / "web" / "script.py").write_text(text)
            workbench.pepip("run", f"{server.files('own')}/script.py")

    (found,) = workbench.ask("projects", "--kind", "script")
    assert [is_linked(workbench, Path(str(found["environment"])), name) for name in ("ink", "pen")] == [True, True]


@pytest.mark.parametrize("variables", [{"UV_LINK_MODE": "copy"}, {"UV_NO_CACHE": "1"}], ids=str)
def test_a_user_who_asks_for_own_files_gets_those_of_uv(workbench: Workbench, variables: dict[str, str]) -> None:
    """A link mode of uv keeps its meaning, and an environment that does not last is not linked."""
    for words in (("tool", "install", "pen"), ("x", "pen")):
        workbench.pepip(*words, variables=variables)

    if "UV_LINK_MODE" in variables:
        assert not is_linked(workbench, tool_of(workbench), "pen")
    assert run_tool(workbench, "pepip").stdout == "pen 1.0\n"


def test_a_link_mode_in_the_settings_of_a_project_is_not_for_tools(workbench: Workbench) -> None:
    """`uv tool` reads the user's settings alone, and so does pepip."""
    configuration = workbench.folder / "configuration"
    (configuration / "uv").mkdir(parents=True)
    variables = {"XDG_CONFIG_HOME": str(configuration)}
    settings = {True: "link-mode = 'copy'\n", False: ""}
    for of_project, of_user in ((True, False), (False, True)):
        (workbench.folder / "uv.toml").write_text(settings[of_project])
        (configuration / "uv" / "uv.toml").write_text(settings[of_user])

        workbench.pepip("tool", "install", "--force", "pen", variables=variables)
        assert is_linked(workbench, tool_of(workbench), "pen") == (not of_user)


@pytest.mark.parametrize("command", ["clean", "prune"])
def test_uvs_cache_can_be_emptied(workbench: Workbench, command: str) -> None:
    """The environments go, not the entries behind their links, and the next run links anew."""
    workbench.pepip("x", "pen")
    workbench.uv("cache", command)

    assert_whole(workbench)
    assert [item["state"] for item in workbench.ask("projects")] == ["missing"]
    workbench.pepip("x", "pen")
    assert "ok" in [item["state"] for item in workbench.ask("projects", "--kind", "run")]


def test_a_signal_ends_the_tool_too(workbench: Workbench) -> None:
    """A first run, in which pepip waits for uv, ends with its tool when it is asked to."""
    waits = "import os, time; print(os.getpid(), flush=True); time.sleep(300)"
    (workbench.folder / "waits.py").write_text(waits)
    process = start(workbench, *PEPIP, "run", "--with", "ink", "waits.py")
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
def test_signals_reach_the_tool_in_its_first_run(workbench: Workbench, words: str) -> None:
    """As under uv, also while pepip waits for uv. The exit code is the tool's."""
    bell = Wheel("bell", "1.0", files={"bell.py": TELLING}, entry_points={"console_scripts": {"bell": "bell:main"}})
    workbench.supply([bell])
    ends = []
    for tool in (PEPIP, [uv_executable()]):
        process = start(workbench, *tool, *words.split(), of="uv")
        assert process.stdin is not None
        process.stdin.write(TELLING)
        process.stdin.close()
        process.stdin = None
        ends.append(told_by(process))

    assert ends[0] == ends[1] == (["ready", *(number.name for number in PASSED_ON), "SIGTERM"], 7)


def test_open_files_reach_the_tool(workbench: Workbench, tmp_path: Path) -> None:
    """A file descriptor that the shell opened for the command is open in it, as with uv."""
    (tmp_path / "input").write_text("from the shell\n")
    (workbench.folder / "reads.py").write_text("import os; print(os.read(7, 99))")
    line = f'exec 7< {tmp_path / "input"}; "$0" -m pepip run --with ink reads.py'

    output = workbench.machine.run(
        ["sh", "-c", line, sys.executable], folder=workbench.folder, variables=workbench.variables
    )

    assert output.stdout == "b'from the shell\\n'\n"


def test_prune_breaks_nothing_that_runs(workbench: Workbench) -> None:
    """Runs with new environments, and a tool, work while the store is pruned again and again."""
    workbench.pepip("tool", "install", "pen")
    prune = [*PEPIP, "prune", "--yes"]
    for number in range(6):
        with_new = [*PEPIP, "run", "--with", "pen", "--with", f"ink>0.{number}", "python"]
        runs = [start(workbench, *command) for command in ([*with_new, "-c", "import ink, pen"], prune, prune)]
        for run in runs:
            _, stderr = run.communicate(timeout=120)
            assert run.returncode == 0, stderr
        assert run_tool(workbench, "pepip").stdout == "pen 1.0\n"
    assert_whole(workbench)
