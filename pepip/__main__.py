"""The entry point of `pepip` and of `python -m pepip`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line and return its exit code."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from pepip import __version__

        sys.stdout.write(f"pepip {__version__}\n")
        return 0
    from pepip.cli.main import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
