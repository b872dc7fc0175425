"""uv's preview features that move environments or the cache: pepip makes the same environments, linked, none twice.

The features are redirect files (PEP 832), environments of projects in uv's cache, and the cache by content.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.machines import any_interpreter, site_packages_of
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

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


@pytest.fixture
def office(workbench: Workbench, tmp_path: Path) -> Workbench:
    """Return a user with a project that is not locked yet."""
    settings = {
        "UV_CACHE_DIR": str(tmp_path / "cache"),
        "UV_FIND_LINKS": str(workbench.wheelhouse),
        "UV_NO_INDEX": "1",
        "UV_PYTHON_PREFERENCE": "only-system",
        "UV_TOOL_DIR": str(tmp_path / "tools"),
        "UV_TOOL_BIN_DIR": str(tmp_path / "bin"),
        "PATH": f"{workbench.interpreter.parent}:/usr/bin:/bin",
    }
    found = replace(workbench, variables=settings)
    (found.project / "pyproject.toml").write_text(TABLE.format(name="office"))
    (found.project / "draw.py").write_text(SCRIPT)
    return found


def environments_in(folder: Path) -> set[Path]:
    """Return the environments below a folder, by their real paths."""
    return {path.parent.resolve() for path in folder.rglob("pyvenv.cfg") if "builds" not in str(path)}


@pytest.mark.every(2)
@pytest.mark.parametrize("features", FEATURES)
def test_every_command_works_with_the_feature(office: Workbench, tmp_path: Path, features: str) -> None:
    """All packages are linked. uv finds nothing to do afterwards, and no environment is made twice."""
    chosen = {"UV_PREVIEW_FEATURES": features}
    office.pepip("sync", variables=chosen)
    office.pepip("add", "pen", variables=chosen)
    office.pepip("install", "nib", variables=chosen)
    code = "import ink, pen, nib, sys; print(sys.prefix)"
    root = Path(office.pepip("run", "python", "-c", code, variables=chosen).stdout.strip())
    assert (root.parent.name == "environments-v2") == (CENTRAL in features)
    assert (site_packages_of(root) / "ink").is_symlink()
    listed = {office.pepip("list", variables=chosen).stdout, office.uv("pip", "list", variables=chosen).stdout}
    assert len(listed) == 1
    assert "nib" in listed.pop()
    office.pepip("uninstall", "--yes", "nib", variables=chosen)
    assert office.uv("sync", "--check", variables=chosen).returncode == 0

    office.pepip("run", "draw.py", variables=chosen)
    office.pepip("tool", "install", "quill", variables=chosen)
    assert office.pepip("x", "quill", variables=chosen).stdout == "quill\n"
    office.pepip("run", "--with", "nib", "python", "-c", "import nib", variables=chosen)

    kinds = sorted(str(item["kind"]) for item in office.ask("projects"))
    assert kinds == ["project", "run", "script", "tool"]
    (project,) = (item for item in office.ask("projects") if item["kind"] == "project")
    assert project["project"] == str(office.project)
    assert project["state"] == "ok"
    before = environments_in(tmp_path)
    office.pepip("prune", "--yes", variables=chosen)
    for words in (("sync",), ("run", "python", "-c", "import ink, pen"), ("run", "draw.py"), ("x", "quill")):
        office.pepip(*words, variables=chosen)
    assert environments_in(tmp_path) == before
    assert office.problems() == office.leftovers() == []


def _by_option(office: Workbench) -> tuple[str, ...]:
    del office
    return ("--preview-features", CENTRAL)


def _by_setting(office: Workbench) -> tuple[str, ...]:
    with (office.project / "pyproject.toml").open("a") as file:
        file.write(f'[tool.uv]\npreview-features = ["{CENTRAL}"]\n')
    return ()


@pytest.mark.parametrize("way", [_by_option, _by_setting])
def test_a_feature_is_chosen_as_for_uv(office: Workbench, way: Callable[[Workbench], tuple[str, ...]]) -> None:
    """By an option, or by a setting of the project. The environment is linked, and upgraded with its lock."""
    words = way(office)

    office.pepip("sync", *words)

    link = office.project / ".venv"
    assert link.is_symlink()
    assert link.resolve().parent.name == "environments-v2"
    assert (site_packages_of(link) / "ink").is_symlink()
    assert [(item["kind"], item["name"]) for item in office.ask("projects")] == [("project", str(link))]
    assert "Nothing to do" in office.pepip("sync", *words).stderr
    assert "ink" in office.pepip("why", "ink").stdout


@pytest.mark.parametrize("feature", ["json-output", REDIRECTED])
@pytest.mark.parametrize("text", ["../elsewhere", "../elsewhere\n"])
def test_an_environment_behind_a_redirect_file_is_changed_where_it_lies(
    office: Workbench, tmp_path: Path, feature: str, text: str
) -> None:
    """`install`, `sync` and `uninstall` find it as uv does, and leave the file `.venv` as it is."""
    chosen = {"UV_PREVIEW_FEATURES": feature}
    office.uv("venv", tmp_path / "elsewhere")
    (office.project / ".venv").write_text(text)

    office.pepip("install", "nib", variables=chosen)
    office.pepip("sync", "--inexact", variables=chosen)

    site_packages = site_packages_of(tmp_path / "elsewhere")
    assert (site_packages / "ink").is_symlink()
    assert (site_packages / "nib.py").exists()
    assert (office.project / ".venv").read_text() == text
    office.pepip("uninstall", "--yes", "nib", variables=chosen)
    assert not (site_packages / "nib.py").exists()
    assert environments_in(tmp_path) == {(tmp_path / "elsewhere").resolve()}


@pytest.mark.parametrize("text", ["", "../nowhere", "../elsewhere\n\n"])
def test_a_redirect_file_that_leads_nowhere_is_left_alone(office: Workbench, tmp_path: Path, text: str) -> None:
    """The error names the file, and nothing is made."""
    (office.project / ".venv").write_text(text)

    output = office.pepip("install", "nib", check=False, variables={"UV_NO_CACHE": "1"})

    assert output.returncode != 0
    assert ".venv is a file" in output.stderr
    assert environments_in(tmp_path) == set()


def test_the_environment_of_a_command_is_named_as_by_uv(office: Workbench, tmp_path: Path) -> None:
    """Behind a redirect, above the current folder, or active: not only a new answer, but also a noted one."""
    chosen = {"UV_PREVIEW_FEATURES": REDIRECTED}
    office.uv("venv", tmp_path / "elsewhere")
    (office.project / ".venv").write_text("../elsewhere")
    inner = office.machine.make_folder(office.project / "inner")
    office.uv("venv", inner / "other")
    office.pepip("install", "nib", variables=chosen)
    places = [(office.project, {}), (inner, {}), (inner, {"VIRTUAL_ENV": "other"}), (inner / "other", {})]

    for folder, more in places:
        for words in (["install", "nib"], ["install", "nib"], ["uninstall", "pen"], ["install", "--dry-run", "pen"]):
            there, variables = office.at(folder), {**chosen, **more}
            by_pepip = there.pepip(*words, variables=variables, check=False).stderr
            by_uv = there.uv("pip", *words, variables=variables, check=False).stderr
            named = [line for line in by_uv.splitlines() if line.startswith("Using Python")]
            assert [line for line in by_pepip.splitlines() if line.startswith("Using Python")] == named != []

    quiet = office.at(inner).pepip("install", "-q", "nib", variables=chosen)
    assert quiet.stderr == ""


def test_an_environment_behind_a_redirect_file_is_replaced_for_another_python(
    office: Workbench, tmp_path: Path, interpreter: Path
) -> None:
    """`sync` makes it anew where it lies, as uv does, and links it."""
    chosen = {"UV_PREVIEW_FEATURES": REDIRECTED}
    office.uv("venv", tmp_path / "elsewhere")
    (office.project / ".venv").write_text("../elsewhere")
    office.pepip("sync", variables=chosen)
    other_interpreter = any_interpreter(["3.10", "3.13"])
    assert other_interpreter.samefile(interpreter) is False
    before = (tmp_path / "elsewhere" / "pyvenv.cfg").read_text()

    office.pepip("sync", "--python", other_interpreter, variables=chosen)

    assert (tmp_path / "elsewhere" / "pyvenv.cfg").read_text() != before
    assert (site_packages_of(tmp_path / "elsewhere") / "ink").is_symlink()
    assert (office.project / ".venv").read_text() == "../elsewhere"
    assert office.uv("sync", "--check", "--python", other_interpreter, variables=chosen).returncode == 0
    assert environments_in(tmp_path) == {(tmp_path / "elsewhere").resolve()}


def test_a_killed_replacement_behind_a_redirect_file_is_taken_back_first(office: Workbench, tmp_path: Path) -> None:
    """Otherwise uv refuses to go on."""
    chosen = {"UV_PREVIEW_FEATURES": REDIRECTED}
    office.uv("venv", tmp_path / "elsewhere")
    (office.project / ".venv").write_text("../elsewhere")
    office.pepip("sync", variables=chosen)
    (tmp_path / "elsewhere").rename(tmp_path / ".elsewhere.pepip-before")
    (tmp_path / ".elsewhere.pepip-making").touch()

    office.pepip("sync", variables=chosen)

    assert (site_packages_of(tmp_path / "elsewhere") / "ink").is_symlink()
    assert not (tmp_path / ".elsewhere.pepip-making").exists()


def _by_redirect(office: Workbench) -> dict[str, str]:
    (office.project / ".venv").write_text("../elsewhere")
    return {"UV_PREVIEW_FEATURES": REDIRECTED}


def _by_link(office: Workbench) -> dict[str, str]:
    (office.project / ".venv").symlink_to("../elsewhere")
    return {}


def _by_cache(office: Workbench) -> dict[str, str]:
    del office
    return {"UV_PREVIEW_FEATURES": CENTRAL}


@pytest.mark.parametrize("way", [_by_redirect, _by_link, _by_cache])
def test_a_project_is_upgraded_by_its_lock_wherever_its_environment_lies(
    office: Workbench, tmp_path: Path, way: Callable[[Workbench], dict[str, str]]
) -> None:
    """`upgrade` and `diff --lock` find the project, also after `install` by the path of the environment."""
    office.uv("venv", tmp_path / "elsewhere")
    chosen = way(office)
    office.pepip("sync", variables=chosen)
    (root,) = (str(place["environment"]) for place in office.ask("projects"))
    office.pepip("install", "--venv", root, "nib", variables=chosen)
    office.supply([Wheel("ink", "2.0", files={"ink/__init__.py": ""})])

    difference = office.pepip("diff", "--lock", check=False, variables=chosen)
    output = office.at(".").pepip("upgrade", "--projects", office.project, variables=chosen)

    assert "nib" in difference.stdout
    assert difference.returncode == 1
    assert "by its lock" in output.stderr + output.stdout
    assert 'name = "ink"\nversion = "2.0"' in (office.project / "uv.lock").read_text()
    assert [place["environment"] for place in office.ask("projects")] == [root]
