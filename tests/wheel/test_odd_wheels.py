"""Wheels with contents that the formats allow and nobody expects: the environments equal uv's."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from tests.support.environments import Twins
from tests.support.machines import site_packages_of
from tests.support.wheels import Wheel

METADATA = "Metadata-Version: 2.1\nName: other\nVersion: 1.0\n"

ODD_WHEELS = [
    pytest.param({"data/share/x.dist-info": ""}, id="a data file named like metadata"),
    pytest.param({"data/share/odd/x-1.0.dist-info/METADATA": METADATA}, id="metadata in share"),
    pytest.param({"data/lib/odd/x-1.0.dist-info/METADATA": METADATA}, id="metadata in lib"),
    pytest.param({"purelib/other-1.0.dist-info/METADATA": METADATA}, id="metadata of another"),
    pytest.param({"purelib/x-1.0.dist-info": ""}, id="a file named like metadata"),
    pytest.param({"purelib/odd/__pycache__": ""}, id="a file named __pycache__"),
    pytest.param(
        {"purelib/RECORD/__init__.py": "", "purelib/INSTALLER/__init__.py": ""}, id="a package named RECORD"
    ),
    pytest.param({"purelib/n/a.libs/x": "1", "purelib/n%a.libs/x": "2"}, id="percent signs"),
]


@pytest.mark.parametrize("data", ODD_WHEELS)
def test_an_odd_wheel_is_installed_as_by_uv(twins: Twins, wheelhouse: Path, data: dict[str, str]) -> None:
    """All files of the wheel are installed, whichever scheme they belong to."""
    path = Wheel("odd", "1.0", files={"odd/__init__.py": ""}, data=data).write(wheelhouse)

    twins.install("--no-index", path)

    twins.assert_equal()


@pytest.mark.parametrize("files", [{"odd.py": "", "__pycache__": ""}, {"odd/__init__.py": "", "odd/__pycache__": ""}])
def test_a_file_can_have_the_name_of_the_folder_of_bytecode(
    twins: Twins, wheelhouse: Path, files: dict[str, str]
) -> None:
    """Also beside a single module. Python then writes no bytecode there."""
    twins.install("--no-index", Wheel("odd", "1.0", files=files).write(wheelhouse))

    twins.assert_equal()
    twins.machine.python(twins.pepip_environment, "-c", "import odd")


def test_a_folder_whose_name_ends_like_that_of_bytecode_is_none(twins: Twins, wheelhouse: Path) -> None:
    """The folder above it gets its own folder of bytecode."""
    path = Wheel("odd", "1.0", files={"odd/__init__.py": "", "odd/x__pycache__/y.txt": ""}).write(wheelhouse)

    twins.install("--no-index", path)

    twins.assert_equal()
    assert (site_packages_of(twins.pepip_environment) / "odd" / "__pycache__").is_dir()


def test_empty_folders_are_made(twins: Twins, wheelhouse: Path) -> None:
    """The empty folders of an archive exist as under uv, since a program may look for one."""
    path = Wheel("odd", "1.0", files={"odd/__init__.py": ""}).write(wheelhouse)
    with zipfile.ZipFile(path, "a") as archive:
        for name in ("odd/empty/", "alone/", "alone.libs/"):
            archive.writestr(zipfile.ZipInfo(name), "")

    twins.install("--no-index", path)

    twins.assert_equal()
    assert _folders(twins.pepip_environment) == _folders(twins.uv_environment)


def _folders(environment: Path) -> list[str]:
    places = [*environment.glob("lib/*/site-packages/*"), *environment.glob("lib/*/site-packages/odd/*")]
    return sorted(
        f"{path.parent.name}/{path.name}" for path in places if path.is_dir() and path.name != "__pycache__"
    )


def test_a_file_with_two_dots_in_its_name_hinders_no_recovery(twins: Twins, wheelhouse: Path) -> None:
    """The store lost the entry. The wheel is stored again, and is known as the same by RECORD."""
    path = Wheel("odd", "1.0", files={"odd/__init__.py": "", "odd/a..b.txt": "text"}).write(wheelhouse)
    twins.install("--no-index", path)
    (entry,) = (twins.machine.store / "packages").glob("*/odd-1.0")
    shutil.rmtree(entry)

    output = twins.machine.pepip(
        "install", "--no-index", "--venv", twins.pepip_environment, path, folder=twins.pepip_environment
    )

    assert "fetched again:" not in output.stderr
    assert (site_packages_of(twins.pepip_environment) / "odd" / "a..b.txt").read_text() == "text"
    twins.assert_equal()
