"""What a refusal looks like: one `error:` line that names the cause, an exit code, and nothing else."""

from __future__ import annotations

from tests.support.machines import Output


def assert_refused(output: Output, *words: str, exit_codes: tuple[int, ...] = (1, 2)) -> None:
    """Assert that pepip refused with one `error:` line and that it said all `words`, in any line.

    Nothing is on stdout, and no traceback anywhere.
    """
    shown = f"exit {output.returncode}\n{output.stdout}{output.stderr}"
    errors = [line for line in output.stderr.splitlines() if line.startswith("error:")]

    assert "Traceback" not in output.stdout + output.stderr, shown
    assert output.returncode in exit_codes, shown
    assert len(errors) == 1, shown
    assert output.stdout == "", shown
    for word in words:
        assert word in output.stderr, shown
