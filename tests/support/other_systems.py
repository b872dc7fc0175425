"""Modules as they are on macOS or Windows, for tests on Linux of parts that make no system call of that system."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

    import pytest


def loaded_on(system: str, module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a second copy of `module` that was loaded while `sys.platform` is `system`. It stays so in the test."""
    monkeypatch.setattr(sys, "platform", system)
    assert module.__file__
    spec = importlib.util.spec_from_file_location(f"{module.__name__}_on_{system}", module.__file__)
    assert spec
    assert spec.loader
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    return copy
