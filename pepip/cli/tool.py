"""`pepip tool` and `pepip x`: uv installs and runs tools, and pepip links their packages.

Receipts, launchers and folders are uv's. A command that makes no new environment becomes uv at once.
"""

from __future__ import annotations

import contextlib

from pepip.errors import PepipError, UvError
from pepip.uv import own_environments, process, writable_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pepip.store.root import Store

_CHANGES = ("install", "upgrade")
_HELP = frozenset(("-h", "--help", "--show-settings"))
_GLOBAL_VALUES = frozenset(
    ("--color", "--directory", "--project", "--config-file", "--cache-dir", "--allow-insecure-host")
)


def run(words: Sequence[str]) -> int:
    """Run `pepip tool` with the words that follow its name. Returns uv's exit code."""
    position = 0
    while position < len(words) and words[position].startswith("-"):
        position += 2 if words[position] in _GLOBAL_VALUES else 1
    command = words[position] if position < len(words) else ""
    if command == "run":
        return run_as_uv(["tool", *words], label=_label_of_tool(words[position + 1 :]))
    if command not in _CHANGES or not _HELP.isdisjoint(words):
        return process.become(["tool", *words])
    return _change(words)


def run_x(words: Sequence[str]) -> int:
    """Run `pepip x`, which is `uvx`. Returns uv's exit code."""
    return run_as_uv(["tool", "run", *words], label=_label_of_tool(words))


def run_as_uv(words: Sequence[str], *, label: str, name: str = "", first: Sequence[str] = ()) -> int:
    """Let uv run a command that may get an environment in uv's cache, and link that environment when uv has ended.

    `name` is the first word of uv's command line, as in `process.become`. `first` are the words of another command
    for which uv makes the same environment. uv runs that command first, and pepip links the environment before the
    user's command starts. If the same words were run before, and uv has made no environment since, this process
    becomes uv at once. Otherwise returns uv's exit code.
    """
    from pepip.operations import own_environments as environment_links

    if writable_cache.is_temporary() and words[0] == "tool":
        with contextlib.suppress(UvError):
            writable_cache.ensure_tools(_folder_of_tools())
    store = _store(words)
    cache = own_environments.cache_of(words)
    making = first or words
    if store is None or not cache or not _HELP.isdisjoint(words) or environment_links.is_linked(store.root, making):
        return process.become(words, name=name)
    before = set(own_environments.in_cache(cache))
    code = process.run_uv_attached(making, name=name)
    after = environment_links.state(cache)
    new = [root for root in own_environments.in_cache(cache) if root not in before]
    if new:
        _link(store, new, label=label)
    if code == 0 and store.exists():
        environment_links.note_linked(store.root, making, after)
    if first and code == 0:
        return process.become(words, name=name)
    return _as_exit_code(code)


def _change(words: Sequence[str]) -> int:
    """Let uv install or upgrade tools, and link the tools that it has changed."""
    store = _store(words)
    try:
        folder = _folder_of_tools()
    except UvError:
        folder = ""
    if store is None or not folder:
        return process.become(["tool", *words])
    before = own_environments.tools(folder)
    code = process.run_uv_attached(["tool", *words])
    changed = [root for root, state in own_environments.tools(folder).items() if before.get(root) != state]
    if changed:
        _link(store, changed)
    return _as_exit_code(code)


def _folder_of_tools() -> str:
    """Return the folder in which uv keeps tools. Raises UvError."""
    return process.run(["tool", "dir", "--color", "never"]).stdout.strip()


def _store(words: Sequence[str]) -> Store | None:
    """Return the store to link from. None if the link mode asks for real files, or if no store can be used."""
    from pepip.cli.stores import open_store
    from pepip.uv import link_mode

    try:
        store = open_store()
        is_own = bool(link_mode.chosen(words, of_project=False))
    except PepipError:
        return None  # uv reports the error
    return None if is_own or (store.exists() and not store.is_writable()) else store


def _link(store: Store, roots: Iterable[str], *, label: str = "") -> None:
    from pepip.cli import output
    from pepip.operations import own_environments as environment_links

    output.follow(environment_links.link(store, roots, label=label), output.Reporter(verbosity=0))


def _as_exit_code(code: int) -> int:
    """Return the exit code that a shell reports for a program that ended by itself or by a signal."""
    return code if code >= 0 else 128 - code


def _label_of_tool(words: Sequence[str]) -> str:
    """Return `uvx` and the name of the tool, as far as the words of the command name one."""
    named = next((words[at + 1] for at, word in enumerate(words[:-1]) if word == "--from"), "")
    first = next((word for word in words if not word.startswith("-")), "")
    return f"uvx {named or first}".strip()
