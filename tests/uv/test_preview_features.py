"""uv's preview features that move environments or the cache: pepip makes the same environments, linked, none twice.

The features are redirect files (PEP 832), environments of projects in uv's cache, and the cache by content.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.machines import Machine, Output, site_packages_of
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

    def pepip(self, *words: str | Path, **more: str) -> Output:
        """Run pepip in the project."""
        return self.machine.pepip(*words, folder=self.folder, variables=self.variables(more))

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
