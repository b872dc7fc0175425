"""A change looks only at distributions that share a folder or a script with the changed ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pepip.environment import change_plan, neighbours
from pepip.environment.change_plan import LinkChange, LinkState
from pepip.environment.metadata import Installation
from pepip.errors import ClashError
from pepip.model import Entry, Environment, Installed, Plan, StoreRoots
from pepip.plan.merge import merge
from tests.support.distributions import (
    INTERPRETER,
    Distribution,
    Node,
    scratch_folder,
    sets_of_distributions,
    unpack,
)

pytestmark = pytest.mark.unit

ENVIRONMENT = Environment("/nowhere", INTERPRETER)


def package(name: str, tree: dict[str, Node], **more: tuple[tuple[str, str], ...]) -> Distribution:
    """Return a distribution with this tree and its metadata."""
    return Distribution(name, {**tree, f"{name}-1.0.dist-info": {"METADATA": ""}}, **more)


def planned(entries: list[Entry]) -> Plan | None:
    """Return the plan of entries, None if they can't be in one environment."""
    try:
        return merge(entries, INTERPRETER)
    except ClashError:
        return None


MODULE: dict[str, Node] = {"a": {"__init__.py": ""}}
IN_MODULE = (("data", f"{INTERPRETER.site_packages}/a/data.txt"),)
IN_SHARE = (("data", "share/a/one.txt"),)


@given(sets_of_distributions(4), st.integers(0, 3))
@example([package("alpha", MODULE), package("beta", {}, data=IN_MODULE)], 0)
@example([package("alpha", {}, data=IN_SHARE), package("beta", MODULE, data=IN_SHARE), package("gamma", MODULE)], 0)
def test_the_links_of_all_others_do_not_depend_on_a_change(distributions: list[Distribution], number: int) -> None:
    """The plan of all is the plan of the changed one and its neighbours, and beside it that of the others."""
    with scratch_folder() as store:
        entries = [unpack(item, Path(store)) for item in distributions]
        changed = entries.pop(number % len(entries))
        linked = {entry.name: entry for entry in entries}

        near = neighbours.of(ENVIRONMENT, (), [changed], linked, ())

        together = planned([*entries, changed])
        around = planned([changed, *(linked[name] for name in near)])
        beside = planned([entry for name, entry in linked.items() if name not in near])

    if around is None or beside is None:
        assert together is None
    else:
        assert together == Plan({**around.links, **beside.links}, around.directories | beside.directories)
        assert around.links.keys().isdisjoint(beside.links)


@pytest.mark.parametrize(
    ("rows", "is_near"),
    [
        (["a/__init__.py", "beta-1.0.dist-info/RECORD"], True),
        (["A/other.py"], True),  # some file systems ignore case
        (["b.py"], False),
        (["../../../bin/tool"], True),
        (["../../../bin/other"], False),
        (["../../../share/man/man1/x.1"], True),
        (["../../../etc/x.toml"], False),
        (["../../../lib/somewhere/x.so"], True),  # a folder that all distributions share
    ],
)
def test_files_of_a_foreign_distribution_count(tmp_path: Path, rows: list[str], *, is_near: bool) -> None:
    """A foreign distribution is a neighbour if its RECORD lists files in the same places."""
    environment = ENVIRONMENT._replace(root=str(tmp_path))
    folder = tmp_path / INTERPRETER.site_packages / "beta-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "RECORD").write_text("".join(f"{row},,\n" for row in rows))
    (tmp_path / "store").mkdir()
    data = (("scripts", "tool"), ("data", "share/man/man2/y.2"))
    changed = unpack(package("alpha", MODULE, data=data), tmp_path / "store")

    near = neighbours.of(environment, ["alpha"], [changed], {}, [Installed("beta", "1.0", folder.name, "")])

    assert near == ({"alpha", "beta"} if is_near else {"alpha"})


def test_a_plan_leaves_others_out_only_if_no_other_tool_was_at_work(tmp_path: Path) -> None:
    """Otherwise links of others may have to be corrected."""
    (tmp_path / "store").mkdir()
    entries = [unpack(package(name, {name: {"__init__.py": ""}}), tmp_path / "store") for name in ("alpha", "beta")]
    environment = ENVIRONMENT._replace(root=str(tmp_path))
    state, change = LinkState({"beta": entries[1]}, []), LinkChange([Installation(entries[0], None, "")])

    def owners(change: LinkChange) -> set[str]:
        after = change_plan.plan(environment, StoreRoots((str(tmp_path),)), state, change).after
        return {link.owner for link in after.links.values()}

    assert owners(change._replace(others_are_as_left=True)) == {"alpha"}
    assert owners(change) == {"alpha", "beta"}
