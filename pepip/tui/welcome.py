"""Texts in place of the panes, for an empty, unreadable or missing store, and the help of each pane."""

from __future__ import annotations

from rich.text import Text

from pepip.tui import catalog as catalogs
from pepip.tui import formatting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.tui.catalog import Catalog

HELP = {
    "store": (
        "Every version is stored once. ● used  ○ orphan: no environment links it  ✗ damaged  ◐ being worked on. "
        "The filter takes words and facets: orphan: used: damaged: marked: >100MB <1GB project:api name:torch -word"
    ),
    "projects": (
        "Every environment that links the store. Without: its size without pepip. Now: its own size, beside the "
        "store. 40+2: forty packages linked, two private copies. Others: how many other projects link that "
        "version. Enter goes to the packages, Escape back."
    ),
    "savings": (
        "Savings, measured on disk; each inode counts once. Since: the growth of the store. Enter on a package "
        "shows it in the store."
    ),
    "activity": (
        "Running and finished jobs, newest first, with their output. Cancel stops at the next safe point: nothing "
        "is left half done."
    ),
}


def figures_of(found: Catalog) -> str:
    """Return the text in place of the savings if there are no figures."""
    if found.trouble is not None and found.trouble.kind != catalogs.ABSENT:
        return "no figures: the store can't be read"
    return "nothing on disk yet"


def keys_of(found: Catalog) -> tuple[str, ...]:
    """Return the keys that the key line shows, too, beside the text of `screen_of`."""
    if found.trouble is not None and found.trouble.kind != catalogs.ABSENT:
        return ("r",)
    return ("I", "C")


def screen_of(store_root: str, found: Catalog) -> Text | None:
    """Return the text to show in place of the panes, None if the panes have something to show."""
    if found.trouble is not None and found.trouble.kind != catalogs.ABSENT:
        text = Text()
        text.append(f"{found.trouble.sentence}\n", "bold")
        text.append(f"\n{found.trouble.advice}\n")
        text.append("\nr looks again · ! doctor · 4 activity · q quits", "dim")
        return text
    if not found.is_empty:
        return None
    text = Text()
    text.append("Nothing is stored yet.\n", "bold")
    text.append(
        f"\npepip keeps every version of a package once, in {formatting.short_path(store_root)}, and links it into "
        "each project's .venv. "
        "The second project that needs it takes no download and no disk.\n"
    )
    text.append("\nBegin here\n", "bold")
    text.append("  I  install something into a project, known or new\n")
    text.append("  C  scan a folder for environments that link this store\n")
    text.append("\nor in a shell\n", "bold")
    text.append("  cd my-project && pepip install requests\n")
    text.append("  cd my-project && pepip sync              with a pyproject.toml\n")
    text.append("\nThis screen updates by itself. ? shows the keys, q quits.", "dim")
    return text
