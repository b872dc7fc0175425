"""Entries for several versions of one distribution, for one version with different bytes, and for several Pythons."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.machines import Machine, require_interpreter, site_packages_of
from tests.support.snapshots import changes, snapshot
from tests.support.wheels import Wheel


def palette(version: str, colour: str) -> Wheel:
    """Return a pure distribution whose package names a colour."""
    return Wheel("palette", version, files={"palette/__init__.py": f"COLOUR = {colour!r}\n"})


def colour_in(machine: Machine, project: Path) -> str:
    """Return the colour that a project's environment imports."""
    return machine.python(project / ".venv", "-c", "import palette; print(palette.COLOUR)").stdout.strip()


def entries_of(machine: Machine, bucket: str = "*") -> list[str]:
    """Return the names of the store's entries, in one bucket or in all."""
    return sorted(entry.name for entry in machine.store.glob(f"packages/{bucket}/*") if entry.is_dir())


@pytest.fixture
def projects(tmp_path: Path) -> tuple[Path, Path]:
    """Return the folders of two projects."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    return first, second


def test_two_projects_hold_two_versions(
    machine: Machine, projects: tuple[Path, Path], wheelhouse: Path, interpreter: Path
) -> None:
    """Each project imports its own version, and an upgrade in one project does not change the other."""
    first, second = projects
    for version, colour in (("1.0", "red"), ("2.0", "green"), ("3.0", "blue")):
        palette(version, colour).write(wheelhouse)
    source = ("--no-index", "--find-links", wheelhouse, "--python", interpreter)
    machine.pepip("install", "palette==1.0", *source, folder=first)
    machine.pepip("install", "palette==2.0", *source, folder=second)

    before = snapshot(first / ".venv")
    machine.pepip("install", "--upgrade", "palette", *source, folder=second)

    assert changes(before, snapshot(first / ".venv")) == []
    assert (colour_in(machine, first), colour_in(machine, second)) == ("red", "blue")
    assert entries_of(machine, "py3-none-any") == ["palette-1.0", "palette-2.0", "palette-3.0"]


def test_two_wheels_of_one_version_never_share_an_entry(
    machine: Machine, projects: tuple[Path, Path], tmp_path: Path, interpreter: Path
) -> None:
    """Wheels of one name and version with different bytes, from two indexes, are two entries."""
    for project, colour in zip(projects, ("red", "green"), strict=True):
        wheelhouse = tmp_path / f"wheels-{colour}"
        palette("1.0", colour).write(wheelhouse)
        source = ("--no-index", "--find-links", wheelhouse, "--python", interpreter)
        machine.pepip("install", "palette==1.0", *source, folder=project)

    assert [colour_in(machine, project) for project in projects] == ["red", "green"]
    assert len(entries_of(machine)) == 2


def test_wheels_that_differ_in_metadata_alone_never_share_an_entry(
    machine: Machine, projects: tuple[Path, Path], tmp_path: Path, interpreter: Path
) -> None:
    """The identity is the hash of the whole wheel, not of its code."""
    for project, variant in zip(projects, ("first", "second"), strict=True):
        wheel = replace(palette("1.0", "red"), variant=variant).write(tmp_path / variant)
        machine.pepip("install", wheel, "--no-index", "--python", interpreter, folder=project)

    for project, variant in zip(projects, ("first", "second"), strict=True):
        metadata = site_packages_of(project / ".venv") / "palette-1.0.dist-info" / "METADATA"
        assert f"Summary: {variant}" in metadata.read_text()
    assert len(entries_of(machine)) == 2


def test_a_reinstall_from_another_index_takes_the_other_bytes(
    machine: Machine, project: Path, tmp_path: Path, interpreter: Path
) -> None:
    """A wheel file replaces an installed distribution of the same version, as under uv."""
    for colour in ("red", "green"):
        wheel = palette("1.0", colour).write(tmp_path / colour)
        machine.pepip("install", "--reinstall", wheel, "--no-index", "--python", interpreter, folder=project)

        assert colour_in(machine, project) == colour


def test_two_builds_of_an_sdist_are_two_entries(
    machine: Machine, projects: tuple[Path, Path], wheelhouse: Path, tmp_path: Path, interpreter: Path
) -> None:
    """Two builds in separate caches have different bytes, and are not mixed up."""
    palette("1.0", "red").write_sdist(wheelhouse, stamped=True)
    stamps = []
    for project in projects:
        builder = replace(machine, uv_cache=tmp_path / f"cache-of-{project.name}")
        source = ("--no-index", "--find-links", wheelhouse, "--python", interpreter)
        builder.pepip("install", "palette", *source, folder=project)
        script = "from palette import build_stamp; print(build_stamp.BUILT_AT_NANOSECONDS)"
        stamps.append(machine.python(project / ".venv", "-c", script).stdout)

    assert all("BUILT_AT" not in stamp and stamp.strip().isdigit() for stamp in stamps)
    assert len(entries_of(machine)) == len(set(stamps))


def test_python_versions_share_pure_entries(machine: Machine, projects: tuple[Path, Path], wheelhouse: Path) -> None:
    """A pure wheel is stored once for all Python versions, and the second version adds nothing."""
    versions = ("3.10", "3.12")
    interpreters = [require_interpreter(version) for version in versions]
    palette("1.0", "red").write(wheelhouse)
    source = ("--no-index", "--find-links", wheelhouse)
    machine.pepip("install", "palette", *source, "--python", interpreters[0], folder=projects[0])

    before = snapshot(machine.store / "packages")
    machine.pepip("install", "palette", *source, "--python", interpreters[1], folder=projects[1])

    assert changes(before, snapshot(machine.store / "packages")) == []
    assert [colour_in(machine, project) for project in projects] == ["red", "red"]
    files = [site_packages_of(project / ".venv") / "palette" / "__init__.py" for project in projects]
    assert files[0].samefile(files[1])


def test_interpreter_bound_wheels_lie_apart(machine: Machine, projects: tuple[Path, Path], wheelhouse: Path) -> None:
    """Wheels of one version for two ABIs are two entries in two buckets."""
    for version, project in zip(("3.10", "3.12"), projects, strict=True):
        tag = f"cp{version.replace('.', '')}"
        Wheel("bound", "1.0", files={"bound.py": f"TAG = {tag!r}\n"}, tag=f"{tag}-{tag}-linux_x86_64").write(
            wheelhouse
        )
        interpreter = require_interpreter(version)
        source = ("--no-index", "--find-links", wheelhouse, "--python", interpreter)
        machine.pepip("install", "bound", *source, folder=project)

        assert machine.python(project / ".venv", "-c", "import bound; print(bound.TAG)").stdout.strip() == tag
    buckets = sorted(entry.parent.name for entry in machine.store.glob("packages/*/bound-1.0"))
    assert [bucket.split("-")[:2] for bucket in buckets] == [["cpython", "310"], ["cpython", "312"]]


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13"])
def test_environments_of_every_python_version_work(
    machine: Machine, project: Path, wheelhouse: Path, version: str
) -> None:
    """Imports, scripts and metadata work in environments of all supported interpreters."""
    interpreter = require_interpreter(version)
    Wheel(
        "greeting",
        "1.0",
        files={"greeting/__init__.py": "import sys\ndef main():\n    print('%d.%d' % sys.version_info[:2])\n"},
        entry_points={"console_scripts": {"greet": "greeting:main"}},
    ).write(wheelhouse)

    machine.pepip(
        "install",
        "greeting",
        "--no-index",
        "--find-links",
        wheelhouse,
        "--python",
        interpreter,
        folder=project,
    )

    listed = machine.uv("pip", "list", "--format", "json", folder=project).stdout
    assert machine.run([project / ".venv" / "bin" / "greet"], folder=project).stdout.strip() == version
    assert json.loads(listed) == [{"name": "greeting", "version": "1.0"}]
