"""`pepip pip …` does what `uv pip …` does: `install`, `sync`, and the commands that only read, with uv's settings.

Twin projects get the same words, one from uv and one from pepip, on wheels built here. Afterwards the environments
are equal and the store is whole.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.support.environments import SuppliedTwins, Twins
from tests.support.machines import Output, site_packages_of, uv_executable
from tests.support.parity import Level
from tests.support.shelf import with_script_alone
from tests.support.snapshots import changes, sha256_of, snapshot
from tests.support.stores import entries_of, problems_of
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

pytestmark = pytest.mark.every(2)

tea = functools.partial(with_script_alone, "tea")


POT = Wheel("pot", "1.0", files={"pot/__init__.py": ""}, dependencies=["tea"])
CUP = Wheel("cup", "1.0", files={"service/cup/__init__.py": ""})
SAUCER = Wheel("saucer", "1.0", files={"service/saucer/__init__.py": "", "service/tray.py": ""})
MILK = Wheel("milk", "1.0", files={"milk/__init__.py": ""})
WHEELS = [tea("1.0"), tea("2.0"), tea("3.0"), POT, CUP, SAUCER]


@dataclass(frozen=True)
class Desk(SuppliedTwins):
    """Twin projects, each with an environment, and the wheels that they may take."""

    def both(
        self, *words: str | Path, variables: Mapping[str, str] | None = None, check: bool = True
    ) -> tuple[Output, Output]:
        """Run the same words by uv and by pepip, and return both outputs. `{project}` is each project's folder."""
        machine = self.twins.machine
        said = []
        for run, project in zip((machine.uv, machine.pepip), self.projects, strict=True):
            own = {name: value.replace("{project}", str(project)) for name, value in (variables or {}).items()}
            filled = [os.fspath(word).replace("{project}", str(project)) for word in words]
            said.append(run(*filled, folder=project, variables=own, check=check))
        return said[0], said[1]

    def assert_equal(self) -> None:
        """Assert that both environments are equal and that the store is whole."""
        assert self.twins.differences(Level.METADATA) == []
        assert problems_of(self.twins.machine.store) == []

    def listed(self) -> list[str]:
        """Return the distributions of pepip's environment, as uv lists them."""
        return self.twins.machine.uv("pip", "freeze", folder=self.twins.pepip_project).stdout.splitlines()


@pytest.fixture
def desk(twins: Twins, wheelhouse: Path) -> Desk:
    """Return twin projects with empty environments, and wheels to install."""
    for wheel in WHEELS:
        wheel.write(wheelhouse)
    made = Desk(twins, wheelhouse)
    for project in made.projects:
        project.mkdir(parents=True)
        twins.machine.uv("venv", "--quiet", "--python", twins.interpreter, folder=project)
    return made


def lay_out_pins(desk: Desk) -> list[str]:
    """Write a file of pins. A sync installs exactly the distributions that it names."""
    desk.write("requirements.txt", "pot==1.0\ncup==1.0\n")
    return ["requirements.txt"]


def lay_out_two_files(desk: Desk) -> list[str]:
    """Write two files."""
    desk.write("one.txt", "tea==2.0\n")
    desk.write("two.txt", "pot==1.0  # with a comment\n")
    return ["one.txt", "two.txt"]


def lay_out_constraints(desk: Desk) -> list[str]:
    """Write a requirement without a version, and a constraint."""
    desk.write("requirements.txt", "tea\n")
    desk.write("limits.txt", "tea<3\n")
    return ["requirements.txt", "-c", "limits.txt"]


def lay_out_hashes(desk: Desk) -> list[str]:
    """Write a file with hashes."""
    digest = sha256_of(desk.wheelhouse / tea("2.0").filename)
    desk.write("requirements.txt", f"tea==2.0 --hash=sha256:{digest} --hash=sha256:{'0' * 64}\n")
    return ["requirements.txt", "--require-hashes"]


def lay_out_editable(desk: Desk) -> list[str]:
    """Write a file with an editable and a pin."""
    source = MILK.write_source(desk.twins.folder / "milk")
    desk.write("requirements.txt", f"-e {source}\ntea==1.0\n")
    return ["requirements.txt"]


def lay_out_folder(desk: Desk) -> list[str]:
    """Write a file with a local folder and a pin."""
    source = MILK.write_source(desk.twins.folder / "milk")
    desk.write("requirements.txt", f"milk @ {source.as_uri()}\ntea==1.0\n")
    return ["requirements.txt"]


def lay_out_urls(desk: Desk) -> list[str]:
    """Write a file with the URLs of a wheel and of an sdist."""
    sdist = MILK.write_sdist(desk.twins.folder / "milk")
    desk.write("requirements.txt", f"tea @ {(desk.wheelhouse / tea('1.0').filename).as_uri()}\n{sdist.as_uri()}\n")
    return ["requirements.txt"]


def lay_out_compiled(desk: Desk) -> list[str]:
    """Let uv and pepip compile requirements into a file with hashes."""
    desk.write("requirements.in", "pot\ntea<3\n")
    desk.both("pip", "compile", "-q", "--generate-hashes", "requirements.in", "-o", "requirements.txt", *desk.source)
    return ["requirements.txt"]


def lay_out_lock(desk: Desk) -> list[str]:
    """Let uv and pepip write a `pylock.toml`."""
    desk.write("requirements.in", "pot\ncup\n")
    desk.both("pip", "compile", "-q", "requirements.in", "-o", "pylock.toml", *desk.source)
    return ["pylock.toml"]


def lay_out_pyproject(desk: Desk) -> list[str]:
    """Write a `pyproject.toml` that names its dependencies, but not the dependencies of these."""
    desk.write("pyproject.toml", '[project]\nname = "app"\nversion = "1"\ndependencies = ["pot", "tea==2.0"]\n')
    return ["pyproject.toml"]


LAYOUTS = [
    lay_out_pins,
    lay_out_two_files,
    lay_out_constraints,
    lay_out_hashes,
    lay_out_editable,
    lay_out_folder,
    lay_out_urls,
    lay_out_compiled,
    lay_out_lock,
    lay_out_pyproject,
]


@pytest.mark.every(4)
@pytest.mark.parametrize("lay_out", LAYOUTS, ids=lambda function: function.__name__.removeprefix("lay_out_"))
def test_sync_leaves_only_the_listed_distributions(desk: Desk, lay_out: Callable[[Desk], list[str]]) -> None:
    """Other versions are replaced, unlisted distributions are removed, and a second sync changes nothing."""
    desk.both("pip", "install", "tea==3.0", "saucer", *desk.source)
    words = lay_out(desk)

    desk.both("pip", "sync", *words, *desk.source)

    desk.assert_equal()
    assert "saucer==1.0" not in desk.listed()
    before = snapshot(desk.twins.pepip_environment)
    desk.both("pip", "sync", *words, *desk.source)
    desk.assert_equal()
    if lay_out not in (lay_out_editable, lay_out_folder):
        assert changes(before, snapshot(desk.twins.pepip_environment)) == []


def test_sync_links_from_the_store(desk: Desk) -> None:
    """A distribution in the store is linked and not stored again.

    A folder that is no longer shared is linked whole again.
    """
    desk.both("pip", "install", "cup", "saucer", "tea==1.0", *desk.source)
    before = snapshot(desk.twins.machine.store / "packages")
    desk.write("requirements.txt", "tea==1.0\nsaucer==1.0\n")

    desk.both("pip", "sync", "requirements.txt", *desk.source)

    desk.assert_equal()
    packages = site_packages_of(desk.twins.pepip_environment)
    assert (packages / "tea").is_symlink()
    assert (packages / "service" / "saucer").is_symlink()
    assert changes(before, snapshot(desk.twins.machine.store / "packages")) == []


def test_sync_reads_stdin(desk: Desk) -> None:
    """`-` is read once, however often pepip asks uv."""
    desk.both("pip", "install", "saucer", *desk.source)
    commands: tuple[list[str | Path], ...] = ([uv_executable()], [sys.executable, "-m", "pepip"])
    for project, command in zip(desk.projects, commands, strict=True):
        pipe = ["sh", "-c", "printf 'tea==1.0\\ncup==1.0\\n' | \"$@\"", "sh"]
        desk.twins.machine.run([*pipe, *command, "pip", "sync", "-", *desk.source], folder=project)

    desk.assert_equal()


def test_sync_makes_the_environment_where_there_is_none(desk: Desk) -> None:
    """`pepip pip sync` makes it, as `pepip install` does. uv would require `uv venv` first."""
    machine = desk.twins.machine
    folder = desk.twins.folder / "new"
    folder.mkdir()
    (folder / "requirements.txt").write_text("tea==1.0\n")

    machine.pepip("pip", "sync", "requirements.txt", *desk.source, "--python", desk.twins.interpreter, folder=folder)

    machine.python(folder / ".venv", "-c", "import tea")


REFUSED_SYNCS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "an empty file": ("", (), "allow-empty-requirements"),
    "a file of comments": ("# nothing\n", (), "allow-empty-requirements"),
    "a version that is not there": ("tea==9\n", (), "tea==9"),
    "a malformed line": ("this is no requirement\n", (), "requirements.txt"),
    "no hash where one is required": ("tea==1.0\n", ("--require-hashes",), "tea==1.0"),
    "an unknown option": ("tea==1.0\n", ("--no-such-option",), "--no-such-option"),
    "a second file that is not there": ("tea==1.0\n", ("missing.txt",), "missing.txt"),
}


@pytest.mark.parametrize("case", REFUSED_SYNCS)
def test_a_sync_that_makes_no_sense_ends_as_with_uv(desk: Desk, case: str) -> None:
    """The exit code is uv's, the cause is named, and the environment is unchanged."""
    text, options, word = REFUSED_SYNCS[case]
    desk.both("pip", "install", "tea==2.0", "cup", *desk.source)
    desk.write("requirements.txt", text)
    before = snapshot(desk.twins.pepip_environment)

    of_uv, of_pepip = desk.both("pip", "sync", "requirements.txt", *options, *desk.source, check=False)

    assert of_pepip.returncode == of_uv.returncode, of_pepip.stderr
    assert word in of_uv.stderr
    assert word in of_pepip.stderr
    assert changes(before, snapshot(desk.twins.pepip_environment)) == []


def test_an_empty_file_empties_where_that_is_allowed(desk: Desk) -> None:
    """`--allow-empty-requirements` removes everything, as with uv."""
    desk.both("pip", "install", "pot", "cup", "saucer", *desk.source)
    desk.write("requirements.txt", "")

    desk.both("pip", "sync", "--allow-empty-requirements", "requirements.txt", *desk.source)

    desk.assert_equal()
    assert desk.listed() == []


def test_a_dry_sync_changes_nothing(desk: Desk) -> None:
    """A dry sync lists what a sync would install and remove."""
    desk.both("pip", "install", "tea==2.0", "cup", *desk.source)
    desk.write("requirements.txt", "tea==1.0\nsaucer==1.0\n")
    before = snapshot(desk.twins.pepip_environment)

    _, said = desk.both("pip", "sync", "--dry-run", "requirements.txt", *desk.source)

    lines = {line.strip() for line in said.stderr.splitlines()}
    assert {"+ tea==1.0", "- tea==2.0", "- cup==1.0", "+ saucer==1.0"} <= lines
    assert changes(before, snapshot(desk.twins.pepip_environment)) == []


@pytest.mark.parametrize("command", [("pip", "install"), ("install",)], ids=" ".join)
def test_an_exact_install_removes_all_other_distributions(desk: Desk, command: tuple[str, ...]) -> None:
    """`--exact` keeps dependencies, and removes everything else."""
    desk.both("pip", "install", "tea==1.0", "cup", "saucer", *desk.source)
    desk.write("requirements.txt", "pot\n")
    words = ("-r", "requirements.txt", "--exact", *desk.source)

    desk.twins.machine.uv("pip", "install", *words, folder=desk.twins.uv_project)
    desk.twins.machine.pepip(*command, *words, folder=desk.twins.pepip_project)

    desk.assert_equal()
    assert desk.listed() == ["pot==1.0", "tea==1.0"]


LOOKS: list[tuple[str, ...]] = [
    ("list",),
    ("list", "--format", "json"),
    ("list", "--outdated", "--no-index"),
    ("list", "--editable"),
    ("list", "--exclude", "tea"),
    ("freeze",),
    ("freeze", "--exclude-editable"),
    ("show", "tea", "pot"),
    ("show", "-f", "cup"),
    ("show", "absent"),
    ("show",),
    ("check",),
]


@pytest.mark.every(5)
@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
def test_the_commands_that_look_answer_as_uvs_do(desk: Desk, words: tuple[str, ...]) -> None:
    """Output and exit code equal uv's, at the top and below `pip`.

    Both tools find the same fault in a broken environment.
    """
    desk.both("pip", "install", "pot", "cup", *desk.source)
    desk.both("pip", "uninstall", "tea" if words[0] == "check" else "absent")
    folder, machine = desk.twins.pepip_project, desk.twins.machine
    of_uv = machine.uv("pip", *words, folder=folder, check=False)

    for command in (words, ("pip", *words)):
        output = machine.pepip(*command, folder=folder, check=False)

        assert output.returncode == of_uv.returncode, output.stderr
        assert output.stdout == of_uv.stdout
        assert _without_places(output.stderr) == _without_places(of_uv.stderr)


def _without_places(text: str) -> list[str]:
    """Return the lines without times, and without the line that names the environment."""
    lines = [line for line in text.splitlines() if not line.startswith("Using Python")]
    return [line.rpartition(" in ")[0] if line.endswith("ms") else line for line in lines]


@pytest.mark.parametrize("words", [("tree",), ("tree", "--invert"), ("compile", "requirements.in"), ("nonsense",)])
def test_the_rest_of_the_pip_interface_is_uvs(desk: Desk, words: tuple[str, ...]) -> None:
    """A command to which pepip adds nothing gives uv's output and exit code."""
    desk.both("pip", "install", "pot", "cup", *desk.source)
    desk.write("requirements.in", "pot\n")
    source = desk.source if words[0] == "compile" else ()
    folder, machine = desk.twins.pepip_project, desk.twins.machine

    of_uv = machine.uv("pip", *words, *source, folder=folder, check=False)
    of_pepip = machine.pepip("pip", *words, *source, folder=folder, check=False)

    assert of_pepip.returncode == of_uv.returncode
    assert of_pepip.stdout == of_uv.stdout
    assert _without_places(of_pepip.stderr) == _without_places(of_uv.stderr)


@pytest.mark.parametrize("command", ["list", "freeze", "check"])
def test_a_look_into_another_environment(desk: Desk, command: str) -> None:
    """`--venv` names another environment, and so does uv's `--python`."""
    desk.both("pip", "install", "pot", "cup", *desk.source)
    elsewhere = desk.twins.folder / "elsewhere"
    elsewhere.mkdir()
    environment = desk.twins.pepip_environment
    machine = desk.twins.machine
    of_uv = machine.uv("pip", command, "--python", environment, folder=elsewhere)

    for words in (("--venv", environment), (f"--venv={environment}",), ("--python", environment)):
        output = machine.pepip(command, *words, folder=elsewhere)

        assert output.stdout == of_uv.stdout


@pytest.mark.parametrize("by", ["option", "variable"])
def test_a_version_of_python_must_be_that_of_the_environment(desk: Desk, by: str) -> None:
    """In an environment of another version, nothing is installed or removed, and the exit code is uv's."""
    desk.both("pip", "install", "tea==1.0", *desk.source)
    before = snapshot(desk.twins.pepip_environment)

    for request, is_met in (("<3.8", False), (">=3.8", True)):
        words = ("--python", request) if by == "option" else ()
        variables = {"UV_PYTHON": request} if by == "variable" else {}
        for command in (("install", "cup", *desk.source), ("uninstall", "tea")):
            of_uv, of_pepip = desk.both("pip", *command, *words, variables=variables, check=False)

            assert of_pepip.returncode == of_uv.returncode == (0 if is_met else 2), of_pepip.stderr
        assert is_met or changes(before, snapshot(desk.twins.pepip_environment)) == []
    desk.assert_equal()


def test_an_environment_with_a_copy_of_its_interpreter_has_that_python(desk: Desk) -> None:
    """`--python` with the interpreter from which the environment was made is met."""
    machine, project, base = desk.twins.machine, desk.twins.pepip_project, desk.twins.interpreter
    machine.run([base, "-m", "venv", "--copies", "--without-pip", "copied"], folder=project)

    words = ("--venv", "copied", "--python", base)
    machine.pepip("install", "tea==1.0", *desk.source, *words, folder=project)

    assert (site_packages_of(project / "copied") / "tea").exists()


@pytest.mark.parametrize("kind", ["--target", "--prefix"])
def test_an_install_into_a_folder_is_uvs(desk: Desk, kind: str) -> None:
    """With `--target` and `--prefix` uv installs real files, and no store is made."""
    desk.both("pip", "install", kind, "{project}/target", "pot", *desk.source)

    targets = [project / "target" for project in desk.projects]
    files = [sorted(str(path.relative_to(target)) for path in target.rglob("*")) for target in targets]
    assert files[0] == files[1]
    assert files[0] != []
    assert not any(path.is_symlink() for path in targets[1].rglob("*"))
    assert entries_of(desk.twins.machine.store) == []


PIP_SOURCE = "[pip]\nno-index = true\nfind-links = ['{wheels}']\n"
INDEX_LAYOUT = "[[index]]\nurl = '{index}'\ndefault = true\n"

SETTINGS: dict[str, tuple[dict[str, str], dict[str, str], tuple[str, ...]]] = {
    "an index in uv.toml": ({"uv.toml": INDEX_LAYOUT}, {}, ("tea",)),
    "index-url in uv.toml": ({"uv.toml": "[pip]\nindex-url = '{index}'\n"}, {}, ("pot",)),
    "index-url in tool.uv": ({"pyproject.toml": "[tool.uv.pip]\nindex-url = '{index}'\n"}, {}, ("pot",)),
    "find-links in uv.toml": ({"uv.toml": "no-index = true\nfind-links = ['{wheels}']\n"}, {}, ("pot",)),
    "constraints in tool.uv": (
        {
            "pyproject.toml": "[tool.uv]\nconstraint-dependencies = ['tea<2']\n"
            "[tool.uv.pip]\nno-index = true\nfind-links = ['{wheels}']\n"
        },
        {},
        ("pot",),
    ),
    "overrides in uv.toml": (
        {"uv.toml": "no-index = true\nfind-links = ['{wheels}']\noverride-dependencies = ['tea==2.0']\n"},
        {},
        ("pot", "tea==1.0"),
    ),
    "resolution in uv.toml": (
        {"uv.toml": "no-index = true\nfind-links = ['{wheels}']\nresolution = 'lowest'\n"}, {}, ("pot",)
    ),
    "no-deps in uv.toml": ({"uv.toml": PIP_SOURCE + "no-deps = true\n"}, {}, ("pot",)),
    "UV_FIND_LINKS": ({}, {"UV_FIND_LINKS": "{wheels}", "UV_OFFLINE": "1"}, ("pot",)),
    "UV_DEFAULT_INDEX": ({}, {"UV_DEFAULT_INDEX": "{index}"}, ("pot",)),
    "UV_INDEX": ({}, {"UV_INDEX": "own={index}"}, ("tea",)),
    "UV_INDEX_URL": ({}, {"UV_INDEX_URL": "{index}"}, ("tea",)),
    "UV_CONSTRAINT": (
        {"limits.txt": "tea<3\n"},
        {"UV_FIND_LINKS": "{wheels}", "UV_OFFLINE": "1", "UV_CONSTRAINT": "limits.txt"},
        ("pot",),
    ),
    "UV_OVERRIDE": (
        {"forced.txt": "tea==1.0\n"},
        {"UV_FIND_LINKS": "{wheels}", "UV_OFFLINE": "1", "UV_OVERRIDE": "forced.txt"},
        ("pot",),
    ),
    "UV_RESOLUTION": ({}, {"UV_FIND_LINKS": "{wheels}", "UV_OFFLINE": "1", "UV_RESOLUTION": "lowest"}, ("pot",)),
    "UV_CONFIG_FILE": (
        {"other/settings.toml": "no-index = true\nfind-links = ['{wheels}']\nresolution = 'lowest'\n"},
        {"UV_CONFIG_FILE": "{project}/other/settings.toml"},
        ("pot",),
    ),
    "UV_NO_CONFIG": (
        {"uv.toml": "resolution = 'lowest'\n"},
        {"UV_NO_CONFIG": "1", "UV_FIND_LINKS": "{wheels}", "UV_OFFLINE": "1"},
        ("pot",),
    ),
    "UV_COMPILE_BYTECODE": (
        {}, {"UV_COMPILE_BYTECODE": "1", "UV_FIND_LINKS": "{wheels}", "UV_OFFLINE": "1"}, ("pot",)
    ),
    "UV_WORKING_DIR": (
        {"inner/uv.toml": "no-index = true\nfind-links = ['{wheels}']\nresolution = 'lowest'\n"},
        {"UV_WORKING_DIR": "inner"},
        ("pot",),
    ),
    "--directory": (
        {"inner/requirements.txt": "pot\n", "inner/uv.toml": "no-index = true\nfind-links = ['{wheels}']\n"},
        {},
        ("--directory", "inner", "-r", "requirements.txt"),
    ),
    "UV_PROJECT": (
        {"inner/uv.toml": "no-index = true\nfind-links = ['{wheels}']\nresolution = 'lowest'\n", "here.txt": "pot\n"},
        {"UV_PROJECT": "inner"},
        ("-r", "here.txt"),
    ),
    "--project": (
        {"inner/uv.toml": "no-index = true\nfind-links = ['{wheels}']\nresolution = 'lowest'\n", "here.txt": "pot\n"},
        {},
        ("--project", "inner", "-r", "here.txt"),
    ),
}  # fmt: skip


def write_index(wheelhouse: Path, folder: Path) -> Path:
    """Write an index in the simple format for the wheels of a folder, and return its folder."""
    for wheel in sorted(wheelhouse.iterdir()):
        page = folder / wheel.name.partition("-")[0] / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        link = f'<a href="{wheel.as_uri()}#sha256={sha256_of(wheel)}">{wheel.name}</a>\n'
        page.write_text((page.read_text() if page.exists() else "") + link)
    return folder


@pytest.mark.every(5)
@pytest.mark.parametrize("case", SETTINGS)
def test_a_setting_of_uv_keeps_its_meaning(desk: Desk, case: str, tmp_path: Path) -> None:
    """Environments are equal with settings in files, in variables, and as an option before the command."""
    files, variables, words = SETTINGS[case]
    index = write_index(desk.wheelhouse, tmp_path / "index").as_uri()

    def filled(text: str) -> str:
        return text.replace("{wheels}", str(desk.wheelhouse)).replace("{index}", index)

    for name, text in files.items():
        desk.write(name, filled(text))

    desk.both("pip", "install", *words, variables={name: filled(value) for name, value in variables.items()})

    assert desk.twins.differences(Level.FILES) == []
    assert (site_packages_of(desk.twins.pepip_environment) / ("pot" if "no-deps" in case else "tea")).exists()
    if case == "UV_COMPILE_BYTECODE":
        caches = [site_packages_of(project / ".venv") / "tea" / "__pycache__" for project in desk.projects]
        names = [{path.name for path in cache.iterdir()} for cache in caches]
        assert names[0] == names[1] != set()


def test_a_configured_environment_is_where_uv_installs(desk: Desk) -> None:
    """`UV_PROJECT_ENVIRONMENT` means to `pepip pip` what it means to `uv pip`."""
    for project in desk.projects:
        desk.twins.machine.uv("venv", "-q", "other", "--python", desk.twins.interpreter, folder=project)

    desk.both("pip", "install", "pot", *desk.source, variables={"UV_PROJECT_ENVIRONMENT": "other"})

    for name in (".venv", "other"):
        made = [(site_packages_of(project / name) / "pot").exists() for project in desk.projects]
        assert made[0] == made[1], name


@pytest.mark.parametrize("prefix", [(), ("pip",)], ids=["at the top", "below pip"])
def test_a_configured_environment_is_one_to_all_commands(desk: Desk, prefix: tuple[str, ...]) -> None:
    """A distribution that was installed under `UV_PROJECT_ENVIRONMENT` is also shown and removed under it."""
    machine, project = desk.twins.machine, desk.twins.pepip_project
    machine.uv("venv", "-q", "other", "--python", desk.twins.interpreter, folder=project)
    variables = {"UV_PROJECT_ENVIRONMENT": "other"}
    machine.pepip(*prefix, "install", "tea==1.0", *desk.source, folder=project, variables=variables)

    frozen = machine.pepip(*prefix, "freeze", folder=project, variables=variables).stdout
    shown = machine.pepip(*prefix, "show", "tea", folder=project, variables=variables, check=False)
    machine.pepip(*prefix, "uninstall", "tea", folder=project, variables=variables)

    assert frozen == "tea==1.0\n"
    assert "Version: 1.0" in shown.stdout
    assert list(project.glob("*/lib/*/site-packages/tea")) == []


def test_offline_is_offline(desk: Desk) -> None:
    """Under `UV_OFFLINE` and `--offline`, a distribution in no cache is refused with uv's exit code and reason."""
    for words, variables in ((("--offline",), {}), ((), {"UV_OFFLINE": "1"})):
        ended = desk.both(
            *words, "pip", "install", "tea", "--index-url", "http://127.0.0.1:9/simple", variables=variables,
            check=False,
        )  # fmt: skip

        assert ended[0].returncode == ended[1].returncode != 0
        for output in ended:
            assert "network" in output.stderr


def test_an_entry_never_points_into_the_cache(desk: Desk, tmp_path: Path) -> None:
    """`UV_LINK_MODE=symlink` does not reach the store: entries work after uv's cache is deleted."""
    machine = replace(desk.twins.machine, uv_cache=tmp_path / "cache-of-its-own")
    project = desk.twins.pepip_project

    machine.pepip("pip", "install", "pot", *desk.source, folder=project, variables={"UV_LINK_MODE": "symlink"})
    machine.uv("cache", "clean", folder=project)

    links = [path.resolve() for path in machine.store.glob("packages/**/*") if path.is_symlink()]
    assert [path for path in links if not path.is_relative_to(machine.store.resolve() / "packages")] == []
    machine.python(project / ".venv", "-c", "import pot, tea")


def test_options_before_the_command_count(desk: Desk) -> None:
    """Global options may stand before `pip`, between `pip` and the command, or after both, as with uv."""
    desk.write("inner/requirements.txt", "pot\n")

    desk.both("-q", "--directory", "inner", "pip", "install", "-r", "requirements.txt", *desk.source)
    _, quiet = desk.both("pip", "-q", "install", "cup", *desk.source)
    _, coloured = desk.both("--color", "always", "pip", "install", "saucer", *desk.source)

    desk.assert_equal()
    assert quiet.stderr == ""
    assert "\x1b[" in coloured.stderr


def test_a_note_for_one_python_does_not_answer_for_a_variable(workbench: Workbench) -> None:
    """`UV_PYTHON` names another environment. What is met in this one for `--python` is not met there."""
    other = workbench.at("other")
    for project in (workbench, other):
        project.project.mkdir(exist_ok=True)
        project.uv("venv", "--python", workbench.interpreter, project.environment)
    version = workbench.python("-c", "import platform; print(platform.python_version())")
    named = {"UV_PYTHON": str(other.environment)}
    for _ in range(2):
        workbench.pepip("install", "iniconfig", "--python", version, variables=named)

    workbench.pepip("install", "iniconfig", variables=named)

    other.python("-c", "import iniconfig")
