"""Assertions on refusals: one `error:` line that names the cause, an exit code, and nothing on stdout.

If uv refuses, pepip repeats uv's words and exit code.
"""

from __future__ import annotations

from tests.support.machines import Output


def assert_refused(output: Output, *words: str, exit_codes: tuple[int, ...] = (1, 2)) -> None:
    """Assert that pepip refused with one `error:` line, and that stderr contains all `words`.

    There must be nothing on stdout, and no traceback.
    """
    shown = f"exit {output.returncode}\n{output.stdout}{output.stderr}"
    errors = [line for line in output.stderr.splitlines() if line.startswith("error:")]

    assert "Traceback" not in output.stdout + output.stderr, shown
    assert output.returncode in exit_codes, shown
    assert len(errors) == 1, shown
    assert output.stdout == "", shown
    for word in words:
        assert word in output.stderr, shown


def assert_refused_alike(by_uv: Output, by_pepip: Output, *, but: tuple[str, ...] = ()) -> None:
    """Assert that uv refused, and that pepip printed all lines of uv's complaint and ended with uv's exit code.

    Lines that contain one of the texts `but` are not compared. A sentence may be the error in one output and its
    cause in the other. uv's project is in a folder `by-uv`, pepip's in `pepip`.
    """
    shown = f"uv: exit {by_uv.returncode}\n{by_uv.stderr}\npepip: exit {by_pepip.returncode}\n{by_pepip.stderr}"
    lines = [_sentence(line) for line in by_uv.stderr.replace("/by-uv/", "/pepip/").splitlines()]
    is_start = [line.startswith(("error:", "\u00d7")) for line in by_uv.stderr.splitlines()]
    said = {_sentence(line) for line in by_pepip.stderr.splitlines()}

    assert by_uv.returncode != 0, shown
    assert any(is_start), shown
    assert by_pepip.returncode == by_uv.returncode, shown
    assert by_pepip.stderr.count("Traceback") <= by_uv.stderr.count("Traceback"), shown
    assert by_pepip.stdout == by_uv.stdout, shown
    complaint = [line for line in lines[is_start.index(True) :] if not any(text in line for text in but)]
    assert [line for line in complaint if line not in said] == [], shown


def _sentence(line: str) -> str:
    sentence = line.strip().removeprefix("error: ").removeprefix("cause: ")
    return sentence.replace("failed to clone into", "failed to fetch into")  # the second command finds a clone
