"""A change takes the entries of its environment from one cached file, as long as their documents are the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.machines import Machine
from tests.support.wheels import Wheel

pytestmark = pytest.mark.skipif(os.name != "posix", reason="writes into a document of the store")


def test_a_document_is_read_again_only_after_it_was_changed(
    machine: Machine, project: Path, interpreter: Path
) -> None:
    """A document with the same time and inode is not read. One with another time is read, and its damage is noticed.

    A damaged file in the cache is no error.
    """
    project.mkdir(parents=True, exist_ok=True)
    drum, horn, flute, kettle, bell = (
        Wheel(name, "1.0").write(project.parent) for name in ("drum", "horn", "flute", "kettle", "bell")
    )
    machine.pepip("install", "--python", interpreter, drum, folder=project)
    machine.pepip("install", horn, folder=project)
    (document,) = machine.store.glob("packages/*/drum-1.0/pepip-entry.json")
    before = document.stat()
    document.chmod(0o600)
    document.write_bytes(b"x" * before.st_size)  # the same inode
    os.utime(document, ns=(before.st_atime_ns, before.st_mtime_ns))

    unnoticed = machine.pepip("install", flute, folder=project)
    os.utime(document)
    noticed = machine.pepip("install", kettle, folder=project)
    for cached in machine.store.glob("cache/answers-*/entries-*"):
        cached.write_text(f"{cached.read_text().partition('[')[0]}[[1")
    after_damage = machine.pepip("install", bell, folder=project)

    assert "warning" not in unnoticed.stderr
    assert "the store has lost drum" in noticed.stderr
    assert "warning" not in after_damage.stderr
    listed = machine.uv("pip", "list", "--python", project / ".venv", folder=project).stdout
    assert [line.split()[0] for line in listed.splitlines()[2:]] == ["bell", "drum", "flute", "horn", "kettle"]


def test_a_link_is_noted_only_once_in_an_hour(machine: Machine, project: Path, interpreter: Path) -> None:
    """Otherwise each new project would make the cached entries of all others useless."""
    project.mkdir(parents=True, exist_ok=True)
    drum = Wheel("drum", "1.0").write(project.parent)
    times = []
    for number, hours in enumerate((0.0, 0.9, 1.1)):
        for document in machine.store.glob("packages/*/drum-1.0/pepip-entry.json"):
            linked_at = document.stat().st_mtime - hours * 3600
            os.utime(document, (linked_at, linked_at))
        machine.pepip("venv", "--python", interpreter, f"env-{number}", folder=project)
        machine.pepip("install", "--venv", f"env-{number}", drum, folder=project)
        (document,) = machine.store.glob("packages/*/drum-1.0/pepip-entry.json")
        times.append((document.stat().st_mtime, linked_at if number else 0.0))

    assert times[1][0] == times[1][1]
    assert times[2][0] > times[2][1]


def test_the_first_change_of_a_new_environment_reads_no_document_of_the_others(
    machine: Machine, project: Path, interpreter: Path
) -> None:
    """New environments with the same entries share one cached file, and a changed one gets its own."""
    project.mkdir(parents=True, exist_ok=True)
    drum, horn, flute = (Wheel(name, "1.0").write(project.parent) for name in ("drum", "horn", "flute"))
    for name in ("one", "other"):
        machine.pepip("venv", "--python", interpreter, name, folder=project)
        machine.pepip("install", "--venv", name, drum, horn, folder=project)
    shared = list(machine.store.glob("cache/answers-*/entries-*"))
    (document,) = machine.store.glob("packages/*/drum-1.0/pepip-entry.json")
    before = document.stat()
    document.chmod(0o600)
    document.write_bytes(b"x" * before.st_size)  # the same inode
    os.utime(document, ns=(before.st_atime_ns, before.st_mtime_ns))

    unnoticed = machine.pepip("install", "--venv", "other", flute, folder=project)

    assert "warning" not in unnoticed.stderr
    assert len(shared) == 1
    assert len(list(machine.store.glob("cache/answers-*/entries-*"))) == 2
