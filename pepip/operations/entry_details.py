"""Everything about one entry: its users, dependencies, dependants and origin, and how environments link it."""

from __future__ import annotations

import os
import re
from email.message import Message
from email.parser import HeaderParser
from email.policy import compat32

from packaging.requirements import InvalidRequirement, Requirement

from pepip import paths
from pepip.environment import contents
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files
from pepip.names import normalize_name
from pepip.operations import census
from pepip.store import entries
from pepip.wheel import libraries
from pepip.wheel.scripts import OF_PYTHON

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pepip.model import Entry
    from pepip.operations.census import Census, KnownVenv
    from pepip.store.listing import Stored
    from pepip.store.root import Store


class User(NamedTuple):
    """An environment that links an entry, or has real files from it.

    `unfolded` has the folders that could be linked whole, but are real in this environment. For each folder it
    has the names of the other distributions that have files there.
    """

    environment: str
    unfolded: dict[str, list[str]]


class Details(NamedTuple):
    """The known facts about an entry.

    `dependencies` are requirement lines. `dependants` are the ids of entries whose requirements name its
    distribution. `opened` are the folders that are real in every environment, each with the reason in words.
    `links` maps `homepage`, `changelog` and `source` to pages, as far as the distribution names them. `licence` is
    the licence in the words of the metadata.
    """

    stored: Stored
    entry: Entry
    summary: str
    dependencies: tuple[str, ...]
    dependants: tuple[str, ...]
    scripts: tuple[str, ...]
    users: tuple[User, ...]
    opened: dict[str, str]
    links: dict[str, str] = {}  # noqa: RUF012 - never changed
    licence: str = ""


def requirements(stored: Stored) -> tuple[str, ...]:
    """Return the requirement lines of an entry, except those of its extras. They never change."""
    return tuple(_requirements(_metadata(stored.path)))


def requirements_in(folder: str, dist_info: str) -> tuple[str, ...]:
    """Return the requirement lines of the distribution with this `.dist-info` folder, except those of its extras."""
    return tuple(_requirements(_headers(f"{folder}/{dist_info}/METADATA")))


def all_requirements_in(folder: str, dist_info: str) -> tuple[str, ...]:
    """Return the requirement lines of the distribution with this `.dist-info` folder, also those of its extras."""
    return tuple(_headers(f"{folder}/{dist_info}/METADATA").get_all("Requires-Dist", []))


def private_dependants(known: KnownVenv, name: str) -> list[str]:
    """Return the names of an environment's distributions that no entry has, and whose requirements name `name`."""
    own = [item for item in known.packages if not item.store_id]
    try:
        folders = contents.site_packages_of(known.environment) if own else []
    except OSError:
        return []
    return [
        item.name
        for item in own
        if any(_name_of(line) == name for folder in folders for line in requirements_in(folder, item.dist_info))
    ]


def show(
    store: Store,
    name: str,
    version: str = "",
    *,
    seen: Census | None = None,
    needed: Mapping[str, Sequence[str]] | None = None,
) -> list[Details]:
    """Return the details of all entries of a distribution, or of one version of it. Damaged entries are left out.

    `seen` is a census that was taken before, with layers if their entries are wanted. `needed` holds the
    `requirements` of all its entries, by id.
    """
    seen = seen or census.take(store, with_layers=True)
    known = [*seen.stored, *seen.layered]
    chosen = [
        item
        for item in known
        if item.name == normalize_name(name) and version in {"", item.version} and item.state == "ok"
    ]
    if not chosen:
        return []
    if needed is None:
        needed = {item.id: requirements(item) for item in known}
    dependants = tuple(
        item.id for item in known if any(_name_of(line) == chosen[0].name for line in needed.get(item.id, ()))
    )
    return [_details(store, seen, item, needed.get(item.id, ()), dependants) for item in chosen]


def _details(
    store: Store, seen: Census, stored: Stored, dependencies: Sequence[str], dependants: tuple[str, ...]
) -> Details:
    entry = entries.read(store, stored.id)
    metadata = _metadata(stored.path)
    linking = sorted(seen.users().get(stored.id, ()))
    scripts = {
        *(name.replace(OF_PYTHON, "3.*") for name in entry.launchers),
        *(path for scheme, path in entry.data if scheme == "scripts" and path[-1] != "/"),
    }
    return Details(
        stored=stored,
        entry=entry,
        summary=metadata.get("Summary", ""),
        dependencies=tuple(dependencies),
        dependants=dependants,
        scripts=tuple(sorted(scripts)),
        users=tuple(User(environment, _unfolded(store, environment, entry)) for environment in linking),
        opened=_opened(entry),
        links=_links(metadata),
        licence=_licence(metadata),
    )


_LABELS = {
    "homepage": ("homepage",),
    "changelog": ("changelog", "changes", "releasenotes", "whatsnew", "history"),
    "source": ("source", "repository", "sourcecode", "github"),
}
"""The labels of the well-known project URLs that are shown. Source: well-known project URLs, PyPA."""


def _links(metadata: Message) -> dict[str, str]:
    """Return the pages that the metadata names, by their meaning. Only addresses of the web count."""
    found = {"homepage": metadata.get("Home-page", "")}
    for line in metadata.get_all("Project-URL", []):
        label, _, address = line.partition(",")
        label = re.sub(r"[^a-z]", "", label.lower())
        for meaning, labels in _LABELS.items():
            if label in labels:
                found[meaning] = address.strip()
    return {meaning: address for meaning, address in found.items() if _WEB.fullmatch(address)}


_WEB = re.compile(r"https?://[!-~]{1,500}")


def _licence(metadata: Message) -> str:
    """Return the licence as an expression, or else in the words of the metadata; empty if it names none.

    Some distributions give the whole text of their licence. Its first line is often the name of an author, so the
    classifiers count more.
    """
    words = metadata.get("License", "").strip()
    expression, _, rest = (metadata.get("License-Expression", "") or words).partition("\n")
    if len(expression) > _LONGEST_LICENCE or expression == "UNKNOWN":
        expression, rest = "", words
    if expression and not rest:
        return expression
    classifiers = [line for line in metadata.get_all("Classifier", []) if line.startswith("License ::")]
    return ", ".join(line.rpartition("::")[2].strip() for line in classifiers) or expression


_LONGEST_LICENCE = 80


def _unfolded(store: Store, environment: str, entry: Entry) -> dict[str, list[str]]:
    """Return the `unfolded` folders of a `User`. There are none for an environment that can't be read."""
    try:
        return {
            path: [name for name in contents.holders(folder, path, store.known_roots) if name != entry.name]
            for folder in contents.site_packages_of(environment)
            for path in entry.directories
            if os.path.isdir(f"{folder}/{path}") and not os.path.islink(f"{folder}/{path}")
        }
    except OSError:
        return {}


def _opened(entry: Entry) -> dict[str, str]:
    """Return the opened folders of an entry, each with the reason why it is never linked whole.

    Folders of metadata are left out.
    """
    metadata = (entry.dist_info, entry.dist_info + "/")
    folders = [path for path in entry.opened if path != metadata[0] and not path.startswith(metadata[1])]
    found = libraries.escaping(entry.path, entry.files) if folders else []
    reasons = {}
    for path in folders:
        library = next((name for name in found if name.startswith(path + "/")), "")
        namespace = next((name for name in entry.namespaces if name.startswith(path + "/")), "")
        if path in entry.namespaces:
            reasons[path] = "a namespace, to which other distributions may add files"
        elif library:
            reasons[path] = f"on the way to {library}, which looks for libraries outside of the package"
        elif namespace:
            reasons[path] = f"on the way to the namespace {namespace}"
        elif any(above in entry.namespaces for above in paths.ancestors(path)):
            reasons[path] = "in a namespace, where pip must find a file of this distribution"
        else:
            reasons[path] = "bytecode that the wheel ships"
    return reasons


def _requirements(metadata: Message) -> list[str]:
    return [line for line in metadata.get_all("Requires-Dist", []) if not _is_of_extra(line)]


def _is_of_extra(requirement: str) -> bool:
    """Tell whether the marker of a requirement mentions an extra. False for a line that can't be parsed."""
    try:
        marker = Requirement(requirement).marker
    except InvalidRequirement:
        return False
    # `packaging` writes every string of a marker in double quotes.
    return marker is not None and "extra" in re.split(r"\W+", re.sub(r'"[^"]*"', "", str(marker)))


def _metadata(path: str) -> Message:
    """Return the headers of an entry's METADATA. Empty if it can't be read."""
    try:
        folder = next((child for child in os.listdir(path) if child.endswith(".dist-info")), "")
    except OSError:
        return Message()
    return _headers(f"{path}/{folder}/METADATA")


def _headers(path: str) -> Message:
    """Return the headers of a METADATA file (core metadata specification). Empty if it can't be read."""
    try:
        content = files.read_regular(path, most_bytes=_MOST_METADATA_BYTES)
    except (OSError, ValueError):
        return Message()
    return HeaderParser(policy=compat32).parsestr(content.decode("utf-8", "replace"))


_MOST_METADATA_BYTES = 1 << 24


def _name_of(requirement: str) -> str:
    try:
        return normalize_name(Requirement(requirement).name)
    except InvalidRequirement:
        return ""
