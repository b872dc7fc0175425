"""The entry point of `pepip` and of `python -m pepip`."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> int:
    """Run the command line and return its exit code."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from pepip import __version__

        sys.stdout.write(f"pepip {__version__}\n")
        return 0
    from pepip.cli.main import run

    return run(sys.argv[1:])


def start() -> NoReturn:
    """Run the command line and end the process.

    Most commands live for the time that looking for garbage, and taking apart at the end what was loaded, would take
    as well: the first is put off, the second is left to the system where no other thread is.
    """
    import gc
    import os

    gc.set_threshold(100_000)
    code = main()
    try:
        sys.stdout.flush()
    except OSError as error:
        if not code:
            sys.stderr.write(f"error: {error.strerror}\n")
        code = code or 1
    if "threading" not in sys.modules:
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    start()
