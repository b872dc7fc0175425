"""The figure of `pepip adopt --dry-run`: what `df` says afterwards, within two hundredths."""

from __future__ import annotations

import json
import os
import random
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.filesystems import mounted
from tests.support.machines import Machine, interpreter_of
from tests.support.wheels import Wheel

TOLERANCE = 0.02


def small_wheels(folder: Path) -> tuple[str, ...]:
    """Write wheels with packages, modules of many sizes and data, and return their names."""
    chance = random.Random(7)
    names = []
    for number in range(12):
        name = f"part{number}"
        files: dict[str, str | bytes] = {f"{name}/__init__.py": f"PART = {number}\n", f"{name}_one.py": "ONE = 1\n"}
        for inner in range(chance.randrange(1, 5)):
            files[f"{name}/inner{inner}/__init__.py"] = ""
            for index in range(chance.randrange(2, 20)):
                files[f"{name}/inner{inner}/module{index}.py"] = "VALUE = 1\n" * chance.randrange(1, 2000)
        files[f"{name}/data.bin"] = chance.randbytes(chance.randrange(1, 400_000))
        wheel = Wheel(name, "1.0", files=files, data={f"data/share/{name}/manual.txt": "read it\n" * 100})
        wheel.write(folder)
        names.append(name)
    return tuple(names)


def free_bytes(folder: Path) -> int:
    """Return the free bytes of a file system, once they no longer change."""
    seen = -1
    while True:
        os.sync()
        status = os.statvfs(folder)
        now = status.f_bfree * status.f_frsize
        if now == seen:
            return now
        seen = now
        time.sleep(1)


def free_inodes(folder: Path) -> int:
    """Return the free inodes of a file system; 0 where it does not count them."""
    return os.statvfs(folder).f_ffree


def make_environments(
    machine: Machine, disk: Path, interpreter: Path, packages: tuple[str, ...], source: tuple[str | Path, ...]
) -> None:
    """Make six environments below `code`: copies, hard links and clones; every second one with bytecode."""
    for number, mode in enumerate(("copy", "copy", "hardlink", "hardlink", "clone", "copy")):
        environment = machine.make_folder(disk / "code" / f"project{number}") / ".venv"
        machine.uv("venv", environment, "--python", interpreter, folder=disk)
        into = ("pip", "install", "--python", environment, "--link-mode", mode, *source)
        machine.uv(*into, *packages[number % 3 :], folder=disk)
        if number % 2:
            machine.run([interpreter_of(environment), "-m", "compileall", "-q", environment / "lib"], folder=disk)


@pytest.mark.parametrize(
    "packages",
    [
        pytest.param((), id="made wheels"),
        pytest.param(
            ("django", "numpy", "sqlalchemy", "rich", "jinja2", "zope.interface"),
            id="real packages",
            marks=pytest.mark.real_world,
        ),
    ],
)
@pytest.mark.parametrize(
    "kind", ["ext4", *(pytest.param(kind, marks=pytest.mark.real_world) for kind in ("btrfs", "xfs"))]
)
def test_the_bytes_of_the_preview_are_those_of_df(
    machine: Machine, tmp_path: Path, interpreter: Path, wheelhouse: Path, *, kind: str, packages: tuple[str, ...]
) -> None:
    """Copies, hard links of uv's cache, reflinks, and environments with bytecode: the sum is right."""
    names = packages or small_wheels(wheelhouse)
    source = () if packages else ("--no-index", "--find-links", wheelhouse)
    with mounted(kind, tmp_path / "disk", mebibytes=1500) as disk:
        near = replace(machine, store=disk / "home" / ".pepip", uv_cache=disk / "uv-cache")
        near.make_folder(disk / "home")
        make_environments(near, disk, interpreter, names, source)
        before, inodes = free_bytes(disk), free_inodes(disk)

        answer = near.pepip("adopt", "--dry-run", "--json", disk / "code", folder=disk)
        done = near.pepip("adopt", "--yes", "--json", disk / "code", folder=disk)

        promised, told = json.loads(answer.stdout), json.loads(done.stdout)
        assert [item["failure"] for item in told["environments"]] == [""] * 6
        freed = free_bytes(disk) - before
        print(promised["freed_bytes"], told["freed_bytes"], freed)
        assert freed > 0
        assert promised["freed_bytes"] == pytest.approx(freed, rel=TOLERANCE)
        assert told["freed_bytes"] == pytest.approx(freed, rel=TOLERANCE)
        if kind == "ext4":
            assert promised["freed_inodes"] == pytest.approx(free_inodes(disk) - inodes, rel=TOLERANCE)


@pytest.mark.real_world
@pytest.mark.parametrize("kind", ["ext4", "btrfs"])
def test_preview_counts_both_disks_if_the_store_is_on_another(
    machine: Machine, tmp_path: Path, interpreter: Path, wheelhouse: Path, *, kind: str
) -> None:
    """One disk gives the files, and the other gets one copy of each: the preview has both figures."""
    names = small_wheels(wheelhouse)
    source = ("--no-index", "--find-links", wheelhouse)
    with (
        mounted(kind, tmp_path / "disk", mebibytes=600) as disk,
        mounted("ext4", tmp_path / "far", mebibytes=600) as far,
    ):
        near = replace(machine, store=far / ".pepip", uv_cache=disk / "uv-cache")
        make_environments(near, disk, interpreter, names, source)
        before = free_bytes(disk), free_bytes(far)

        promised = json.loads(near.pepip("adopt", "--dry-run", "--json", disk / "code", folder=disk).stdout)
        told = json.loads(near.pepip("adopt", "--yes", "--json", disk / "code", folder=disk).stdout)

        freed = free_bytes(disk) - before[0], free_bytes(far) - before[1]
        print(promised["freed_bytes"], promised["copied_bytes"], told["freed_bytes"], freed)
        assert [item["failure"] for item in told["environments"]] == [""] * 6
        assert promised["copied_bytes"] == pytest.approx(-freed[1], rel=TOLERANCE)
        assert promised["freed_bytes"] == pytest.approx(freed[0], rel=TOLERANCE)
        assert told["freed_bytes"] == pytest.approx(sum(freed), rel=TOLERANCE)
