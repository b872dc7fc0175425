"""`pepip tool` and `pepip x`: uv installs and runs tools, and pepip links their packages.

uv makes the receipts, launchers and folders. For any command but `install`, `upgrade` and `run`, this process becomes
uv at once.
"""

from __future__ import annotations

import contextlib
import os
import time

from pepip import names, paths
from pepip.cli import stdin
from pepip.errors import PepipError, UvError
from pepip.uv import answer_cache, arguments, handover, own_environments, process, up_to_date, writable_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from pepip.operations.uv_environments import Run
    from pepip.store.root import Store

_CHANGES = ("install", "upgrade")
_ANEW = frozenset(("--refresh", "--reinstall", "--force-reinstall", "-U", "--upgrade"))
_ANEW_BY_NAME = frozenset(("--refresh-package", "--reinstall-package", "--upgrade-package", "-P"))
"""The options by which uv may make one more environment when the same words are run again."""

_HELP = frozenset(("-h", "--help", "--show-settings"))
_VALUES_OF_RUN = frozenset(
    (
        *("--from", "-w", "--with", "--with-editable", "--with-requirements", "--env-file", "-p", "--python"),
        *("-c", "--constraints", "--constraint", "--build-constraints", "--build-constraint", "-b"),
        *("--overrides", "--override", "--python-platform", "--torch-backend", "--reinstall-package"),
        *("--no-build-package", "--no-binary-package", "--with-executables-from", "--excludes"),
    )
)
"""The options of `uv tool run` that take a value, beside those that many commands share."""


def run(words: Sequence[str]) -> int:
    """Run `pepip tool` with the words that follow its name. Returns uv's exit code."""
    before, rest = _split(words)
    command = "".join(rest[:1])
    if command == "run":
        return _run_tool(["tool", *words], [*before, *rest[1:]])
    if command not in _CHANGES or not _HELP.isdisjoint(words):
        return handover.become(["tool", *words])
    return _change(words)


def run_x(words: Sequence[str]) -> int:
    """Run `pepip x`, which is `uvx`. Returns uv's exit code."""
    return _run_tool(["tool", "run", *words], words)


def _run_tool(words: Sequence[str], of_run: Sequence[str]) -> int:
    """Let uv run a tool by these words. `of_run` are the words without those that name the command of uv."""
    of_uv, tool = _split(of_run)
    source = next(arguments.values_of(of_uv, "--from"), "")
    named = source or next((word for word in tool if word != "--"), "")
    probe: Sequence[str] = ["tool", "run", *of_uv, *(() if source else ("--from", named))]
    files = [word.rpartition("=")[2] for word in of_uv]  # other words are no names of a pipe
    if any(map(stdin.is_read_once, files)):
        probe = ()  # uv could not read the file again
    content = stdin.text_kept() if "-" in files else ""
    return run_as_uv(words, of_uv=of_uv, label=f"uvx {named}".strip(), probe=probe, content=content)


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split words into uv's leading options and the rest. Without such options, argparse is not imported."""
    if not words or not words[0].startswith("-"):
        return [], list(words)
    from pepip.cli import uv_options

    return uv_options.split(words, values=_VALUES_OF_RUN | uv_options.GLOBAL_VALUES | uv_options.VALUES_OF_ALL)


def run_as_uv(
    words: Sequence[str],
    *,
    of_uv: Sequence[str],
    label: str,
    probe: Sequence[str],
    name: str = "",
    links_before_run: bool = False,
    content: str = "",
) -> int:
    """Let uv run a command that may get an environment in uv's cache, and link that environment when uv has ended.

    `of_uv` are those of the words that are options of uv, and not of the command. `name` is the first word of uv's
    command line, as in `handover.become`. `probe` are the words by which uv starts another program in the same
    environment; the words of that program follow them. It is empty if there are no such words. With
    `links_before_run`, uv first makes the environment for an empty program, pepip links it, and then this process
    becomes uv for the user's command. `content` is the script, or the requirements, that come from stdin.

    This process becomes uv at once if there is no store or no cache, or if a command with the same `probe` was
    run before, and since then uv has made no environment and no file that the command names has changed. If uv then
    makes one all the same, such as for a new version, the next such command links it. Otherwise returns uv's exit
    code.
    """
    of_tool = words[0] == "tool"
    if of_tool and writable_cache.is_temporary():
        with contextlib.suppress(UvError):
            writable_cache.ensure_tools(_folder_of_tools())
    noted, store_root = probe or [*words, content], paths.known_store_root(os.environ)
    if store_root and up_to_date.are_linked(store_root, noted):
        return handover.become(words, name=name)
    from pepip.operations import uv_environments

    store = _store(of_uv, of_tool=of_tool)
    cache = own_environments.cache_of(of_uv, of_tool=of_tool)
    making = [*probe, "python", "-c", ""] if links_before_run else words
    if store is None or not cache or not _HELP.isdisjoint(of_uv):
        return handover.become(words, name=name)
    last, began_at_ns = uv_environments.last_run(store.root, noted), time.time_ns()
    asked = answer_cache.states(own_environments.named_files(of_uv))
    before = own_environments.in_cache(cache)
    code = process.run_uv_attached(making, name=name)
    after, now = uv_environments.state(cache), own_environments.in_cache(cache)
    new = [root for root in now if root not in {*before}]
    mine = _of_command(probe, new, before, last)
    if mine:
        _link(store, mine, label=label)
    if store.exists() and (mine or (code == 0 and not new)):
        run = uv_environments.Run(began_at_ns, tuple(mine))
        uv_environments.note_linked(store.root, noted, run, [*asked, *after])
    if links_before_run and code == 0:
        return handover.become(words, name=name)
    return _as_exit_code(code)


def _of_command(probe: Sequence[str], new: Sequence[str], before: Sequence[str], last: Run | None) -> Sequence[str]:
    """Return the environments in uv's cache that belong to the command with this `probe`, and may lack links.

    These are `new` ones, although another process may have made some of them, and those that uv made since the `last`
    run. Without a probe, the command gets the new environment if there is only one, and else that of its last run.
    """
    from pepip.operations import uv_environments

    if not probe:
        return new if len(new) == 1 else [root for root in (last.environments if last else ()) if root in before]
    found = [*new, *(uv_environments.made_since(last, before) if last else ())]
    again = arguments.without(probe, flags=_ANEW, values=_ANEW_BY_NAME)
    return own_environments.used_by([*again, *own_environments.SHOWS_ITS_PATH], found) if found else ()


def _change(words: Sequence[str]) -> int:
    """Let uv install or upgrade tools, and link the tools that it has changed. Others may change meanwhile, too."""
    store = _store(words, of_tool=True)
    try:
        folder = _folder_of_tools()
    except UvError:
        folder = ""
    if store is None or not folder:
        return handover.become(["tool", *words])
    before = own_environments.tools(folder)
    code = process.run_uv_attached(["tool", *words])
    changed = [root for root, state in own_environments.tools(folder).items() if before.get(root) != state]
    mine = _meant(words, changed, before)
    if mine:
        _link(store, mine)
    return _as_exit_code(code)


def _meant(words: Sequence[str], changed: Sequence[str], before: Collection[str]) -> Sequence[str]:
    """Return those of the `changed` tools that the words of `uv tool install` or `upgrade` mean.

    A path or a URL may mean the only tool that has changed. `upgrade --all` means every tool that was there `before`.
    """
    (command, *rest), given = _split(words)[1], []
    while rest:
        rest = _split(rest)[1]
        given += [word for word in rest[:1] if word != "--"]
        rest = rest[1:]
    if not given and command == "upgrade":
        return [root for root in changed if root in before]
    named = {_name_of_tool(word) for word in given}
    mine = [root for root in changed if os.path.basename(root) in named]
    return changed if "" in named and len(changed) == 1 else mine


def _name_of_tool(requirement: str) -> str:
    """Return the name of the tool that a requirement names, empty if it is a path or a URL."""
    import re

    match = re.match(r"([A-Za-z0-9._-]+)\s*($|[\[<>=!~@;])", requirement)
    is_file = requirement.endswith((".whl", ".zip", ".gz"))
    return names.normalize_name(match[1]) if match and not is_file else ""


def _folder_of_tools() -> str:
    """Return the folder in which uv keeps tools. Raises UvError."""
    return process.run(["tool", "dir", "--color", "never"]).stdout.strip()


def _store(words: Sequence[str], *, of_tool: bool) -> Store | None:
    """Return the store to link from. None if the link mode asks for real files, or if no store can be used.

    With `of_tool`, the settings of a project do not count, as with `uv tool`.
    """
    from pepip.cli.stores import open_store
    from pepip.uv import link_mode

    try:
        store = open_store()
        is_own = bool(link_mode.chosen(words, link_mode.TOOL if of_tool else link_mode.PROJECT))
    except PepipError:
        return None  # uv reports the error
    return None if is_own or (store.exists() and not store.is_writable()) else store


def _link(store: Store, roots: Iterable[str], *, label: str = "") -> None:
    from pepip.cli import output
    from pepip.operations import uv_environments

    output.follow(uv_environments.link(store, roots, label=label), output.Reporter(verbosity=0))


def _as_exit_code(code: int) -> int:
    """Return the exit code that a shell reports for a program that ended by itself or by a signal."""
    return code if code >= 0 else 128 - code
