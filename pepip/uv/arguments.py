"""Turns a request into words on uv's command line, and selects options and files by name."""

from __future__ import annotations

import os

from pepip.uv import settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from pepip.uv.request import Request

NO_CACHE = frozenset(("--no-cache", "--no-cache-dir", "-n"))
REINSTALL = frozenset(("--reinstall", "--force-reinstall"))
INDEXES = ("--index", "--default-index", "--index-url", "-i", "--extra-index-url", "--find-links", "-f")
_UNKNOWN = "unknown"


def as_given(request: Request) -> list[str]:
    """Return a request as arguments of `uv pip install`, `sync` or `uninstall`."""
    arguments = [*request.common_options, *request.resolver_options, *request.installer_options]
    for path in request.requirement_files:
        arguments += [path] if request.is_whole else ["-r", path]
    for path in request.constraint_files:
        arguments += ["-c", path]
    for path in request.editables:
        arguments += ["-e", path]
    if request.no_deps:
        arguments.append("--no-deps")
    return [*arguments, "--", *request.packages] if request.packages else arguments


def is_lock(path: str) -> bool:
    """Tell whether a requirements file is a lock in the format of PEP 751 (`pylock.toml`, `pylock.dev.toml`)."""
    name = os.path.basename(path)
    return name.startswith("pylock.") and name.endswith(".toml")


def without(options: Sequence[str], flags: Collection[str] = (), values: Collection[str] = ()) -> list[str]:
    """Return the options without these `flags`, and without the options in `values` and their values."""
    kept = []
    words = iter(options)
    for word in words:
        name = word.partition("=")[0]
        if name in values:
            if name == word:
                next(words, "")
        elif word not in flags:
            kept.append(word)
    return kept


def only(options: Sequence[str], names: Mapping[str, bool]) -> list[str]:
    """Return the options with these names, and their values. `names` maps each name to whether it takes a value."""
    kept = []
    words = iter(options)
    for word in words:
        name, separator, _ = word.partition("=")
        if name in names:
            kept += [word, *([next(words, "")] if names[name] and not separator else [])]
    return kept


def values_of(options: Sequence[str], *names: str) -> Iterator[str]:
    """Yield the values of the options with these names."""
    for position, word in enumerate(options):
        name, separator, value = word.partition("=")
        if name in names:
            yield value if separator else next(iter(options[position + 1 : position + 2]), "")


def wants_no_cache(request: Request) -> bool:
    """Tell whether uv may be told to use no cache."""
    return (
        not NO_CACHE.isdisjoint(request.common_options)
        or settings.is_on("UV_NO_CACHE")
        or settings.may_mention("no-cache")
    )


def names_index(request: Request) -> bool:
    """Tell whether the option `--index` names an index. Then uv ignores the variable `UV_INDEX`."""
    return any(True for _ in values_of(request.common_options, "--index"))


def link_mode(request: Request) -> str:
    """Return the link mode of the request: empty if it has none, `unknown` if only a settings file may name one."""
    told = next(values_of(request.common_options, "--link-mode"), "") or os.environ.get("UV_LINK_MODE", "")
    return told or (_UNKNOWN if settings.may_mention("link-mode") else "")
