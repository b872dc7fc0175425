"""Files and folders that several runs make at the same moment."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pepip.host import exchange, files, run_dirs, temp_dirs

pytestmark = pytest.mark.unit


def test_a_file_that_several_threads_write_is_always_whole(tmp_path: Path) -> None:
    """Each writes under a name of its own first. No write fails, and no reader finds a part."""
    path = tmp_path / "file"
    contents = [bytes([number]) * 200_000 for number in range(4)]
    path.write_bytes(contents[0])

    def write(number: int) -> None:
        for _ in range(50):
            files.write_whole(os.fspath(path), contents[number])

    with ThreadPoolExecutor(4) as pool:
        writing = [pool.submit(write, number) for number in range(4)]
        while not all(job.done() for job in writing):
            assert path.read_bytes() in contents
        for job in writing:
            job.result()

    assert os.listdir(tmp_path) == ["file"]


def test_a_file_with_the_longest_name_is_written(tmp_path: Path) -> None:
    """The name under which it is written first does not depend on it."""
    path = tmp_path / ("n" * 255)

    files.write_whole(os.fspath(path), b"ink")

    assert path.read_bytes() == b"ink"


def test_several_runs_try_at_once_whether_names_can_be_exchanged(tmp_path: Path) -> None:
    """All get the same answer. A killed run that left its files is no hindrance."""
    (tmp_path / ".exchange-1").touch()

    with ThreadPoolExecutor(4) as pool:
        answers = set(pool.map(lambda _: exchange.is_atomic(os.fspath(tmp_path)), range(200)))

    assert len(answers) == 1
    assert os.listdir(tmp_path) == [".exchange-1"]


@pytest.mark.parametrize("step", [1, 2, 3])
def test_an_exchange_that_is_interrupted_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Ctrl-C comes before one of the three renames that stand for an exchange where the system has none."""
    names = ["one", "other"]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    usual, calls = os.rename, []

    def rename(source: str, target: str) -> None:
        calls.append(target)
        if len(calls) == step:
            raise KeyboardInterrupt
        usual(source, target)

    monkeypatch.setattr(exchange, "_in_one_step", lambda *_: False)
    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(KeyboardInterrupt):
        exchange.exchange(*(os.fspath(tmp_path / name) for name in names))

    assert {path.name: os.listdir(path) for path in tmp_path.iterdir()} == {name: [name] for name in names}


def test_a_temporary_folder_always_has_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run removes the user's folder before this run makes its lock, and a third makes it before the `mkdir`.

    Without a lock, every run would take the temporary folder for an abandoned one.
    """
    monkeypatch.setattr("tempfile.tempdir", os.fspath(tmp_path))
    mkdir, opening = os.mkdir, os.open
    tries = []

    def open_late(path: str, flags: int, *arguments: int) -> int:
        own = os.path.dirname(path)
        if flags & os.O_CREAT and not tries:
            tries.append(path)
            os.rmdir(own)
        return opening(path, flags, *arguments)

    def mkdir_late(path: str, mode: int = 0o777) -> None:
        own = os.path.dirname(path)
        if tries and not os.path.lexists(own):
            mkdir(own, 0o700)
        mkdir(path, mode)

    monkeypatch.setattr(os, "open", open_late)
    monkeypatch.setattr(os, "mkdir", mkdir_late)
    with temp_dirs.folder() as made:
        assert tries
        assert run_dirs.is_in_use(made)

    assert list(tmp_path.iterdir()) == []
