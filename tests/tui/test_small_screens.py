"""`pepip ui` on small terminals: commands that are too long, long lists in dialogs, and columns with little room."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.widget import Widget
from textual.widgets import Button

from pepip.tui.bars import SavingsLine
from pepip.tui.columns import shared
from pepip.tui.dialogs import CommandLine, without_middle
from pepip.tui.map_view import Plot, merged
from tests.support.machines import Machine
from tests.support.screens import Person, use
from tests.support.wheels import Wheel


@pytest.fixture
def reader(machine: Machine, tmp_path: Path, wheelhouse: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Return a user with two projects: one with many packages, one with another one."""
    names = [f"reed{number:02}" for number in range(24)]
    for name in (*names, "horn"):
        Wheel(name, "1.0", files={f"{name}.py": ""}).write(wheelhouse)
    monkeypatch.setenv("HOME", str(machine.home))
    monkeypatch.setenv("UV_CACHE_DIR", str(machine.uv_cache))
    for project, wanted in (("band", names), ("solo", ["horn"])):
        folder = machine.make_folder(tmp_path / "a-rather-long-name-of-a-folder" / project)
        machine.pepip("install", *wanted, "--no-index", "--find-links", wheelhouse, folder=folder)
    return machine


@pytest.mark.parametrize("size", [(50, 20), (80, 24), (120, 36)])
def test_a_dialog_is_as_high_as_its_lists_and_shows_the_end_of_its_command(
    reader: Machine, store: Path, size: tuple[int, int]
) -> None:
    """The button is in the last line, without blank lines below it. A long command loses its middle, not its end."""

    async def script(person: Person) -> None:
        await person.press("equals_sign")
        await person.until(lambda: person.app.screen.query("#differences"), "the dialog")
        await person.until(lambda: person.table("#differences").size.height > 5, "the differences")
        frame, close = person.app.screen.query_one(".dialog"), person.app.screen.query_one(Button)
        assert close.region.bottom == frame.region.bottom - 1
        assert frame.region.bottom <= size[1]
        assert person.dialog is not None
        shown = person.screen.replace("\n", "")
        assert person.dialog.command.endswith("solo/.venv")
        assert "solo/.venv" in shown.replace("│", "").replace(" ", "")
        assert size[0] > 50 or "…" in str(person.app.screen.query_one(CommandLine).content)

    use(store, script, size=size, pane="projects")


def _is_last(button: Widget, frame: Widget, height: int) -> bool:
    return button.region.bottom == frame.region.bottom - 1 < height


@pytest.mark.parametrize("size", [(50, 20), (80, 24)])
def test_the_buttons_of_a_prune_with_notes_are_in_sight(
    reader: Machine, store: Path, tmp_path: Path, size: tuple[int, int]
) -> None:
    """Lists and notes become lower. The last line of the dialog has the buttons, also after a change of the size."""
    shutil.rmtree(tmp_path / "a-rather-long-name-of-a-folder" / "band")

    async def script(person: Person) -> None:
        await person.press("P")
        await person.sees("24 entries to remove:")
        for width, height in ((size[0], size[1] - 4), size):
            await person.pilot.resize_terminal(width, height)
            frame, cancel = person.app.screen.query_one(".dialog"), person.app.screen.query_one("#answer-")
            await person.until(partial(_is_last, cancel, frame, height), "the buttons")

    use(store, script, size=size)


@pytest.mark.parametrize("is_trash_used", [False, True], ids=["without a trash", "with a trash"])
def test_the_header_keeps_its_figures_on_80_columns(reader: Machine, store: Path, *, is_trash_used: bool) -> None:
    """It has the size on disk, the saved size, the size that a prune frees now, and the size in uv's cache."""
    shutil.rmtree(store.parent / "a-rather-long-name-of-a-folder" / "band")
    in_trash = 188_800_000 if is_trash_used else 0

    async def script(person: Person) -> None:
        line = person.app.query_one(SavingsLine)
        await person.until(lambda: line.prunable, "the space that a prune frees")
        assert line.sums is not None
        assert line.prunable is not None
        sums = line.sums._replace(on_disk_bytes=412_600_000, without_sharing_bytes=1_961_800_000)
        line.sums = sums._replace(prunable_bytes=362_400_000)
        line.prunable = line.prunable._replace(
            freed_bytes=162_400_000 + in_trash, shared_bytes=161_700_000, restorable_bytes=in_trash
        )
        text = line.render().plain
        assert cell_len(text) <= line.size.width == 80
        for words in ("412.6 MB on disk", "saved 1.5 GB", "162.4 MB to prune [P]", "161.7 MB uv cache"):
            assert words in text, text

    use(store, script, size=(80, 24))


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "M", "Z"]), min_size=60), st.integers(8, 30))
def test_a_text_without_its_middle_fits(text: str, width: int) -> None:
    """Start and end stay, in so many lines of so many columns."""
    lines = without_middle(text, width, 2).split("\n")

    assert len(lines) <= 2
    assert all(cell_len(line) <= width for line in lines)
    start, _, end = "".join(lines).partition("…")
    assert text.startswith(start.rstrip())
    assert text.endswith(end.lstrip())


@given(
    st.integers(0, 200),
    st.dictionaries(st.integers(0, 5), st.tuples(st.integers(8, 20), st.integers(0, 90)), min_size=1),
)
def test_columns_share_their_room(spare: int, columns: dict[int, tuple[int, int]]) -> None:
    """They get the whole room, and none lacks space while another one has more than it needs."""
    widths = {number: width for number, (width, _) in columns.items()}
    needs = {number: need for number, (_, need) in columns.items()}
    found = shared(spare, widths, needs)

    room = spare + sum(widths.values())
    assert sum(found.values()) <= room
    assert sum(found.values()) > room - len(needs)
    if sum(needs.values()) <= room:
        assert all(found[number] >= need for number, need in needs.items())


def test_a_map_of_equal_entries_has_tiles() -> None:
    """Thousands of equal entries share a few tiles of about the same size. Each leads to a part of them."""
    plots = [Plot(str(number), f"dist-{number:04}", "", 94_200, "used") for number in range(3000)]

    found = merged(plots, 120 * 30)

    assert 10 <= len(found) <= 20
    assert max(len(plot.rest) for plot in found) < 2 * min(len(plot.rest) for plot in found)
    assert found[0].facts == "188 smaller entries: dist-0000 to dist-0187"
    inside = merged(found[0].rest, 120 * 30)
    assert {item.key for plot in inside for item in plot.rest or (plot,)} == {str(number) for number in range(188)}
