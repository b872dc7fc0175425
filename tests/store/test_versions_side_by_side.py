"""Entries for several versions of one distribution, for one version with different bytes, and for several Pythons."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.machines import require_interpreter
from tests.support.snapshots import changes, snapshot
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench


def palette(version: str, colour: str) -> Wheel:
    """Return a pure distribution whose package names a colour."""
    return Wheel("palette", version, files={"palette/__init__.py": f"COLOUR = {colour!r}\n"})


def colour_in(project: Workbench) -> str:
    """Return the colour that a project's environment imports."""
    return project.python("-c", "import palette; print(palette.COLOUR)")


def test_two_projects_hold_two_versions(
    workbench: Workbench,
) -> None:
    """Each project imports its own version, and an upgrade in one project does not change the other."""
    first, second = workbench.at("first"), workbench.at("second")
    workbench.supply([palette("1.0", "red"), palette("2.0", "green"), palette("3.0", "blue")])
    first.install("palette==1.0")
    second.install("palette==2.0")

    before = snapshot(first.environment)
    second.install("--upgrade", "palette")

    assert changes(before, snapshot(first.environment)) == []
    assert (colour_in(first), colour_in(second)) == ("red", "blue")
    assert workbench.entries() == ["palette-1.0", "palette-2.0", "palette-3.0"]


def test_two_wheels_of_one_version_never_share_an_entry(workbench: Workbench, tmp_path: Path) -> None:
    """Wheels of one name and version with different bytes, from two indexes, are two entries."""
    for colour in ("red", "green"):
        project = replace(workbench.at(colour), wheelhouse=tmp_path / f"wheels-{colour}")
        project.supply([palette("1.0", colour)])
        project.install("palette==1.0")

    assert [colour_in(workbench.at(colour)) for colour in ("red", "green")] == ["red", "green"]
    assert len(workbench.entries()) == 2


def test_wheels_that_differ_in_metadata_alone_never_share_an_entry(workbench: Workbench, tmp_path: Path) -> None:
    """The identity is the hash of the whole wheel, not of its code."""
    for variant in ("first", "second"):
        workbench.at(variant).install(
            replace(palette("1.0", "red"), variant=variant).write(tmp_path / f"of-{variant}")
        )

    for variant in ("first", "second"):
        metadata = workbench.at(variant).site_packages / "palette-1.0.dist-info" / "METADATA"
        assert f"Summary: {variant}" in metadata.read_text()
    assert len(workbench.entries()) == 2


def test_a_reinstall_from_another_index_takes_the_other_bytes(workbench: Workbench, tmp_path: Path) -> None:
    """A wheel file replaces an installed distribution of the same version, as under uv."""
    for colour in ("red", "green"):
        workbench.install("--reinstall", palette("1.0", colour).write(tmp_path / colour))

        assert colour_in(workbench) == colour


def test_two_builds_of_an_sdist_are_two_entries(workbench: Workbench, tmp_path: Path) -> None:
    """Two builds in separate caches have different bytes, and are not mixed up."""
    palette("1.0", "red").write_sdist(workbench.wheelhouse, stamped=True)
    stamps = []
    for name in ("first", "second"):
        machine = replace(workbench.machine, uv_cache=tmp_path / f"cache-of-{name}")
        project = replace(workbench, machine=machine, name=name)
        project.install("palette")
        stamps.append(
            project.python("-c", "from palette import build_stamp; print(build_stamp.BUILT_AT_NANOSECONDS)")
        )

    assert all("BUILT_AT" not in stamp and stamp.isdigit() for stamp in stamps)
    assert len(workbench.entries()) == len(set(stamps))


def test_python_versions_share_pure_entries(workbench: Workbench) -> None:
    """A pure wheel is stored once for all Python versions, and the second version adds nothing."""
    older, newer = (
        replace(workbench, interpreter=require_interpreter(version), name=version) for version in ("3.10", "3.12")
    )
    workbench.supply([palette("1.0", "red")])
    older.install("palette")

    before = snapshot(workbench.store / "packages")
    newer.install("palette")

    assert changes(before, snapshot(workbench.store / "packages")) == []
    assert (colour_in(older), colour_in(newer)) == ("red", "red")
    files = [project.site_packages / "palette" / "__init__.py" for project in (older, newer)]
    assert files[0].samefile(files[1])


def test_interpreter_bound_wheels_lie_apart(workbench: Workbench) -> None:
    """Wheels of one version for two ABIs are two entries in two buckets."""
    for version in ("3.10", "3.12"):
        tag = f"cp{version.replace('.', '')}"
        files = {"bound.py": f"TAG = {tag!r}\n"}
        workbench.supply([Wheel("bound", "1.0", files=files, tag=f"{tag}-{tag}-linux_x86_64")])
        project = replace(workbench, interpreter=require_interpreter(version), name=version)
        project.install("bound")

        assert project.python("-c", "import bound; print(bound.TAG)") == tag
    buckets = sorted(entry.parent.name for entry in workbench.store.glob("packages/*/bound-1.0"))
    assert [bucket.split("-")[:2] for bucket in buckets] == [["cpython", "310"], ["cpython", "312"]]


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13"])
def test_environments_of_every_python_version_work(workbench: Workbench, version: str) -> None:
    """Imports, scripts and metadata work in environments of all supported interpreters."""
    workbench = replace(workbench, interpreter=require_interpreter(version))
    greeting = Wheel(
        "greeting",
        "1.0",
        files={"greeting/__init__.py": "import sys\ndef main():\n    print('%d.%d' % sys.version_info[:2])\n"},
        entry_points={"console_scripts": {"greet": "greeting:main"}},
    )
    workbench.supply([greeting])

    workbench.install("greeting")

    assert workbench.script("greet") == version
    listed = json.loads(workbench.uv("pip", "list", "--format", "json").stdout)
    assert listed == [{"name": "greeting", "version": "1.0"}]
