"""Files that are made from others: modes and times of copies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pepip.host.transfer import COPY, LINK, Transfer


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
@pytest.mark.parametrize("mode", [0o644, 0o755, 0o600, 0o444])
def test_a_copy_has_the_mode_of_its_source_whatever_the_umask_is(tmp_path: Path, umask: int, mode: int) -> None:
    """Also if nobody may write it."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"text" * 500_000)
    source.chmod(mode)
    before = os.umask(umask)
    try:
        assert not Transfer(COPY).file(str(source), str(target))
    finally:
        os.umask(before)

    assert target.stat().st_mode & 0o7777 == mode
    assert target.read_bytes() == source.read_bytes()


def test_a_copy_keeps_times_unless_it_need_not(tmp_path: Path) -> None:
    """Each time costs a call."""
    source = tmp_path / "source"
    source.write_text("text")
    os.utime(source, (1_000_000_000, 1_000_000_000))

    Transfer(COPY).file(str(source), f"{tmp_path}/same")
    Transfer(COPY, keeps_times=False).file(str(source), f"{tmp_path}/new")

    assert (tmp_path / "same").stat().st_mtime == 1_000_000_000
    assert (tmp_path / "new").stat().st_mtime > 1_000_000_000


@pytest.mark.parametrize("in_turn", [True, False])
@pytest.mark.parametrize("way", [LINK, COPY])
def test_a_tree_has_all_files_and_says_which_are_its_own(tmp_path: Path, way: str, in_turn: bool) -> None:
    """One after the other, and in threads."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    names = [f"file-{number}" for number in range(50)]
    for name in names:
        (source / name).write_text(name)
    found = [(name, (source / name).stat()) for name in names]

    own = Transfer(way).tree(str(source), str(target), found, in_turn=in_turn)

    assert {path.name: path.read_text() for path in target.iterdir()} == {name: name for name in names}
    assert own == (set(names) if way == COPY else set())
    with pytest.raises(FileExistsError):
        Transfer(way).tree(str(source), str(target), found, in_turn=in_turn)
