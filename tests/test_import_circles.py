"""No module imports itself by way of others, not even for annotations: each can be read without reading the next."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

import pytest

import pepip

pytestmark = pytest.mark.unit

PACKAGE = Path(pepip.__file__).parent


def imports_of(module: Path, known: set[str]) -> set[str]:
    """Return the modules of pepip that a module imports anywhere in its text."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found & known


def name_of(module: Path) -> str:
    """Return the dotted name of a module, without the `__init__` of a package."""
    parts = module.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def test_imports_run_in_no_circle() -> None:
    """The sorter names the modules of a circle."""
    modules = {name_of(module): module for module in PACKAGE.rglob("*.py")}
    assert len(modules) > 100

    graph = {name: imports_of(module, modules.keys() - {name, "pepip"}) for name, module in modules.items()}

    graphlib.TopologicalSorter(graph).prepare()
