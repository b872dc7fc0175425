"""The room of the answer cache."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pepip.host import user_cache
from pepip.uv import answer_cache

pytestmark = pytest.mark.unit


def test_the_older_half_of_too_many_answers_goes_and_other_files_stay(tmp_path: Path) -> None:
    """The folder holds other notes, too, which may be older than any answer."""
    answers = [f"install-{number:032x}" for number in range(520)]
    others = ["aliases", "site-packages", "scan.json"]
    folder = Path(user_cache.folder_in(str(tmp_path)))
    folder.mkdir(mode=0o700)
    for age, name in enumerate([*reversed(answers), *others]):
        (folder / name).write_text("")
        os.utime(folder / name, (1_000_000 - age, 1_000_000 - age))

    answer_cache.AnswerCache(str(tmp_path)).remember(answer_cache.key("sync"), "answer", [])

    left = set(os.listdir(folder))
    assert left >= {*others, *answers[260:]}
    assert not left & set(answers[:260])


def test_a_damaged_answer_is_no_answer(tmp_path: Path) -> None:
    """Whatever bit of the file has changed, uv is asked again."""
    key = answer_cache.key("environment")
    answers = answer_cache.AnswerCache(str(tmp_path))
    answers.remember(key, '[["file", "bin/activate", "# é"]]', answer_cache.states([str(tmp_path / "pyvenv.cfg")]))
    assert answers.recall(key) == '[["file", "bin/activate", "# é"]]'
    path = Path(user_cache.folder_in(str(tmp_path)), key)
    whole = path.read_bytes()

    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        assert answers.recall(key) is None
        path.write_bytes(whole[:at])
        assert answers.recall(key) is None
