"""The question for the interpreter of a new environment: it changes with all that may change uv's choice."""

from __future__ import annotations

from pathlib import Path

import pytest

from pepip.uv import answer_cache, python_choice


@pytest.fixture
def pyenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the root of a pyenv whose shims are on PATH."""
    root = tmp_path / "pyenv"
    for folder in ("shims", "versions/3.12.1/bin", "versions/3.11.7/bin"):
        (root / folder).mkdir(parents=True)
    (root / "shims" / "python").touch()
    (tmp_path / "project").mkdir()
    (tmp_path / "tools").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("PATH", f"{root}/shims:{tmp_path}/tools")
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    monkeypatch.delenv("PYENV_VERSION", raising=False)
    return root


def _asked() -> object:
    question = python_choice.question("3.12")
    return question and (question.words, answer_cache.states(question.places))


@pytest.mark.parametrize("change", ["variable", "version here", "version above", "global version", "installed"])
def test_the_question_changes_with_all_that_decides_on_the_version_of_pyenv(
    pyenv: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """A shim starts another interpreter then."""
    before = _asked()
    assert before
    assert _asked() == before

    if change == "variable":
        monkeypatch.setenv("PYENV_VERSION", "3.11.7")
    elif change == "installed":
        (pyenv / "versions" / "3.13.0").mkdir()
    else:
        place = {"version here": "../project/.python-version", "version above": "../.python-version"}
        Path(place.get(change, pyenv / "version")).write_text("3.11.7\n")

    assert _asked() != before


def test_other_shims_leave_the_question_to_uv(pyenv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only pyenv's rules are known."""
    (tmp_path / "asdf" / "shims").mkdir(parents=True)
    monkeypatch.setenv("PATH", f"{tmp_path}/asdf/shims:{pyenv}/shims")

    assert python_choice.question("3.12") is None


def test_a_program_on_path_that_is_no_interpreter_does_not_count(
    pyenv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither does a folder on PATH that has no interpreter, such as one in the project's own folder."""
    before = _asked()
    (tmp_path / "tools" / "jq").touch()
    (tmp_path / "project" / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{pyenv}/shims:{tmp_path}/tools:{tmp_path}/project/bin")
    assert _asked() == before

    (tmp_path / "project" / "bin" / "python3.12").touch()
    assert _asked() != before
