"""The disk space of projects, the store and uv's cache together: uv's copies, uv's hard links, and pepip."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.disk import TreeUsage, Usage, comparison, split_usage, usage
from tests.support.machines import Machine
from tests.support.wheels import Wheel

PROJECTS = ("first", "second", "third")
LIBRARY = Wheel(
    "library",
    "1.0",
    files={
        "library/__init__.py": "",
        **{f"library/part_{number}/__init__.py": "" for number in range(20)},
        **{f"library/part_{number % 20}/module_{number}.py": f"VALUE = {number}\n" * 200 for number in range(300)},
    },
)


def measured(machine: Machine, trees: Path, install: Callable[[Path], object]) -> list[TreeUsage]:
    """Install into each project, and return the disk space that each tree adds.

    The order is uv's cache, the store, and one environment for each project.
    """
    for name in PROJECTS:
        project = trees / name
        project.mkdir(parents=True)
        install(project)
    environments = [trees / name / ".venv" for name in PROJECTS]
    parts = split_usage([machine.uv_cache, machine.store, *environments])
    titles = ["uv's cache", "store", *PROJECTS]
    return [replace(part, tree=Path(title)) for part, title in zip(parts, titles, strict=True)]


@pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled"])
def test_each_further_project_costs_next_to_nothing(
    machine: Machine, tmp_path: Path, wheelhouse: Path, interpreter: Path, *, compiled: bool
) -> None:
    """A further project adds less than a fifth of the bytes of a copy.

    Compared with uv's hard links, it adds no more bytes and fewer inodes.
    """
    LIBRARY.write(wheelhouse)
    source: list[str | Path] = ["library", "--no-index", "--find-links", wheelhouse]
    source += ["--compile-bytecode"] if compiled else []
    columns = {}
    for link_mode in ("copy", "hardlink"):
        user = replace(machine, uv_cache=tmp_path / f"cache-{link_mode}", store=tmp_path / "no-store")

        def install(project: Path, user: Machine = user, link_mode: str = link_mode) -> None:
            user.uv("venv", ".venv", "--python", interpreter, folder=project)
            user.uv("pip", "install", *source, "--link-mode", link_mode, folder=project)

        columns[f"uv, {link_mode}"] = measured(user, tmp_path / link_mode, install)
    user = replace(machine, uv_cache=tmp_path / "cache-pepip")
    columns["pepip"] = measured(
        user,
        tmp_path / "pepip",
        lambda project: user.pepip("install", *source, "--python", interpreter, folder=project),
    )
    print(comparison(columns))

    third = {title: parts[-1].added for title, parts in columns.items()}
    together = {title: sum(part.added.allocated_bytes for part in parts) for title, parts in columns.items()}
    assert third["pepip"].inodes < third["uv, hardlink"].inodes
    assert third["pepip"].allocated_bytes <= third["uv, hardlink"].allocated_bytes
    assert third["pepip"].allocated_bytes < third["uv, copy"].allocated_bytes / 5
    assert together["pepip"] < together["uv, copy"]


def test_store_and_cache_hold_bytes_once(
    machine: Machine, project: Path, wheelhouse: Path, tmp_path: Path, interpreter: Path
) -> None:
    """On one file system, the store shares its bytes with uv's cache by hard links."""
    user = replace(machine, uv_cache=tmp_path / "cache")
    payload = Wheel("payload", "1.0", files={"payload/__init__.py": "", "payload/data.bin": os.urandom(8_000_000)})
    payload.write(wheelhouse)

    user.pepip(
        "install",
        "payload",
        "--no-index",
        "--find-links",
        wheelhouse,
        "--python",
        interpreter,
        folder=project,
    )

    cache, store, environment = split_usage([user.uv_cache, user.store, project / ".venv"])
    assert cache.added.allocated_bytes >= 8_000_000
    assert store.added.allocated_bytes < 500_000
    assert environment.added.allocated_bytes < 500_000


def test_the_store_outlives_uvs_cache(
    machine: Machine, project: Path, wheelhouse: Path, tmp_path: Path, interpreter: Path
) -> None:
    """No link in the store leads into uv's cache, and an environment works without the cache."""
    user = replace(machine, uv_cache=tmp_path / "cache")
    LIBRARY.write(wheelhouse)
    source = ("library", "--no-index", "--find-links", wheelhouse, "--python", interpreter)
    user.pepip("install", *source, folder=project, variables={"UV_LINK_MODE": "symlink"})

    shutil.rmtree(user.uv_cache)

    user.python(project / ".venv", "-c", "import library.part_19.module_299")
    links = [path for path in user.store.rglob("*") if path.is_symlink()]
    assert [link for link in links if os.readlink(link).startswith(str(user.uv_cache))] == []


def test_an_inode_is_counted_once(tmp_path: Path) -> None:
    """Hard links of a file count for the first tree that has it. Symbolic links count only for themselves."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    (first / "file").write_bytes(os.urandom(1_000_000))
    (second / "same").hardlink_to(first / "file")
    (second / "link").symlink_to(first / "file")

    parts = split_usage([first, second, tmp_path / "missing"])

    assert [part.added.inodes for part in parts] == [2, 2, 0]
    assert parts[0].added.allocated_bytes >= 1_000_000
    assert parts[1].added.allocated_bytes < 20_000
    assert usage([first, second]) == parts[0].added + parts[1].added
    assert usage([]) == Usage(0, 0)
