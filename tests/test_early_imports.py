"""Modules that are imported early are named by texts. The texts name modules, and obey the layers as imports do."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

import pytest

import pepip

pytestmark = pytest.mark.unit

PACKAGE = Path(pepip.__file__).parent
LAYERS = ("host", "plan", "wheel", "store", "environment", "uv", "operations", "tui", "cli")


def named_modules() -> list[tuple[str, str]]:
    """Return the folder of each module of pepip that names another one in a text, and that name."""
    return [
        (path.relative_to(PACKAGE).parts[0], node.value)
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and re.fullmatch(r"pepip(\.[a-z_]+)+", str(node.value))
    ]


def rank(part: str) -> int:
    """Return the number of a layer, from the lowest on. Modules outside of all folders are the lowest."""
    return LAYERS.index(part) if part in LAYERS else -1


def test_each_named_module_exists_in_a_layer_that_may_be_imported() -> None:
    """No module names one of a higher layer."""
    found = named_modules()

    assert len(found) > 5
    assert [name for _, name in found if importlib.util.find_spec(name) is None] == []
    assert [pair for pair in found if rank(pair[0]) < rank(pair[1].split(".")[1])] == []
