"""Programs that run without the module `subprocess`: their output, exit codes, and ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pepip.uv import direct_run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has files in memory")

SHELL = "/bin/sh"


def shell(script: str, stdin: str = "") -> tuple[int, str, str]:
    """Run a script of the shell."""
    return direct_run.run([SHELL, "-c", script], stdin, dict(os.environ), None)


def test_a_program_gets_its_input_and_gives_its_output() -> None:
    """Both streams are kept apart, and no input is an empty file."""
    assert shell("cat; echo said >&2; exit 3", "höre\n") == (3, "höre\n", "said\n")
    assert shell("cat") == (0, "", "")
    assert shell("printf 'a\\r\\nb\\rc\\377'") == (0, "a\nb\nc\ufffd", "")


def test_output_of_any_length_is_kept() -> None:
    """More than a pipe holds, on both streams, while nobody reads."""
    line = "x" * 1023
    code, out, err = shell(f"yes {line} | head -3000; yes {line} | head -1000 >&2")

    assert (code, len(out), len(err)) == (0, 3000 * 1024, 1000 * 1024)


def test_a_signal_that_ends_the_program_is_its_code() -> None:
    """As with `subprocess`. Signals that Python ignores are not ignored by the program."""
    assert shell("kill -TERM $$")[0] == -15
    assert shell("kill -PIPE $$")[0] == -13


def test_an_error_meanwhile_ends_the_program_first(tmp_path: Path) -> None:
    """The program gets SIGTERM, and has ended when the error arrives. No descriptor stays open."""
    script = f"trap 'echo ended > {tmp_path}/note; exit' TERM; echo > {tmp_path}/begun; while :; do sleep 0.05; done"
    before = os.listdir("/proc/self/fd")

    def fail() -> None:
        while not (tmp_path / "begun").exists():
            os.sched_yield()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        direct_run.run([SHELL, "-c", script], "", dict(os.environ), fail)

    assert (tmp_path / "note").read_text() == "ended\n"
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_a_program_that_is_missing_is_an_error() -> None:
    """Nothing was started."""
    with pytest.raises(FileNotFoundError):
        direct_run.run(["/nowhere/uv"], "", {}, None)
