"""`pepip savings`: the space that sharing saves, as a table or as JSON."""

from __future__ import annotations

from pepip import humanized, paths
from pepip.cli import options, output, tables
from pepip.cli.stores import open_store
from pepip.environment import purposes
from pepip.errors import UsageError
from pepip.store import growth_log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pepip.operations.growth import Day
    from pepip.operations.savings import VenvShare


def run(words: Sequence[str]) -> int:
    """Run `pepip savings`. Returns the exit code."""
    from pepip.operations import growth, savings
    from pepip.store.scan_cache import ScanCache

    parser = options.Parser("pepip savings", description="Show the space that sharing saves, measured on disk.")
    parser.add_argument("--growth", action="store_true", help="show how the store grew: a sample a day, and prunes")
    parser.add_argument("--days", type=int, metavar="N", help="with --growth: how far back (90)")
    arguments = parser.read(words)
    options.apply_general_options(arguments)
    if arguments.days is not None and (arguments.days < 1 or not arguments.growth):
        raise UsageError("--days needs --growth, and a number above zero")
    store = open_store()
    memory = ScanCache(paths.cache(store.root))
    sums, shares = savings.measure(store, memory)
    memory.save()
    known = growth.note(store, sums)
    if arguments.growth:
        days = growth.days(known, min(arguments.days or _DAYS, _MOST_DAYS), growth.sample_of(sums))
        _show_growth(days, as_json=arguments.json)
        return 0
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


_DAYS = 90
_MOST_DAYS = 400


def _show_growth(days: Sequence[Day], *, as_json: bool) -> None:
    """Print the days that have a sample of their own, or a prune."""
    shown = [
        (day, day.sample if day.sample and growth_log.day_of(day.sample.taken_at) == day.number else None)
        for day in days
    ]
    shown = [(day, sample) for day, sample in shown if sample or day.prunes]
    if as_json:
        output.write_json(
            [
                {
                    "date": _date(day),
                    **(sample._asdict() if sample else {}),
                    "prunes": [prune._asdict() for prune in day.prunes],
                }
                for day, sample in shown
            ]
        )
        return
    rows = [
        (
            _date(day),
            humanized.size(sample.on_disk_bytes) if sample else "",
            humanized.size(sample.without_sharing_bytes) if sample else "",
            str(sample.entries) if sample else "",
            humanized.size(sum(prune.freed_bytes for prune in day.prunes)) if day.prunes else "",
        )
        for day, sample in shown
    ]
    tables.show(("day", "on disk", "without sharing", "entries", "pruned"), rows, right=(1, 2, 3, 4))


def _date(day: Day) -> str:
    import datetime

    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=day.number)).isoformat()


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
    """Return the number of environments in words. Those of scripts, tools and single runs are counted apart, too."""
    kinds = _kinds(shares)
    listed = [humanized.count(kinds[kind]["environments"], kind) for kind in kinds if kind != purposes.PROJECT]
    return humanized.count(len(shares), "environment") + (f" ({', '.join(listed)})" if listed else "")


def _gain(saved_bytes: int) -> tuple[str, int, str]:
    """Return the row with the gain of sharing, or with the cost if few environments share the store."""
    if saved_bytes < 0:
        return "extra", -saved_bytes, "more than copies would take: few environments share packages yet"
    return "saved", saved_bytes, "compared with copies"
