"""`pepip add` and `remove` write the same files as uv's, and fail with the same words.

Twin projects get the same commands, as in `test_projects`.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.operations.test_projects import assert_same, is_linked
from tests.support import projects
from tests.support.environments import Twins
from tests.support.projects import UV_BUILD, project_table
from tests.support.refusals import assert_refused, assert_refused_alike
from tests.support.snapshots import changes, snapshot, stamps
from tests.support.stores import problems_of
from tests.support.wheels import Wheel

CHANGES = {
    "a name": [("add", "attrs")],
    "several with specifiers": [("add", "attrs>=23,<25", "click==8.1.7", "jinja2")],
    "for development": [("add", "--dev", "iniconfig"), ("remove", "--dev", "iniconfig")],
    "for a group": [("add", "--group", "lint", "pyflakes", "mccabe"), ("remove", "--group", "lint", "mccabe")],
    "for an extra": [("add", "--optional", "plot", "colorama"), ("remove", "--optional", "plot", "colorama")],
    "with an extra of its own": [("add", "attrs", "coverage[toml]"), ("add", "idna", "--extra", "all")],
    "with a marker": [
        ("add", "tomli", "--marker", "python_version < '3.11'"),
        ("add", "attrs ; python_version > '3'"),
    ],
    "bounds": [("add", "attrs", "--bounds", "exact"), ("add", "click", "--raw")],
    "a folder": [("add", "../../elsewhere/quill"), ("remove", "quill")],
    "an editable folder": [("add", "--editable", "../../elsewhere/nib"), ("sync", "--no-dev"), ("remove", "nib")],
    "a file": [("add", "../../elsewhere/files/blotter-1.0-py3-none-any.whl"), ("remove", "blotter")],
    "an index": [("remove", "idna"), ("add", "pepip-tests-only-here", "--index", "own=../../elsewhere/pages")],
    "find-links": [("add", "pepip-tests-plug", "--find-links", "../../elsewhere/wheels")],
    "without sync": [("add", "attrs", "--no-sync"), ("sync",), ("remove", "attrs", "--no-sync")],
    "frozen": [("add", "attrs", "--frozen"), ("remove", "attrs", "--frozen"), ("sync",)],
    "a requirements file": [("add", "-r", "requirements.txt"), ("remove", "attrs", "click")],
    "constraints": [("add", "attrs", "-c", "requirements.txt")],
    "other options": [("--quiet", "add", "attrs", "--no-install-project"), ("add", "--directory", ".", "click")],
}


@pytest.mark.every(4)
@pytest.mark.parametrize("case", CHANGES)
def test_add_and_remove_write_the_same_files_as_uv(twins: Twins, case: str) -> None:
    """`pyproject.toml` and `uv.lock` are equal byte for byte, and so are the environments."""
    elsewhere = projects.furnish(twins)
    projects.write_simple_index(elsewhere / "pages", elsewhere / "index", hashes=True)
    twins.write("pyproject.toml", UV_BUILD + project_table('"idna<3.7"'))
    twins.write("src/app/__init__.py", "")
    twins.write("requirements.txt", "attrs<24\nclick>=8.1,<8.2  # a comment\n")

    for words in CHANGES[case]:
        twins.both(*words)

        assert twins.file_differences() == [], words
    assert_same(twins)


def test_a_repository_is_added_by_tag_and_removed(twins: Twins) -> None:
    """A git dependency is linked by its commit."""
    repository = projects.furnish(twins) / "ledger"
    projects.VIRTUAL.lay_out(twins)

    twins.both("add", f"git+{repository.as_uri()}", "--tag", "v1")
    assert_same(twins)
    assert is_linked(twins, "ledger")
    twins.both("remove", "ledger")

    assert_same(twins)


def test_members_of_a_workspace_are_changed(twins: Twins) -> None:
    """`--package`, or the folder of a member, chooses the `pyproject.toml` to change."""
    projects.WORKSPACE.lay_out(twins)

    for words, member in (
        (("add", "--package", "core", "iniconfig"), "."),
        (("add", "--optional", "more", "packaging"), "packages/cli"),
        (("add", "core-cli"), "."),
        (("remove", "--package", "core-cli", "attrs"), "packages/core"),
        (("remove", "click"), "."),
    ):
        twins.both(*words, member=member)

        assert twins.file_differences() == [], words
    assert_same(twins)


def write_failing_sdist(folder: Path) -> None:
    """Write an sdist with complete metadata whose build fails."""
    wheel = Wheel("pepip-tests-unbuildable", "1.0", files={"unbuildable.py": ""})
    source = wheel.write_source(folder / "unpacked" / wheel.stem)
    (source / "backend.py").write_text("raise RuntimeError('this never builds')\n")
    folder.mkdir(exist_ok=True)
    with tarfile.open(folder / f"{wheel.stem}.tar.gz", "w:gz") as archive:
        archive.add(source, wheel.stem)


CONTEXT_OF_A_BUILD = ("was included because", "Failed to add dependencies", "If you want to add the package")
"""uv's words around a failed build. pepip does not say them: it lets uv build before the environment changes."""


@pytest.mark.every(3)
@pytest.mark.parametrize(
    "words",
    [
        ("add", "pepip-tests-there-is-no-such-package"),
        ("add", "attrs>9999"),
        ("add", "idna", "../../elsewhere/nowhere"),
        ("add", "not a requirement"),
        ("add", "pepip-tests-unbuildable", "--find-links", "../../elsewhere/unbuildable"),
        ("add", "--package", "nobody", "attrs"),
        ("add", "git+file:///there/is/no/repository"),
        ("remove", "attrs"),
        ("remove", "--dev", "idna"),
        ("remove", "--group", "nothing", "idna"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("is_locked", [True, False], ids=["synced before", "new"])
def test_a_change_that_fails_leaves_everything_as_it_was(
    twins: Twins, words: tuple[str, ...], is_locked: bool
) -> None:
    """Words and exit code are uv's. `pyproject.toml`, `uv.lock` and the environment are unchanged."""
    write_failing_sdist(projects.furnish(twins) / "unbuildable")
    twins.write("pyproject.toml", project_table('"idna"'))
    if is_locked:
        twins.both("sync")
    before = snapshot(twins.pepip_project)

    by_uv, by_pepip = twins.both(*words, check=False)

    assert_refused_alike(by_uv, by_pepip, but=CONTEXT_OF_A_BUILD if "pepip-tests-unbuildable" in words else ())
    assert twins.file_differences() == []
    if is_locked:
        assert changes(before, snapshot(twins.pepip_project)) == []
    assert problems_of(twins.machine.store) == []


def test_a_member_whose_add_fails_is_as_it_was(twins: Twins) -> None:
    """The `pyproject.toml` of the member and the lock of the workspace are restored."""
    write_failing_sdist(projects.furnish(twins) / "unbuildable")
    projects.WORKSPACE.lay_out(twins)
    twins.both("sync")
    before = snapshot(twins.pepip_project)
    source = ("--find-links", "../../elsewhere/unbuildable")

    by_uv, by_pepip = twins.both(
        "add", "--package", "core", "pepip-tests-unbuildable", *source, member=".", check=False
    )

    assert_refused_alike(by_uv, by_pepip, but=CONTEXT_OF_A_BUILD)
    assert twins.file_differences() == []
    assert changes(before, snapshot(twins.pepip_project)) == []


def no_project(twins: Twins) -> None:
    """Write no project, only another file."""
    twins.write("notes.txt", "")


def malformed_project(twins: Twins) -> None:
    """Write a `pyproject.toml` that is not TOML."""
    twins.write("pyproject.toml", "[project\nname = ")


def project_without_name(twins: Twins) -> None:
    """Write a `pyproject.toml` that is valid TOML but not a project: its name is missing."""
    twins.write("pyproject.toml", '[project]\nversion = "1"\n')


def malformed_lock(twins: Twins) -> None:
    """Write a lock that is not TOML."""
    projects.VIRTUAL.lay_out(twins)
    twins.write("uv.lock", "version = [\n")


def lock_of_the_future(twins: Twins) -> None:
    """Write a lock of a version that this uv can't read."""
    projects.VIRTUAL.lay_out(twins)
    twins.write("uv.lock", 'version = 99\nrequires-python = ">=3.9"\n')


def unsatisfiable(twins: Twins) -> None:
    """Ask for versions that don't fit together."""
    twins.write("pyproject.toml", project_table('"jinja2>=3", "markupsafe<1"'))


def python_too_old(twins: Twins) -> None:
    """Require a Python that nobody has."""
    twins.write("pyproject.toml", project_table('"idna"').replace(">=3.9", ">=3.99"))


def missing_folder(twins: Twins) -> None:
    """Depend on a folder that does not exist."""
    table = project_table('"quill"') + '[tool.uv.sources]\nquill = { path = "../../elsewhere/nowhere" }\n'
    twins.write("pyproject.toml", table)


def missing_revision(twins: Twins) -> None:
    """Depend on a tag that a repository doesn't have."""
    repository = (projects.furnish(twins) / "ledger").as_uri()
    source = f'[tool.uv.sources]\nledger = {{ git = "{repository}", tag = "v9" }}\n'
    twins.write("pyproject.toml", project_table('"ledger"') + source)


def unknown_member(twins: Twins) -> None:
    """Take a dependency from a workspace that doesn't have it."""
    twins.write("pyproject.toml", project_table('"core"') + "[tool.uv.sources]\ncore = { workspace = true }\n")


def failing_build(twins: Twins) -> None:
    """Depend on an sdist that can't be built."""
    write_failing_sdist(projects.furnish(twins) / "unbuildable")
    links = '[tool.uv]\nfind-links = ["../../elsewhere/unbuildable"]\n'
    twins.write("pyproject.toml", project_table('"pepip-tests-unbuildable", "click"') + links)


def failing_build_of_the_project(twins: Twins) -> None:
    """Break the build of the project itself, and change its dependencies."""
    backend = '[build-system]\nrequires = []\nbuild-backend = "broken"\nbackend-path = ["."]\n'
    twins.write("pyproject.toml", backend + project_table('"click"'))
    twins.write("broken.py", "raise RuntimeError('this never builds')\n")


LAYOUTS = [
    no_project, malformed_project, project_without_name, malformed_lock, lock_of_the_future,
    unsatisfiable, python_too_old, missing_folder, missing_revision, unknown_member, failing_build,
    failing_build_of_the_project,
]  # fmt: skip


@pytest.mark.every(5)
@pytest.mark.parametrize(
    "is_synced",
    [pytest.param(True, id="synced before"), pytest.param(False, id="new", marks=pytest.mark.real_world)],
)
@pytest.mark.parametrize("lay_out", LAYOUTS, ids=lambda function: function.__name__)
def test_a_sync_that_fails_has_the_words_of_uv(
    twins: Twins, lay_out: Callable[[Twins], None], is_synced: bool
) -> None:
    """Words and exit code are uv's, there is no traceback, and an existing environment is unchanged."""
    if is_synced:
        projects.VIRTUAL.lay_out(twins)
        twins.both("sync")
        for project in (twins.uv_project, twins.pepip_project):
            (project / "pyproject.toml").unlink()
            (project / "uv.lock").unlink()
    lay_out(twins)
    before = stamps(twins.pepip_environment)

    by_uv, by_pepip = twins.both("sync", check=False)

    assert_refused_alike(by_uv, by_pepip, but=CONTEXT_OF_A_BUILD if lay_out is failing_build else ())
    assert twins.file_differences() == []
    if is_synced:
        assert stamps(twins.pepip_environment) == before
        assert_same(twins)


@pytest.mark.every(3)
@pytest.mark.parametrize(
    "words",
    [
        ("sync", "--extra", "nothing"),
        ("sync", "--group", "nothing"),
        ("sync", "--only-group", "nothing"),
        ("sync", "--package", "nothing"),
        ("sync", "--extra", "old", "--extra", "new"),
        ("sync", "--all-extras"),
        ("sync", "--python", "/there/is/no/python"),
        ("sync", "--no-binary", "--no-build"),
        ("sync", "--frozen", "--locked"),
        ("sync", "--extra", "old", "--all-groups", "--no-group", "nothing"),
        ("sync", "--directory", "nowhere"),
        ("sync", "--project", "nowhere"),
    ],
    ids=" ".join,
)
def test_a_selection_that_makes_no_sense_is_refused_as_by_uv(twins: Twins, words: tuple[str, ...]) -> None:
    """The exit code is uv's, the refusal has no traceback, and nothing changes."""
    projects.CONFLICTS.lay_out(twins)
    twins.both("sync")
    before = stamps(twins.pepip_project)

    by_uv, by_pepip = twins.both(*words, check=False)

    assert by_uv.returncode != 0
    assert_refused(by_pepip, exit_codes=(by_uv.returncode,))
    assert stamps(twins.pepip_project) == before


def test_a_file_that_is_in_the_way_is_refused(twins: Twins) -> None:
    """If a file lies where the environment should be, uv and pepip refuse, and the file stays."""
    projects.VIRTUAL.lay_out(twins)
    twins.write(".venv", "mine\n")

    by_uv, by_pepip = twins.both("sync", check=False)

    assert by_pepip.returncode == by_uv.returncode != 0
    assert twins.pepip_environment.read_text() == "mine\n"


def test_a_folder_of_the_users_is_refused(twins: Twins) -> None:
    """A folder that is not an environment is not removed."""
    projects.VIRTUAL.lay_out(twins)
    twins.write(".venv/letter.txt", "mine\n")

    by_uv, by_pepip = twins.both("sync", check=False)

    assert_refused_alike(by_uv, by_pepip)
    assert (twins.pepip_environment / "letter.txt").read_text() == "mine\n"
