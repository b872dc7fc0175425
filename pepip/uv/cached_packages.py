"""Distributions in uv's cache: their folders, and their removal.

uv keeps a pointer to each wheel below its distribution's name, and the unpacked wheel in a folder of its own.
`uv cache clean NAME` removes both, for all versions. `uv cache prune` removes neither. Source: uv's documentation of
its cache, and the folders in that cache.
"""

from __future__ import annotations

import os

from pepip import paths
from pepip.uv import cacheable, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


def trees_of(names: Collection[str]) -> list[str]:
    """Return the trees in uv's cache that `clean` removes. Empty if the cache is elsewhere, or has another layout."""
    cache = cacheable.cache_folder()
    if not cache or not names:
        return []
    found = []
    for bucket in (*cacheable.folders(cache, "wheels-v"), *cacheable.folders(cache, "sdists-v")):
        for origin in _origins(bucket):
            found += [f"{origin}/{name}" for name in names if os.path.isdir(f"{origin}/{name}")]
    archives = {archive for tree in found for archive in _archives(tree, cache)}
    pages = [
        f"{origin}/{name}.rkyv"
        for bucket in cacheable.folders(cache, "simple-v")
        for origin in _origins(bucket)
        for name in names
    ]
    return [*found, *sorted(archives), *filter(os.path.isfile, pages)]


def _origins(bucket: str) -> Iterator[str]:
    """Yield the folders of a bucket with distributions by name: `pypi`, and one for each other index or URL."""
    for kind in cacheable.below(bucket):
        yield kind
        if os.path.basename(kind) != "pypi":
            yield from cacheable.below(kind)


def _archives(tree: str, cache: str) -> Iterator[str]:
    """Yield the folders of unpacked wheels that the links in `tree` point to."""
    home = paths.real(cache)
    for folder, folders, files in os.walk(tree):
        for name in (*folders, *files):
            place = paths.real(f"{folder}/{name}")
            bucket = os.path.dirname(place)
            is_archive = os.path.dirname(bucket) == home and os.path.basename(bucket).startswith("archive-v")
            if is_archive and os.path.isdir(place):
                yield place


def clean(names: Collection[str]) -> None:
    """Remove distributions from uv's cache. Waits for a running uv. Raises UvError."""
    process.run(["cache", "clean", *sorted(names)])
