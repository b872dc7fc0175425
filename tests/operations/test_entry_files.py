"""`pepip store show --files`: the disk usage of an entry, file by file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pepip.host import disk_usage
from tests.support.machines import Machine
from tests.support.wheels import Wheel

LARGE = Wheel(
    "large",
    "1.0",
    files={"large/__init__.py": "", "large/data/table.bin": "x" * 300_000, "large/data/index.bin": "y" * 60_000},
)


def test_sizes_are_those_on_disk_and_the_largest_comes_first(machine: Machine, wheelhouse: Path) -> None:
    """The tree has every file of the entry, and its sizes sum up to the entry's size in the list."""
    LARGE.write(wheelhouse)
    words = ("--no-index", "--find-links", wheelhouse)
    machine.pepip("store", "add", *words, "large", folder=wheelhouse)

    (tree,) = json.loads(machine.pepip("store", "show", "large", "--files", "--json", folder=wheelhouse).stdout)
    (listed,) = json.loads(machine.pepip("store", "list", "--json", folder=wheelhouse).stdout)

    assert tree["size_bytes"] == listed["size_bytes"]
    names = [child["name"] for child in tree["children"]]
    assert names[0] == "large"
    assert [child["name"] for child in tree["children"][0]["children"][0]["children"]] == ["table.bin", "index.bin"]
    on_disk = sum(not path.is_dir() or path.is_symlink() for path in Path(tree["path"]).rglob("*"))
    assert tree["files"] == on_disk == len(leaves(tree))
    text = machine.pepip("store", "show", "large==1.0", "--files", folder=wheelhouse).stdout
    assert text.splitlines()[1].endswith("large/")
    assert "table.bin" in text


def test_an_unknown_package_is_an_error(machine: Machine, wheelhouse: Path) -> None:
    """The message names it, and the hint says where to look."""
    answer = machine.pepip("store", "show", "large==2", "--files", folder=wheelhouse, check=False)

    assert answer.returncode == 1
    assert answer.stderr == "error: the store has no large==2\nhint: `pepip store list` lists its entries\n"


def test_a_file_with_two_names_counts_once(tmp_path: Path) -> None:
    """The first name has the bytes of the inode, as in the sum over the whole tree."""
    (tmp_path / "one").write_bytes(b"x" * 50_000)
    (tmp_path / "two").mkdir()
    os.link(tmp_path / "one", tmp_path / "two" / "again")

    tree = disk_usage.branch(str(tmp_path))

    assert tree.size_bytes == disk_usage.measure([str(tmp_path)]).allocated_bytes
    assert {child.name: child.size_bytes >= 50_000 for child in tree.children} == {"one": True, "two": False}


def leaves(tree: dict[str, Any]) -> list[str]:
    """Return the names of all files of a tree."""
    if "children" not in tree:
        return [tree["name"]]
    return [name for child in tree["children"] for name in leaves(child)]
