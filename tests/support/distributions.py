"""Random distributions, unpacked as in a store, for property tests of footprints and plans.

There are few names, so that distributions share folders and files. Some names are unusual but allowed in a wheel.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from hypothesis import strategies as st

from pepip.model import Entry, Interpreter
from pepip.paths import ENTRY_METADATA, PYCACHE, READY, ancestors
from pepip.wheel import footprint
from tests.support.wheels import PKG_RESOURCES_NAMESPACE, PKGUTIL_NAMESPACE

INTERPRETER = Interpreter(
    executable="/environment/bin/python",
    version="3.12.1",
    implementation="cpython",
    site_packages="lib/python3.12/site-packages",
    scripts="bin",
    headers="include/site/python3.12",
)

Node = str | dict[str, "Node"]
"""A file's content, or a folder's children by name."""

FOLDER_NAMES = st.sampled_from(
    ["a", "b", "ns", "class", "ü", "a.libs", "a-stubs", "x%y", "it's, me", "m.py", ".hidden"]
)
FILE_NAMES = st.sampled_from(
    ["m.py", "n.py", "data.txt", "lib.so", "__init__.txt", "x%y", "a", 'ü, "', "\udcff", "RECORD"]
)
INITS = st.sampled_from(["", "", "import os\n", PKGUTIL_NAMESPACE, PKG_RESOURCES_NAMESPACE])


class Distribution(NamedTuple):
    """The contents of a wheel.

    `tree` is its tree, `data` are (scheme, path) rows of `.data` files, and `escaping` are the libraries whose run
    path leads out of it.
    """

    name: str
    tree: dict[str, Node]
    data: tuple[tuple[str, str], ...] = ()
    escaping: tuple[str, ...] = ()


@st.composite
def trees(draw: st.DrawFn, depth: int = 2) -> dict[str, Node]:
    """Draw a folder with packages, namespace packages, folders without modules, empty folders, and odd names."""
    node: dict[str, Node] = dict.fromkeys(draw(st.lists(FILE_NAMES, max_size=2)), "")
    if depth < 2:
        kind = draw(st.sampled_from(["package", "package", "namespace", "stubs", "compiled", "folder"]))
        names = {"package": "__init__.py", "stubs": "__init__.pyi", "compiled": "__init__.abi3.so"}
        if kind in names:
            node[names[kind]] = draw(INITS) if kind == "package" else ""
        elif kind == "folder":
            node["__init__.py"] = {}
        shipped = draw(st.sampled_from([None, None, None, {"m.cpython-312.pyc": ""}, "", {"sub": {"n.pyc": ""}}]))
        if shipped is not None:
            node[PYCACHE] = shipped
    if depth:
        for name in draw(st.lists(FOLDER_NAMES, max_size=3, unique=True)):
            node[name] = draw(trees(depth - 1))
    return node


@st.composite
def distributions(draw: st.DrawFn, name: str) -> Distribution:
    """Draw a distribution with this name."""
    tree = draw(trees())
    tree[f"{name}-1.0.dist-info"] = {"METADATA": "", "WHEEL": "", "licenses": {"LICENSE": ""}}
    schemes = st.sampled_from(["data", "data", "headers", "scripts"])
    places = st.sampled_from(
        ["share/a", "share/a/b", "share", "etc/x", "it's, me", f"{INTERPRETER.site_packages}/a/data.txt", "bin/tool"]
    )
    data = draw(st.lists(st.tuples(schemes, places), max_size=2, unique=True))
    libraries = sorted(path for path in files_of(tree) if path.endswith(".so"))
    escaping = draw(st.lists(st.sampled_from(libraries), unique=True)) if libraries else []
    data = [(scheme, path.replace("/", "-") if scheme == "scripts" else path) for scheme, path in data]
    above = {(scheme, folder) for scheme, path in data for folder in ancestors(path)}
    return Distribution(name, tree, tuple(row for row in dict.fromkeys(data) if row not in above), tuple(escaping))


def scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """Return a temporary folder, in memory if possible, because each example writes a small tree."""
    return tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)


def sets_of_distributions(size: int = 3) -> st.SearchStrategy[list[Distribution]]:
    """Draw a few distributions with different names."""
    names = ["alpha", "beta", "gamma", "delta"][:size]
    return st.tuples(*map(distributions, names)).map(list)


def files_of(tree: Mapping[str, Node], prefix: str = "") -> list[str]:
    """Return the paths of all files in a tree."""
    found = []
    for name, node in tree.items():
        found += files_of(node, f"{prefix}{name}/") if isinstance(node, dict) else [prefix + name]
    return found


def folders_of(tree: Mapping[str, Node], prefix: str = "") -> list[str]:
    """Return the paths of all folders in a tree."""
    found = []
    for name, node in tree.items():
        if isinstance(node, dict):
            found += [prefix + name, *folders_of(node, f"{prefix}{name}/")]
    return found


def unpack(distribution: Distribution, store: Path) -> Entry:
    """Write a distribution into a store, with a folder for bytecode beside its modules, and return its entry."""
    root = store / f"{distribution.name}-1.0"
    dist_info = f"{distribution.name}-1.0.dist-info"
    root.mkdir()
    _write(root, distribution.tree)
    (root / dist_info / "RECORD").write_text("")
    (root / ENTRY_METADATA).write_text("{}")
    (root / READY).mkdir()
    for scheme, path in distribution.data:
        place = root / f"{distribution.name}-1.0.data" / scheme / path
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text("")
    files = files_of(distribution.tree)
    empty = [f"{path}/" for path in folders_of(distribution.tree)]
    shape = footprint.compute(
        str(root), footprint.tree_of([*files, *empty]), dist_info=dist_info, escaping_libraries=distribution.escaping
    )
    return Entry(
        id=f"py3-none-any/{root.name}",
        path=str(root),
        name=distribution.name,
        version="1.0",
        identity="sha256:0",
        dist_info=dist_info,
        directories=shape.directories,
        files=shape.files,
        opened=shape.opened,
        namespaces=shape.namespaces,
        bytecode=shape.bytecode,
        compiled=tuple(path for path in files if f"/{PYCACHE}/" in path),
        data=distribution.data,
        launchers={},
        size_bytes=0,
    )


def _write(folder: Path, tree: Mapping[str, Node]) -> None:
    for name, node in tree.items():
        if isinstance(node, dict):
            (folder / name).mkdir()
            _write(folder / name, node)
        else:
            (folder / name).write_text(node)
    modules = [name for name, node in tree.items() if name.endswith(".py") and not isinstance(node, dict)]
    if modules and PYCACHE not in tree and folder.name != PYCACHE:
        os.mkdir(folder / PYCACHE)
