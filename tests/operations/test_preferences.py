"""The file of settings: read back as it was written, and never overwritten if it can't be read."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pepip.errors import UsageError
from pepip.operations import preferences
from pepip.operations.preferences import Preferences

pytestmark = pytest.mark.unit

texts = some.text(some.characters(exclude_categories=["Cs"]), max_size=12)
all_settings = some.builds(
    Preferences, texts, some.lists(texts, max_size=3).map(tuple), some.dictionaries(texts, texts, max_size=3)
)


@given(all_settings)
def test_settings_are_read_as_they_were_written(settings: Preferences) -> None:
    """Whatever text they hold. The first line says which commands change the file."""
    with TemporaryDirectory() as folder:
        place = f"{folder}/new/settings.toml"
        preferences.write(settings, place)

        assert preferences.read(place) == settings
        assert Path(place).read_text().startswith("# `pepip settings`")


names = some.text("abz09-", min_size=1, max_size=4)
lines = some.lists(some.text("ab>:=@", min_size=1, max_size=5), min_size=1, max_size=3).map(" ".join)
sound_settings = some.builds(
    Preferences, some.sampled_from(["", "nord"]), some.just(()), some.dictionaries(names, lines, max_size=3)
)


@given(sound_settings, sound_settings)
def test_the_words_of_a_change_make_that_change(before: Preferences, after: Preferences) -> None:
    """The app shows them as a command."""
    assert preferences.changed(before, preferences.words_of(before, after)) == after


def test_a_setting_of_another_pepip_is_kept(tmp_path: Path) -> None:
    """A newer one may write to the same file."""
    place = tmp_path / "settings.toml"
    place.write_text('theme = "nord"\ntrash_days = 3\n')

    preferences.write(preferences.changed(preferences.read(str(place)), ["theme="]), str(place))

    assert "trash_days = 3" in place.read_text()
    assert "nord" not in place.read_text()


@pytest.mark.parametrize("content", ["theme = ", "theme = 3", "hidden = 'x'", "[filters]\nbig = 1", "filters = []"])
def test_a_bad_file_is_named_and_left_alone(tmp_path: Path, content: str) -> None:
    """It can be mended by hand."""
    place = tmp_path / "settings.toml"
    place.write_text(content)

    with pytest.raises(UsageError, match=r"settings\.toml can't be read"):
        preferences.write(Preferences("nord"), str(place))

    assert place.read_text() == content


def test_a_named_filter_stands_for_its_line() -> None:
    """An unknown name stays as it is."""
    settings = Preferences(filters={"big": ">100MB -torch"})

    assert settings.expanded("@big numpy @none") == ">100MB -torch numpy @none"


_BY_HAND = """\
# My settings
theme = "nord"  # not "light"
future = { days = [1, nan], since = 2026-01-01}
limit = inf

hidden = [
  "python",  # all the same
]
"quoted key" = 3

# Filters of the team
[filters]
# large ones
big = ">100MB"
'a #b' = "x # y"

[newer.table]
list = [{ a = 1 }, { a = 2 }]
"""


def test_a_change_leaves_all_else_in_the_file_as_it_is(tmp_path: Path) -> None:
    """Comments, lists, tables, dates and numbers stay, also those that pepip does not know."""
    place = tmp_path / "settings.toml"
    place.write_text(_BY_HAND)
    words = ["theme=dracula", "hidden=", "trash=7d", "filter.big=>1GB", "filter.new=torch"]

    preferences.write(preferences.changed(preferences.read(str(place)), words), str(place))

    expected = _BY_HAND.replace('"nord"', '"dracula"').replace('">100MB"', '">1GB"')
    expected = expected.replace('hidden = [\n  "python",  # all the same\n]\n', "")
    expected = expected.replace('key" = 3\n', 'key" = 3\ntrash = "7d"\n').replace('# y"\n', '# y"\nnew = "torch"\n')
    assert sorted(_lines(place.read_text())) == sorted(_lines(expected))


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


@pytest.mark.parametrize(
    ("before", "kept"),
    [
        ("[filters]\n\n# end\n", ["[filters]", "# end"]),
        ("# A\n\n# b\n[filters]\n", ["# A", "# b", "[filters]"]),
        ('theme = "a"', []),
        ('theme = """\nnord"""\n', []),
        ("theme = 'a#b'#c\n", ["#c"]),
        ('filters = { big = "y", old = "z" } # mine\n', ['old = "z"', "# mine"]),
        ('filters.old = "z"\r\n[other]\r\n', ['filters.old = "z"', "[other]"]),
        ('[other]\ntheme = "mine"\n[other.filters]\nbig = 1', ['theme = "mine"', "[other.filters]", "big = 1"]),
    ],
)
def test_settings_are_changed_however_they_are_written(tmp_path: Path, before: str, kept: list[str]) -> None:
    """A table may have a header, dotted keys, or be written in one line."""
    place = tmp_path / "settings.toml"
    place.write_bytes(before.encode())
    wanted = preferences.changed(preferences.read(str(place)), ["theme=nord", "filter.big=x"])

    preferences.write(wanted, str(place))

    text = place.read_bytes().decode()
    assert [words for words in kept if words not in text] == []
    assert preferences.read(str(place)) == wanted


@given(all_settings, all_settings)
def test_a_second_change_is_read_as_it_was_written(before: Preferences, after: Preferences) -> None:
    """Whatever the file had before."""
    with TemporaryDirectory() as folder:
        place = f"{folder}/settings.toml"
        preferences.write(before, place)
        preferences.write(after, place)

        assert preferences.read(place) == after


@pytest.mark.parametrize("head", ["", "# Written whole by `pepip settings` and `pepip ui`: comments are not kept.\n"])
def test_the_first_line_of_a_new_file_says_how_it_changes(tmp_path: Path, head: str) -> None:
    """Older pepips wrote another first line, which is no longer true."""
    place = tmp_path / "settings.toml"
    place.write_text(head)

    preferences.write(Preferences("nord"), str(place))

    assert place.read_text().count("#") == 1
    assert "All else stays" in place.read_text()
