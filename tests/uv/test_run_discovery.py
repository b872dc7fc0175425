"""`pepip run` uses the same environment as `uv run`, however the command and the project are named.

Each case is one command line, given to uv and to pepip in equal trees of projects. A script prints where it runs. Its
output, the exit code and all written files must be the same. Packages that pepip installs are linked.
"""

from __future__ import annotations

import re
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import pytest

from tests.support.indexes import served
from tests.support.machines import Machine, Output, site_packages_of, uv_executable
from tests.support.projects import write_simple_index
from tests.support.snapshots import changes, snapshot
from tests.support.wheels import Wheel

pytestmark = pytest.mark.every(2)

NAMES = ("alder", "birch", "cherry")
WHERE = f"""import importlib.util, sys
print(sys.prefix, *[name for name in {NAMES} if importlib.util.find_spec(name)], *sys.argv[1:])
"""
INLINE = '# /// script\n# dependencies = ["cherry"]\n# ///\n'
PROJECT = '[project]\nname = "{name}"\nversion = "0"\nrequires-python = ">=3.9"\ndependencies = [{dependencies}]\n'
WORKSPACE = '[tool.uv.workspace]\nmembers = ["members/*"]\n'
FILES = {
    "here/pyproject.toml": PROJECT.format(name="here", dependencies='"alder"'),
    "here/main.py": WHERE,
    "here/sub/main.py": WHERE,
    "here/sub/module.py": WHERE,
    "here/sub/program": f"#!/usr/bin/env python3\n{WHERE}",
    "here/inline.py": INLINE + WHERE,
    "there/pyproject.toml": PROJECT.format(name="there", dependencies='"birch"'),
    "there/main.py": WHERE,
    "there/UPPER.PY": WHERE,
    "there/window.pyw": WHERE,
    "there/no-ending": WHERE,
    "there/sub/main.py": WHERE,
    "there/inline.py": INLINE + WHERE,
    "there/package/__main__.py": WHERE,
    "there/package-project/__main__.py": WHERE,
    "there/package-project/pyproject.toml": PROJECT.format(name="package-project", dependencies='"cherry"'),
    "out/main.py": WHERE,
    "out/inline.py": INLINE + WHERE,
    "nest/pyproject.toml": PROJECT.format(name="nest", dependencies='"alder"'),
    "nest/main.py": WHERE,
    "nest/inner/pyproject.toml": PROJECT.format(name="inner", dependencies='"birch"'),
    "nest/inner/main.py": WHERE,
    "nest/bare/pyproject.toml": "[tool.ruff]\nline-length = 100\n",
    "nest/bare/main.py": WHERE,
    "space/pyproject.toml": WORKSPACE,
    "space/main.py": WHERE,
    "space/members/one/pyproject.toml": PROJECT.format(name="one", dependencies='"alder"'),
    "space/members/one/main.py": WHERE,
    "space/members/two/pyproject.toml": PROJECT.format(name="two", dependencies='"birch"'),
    "space/members/two/main.py": WHERE,
    "unmanaged/pyproject.toml": PROJECT.format(name="unmanaged", dependencies='"alder"')
    + "[tool.uv]\nmanaged = false\n",
    "unmanaged/main.py": WHERE,
    "virtual/pyproject.toml": PROJECT.format(name="virtual", dependencies='"alder"')
    + '[tool.uv]\npackage = false\n[dependency-groups]\nlint = ["birch"]\n',
    "virtual/main.py": WHERE,
    "broken/pyproject.toml": "[project\n",
    "broken/main.py": WHERE,
}
LINKS = {"out/link.py": "../there/main.py", "out/linked": "../there/sub", "here/linked": "../there/sub"}


@dataclass(frozen=True)
class Case:
    """One command line, the folder in which it is typed, its variables and its stdin. `<tree>` is the tree's path."""

    folder: str
    words: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    stdin: str = ""

    def __str__(self) -> str:
        """Return the command line with its folder and variables, for the names of tests."""
        settings = "".join(f"{name}={value} " for name, value in self.variables.items())
        return f"{self.folder}: {settings}{' '.join(self.words)}"


@dataclass(frozen=True)
class Trees:
    """Two trees of the same projects, one for uv and one for pepip."""

    machine: Machine
    folder: Path
    settings: Mapping[str, str]

    @property
    def by_uv(self) -> Path:
        """Return uv's tree."""
        return self.folder / "by-uv"

    @property
    def by_pepip(self) -> Path:
        """Return pepip's tree."""
        return self.folder / "pepip"

    def write(self, name: str, text: str) -> None:
        """Write a file into both trees."""
        for tree in (self.by_uv, self.by_pepip):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text(text)

    def both(self, case: Case) -> tuple[Output, Output]:
        """Run a case by uv and by pepip."""
        return self._run([uv_executable()], self.by_uv, case), self._run_pepip(case)

    def _run_pepip(self, case: Case) -> Output:
        if case.stdin:
            return self._run([sys.executable, "-m", "pepip"], self.by_pepip, case)
        tree = self.by_pepip
        output = self.machine.pepip(
            *(word.replace("<tree>", str(tree)) for word in case.words),
            folder=tree / case.folder,
            check=False,
            variables=self._variables(case, tree),
        )
        return Output(
            output.args, output.returncode, self._plain(output.stdout, tree), self._plain(output.stderr, tree)
        )

    def modules(self, case: Case) -> set[str]:
        """Run a case by pepip and return the modules that it imports before it becomes uv."""
        output = self._run([sys.executable, "-X", "importtime", "-m", "pepip"], self.by_pepip, case)
        lines = [line for line in output.stderr.splitlines() if line.startswith("import time:")]
        return {line.rpartition("|")[2].strip() for line in lines}

    def _run(self, program: Sequence[str | Path], tree: Path, case: Case) -> Output:
        command = [*program, *(word.replace("<tree>", str(tree)) for word in case.words)]
        process = self.machine.start(command, folder=tree / case.folder, variables=self._variables(case, tree))
        stdout, stderr = process.communicate(case.stdin, timeout=120)
        return Output(command, process.returncode, self._plain(stdout, tree), self._plain(stderr, tree))

    def _variables(self, case: Case, tree: Path) -> dict[str, str]:
        return {
            **self.settings,
            **{name: value.replace("<tree>", str(tree)) for name, value in case.variables.items()},
        }

    def _plain(self, text: str, tree: Path) -> str:
        """Return output without paths that differ: those of the trees, and those of environments in uv's cache."""
        text = text.replace(str(tree), "<tree>")
        return re.sub(rf"{re.escape(str(self.machine.uv_cache))}/[\w.-]+/[\w.-]+", "<environment of uv>", text)

    def environments(self) -> list[str]:
        """Return the environments in pepip's tree."""
        return sorted(str(path.relative_to(self.by_pepip)) for path in self.by_pepip.rglob(".venv"))

    def assert_same(self) -> None:
        """Assert that both trees have the same files, and that pepip's environments link their packages."""
        one, other = (_but_for_contents(snapshot(tree)) for tree in (self.by_uv, self.by_pepip))
        assert changes(one, other) == []
        for environment in self.environments():
            for name in NAMES:
                path = site_packages_of(self.by_pepip / environment) / name
                assert path.is_symlink() or not path.exists(), f"{path} is not linked"


def _but_for_contents(tree: dict[str, object]) -> dict[str, object]:
    """Return a tree without the contents of its environments."""
    return {path: node for path, node in tree.items() if "/.venv/" not in path}


@pytest.fixture
def trees(machine: Machine, tmp_path: Path, interpreter: Path) -> Iterator[Trees]:
    """Yield the trees, with an index of the packages that their projects need."""
    for name in NAMES:
        Wheel(name, "1.0", files={f"{name}/__init__.py": ""}).write(tmp_path / "wheels")
    write_simple_index(tmp_path / "index", tmp_path / "wheels", hashes=True)
    with served(tmp_path / "index") as url:
        settings = {"UV_PYTHON": str(interpreter), "UV_DEFAULT_INDEX": url}
        trees = Trees(machine, tmp_path, settings)
        for name, text in FILES.items():
            trees.write(name, text)
        for tree in (trees.by_uv, trees.by_pepip):
            (tree / "here/sub/program").chmod(0o755)
            with zipfile.ZipFile(tree / "there/app.pyz", "w") as archive:
                archive.writestr(zipfile.ZipInfo("__main__.py"), WHERE)
            for name, target in LINKS.items():
                (tree / name).symlink_to(target)
        yield trees


def compare(trees: Trees, case: Case) -> None:
    """Assert that uv and pepip do the same in a case."""
    by_uv, by_pepip = trees.both(case)

    shown = f"uv: exit {by_uv.returncode}\n{by_uv.stdout}{by_uv.stderr}\npepip: {by_pepip.stdout}{by_pepip.stderr}"
    assert "Traceback" not in by_pepip.stderr, shown
    assert (by_pepip.returncode, by_pepip.stdout) == (by_uv.returncode, by_uv.stdout), shown
    trees.assert_same()


CASES = [
    # the folder of the script decides
    Case("here", ("run", "main.py")),
    Case("here", ("run", "../there/main.py", "word", "--flag")),
    Case("here", ("run", "--", "../there/main.py")),
    Case("here", ("run", "../there/sub/main.py")),
    Case("here", ("run", "<tree>/there/main.py")),
    Case("here", ("run", "../out/main.py")),
    Case("here", ("run", "<tree>/out/main.py")),
    Case("here", ("run", "../out/link.py")),
    Case("here", ("run", "linked/main.py")),
    Case("here", ("run", "linked/../main.py")),
    Case("here", ("run", "../out/linked/main.py")),
    Case("here", ("run", "../out/linked/../main.py")),
    Case("here", ("run", "../there/UPPER.PY")),
    Case("here", ("run", "../there/window.pyw")),
    Case("here", ("run", "../there/package")),
    Case("here", ("run", "../there/package/")),
    Case("here", ("run", "../there/package/.")),
    Case("here", ("run", "../there/package-project")),
    Case("here", ("run", "../there/app.pyz")),
    Case("here", ("run", "../there/no-ending")),
    Case("here", ("run", "../there/missing.py")),
    Case("here", ("run", "./sub/program")),
    Case("here/sub", ("run", "main.py")),
    Case("out", ("run", "main.py")),
    Case("out", ("run", "link.py")),
    Case("out", ("run", "../here/main.py")),
    Case("out", ("run", "<tree>/here/sub/main.py")),
    Case("out", ("run", "../there/package")),
    Case("out", ("run", "../there/app.pyz")),
    # options that give the word's kind
    *(Case("here", ("run", option, "../there/no-ending")) for option in ("-s", "--script", "--gui-script")),
    Case("out", ("run", "-s", "../there/missing")),
    Case("out", ("run", "-s", "../nowhere/missing")),
    Case("here", ("run", "-s", "../there/missing.py")),
    Case("here", ("run", "-m", "sub.module", "word")),
    Case("out", ("run", "--project", "../here", "-m", "main")),
    Case("here", ("run", "-m", "-s", "main.py")),
    Case("here", ("run", "python", "../there/main.py")),
    Case("here", ("run", "PYTHON", "../there/main.py")),
    Case("here", ("run", "sh", "-c", "python ../there/main.py")),
    Case("here", ("run", "-qp", "3", "../there/main.py")),
    Case("here", ("run",)),
    # options and variables that name a folder
    *(
        Case(folder, ("run", *words, script), variables)
        for folder, script in product(("here", "out"), ("main.py", "../nest/main.py"))
        for words, variables in (
            (("--project", "../there"), {}),
            (("--project", "<tree>/there/pyproject.toml"), {}),
            (("--directory", "../there"), {}),
            (("--directory", "..", "--project", "there"), {}),
            ((), {"UV_PROJECT": "../there"}),
            (("--project", "../there"), {"UV_PROJECT": "../nest"}),
            ((), {"UV_WORKING_DIR": "../there"}),
            ((), {"UV_WORKING_DIRECTORY": "../there"}),
            (("--directory", "../there"), {"UV_WORKING_DIR": "../nest", "UV_WORKING_DIRECTORY": "../out"}),
            (("--project", "../nowhere"), {}),
            (("--project", "main.py"), {}),
            (("--directory", "../nowhere"), {}),
            ((), {"UV_PROJECT": ""}),
            ((), {"UV_WORKING_DIR": ""}),
            ((), {"UV_WORKING_DIRECTORY": ""}),
            ((), {"UV_PROJECT_ENVIRONMENT": ".other/.venv"}),
        )
    ),
    # no project, or several
    *(
        Case("here", ("run", *words, script))
        for words in (("--no-project",), ("--isolated",), ("--no-sync",), ("--env-file", "missing"), ("--locked",))
        for script in ("main.py", "../there/main.py", "../out/main.py")
    ),
    Case("out", ("run", "--locked", "../there/main.py")),
    Case("out", ("run", "--frozen", "../there/main.py")),
    Case("here", ("run", "--package", "there", "../there/main.py")),
    Case("here", ("run", "--package", "nobody", "../there/main.py")),
    *(
        Case(folder, ("run", *words, script.replace("<to>", "." if folder == "space" else "../space")))
        for folder in ("space", "out")
        for script in ("<to>/main.py", "<to>/members/one/main.py")
        for words in ((), ("--package", "two"), ("--all-packages",))
    ),
    Case("space/members/one", ("run", "main.py")),
    Case("space/members/one", ("run", "../two/main.py")),
    Case("space/members/one", ("run", "--package", "two", "main.py")),
    *(Case("nest", ("run", script)) for script in ("main.py", "inner/main.py", "bare/main.py")),
    *(Case("nest/inner", ("run", script)) for script in ("main.py", "../main.py", "../bare/main.py")),
    *(Case("nest/bare", ("run", script)) for script in ("main.py", "../main.py", "../inner/main.py")),
    *(
        Case(folder, ("run", f"../{project}/main.py"))
        for folder in ("here", "out", "nest/bare/..")
        for project in ("unmanaged", "virtual", "broken")
    ),
    *(Case(project, ("run", "main.py")) for project in ("unmanaged", "virtual", "broken")),
    Case("out", ("run", "--group", "lint", "../virtual/main.py")),
    # a script with inline metadata
    *(
        Case(folder, ("run", script))
        for folder, script in product(("here", "out"), ("inline.py", "../there/inline.py"))
    ),
    Case("here", ("run", "-s", "inline.py")),
    Case("here", ("run", "--project", "../there", "inline.py")),
    # a script from stdin
    *(
        Case(folder, ("run", "-", "word"), stdin=text)
        for folder in ("here", "out")
        for text in (WHERE, INLINE + WHERE)
    ),
    Case("here", ("run", "--gui-script", "-"), stdin=WHERE),
    Case("here", ("run", "-m", "-"), stdin=WHERE),
    Case("out", ("run", "--project", "../there", "-"), stdin=WHERE),
    Case("here", ("run", "-"), stdin=f"{WHERE}print(repr(sys.stdin.read()))\n# {'x' * 100_000}\n"),
]


@pytest.mark.every(7)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_run_finds_the_environment_that_uv_finds(trees: Trees, case: Case) -> None:
    """The same command runs in the same environment, with the same packages, and writes the same files."""
    compare(trees, case)


@pytest.mark.every(5)
@pytest.mark.parametrize("folder", ["here", "out", "space/members/one"])
@pytest.mark.parametrize(
    ("words", "variables"),
    [
        ((), {}),
        (("--project", "<tree>/there"), {}),
        (("--project", "<tree>/there/pyproject.toml"), {}),
        (("--directory", "<tree>/space/members/two"), {}),
        (("--directory", "<tree>/nest", "--project", "bare"), {}),
        ((), {"UV_PROJECT": "<tree>/there"}),
        ((), {"UV_WORKING_DIR": "<tree>/virtual"}),
        ((), {"UV_WORKING_DIRECTORY": "<tree>/unmanaged"}),
    ],
    ids=str,
)
def test_changes_of_a_project_find_the_project_that_uv_finds(
    trees: Trees, folder: str, words: tuple[str, ...], variables: dict[str, str]
) -> None:
    """`sync`, `add` and `remove` change the project that options and variables name."""
    for command in (("sync",), ("add", "cherry"), ("remove", "cherry")):
        compare(trees, Case(folder, (*command, *words), variables))


@pytest.mark.parametrize("variables", [{"UV_WORKING_DIR": "../there"}, {"UV_WORKING_DIRECTORY": "../there"}], ids=str)
def test_a_command_that_only_looks_follows_the_variables(trees: Trees, variables: dict[str, str]) -> None:
    """`pepip list` shows the environment of the working directory that a variable names, as `uv pip list` does."""
    for folder in ("here", "there"):
        trees.both(Case(folder, ("sync",)))

    by_pepip = trees.both(Case("here", ("list", "--format", "freeze"), variables))[1]

    assert by_pepip.stdout == "birch==1.0\n"


TAGGED = {
    "closed": "# /// script\n# dependencies = []\n# ///\n",
    "windows line ends": "# /// script\r\n# dependencies = []\r\n# ///\r\n",
    "after other lines": '#!/usr/bin/env python3\n"""A script."""\n# /// script\n# dependencies = []\n# ///\n',
    "after a lone carriage return": "# a\r# /// script\n# dependencies = []\n# ///\n",
    "empty": "# /// script\n# ///\n",
    "not closed": "# /// script\n# dependencies = []\n",
    "closed by a longer line": "# /// script\n# dependencies = []\n# /// end\n",
    "no TOML": "# /// script\n# dependencies = [\n# ///\n",
    "twice": "# /// script\n# ///\n\n# /// script\n# ///\n",
    "last line": "# a\n# /// script",
    "last line and a carriage return": "# a\n# /// script\r",
    "indented": "if True:\n    # /// script\n    # ///\n    pass\n",
    "indented, and then not": "if True:\n    # /// script\n    pass\n# /// script\n# ///\n",
    "in a string": "TAG = '# /// script'\n",
    "in a string, and then a tag": "TAG = '# /// script'\n# /// script\n# ///\n",
    "spaces at the end": "# /// script  \n# ///\n",
    "another type": "# /// scripts\n# ///\n",
    "without a space": "#/// script\n# ///\n",
    "in capitals": "# /// SCRIPT\n# ///\n",
    "not in UTF-8": "# -*- coding: latin-1 -*-\n# \udce9\n# /// script\n# ///\n",
    "not in UTF-8, and no tag": "# -*- coding: latin-1 -*-\n# \udce9\n",
    "a longer line, not in UTF-8": "# -*- coding: latin-1 -*-\n# /// script x\n# \udce9\n",
}


@pytest.mark.every(4)
@pytest.mark.parametrize("name", TAGGED)
def test_a_script_whose_metadata_uv_reads_keeps_the_project_as_it_is(trees: Trees, name: str) -> None:
    """If uv finds metadata in a script, the script gets its own environment. Invalid metadata is refused."""
    text = TAGGED[name].encode("utf-8", "surrogateescape")
    for tree in (trees.by_uv, trees.by_pepip):
        (tree / "there/tagged.py").write_bytes(
            text + (b"\n" + WHERE.encode() if b"last" not in name.encode() else b"")
        )

    compare(trees, Case("here", ("run", "../there/tagged.py")))


@pytest.mark.every(5)
@pytest.mark.parametrize("name", ["main", "inline", "missing"])
@pytest.mark.parametrize("folder", ["here", "out"])
@pytest.mark.parametrize("words", [(), ("-s",), ("--project", "../there"), ("--directory", "../there")], ids=str)
def test_a_script_at_a_url_belongs_to_the_project_here(
    trees: Trees, folder: str, name: str, words: tuple[str, ...]
) -> None:
    """It runs in the project of the working directory, or in its own environment if it has metadata."""
    scripts = trees.folder / "index"
    (scripts / "main.py").write_text(WHERE)
    (scripts / "inline.py").write_text(INLINE + WHERE)

    compare(trees, Case(folder, ("run", *words, f"{trees.settings['UV_DEFAULT_INDEX']}{name}.py")))


def test_a_file_whose_path_looks_like_a_url_is_a_script(trees: Trees) -> None:
    """If such a file exists, nothing is downloaded."""
    trees.write("here/http:/main.py", WHERE)

    compare(trees, Case("here", ("run", "http://main.py")))


WARM = [
    Case("here", ("run", "main.py")),
    Case("here", ("run", "sub/main.py")),
    Case("here", ("run", "../there/main.py")),
    Case("here", ("run", "../out/main.py")),
    Case("out", ("run", "../there/main.py")),
    Case("out", ("run", "../there/package")),
    Case("out", ("run", "../there/app.pyz")),
    Case("here", ("run", "./sub/program")),
]


@pytest.mark.parametrize("case", WARM, ids=str)
def test_a_script_with_nothing_to_sync_starts_at_once(trees: Trees, case: Case) -> None:
    """After a run had nothing to sync, pepip remembers this for the script's project, and does not ask uv again."""
    for _ in range(2):
        trees.both(case)
        time.sleep(0.1)  # files that changed just now are not noted as up to date yet

    loaded = trees.modules(case)

    assert "pepip.uv.up_to_date" in loaded
    assert not {"argparse", "subprocess", "json"} & loaded
    compare(trees, case)


@pytest.mark.every(3)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("out/pyproject.toml", PROJECT.format(name="out", dependencies='"birch"')),
        ("here/pyproject.toml", PROJECT.format(name="here", dependencies='"alder", "cherry"')),
        ("here/sub/pyproject.toml", PROJECT.format(name="sub", dependencies='"birch"')),
        ("here/main.py", INLINE + WHERE),
        ("here/sub/main.py", INLINE + WHERE),
        ("out/main.py", INLINE + WHERE),
    ],
)
def test_a_remembered_answer_is_forgotten_after_a_change(trees: Trees, name: str, text: str) -> None:
    """After a nearer project, other dependencies or new metadata appear, the next run finds them, as uv does."""
    cases = [case for case in WARM if case.folder == "here"]
    for case in cases:
        for _ in range(2):
            trees.both(case)
            time.sleep(0.1)

    trees.write(name, text)

    for case in cases:
        compare(trees, case)


def test_a_pipe_is_left_for_the_script_that_it_holds(trees: Trees) -> None:
    """A pipe can be read only once, so pepip leaves it to uv."""
    words = ("-c", 'printf "print(1)" | "$0" "$@" run --script /dev/stdin; printf "print(2)" | "$0" "$@" run -')
    for tree, program in ((trees.by_uv, [uv_executable()]), (trees.by_pepip, [sys.executable, "-m", "pepip"])):
        output = trees.machine.run(["sh", *words, *program], folder=tree / "here", variables=trees.settings)
        said = output.stdout

        assert said.endswith("2\n"), (said, output.stderr)
    trees.assert_same()
