"""The interpreter that uv is told about: the base of an environment, unless that could change uv's answer."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from pepip.model import Environment, Interpreter
from pepip.operations import venvs
from pepip.store.root import Store
from pepip.uv import asked_interpreter
from pepip.uv.request import Request
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

WHEELS = [Wheel("drum", "1.0", files={"drum.py": ""}), Wheel("horn", "1.0", files={"horn.py": ""})]

VERSION = ".".join(map(str, sys.version_info[:2]))
FOLDER = f"lib/python{VERSION}/site-packages"


def environment_at(root: Path, *, is_copy: bool = False, **facts: str) -> Environment:
    """Return an environment whose interpreter is a link to this one, or a copy of it."""
    program, base = root / "bin/python", os.path.realpath(sys.executable)
    program.parent.mkdir(parents=True)
    if is_copy:
        shutil.copyfile(base, program)
    else:
        program.symlink_to(base)
    known = Interpreter(str(program), f"{VERSION}.1", "cpython", FOLDER, "bin", f"include/site/python{VERSION}")
    return Environment(str(root), known._replace(**facts))


@pytest.mark.unit
def test_uv_is_told_about_the_base_and_the_root(tmp_path: Path) -> None:
    """The base has the facts, and the root the distributions and the lock."""
    environment, base = environment_at(tmp_path), os.path.realpath(sys.executable)

    assert asked_interpreter.for_facts(Request(), environment) == base
    found = asked_interpreter.options_of_environment(Request(), environment)
    assert found == ["--python", base, "--prefix", str(tmp_path)]


@pytest.mark.unit
def test_a_build_without_isolation_runs_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So uv is told about the environment's interpreter, whether an option or a variable asks for such builds."""
    environment = environment_at(tmp_path)
    own = ["--python", environment.executable]

    told = Request(common_options=("--no-build-isolation",))
    assert asked_interpreter.options_of_environment(told, environment) == own
    monkeypatch.setenv("UV_NO_BUILD_ISOLATION", "1")
    assert asked_interpreter.options_of_environment(Request(), environment) == own


@pytest.mark.unit
@pytest.mark.parametrize(
    ("is_copy", "facts"),
    [
        pytest.param(True, {}, id="a copy of its base"),
        pytest.param(False, {"implementation": "pypy"}, id="another implementation"),
        pytest.param(False, {"site_packages": "lib/python3/dist-packages"}, id="another folder of distributions"),
    ],
)
def test_an_unusual_environment_is_named_by_its_own_interpreter(
    tmp_path: Path, is_copy: bool, facts: dict[str, str]
) -> None:
    """Its base could have other facts or folders."""
    environment = environment_at(tmp_path, is_copy=is_copy, **facts)

    assert asked_interpreter.options_of_environment(Request(), environment) == ["--python", environment.executable]


def test_no_interpreter_of_an_environment_is_started(workbench: Workbench, tmp_path: Path) -> None:
    """An install, a change and an uninstall in an environment that uv has not met before do without."""
    other = workbench.at("other")
    other.install("drum")  # pepip now has the facts of the base
    workbench.uv("venv", "--python", os.path.realpath(other.environment / "bin/python"), workbench.environment)
    mark = tmp_path / "started"
    (workbench.site_packages / "__editable__tell.pth").write_text(f"import os; os.mkdir({str(mark)!r})\n")

    workbench.install("horn")
    workbench.install("drum")
    workbench.pepip("uninstall", "horn")

    assert not mark.exists()
    workbench.python("-c", "")
    assert mark.exists()


def test_an_exact_request_needs_the_environments_own_interpreter(workbench: Workbench) -> None:
    """`uv pip sync` removes also `wheel` from an environment that uv made. Told of the base, it would spare it."""
    workbench.supply([Wheel("wheel", "0.9", files={"wheel.py": ""})])
    workbench.install("drum", "wheel")
    (workbench.project / "exact.txt").write_text("drum\n")

    workbench.pepip("pip", "sync", "exact.txt", *workbench.from_wheelhouse)

    assert sorted(path.name for path in workbench.site_packages.glob("*.dist-info")) == ["drum-1.0.dist-info"]


@pytest.mark.unit
@pytest.mark.parametrize(
    ("name", "content", "is_own"),
    [
        pytest.param("_manylinux/__init__.py", "", True, id="a package that refuses wheels for Linux"),
        pytest.param("sitecustomize.py", "", True, id="a module that site imports"),
        pytest.param("cross.pth", "import platform; platform.machine = lambda: 'armv7l'\n", True, id="code"),
        pytest.param("cross.pth", "# more\nelsewhere\n", True, id="a folder with a module that site imports"),
        pytest.param("cross.pth", "elsewhere/below\n\n", False, id="a folder"),
        pytest.param(
            "__editable___drum_finder.pth", "import drum_finder; drum_finder.install()\n", False, id="setuptools"
        ),
        pytest.param("_virtualenv.pth", "import _virtualenv\n", False, id="uv's own file"),
    ],
)
def test_code_that_may_change_facts_runs_in_the_environments_own_interpreter(
    tmp_path: Path, name: str, content: str, is_own: bool
) -> None:
    """Python runs lines of `.pth` files that begin with `import`, and takes their other lines for folders."""
    environment = environment_at(tmp_path)
    place = tmp_path / FOLDER / name
    place.parent.mkdir(parents=True)
    place.write_text(content)
    (tmp_path / FOLDER / "elsewhere").mkdir()
    (tmp_path / FOLDER / "elsewhere" / "sitecustomize.py").touch()

    assert (asked_interpreter.for_facts(Request(), environment) == environment.executable) is is_own


def test_a_module_that_changes_facts_is_heard(workbench: Workbench) -> None:
    """`_manylinux.py` may refuse wheels for Linux (PEP 600)."""
    workbench.install("drum")
    store = Store(str(workbench.store))
    environment = venvs.open_environment(str(workbench.environment), store)
    assert asked_interpreter.for_facts(Request(), environment) != environment.executable

    (workbench.site_packages / "_manylinux.py").write_text("manylinux_compatible = lambda *_: False\n")

    assert asked_interpreter.for_facts(Request(), environment) == environment.executable
