"""Every kind of requirement gives the same as with uv, and an environment changes as under uv.

Twin environments get the same commands, one from uv and one from pepip, on wheels built here.
"""

from __future__ import annotations

import functools
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.support.environments import SuppliedTwins, Twins
from tests.support.indexes import Index, counting_server
from tests.support.machines import Machine, any_interpreter, find_interpreter, site_packages_of, uv_executable
from tests.support.parity import Level
from tests.support.refusals import assert_refused
from tests.support.shelf import with_script_alone
from tests.support.snapshots import changes, sha256_of, snapshot
from tests.support.stores import entries_of, problems_of
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

pytestmark = pytest.mark.every(2)

ink = functools.partial(with_script_alone, "ink")


PAPER = Wheel("paper", "1.0", files={"paper/__init__.py": ""}, extras={"colour": ["ink"], "old": ["ink<2"]})
LETTER = Wheel("letter", "1.0", files={"letter/__init__.py": ""}, dependencies=["ink>=1", "paper"])
SOURCE_ONLY = Wheel("quill", "1.0", files={"quill/__init__.py": "FEATHER = 1\n"}, dependencies=["ink"])
WHEELS = [ink("1.0"), ink("2.0"), ink("3.0"), PAPER, LETTER]


@dataclass(frozen=True)
class Desk(SuppliedTwins):
    """Twin projects, and the wheels that they may take."""

    @property
    def site_packages(self) -> Path:
        """Return the `site-packages` folder of pepip's environment."""
        return site_packages_of(self.twins.pepip_environment)

    @property
    def elsewhere(self) -> Path:
        """Return a folder beside the projects, for files that both refer to."""
        return self.twins.folder / "elsewhere"

    def install(self, *arguments: str | Path) -> None:
        """Install into both, and assert that they are equal and that the store is whole."""
        self.twins.install(*arguments, *self.source)
        self.assert_equal()

    def assert_equal(self) -> None:
        """Assert that both environments are equal and that the store is whole."""
        assert self.twins.differences(Level.METADATA) == []
        assert problems_of(self.twins.machine.store) == []

    def is_linked(self, package: str) -> bool:
        """Return whether pepip's environment links a package from the store."""
        path = self.site_packages / package
        return path.is_symlink() and path.resolve().is_relative_to(self.twins.machine.store.resolve())


@pytest.fixture
def desk(twins: Twins, wheelhouse: Path) -> Desk:
    """Return empty twin projects, and wheels to install."""
    for wheel in WHEELS:
        wheel.write(wheelhouse)
    made = Desk(twins, wheelhouse)
    for folder in (*made.projects, made.elsewhere):
        folder.mkdir(parents=True)
    return made


@pytest.mark.every(4)
@pytest.mark.parametrize(
    "requirements",
    [
        ("ink",),
        ("ink==1.0",),
        ("ink>=1,<3", "letter"),
        ("INK==2.*",),
        ("paper[colour]",),
        ("paper[colour,old]",),
        ("letter ; python_version >= '3'", "ink ; python_version < '3'"),
        ("letter", "--no-deps"),
        ("letter", "--resolution", "lowest"),
        ("ink!=3.0", "paper"),
    ],
    ids=str,
)
def test_names_with_specifiers_extras_and_markers(desk: Desk, requirements: tuple[str, ...]) -> None:
    """A new environment equals uv's, metadata included."""
    desk.install(*requirements)


def lay_out_plain_file(desk: Desk) -> list[str | Path]:
    """Write a requirements file with nested files of requirements and constraints."""
    desk.write("requirements.txt", "# a comment\nletter  # trailing\n-r nested/more.txt\n-c nested/limits.txt\n")
    desk.write("nested/more.txt", "paper[colour]\n")
    desk.write("nested/limits.txt", "ink<3\n")
    return ["-r", "requirements.txt"]


def lay_out_hashes(desk: Desk) -> list[str | Path]:
    """Write a requirements file with hashes."""
    digest = sha256_of(desk.wheelhouse / ink("2.0").filename)
    desk.write("requirements.txt", f"ink==2.0 \\\n    --hash=sha256:{digest} \\\n    --hash=sha256:{'0' * 64}\n")
    return ["-r", "requirements.txt", "--require-hashes"]


def lay_out_two_files(desk: Desk) -> list[str | Path]:
    """Write two requirements files and a constraints file."""
    desk.write("one.txt", "ink\n")
    desk.write("two.txt", "paper\n")
    desk.write("limits.txt", "ink==1.0\n")
    return ["-r", "one.txt", "-r", "two.txt", "-c", "limits.txt", "letter"]


def lay_out_pyproject(desk: Desk) -> list[str | Path]:
    """Write a `pyproject.toml` with an extra. Only its dependencies are installed, not the project."""
    desk.write(
        "pyproject.toml",
        '[project]\nname = "app"\nversion = "1"\ndependencies = ["letter"]\n'
        '[project.optional-dependencies]\nmore = ["ink<3"]\n',
    )
    return ["-r", "pyproject.toml", "--extra", "more"]


def lay_out_group(desk: Desk) -> list[str | Path]:
    """Write a `pyproject.toml` with a dependency group."""
    desk.write("pyproject.toml", '[project]\nname = "app"\nversion = "1"\n[dependency-groups]\ndev = ["ink==2.0"]\n')
    return ["--group", "dev"]


def lay_out_lock(desk: Desk) -> list[str | Path]:
    """Write a `pylock.toml` with uv."""
    desk.write("requirements.in", "letter\nink<3\n")
    for project in desk.projects:
        desk.twins.machine.uv(
            "pip", "compile", "-q", "requirements.in", "--format", "pylock.toml", "-o", "pylock.toml",
            "--python", desk.twins.interpreter, *desk.source, folder=project,
        )  # fmt: skip
    return ["-r", "pylock.toml"]


def lay_out_wheel_file(desk: Desk) -> list[str | Path]:
    """Name a wheel by its path."""
    return [desk.wheelhouse / ink("1.0").filename]


def lay_out_wheel_url(desk: Desk) -> list[str | Path]:
    """Name a wheel by its URL."""
    return [f"ink @ {(desk.wheelhouse / ink('1.0').filename).as_uri()}", "letter"]


def lay_out_relative_wheel(desk: Desk) -> list[str | Path]:
    """Name a wheel by a path that is relative to the project."""
    ink("2.0").write(desk.elsewhere)
    return [f"../../{desk.elsewhere.name}/{ink('2.0').filename}"]


def lay_out_sdist(desk: Desk) -> list[str | Path]:
    """Put an sdist among the wheels."""
    SOURCE_ONLY.write_sdist(desk.wheelhouse)
    return ["quill"]


def lay_out_sdist_file(desk: Desk) -> list[str | Path]:
    """Name an sdist by its path."""
    return [SOURCE_ONLY.write_sdist(desk.elsewhere)]


def lay_out_folder(desk: Desk) -> list[str | Path]:
    """Name a local folder."""
    return [SOURCE_ONLY.write_source(desk.elsewhere / "quill")]


def lay_out_editable(desk: Desk) -> list[str | Path]:
    """Name a local folder as an editable."""
    return ["-e", SOURCE_ONLY.write_source(desk.elsewhere / "quill"), "letter"]


def lay_out_repository(desk: Desk) -> list[str | Path]:
    """Name a git repository by its URL."""
    return [f"quill @ git+{commit(desk, desk.elsewhere / 'quill', 'first').as_uri()}"]


def lay_out_repository_file(desk: Desk) -> list[str | Path]:
    """Name a branch of a git repository in a requirements file."""
    repository = commit(desk, desk.elsewhere / "quill", "first")
    desk.write("requirements.txt", f"quill @ git+{repository.as_uri()}@main\nink<3\n")
    return ["-r", "requirements.txt"]


def commit(desk: Desk, folder: Path, text: str) -> Path:
    """Commit the source of quill, with a text in it, to a repository in `folder`."""
    if shutil.which("git") is None:
        pytest.skip("git is missing")
    replace(SOURCE_ONLY, files={"quill/__init__.py": f"TEXT = {text!r}\n"}).write_source(folder)
    git = ["git", "-c", "user.name=tests", "-c", "user.email=tests@example.invalid", "-c", "commit.gpgsign=false"]
    run = desk.twins.machine.run
    if not (folder / ".git").exists():
        run([*git, "init", "--quiet", "--initial-branch=main"], folder=folder)
    run([*git, "add", "--all"], folder=folder)
    run([*git, "commit", "--quiet", "--message", text], folder=folder)
    return folder


LAYOUTS = [
    lay_out_plain_file,
    lay_out_hashes,
    lay_out_two_files,
    lay_out_pyproject,
    lay_out_group,
    lay_out_lock,
    lay_out_wheel_file,
    lay_out_wheel_url,
    lay_out_relative_wheel,
    lay_out_sdist,
    lay_out_sdist_file,
    lay_out_folder,
    lay_out_editable,
    lay_out_repository,
    lay_out_repository_file,
]
SHARED_LAYOUTS = [lay_out_wheel_file, lay_out_wheel_url, lay_out_sdist, lay_out_sdist_file, lay_out_repository]


@pytest.mark.every(2)
@pytest.mark.parametrize("lay_out", LAYOUTS, ids=lambda lay_out: lay_out.__name__.removeprefix("lay_out_"))
@pytest.mark.parametrize(
    "is_made",
    [
        pytest.param(False, id="new environment", marks=pytest.mark.real_world),
        pytest.param(True, id="existing environment"),
    ],
)
def test_files_urls_repositories_and_folders(
    desk: Desk, lay_out: Callable[[Desk], list[str | Path]], is_made: bool
) -> None:
    """A new environment equals uv's, and so does a non-empty one. A second run changes nothing."""
    arguments = lay_out(desk)
    if is_made:
        desk.install("paper", "ink==1.0")

    desk.install(*arguments)
    before = snapshot(desk.twins.pepip_environment)
    desk.install(*arguments)

    assert changes(before, snapshot(desk.twins.pepip_environment)) == []


@pytest.mark.every(2)
@pytest.mark.parametrize("lay_out", SHARED_LAYOUTS, ids=lambda lay_out: lay_out.__name__.removeprefix("lay_out_"))
def test_a_distribution_that_is_built_or_named_by_url_is_shared(
    desk: Desk, lay_out: Callable[[Desk], list[str | Path]]
) -> None:
    """A second project links the same entries and adds nothing to the store."""
    arguments = lay_out(desk)
    desk.install(*arguments)
    store = desk.twins.machine.store
    before = snapshot(store / "packages")
    second = desk.twins.folder / "second"
    second.mkdir()

    desk.twins.machine.pepip("install", *arguments, *desk.source, "--python", desk.twins.interpreter, folder=second)

    assert changes(before, snapshot(store / "packages")) == []
    assert entries_of(store) != []
    assert any(path.is_symlink() for path in site_packages_of(second / ".venv").iterdir())


@pytest.mark.parametrize("is_editable", [False, True], ids=["folder", "editable"])
def test_a_local_project_is_not_in_the_store_and_stays_up_to_date(desk: Desk, is_editable: bool) -> None:
    """Its files belong to the environment, and the next install updates them after a change of its metadata."""
    folder = SOURCE_ONLY.write_source(desk.elsewhere / "quill")
    arguments = ["-e", folder] if is_editable else [folder]
    desk.install(*arguments)
    assert [name for name in entries_of(desk.twins.machine.store) if name.startswith("quill")] == []

    changed = replace(SOURCE_ONLY, version="2.0", files={"quill/__init__.py": "FEATHER = 2\n"})
    shutil.rmtree(folder)
    changed.write_source(folder)
    desk.install(*arguments)

    script = "import quill, importlib.metadata as m; print(quill.FEATHER, m.version('quill'))"
    assert desk.twins.machine.python(desk.twins.pepip_environment, "-c", script).stdout.split() == ["2", "2.0"]


def test_a_repository_that_moved_on_is_another_entry(desk: Desk) -> None:
    """An upgrade links the new commit, and the entry of the old commit stays for others."""
    folder = desk.elsewhere / "quill"
    url = f"quill @ git+{commit(desk, folder, 'first').as_uri()}"
    desk.install(url)
    commit(desk, folder, "second")

    desk.install("--upgrade", url)

    script = "import quill; print(quill.TEXT)"
    assert desk.twins.machine.python(desk.twins.pepip_environment, "-c", script).stdout.strip() == "second"
    assert len([name for name in entries_of(desk.twins.machine.store) if name.startswith("quill")]) == 2


STEPS: dict[str, tuple[tuple[str, ...], ...]] = {
    "satisfied stays": (("ink==1.0",), ("ink",), ("letter",)),
    "upgrade": (("ink==1.0", "paper"), ("-U", "ink")),
    "upgrade of a dependency": (("ink==1.0", "letter"), ("-U", "letter")),
    "upgrade of one package": (("ink==1.0", "letter"), ("-P", "paper", "letter"), ("-P", "ink", "letter")),
    "downgrade": (("ink==3.0",), ("ink==1.0",)),
    "downgrade by another": (("ink==3.0",), ("paper[old]",)),
    "reinstall": (("ink==1.0", "letter"), ("--reinstall", "letter")),
    "reinstall of one": (("ink==1.0", "letter"), ("--reinstall-package", "ink", "letter")),
    "without dependencies": (("letter", "--no-deps"), ("letter",)),
    "upgrade without dependencies": (("ink==1.0", "letter"), ("-U", "--no-deps", "letter")),
    "exact": (("ink==1.0", "letter"), ("--exact", "paper")),
    "back and forth": (("ink==1.0",), ("ink==2.0",), ("ink==1.0",), ("ink==3.0",)),
}


@pytest.mark.every(5)
@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
def test_installed_distributions_change_as_under_uv(desk: Desk, steps: tuple[tuple[str, ...], ...]) -> None:
    """After each step both environments are equal, and packages are links."""
    for step in steps:
        desk.install(*step)

    assert desk.is_linked("ink") or not (desk.site_packages / "ink").exists()


def by_uv(desk: Desk, *arguments: str | Path) -> None:
    """Let uv install into both environments."""
    desk.twins.run("uv", "pip", "install", *arguments, *desk.source)


def by_pip(desk: Desk, *arguments: str | Path) -> None:
    """Let a pip outside the environments install into both."""
    pip = desk.elsewhere / "pip"
    desk.twins.machine.uv("pip", "install", "--target", pip, "pip==24.3.1", "--python", desk.twins.interpreter,
                          folder=desk.elsewhere)  # fmt: skip
    desk.twins.run("python", pip / "pip" / "__pip-runner__.py", "install", *arguments, *desk.source)


@pytest.mark.parametrize("bring", [by_uv, by_pip], ids=lambda bring: bring.__name__)
def test_real_files_of_other_tools_are_replaced_by_links(desk: Desk, bring: Callable[..., None]) -> None:
    """A distribution that uv or pip installed stays while it satisfies. An upgrade replaces it by links."""
    desk.install("paper")
    bring(desk, "ink==1.0")

    desk.install("letter")
    assert not desk.is_linked("ink")
    desk.install("ink==2.0")

    assert desk.is_linked("ink")


def test_two_builds_share_nothing_but_their_name(desk: Desk) -> None:
    """If a wheel file is replaced by one of the same version with other bytes, the new bytes are installed."""
    wheel = ink("1.0").write(desk.elsewhere)
    desk.install(wheel)
    replace(ink("1.0"), variant="other", files={"ink/__init__.py": "VERSION = 'other'\n"}).write(desk.elsewhere)

    desk.install("--reinstall", wheel)

    script = "import ink; print(ink.VERSION)"
    assert desk.twins.machine.python(desk.twins.pepip_environment, "-c", script).stdout.strip() == "other"


def test_a_lock_with_wheels_for_others_takes_its_sdist(desk: Desk) -> None:
    """If a `pylock.toml` lists only wheels for other systems, its sdist is built, as by uv."""
    sdist = SOURCE_ONLY.write_sdist(desk.wheelhouse)
    foreign = replace(SOURCE_ONLY, tag="cp312-cp312-win_amd64").write(desk.wheelhouse)
    lines = [
        'lock-version = "1.0"\ncreated-by = "tests"\n[[packages]]\nname = "quill"\nversion = "1.0"',
        f'sdist = {{ path = "{sdist}", hashes = {{ sha256 = "{sha256_of(sdist)}" }} }}',
        f'wheels = [{{ path = "{foreign}", hashes = {{ sha256 = "{sha256_of(foreign)}" }} }}]\n',
    ]
    desk.write("pylock.toml", "\n".join(lines))

    desk.install("-r", "pylock.toml")

    desk.twins.machine.python(desk.twins.pepip_environment, "-c", "import quill")


def test_requirements_come_from_stdin(desk: Desk) -> None:
    """`-r -` is read once, however often pepip asks uv."""
    desk.twins.install("paper", *desk.source)
    commands: tuple[list[str | Path], ...] = (
        [uv_executable(), "pip", "install"],
        [sys.executable, "-m", "pepip", "install"],
    )
    for project, command in zip(desk.projects, commands, strict=True):
        pipe = ["sh", "-c", r"printf 'ink==1.0\nletter\n' | " + '"$@"', "sh"]
        desk.twins.machine.run([*pipe, *command, "-r", "-", *desk.source], folder=project)

    desk.assert_equal()


def installed_in(environment: Path) -> bool:
    """Return whether an environment has ink."""
    return environment.exists() and (site_packages_of(environment) / "ink").exists()


def test_an_activated_environment_is_taken(desk: Desk, machine: Machine) -> None:
    """`VIRTUAL_ENV` comes before `.venv`, as with uv."""
    active = desk.elsewhere / "active"
    machine.uv("venv", active, "--python", desk.twins.interpreter, folder=desk.elsewhere)
    project = desk.twins.pepip_project

    machine.pepip("install", "ink", *desk.source, folder=project, variables={"VIRTUAL_ENV": str(active)})

    assert installed_in(active)
    assert not (project / ".venv").exists()


def test_a_configured_environment_is_made(desk: Desk, machine: Machine) -> None:
    """`UV_PROJECT_ENVIRONMENT` names the environment's place, relative to the current folder."""
    project = desk.twins.pepip_project

    machine.pepip(
        "install", "ink", *desk.source, "--python", desk.twins.interpreter,
        folder=project, variables={"UV_PROJECT_ENVIRONMENT": "build/env"},
    )  # fmt: skip

    assert installed_in(project / "build" / "env")
    assert not (project / ".venv").exists()


def test_a_named_environment_comes_first(desk: Desk, machine: Machine) -> None:
    """`--venv` comes before the active environment."""
    project = desk.twins.pepip_project

    machine.pepip(
        "install", "ink", *desk.source, "--python", desk.twins.interpreter, "--venv", "named",
        folder=project, variables={"VIRTUAL_ENV": str(desk.elsewhere / "active")},
    )  # fmt: skip

    assert installed_in(project / "named")
    assert not (desk.elsewhere / "active").exists()


def test_the_environment_of_a_parent_folder_is_found(desk: Desk, machine: Machine) -> None:
    """In a subfolder of the project, the `.venv` above is taken, as with uv."""
    project = desk.twins.pepip_project
    machine.pepip("install", "paper", *desk.source, "--python", desk.twins.interpreter, folder=project)
    inner = project / "source" / "inner"
    inner.mkdir(parents=True)

    machine.pepip("install", "ink", *desk.source, folder=inner)

    assert installed_in(project / ".venv")
    assert not (inner / ".venv").exists()


def test_an_existing_environment_keeps_its_interpreter(desk: Desk, machine: Machine) -> None:
    """`--python` chooses the interpreter of a new environment. An existing one with another Python is refused."""
    other = next((found for version in ("3.10", "3.11", "3.13") if (found := find_interpreter(version))), None)
    if other is None or other == any_interpreter():
        pytest.skip("a second interpreter is needed")
    project = desk.twins.pepip_project
    machine.pepip("install", "paper", *desk.source, "--python", other, folder=project)
    before = (project / ".venv" / "pyvenv.cfg").read_text()

    for name in ("ink", "paper"):
        words = ("install", name, *desk.source, "--python", desk.twins.interpreter)
        output = machine.pepip(*words, folder=project, check=False)
        assert_refused(output, str(project / ".venv"))

    assert (project / ".venv" / "pyvenv.cfg").read_text() == before
    assert not installed_in(project / ".venv")


def test_settings_of_uv_are_respected(desk: Desk, machine: Machine) -> None:
    """`UV_FIND_LINKS`, `UV_NO_INDEX` and a `[tool.uv]` table reach uv without an option."""
    project = desk.twins.pepip_project
    variables = {"UV_FIND_LINKS": str(desk.wheelhouse), "UV_NO_INDEX": "1"}
    (project / "pyproject.toml").write_text(
        '[project]\nname = "app"\nversion = "1"\n[tool.uv]\nconstraint-dependencies = ["ink<3"]\n'
    )

    machine.pepip("install", "ink", "--python", desk.twins.interpreter, folder=project, variables=variables)

    script = "import ink; print(ink.VERSION)"
    assert machine.python(project / ".venv", "-c", script).stdout.strip() == "2.0"


def test_a_source_with_an_index_of_its_own_is_found(desk: Desk, machine: Machine, tmp_path: Path) -> None:
    """A package of `[tool.uv.sources]` is staged from its explicit index.

    uv searches this index for no other requirement.
    """
    Wheel("pepip-tests-only-here", "1.0", files={"only_here.py": ""}).write(tmp_path / "index")
    (desk.twins.pepip_project / "pyproject.toml").write_text(
        f"""[project]
name = "app"
version = "1"
dependencies = ["pepip-tests-only-here"]
[[tool.uv.index]]
name = "own"
url = "{(tmp_path / "index").as_uri()}"
format = "flat"
explicit = true
[tool.uv.sources]
pepip-tests-only-here = {{ index = "own" }}
"""
    )

    arguments = ("install", "-r", "pyproject.toml", "--python", desk.twins.interpreter)
    machine.pepip(*arguments, folder=desk.twins.pepip_project)

    assert (machine.store / "packages/py3-none-any/pepip-tests-only-here-1.0").is_dir()
    machine.python(desk.twins.pepip_environment, "-c", "import only_here")


BACKEND = """import os, zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    with open({log!r}, "a") as file:
        file.write("built\\n")
    about = "pot-1.0.dist-info/"
    files = {{"pot.py": "", about + "METADATA": "Metadata-Version: 2.1\\nName: pot\\nVersion: 1.0\\n"}}
    files[about + "WHEEL"] = "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    files[about + "RECORD"] = "".join(name + ",,\\n" for name in [*files, about + "RECORD"])
    with zipfile.ZipFile(os.path.join(folder, "pot-1.0-py3-none-any.whl"), "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return "pot-1.0-py3-none-any.whl"
"""


@pytest.mark.parametrize(
    "words", ["install --reinstall .", "install --reinstall-package pot .", "sync --no-editable --reinstall"]
)
def test_a_folder_that_is_reinstalled_is_built_once(workbench: Workbench, words: str) -> None:
    """As by uv, also if uv has no built wheel of it."""
    own_cache = replace(workbench.machine, uv_cache=workbench.folder / "uv-cache")  # uv removes wheels of others, too
    workbench = replace(workbench, machine=own_cache)
    log = workbench.project / "log.txt"
    system = '[build-system]\nrequires = []\nbuild-backend = "back"\nbackend-path = ["."]\n'
    project = f'[project]\nname = "pot"\nversion = "1.0"\nrequires-python = ">=3.8"\n{system}'
    (workbench.project / "pyproject.toml").write_text(project)
    (workbench.project / "back.py").write_text(BACKEND.format(log=str(log)))
    workbench.pepip("install", ".")
    workbench.uv("cache", "clean", "pot")
    log.unlink()

    workbench.pepip(*words.split())

    assert log.read_text().splitlines() == ["built"]
    workbench.python("-c", "import pot")


def test_a_file_of_this_machine_is_not_called_downloaded(workbench: Workbench, tmp_path: Path) -> None:
    """Messages and documents tell files of an index from paths, `file:` URLs and wheelhouses."""
    paths = {item.name: item.write(workbench.wheelhouse) for item in (PAPER, ink("1.0"))}
    with counting_server() as server:
        server.add("main", Index(wheels=[replace(LETTER, dependencies=[])]), tmp_path / "index")
        variables = {"UV_DEFAULT_INDEX": server.simple("main")}
        words = ("install", "letter", str(paths["paper"]), f"ink @ {paths['ink'].as_uri()}")

        dry = workbench.pepip(*words, "--dry-run", variables=variables)
        done = workbench.pepip(*words, variables=variables)
    workbench.machine.make_folder(workbench.folder / "others")
    others = workbench.at("others").pepip("install", "--json", "ink==2.0", "paper", *workbench.source)

    assert "0 reused, 1 to download, 2 from local files" in dry.stderr
    assert "0 reused, 1 downloaded, 2 from local files" in done.stderr
    document = json.loads(others.stdout)
    assert (document["downloaded"], document["local"], document["reused"]) == ([], ["ink"], ["paper"])
