"""Tools that copy folders out of packages: the copies may be changed and removed, as under uv.

All tests run as a plain user, whom modes restrict. The store's own protection still holds.
"""

from __future__ import annotations

import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.machines import Machine, site_packages_of
from tests.support.snapshots import changes, snapshot
from tests.support.stores import problems_of
from tests.support.wheels import Wheel

KIT = Wheel(
    "kit",
    "1.0",
    files={
        "kit/__init__.py": "",
        "kit/tools/__init__.py": "",
        "kit/tools/saw.py": "",
        "kit/page_templates/index.html": "<html>\n",
        "kit/include/__init__.py": "",
        "kit/include/starter_project/__init__.py": "PLACE = __file__\n",
        "kit/include/starter_project/models/first.sql": "select 1\n",
        "kit/include/starter_project/seeds/.gitkeep": "",
        "kit/skeletons/app/{{name}}/__init__.py": "",
        "kit/skeletons/app/{{name}}/main.py": "",
        "kit/skeletons/app/run.sh": "#!/bin/sh\n",
        "kit-1.0.dist-info/licenses/third/LICENSE": "yours\n",
    },
    executables=frozenset({"kit/skeletons/app/run.sh"}),
)
TEMPLATES = ("kit/page_templates", "kit/include/starter_project", "kit/skeletons", "kit-1.0.dist-info/licenses")


@pytest.fixture
def user(machine: Machine, tmp_path: Path) -> Machine:
    """Return a plain user."""
    return machine.as_plain_user(tmp_path / "plain")


@pytest.fixture(params=["the cache beside the store", "the cache on another file system"])
def supplied(request: pytest.FixtureRequest, user: Machine) -> Iterator[Machine]:
    """Yield a plain user whose store shares files with uv's cache, then one whose store has copies."""
    if request.param == "the cache beside the store":
        yield user
        return
    if not Path("/dev/shm").is_dir():
        pytest.skip("there is no second file system at /dev/shm")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        user.give(Path(folder))
        yield Machine(user.home, user.store, Path(folder), user.prefix)


@pytest.fixture
def kit(supplied: Machine, wheelhouse: Path, interpreter: Path) -> Path:
    """Return the environment of a project with kit."""
    KIT.write(wheelhouse)
    project = supplied.make_folder(supplied.home / "project")
    supplied.pepip(
        "install", "kit", "--no-index", "--find-links", wheelhouse, "--python", interpreter, folder=project
    )
    return project / ".venv"


@pytest.mark.every(3)
@pytest.mark.parametrize("template", TEMPLATES)
def test_the_copy_of_a_template_may_be_changed_and_removed(supplied: Machine, kit: Path, template: str) -> None:
    """Its folders have mode 0755, its files 0644 or 0755, and the store stays unchanged."""
    before = snapshot(supplied.store / "packages")
    source, copy = site_packages_of(kit) / template, kit.parent / "copy"
    script = "import shutil, sys; shutil.copytree(sys.argv[1], sys.argv[2])"

    supplied.python(kit, "-c", script, source, copy)

    modes = {stat.S_IMODE(path.stat().st_mode) for path in (copy, *copy.rglob("*")) if path.name != "__pycache__"}
    assert modes <= {0o755, 0o644}
    script = (
        "import os, shutil, sys\n"
        "for folder, _, names in os.walk(sys.argv[1]):\n"
        "    open(f'{folder}/mine.txt', 'w').close()\n"
        "    [open(f'{folder}/{name}', 'a').write('mine') for name in names]\n"
        "shutil.rmtree(sys.argv[1])"
    )
    supplied.python(kit, "-c", script, copy)
    assert not copy.exists()
    assert changes(before, snapshot(supplied.store / "packages")) == []


def test_uv_may_not_put_a_module_into_a_linked_package(supplied: Machine, kit: Path, wheelhouse: Path) -> None:
    """The install into a package, or into a package in it, is refused, and the store stays unchanged."""
    before = snapshot(supplied.store / "packages")
    for folder in ("kit", "kit/tools"):
        name = f"more-{Path(folder).name}"
        Wheel(name, "1.0", files={f"{folder}/more.py": ""}).write(wheelhouse)

        output = supplied.uv(
            *("pip", "install", name, "--no-index", "--find-links", wheelhouse), folder=kit.parent, check=False
        )

        assert output.returncode != 0
        assert "Permission denied" in output.stderr
    assert changes(before, snapshot(supplied.store / "packages")) == []


def test_an_entry_of_an_older_pepip_is_whole_and_gets_its_modes_by_a_repair(
    supplied: Machine, kit: Path, wheelhouse: Path
) -> None:
    """In an older entry all folders were read-only, and so were files that only the store had."""
    (entry,) = supplied.store.glob("packages/*/kit-1.0")
    new = _modes(entry)
    for path in entry.rglob("*"):
        if path.name != "__pycache__" and not path.is_symlink():
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222)

    verified = supplied.pepip("store", "verify", folder=kit.parent)
    supplied.pepip(
        "install", "kit", "--no-index", "--find-links", wheelhouse, "--venv", "other/.venv", folder=kit.parent
    )
    repaired = supplied.pepip("store", "repair", folder=kit.parent)

    assert "1 entry" in verified.stdout + verified.stderr
    assert "kit" not in repaired.stdout + repaired.stderr
    assert _modes(entry) == new
    assert problems_of(supplied.store) == []


def _modes(entry: Path) -> dict[str, int]:
    paths = (path for path in entry.rglob("*") if not path.is_symlink() and ".pepip" not in path.parts)
    return {str(path.relative_to(entry)): stat.S_IMODE(path.stat().st_mode) for path in paths}


TOOLS: dict[str, tuple[tuple[str, ...], str, list[str]]] = {
    "alembic": (("alembic",), "alembic", ["init", "made"]),
    "django": (("django",), "django-admin", ["startproject", "made"]),
    "django, an app": (("django",), "django-admin", ["startapp", "made"]),
    "scrapy": (("scrapy",), "scrapy", ["startproject", "made"]),
    "dbt": (("dbt-core<1.11", "dbt-postgres"), "dbt", ["init", "made", "--skip-profile-setup"]),
    "mkdocs": (("mkdocs",), "mkdocs", ["new", "made"]),
    "wagtail": (("wagtail",), "wagtail", ["start", "made"]),
}


@pytest.mark.real_world
@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_makes_the_project_that_it_makes_under_uv(user: Machine, interpreter: Path, name: str) -> None:
    """The tool makes the same files with the same modes, and their user may change and remove them."""
    packages, program, words = TOOLS[name]
    made = {}
    for installer in ("uv", "pepip"):
        project = user.make_folder(user.home / installer)
        if installer == "uv":
            user.uv("venv", "--python", interpreter, folder=project)
            user.uv("pip", "install", *packages, folder=project)
        else:
            user.pepip("install", *packages, "--python", interpreter, folder=project)
        variables = {"PYTHONDONTWRITEBYTECODE": "1"}

        user.run([project / ".venv" / "bin" / program, *words], folder=project, variables=variables)

        made[installer] = {
            str(path.relative_to(project)): stat.S_IMODE(path.stat().st_mode)
            for path in sorted((project / "made").rglob("*"))
        }
        user.run([shutil.which("rm") or "rm", "-r", project / "made"], folder=project)
    assert made["pepip"] == made["uv"]
    assert made["uv"]
