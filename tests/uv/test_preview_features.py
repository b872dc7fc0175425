"""uv's preview features that move environments or the cache: pepip makes the same environments, linked, none twice.

The features are redirect files (PEP 832), environments of projects in uv's cache, and the cache by content.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.machines import Machine, Output, any_interpreter, site_packages_of
from tests.support.stores import leftovers_of, problems_of
from tests.support.wheels import Wheel

TABLE = '[project]\nname = "{name}"\nversion = "1.0"\nrequires-python = ">=3.9"\ndependencies = ["ink"]\n'
SCRIPT = (
    "# /// script\n# requires-python = '>=3.9'\n# dependencies = ['ink']\n# ///\nimport ink\nprint(ink.__file__)\n"
)
WHEELS = [
    Wheel("ink", "1.0", files={"ink/__init__.py": "def main():\n    print('ink')\n"}),
    Wheel("pen", "1.0", files={"pen.py": ""}),
    Wheel("nib", "1.0", files={"nib.py": ""}),
    Wheel(
        "quill",
        "1.0",
        files={"quill.py": "def main():\n    print('quill')\n"},
        entry_points={"console_scripts": {"quill": "quill:main"}},
    ),
]
REDIRECTED, CENTRAL, BY_CONTENT = "venv-redirect-files", "centralized-project-envs", "content-addressed-cache"
FEATURES = (REDIRECTED, CENTRAL, BY_CONTENT, f"{REDIRECTED},{CENTRAL},{BY_CONTENT}")


@dataclass(frozen=True)
class Office:
    """A user with a project, and settings that choose features."""

    machine: Machine
    folder: Path
    settings: dict[str, str]

    def variables(self, more: dict[str, str]) -> dict[str, str]:
        """Return the variables of a command."""
        return {**self.settings, **more}

    def pepip(self, *words: str | Path, check: bool = True, **more: str) -> Output:
        """Run pepip in the project."""
        return self.machine.pepip(*words, folder=self.folder, check=check, variables=self.variables(more))

    def uv(self, *words: str | Path, **more: str) -> Output:
        """Run uv in the project."""
        return self.machine.uv(*words, folder=self.folder, variables=self.variables(more))

    def places(self) -> list[dict[str, object]]:
        """Return the environments that the store knows."""
        found: list[dict[str, object]] = json.loads(self.pepip("projects", "--json").stdout)
        return found


@pytest.fixture
def office(machine: Machine, tmp_path: Path, interpreter: Path) -> Office:
    """Return an office with a project that is not locked yet."""
    folder = machine.make_folder(tmp_path / "office")
    for wheel in WHEELS:
        wheel.write(tmp_path / "wheels")
    (folder / "pyproject.toml").write_text(TABLE.format(name="office"))
    (folder / "draw.py").write_text(SCRIPT)
    settings = {
        "UV_CACHE_DIR": str(tmp_path / "cache"),
        "UV_FIND_LINKS": str(tmp_path / "wheels"),
        "UV_NO_INDEX": "1",
        "UV_PYTHON_PREFERENCE": "only-system",
        "UV_TOOL_DIR": str(tmp_path / "tools"),
        "UV_TOOL_BIN_DIR": str(tmp_path / "bin"),
        "PATH": f"{interpreter.parent}:/usr/bin:/bin",
    }
    return Office(machine, folder, settings)


def environments_in(folder: Path) -> set[Path]:
    """Return the environments below a folder, by their real paths."""
    return {path.parent.resolve() for path in folder.rglob("pyvenv.cfg") if "builds" not in str(path)}


@pytest.mark.parametrize("features", FEATURES)
def test_every_command_works_with_the_feature(office: Office, tmp_path: Path, features: str) -> None:
    """All packages are linked. uv finds nothing to do afterwards, and no environment is made twice."""
    chosen = {"UV_PREVIEW_FEATURES": features}
    office.pepip("sync", **chosen)
    office.pepip("add", "pen", **chosen)
    office.pepip("install", "nib", **chosen)
    shown = office.pepip("run", "python", "-c", "import ink, pen, nib, sys; print(sys.prefix)", **chosen).stdout
    root = Path(shown.strip())
    assert (root.parent.name == "environments-v2") == (CENTRAL in features)
    assert (site_packages_of(root) / "ink").is_symlink()
    listed = {office.pepip("list", **chosen).stdout, office.uv("pip", "list", **chosen).stdout}
    assert len(listed) == 1
    assert "nib" in listed.pop()
    office.pepip("uninstall", "--yes", "nib", **chosen)
    assert office.uv("sync", "--check", **chosen).returncode == 0

    office.pepip("run", "draw.py", **chosen)
    office.pepip("tool", "install", "quill", **chosen)
    assert office.pepip("x", "quill", **chosen).stdout == "quill\n"
    office.pepip("run", "--with", "nib", "python", "-c", "import nib", **chosen)

    kinds = sorted(str(item["kind"]) for item in office.places())
    assert kinds == ["project", "run", "script", "tool"]
    (project,) = (item for item in office.places() if item["kind"] == "project")
    assert project["project"] == str(office.folder)
    assert project["state"] == "ok"
    before = environments_in(tmp_path)
    office.pepip("prune", "--yes", **chosen)
    for words in (("sync",), ("run", "python", "-c", "import ink, pen"), ("run", "draw.py"), ("x", "quill")):
        office.pepip(*words, **chosen)
    assert environments_in(tmp_path) == before
    assert problems_of(office.machine.store) == leftovers_of(office.machine.store) == []


def _by_option(office: Office) -> tuple[str, ...]:
    del office
    return ("--preview-features", CENTRAL)


def _by_setting(office: Office) -> tuple[str, ...]:
    with (office.folder / "pyproject.toml").open("a") as file:
        file.write(f'[tool.uv]\npreview-features = ["{CENTRAL}"]\n')
    return ()


@pytest.mark.parametrize("way", [_by_option, _by_setting])
def test_a_feature_is_chosen_as_for_uv(office: Office, way: Callable[[Office], tuple[str, ...]]) -> None:
    """By an option, or by a setting of the project. The environment is linked, and upgraded with its lock."""
    words = way(office)

    office.pepip("sync", *words)

    link = office.folder / ".venv"
    assert link.is_symlink()
    assert link.resolve().parent.name == "environments-v2"
    assert (site_packages_of(link) / "ink").is_symlink()
    assert [(item["kind"], item["name"]) for item in office.places()] == [("project", str(link))]
    assert "Nothing to do" in office.pepip("sync", *words).stderr
    assert "ink" in office.pepip("why", "ink").stdout


@pytest.mark.parametrize("feature", ["json-output", REDIRECTED])
@pytest.mark.parametrize("text", ["../elsewhere", "../elsewhere\n"])
def test_an_environment_behind_a_redirect_file_is_changed_where_it_lies(
    office: Office, tmp_path: Path, feature: str, text: str
) -> None:
    """`install`, `sync` and `uninstall` find it as uv does, and leave the file `.venv` as it is."""
    chosen = {"UV_PREVIEW_FEATURES": feature}
    office.uv("venv", tmp_path / "elsewhere")
    (office.folder / ".venv").write_text(text)

    office.pepip("install", "nib", **chosen)
    office.pepip("sync", "--inexact", **chosen)

    site_packages = site_packages_of(tmp_path / "elsewhere")
    assert (site_packages / "ink").is_symlink()
    assert (site_packages / "nib.py").exists()
    assert (office.folder / ".venv").read_text() == text
    office.pepip("uninstall", "--yes", "nib", **chosen)
    assert not (site_packages / "nib.py").exists()
    assert environments_in(tmp_path) == {(tmp_path / "elsewhere").resolve()}


@pytest.mark.parametrize("text", ["", "../nowhere", "../elsewhere\n\n"])
def test_a_redirect_file_that_leads_nowhere_is_left_alone(office: Office, tmp_path: Path, text: str) -> None:
    """The error names the file, and nothing is made."""
    (office.folder / ".venv").write_text(text)

    output = office.machine.pepip(
        "install", "nib", folder=office.folder, check=False, variables=office.variables({"UV_NO_CACHE": "1"})
    )

    assert output.returncode != 0
    assert ".venv is a file" in output.stderr
    assert environments_in(tmp_path) == set()


def test_the_environment_of_a_command_is_named_as_by_uv(office: Office, tmp_path: Path) -> None:
    """Behind a redirect, above the current folder, or active: not only a new answer, but also a noted one."""
    chosen = {"UV_PREVIEW_FEATURES": REDIRECTED}
    office.uv("venv", tmp_path / "elsewhere")
    (office.folder / ".venv").write_text("../elsewhere")
    inner = office.machine.make_folder(office.folder / "inner")
    office.uv("venv", inner / "other")
    office.pepip("install", "nib", **chosen)
    places = [(office.folder, {}), (inner, {}), (inner, {"VIRTUAL_ENV": "other"}), (inner / "other", {})]

    for folder, more in places:
        for words in (["install", "nib"], ["install", "nib"], ["uninstall", "pen"], ["install", "--dry-run", "pen"]):
            variables = office.variables({**chosen, **more})
            by_pepip = office.machine.pepip(*words, folder=folder, variables=variables, check=False).stderr
            by_uv = office.machine.uv("pip", *words, folder=folder, variables=variables, check=False).stderr
            named = [line for line in by_uv.splitlines() if line.startswith("Using Python")]
            assert [line for line in by_pepip.splitlines() if line.startswith("Using Python")] == named != []

    quiet = office.machine.pepip("install", "-q", "nib", folder=inner, variables=office.variables(chosen))
    assert quiet.stderr == ""


def test_an_environment_behind_a_redirect_file_is_replaced_for_another_python(
    office: Office, tmp_path: Path, interpreter: Path
) -> None:
    """`sync` makes it anew where it lies, as uv does, and links it."""
    chosen = {"UV_PREVIEW_FEATURES": REDIRECTED}
    office.uv("venv", tmp_path / "elsewhere")
    (office.folder / ".venv").write_text("../elsewhere")
    office.pepip("sync", **chosen)
    other_interpreter = any_interpreter(["3.10", "3.13"])
    assert other_interpreter.samefile(interpreter) is False
    before = (tmp_path / "elsewhere" / "pyvenv.cfg").read_text()

    office.pepip("sync", "--python", other_interpreter, **chosen)

    assert (tmp_path / "elsewhere" / "pyvenv.cfg").read_text() != before
    assert (site_packages_of(tmp_path / "elsewhere") / "ink").is_symlink()
    assert (office.folder / ".venv").read_text() == "../elsewhere"
    assert office.uv("sync", "--check", "--python", other_interpreter, **chosen).returncode == 0
    assert environments_in(tmp_path) == {(tmp_path / "elsewhere").resolve()}


def test_a_killed_replacement_behind_a_redirect_file_is_taken_back_first(office: Office, tmp_path: Path) -> None:
    """Otherwise uv refuses to go on."""
    chosen = {"UV_PREVIEW_FEATURES": REDIRECTED}
    office.uv("venv", tmp_path / "elsewhere")
    (office.folder / ".venv").write_text("../elsewhere")
    office.pepip("sync", **chosen)
    (tmp_path / "elsewhere").rename(tmp_path / ".elsewhere.pepip-before")
    (tmp_path / ".elsewhere.pepip-making").touch()

    office.pepip("sync", **chosen)

    assert (site_packages_of(tmp_path / "elsewhere") / "ink").is_symlink()
    assert not (tmp_path / ".elsewhere.pepip-making").exists()


def _by_redirect(office: Office) -> dict[str, str]:
    (office.folder / ".venv").write_text("../elsewhere")
    return {"UV_PREVIEW_FEATURES": REDIRECTED}


def _by_link(office: Office) -> dict[str, str]:
    (office.folder / ".venv").symlink_to("../elsewhere")
    return {}


def _by_cache(office: Office) -> dict[str, str]:
    del office
    return {"UV_PREVIEW_FEATURES": CENTRAL}


@pytest.mark.parametrize("way", [_by_redirect, _by_link, _by_cache])
def test_a_project_is_upgraded_by_its_lock_wherever_its_environment_lies(
    office: Office, tmp_path: Path, way: Callable[[Office], dict[str, str]]
) -> None:
    """`upgrade` and `diff --lock` find the project, also after `install` by the path of the environment."""
    office.uv("venv", tmp_path / "elsewhere")
    chosen = way(office)
    office.pepip("sync", **chosen)
    (root,) = (str(place["environment"]) for place in office.places())
    office.pepip("install", "--venv", root, "nib", **chosen)
    Wheel("ink", "2.0", files={"ink/__init__.py": ""}).write(tmp_path / "wheels")

    difference = office.pepip("diff", "--lock", check=False, **chosen)
    output = office.machine.pepip(
        "upgrade", "--projects", office.folder, folder=tmp_path, variables=office.variables(chosen)
    )

    assert "nib" in difference.stdout
    assert difference.returncode == 1
    assert "by its lock" in output.stderr + output.stdout
    assert 'name = "ink"\nversion = "2.0"' in (office.folder / "uv.lock").read_text()
    assert [place["environment"] for place in office.places()] == [root]
