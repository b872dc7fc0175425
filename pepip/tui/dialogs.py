"""Dialogs: a message, a question, the help, and their base class. A dangerous choice is never the default."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.text import Text
from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.renderables.background_screen import BackgroundScreen
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from pepip.tui import formatting, key_bindings
from pepip.tui.bars import label_of
from pepip.tui.dialog_box import DialogBox
from pepip.tui.scroll_text import ScrollText
from pepip.tui.table import Column, Table, TableRow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from rich.console import RenderableType
    from textual.geometry import Size
    from textual.screen import Screen


_OF_EVERY_LIST = frozenset({"Down", "Up", "Page down", "Page up", "First", "Last"})
"""Labels of the keys that every list has. The help shows them last."""


class Choice(NamedTuple):
    """A button. `kind` is `default`, `primary` or `error`. In a message, the first button has the focus."""

    key: str
    label: str
    kind: str = "default"


class CommandLine(Static):
    """The command line that does the same as the dialog. A click copies it.

    If a command is too long for the widget, an ellipsis replaces its middle.
    """

    def __init__(self, *, classes: str) -> None:
        super().__init__("", classes=classes)
        self._command, self._hint = "", ""

    def say(self, command: str, hint: str) -> None:
        """Show a command, with a hint after it if there is room."""
        self._command, self._hint = command, hint
        self._fit(may_grow=True)

    def _whole(self, width: int) -> Text:
        """Return the command, and the hint on its last line or, if there is no room, on a line of its own."""
        text = Text(self._command)
        if self._hint:
            last = text.wrap(self.app.console, width)[-1].cell_len if width else 0
            before = "   " if last + 3 + cell_len(self._hint) <= width else "\n"
            text.append(f"{before}{self._hint}", "italic")
        return text

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002 - Textual's
        """Return the height of the whole command."""
        return len(self._whole(width).wrap(self.app.console, width)) if self._command and width else 0

    def on_resize(self) -> None:
        """Show as much as fits."""
        self._fit(may_grow=False)

    def _fit(self, *, may_grow: bool) -> None:
        (width, height), shown = self.size, self._whole(self.size.width)
        if width and height and len(shown.wrap(self.app.console, width)) > height:
            shown = Text(self._command)  # without the hint
            if len(shown.wrap(self.app.console, width)) > height:
                shown = Text(without_middle(self._command, width, height))
        self.update(shown, layout=may_grow)

    async def on_click(self) -> None:
        """Copy the command."""
        await self.run_action("screen.copy")


class Dialog(ModalScreen[str]):
    """A box in the middle of the screen. Escape answers with an empty string. Left and right move between buttons.

    Up and down scroll the list or the text. The focus stays on the button that Enter presses. `COMMAND_LINES` lines
    are reserved for the command if it changes while the user types or clicks, so that nothing else moves.
    """

    COMMAND_LINES: ClassVar[int] = 0

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "answer('')", "Close"),
        Binding("left", "move_to_button(-1)", "Previous", show=False),
        Binding("right", "move_to_button(1)", "Next", show=False),
        Binding("down,j", "scroll_content(1)", "Down", show=False),
        Binding("up,k", "scroll_content(-1)", "Up", show=False),
        Binding("pagedown,ctrl+d", "scroll_content(8)", "Page down", show=False),
        Binding("pageup,ctrl+u", "scroll_content(-8)", "Page up", show=False),
        Binding("y", "copy", "Copy command", show=False),
    ]

    def __init__(self, title: str, *, command: str = "") -> None:
        super().__init__()
        self.title_text = title
        self.command = command

    def compose(self) -> ComposeResult:
        """Make the frame, with the widgets of `body` and the buttons of `choices`."""
        with DialogBox(classes="dialog"):
            yield Static(Text(self.title_text, no_wrap=True, overflow="ellipsis"), classes="dialog--title")
            yield from self.body()
            yield CommandLine(classes="dialog--command")
            with Horizontal(classes="dialog--buttons"):
                for choice in self.choices():
                    yield button(choice)

    def on_mount(self) -> None:
        """Show the command, if there is one."""
        self.say_command(self.command)

    def render(self) -> RenderableType:
        """Return the screen below, dimmed.

        Textual takes the last screen of a list that each screen shortens when it is drawn. With several dialogs of
        which some need no drawing, that may be the dialog above, which shows this one: an endless recursion.
        """
        stack, ground = self.app.screen_stack, self.styles.background
        place = stack.index(self) if self in stack else 0
        return BackgroundScreen(stack[place - 1], ground) if place and ground.a < 1 else super().render()

    def body(self) -> ComposeResult:
        """Make the widgets between the title and the buttons."""
        yield from ()

    def choices(self) -> Sequence[Choice]:
        """Return the buttons."""
        return (Choice("", "Close"),)

    def say_command(self, command: str) -> None:
        """Show another command. An empty command hides the line, unless `COMMAND_LINES` reserves it."""
        self.command = command
        line = self.query_one(CommandLine)
        # In a text field, y is a letter. A click always copies.
        can_copy = bool(command) and not self.query(Input) and self.app.size.width >= 60
        line.say(f"$ {formatting.printable(command)}" if command else "", "y copies" if can_copy else "")
        line.display = bool(command or self.COMMAND_LINES)
        if self.COMMAND_LINES:
            line.styles.height = self.COMMAND_LINES

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer with the button's key."""
        event.stop()
        self.action_answer((event.button.id or "").removeprefix("answer-"))

    def action_answer(self, key: str) -> None:
        """Close with an answer."""
        self.dismiss(key)

    def dismiss(self, result: str | None = None) -> AwaitComplete:
        """Close with an answer, only once, and not below another dialog.

        Textual would call the callback again, and close the screen at the top, whichever that is.
        """
        return super().dismiss(result) if self.is_active else AwaitComplete()

    def action_move_to_button(self, step: int) -> None:
        """Move the focus to the next or the previous button. After the last one comes the first one."""
        buttons = [item for item in self.query(Button) if not item.disabled]
        if buttons:
            at = buttons.index(self.focused) if isinstance(self.focused, Button) else min(0, -step)
            self.set_focus(buttons[(at + step) % len(buttons)])  # at once: the next key may follow soon

    def action_scroll_content(self, rows: int) -> None:
        """Move through the list, or scroll the text."""
        for table in self.query(Table):
            if table.display:
                table.action_move(rows)
                return
        for text in self.query(ScrollText):
            text.scroll_relative(y=rows, animate=False)

    def action_copy(self) -> None:
        """Copy the command that does the same."""
        if self.command:
            self.app.copy_to_clipboard(self.command)
            self.app.notify(self.command, title="Copied", markup=False)


def without_middle(text: str, width: int, height: int) -> str:
    """Return the start and the end of a long text in `height` lines of `width` columns, with an ellipsis between."""
    spare = 1 if cell_len(text) == len(text) else 1 + height  # a wide character can leave the end of a line blank
    room = width * height - spare
    end = set_cell_size(text[::-1], room - room // 2)[::-1]
    lines = [""]
    for character in f"{set_cell_size(text, room // 2)}…{end}":
        if cell_len(lines[-1] + character) > width:
            lines.append("")
        lines[-1] += character
    return "\n".join(lines)


def button(choice: Choice) -> Button:
    """Return the button of a choice."""
    made = Button(Text(choice.label), id=f"answer-{choice.key}", compact=True)
    made.variant = choice.kind
    return made


class MessageDialog(Dialog):
    """A text, and buttons below it. The first choice has the focus."""

    def __init__(self, title: str, text: Text, choices: Sequence[Choice] = (), *, command: str = "") -> None:
        super().__init__(title, command=command)
        self._text = text
        self._choices = choices or (Choice("", "Close"),)

    def body(self) -> ComposeResult:
        """Make the text. A long one scrolls."""
        with ScrollText(classes="dialog--scroll"):
            yield Static(self._text)

    def choices(self) -> Sequence[Choice]:
        """Return the buttons."""
        return self._choices

    def on_mount(self) -> None:
        """Put the focus on the first choice."""
        super().on_mount()
        self.query(Button).first().focus()


class Question(Dialog):
    """A question that the user answers with one line. `command` returns the command for a line.

    `value` is the current line.
    """

    COMMAND_LINES = 2

    def __init__(self, title: str, text: str, *, value: str, verb: str, command: Callable[[str], str]) -> None:
        super().__init__(title, command=command(value))
        self.value = value
        self._text, self._verb, self._command_of = text, verb, command

    def body(self) -> ComposeResult:
        """Make the question and the line."""
        yield Static(Text(self._text))
        line = Input(self.value, id="line")
        line.cursor_blink = False
        yield line

    def choices(self) -> Sequence[Choice]:
        """Return the buttons."""
        return (Choice("go", self._verb, "primary"), Choice("", "Cancel"))

    def on_mount(self) -> None:
        """Put the focus on the line."""
        super().on_mount()
        self.query_one("#line").focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show the command for the typed line."""
        self.value = event.value
        self.say_command(self._command_of(event.value))

    def on_input_submitted(self) -> None:
        """Press the first button on Enter."""
        self.action_answer("go")

    def action_answer(self, key: str) -> None:
        """Answer with the line, or with an empty string for Cancel."""
        self.dismiss(self.query_one("#line", Input).value if key else "")


class Help(Dialog):
    """The keys that work on the screen below the dialog. Choosing a row presses its key."""

    def __init__(self, screen: Screen[Any], where: str, text: str) -> None:
        super().__init__(f"Help · {where}")
        self._text = text
        self._rows = []
        for binding in key_bindings.offered_on(screen):
            # Several keys may share one display, as `l` and the arrow do. Here each letter stands for itself.
            is_letter = len(binding.key) == 1
            shown = binding.key if is_letter else screen.app.get_key_display(binding)
            self._rows.append(
                TableRow(binding.key, (shown, binding.tooltip or label_of(binding, screen)), ("accent", ""))
            )
        unique = {row.cells[1]: row for row in reversed(self._rows)}
        keys: dict[str, list[str]] = {}
        for row in self._rows:
            keys.setdefault(row.cells[1], []).append(row.cells[0])
        self._rows = [
            TableRow(row.key, (" ".join(keys[row.cells[1]][:3]), row.cells[1]), row.tones)
            for row in self._rows
            if unique[row.cells[1]] is row
        ]
        self._rows.sort(key=lambda row: row.cells[1] in _OF_EVERY_LIST)

    def body(self) -> ComposeResult:
        """Make the text and the list."""
        yield Static(Text(self._text), classes="dialog--text")
        table = Table((Column("key", "Key", 12), Column("action", "Action", 0)), id="help")
        yield table

    def on_mount(self) -> None:
        """Fill the list."""
        super().on_mount()
        table = self.query_one("#help", Table)
        table.show(self._rows)
        table.focus()

    def on_table_chosen(self, event: Table.Chosen) -> None:
        """Answer with the chosen key. The app presses it."""
        self.dismiss(event.key)
