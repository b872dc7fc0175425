"""The dialog that frees space. It lists bundles with gain and cost. The user ticks them, or types a size to free.

Some bundles need an upgrade or an adoption instead of a prune. They have no tick: Enter shows their preview.
"""

from __future__ import annotations

import os
from functools import partial
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Button, Input, Static

from pepip import humanized
from pepip.operations import reclaim, undo
from pepip.operations.reclaim import Choice as ReclaimChoice
from pepip.tui import background, commands, formatting
from pepip.tui.catalog import name_of
from pepip.tui.dialogs import Choice, Dialog
from pepip.tui.reclaim_switches import Switches
from pepip.tui.table import Column, Table, TableRow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from pepip.host.freed_space import Gain
    from pepip.operations.adoption.preview import AdoptionPreview
    from pepip.operations.census import Census
    from pepip.operations.prune import PruneOptions
    from pepip.operations.reclaim import Bundle, Reclaimable
    from pepip.store.root import Store

_DAY_SECONDS = 86_400

COLUMNS = (
    Column("freed", "Frees", 9, is_right=True),
    Column("title", "Bundle", 0),
    Column("environment", "Environment", 0, from_width=40, keeps_end=True),
    Column("cost", "Cost", 44, from_width=74),
)


_NONE = "Nothing is ticked."
_PRUNE_IS_TOO_SMALL = "A prune frees less. Enter on a row previews its upgrade or adoption."


class ReclaimDialog(Dialog):
    """The dialog. Answers `go` to prune with `options`, or the key of a bundle whose preview the user wants."""

    COMMAND_LINES = 2

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "tick", "Tick", show=False),
        Binding("c", "toggle_cache", "uv's cache", show=False),
        Binding("t", "toggle_trash", "Trash", show=False),
        Binding("n", "next_idle", "Idle", show=False),
        Binding("slash", "to_target", "Target", show=False),
        Binding("tab", "app.focus_next", "Next", show=False),
    ]

    class Found(Message):
        """The bundles are known, and the seconds for which the trash keeps removed entries.

        Environments count as idle after `idle_days`.
        """

        def __init__(self, found: Reclaimable, trash_seconds: float, idle_days: int) -> None:
            super().__init__()
            self.found, self.trash_seconds, self.idle_days = found, trash_seconds, idle_days

    class Measured(Message):
        """The gain of a choice among the bundles `found`. If pepip made the choice, `wanted` is the typed size."""

        def __init__(
            self, found: Reclaimable, choice: ReclaimChoice, gain: Gain, *, wanted: float | None = None
        ) -> None:
            super().__init__()
            self.found, self.choice, self.gain, self.wanted = found, choice, gain, wanted

    class Refused(Message):
        """The store can't be read. `reason` says why."""

        def __init__(self, reason: str) -> None:
            super().__init__()
            self.reason = reason

    def __init__(self, store: Store, census: Census, unshared: AdoptionPreview | None) -> None:
        super().__init__("Reclaim space · ␣ ticks · / picks by size")
        self._store, self._census, self._unshared = store, census, unshared
        self._found: Reclaimable | None = None
        self._gains: dict[ReclaimChoice, Gain] = {}
        self._is_picked_by_pepip = False
        self._wanted: float | None = None  # the size for which pepip picks, until the user ticks something else
        self._names = {known.environment: name_of(known) for known in census.projects}
        self._table, self._switches = Table(COLUMNS, can_mark=True, verb="Preview", id="bundles"), Switches()

    def body(self) -> ComposeResult:
        """Make the sentence, the line for a size, the list and the switches."""
        yield Static(Text("Looking at the links and the last use of every environment …"), id="reclaim-sentence")
        target = Input(placeholder="a size, such as 5 GB: ticks bundles with the least loss", id="target")
        target.cursor_blink = False
        yield target
        yield self._table
        yield Static("", id="cost")
        yield self._switches

    def choices(self) -> Sequence[Choice]:
        """Return the buttons, Cancel first."""
        return (Choice("", "Cancel"), Choice("go", "Remove", "error"))

    def on_mount(self) -> None:
        """Look for the bundles, with the focus on Cancel."""
        super().on_mount()
        self._table.display = False
        self.query_one("#answer-go", Button).disabled = True
        self.query_one("#answer-", Button).focus()
        self._look()

    # Reading

    def _look(self) -> None:
        self._run(partial(self._find, self._switches.idle_days), "find")

    def _run(self, work: Callable[[], None], group: str) -> None:
        background.run(self, work, group=group, refused=lambda reason: self.post_message(self.Refused(reason)))

    def _find(self, idle_days: int) -> None:
        idle_seconds = idle_days * _DAY_SECONDS
        found = reclaim.find(self._store, self._census, idle_seconds=idle_seconds, unshared=self._unshared)
        self.post_message(self.Found(found, undo.default_trash_seconds(self._store, os.environ), idle_days))

    def _measure(self, found: Reclaimable, choice: ReclaimChoice) -> None:
        self.post_message(self.Measured(found, choice, reclaim.measure(self._store, found, choice)))

    def _pick(self, found: Reclaimable, target_bytes: float, *, with_cache: bool) -> None:
        choice = reclaim.pick(self._store, found, target_bytes, with_cache=with_cache)
        gain = reclaim.measure(self._store, found, choice)
        self.post_message(self.Measured(found, choice, gain, wanted=target_bytes))

    def on_reclaim_dialog_refused(self, event: Refused) -> None:
        """Say why there is no list."""
        event.stop()
        self.query_one("#reclaim-sentence", Static).update(Text(f"The store can't be read: {event.reason}"))

    def on_reclaim_dialog_found(self, event: Found) -> None:
        """Show the bundles. Unused entries are ticked at first."""
        event.stop()
        if event.idle_days != self._switches.idle_days:
            return  # the user has chosen another time meanwhile
        is_first = self._found is None
        self._found = event.found
        self._gains.clear()
        table = self._table
        switches = self._switches
        if is_first:
            switches.trash_seconds = event.trash_seconds
            switches.is_kept = bool(event.trash_seconds)
            table.marks = {bundle.key for bundle in event.found.bundles if bundle.kind == reclaim.UNUSED}
        switches.refresh()
        rows = [self._row(bundle) for bundle in event.found.bundles]
        table.display = bool(rows)
        table.show(rows)
        self._say()

    def _row(self, bundle: Bundle) -> TableRow:
        title, where = formatting.printable(bundle.title), self._where(bundle)
        cells = (formatting.size(bundle.freed_bytes), title, where, bundle.loss)
        return TableRow(bundle.key, cells, ("", "name" if bundle.goes_by_prune else "", "", "muted"))

    def _where(self, bundle: Bundle) -> str:
        root = bundle.environment
        return (self._names.get(root) or formatting.printable(formatting.short_path(root))).removesuffix("/.venv")

    def on_reclaim_dialog_measured(self, event: Measured) -> None:
        """Show the gain. If pepip picked the bundles for the typed size, tick them and set the options."""
        event.stop()
        is_picked = event.wanted is not None
        typed = humanized.parse_size(self.query_one("#target", Input).value)
        if event.found is not self._found or (is_picked and not event.wanted == self._wanted == typed):
            return  # the list, the size or the ticks changed meanwhile
        self._gains[event.choice] = event.gain
        self._is_picked_by_pepip = is_picked
        if is_picked:
            self._table.marks = set(event.choice.keys)
            if event.choice.keys:
                self._switches.with_cache, self._switches.is_kept = event.choice.with_cache, False
            self._switches.refresh()
        self._say()

    # State

    @property
    def choice(self) -> ReclaimChoice:
        """The ticked bundles that a prune removes, and the options, also after the dialog has closed."""
        switches = self._switches
        bundles = self._found.bundles if self._found else []
        keys = frozenset(bundle.key for bundle in bundles if bundle.goes_by_prune) & self._table.marks
        return ReclaimChoice(keys, switches.with_cache, at_once=not switches.is_kept or bool(self._far_in(keys)))

    def _far_in(self, keys: Collection[str]) -> list[Bundle]:
        """Return the bundles of environments that the trash can't keep, because they are on another disk."""
        found = self._found
        return [item for item in found.bundles if item.key in keys and item.environment in found.far] if found else []

    @property
    def options(self) -> PruneOptions | None:
        """The options of the prune that removes the ticked bundles. None before the bundles are known."""
        if self._found is None:
            return None
        choice = self.choice
        seconds = 0.0 if choice.at_once else self._switches.trash_seconds
        return reclaim.options_of(self._found, choice)._replace(keep_seconds=seconds)

    def bundle_of(self, key: str) -> Bundle | None:
        """Return the bundle with this key."""
        bundles = self._found.bundles if self._found else []
        return next((bundle for bundle in bundles if bundle.key == key), None)

    def _say(self) -> None:
        found, options = self._found, self.options
        if found is None or options is None:
            return
        sentence, go = self.query_one("#reclaim-sentence", Static), self.query_one("#answer-go", Button)
        if found.preview.blocked:
            go.disabled = True
            self.say_command("")
            sentence.update(Text(f"Nothing can be removed: {found.preview.blocked}."))
            return
        if not found.bundles:
            go.disabled = True
            self.say_command("")
            sentence.update(Text("Nothing can be freed: environments that are in use link all entries."))
            return
        choice = self.choice
        # A removal that keeps nothing in the trash also empties it.
        self._table.marks = set(choice.keys) | ({reclaim.TRASH} if choice.keys and choice.at_once else set())
        self._table.refresh()
        if choice not in self._gains:
            self._run(partial(self._measure, found, choice), "measure")
        go.disabled = not choice.keys
        sentence.update(Text(self._sentence(choice, options)))
        command = ""
        if choice.keys:
            unused = any(bundle.kind == reclaim.UNUSED for bundle in found.bundles if bundle.key in choice.keys)
            is_all = unused or not found.preview.orphans
            chosen = [item for item in found.census.stored if item.id in (options.only or ())]
            command = commands.prune(
                commands.patterns_of(chosen, found.census.stored),
                is_all=is_all,
                is_kept=bool(options.keep_seconds),
                environments=options.environments,
                with_cache=options.with_cache,
            )
        self.say_command(command)

    def _sentence(self, choice: ReclaimChoice, options: PruneOptions) -> str:
        gain, wanted = self._gains.get(choice), self._wanted
        if not choice.keys and wanted:
            return _PRUNE_IS_TOO_SMALL if self._is_picked_by_pepip else _NONE
        if not choice.keys:
            return _NONE
        removed = formatting.count(len(options.only or ()), "entry", "entries")
        if options.environments:
            removed += f" and {formatting.count(len(options.environments), 'environment')}"
        if gain is None:
            return f"{removed}: …"
        how = formatting.gain(gain.freed_bytes, gain.kept_bytes)
        if options.keep_seconds:
            how = formatting.waiting(gain.freed_bytes, gain.kept_bytes, options.keep_seconds)
        short = f", less than {formatting.size(int(wanted))}" if wanted and gain.freed_bytes < wanted else ""
        emptied = (
            ""
            if options.keep_seconds
            else formatting.emptying(self._found.preview.restorable_bytes if self._found else 0)
        )
        far = self._switches.is_kept and self._far_in(choice.keys)
        note = " An environment is on another disk than the trash, so z can't bring this back." if far else ""
        return f"{removed} to remove: {how}{short}.{emptied}{note}"

    # Actions

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Tick the bundles that free the typed size with the least loss."""
        event.stop()
        wanted = humanized.parse_size(event.value)
        if not event.value.strip():
            self.query_one("#answer-", Button).focus()
            self._say()
            return
        if wanted is None or self._found is None:
            self.query_one("#reclaim-sentence", Static).update(
                Text(f"{event.value!r} is not a size: type a number and kB, MB, GB or TB.")
            )
            return
        self._wanted = wanted
        pick = partial(self._pick, self._found, wanted, with_cache=self._switches.with_cache)
        self._run(pick, "pick")
        self.query_one("#answer-", Button).focus()

    def on_table_marked(self, event: Table.Marked) -> None:
        """Update the sentence, the command, and the ticks of bundles that no prune removes."""
        event.stop()
        self._wanted = None
        self._say()

    def on_table_moved(self, event: Table.Moved) -> None:
        """Show place and cost of the bundle under the cursor. A narrow list has no columns for them."""
        event.stop()
        bundle = self.bundle_of(event.key)
        place = f"{self._where(bundle)}: " if bundle and bundle.environment else ""
        self.query_one("#cost", Static).update(Text(f"  {place}{bundle.loss}" if bundle else "", no_wrap=True))

    def on_table_chosen(self, event: Table.Chosen) -> None:
        """Show the preview of a bundle, or tick it."""
        event.stop()
        bundle = self.bundle_of(event.key)
        if bundle is not None and not bundle.goes_by_prune:
            self.dismiss(bundle.key)
        else:
            self._table.action_mark()

    def action_tick(self) -> None:
        """Tick or untick the bundle under the cursor, or show its preview."""
        bundle = self.bundle_of(self._table.cursor_key)
        if bundle is not None and not bundle.goes_by_prune:
            self.dismiss(bundle.key)
        else:
            self._table.action_mark()

    def action_toggle_cache(self) -> None:
        """Also remove the packages from uv's cache, or leave them there."""
        self._wanted = None
        self._switches.with_cache = not self._switches.with_cache
        self._switches.refresh()
        self._say()

    def action_toggle_trash(self) -> None:
        """Keep the removed entries in the trash, or free their space at once."""
        if self._switches.trash_seconds:
            self._wanted = None
            self._switches.is_kept = not self._switches.is_kept
            self._switches.refresh()
            self._say()

    def action_next_idle(self) -> None:
        """Choose the next number of days after which an environment counts as idle."""
        self._switches.take_next_idle_days()
        self._switches.refresh()
        self._look()

    def action_to_target(self) -> None:
        """Move the focus to the line for a size."""
        self.query_one("#target").focus()
