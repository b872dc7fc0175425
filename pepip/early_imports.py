"""Imports of modules before they are needed, while the run waits for uv and a processor has time."""

from __future__ import annotations

from importlib import import_module


def load(*names: str) -> None:
    """Import the modules of these names, so that a later import of them takes no time.

    The names are strings, so that a module can load another module that imports it.
    """
    for name in names:
        import_module(name)
