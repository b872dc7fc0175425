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
    """Whatever text they hold. The first line says who writes the file."""
    with TemporaryDirectory() as folder:
        place = f"{folder}/new/settings.toml"
        preferences.write(settings, place)

        assert preferences.read(place) == settings
        assert Path(place).read_text().startswith("# Written whole by")


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
