"""The tests. The folders are those of the package; CONTRIBUTING says what else there is."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The checkout."""
