"""The lines around the panes: tabs, savings, notices, the running operation, and the keys that work at the focus."""

from __future__ import annotations

import time
from typing import ClassVar, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.style import Style
from rich.text import Text
from textual.widget import Widget

from pepip.tui import formatting, styles
from pepip.tui.job import WAITING
from pepip.tui.scrolled_rows import sized

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any

    from textual import events
    from textual.binding import Binding
    from textual.screen import Screen

    from pepip.operations.prune import PrunePreview
    from pepip.operations.savings import Savings
    from pepip.tui.catalog import Catalog, Trouble
    from pepip.tui.job import Job
    from pepip.tui.job_queue import JobQueue


class ClickTarget(NamedTuple):
    """A clickable part of a line, from column `start` up to `end`. The line's `press` gets its `action`."""

    start: int
    end: int
    action: str


class Line(Widget):
    """A widget of text in which parts can be clicked."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self.click_targets: list[ClickTarget] = []

    def style_of(self, name: str) -> Style:
        """Return a style by its name."""
        return styles.of(self.app)[name]

    async def on_click(self, event: events.Click) -> None:
        """Press the clicked part, if there is one."""
        for target in self.click_targets:
            if target.start <= event.x < target.end:
                await self.press(target.action)
                return

    async def press(self, action: str) -> None:
        """Run an action of the app."""
        await self.app.run_action(action)


class Tabs(Line):
    """The titles of the panes, and the status of the app at the right."""

    TITLES: ClassVar[dict[str, str]] = {
        "store": "Store",
        "projects": "Projects",
        "savings": "Savings",
        "activity": "Activity",
        "versions": "Versions",
    }

    def __init__(self) -> None:
        super().__init__(id="tabs")
        self.here = "store"
        self.status = ""
        self.running = 0

    def say(self, *, here: str | None = None, status: str | None = None, running: int | None = None) -> None:
        """Change the current pane, the status, or the number of unfinished jobs. None keeps the value."""
        before = (self.here, self.status, self.running)
        self.here = self.here if here is None else here
        self.status = self.status if status is None else status
        self.running = self.running if running is None else running
        if before != (self.here, self.status, self.running):
            self.refresh()

    def render(self) -> Text:
        """Return the line."""
        width = self.size.width
        text = Text(no_wrap=True, end="")
        text.append(" pepip " if width >= 60 else "", self.style_of("key"))
        self.click_targets = []
        for number, (name, title) in enumerate(self.TITLES.items(), 1):
            busy = f" ●{self.running}" if name == "activity" and self.running else ""
            label = f" {number} {title}{busy} " if width >= 58 or name == self.here else f" {number}{busy} "
            start = cell_len(text.plain)
            text.append(label, self.style_of("cursor" if name == self.here else ""))
            self.click_targets.append(ClickTarget(start, start + cell_len(label), f"show('{name}')"))
        room = width - cell_len(text.plain) - 2
        status = formatting.fit(self.status, room) if room > 6 else ""
        text.append(" " * (room + 1 - cell_len(status)) + status, self.style_of("muted"))
        return text


class SavingsLine(Line):
    """The sizes: on disk, without sharing, saved, to prune, and in the trash.

    A click on the size to prune previews a prune. A click on the last size asks whether to undo one.
    """

    def __init__(self) -> None:
        super().__init__(id="savings-line")
        self.sums: Savings | None = None
        self.prunable: PrunePreview | None = None
        self.is_fresh = False
        self.otherwise = "…"

    def say(self, found: Catalog, prunable: PrunePreview | None, *, otherwise: str) -> None:
        """Show the sums of a catalog, or the text `otherwise` if there are none. Sums of an earlier run get a `~`.

        `prunable` is the preview of a prune, None if it is not ready yet.
        """
        self.sums = found.overview.savings if found.overview else None
        self.is_fresh = found.is_fresh and found.trouble is None
        self.prunable, self.otherwise = prunable, otherwise
        self.refresh()

    def render(self) -> Text:
        """Return the longest form of the line that fits."""
        sums, self.click_targets = self.sums, []
        if sums is None:
            return Text(f" {self.otherwise}", self.style_of("muted"), no_wrap=True)
        width = self.size.width
        for level in range(6):
            text = self._line(sums, level)
            if cell_len(text.plain) <= width:
                return text
        return text

    def _line(self, sums: Savings, level: int) -> Text:
        figure, plain = self.style_of("name"), self.style_of("muted")
        text = Text(" ", no_wrap=True, end="")
        if not self.is_fresh:
            text.append("~ ", plain)
        text.append(formatting.size(sums.on_disk_bytes), figure)
        text.append(" on disk" if level < 5 else "", plain)
        text.append(" · ", plain)
        if level < 2:
            text.append(formatting.size(sums.without_sharing_bytes), figure)
            text.append(" without sharing · ", plain)
        times = formatting.factor(sums.without_sharing_bytes, sums.on_disk_bytes)
        if level == 3 and self._cached_bytes:
            times = ""  # gives way to the size in uv's cache
        if sums.saved_bytes > 0:
            text.append("saved ", plain)
            text.append(formatting.size(sums.saved_bytes) + (f" ({times})" if times else ""), self.style_of("gain"))
        else:
            without_unused = sums.saved_bytes + sums.prunable_bytes
            outweighed = f"saved {formatting.size(without_unused)}"
            outweighed += f", not counting {formatting.size(sums.prunable_bytes)} unused" if level < 5 else ""
            costs = f"costs {formatting.size(-sums.saved_bytes)} so far"
            few = "saves once two projects share" if level < 5 else "saves from 2 projects on"
            few = few if sums.projects < 2 else costs
            text.append(outweighed if sums.prunable_bytes and without_unused > 0 else few, plain)
        text.append(" · ", plain)
        self._add_unused(text, sums, level)
        return text

    @property
    def _cached_bytes(self) -> int:
        """The bytes that a prune would free if uv's cache let them go."""
        return self.prunable.shared_bytes if self.prunable else 0

    def _add_unused(self, text: Text, sums: Savings, level: int) -> None:
        """Append the unused size and, if there is room, the size in the trash or that in uv's cache."""
        plain, figure, key = (self.style_of(name) for name in ("muted", "name", "key"))
        known = self.prunable
        in_trash, cached = known.restorable_bytes if known else 0, self._cached_bytes
        if known and known.blocked:
            start = cell_len(text.plain)
            text.append("pruning is blocked" if level < 5 else "blocked", plain)
            text.append(" [P]", key)
            self.click_targets = [ClickTarget(start, cell_len(text.plain), "prune")]
            return
        if not sums.prunable_bytes or (known and not (known.orphans or known.freed_bytes)):
            text.append("nothing to prune" if level < 5 else "0 B", plain)
            return
        if known is None or known.orphans or known.freed_bytes > in_trash:
            start = cell_len(text.plain)
            text.append(formatting.size(known.freed_bytes - in_trash) if known else "…", figure)
            text.append(" to prune" if level < 5 else "", plain)
            text.append(" [P]", key)
            self.click_targets = [ClickTarget(start, cell_len(text.plain), "prune")]
            if cached and (not in_trash or level > 1):
                more = formatting.size(cached)
                forms = (
                    f" · {more} more in uv's cache",
                    *[f" + {more} in uv's cache"] * 2,
                    f" + {more} uv cache",
                    *[""] * 2,
                )
                text.append(forms[level], plain)
            if not in_trash or level > 1:
                return
            text.append(" · ", plain)
        start = cell_len(text.plain)
        text.append(formatting.size(in_trash), figure)
        text.append(" in the trash" if level < 5 else "", plain)
        text.append(" [z]", key)
        self.click_targets.append(ClickTarget(start, cell_len(text.plain), "undo"))


class Notices(Line):
    """One line for each notice. A notice is a problem that does not stop the app. Hidden if there are none."""

    def __init__(self) -> None:
        super().__init__(id="notices")
        self.notices: Sequence[Trouble] = ()

    def say(self, notices: Sequence[Trouble]) -> None:
        """Replace the notices."""
        self.notices = notices
        self.display = bool(notices)
        self.styles.height = len(notices)
        self.refresh(layout=True)

    def render(self) -> Text:
        """Return the lines. A click shows the full text of all notices."""
        width = self.size.width
        self.click_targets = [ClickTarget(0, width, "explain")]
        lines = []
        for notice in self.notices:
            line = f" ! {notice.sentence} {notice.advice}"
            lines.append(line if cell_len(line) <= width else f"{set_cell_size(line, max(0, width - 9))}… [more]")
        return Text("\n".join(lines), self.style_of("alarm"), no_wrap=True, end="")


class Keys(Line):
    """The keys that work at the focus. A click on a key presses it."""

    _LAST: ClassVar[tuple[str, ...]] = ("question_mark", "ctrl+p", "q")

    def __init__(self) -> None:
        super().__init__(id="keys")
        self.wanted: Collection[str] = ()

    def say(self, wanted: Collection[str]) -> None:
        """Also show these keys, whose bindings are usually hidden."""
        self.wanted = wanted
        self.refresh()

    def on_mount(self) -> None:
        """Repaint when the active keys change, as with the focus."""
        self.screen.bindings_updated_signal.subscribe(self, self._follow)

    def _follow(self, _: Any) -> None:
        self.refresh()

    def render(self) -> Text:
        """Return as many keys as fit, always with those of the help, the palette and quitting."""
        of_focus = getattr(self.screen.focused, "shown_keys", ())
        wanted = {*self.wanted, *of_focus}
        shown = {
            active.binding.action: active.binding
            for active in reversed(
                self.screen.active_bindings.values()
            )  # of several keys for one action, show the first
            if (active.binding.show or active.binding.key in wanted) and active.enabled
        }
        found = [
            (binding.key, self.app.get_key_display(binding), label_of(binding, self.screen))
            for binding in reversed(shown.values())
        ]
        last = [item for item in found if item[0] in self._LAST]
        first = [item for item in found if item[0] not in self._LAST]
        first.sort(key=lambda item: item[0] not in of_focus)
        room = self.size.width - sum(self._width(item) for item in last)
        text = Text(no_wrap=True, end="")
        self.click_targets = []
        for item in first:
            if self._width(item) <= room:
                room -= self._width(item)
                self._put(text, item)
        for item in last:
            self._put(text, item)
        return text

    @staticmethod
    def _width(item: tuple[str, str, str]) -> int:
        return cell_len(item[1]) + cell_len(item[2]) + 3

    def _put(self, text: Text, item: tuple[str, str, str]) -> None:
        key, shown, label = item
        start = cell_len(text.plain)
        text.append(f" {shown}", self.style_of("key"))
        text.append(f" {label} ", self.style_of(""))
        self.click_targets.append(ClickTarget(start, cell_len(text.plain), key))

    async def press(self, action: str) -> None:
        """Press a key."""
        self.app.simulate_key(action)


class Drawer(Line):
    """Two lines above the keys with the running job. A click cancels the job, hides the drawer, or shows the log."""

    def __init__(self) -> None:
        super().__init__(id="drawer")
        self.job: Job[object] | None = None
        self.waiting = 0
        self.is_still = False
        self._hidden: Job[object] | None = None

    def follow(self, queue: JobQueue) -> None:
        """Show the running job of a queue, unless the user has hidden it."""
        busy = queue.unfinished
        current = next((job for job in busy if job is queue.current), None)
        self.say(None if current is self._hidden else current, max(0, len(busy) - 1))

    def hide(self) -> None:
        """Hide the drawer until another job runs."""
        self._hidden = self.job or self._hidden
        self.say(None, 0)

    def say(self, job: Job[object] | None, waiting: int) -> None:
        """Show a job and the number of waiting ones. None hides the drawer."""
        self.job, self.waiting = job, waiting
        self.display = job is not None
        self.refresh()

    def render(self) -> Text:
        """Return the two lines."""
        job, width = self.job, self.size.width
        if job is None:
            return Text("")
        seconds = "" if self.is_still else f"{time.monotonic() - job.started:.0f} s · "
        right = f" {seconds}x cancel · esc hide "
        if width < 60:
            right = " x cancel "
        title = job.title + (f"  (+{self.waiting} waiting)" if self.waiting else "")
        self.click_targets = []
        room = max(4, width - len(right) - 1)
        text = Text(no_wrap=True, end="")
        text.append(f" {sized(formatting.printable(title), room)}", self.style_of("name"))
        text.append(f"{right}\n", self.style_of(""))
        bar_width = max(8, min(40, width // 3))
        share = job.share
        filled = formatting.bar(share, bar_width) if share >= 0 else ""
        text.append(f" {filled}", self.style_of("good"))
        text.append("░" * (bar_width - len(filled)), self.style_of("muted"))
        for word, action in (("x cancel", "cancel_job"), ("esc hide", "hide_drawer")):
            start = room + 1 + right.find(word)
            if word in right:
                self.click_targets.append(ClickTarget(start, start + len(word), action))
        pace = "" if self.is_still else job.pace
        amount = f"  {job.amount}" + (f"  {pace}" if pace else "") if job.amount else ""
        words = f" {current_step(job)}{amount}"
        room = max(0, width - bar_width - 2)
        if cell_len(words) > room and job.amount:
            words = amount[1:]
        text.append(set_cell_size(words, min(room, cell_len(words))), self.style_of(""))
        return text

    async def on_click(self, event: events.Click) -> None:
        """Run the action of the clicked words. Anywhere else, show the activity pane."""
        event.stop()
        click_targets = [
            target for target in self.click_targets if event.y == 0 and target.start <= event.x < target.end
        ]
        await self.app.run_action(click_targets[0].action if click_targets else "show('activity')")


def label_of(binding: Binding, screen: Screen[object]) -> str:
    """Return the label of a key. The label of Enter is the `verb` of the focused list."""
    if binding.action == "choose":
        return str(getattr(screen.focused, "verb", binding.description))
    return binding.description


def current_step(job: Job[object]) -> str:
    """Return the current step of a job in words."""
    if job.state == WAITING:
        return "waiting for earlier operations"
    if job.is_cancelled.is_set():
        return "cancelling: the operation ends at its next safe point …"
    step = job.step
    return formatting.printable(f"{step.title or 'Starting'} {step.detail}".strip())
