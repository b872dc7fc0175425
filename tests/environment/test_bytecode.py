"""Bytecode is compiled once: a module that one project compiled, at import or at install, is loaded by all others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.machines import Machine, require_interpreter, site_packages_of
from tests.support.wheels import Wheel

SLOW = Wheel(
    "slow",
    "1.0",
    files={
        "slow/__init__.py": "from slow import inner\n",
        "slow/inner.py": "VALUE = 1\n",
        "slow/deep/__init__.py": "from slow.deep import deeper\n",
        "slow/deep/deeper.py": "VALUE = 4\n",
    },
)
SLOW_CONTRIB = Wheel("slow-contrib", "1.0", files={"slow/contrib.py": "VALUE = 2\n"})
NAMESPACED = Wheel("spaced", "1.0", files={"space/spaced/__init__.py": "VALUE = 3\n"})

CACHING = '''\
"""Keeps what it computed beside its own bytecode, the way Numba does."""

import os
import tempfile


def remember(value):
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__pycache__")
    os.makedirs(folder, exist_ok=True)
    tempfile.TemporaryFile(dir=folder).close()
    descriptor, temporary = tempfile.mkstemp(dir=folder)
    os.write(descriptor, value.encode())
    os.close(descriptor)
    os.replace(temporary, os.path.join(folder, "caching.remember.nbi"))


def recall():
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__pycache__")
    with open(os.path.join(folder, "caching.remember.nbi")) as file:
        return file.read()
'''


def install(user: Machine, project: Path, wheelhouse: Path, interpreter: Path, *arguments: str) -> Path:
    """Install wheels of this module into a project, and return its environment. Make the project if it is missing."""
    for wheel in (
        SLOW,
        SLOW_CONTRIB,
        NAMESPACED,
        Wheel("caching", "1.0", files={"caching/__init__.py": CACHING}),
    ):
        wheel.write(wheelhouse)
    user.make_folder(project)
    source = ("--no-index", "--find-links", wheelhouse, "--python", interpreter)
    user.pepip("install", *arguments, *source, folder=project)
    return project / ".venv"


def bytecode_of(user: Machine) -> dict[str, int]:
    """Return the modification time, in nanoseconds, of each bytecode file of the store."""
    packages = user.store / "packages"
    return {
        path.relative_to(packages).as_posix(): path.stat().st_mtime_ns for path in packages.rglob("__pycache__/*.pyc")
    }


def modules_compiled_anew(user: Machine, environment: Path, module: str) -> list[str]:
    """Import a module, and return the files of its distribution without bytecode, according to `python -v`."""
    said = user.python(environment, "-v", "-c", f"import {module}").stderr
    prefix = f"# code object from {environment}"
    compiled = [line.split("site-packages/")[1] for line in said.splitlines() if line.startswith(prefix)]
    assert f"import '{module}'" in said
    return [path for path in compiled if path.startswith(module.split(".")[0])]


@pytest.mark.parametrize("case", [("slow", "slow.inner"), ("spaced", "space.spaced")], ids="-".join)
def test_the_second_project_loads_the_bytecode_of_the_first(
    user: Machine, tmp_path: Path, wheelhouse: Path, interpreter: Path, case: tuple[str, str]
) -> None:
    """An import in one project writes bytecode into the store, and the next project compiles nothing."""
    requirements, module = case
    folder = user.make_folder(tmp_path / "projects")
    first = install(user, folder / "first", wheelhouse, interpreter, requirements)
    second = install(user, folder / "second", wheelhouse, interpreter, requirements)

    user.python(first, "-c", f"import {module}")
    compiled = bytecode_of(user)
    compiled_anew = modules_compiled_anew(user, second, module)

    assert compiled
    assert compiled_anew == []
    assert bytecode_of(user) == compiled


def test_a_package_that_two_distributions_share_has_bytecode_of_its_own(
    machine: Machine, tmp_path: Path, wheelhouse: Path, interpreter: Path
) -> None:
    """If two distributions share a package, bytecode of that package stays in each project."""
    first = install(machine, tmp_path / "first", wheelhouse, interpreter, "slow", "slow-contrib")
    second = install(machine, tmp_path / "second", wheelhouse, interpreter, "slow", "slow-contrib")

    machine.python(first, "-c", "import slow.inner, slow.deep, slow.contrib")
    compiled_anew = modules_compiled_anew(machine, second, "slow.deep")

    assert bytecode_of(machine) == {}
    assert "slow/deep/__init__.py" in compiled_anew
    assert (second / "lib").resolve() in (site_packages_of(second) / "slow" / "deep").resolve().parents


def test_a_module_that_uv_adds_beside_a_link_has_bytecode_of_its_own(
    machine: Machine, tmp_path: Path, wheelhouse: Path, interpreter: Path
) -> None:
    """If uv adds a module to a namespace, Python never loads bytecode of another project's module of that name.

    Python accepts bytecode if the source has the same size and the same modification time in seconds. Two versions
    that were unpacked at the same time have both.
    """
    Wheel("cloud-core", "1.0", files={"cloud/core.py": ""}).write(wheelhouse)
    source = ("--no-index", "--find-links", wheelhouse)
    said = []
    for version in ("1.0", "2.0"):
        Wheel("cloud-part", version, files={"cloud/part.py": f"VERSION = {version!r}\n"}).write(wheelhouse)
        project = machine.make_folder(tmp_path / version)
        machine.pepip("install", "cloud-core", *source, "--python", interpreter, folder=project)
        machine.uv("pip", "install", f"cloud-part=={version}", *source, "--link-mode", "copy", folder=project)
        module = site_packages_of(project / ".venv") / "cloud" / "part.py"
        os.utime(module, (1_700_000_000, 1_700_000_000))
        said.append(machine.python(project / ".venv", "-c", "import cloud.part; print(cloud.part.VERSION)").stdout)

    assert said == ["1.0\n", "2.0\n"]


def test_another_user_reads_bytecode_and_leaves_it(
    machine: Machine, tmp_path: Path, wheelhouse: Path, interpreter: Path
) -> None:
    """A user who may not write to the store imports from it without an error, and changes nothing."""
    environment = install(machine, tmp_path / "project", wheelhouse, interpreter, "slow")
    machine.python(environment, "-c", "import slow")
    compiled = bytecode_of(machine)
    stranger = machine.as_plain_user(tmp_path / "stranger")

    output = stranger.python(environment, "-W", "error", "-c", "import slow.inner; print(slow.inner.VALUE)")

    assert output.stdout == "1\n"
    assert output.stderr == ""
    assert bytecode_of(machine) == compiled


def test_compile_bytecode_compiles_at_install(
    user: Machine, tmp_path: Path, wheelhouse: Path, interpreter: Path
) -> None:
    """`--compile-bytecode` compiles each module before the first import, once for all projects."""
    folder = user.make_folder(tmp_path / "projects")
    install(user, folder / "first", wheelhouse, interpreter, "slow", "--compile-bytecode")
    compiled = bytecode_of(user)
    second = install(user, folder / "second", wheelhouse, interpreter, "slow", "--compile-bytecode")

    compiled_anew = modules_compiled_anew(user, second, "slow.deep")

    assert {Path(path).name.split(".")[0] for path in compiled} == {"__init__", "inner", "deeper"}
    assert compiled_anew == []
    assert bytecode_of(user) == compiled


def test_compile_bytecode_compiles_for_each_python_version(
    machine: Machine, tmp_path: Path, wheelhouse: Path
) -> None:
    """A pure entry holds the bytecode of all Python versions that use it."""
    tags = set()
    for version in ("3.10", "3.12"):
        interpreter = require_interpreter(version)
        environment = install(machine, tmp_path / version, wheelhouse, interpreter, "slow", "--compile-bytecode")
        tags.add(machine.python(environment, "-c", "import sys; print(sys.implementation.cache_tag)").stdout.strip())

    assert {Path(path).name.split(".")[1] for path in bytecode_of(machine)} == tags


def test_a_cache_beside_the_bytecode_works_and_is_shared(
    user: Machine, tmp_path: Path, wheelhouse: Path, interpreter: Path
) -> None:
    """A package can keep its own files in `__pycache__`, and the next project finds them."""
    folder = user.make_folder(tmp_path / "projects")
    first = install(user, folder / "first", wheelhouse, interpreter, "caching")
    second = install(user, folder / "second", wheelhouse, interpreter, "caching")

    user.python(first, "-c", "import caching; caching.remember('computed')")
    output = user.python(second, "-c", "import caching; print(caching.recall())")

    assert output.stdout == "computed\n"
    assert not list(site_packages_of(first).glob("caching*/**/*.tmp"))


@pytest.mark.real_world
def test_numba_keeps_and_shares_its_compiled_functions(machine: Machine, tmp_path: Path, interpreter: Path) -> None:
    """Numba caches the functions of an installed package, and a second project gets them from the cache."""
    wheelhouse = tmp_path / "wheels"
    source = "import numba\n@numba.njit(cache=True)\ndef twice(x):\n    return 2 * x\n"
    wheel = Wheel("twicely", "1.0", files={"twicely/__init__.py": source}).write(wheelhouse)
    script = "import twicely; print(twicely.twice(21), sum(twicely.twice.stats.cache_hits.values()))"
    said = []
    for name in ("first", "second"):
        project = machine.make_folder(tmp_path / name)
        machine.pepip("install", "numba", wheel, "--python", interpreter, folder=project)
        said.append(machine.python(project / ".venv", "-c", script).stdout.split())

    assert said == [["42", "0"], ["42", "1"]]
