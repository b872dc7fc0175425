"""Programs with piped output: what they say, how they end, and what they get."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import pytest

from pepip.uv.piped import Piped

pytestmark = pytest.mark.skipif(not hasattr(os, "posix_spawn"), reason="the system has no posix_spawn")


def started(script: str, *, stdin: bool = False) -> Piped:
    """Start a script of Python."""
    return Piped([sys.executable, "-I", "-S", "-c", script], {"GREETING": "hello"}, stdin=stdin)


def test_both_outputs_are_read_however_much_comes_first_on_one() -> None:
    """More than a pipe holds, in any order, with every kind of line end."""
    script = "import os; os.write(2, b'e' * 300_000); os.write(1, b'o' * 300_000 + b'\\r\\na\\rb\\xff')"

    out, err = (process := started(script)).communicate(None)

    assert (out, err) == ("o" * 300_000 + "\na\nb\N{REPLACEMENT CHARACTER}", "e" * 300_000)
    assert process.returncode == 0


def test_input_is_passed_whole_and_may_be_left_unread() -> None:
    """A program that echoes as it reads, one that reads nothing, and one that has no input."""
    echo = "import sys\nfor line in sys.stdin: sys.stdout.write(line)"
    text = "".join(f"line {number}\n" for number in range(40_000))

    assert started(echo, stdin=True).communicate(text)[0] == text
    assert started("print(1)", stdin=True).communicate(text)[0] == "1\n"
    assert started("import sys; print(repr(sys.stdin.read()))").communicate(None)[0] == "''\n"


def test_a_program_gets_its_variables_and_the_usual_signals() -> None:
    """Python itself ignores SIGPIPE; a program that inherits that behaves otherwise than in a shell."""
    assert started("import os; print(os.environ['GREETING'])").communicate(None)[0] == "hello\n"
    if sys.platform == "linux":
        told = Piped(["/bin/cat", "/proc/self/status"], {}, stdin=False).communicate(None)[0]
        ignored = int(told.partition("SigIgn:")[2].split()[0], 16)
        assert not any(ignored >> (number - 1) & 1 for number in (signal.SIGPIPE, signal.SIGXFSZ))


def test_the_end_of_a_program_is_told() -> None:
    """An exit code, a signal, and a program that runs on after it has closed its outputs."""
    codes = {"raise SystemExit(3)": 3, "import os; os.kill(os.getpid(), 9)": -9, "import os; os._exit(0)": 0}
    late = "import os, time; os.close(1); os.close(2); time.sleep(0.3); os._exit(4)"
    for script, code in {**codes, late: 4}.items():
        process = started(script)
        process.communicate(None)
        assert process.returncode == code


def test_a_program_that_is_ended_meanwhile_is_waited_for() -> None:
    """From another thread, as the app does; once more is no error."""
    process = started("import time; print('up', flush=True); time.sleep(60)")
    timer = threading.Timer(0.3, process.terminate)
    began = time.monotonic()

    timer.start()
    process.communicate(None)
    process.terminate()

    assert process.returncode == -15
    assert time.monotonic() - began < 30
    assert process.communicate(None) == ("", "")


def test_no_descriptor_is_left() -> None:
    """Nor after a program that does not start."""
    before = len(os.listdir("/dev/fd"))

    started("print(1)", stdin=True).communicate("text")
    with pytest.raises(FileNotFoundError):
        Piped(["/no/such/program"], {}, stdin=True)

    assert len(os.listdir("/dev/fd")) == before
