"""The footprint of a distribution: which folders are linked whole, which files one by one, which folders stay real.

A folder is linked whole only if no other distribution may put files in it: a regular package, or a folder that no
import can name. Namespace packages of every style stay real, and so do the folders above a library that looks for
other libraries outside of its distribution. Sources: PEP 420, and the pkgutil and pkg_resources styles in PyPA's
"Packaging namespace packages".

In each namespace, at least one file of the distribution gets its own link. Otherwise pip would remove the namespace
when it uninstalls another distribution in it: pip removes each folder in which it finds no files of others, and it
finds no files below a link to a folder. Source: pip's `req_uninstall.compress_for_rename`.
"""

from __future__ import annotations

from pepip.fast_namedtuple import NamedTuple
from pepip.paths import PYCACHE, ancestors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_LARGEST_NAMESPACE_INIT_BYTES = 20_000
MODULE_SUFFIXES = (".py", ".pyi", ".pyc", ".so", ".pyd")


Tree = dict[str, object]
"""Files and folders by name. A file is None, and a folder is a tree itself."""


class Footprint(NamedTuple):
    """The folders and files that an environment links or makes real. `Entry` describes the fields."""

    directories: tuple[str, ...]
    files: tuple[str, ...]
    opened: tuple[str, ...]
    namespaces: tuple[str, ...]
    bytecode: tuple[str, ...]


def compute(root: str, tree: Tree, *, dist_info: str, escaping_libraries: Iterable[str]) -> Footprint:
    """Return the footprint of the distribution whose files and folders, the `tree`, lie unpacked in `root`.

    `tree` must not include the `.data` folder. The `.dist-info` folder is opened, because an installer writes into
    it; its files are part of the footprint, and the folders in it (licenses, SBOMs) are linked whole. A folder may be
    empty.
    """
    declared = {path.rpartition("/")[0] for path in _namespace_inits(root, tree)}
    must_open = {dist_info, *declared}
    for path in [*declared, *escaping_libraries]:
        must_open.update(ancestors(path))
    while True:
        shape = _shape(tree, declared, must_open, dist_info)
        more = folders_to_open(tree, shape)
        if not more:
            return shape
        must_open |= more


def _shape(tree: Tree, declared: set[str], must_open: set[str], dist_info: str) -> Footprint:
    """Return the footprint in which all namespaces and the folders in `must_open` are real."""
    directories: list[str] = []
    leaves: list[str] = []
    opened: list[str] = []
    namespaces: list[str] = []
    bytecode: list[str] = []

    def visit(folder: str, node: Tree, *, in_namespace: bool) -> None:
        for name, child in node.items():
            path = f"{folder}/{name}" if folder else name
            if not isinstance(child, dict):
                leaves.append(path)
                continue
            is_shared = path in declared or (in_namespace and is_namespace(name, child))
            if is_shared or path in must_open or name == PYCACHE:
                opened.append(path)
                if is_shared:
                    namespaces.append(path)
                visit(path, child, in_namespace=is_shared)
            else:
                directories.append(path)
        is_package = not in_namespace and folder not in {"", dist_info} and folder.rpartition("/")[2] != PYCACHE
        if is_package and PYCACHE not in node and has_modules(node):
            bytecode.append(folder)

    visit("", tree, in_namespace=True)
    return Footprint(*map(tuple, (directories, leaves, opened, namespaces, bytecode)))


def folders_to_open(tree: Tree, shape: Footprint) -> set[str]:
    """Return the linked folders to open, so that pip finds a file of this distribution in each namespace.

    In each namespace where pip would find none, one linked folder is opened: the one with the fewest files directly
    in it, but at least one if possible. Of the files directly in a namespace only modules count: others, such as
    LICENSE, may belong to several distributions.
    """
    spaces = set(shape.namespaces)
    visible = [path for path in shape.files if path.rpartition("/")[0] not in spaces or _is_module(path)]
    found = set()
    for space in shape.namespaces:
        inside = f"{space}/"
        if not any(path.startswith(inside) for path in visible):
            linked = [path for path in shape.directories if path.startswith(inside) and _has_files(_node(tree, path))]
            if linked:
                found.add(min(linked, key=lambda path: _direct_files(_node(tree, path))))
    return found


def _is_module(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.endswith(MODULE_SUFFIXES) and not name.startswith("__init__.")


def _node(tree: Tree, path: str) -> Tree:
    node = tree
    for name in path.split("/"):
        child = node[name]
        assert isinstance(child, dict)
        node = child
    return node


def _has_files(node: Tree) -> bool:
    return any(child is None or (isinstance(child, dict) and _has_files(child)) for child in node.values())


def _direct_files(node: Tree) -> int:
    """Return the number of files directly in a folder; a huge number if it has none, so that it is chosen last."""
    return sum(child is None for child in node.values()) or 1 << 30


def without(tree: Tree, data_folder: str, dist_info: str, made_by_installer: Collection[str]) -> Tree:
    """Return, in order, the part of an unpacked wheel that an environment links.

    The `.data` folder is left out, and so are the files in `dist_info` that an installer makes anew.
    """
    inside = tree[dist_info]
    assert isinstance(inside, dict)
    kept = {name: child for name, child in inside.items() if child is not None or name not in made_by_installer}
    linked = {name: child for name, child in tree.items() if child is None or name != data_folder}
    return in_order({**linked, dist_info: kept})


def in_order(tree: Tree) -> Tree:
    """Return a tree whose files and folders are in the order of their paths."""
    return {
        name: in_order(child) if isinstance(child, dict) else None
        for name, child in sorted(tree.items(), key=_place_in_order)
    }


def _place_in_order(item: tuple[str, object]) -> str:
    name, child = item
    return name if child is None else f"{name}/"


def tree_of(files: Iterable[str]) -> Tree:
    """Return paths as a tree. A path that ends with a slash is a folder."""
    tree: Tree = {}
    nodes = {"": tree}
    for path in files:
        folder, _, name = path.rpartition("/")
        node = nodes.get(folder)
        if node is None:
            node = _made_node(nodes, folder)
        if name:
            node[name] = None
    return tree


def _made_node(nodes: dict[str, Tree], folder: str) -> Tree:
    """Make the node of a folder, and of the folders above it. `nodes` has the known ones by path."""
    above, _, name = folder.rpartition("/")
    parent = nodes.get(above)
    if parent is None:
        parent = _made_node(nodes, above)
    assert name not in parent
    node: Tree = {}
    parent[name] = nodes[folder] = node
    return node


def is_namespace(name: str, node: Tree) -> bool:
    """Tell whether an import or a type checker may find a namespace package here (PEP 420, PEP 561).

    True if an import can name the folder, and the folder has no `__init__` module of any kind.
    """
    return name.removesuffix("-stubs").isidentifier() and not is_regular(node)


def has_modules(node: Tree) -> bool:
    """Tell whether a folder holds a module of source code."""
    return any(child is None and name.endswith(".py") for name, child in node.items())


def is_regular(node: Tree) -> bool:
    """Tell whether a folder has an `__init__` module. A folder or a text file named `__init__` does not count."""
    return any(
        child is None and name.startswith("__init__.") and name.endswith(MODULE_SUFFIXES)
        for name, child in node.items()
    )


def _namespace_inits(root: str, tree: Tree, folder: str = "") -> list[str]:
    """Return the `__init__.py` files that make their package a pkgutil- or pkg_resources-style namespace.

    Files inside a regular package do not count: such a package, with its vendored packages, belongs to one
    distribution.
    """
    found = []
    if folder and is_regular(tree):
        path = f"{folder}/__init__.py"
        if tree.get("__init__.py", path) is not None or not _declares_namespace(f"{root}/{path}"):
            return []
        found.append(path)
    for name, child in tree.items():
        if isinstance(child, dict):
            found += _namespace_inits(root, child, f"{folder}/{name}" if folder else name)
    return found


def _declares_namespace(path: str) -> bool:
    with open(path, "rb") as file:
        content = file.read(_LARGEST_NAMESPACE_INIT_BYTES + 1)
    if len(content) > _LARGEST_NAMESPACE_INIT_BYTES:
        return False
    extends = b"extend_path" in content and b"pkgutil" in content
    declares = b"declare_namespace" in content and b"pkg_resources" in content
    return extends or declares
