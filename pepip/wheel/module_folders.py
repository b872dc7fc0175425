"""The folders of a distribution that hold importable modules.

The store makes them read-only, because other installers could add modules to them.

All other folders hold templates, data or skeletons of projects. Tools copy these folders into projects, with their
modes, and users change the copies. So these folders stay writable in the store.
"""

from __future__ import annotations

from pepip.paths import PYCACHE
from pepip.wheel.footprint import MODULE_SUFFIXES, is_namespace, is_regular
from pepip.wheel.libraries import is_library_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pepip.wheel.footprint import Tree

_CODE_SUFFIXES = (*MODULE_SUFFIXES, ".pyx", ".pxd", ".typed")
_WORDS_OF_SKELETONS = ("template", "skeleton", "scaffold", "boilerplate", "starter", "cookiecutter")
_FILES_OF_PROJECTS = frozenset(("pyproject.toml", "manage.py", ".gitignore", "Dockerfile"))


def find(tree: Tree) -> set[str]:
    """Return the module folders of a distribution, given the tree of its files and folders.

    Module folders are regular packages, also inside regular and namespace packages, and the folders of libraries that
    repairing tools put beside a package (`numpy.libs`). A package of templates or data does not count, nor does any
    package in it: see `_is_data`. The topmost packages of a distribution always count.
    """
    found: set[str] = set()

    def visit(folder: str, node: Tree, *, in_namespace: bool) -> None:
        for name, child in node.items():
            if not isinstance(child, dict) or name == PYCACHE:
                continue
            path = f"{folder}/{name}" if folder else name
            if in_namespace and is_namespace(name, child):
                visit(path, child, in_namespace=True)
            elif not folder and not _is_importable(name):
                if any(map(is_library_name, child)):
                    found.add(path)
            elif _is_importable(name) and is_regular(child) and (in_namespace or not _is_data(name, child)):
                found.add(path)
                visit(path, child, in_namespace=False)

    visit("", tree, in_namespace=True)
    return found


def _is_importable(name: str) -> bool:
    return name.removesuffix("-stubs").isidentifier()


def _is_data(name: str, node: Tree) -> bool:
    """Tell whether a package inside another package is meant to be copied or read, not to be imported.

    Such a package holds files that are no code. Besides, it has the name of a template, or it holds a file that only
    the root of a project has, or it has no module but `__init__`.
    """
    if all(path.endswith(_CODE_SUFFIXES) for path in _files(node)):
        return False
    is_skeleton = any(word in name.lower() for word in _WORDS_OF_SKELETONS) or not _FILES_OF_PROJECTS.isdisjoint(node)
    return is_skeleton or not _has_modules(node)


def _has_modules(node: Tree) -> bool:
    """Tell whether a package, or a package in it, has a module other than `__init__`."""
    return any(
        (_is_importable(name) and is_regular(child) and _has_modules(child))
        if isinstance(child, dict)
        else name.endswith(MODULE_SUFFIXES) and not name.startswith("__init__.")
        for name, child in node.items()
        if name != PYCACHE
    )


def _files(node: Tree) -> Iterator[str]:
    for name, child in node.items():
        if not isinstance(child, dict):
            yield name
        elif name != PYCACHE:
            yield from _files(child)
