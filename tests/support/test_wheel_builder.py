"""Wheels that the tests build are reproducible, uv can install them, and they contain the requested faults."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.machines import Machine, site_packages_of
from tests.support.wheels import Wheel

GREETING = Wheel(
    "greeting",
    "1.0",
    files={"greeting/__init__.py": "def main():\n    print('hello')\n"},
    entry_points={"console_scripts": {"greet": "greeting:main"}},
)


@pytest.fixture
def environment(machine: Machine, project: Path, interpreter: Path) -> Path:
    """Return an empty environment that uv made."""
    machine.uv("venv", ".venv", "--python", interpreter, folder=project)
    return project / ".venv"


def test_the_same_wheel_has_the_same_bytes(tmp_path: Path) -> None:
    """A wheel or an sdist depends neither on the time nor on the place of its build."""
    first, second = tmp_path / "first", tmp_path / "second"

    assert GREETING.write(first).read_bytes() == GREETING.write(second).read_bytes()
    assert GREETING.write_sdist(first).read_bytes() == GREETING.write_sdist(second).read_bytes()


def test_a_variant_has_the_same_name_and_other_bytes(tmp_path: Path) -> None:
    """Two wheels of one version can have different bytes."""
    plain = GREETING.write(tmp_path / "plain")
    variant = replace(GREETING, variant="rebuilt").write(tmp_path / "variant")

    assert plain.name == variant.name
    assert plain.read_bytes() != variant.read_bytes()


@pytest.mark.parametrize("form", ["wheel", "sdist", "folder", "editable"])
def test_uv_installs_every_form_without_a_network(
    machine: Machine, project: Path, environment: Path, tmp_path: Path, form: str
) -> None:
    """A wheel, an sdist, a source tree and an editable give the same script."""
    arguments: dict[str, list[str | Path]] = {
        "wheel": [GREETING.write(tmp_path)],
        "sdist": [GREETING.write_sdist(tmp_path)],
        "folder": [GREETING.write_source(tmp_path / "source")],
        "editable": ["--editable", tmp_path / "source"],
    }

    machine.uv("pip", "install", "--offline", "--no-index", *arguments[form], folder=project)

    assert machine.run([environment / "bin" / "greet"], folder=project).stdout == "hello\n"


def test_each_build_of_a_stamped_sdist_differs(machine: Machine, project: Path, environment: Path) -> None:
    """A build that records its time gives a different wheel each time."""
    stamps = set()
    sdist = GREETING.write_sdist(project, stamped=True)
    for _ in range(2):
        machine.uv("pip", "install", "--offline", "--no-index", "--no-cache", "--reinstall", sdist, folder=project)
        stamps.add((site_packages_of(environment) / "greeting" / "build_stamp.py").read_text())

    assert len(stamps) == 2


def test_faults_are_in_the_archive_as_described(tmp_path: Path) -> None:
    """Hostile rows, wrong hashes, missing rows and links are in the archive as requested."""
    wheel = Wheel(
        "hostile",
        "1.0",
        files={"hostile/__init__.py": "", "hostile/secret.txt": "1", "hostile/forged.txt": "2"},
        links={"hostile/link": "/etc/passwd"},
        record_rows=[("../../../outside", "", ""), ("/absolute", "sha256=x", "1")],
        unrecorded=["hostile/secret.txt"],
        wrong_hashes=["hostile/forged.txt"],
    ).write(tmp_path)

    with zipfile.ZipFile(wheel) as archive:
        record = archive.read("hostile-1.0.dist-info/RECORD").decode().splitlines()
        link = archive.getinfo("hostile/link")

        assert archive.read("hostile/link") == b"/etc/passwd"
        assert link.external_attr >> 28 == 0o12
        assert record[-2:] == ["../../../outside,,", "/absolute,sha256=x,1"]
        assert not [row for row in record if row.startswith("hostile/secret.txt")]
        assert [row for row in record if row.startswith("hostile/forged.txt,sha256=")]
