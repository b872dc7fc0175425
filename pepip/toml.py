"""Reading TOML: by the standard library, and by tomli on Python 3.10."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def loads(text: str) -> dict[str, Any]:
    """Return the document that a text holds. Raises ValueError if it is no TOML, RecursionError if it is too deep."""
    document: dict[str, Any] = tomllib.loads(text)
    return document
