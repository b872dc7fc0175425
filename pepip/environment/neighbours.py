"""Finds the distributions of an environment that may have folders or scripts in common with others.

A distribution has *places*: its names in site-packages, its scripts, and its names in the environment's root folder.
Everything below a name is one place, so two distributions without a common place share no folder.
"""

from __future__ import annotations

from pepip.environment import contents, metadata
from pepip.plan.merge import MERGED_SCHEMES, data_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pepip.model import Entry, Environment, Installed, Interpreter


def of(
    environment: Environment,
    names: Collection[str],
    arriving: Iterable[Entry],
    linked: dict[str, Entry],
    foreign: Iterable[Installed],
) -> set[str]:
    """Return the names of the distributions that share a place with changed ones, directly or through others.

    The changed ones are those with `names`, which are in the result, and the `arriving` entries. `linked` and
    `foreign` are the distributions of the environment, as in `change_plan.LinkState`.
    """
    places = {name: _of_entry(environment, entry) for name, entry in linked.items()}
    for item in foreign:
        places[item.name] = places.get(item.name, set()) | _of_foreign(environment, item)
    reached = set[str]().union(*(_of_entry(environment, entry) for entry in arriving))
    reached.update(*(places.get(name, ()) for name in names))
    if _EVERYWHERE in reached.union(*places.values()):
        return {*names, *places}
    found = set(names)
    while near := [name for name, own in places.items() if not reached.isdisjoint(own)]:
        found.update(near)
        reached.update(*map(places.pop, near))
    return found


_EVERYWHERE = "*"
"""The place of a distribution with files in a folder that all distributions share, such as `lib`."""


def _of_entry(environment: Environment, entry: Entry) -> set[str]:
    interpreter = environment.interpreter
    found = {path.partition("/")[0].casefold() for path in (*entry.directories, *entry.files, *entry.opened)}
    found |= {_outside(interpreter, f"{interpreter.scripts}/{x}") for x in metadata.script_names(environment, entry)}
    for scheme, top in {(scheme, path.partition("/")[0]) for scheme, path in entry.data if scheme != "scripts"}:
        if scheme in MERGED_SCHEMES:
            found.add(top.casefold())
        else:
            found.add(_outside(interpreter, data_path(scheme, top, interpreter, entry.name)))
    return found


def _of_foreign(environment: Environment, distribution: Installed) -> set[str]:
    names, others = contents.first_parts(environment, distribution)
    return {*map(str.casefold, names), *(_outside(environment.interpreter, path) for path in others)}


def _outside(interpreter: Interpreter, path: str) -> str:
    """Return the place of a path outside of site-packages. Case is folded: some file systems ignore it."""
    if path.startswith(f"{interpreter.scripts}/"):
        return path.casefold()
    top = path.partition("/")[0].casefold()
    frame = {folder.partition("/")[0].casefold() for folder in (interpreter.site_packages, interpreter.scripts)}
    return _EVERYWHERE if top in frame or top == "lib64" else f"{top}/"
