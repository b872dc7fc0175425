"""The welcome screen for an empty, unreadable or missing store, and the help texts of the panes."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from pepip.tui import catalog as catalogs
from pepip.tui import formatting
from pepip.tui.unshared_list import UnsharedList

TYPE_CHECKING = False
if TYPE_CHECKING:
    from textual.widget import Widget

    from pepip.tui.catalog import Catalog
    from pepip.tui.session import Session

HELP = {
    "store": (
        "Every version is stored once. ●=used  ○=unused: no environment links it  ✗=damaged  ◐=busy  "
        "◆=used and ◇=unused in a layer. The filter takes words and facets: unused: used: layer: damaged: marked: "
        "vuln: yanked: outdated: >100MB <1GB idle:>90d stored:<7d "
        "project:api kind:tool name:torch -word @name"
    ),
    "projects": (
        "Every environment that links the store. Without: its size without pepip. Now: its size in addition to the "
        "store. 40+2: forty linked packages, two private copies. Others: the number of other projects that link the "
        "same version. Enter goes to the packages, Escape goes back. Actions work on all marked projects that the "
        "filter shows. The filter also takes marked: idle:>90d kind:tool >100MB."
    ),
    "savings": (
        "Savings, measured on disk. Each inode counts once. The plot has one sample a day. A notch ╵ is a prune. "
        "Enter on a package shows it in the store."
    ),
    "versions": (
        "Packages with several versions, and the projects that have them. The newest version here is green, older "
        "ones have another colour. Space marks a cell. A click on a title marks its row or column. a marks all older "
        "versions of the package. U previews the upgrade of all marked cells."
    ),
    "activity": (
        "The running operation, the waiting ones, then the finished ones, newest first, also of earlier runs. "
        "✓=done  !=done, but a problem remains  ✗=failed  ○=cancelled. Bytes: "
        "+ fetched, - freed. Cancel ends an operation at its next safe point: nothing is left half done."
    ),
}


KEYS_OF_EMPTY = ("I", "C")


def text_without_figures(found: Catalog) -> str:
    """Return the text that replaces the savings if there are no figures."""
    if found.trouble is not None and found.trouble.kind != catalogs.ABSENT:
        return "no figures: the store can't be read"
    return "nothing on disk yet"


def keys_of(found: Catalog) -> tuple[str, ...]:
    """Return further keys that the key line shows while the welcome screen is visible."""
    if found.trouble is not None and found.trouble.kind != catalogs.ABSENT:
        return ("r",)
    return KEYS_OF_EMPTY


def screen_of(store_root: str, found: Catalog, *, can_adopt: bool = False) -> Text | None:
    """Return the text of the welcome screen, None if the panes have something to show.

    With `can_adopt`, environments that can be adopted are listed below the text.
    """
    if found.trouble is not None and found.trouble.kind != catalogs.ABSENT:
        text = Text()
        text.append(f"{found.trouble.sentence}\n", "bold")
        text.append(f"\n{found.trouble.advice}\n")
        text.append("\nr reads again · ! doctor · 4 activity · q quits", "dim")
        return text
    if not found.is_empty:
        return None
    text = Text()
    text.append("Nothing is stored yet.\n", "bold")
    text.append(
        f"\npepip keeps every version of a package once, in {formatting.short_path(store_root)}, and links it into "
        "each project's .venv. "
        "The next project that needs this version downloads nothing, and takes hardly any disk space.\n"
    )
    text.append("\nBegin here\n", "bold")
    if can_adopt:
        text.append("  A  adopt the environments below: the marked ones, or all\n")
    text.append("  I  install into a known or new project\n")
    text.append("  C  scan for environments that link this store\n")
    if can_adopt:
        return text.append("  $ pepip adopt --dry-run --known .   only shows the savings", "dim")
    text.append("\nor in a shell, in the folder of a project\n", "bold")
    text.append("  pepip install requests\n")
    text.append("  pepip sync   if it has a pyproject.toml\n")
    text.append("\nThis screen updates by itself. ? shows the keys, q quits.", "dim")
    return text


class Welcome(Vertical):
    """The welcome screen. For an empty store it lists the environments that can be adopted."""

    def __init__(self, session: Session) -> None:
        super().__init__(id="trouble")
        self.session = session

    def compose(self) -> ComposeResult:
        """Make the text and the list."""
        yield Static("", id="trouble-text")
        yield UnsharedList(id="unshared-first")

    def show(self) -> bool:
        """Show the text for the catalog of the session. Return False if the panes have something to show."""
        catalog = self.session.catalog
        if catalog is None or screen_of(self.session.store.root, catalog) is None:
            return False
        unshared = self.query_one(UnsharedList)
        unshared.show(self.session.unshared, catalog.shares.keys(), self.session.search_place)
        unshared.display = unshared.display and keys_of(catalog) == KEYS_OF_EMPTY
        can_adopt = unshared.display and bool(unshared.chosen)
        text = screen_of(self.session.store.root, catalog, can_adopt=can_adopt)
        self.query_one("#trouble-text", Static).update(text or "")
        return True

    @property
    def list_here(self) -> Widget | None:
        """The list, which gets the focus; None if it is empty."""
        unshared = self.query_one(UnsharedList)
        return unshared.table if unshared.display and unshared.chosen else None
