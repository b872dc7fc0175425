"""The line of a command that had nothing to do. It is apart from `output`, which takes longer to import."""

from __future__ import annotations

import sys


def sentence(seconds: float) -> str:
    """Return the line, with the time that it took to find out."""
    return f"Nothing to do: all requirements are met ({seconds:.2f}s)"


def say() -> None:
    """Print the line to stderr."""
    sys.stderr.write(sentence(0.0) + "\n")
