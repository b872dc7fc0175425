"""An environment of pepip equals the one that uv makes, for real packages and for difficult ones built here."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.environments import Twins
from tests.support.machines import Machine, require_interpreter
from tests.support.parity import Level
from tests.support.wheels import PKG_RESOURCES_NAMESPACE, PKGUTIL_NAMESPACE, Wheel, nspkg_pth

EVERYDAY = [
    "requests",
    "numpy",  # libraries that the wheel brings along
    "googleapis-common-protos protobuf",  # a namespace of both, and an extension in it
    "setuptools pip wheel",  # a `.pth` file that runs code, and scripts
    "pydantic[email] attrs",  # extras
]
"""One row of each kind."""

MORE_OF_EVERY_DAY = [
    "black",
    "numpy pandas",
    "zope.interface zope.event",
    "ruamel.yaml",
    "greenlet",
    "coverage pytest-cov",
    "sphinxcontrib-jsmath sphinxcontrib-applehelp",
    "azure-core azure-common",
    "cffi cryptography",
    "markupsafe jinja2 pyyaml",
]

BUILT_FROM_SOURCE = ["docopt==0.6.2", "--no-binary=toolz toolz==0.12.0"]

LONG_LIST = [
    "jupyterlab",
    "google-cloud-storage protobuf",
    "azure-storage-blob azure-identity",
    "sphinx sphinxcontrib-mermaid sphinxcontrib-bibtex",
    "matplotlib",
    "PySide6",
    "PyQt6",
    "opencv-python-headless opencv-contrib-python-headless",
    "cmake ninja",
    "nvidia-cusolver-cu12",
    "pyarrow",
    "mypy",
    "boto3",
    "streamlit",
    "scikit-learn numba polars duckdb",
    "ansible-core ansible-lint",
    "django djangorestframework celery",
    "jaraco.functools jaraco.text backports.tarfile backports.zstd",
    "opentelemetry-sdk opentelemetry-exporter-otlp",
    "tensorboard onnxruntime",
]


@pytest.mark.parametrize(
    "requirements", [*EVERYDAY, *(pytest.param(row, marks=pytest.mark.real_world) for row in MORE_OF_EVERY_DAY)]
)
def test_environment_equals_uvs(twins: Twins, pip: Path, requirements: str) -> None:
    """Everyday packages have the same files, metadata, scripts, imports and libraries."""
    twins.install(*requirements.split())

    twins.assert_equal(pip=pip)


@pytest.mark.parametrize("requirements", BUILT_FROM_SOURCE)
def test_environment_with_a_built_sdist_equals_uvs(twins: Twins, pip: Path, requirements: str) -> None:
    """A distribution that uv builds from an index's sdist is the same."""
    twins.install(*requirements.split())

    twins.assert_equal(pip=pip)


@pytest.mark.real_world
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("requirements", LONG_LIST)
def test_real_world_environment_equals_uvs(twins: Twins, pip: Path, requirements: str) -> None:
    """Big and unusual real packages are the same in everything that is compared."""
    twins.install(*requirements.split())

    twins.assert_equal(pip=pip)


@pytest.mark.every(2)
@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13"])
def test_every_python_version_gets_uvs_environment(twins: Twins, pip: Path, version: str) -> None:
    """Environments of all supported interpreters equal uv's."""
    twins = replace(twins, interpreter=require_interpreter(version))

    twins.install("markupsafe", "idna", "click")

    twins.assert_equal(pip=pip)


EVERYTHING = Wheel(
    "everything",
    "1.0",
    files={
        "everything/__init__.py": "def main():\n    print('hello')\n",
        "everything/py.typed": "",
        "everything/inner/deep/data.bin": bytes(range(256)),
        "everything/tool": "#!/bin/sh\necho tool\n",
        "everything_single.py": "VALUE = 1\n",
        "everything-nspkg.pth": "import sys; sys.everything_was_here = True\n",
        "not-an-identifier/file.txt": "odd\n",
    },
    data={
        "scripts/everything-python": "#!python\nimport everything; everything.main()\n",
        "scripts/everything-windowed": "#!pythonw\nimport everything; everything.main()\n",
        "scripts/everything-shell": "#!/bin/sh\necho shell\n",
        "data/share/everything/manual.txt": "manual\n",
        "data/etc/everything.conf": "setting = 1\n",
        "headers/everything.h": "#define EVERYTHING 1\n",
        "purelib/everything_pure/__init__.py": "",
        "platlib/everything_platform/__init__.py": "",
    },
    executables=["everything/tool"],
    entry_points={
        "console_scripts": {"everything": "everything:main", "every.thing": "everything:main"},
        "gui_scripts": {"everything-window": "everything:main"},
    },
)


def namespace_pair(style: str) -> list[Wheel]:
    """Return two distributions that each put a package into the namespace `cloud`."""
    init = {"pkgutil": PKGUTIL_NAMESPACE, "pkg_resources": PKG_RESOURCES_NAMESPACE}.get(style)
    wheels = []
    for part in ("core", "storage"):
        files: dict[str, str | bytes] = {f"cloud/{part}/__init__.py": f"NAME = {part!r}\n"}
        if init:
            files["cloud/__init__.py"] = init
        if style == "nspkg.pth":
            files[f"cloud_{part}-1.0-nspkg.pth"] = nspkg_pth("cloud")
        dependencies = ["setuptools<81"] if style == "pkg_resources" else []
        wheels.append(Wheel(f"pepip-tests-cloud-{part}", "1.0", files=files, dependencies=dependencies))
    return wheels


def install_local(twins: Twins, wheelhouse: Path, *wheels: Wheel) -> None:
    """Install wheels from a folder, and their dependencies from the index."""
    for wheel in wheels:
        wheel.write(wheelhouse)
    names = [wheel.name for wheel in wheels]
    source = [] if any(wheel.dependencies for wheel in wheels) else ["--no-index"]
    twins.install(*names, *source, "--find-links", wheelhouse)


def test_everything_that_a_wheel_can_hold_arrives(twins: Twins, pip: Path, wheelhouse: Path) -> None:
    """Scripts, data, headers, purelib, platlib, `.pth` files and odd names lie where uv puts them."""
    install_local(twins, wheelhouse, EVERYTHING)

    twins.assert_equal(pip=pip)


@pytest.mark.parametrize("style", ["native", "pkgutil", "pkg_resources", "nspkg.pth"])
def test_namespace_packages_of_every_style_join(
    twins: Twins, pip: Path, wheelhouse: Path, machine: Machine, style: str
) -> None:
    """Two members of a namespace are both importable in every style, and the environment equals uv's."""
    install_local(twins, wheelhouse, *namespace_pair(style))

    machine.python(twins.pepip_environment, "-W", "ignore", "-c", "import cloud.core, cloud.storage")
    twins.assert_equal(pip=pip)


def test_distributions_that_overwrite_each_other_equal_uvs(twins: Twins, pip: Path, wheelhouse: Path) -> None:
    """If two distributions hold the same paths with the same bytes, their folder is joined."""
    shared = {"camera/__init__.py": "LENS = 50\n", "camera/body.py": ""}
    plain = Wheel("camera", "1.0", files={**shared, "camera/plain.py": ""})
    contributed = Wheel("camera-contrib", "1.0", files={**shared, "camera/contrib.py": ""})

    install_local(twins, wheelhouse, plain, contributed)

    twins.assert_equal(pip=pip)


def test_a_library_that_looks_for_its_neighbour_finds_it(
    twins: Twins, pip: Path, wheelhouse: Path, tmp_path: Path
) -> None:
    """A run path that leaves its own distribution leads to the other one in this environment, as under uv."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("building the two libraries needs cc, which is missing")
    (tmp_path / "fuel.c").write_text("int fuel(void) { return 42; }\n")
    (tmp_path / "engine.c").write_text("int fuel(void);\nint engine(void) { return fuel(); }\n")
    shared = [compiler, "-shared", "-fPIC"]
    subprocess.run([*shared, "-o", "libfuel.so", "fuel.c"], cwd=tmp_path, check=True)
    run_path = "-Wl,-rpath,$ORIGIN/../../fuel/lib"
    subprocess.run([*shared, "-o", "libengine.so", "engine.c", "-L.", "-lfuel", run_path], cwd=tmp_path, check=True)
    fuel = Wheel(
        "fuel",
        "1.0",
        files={"fuel/__init__.py": "", "fuel/lib/libfuel.so": (tmp_path / "libfuel.so").read_bytes()},
        tag="py3-none-linux_x86_64",
    )
    engine = Wheel(
        "engine",
        "1.0",
        files={
            "engine/__init__.py": "",
            "engine/lib/libengine.so": (tmp_path / "libengine.so").read_bytes(),
            "engine/lib/readme.txt": "",
        },
        tag="py3-none-linux_x86_64",
    )

    install_local(twins, wheelhouse, fuel, engine)

    twins.assert_equal(pip=pip)
    said = twins.machine.pepip("store", "show", "engine", folder=twins.folder).stdout
    assert "engine/lib: on the way to engine/lib/libengine.so, which looks for libraries outside" in said


def test_an_archive_without_a_hash_in_record_equals_uvs(twins: Twins, pip: Path, wheelhouse: Path) -> None:
    """Files that RECORD leaves out arrive as with uv, and so do names with spaces, commas and non-ASCII letters."""
    wheel = Wheel(
        "strange",
        "1.0",
        files={
            "strange/__init__.py": "",
            "strange/a name, with a comma.txt": "1",
            "strange/ünïcode.txt": "2",
            "strange/unrecorded.txt": "3",
        },
        unrecorded=["strange/unrecorded.txt"],
    )

    install_local(twins, wheelhouse, wheel)

    twins.assert_equal(pip=pip)


def test_a_later_install_equals_uvs(twins: Twins, pip: Path, wheelhouse: Path) -> None:
    """An upgrade, and a distribution that is added to a shared folder later, give the same environment as uv."""
    for version in ("1.0", "2.0"):
        files = {"camera/__init__.py": "", f"camera/of_{version[0]}.py": ""}
        Wheel("camera", version, files=files, entry_points={"console_scripts": {"camera": "os:getcwd"}}).write(
            wheelhouse
        )
    Wheel("camera-contrib", "1.0", files={"camera/contrib.py": ""}).write(wheelhouse)
    source = ("--no-index", "--find-links", wheelhouse)

    twins.install("camera==1.0", *source)
    twins.install("camera-contrib", *source)
    twins.install("-U", "camera", *source)

    twins.assert_equal(Level.METADATA, pip=pip)
