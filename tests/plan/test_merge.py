"""Plans: each file of each distribution is reached once, and no link is below another link."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pepip.errors import ClashError, VenvError
from pepip.model import Entry, Plan
from pepip.paths import PYCACHE, ancestors
from pepip.plan import merge as plan_merge
from pepip.plan.merge import data_path, merge
from tests.support.distributions import (
    INTERPRETER,
    Distribution,
    Node,
    files_of,
    folders_of,
    scratch_folder,
    sets_of_distributions,
    unpack,
)

pytestmark = pytest.mark.unit

BASE = INTERPRETER.site_packages + "/"
OWN_FOLDERS = {INTERPRETER.scripts, INTERPRETER.site_packages, *ancestors(INTERPRETER.site_packages)}
"""The folders that every environment has."""


def planned(entries: Iterable[Entry], foreign: Iterable[str] = ()) -> Plan | str:
    """Return a plan, or the message of the error if there is none."""
    try:
        return merge(entries, INTERPRETER, foreign_directories=foreign)
    except ClashError as error:
        return str(error)


def expected_files(distributions: list[Distribution]) -> dict[str, str]:
    """Return the target of each path in an environment, as if the distributions were copied in the order of names."""
    found = {}
    for item in sorted(distributions, key=lambda item: item.name):
        targets = {BASE + path: path for path in files_of(item.tree)}
        for scheme, path in item.data:
            if scheme != "scripts":
                where = data_path(scheme, path, INTERPRETER, item.name)
                targets[where] = f"{item.name}-1.0.data/{scheme}/{path}"
        found.update({where: f"{item.name}-1.0/{inside}" for where, inside in targets.items()})
    return found


def expected_folders(distributions: list[Distribution]) -> set[str]:
    """Return the folders of an environment with these distributions."""
    found = {BASE + path for item in distributions for path in folders_of(item.tree)}
    return found | {above for path in expected_files(distributions) for above in ancestors(path)}


def reached(plan: Plan, store: str) -> tuple[list[tuple[str, str]], set[str]]:
    """Return each path that a plan reaches with its target in the store, and all folders.

    Empty folders for shared bytecode are left out: entries have them only so that Python can write there.
    """
    files, folders = [], set(plan.directories)
    for path, link in plan.links.items():
        if not link.is_directory:
            files.append((path, link.target.removeprefix(f"{store}/")))
            continue
        for folder, inner, names in os.walk(link.target):
            if os.path.basename(folder) == PYCACHE and not names and not inner:
                continue
            place = path + folder[len(link.target) :]
            folders.add(place)
            files += [(f"{place}/{name}", f"{folder}/{name}".removeprefix(f"{store}/")) for name in names]
    return files, folders


def package(name: str, tree: dict[str, Node], **more: tuple[tuple[str, str], ...]) -> Distribution:
    """Return a distribution with this tree and its metadata."""
    return Distribution(name, {**tree, f"{name}-1.0.dist-info": {"METADATA": ""}}, **more)


REGULAR: dict[str, Node] = {"a": {"__init__.py": "", "m.py": ""}}
SHIPPED: dict[str, Node] = {"a": {"__init__.py": "", PYCACHE: {"m.pyc": "", "sub": {"n.pyc": ""}}}}
FILE_NAMED_PYCACHE: dict[str, Node] = {"a": {"__init__.py": "", PYCACHE: "", "empty": {}}}
IN_SITE_PACKAGES = (("data", f"{BASE}a/data.txt"),)


@given(sets_of_distributions())
@example([package("alpha", REGULAR), package("beta", FILE_NAMED_PYCACHE)]).via("a file named __pycache__ was lost")
@example([package("alpha", REGULAR), package("beta", SHIPPED)]).via("bytecode in a folder of a bytecode folder")
@example([package("alpha", REGULAR), package("beta", {}, data=IN_SITE_PACKAGES)]).via("data below a linked folder")
@example([package("alpha", REGULAR, data=IN_SITE_PACKAGES)]).via("data below a linked folder of its own")
@example([package("alpha", {"a": ""}), package("beta", REGULAR)]).via("a file where another has a folder")
@example([package("alpha", {"a": {"m.py": ""}}), package("beta", {"a": ""})])
@example([package("alpha", {}, data=(("data", "share/a"),)), package("beta", {}, data=(("data", "share/a/b"),))])
@example(
    [package("alpha", {"a": {}, "b": {"__init__.py": "", "c": {}}}), package("beta", {"b": {"__init__.py": ""}})]
)
def test_every_file_is_reached_once(distributions: list[Distribution]) -> None:
    """If two distributions have the same path, the last by name wins. All folders exist, including empty ones.

    There is no plan only if a file and a folder have the same path.
    """
    with scratch_folder() as store:
        plan = planned(unpack(item, Path(store)) for item in distributions)
        files, folders = ([], set()) if isinstance(plan, str) else reached(plan, store)

    wanted, wanted_folders = expected_files(distributions), expected_folders(distributions)
    clashes = wanted.keys() & (wanted_folders | OWN_FOLDERS)
    assert isinstance(plan, str) == bool(clashes), plan
    if not clashes:
        assert sorted(files) == sorted(wanted.items())
        assert folders - OWN_FOLDERS == wanted_folders - OWN_FOLDERS


@given(sets_of_distributions())
@example([package("alpha", REGULAR), package("beta", SHIPPED)])
def test_no_link_is_below_a_link(distributions: list[Distribution]) -> None:
    """Each link and each real folder is in a real folder that the plan names or that every environment has."""
    with scratch_folder() as store:
        plan = planned(unpack(item, Path(store)) for item in distributions)

    if not isinstance(plan, str):
        assert not plan.links.keys() & plan.directories
        for path in [*plan.links, *plan.directories]:
            assert set(ancestors(path)) <= plan.directories | OWN_FOLDERS
        assert all(path == link.path for path, link in plan.links.items())


@given(sets_of_distributions(2), st.lists(st.sampled_from(["a", "a/b", "b/ns", "ns", "ns/a", "x%y/m.py", "a.libs"])))
@example([package("alpha", REGULAR)], ["a"])
@example([package("alpha", {"a": {"__init__.py": "", "lib.so": ""}}, escaping=("a/lib.so",))], ["a"])
def test_nothing_foreign_is_inside_a_folder_that_is_linked_whole(
    distributions: list[Distribution], foreign: list[str]
) -> None:
    """Neither folders with foreign files nor their bytecode folders are linked whole. All files are still reached."""
    taken = {above for path in foreign for above in [*ancestors(path), path]}
    with scratch_folder() as store:
        entries = [unpack(item, Path(store)) for item in distributions]
        plan = planned(entries, taken)
        files = [] if isinstance(plan, str) else reached(plan, store)[0]
        alone = {entry.name: planned([entry]) for entry in entries}

    if isinstance(plan, str):
        return
    assert sorted(files) == sorted(expected_files(distributions).items())
    whole = {path for path, link in plan.links.items() if link.is_directory}
    assert not whole & {BASE + path for path in taken}
    for path in taken:
        in_namespaces = all(
            path in entry.namespaces for entry in entries if path in (*entry.directories, *entry.opened)
        )
        assert in_namespaces or f"{BASE}{path}/{PYCACHE}" not in whole
    for path in whole:  # no folder of several distributions is linked whole
        owners = {name for name, one in alone.items() if not isinstance(one, str) and path in one.links}
        assert owners <= {plan.links[path].owner}


@given(sets_of_distributions(), st.data())
def test_a_plan_is_free_of_the_order_of_its_entries(distributions: list[Distribution], data: st.DataObject) -> None:
    """It also does not depend on earlier plans, because planning does not change entries."""
    with scratch_folder() as store:
        entries = [unpack(item, Path(store)) for item in distributions]
        first = planned(entries)

        assert planned(data.draw(st.permutations(entries))) == first
        assert planned(iter(entries)) == first


@given(sets_of_distributions(), st.data())
def test_one_entry_more_and_then_one_less_is_the_plan_before(
    distributions: list[Distribution], data: st.DataObject
) -> None:
    """Folders that became real for one distribution are linked whole again when it is removed."""
    with scratch_folder() as store:
        entries = [unpack(item, Path(store)) for item in distributions]
        added = data.draw(st.sampled_from(entries))
        fewer = [entry for entry in entries if entry is not added]
        before = planned(fewer)
        between = planned([*fewer, added])
        after = planned([entry for entry in [*fewer, added] if entry.name != added.name])

    assert after == before
    if not isinstance(between, str) and not isinstance(before, str):
        assert before.directories <= between.directories  # another entry only makes more folders real
        owned = {path for path, link in between.links.items() if link.owner == added.name}
        others = [path for path, link in between.links.items() if path not in owned and not link.is_directory]
        assert all(path in before.links or set(ancestors(path)) & before.links.keys() for path in others)


def test_a_clash_is_told_by_its_path_and_both_distributions() -> None:
    """This holds for any order of the distributions."""
    with scratch_folder() as store:
        having_file = unpack(package("beta", {"a": ""}), Path(store))
        having_folder = unpack(package("alpha", REGULAR), Path(store))
        having_namespace = unpack(package("gamma", {"a": {"m.py": ""}}), Path(store))
        of_environment = unpack(package("delta", {}, data=(("data", "lib"),)), Path(store))

        for other in (having_folder, having_namespace):
            with pytest.raises(ClashError, match=rf"{BASE}a is a file of beta and a folder of {other.name}"):
                merge([having_file, other], INTERPRETER)
        with pytest.raises(ClashError, match="lib is a file of delta and a folder of the environment"):
            merge([of_environment], INTERPRETER)


def test_packages_in_a_shared_namespace_stay_linked_whole() -> None:
    """A namespace is meant to be shared. In any other shared folder, each file is linked by itself."""
    with scratch_folder() as store:
        one = unpack(
            package("alpha", {"ns": {"a.py": "", "one": {"__init__.py": ""}}, "p": {"__init__.py": ""}}), Path(store)
        )
        two = unpack(
            package("beta", {"ns": {"b.py": "", "two": {"__init__.py": ""}}, "p": {"q": {"__init__.py": ""}}}),
            Path(store),
        )
        plan = merge([one, two], INTERPRETER)

    assert {f"{BASE}ns/one", f"{BASE}ns/two"} <= plan.links.keys()
    assert {f"{BASE}p/__init__.py", f"{BASE}p/q/__init__.py"} <= plan.links.keys()
    assert {f"{BASE}p", f"{BASE}p/q", f"{BASE}ns"} <= plan.directories


@pytest.mark.parametrize(
    ("scheme", "place"),
    [("scripts", "bin/x"), ("headers", "include/site/python3.12/alpha/x"), ("data", "x"), ("data", "share/x")],
)
def test_data_lies_where_its_scheme_says(scheme: str, place: str) -> None:
    """The places are those of the installation schemes of virtual environments."""
    path = place if scheme == "data" else "x"

    assert data_path(scheme, path, INTERPRETER, "alpha") == place


def entry_with(folder: Path, name: str, tree: dict[str, Node]) -> Entry:
    """Return an entry with these files and its metadata."""
    info: dict[str, Node] = {f"{name}-1.0.dist-info": {"METADATA": ""}}
    return unpack(Distribution(name, {**tree, **info}, (), ()), folder)


def test_a_folder_in_two_spellings_is_linked_file_by_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On macOS and Windows it is one folder, so a link in the place of one would hide the files of the other."""
    entries = [
        entry_with(tmp_path, "one", {"Ink": {"__init__.py": "", "a.py": ""}}),
        entry_with(tmp_path, "two", {"ink": {"__init__.py": "", "b.py": ""}, "alone": {"__init__.py": ""}}),
    ]
    monkeypatch.setattr(plan_merge, "_IGNORES_CASE", True)

    with pytest.raises(VenvError, match="differ only by case"):
        merge(entries, INTERPRETER)

    (tmp_path / "other").mkdir()
    tree: dict[str, Node] = {"ink": {"b.py": "", "inner": {"c.py": ""}}, "alone": {"__init__.py": ""}}
    entries[1] = entry_with(tmp_path / "other", "two", tree)
    plan = merge(entries, INTERPRETER)

    assert {f"{BASE}Ink/a.py", f"{BASE}ink/b.py", f"{BASE}ink/inner/c.py"} <= plan.links.keys()
    assert plan.links.keys().isdisjoint({f"{BASE}Ink", f"{BASE}ink", f"{BASE}ink/inner"})
    assert plan.links[f"{BASE}alone"].is_directory
