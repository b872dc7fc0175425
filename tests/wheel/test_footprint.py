"""Footprints: which folders of a distribution are linked whole, which files one by one, which folders are real."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given

from pepip.paths import PYCACHE, ancestors
from pepip.wheel import footprint
from tests import ROOT
from tests.support.distributions import (
    Distribution,
    Node,
    distributions,
    files_of,
    folders_of,
    scratch_folder,
    unpack,
)
from tests.support.wheels import PKG_RESOURCES_NAMESPACE, PKGUTIL_NAMESPACE

pytestmark = pytest.mark.unit

DIST_INFO: dict[str, Node] = {"a-1.0.dist-info": {"METADATA": "", "licenses": {"LICENSE": ""}}}


def footprint_of(tree: dict[str, Node], *, escaping: tuple[str, ...] = ()) -> footprint.Footprint:
    """Return the footprint of a distribution with this tree, without the metadata."""
    with scratch_folder() as folder:
        entry = unpack(Distribution("a", {**tree, **DIST_INFO}, (), escaping), Path(folder))

    parts = (entry.directories, entry.files, entry.opened, entry.namespaces, entry.bytecode)
    return footprint.Footprint(*(tuple(path for path in part if ".dist-info" not in path) for part in parts))


@given(distributions("a"))
@example(Distribution("a", {"b": {"__init__.py": {}}, **DIST_INFO})).via("a folder with the name of a module")
@example(Distribution("a", {"b": {"__init__.pyi": "", PYCACHE: ""}, **DIST_INFO})).via("a file named __pycache__")
@example(Distribution("a", {"b": {"c": {}}, "d": {}, **DIST_INFO})).via("empty folders")
def test_each_file_and_folder_is_in_one_part(distribution: Distribution) -> None:
    """It is linked by itself, or real, or within one folder that is linked whole. No link is below another link."""
    with scratch_folder() as folder:
        entry = unpack(distribution, Path(folder))

    whole = set(entry.directories)
    within = {path for path in files_of(distribution.tree) if whole & set(ancestors(path))}
    assert sorted([*within, *entry.files]) == sorted(files_of(distribution.tree))
    folders = {path for path in folders_of(distribution.tree) if not whole & set(ancestors(path))}
    assert sorted([*entry.directories, *entry.opened]) == sorted(folders)
    assert not whole & {above for path in whole for above in ancestors(path)}
    assert set(entry.namespaces) <= set(entry.opened)


@given(distributions("a"))
@example(Distribution("a", {"b": {"m.py": {}, "lib.so": ""}, **DIST_INFO}, (), ("b/lib.so",)))
def test_bytecode_is_shared_where_the_entry_has_a_folder_for_it(distribution: Distribution) -> None:
    """These are real folders that belong only to this distribution and ship no bytecode."""
    with scratch_folder() as folder:
        entry = unpack(distribution, Path(folder))

        for path in entry.bytecode:
            assert path in set(entry.opened) - set(entry.namespaces)
            assert os.listdir(f"{entry.path}/{path}/{PYCACHE}") == []


@given(distributions("a"))
def test_the_folders_down_to_a_library_that_looks_outside_are_real(distribution: Distribution) -> None:
    """The library itself is linked as a file."""
    with scratch_folder() as folder:
        entry = unpack(distribution, Path(folder))

    for path in distribution.escaping:
        assert path in entry.files
        assert set(ancestors(path)) <= set(entry.opened)


@given(distributions("a"))
def test_a_folder_is_linked_whole_only_if_python_finds_no_namespace_there(distribution: Distribution) -> None:
    """Python's own finder decides, for each folder that an import can reach through namespaces."""
    with scratch_folder() as folder:
        entry = unpack(distribution, Path(folder))
        names = [path.replace("/", ".") for path in entry.directories if all(map(str.isidentifier, path.split("/")))]
        names = [name for name in names if set(ancestors(name.replace(".", "/"))) <= set(entry.namespaces)]
        found = {name for name in names if is_namespace(entry.path, name)}

    assert not found


def is_namespace(root: str, name: str) -> bool:
    """Tell whether Python finds a namespace package of this name below `root`. No code of the package is run."""
    from importlib.machinery import PathFinder

    PathFinder.invalidate_caches()
    spec, places = None, [root]
    for part in name.split("."):
        spec = PathFinder.find_spec(part, places)
        places = [f"{place}/{part}" for place in places]
    stubs = os.path.exists(f"{places[0]}/__init__.pyi")  # a package only for type checkers
    return spec is not None and spec.origin is None and not stubs


@pytest.mark.parametrize(
    ("inside", "is_open"),
    [
        ({"__init__.py": ""}, False),
        ({"__init__.pyi": ""}, False),
        ({"__init__.abi3.so": ""}, False),
        ({"__init__.pyc": ""}, False),
        ({"__init__.txt": ""}, True),
        ({"__init__.py": {}}, True),
        ({"m.py": ""}, True),
        ({}, True),
        ({"__init__.py": PKGUTIL_NAMESPACE}, True),
        ({"__init__.py": PKG_RESOURCES_NAMESPACE}, True),
        ({"__init__.py": PKGUTIL_NAMESPACE + "#" * 20_000}, False),
    ],
)
def test_only_regular_packages_are_linked_whole(inside: dict[str, Node], *, is_open: bool) -> None:
    """A namespace package of any style is a real folder."""
    found = footprint_of({"b": {**inside, "a": {"__init__.py": ""}, "c": {"__init__.py": "", "n.py": ""}}})

    assert ("b" in found.opened, "b" in found.directories, "b/c" in found.directories) == (
        is_open,
        not is_open,
        is_open,
    )
    assert found.namespaces == (("b",) if is_open else ())


@pytest.mark.parametrize("name", ["b.libs", "b-c", "b c", "1b", "b%c", ".b"])
def test_a_folder_that_no_import_can_name_is_linked_whole(name: str) -> None:
    """No other distribution can add files to it."""
    assert footprint_of({name: {"x.so": "", "deep": {"y": ""}}}).directories == (name,)


@pytest.mark.parametrize("name", ["b", "b-stubs", "ü", "class"])
def test_a_folder_that_an_import_or_a_type_checker_can_name_is_real(name: str) -> None:
    """Other distributions may add files to it."""
    assert footprint_of({name: {"m.py": "", "deep": {"__init__.py": ""}}}).opened == (name,)


@pytest.mark.parametrize(
    ("inside", "opened"),
    [
        ({"deep": {"__init__.py": ""}}, ("b", "b/deep")),
        ({"deep": {"__init__.py": "", "n.py": ""}, "flat": {"__init__.py": ""}}, ("b", "b/flat")),
        ({"LICENSE": "", "deep": {"__init__.py": ""}}, ("b", "b/deep")),
        ({"__init__.py": PKGUTIL_NAMESPACE, "deep": {"__init__.py": ""}}, ("b", "b/deep")),
        ({"c": {"deep": {"__init__.py": ""}}}, ("b", "b/c", "b/c/deep")),
        ({"x-y": {"z": {"data.txt": ""}}}, ("b", "b/x-y", "b/x-y/z")),
        ({"m.py": "", "deep": {"__init__.py": ""}}, ("b",)),
        ({"deep": {}}, ("b", "b/deep")),
    ],
)
def test_each_namespace_shows_a_file_of_its_distribution(inside: dict[str, Node], opened: tuple[str, ...]) -> None:
    """Pip removes a folder with all links in it, unless it finds a file of another distribution there."""
    assert footprint_of({"b": inside}).opened == opened


@given(distributions("a"))
def test_no_namespace_looks_empty(distribution: Distribution) -> None:
    """If a namespace has a linked folder with files, a file below it is linked by itself."""
    with scratch_folder() as folder:
        entry = unpack(distribution, Path(folder))

    files = files_of(distribution.tree)
    for space in entry.namespaces:
        linked = [path for path in entry.directories if path.startswith(f"{space}/")]
        if any(path.startswith(f"{folder}/") for folder in linked for path in files):
            assert any(path.startswith(f"{space}/") for path in entry.files)


def test_a_namespace_inside_a_regular_package_is_its_distributions_own() -> None:
    """This includes vendored namespace packages of any style."""
    vendored: dict[str, Node] = {"vendor": {"ns": {"m.py": ""}, "old": {"__init__.py": PKGUTIL_NAMESPACE}}}

    assert footprint_of({"b": {"__init__.py": "", **vendored}}).directories == ("b",)


def test_empty_folders_are_kept() -> None:
    """Uv makes them, too, because a program may look for an empty folder of its wheel."""
    found = footprint_of({"b": {"__init__.py": "", "empty": {}}, "c": {}, "d": {"e": {}}, "f.g": {}})

    assert found.directories == ("b", "f.g")
    assert found.opened == ("c", "d", "d/e")


def test_a_file_with_the_name_of_the_bytecode_folder_is_a_file() -> None:
    """Python then writes no bytecode there, and no folder for bytecode can be shared."""
    found = footprint_of({"b": {"__init__.py": "", PYCACHE: "", "lib.so": ""}}, escaping=("b/lib.so",))

    assert set(found.files) == {"b/__init__.py", f"b/{PYCACHE}", "b/lib.so"}
    assert found.bytecode == ()


def test_the_module_is_light() -> None:
    """It is imported when a wheel is stored, and needs only paths."""
    code = "import sys; import pepip.wheel.footprint; print({'re', 'typing', 'json', 'pathlib'} & set(sys.modules))"

    assert subprocess.check_output([sys.executable, "-S", "-c", code], text=True, cwd=ROOT) == ("set()\n")
