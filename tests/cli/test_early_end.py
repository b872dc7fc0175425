"""A repeated `pepip run` becomes uv at once, but never while anything that it depends on has changed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepip.cli import early_end, run, uv_options
from pepip.errors import UsageError
from tests.support.machines import require_interpreter
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

PENS = [Wheel("pen", version, files={"pen/__init__.py": f"VERSION = '{version}'\n"}) for version in ("1.0", "2.0")]
INK = Wheel("ink", "1.0", files={"ink/__init__.py": "VERSION = '1.0'\n"})
WHEELS = [*PENS, INK]

SHOWS = """
import importlib, os, sys
for name in ("ink", "pen"):
    try:
        module = importlib.import_module(name)
    except ImportError:
        continue
    place = "store" if "/store/packages/" in os.path.realpath(module.__file__) else "files of uv"
    print(name, module.VERSION, place)
print("%d.%d" % sys.version_info[:2])
"""
"""A program that prints the packages that it can import, the places of their files, and the version of Python."""


@pytest.fixture
def workbench(workbench: Workbench) -> Workbench:
    """Return a user with an empty folder, and with a cache of uv of their own."""
    folder = workbench.machine.make_folder(workbench.folder / "desk")
    (folder / "show.py").write_text(SHOWS)
    variables = {
        "UV_CACHE_DIR": str(workbench.folder / "own-cache"),
        "UV_FIND_LINKS": str(workbench.wheelhouse),
        "UV_OFFLINE": "1",
        "UV_PYTHON": str(workbench.interpreter),
    }
    return replace(workbench, folder=folder, name=".", variables=variables)


TELLS_MODULES = """
import sys
from pepip.cli import main
from pepip.uv import handover
become = handover.become
def tell(*words, **more):
    print(*sys.modules, file=sys.stderr)
    return become(*words, **more)
handover.become = tell
sys.exit(main.run(sys.argv[1:]))
"""


def loaded(workbench: Workbench, *words: str) -> set[str]:
    """Run a command of pepip that becomes uv, and return the modules that it had loaded by then."""
    output = workbench.machine.run(
        [sys.executable, "-c", TELLS_MODULES, *words], folder=workbench.folder, variables=workbench.variables
    )
    return set(output.stderr.split())


def repeat(workbench: Workbench, *words: str) -> str:
    """Run a command until a repetition becomes uv at once. Return its output without the version of Python."""
    for _ in range(3):
        output = workbench.pepip(*words).stdout
    return output.rpartition("\n3.")[0] if "\n3." in output else ""


@pytest.mark.every(2)
@pytest.mark.parametrize(
    "words",
    [
        ["run", "--with", "ink", "python", "-c", ""],
        ["run", "--with=ink", "--isolated", "--", "python", "-c", ""],
        ["run", "--with", "ink", "show.py"],
        ["run", "--with", "ink", "-m", "show"],
        ["run", "--with", "ink", "--no-project", "python", "-c", ""],
        ["x", "--from", "ink", "python", "-c", ""],
    ],
    ids=" ".join,
)
def test_a_repeated_run_becomes_uv_without_a_parser(workbench: Workbench, words: list[str]) -> None:
    """Once the environment is linked, such a command reads notes, and starts uv."""
    repeat(workbench, *words)

    assert {"argparse", "json", "subprocess", "enum"} & loaded(workbench, *words) == set()


def make_project(workbench: Workbench, *needs: str, folder: str = ".") -> None:
    """Write a project that needs these packages."""
    (workbench.folder / folder).mkdir(exist_ok=True)
    (workbench.folder / folder / "pyproject.toml").write_text(
        f'[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.8"\ndependencies = {list(needs)}\n'
    )


def make_editable(workbench: Workbench, *needs: str) -> None:
    """Write a project that can be built without an index."""
    folder = workbench.folder / "local"
    folder.mkdir(exist_ok=True)
    (folder / "builder.py").write_text(BUILDER.format(needs="".join(f"Requires-Dist: {need}\\n" for need in needs)))
    make_project(workbench, *needs, folder="local")
    with (folder / "pyproject.toml").open("a") as file:
        file.write('[build-system]\nrequires = []\nbuild-backend = "builder"\nbackend-path = ["."]\n')


BUILDER = """
import pathlib, zipfile
METADATA = "Metadata-Version: 2.1\\nName: app\\nVersion: 1\\n{needs}"
WHEEL = "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
def build_editable(folder, config_settings=None, metadata_directory=None):
    with zipfile.ZipFile(pathlib.Path(folder) / "app-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("app.pth", str(pathlib.Path.cwd()))
        wheel.writestr("app-1.dist-info/METADATA", METADATA)
        wheel.writestr("app-1.dist-info/WHEEL", WHEEL)
        rows = ["app.pth", *(f"app-1.dist-info/{{name}}" for name in ("METADATA", "WHEEL", "RECORD"))]
        wheel.writestr("app-1.dist-info/RECORD", "".join(f"{{row}},,\\n" for row in rows))
    return "app-1-py3-none-any.whl"
"""


def write(name: str, text: str) -> Callable[[Workbench], None]:
    """Return a change: a file gets this text."""

    def change(workbench: Workbench) -> None:
        (workbench.folder / name).parent.mkdir(exist_ok=True)
        (workbench.folder / name).write_text(text)

    return change


def clean(workbench: Workbench) -> None:
    """Remove uv's cache."""
    workbench.uv("cache", "clean")


LISTED = ("--with-requirements", "list.txt")
OLD, NEW = "pen 1.0 store", "pen 2.0 store"

CHANGES: dict[str, tuple[tuple[str, ...], str, Callable[[Workbench], None], str]] = {
    "a requirements file": (LISTED, OLD, write("list.txt", "pen"), NEW),
    "a file that it names": (("--with-requirements", "lists/top.txt"), OLD, write("lists/below.txt", "pen"), NEW),
    "an editable": (("--with-editable", "./local"), OLD, lambda bench: make_editable(bench, "pen"), NEW),
    "settings": (("--with", "pen"), NEW, write("uv.toml", "resolution = 'lowest'\n"), OLD),
    "the cache": (LISTED, OLD, clean, OLD),
    "a project": (
        ("--with", "ink"),
        "ink 1.0 store",
        lambda bench: make_project(bench, "pen"),
        f"ink 1.0 store\n{NEW}",
    ),
}
"""What changes, the options, the output before, the change, and the output after it."""


@pytest.mark.every(2)
@pytest.mark.parametrize("changed", CHANGES)
def test_a_repeated_run_sees_a_change(workbench: Workbench, changed: str) -> None:
    """The first run after the change has the right packages, and all of them are links."""
    options, before, change, after = CHANGES[changed]
    write("list.txt", "pen<2")(workbench)
    write("lists/top.txt", "# the list\n-r below.txt  # below\n")(workbench)
    write("lists/below.txt", "pen<2")(workbench)
    make_editable(workbench, "pen<2")
    words = ("run", *options, "python", "show.py")
    assert repeat(workbench, *words) == before

    change(workbench)

    assert workbench.pepip(*words).stdout.rpartition("\n3.")[0] == after
    assert repeat(workbench, *words) == after
    assert workbench.problems() == []


SHOW = ("python", "show.py")
WITH_PEN = ("run", "--with", "pen", *SHOW)
OF_PROJECT = f"ink 1.0 store\n{NEW}"

OTHERS: dict[str, tuple[tuple[str, ...], dict[str, str], str]] = {
    "an option": (("run", "--with", "pen<2", *SHOW), {}, f"ink 1.0 store\n{OLD}"),
    "two options": (("run", "--with", "pen", "--with", "pen<2", *SHOW), {}, f"ink 1.0 store\n{OLD}"),
    "no options": (("run", *SHOW), {}, "ink 1.0 store"),
    "one word": (("run", "-wpen<2", *SHOW), {}, f"ink 1.0 store\n{OLD}"),
    "a script": (("run", "--with", "pen<2", "-s", "show.py"), {}, f"ink 1.0 store\n{OLD}"),
    "a module": (("run", "--with", "pen", "-m", "show"), {}, OF_PROJECT),
    "a module in one word": (("run", "-qm", "show"), {}, "ink 1.0 store"),
    "dashes": (("run", "--with", "pen<2", "--", *SHOW), {}, f"ink 1.0 store\n{OLD}"),
    "another script": (("run", "--with", "pen", "other/show.py"), {}, NEW),
    "another project": (("run", "--project", "other", "--with", "pen", *SHOW), {}, NEW),
    "another folder": (("run", "--directory", "other", "--with", "pen", *SHOW), {}, NEW),
    "no project": (("run", "--no-project", "--with", "pen<2", *SHOW), {}, OLD),
    "isolated": (("run", "--isolated", "--with", "pen<2", "--no-project", *SHOW), {}, OLD),
    "a project of a variable": (WITH_PEN, {"UV_PROJECT": "other"}, NEW),
    "a folder of a variable": (WITH_PEN, {"UV_WORKING_DIR": "other"}, NEW),
    "a setting of a variable": (WITH_PEN, {"UV_RESOLUTION": "lowest"}, f"ink 1.0 store\n{OLD}"),
    "no project of a variable": (WITH_PEN, {"UV_NO_PROJECT": "1"}, NEW),
}
"""What differs from WITH_PEN in a project, the words, variables, and the output."""


@pytest.mark.every(4)
@pytest.mark.parametrize("other", OTHERS)
def test_a_note_is_for_one_command(workbench: Workbench, other: str) -> None:
    """A command that differs in anything from one that is often repeated has the packages that uv gives it."""
    words, variables, expected = OTHERS[other]
    write("other/show.py", SHOWS)(workbench)
    make_project(workbench, "ink")
    make_project(workbench, folder="other")
    assert repeat(workbench, *WITH_PEN) == OF_PROJECT

    for _ in range(3):
        output = workbench.pepip(*words, variables={**workbench.variables, **variables}).stdout
        # uv makes a script's environment for the script alone, so the first run links it at its end.
        assert output.replace("files of uv", "store").rpartition("\n3.")[0] == expected
        assert workbench.pepip(*WITH_PEN).stdout.rpartition("\n3.")[0] == OF_PROJECT
    assert output.rpartition("\n3.")[0] == expected
    assert workbench.uv(*words, variables={**workbench.variables, **variables}).stdout == output
    assert workbench.problems() == []


@pytest.mark.every(3)
@pytest.mark.parametrize("told", ["file", "option", "variable"])
def test_a_repeated_run_sees_another_python(workbench: Workbench, told: str) -> None:
    """A file, an option or a variable may name it."""
    for version in ("3.11", "3.12"):
        python = str(require_interpreter(version))
        variables, options = {**workbench.variables, "UV_PYTHON": ""}, ()
        if told == "file":
            write(".python-version", python)(workbench)
        elif told == "option":
            options = ("--python", python)
        else:
            variables["UV_PYTHON"] = python
        for _ in range(3):
            output = workbench.pepip("run", *options, "--with", "pen", *SHOW, variables=variables).stdout
            assert output == f"{NEW}\n{version}\n"


WORDS = st.one_of(
    st.sampled_from(
        ["-m", "-s", "-w", "-v", "-q", "-p", "-n", "-U", "-i", "-wink", "-mw", "-qm", "-sq", "-w=ink", "-C"]
    ),
    st.sampled_from(["--with", "--with=ink", "--script", "--gui-script", "--module", "--isolated", "--no-project"]),
    st.sampled_from(
        ["--with-editable", "--with-requirements", "--python", "--env-file", "--index", "--extra", "--dev"]
    ),
    st.sampled_from(["--", "-", "ink", "show.py", ".", "3.12", "python"]),
)


@pytest.mark.unit
@given(words=st.lists(WORDS, max_size=6))
def test_clear_options_are_those_that_the_parser_reads(words: list[str]) -> None:
    """Without the parser, nothing is taken for a command, a script or a module that the parser takes otherwise."""
    of_run, command = early_end.split(words)
    if not all(map(early_end.is_clear, of_run)):
        return
    try:
        arguments = run.parser_of_run().read(of_run)
    except UsageError:
        return

    assert not arguments.command
    assert not arguments.script
    assert not arguments.gui_script
    assert arguments.module == (not uv_options.MODULE.isdisjoint(of_run))
    assert bool(arguments.of_uv) == (not uv_options.WITH.isdisjoint(word.partition("=")[0] for word in of_run))
    assert command[:1] != ["--"] or words.count("--") > 1
