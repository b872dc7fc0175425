"""Names of distributions, as PyPA's specification of name normalization compares them."""

from __future__ import annotations


def normalize_name(name: str) -> str:
    """Return a distribution's name as PEP 503 compares it: `Zope.Interface` is `zope-interface`."""
    normalized = name.lower().replace("_", "-").replace(".", "-")
    while "--" in normalized:
        normalized = normalized.replace("--", "-")
    return normalized
