"""`pepip savings`: what sharing saves, as a table or as JSON."""

from __future__ import annotations

from pepip import humanized, paths
from pepip.cli import options, output, tables
from pepip.cli.stores import open_store
from pepip.environment import purposes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pepip.operations.savings import VenvShare


def run(words: Sequence[str]) -> int:
    """Run `pepip savings`. Returns the exit code."""
    from pepip.operations import savings
    from pepip.store.scan_cache import ScanCache

    parser = options.Parser("pepip savings", description="Show what sharing saves, measured on disk.")
    arguments = parser.read(words)
    options.take_effect(arguments)
    store = open_store()
    memory = ScanCache(paths.cache(store.root))
    sums, shares = savings.measure(store, memory)
    memory.save()
    if arguments.json:
        output.write_json(
            {
                "on_disk_bytes": sums.on_disk_bytes,
                "without_sharing_bytes": sums.without_sharing_bytes,
                "with_hard_links_bytes": sums.with_hard_links_bytes,
                "saved_bytes": sums.saved_bytes,
                "prunable_bytes": sums.prunable_bytes,
                "entries": sums.entries,
                "projects": sums.projects,
                "layer_bytes": sums.layer_bytes,
                "layer_entries": sums.layer_entries,
                "kinds": _kinds(shares),
            }
        )
        return 0
    entries = humanized.count(sums.entries, "entry", "entries")
    rows = [
        ("on disk", sums.on_disk_bytes, f"{entries} and {_environments(shares)}"),
        ("with copies in each", sums.without_sharing_bytes, "as pip makes them, and uv across file systems"),
        ("with uv's hard links", sums.with_hard_links_bytes, "files once, but folders and bytecode in each"),
        _gain(sums.saved_bytes),
        ("unused", sums.prunable_bytes, "`pepip prune` removes it" if sums.prunable_bytes else ""),
    ]
    if store.layers:
        layered = humanized.count(sums.layer_entries, "entry", "entries")
        note = f"{layered} of {humanized.listed([layer.root for layer in store.layers])}, not counted on disk"
        rows.append(("in layers", sums.layer_bytes, note))
    tables.show(("", "size", ""), [(title, humanized.size(size), note) for title, size, note in rows], right=(1,))
    return 0


def _kinds(shares: Sequence[VenvShare]) -> dict[str, dict[str, int]]:
    """Return, for each kind of environment, their number and their bytes."""
    found = {}
    for kind in purposes.KINDS:
        chosen = [item for item in shares if item.known.purpose.kind == kind]
        if chosen:
            own, alone = sum(item.own_bytes for item in chosen), sum(item.alone_bytes for item in chosen)
            found[kind] = {"environments": len(chosen), "own_bytes": own, "alone_bytes": alone}
    return found


def _environments(shares: Sequence[VenvShare]) -> str:
    """Return the number of environments in words. Those of scripts and tools are named."""
    kinds = _kinds(shares)
    listed = [humanized.count(kinds[kind]["environments"], kind) for kind in kinds if kind != purposes.PROJECT]
    return humanized.count(len(shares), "environment") + (f" ({', '.join(listed)})" if listed else "")


def _gain(saved_bytes: int) -> tuple[str, int, str]:
    """Return the row with the gain of sharing, or with the cost if few environments share the store."""
    if saved_bytes < 0:
        return "extra", -saved_bytes, "more than copies would take: few environments share packages yet"
    return "saved", saved_bytes, "compared with copies"
