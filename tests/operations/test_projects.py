"""`pepip sync` makes the same of a project as `uv sync`, for projects of many kinds and through their changes.

Twin projects get the same commands. After each, the environments are equal, and so are all other written files:
`pyproject.toml`, `uv.lock`, and the files that a build leaves.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import projects
from tests.support.environments import Twins
from tests.support.indexes import served
from tests.support.machines import require_interpreter, site_packages_of, uv_executable
from tests.support.parity import Level
from tests.support.projects import PROJECTS, Definition, project_table
from tests.support.snapshots import stamps
from tests.support.stores import entries_of, leftovers_of, problems_of

pytestmark = pytest.mark.every(2)


def assert_same(twins: Twins, level: Level = Level.METADATA) -> None:
    """Assert that the environments and all other files of both projects are equal, and that the store is whole."""
    twins.assert_equal(level)
    assert twins.file_differences() == []
    assert problems_of(twins.machine.store) == []
    assert leftovers_of(twins.machine.store) == []


def is_linked(twins: Twins, package: str) -> bool:
    """Return whether pepip's environment links a package from the store."""
    path = site_packages_of(twins.pepip_environment) / package
    return path.is_symlink() and path.resolve().is_relative_to(twins.machine.store.resolve())


def store_stamps(store: Path) -> dict[str, tuple[int, int]]:
    """Return the inodes and times of a store without its `cache`, where pepip notes earlier answers."""
    return {path: stamp for path, stamp in stamps(store).items() if f"{store}/cache" not in path}


@pytest.mark.every(4)
@pytest.mark.parametrize("definition", PROJECTS, ids=str)
def test_sync_makes_uvs_environment(twins: Twins, definition: Definition) -> None:
    """Lock, environment and the files that a build leaves are the same for projects of every kind."""
    definition.lay_out(twins)

    twins.both("sync")

    assert_same(twins)


@pytest.mark.every(5)
@pytest.mark.parametrize("definition", PROJECTS, ids=str)
def test_a_second_run_writes_nothing(twins: Twins, definition: Definition) -> None:
    """If a project is up to date, neither tool changes a file of the project or of the store, not even a time stamp.

    pepip notes in `cache/` that there was nothing to do.
    """
    definition.lay_out(twins)
    machine, project, variables = twins.machine, twins.pepip_project, {"UV_PYTHON": str(twins.interpreter)}
    first = json.loads(machine.pepip("sync", "--json", folder=project, variables=variables).stdout)
    machine.pepip("run", "python", "-c", "", folder=project, variables=variables)
    before = [stamps(project), store_stamps(machine.store)]

    for start in (machine.pepip, machine.uv):
        for words in (("sync",), ("sync", "--frozen"), ("sync", "--locked"), ("run", "python", "-c", "")):
            start(*words, folder=project, variables=variables)

            assert [stamps(project), store_stamps(machine.store)] == before, (start, words)
    assert {item["name"] for item in first["private"]} == definition.own
    assert first["linked"]


SWITCHES = {
    "extras and groups": (
        projects.LIBRARY,
        [
            ("sync", "--extra", "templates"),
            ("sync", "--all-extras", "--no-dev"),
            ("sync", "--extra", "all", "--no-extra", "templates"),
            ("sync", "--all-groups", "--no-group", "docs"),
            ("sync", "--only-group", "docs"),
            ("sync", "--group", "dev", "--no-default-groups"),
            ("sync", "--inexact"),
            ("sync", "--only-dev"),
            ("sync",),
        ],
    ),
    "the project itself": (
        projects.APPLICATION,
        [
            ("sync", "--no-install-project"),
            ("sync", "--no-editable"),
            ("sync", "--no-editable"),
            ("sync", "--no-dev"),
            ("sync", "--no-install-package", "click", "--inexact"),
            ("sync", "--no-install-package", "click"),
            ("sync", "--only-install-project"),
            ("sync", "--reinstall"),
            ("sync", "--reinstall-package", "attrs", "--reinstall-package", "app"),
        ],
    ),
    "members of a workspace": (
        projects.WORKSPACE,
        [
            ("sync",),
            ("sync", "--all-packages"),
            ("sync", "--package", "core-cli", "--extra", "colour"),
            ("sync", "--package", "core", "--package", "app"),
            ("sync", "--all-packages", "--no-editable"),
            ("sync", "--all-packages", "--no-install-workspace"),
            ("sync", "--all-packages", "--no-install-local"),
            ("sync", "--all-packages", "--all-extras", "--no-dev"),
        ],
    ),
    "conflicting extras": (
        projects.CONFLICTS,
        [("sync",), ("sync", "--extra", "old"), ("sync", "--extra", "new"), ("sync", "--extra", "old"), ("sync",)],
    ),
    "a namespace that a member comes to": (
        projects.NAMESPACE,
        [
            ("sync",),
            ("sync", "--no-editable"),
            ("sync", "--no-install-workspace"),
            ("sync", "--no-editable"),
            ("sync",),
        ],
    ),
    "members that are not editable": (
        projects.NOT_EDITABLE,
        [("sync",), ("sync", "--no-install-local"), ("sync", "--reinstall-package", "core")],
    ),
}


@pytest.mark.every(4)
@pytest.mark.parametrize("case", SWITCHES)
def test_switching_ends_as_under_uv(twins: Twins, case: str) -> None:
    """From one selection to the next, an environment changes as under uv."""
    definition, commands = SWITCHES[case]
    definition.lay_out(twins)

    for words in commands:
        twins.both(*words)

        assert twins.differences(Level.FILES) == [], words
    assert_same(twins, Level.BEHAVIOUR)


def test_a_member_is_synced_from_its_own_folder(twins: Twins) -> None:
    """In the folder of a member, a sync selects that member and changes the environment of the workspace."""
    projects.WORKSPACE.lay_out(twins)

    twins.both("sync", member="packages/cli")
    assert_same(twins)
    twins.both("sync", "--no-editable", member="packages/core/src")

    assert_same(twins)
    assert is_linked(twins, "idna")


def test_index_bytes_of_one_version_are_told_apart(twins: Twins, tmp_path: Path) -> None:
    """If two indexes have different files for one name and version, each file gets its own entry."""
    projects.INDEX.lay_out(twins)
    twins.both("sync")
    other = Twins(twins.machine, tmp_path / "others", twins.interpreter)
    Definition("plain", {"pyproject.toml": project_table('"idna==3.7"')}).lay_out(other)

    other.both("sync")

    assert_same(twins)
    assert_same(other)
    assert len([name for name in entries_of(twins.machine.store) if name.startswith("idna-3.7")]) == 2


def test_another_index_for_the_same_version_replaces_it(twins: Twins) -> None:
    """When only the source of a dependency changes, both tools do the same to the environment."""
    projects.INDEX.lay_out(twins)
    twins.both("sync")
    twins.write("pyproject.toml", project_table('"idna==3.7", "click"'))

    twins.both("sync")
    assert_same(twins)
    twins.both("sync", "--reinstall")

    assert_same(twins)


def test_python_version_is_switched(twins: Twins) -> None:
    """Another `--python` makes a new environment, with the packages for that version."""
    projects.FORKS.lay_out(twins)
    twins.both("sync")

    twins.both("sync", "--python", require_interpreter("3.10"))
    assert_same(twins)
    twins.both("sync", "--python", require_interpreter("3.13"))
    assert_same(twins)
    twins.write(".python-version", f"{require_interpreter('3.9')}\n")
    twins.both("sync", variables={"UV_PYTHON": ""})

    assert_same(twins)
    assert "version_info = 3.9" in (twins.pepip_environment / "pyvenv.cfg").read_text()


def test_a_sync_says_that_it_makes_the_environment(twins: Twins) -> None:
    """Both tools say that an environment is made, or made anew on another Python. A dry run says that it would be."""
    twins.write("pyproject.toml", project_table(""))
    (old, new), root = map(require_interpreter, ("3.10", "3.13")), twins.pepip_environment

    for python, version, verb in ((old, "3.10", ""), (new, "3.13", " anew"), (new, "3.13", None)):
        for options, made in (("--dry-run",), f"Would make{verb}"), ((), f"Made{verb}"):
            of_uv, of_pepip = twins.both("sync", "--python", python, *options)

            line = of_pepip.stderr.splitlines()[0]
            assert line.startswith("Nothing to do" if verb is None else f"{made} {root} with Python {version}.")
            words = ("Creating virtual environment", "Would create project environment", "Would replace project")
            assert any(word in of_uv.stderr for word in words) is (verb is not None)
            is_anew = any(word in of_uv.stderr for word in ("Removed virtual environment", "Would replace project"))
            assert is_anew is (verb == " anew")


def lay_out_with_old_lock(twins: Twins) -> None:
    """Sync a project with old versions, then allow newer ones."""
    twins.write("pyproject.toml", project_table('"markupsafe<2.1.4", "idna<3.5", "attrs"'))
    twins.both("sync")
    twins.write("pyproject.toml", project_table('"markupsafe>=2.1,<3", "idna>=3.2,<3.7", "click>=8,<8.2"'))


@pytest.mark.every(5)
@pytest.mark.parametrize(
    "words",
    [
        ("sync",),
        ("sync", "-U"),
        ("sync", "--upgrade"),
        ("sync", "--upgrade-package", "idna"),
        ("sync", "-P", "markupsafe==2.1.3", "--inexact"),
        ("sync", "--resolution", "lowest-direct", "-U"),
        ("sync", "--frozen"),
        ("add", "idna<3.6", "--upgrade-package", "idna"),
        ("add", "packaging", "-U"),
        ("remove", "click"),
    ],
    ids=" ".join,
)
def test_lock_goes_on_as_under_uv(twins: Twins, words: tuple[str, ...]) -> None:
    """A locked version stays while it is allowed, and is upgraded on request.

    A frozen sync takes the lock unchanged.
    """
    lay_out_with_old_lock(twins)

    twins.both(*words)

    assert_same(twins)


def test_a_stale_lock_is_refused_when_locked(twins: Twins) -> None:
    """`--locked` fails with uv's words and exit code, and nothing is written."""
    lay_out_with_old_lock(twins)
    before = [stamps(twins.pepip_project), store_stamps(twins.machine.store)]

    for words, variables in ((("sync", "--locked"), {}), (("sync",), {"UV_LOCKED": "1"})):
        by_uv, by_pepip = twins.both(*words, check=False, variables=variables)

        assert by_pepip.returncode == by_uv.returncode != 0
        assert by_uv.stderr.splitlines()[-1] in by_pepip.stderr
        assert [stamps(twins.pepip_project), store_stamps(twins.machine.store)] == before


def test_a_project_without_a_lock_is_refused_when_frozen(twins: Twins) -> None:
    """`--frozen` without a lock is refused, and no lock is made."""
    projects.VIRTUAL.lay_out(twins)

    by_uv, by_pepip = twins.both("sync", "--frozen", check=False)

    assert by_pepip.returncode == by_uv.returncode != 0
    assert by_uv.stderr.splitlines()[-1] in by_pepip.stderr
    assert not (twins.pepip_project / "uv.lock").exists()
    assert not twins.pepip_environment.exists()


def test_git_dependency_moves_with_its_branch(twins: Twins) -> None:
    """A commit of a branch stays locked until an upgrade, and the upgrade links the newer commit."""
    repository = projects.furnish(twins) / "ledger"
    twins.write(
        "pyproject.toml",
        project_table('"ledger"')
        + f'[tool.uv.sources]\nledger = {{ git = "{repository.as_uri()}", branch = "main" }}\n',
    )
    twins.both("sync")
    projects.commit(twins.machine, repository, replace(projects.LEDGER, version="2.0"))

    twins.both("sync")
    assert_same(twins)
    twins.both("sync", "--upgrade")

    assert_same(twins)
    assert entries_of(twins.machine.store)[-2:] == ["ledger-1.0", "ledger-2.0"]


def test_a_changed_folder_is_installed_again(twins: Twins) -> None:
    """A sync installs the present state of a path dependency, and of a member that is not editable."""
    projects.NOT_EDITABLE.lay_out(twins)
    twins.both("sync")
    twins.write("core/pyproject.toml", projects.UV_BUILD + project_table('"idna"', name="core"))
    twins.write("core/src/core/__init__.py", "CHANGED = True\n")
    newer = replace(projects.QUILL, version="1.5", files={"quill/new.py": ""})
    projects.rewrite_source(projects.furnish(twins) / "quill", newer)

    twins.both("sync")

    assert_same(twins)


@pytest.mark.parametrize("kind", ["folder", "built by wish"])
def test_private_packages_stay_out_of_linked_packages(twins: Twins, tmp_path: Path, kind: str) -> None:
    """If uv itself installs files into the folder of a linked package, it never writes through the link."""
    elsewhere = projects.furnish(twins)
    wheels = elsewhere / "wheels"
    projects.rewrite_source(elsewhere / "contrib", projects.CAMERA_CONTRIB)
    build = ("--no-deps", "--no-index", "--find-links", wheels, "--no-binary", "pepip-tests-contrib")
    twins.machine.uv(
        "pip", "install", *build, "--python", twins.interpreter, "--target", tmp_path / "w", "pepip-tests-contrib",
        folder=tmp_path,
    )  # fmt: skip
    settings = '[tool.uv]\nfind-links = ["../../elsewhere/wheels"]\n'
    if kind == "folder":
        settings += '[tool.uv.sources]\npepip-tests-contrib = { path = "../../elsewhere/contrib" }\n'
    twins.write("pyproject.toml", project_table('"pepip-tests-camera"') + settings)
    twins.both("sync")
    twins.write("pyproject.toml", project_table('"pepip-tests-camera", "pepip-tests-contrib"') + settings)

    twins.both("sync", *(("--no-binary-package", "pepip-tests-contrib") if kind == "built by wish" else ()))
    assert_same(twins)
    twins.both("remove", "pepip-tests-contrib")

    assert_same(twins)


@pytest.mark.parametrize("hashes", [True, False], ids=["with hashes", "without hashes"])
def test_an_index_that_is_served_gives_the_same_as_uv(twins: Twins, hashes: bool) -> None:
    """An index without hashes is linked too, since the lock has the hashes."""
    elsewhere = projects.furnish(twins)
    projects.write_simple_index(elsewhere / "simple", elsewhere / "wheels", hashes=hashes)
    with served(elsewhere / "simple") as url:
        twins.write(
            "pyproject.toml",
            project_table('"pepip-tests-plug", "pepip-tests-camera", "idna"')
            + f'[[tool.uv.index]]\nname = "own"\nurl = "{url}"\n',
        )

        twins.both("sync")

    assert_same(twins)
    assert is_linked(twins, "idna")
    assert is_linked(twins, "plug")


def test_settings_of_the_environment_hold(twins: Twins) -> None:
    """The environment lies where uv's settings say: a variable, or the active environment."""
    projects.APPLICATION.lay_out(twins)

    twins.both("sync", variables={"UV_PROJECT_ENVIRONMENT": "made/here"})
    twins.both("venv", "active")
    twins.both("sync", "--active", "--no-dev", variables={"VIRTUAL_ENV": "active"})

    assert not twins.pepip_environment.exists()
    for name in ("made/here", "active"):
        found = [sorted({path.name for path in site_packages_of(project / name).iterdir()} - {"__pycache__"})
                 for project in (twins.uv_project, twins.pepip_project)]  # fmt: skip
        assert found[0] == found[1]
        assert (site_packages_of(twins.pepip_project / name) / "attrs").is_symlink()


def test_a_dry_run_changes_nothing(twins: Twins) -> None:
    """A dry run reports the changes, also in uv's JSON, and writes nothing, before the first sync and after it."""
    projects.APPLICATION.lay_out(twins)

    for _ in range(2):
        before = stamps(twins.pepip_project)
        for words in (("sync", "--dry-run"), ("sync", "--dry-run", "--output-format", "json", "--all-groups")):
            by_uv, by_pepip = twins.both(*words)
            assert stamps(twins.pepip_project) == before
        assert json.loads(by_pepip.stdout) == json.loads(by_uv.stdout.replace("/by-uv/", "/pepip/"))
        twins.both("sync", "--no-dev")


def test_uvs_json_is_passed_on(twins: Twins) -> None:
    """`--output-format json` gives uv's own report."""
    projects.APPLICATION.lay_out(twins)

    by_uv, by_pepip = twins.both("sync", "--output-format", "json")

    assert json.loads(by_pepip.stdout) == json.loads(by_uv.stdout.replace("/by-uv/", "/pepip/"))
    assert_same(twins)


_INTERRUPTED_SYNC = """
import subprocess, sys
from pepip.cli import main
from pepip.operations import foreign_writes

usual = foreign_writes.repair_written

def after_another_tool(store):
    subprocess.run([sys.argv[1], "pip", "uninstall", "-q", "idna"], check=True)
    return usual(store)

foreign_writes.repair_written = after_another_tool
sys.exit(main.run(["sync", "--frozen"]))
"""


def test_a_plan_is_made_again_if_another_tool_changes_the_environment_after_it(twins: Twins) -> None:
    """The plan of uv has nothing to do. Then another tool uninstalls a distribution: the sync installs it again."""
    projects.LIBRARY.lay_out(twins)
    twins.both("sync")
    folder = twins.pepip_project

    twins.machine.run([sys.executable, "-c", _INTERRUPTED_SYNC, uv_executable()], folder=folder)

    assert_same(twins)


def test_uv_and_pepip_take_turns(twins: Twins) -> None:
    """Each tool continues where the other stopped.

    The environment equals that of uv alone, and the store is whole.
    """
    projects.LIBRARY.lay_out(twins)
    machine, variables = twins.machine, {"UV_PYTHON": str(twins.interpreter)}
    turns = [
        ("pepip", ("sync", "--all-extras")),
        ("uv", ("sync",)),
        ("uv", ("add", "click<8.1")),
        ("pepip", ("add", "click>=8.1", "--upgrade-package", "click")),
        ("uv", ("remove", "idna")),
        ("pepip", ("sync", "--extra", "all")),
        ("uv", ("sync", "--reinstall")),
        ("pepip", ("remove", "click")),
        ("pepip", ("sync", "--reinstall")),
        ("uv", ("run", "--all-groups", "python", "-c", "import packaging")),
        ("pepip", ("run", "--only-group", "docs", "python", "-c", "import pygments")),
        ("uv", ("sync", "--no-default-groups")),
    ]

    for tool, words in turns:
        machine.uv(*words, folder=twins.uv_project, variables=variables)
        start = machine.uv if tool == "uv" else machine.pepip
        start(*words, folder=twins.pepip_project, variables=variables)

        assert twins.differences(Level.FILES) == [], (tool, words)
        assert problems_of(machine.store) == []
    assert_same(twins)


def test_uv_leaves_the_store_as_it_was(twins: Twins) -> None:
    """No byte of the store changes if uv removes, replaces and reinstalls linked distributions."""
    projects.APPLICATION.lay_out(twins)
    machine, variables = twins.machine, {"UV_PYTHON": str(twins.interpreter)}
    machine.pepip("sync", folder=twins.pepip_project, variables=variables)
    before = stamps(machine.store / "packages")

    for words in (
        ("sync", "--no-dev"),
        ("remove", "click"),
        ("add", "attrs<25"),
        ("sync", "--reinstall"),
        ("run", "--reinstall", "python", "-c", ""),
    ):
        machine.uv(*words, folder=twins.pepip_project, variables=variables)
        assert stamps(machine.store / "packages") == before, words


REAL_WORLD = {
    "data": project_table(
        '"pandas", "matplotlib", "scikit-learn"',
        more='[dependency-groups]\ndev = ["jupyterlab"]\n'
        '[project.optional-dependencies]\nfast = ["polars", "pyarrow"]\n',
    ),
    "web": project_table(
        '"django", "djangorestframework", "celery", "psycopg[binary]", "gunicorn"',
        more='[dependency-groups]\ndev = ["pytest-django", "django-debug-toolbar", "mypy", "ruff"]\n',
    ),
}


@pytest.mark.real_world
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", REAL_WORLD)
def test_real_world_project_equals_uvs(twins: Twins, pip: Path, kind: str) -> None:
    """Big projects are the same in everything that is compared, also after another selection."""
    twins.write("pyproject.toml", REAL_WORLD[kind])

    twins.both("sync")
    twins.assert_equal(pip=pip)
    twins.both("sync", "--all-extras", "--no-dev")

    twins.assert_equal(pip=pip)
    assert_same(twins)


@pytest.mark.parametrize("name", ['name = "app"', 'name = "another"'])
def test_a_worktree_gets_its_environment_without_uv(twins: Twins, name: str) -> None:
    """An environment like one that uv made for the same project elsewhere is written by pepip, equal to uv's.

    A worktree has another folder. The interpreter that the project asks for counts, and so does its name.
    """
    text = f'[project]\n{name}\nversion = "1.0"\nrequires-python = ">=3.9"\ndependencies = ["iniconfig"]\n'
    twins.write("pyproject.toml", text)
    machine, variables = twins.machine, {"UV_PYTHON": str(twins.interpreter)}
    machine.uv("lock", folder=twins.pepip_project)
    twins.write("uv.lock", (twins.pepip_project / "uv.lock").read_text())
    for number in range(2):  # the first makes the store, in which the second's environment is noted
        tree = twins.folder / f"tree-{number}"
        tree.mkdir()
        for file in ("pyproject.toml", "uv.lock"):
            (tree / file).write_text((twins.pepip_project / file).read_text())
        machine.pepip("sync", "--frozen", folder=tree, variables=variables)
    machine.uv("sync", "--frozen", folder=twins.uv_project, variables=variables)

    traced = ["strace", "-f", "-qq", "-e", "trace=execve", sys.executable, "-m", "pepip", "sync", "--frozen"]
    output = machine.run(traced, folder=twins.pepip_project, variables=variables)

    assert '"run", "--no-sync"' not in output.stderr
    assert_same(twins, Level.FILES)
