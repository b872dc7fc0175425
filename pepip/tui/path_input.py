"""An input line for the path of a folder. It suggests folders that exist; Tab or the right arrow takes one."""

from __future__ import annotations

import asyncio
import os
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.suggester import Suggester
from textual.widgets import Input

from pepip.errors import PepipError
from pepip.tui import user_input


class PathInput(Input):
    """The line. Without a suggestion, Tab moves to the next widget."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("tab", "complete", "Complete", show=False)]

    def __init__(self, value: str, *, placeholder: str, id: str) -> None:  # noqa: A002 - textual's name
        super().__init__(value, placeholder=placeholder, id=id, suggester=_Folders(use_cache=False))

    def action_complete(self) -> None:
        """Take the suggestion. Without one, move to the next widget."""
        before = self.value
        if self.cursor_position == len(self.value):
            self.action_cursor_right()
        if self.value == before:
            self.screen.focus_next()


class _Folders(Suggester):
    """Suggests the first folder whose path begins with the typed text; a hidden folder only after a typed dot."""

    async def get_suggestion(self, value: str) -> str | None:
        """Return a longer path that begins with `value`, None if there is none. A slow disk does not stop the app."""
        return await asyncio.get_running_loop().run_in_executor(None, suggestion_for, value)


def suggestion_for(value: str) -> str | None:
    """Return the first folder whose path begins with `value`. None without one, or if `value` is that path."""
    typed_folder, _, start = value.rpartition("/")
    if "/" not in value:
        return None
    try:
        folder = user_input.absolute_path(typed_folder or "/")
        with os.scandir(folder) as children:
            names = sorted(child.name for child in children if child.name.startswith(start) and child.is_dir())
    except (OSError, PepipError):
        return None
    visible = [name for name in names if start.startswith(".") or not name.startswith(".")]
    return f"{typed_folder}/{visible[0]}" if visible and visible[0] != start else None
