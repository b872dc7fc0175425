"""A screen that takes all keys while a thread reads the disk. If that takes long, it says so."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Static

from pepip.errors import PepipError, StoreError
from pepip.tui import background
from pepip.tui.dialog_box import DialogBox

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS_BEFORE_WORDS = 0.4


class DiskWait(ModalScreen[bool]):
    """The screen. It closes when `read` ends in a thread, or at Escape, and returns whether `read` has ended.

    Then `result` or `error` is set, none of them after a fault of pepip.

    Without this screen, a key that follows soon would reach a pane, and not the dialog that the answer opens.
    `early_keys` are the keys that were pressed before the screen said that it waits.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "give_up", "Close")]

    class Ended(Message):
        """The thread has ended."""

    def __init__(self, read: Callable[[], object]) -> None:
        super().__init__()
        self._read = read
        self._is_over = False
        self.result: tuple[object, ...] = ()
        self.error: PepipError | None = None
        self.early_keys: list[events.Key] = []

    def compose(self) -> ComposeResult:
        """Make the words."""
        with DialogBox(classes="dialog"):
            yield Static(Text("The disk has not answered yet … Escape waits no longer."))

    def on_mount(self) -> None:
        """Read in a thread."""
        self.query_one(DialogBox).display = False
        self.set_timer(_SECONDS_BEFORE_WORDS, self._speak)
        background.run(self, self._work, group="disk", refused=lambda _: self.post_message(self.Ended()))

    def _speak(self) -> None:
        self.query_one(DialogBox).display = True

    def on_key(self, event: events.Key) -> None:
        """Keep a key for the next screen, or ignore it if the user knows that this one waits."""
        if event.key == "escape":
            return
        event.stop()
        if not self.query_one(DialogBox).display:
            self.early_keys.append(events.Key(event.key, event.character))

    def _work(self) -> None:
        try:
            self.result = (self._read(),)
        except PepipError as error:
            self.error = error
        except OSError as error:
            self.error = StoreError(background.reason_of(error))
        self.post_message(self.Ended())

    def on_disk_wait_ended(self) -> None:
        """Close, or wait until a dialog that has opened above is closed."""
        self._is_over = True
        self._close()

    def on_screen_resume(self) -> None:
        """Close if the thread has ended while another dialog was open."""
        if self._is_over:
            self._close()

    def action_give_up(self) -> None:
        """Close without an answer. The thread goes on, and nobody hears its answer."""
        self.dismiss(False)

    def _close(self) -> None:
        if self.is_active:
            self.dismiss(True)
