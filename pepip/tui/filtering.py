"""The filter lines of the panes: words, and facets that test a property. No I/O, no widgets.

torch               name, version or Python contains the word; every word must match
-torch              neither name, version nor Python contains the word
unused: used: layer: damaged: busy: marked:     `orphan:` is the same as `unused:`
vuln: yanked: outdated:                         from the last answers of an audit
>100MB  <1GB        size on disk
idle:>90d           not linked for more than 90 days; idle:<1w: linked within the last week
stored:<7d          stored within the last 7 days
project:api         an environment that links the entry has `api` in its path
kind:tool           the environment of a tool links the entry; also script, project, run
name:…  version:…  python:…
"""

from __future__ import annotations

import re
import time

from pepip import humanized
from pepip.fast_namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pepip.operations.preferences import Preferences

STATES = ("unused", "used", "layer", "damaged", "busy", "marked", "vuln", "yanked", "outdated")

_ALWAYS = (float("-inf"), float("inf"))
_AGES = ("idle", "stored")
_SIZE = re.compile(r"([<>]=?)(.+)")


class Facts(NamedTuple):
    """The properties of one entry or environment that a filter tests.

    `states` are the members of `STATES` that apply. `kinds` are the kinds of the environments that link the entry. A
    filter looks for its words in `text`. All texts except `users` must be in lower case, as the words of a filter
    are. `stored_at` and `used_at` are in seconds since 1970.
    """

    name: str
    version: str
    python: str
    size_bytes: int
    states: Collection[str]
    users: Sequence[str]
    text: str
    kinds: Collection[str] = ()
    stored_at: int = 0
    used_at: float = 0


class Filter(NamedTuple):
    """A parsed filter line. The size of an entry must lie between `above_bytes` and `below_bytes`, both excluded.

    `ages` has two spans of time, in seconds since 1970. The entry must have been stored within the first, and last
    used within the second. An empty `ages` allows any time.
    """

    words: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()
    above_bytes: float = -1
    below_bytes: float = float("inf")
    ages: tuple[tuple[float, float], ...] = ()

    def holds(self, facts: Facts) -> bool:
        """Return whether an entry passes the filter."""
        if not self.above_bytes < facts.size_bytes < self.below_bytes:
            return False
        if self.ages and not all(map(_lies_within, (facts.stored_at, facts.used_at), self.ages)):
            return False
        if self.states and any(state not in facts.states for state in self.states):
            return False
        if self.words or self.without:
            text = facts.text
            for word in self.words:
                if word not in text:
                    return False
            for word in self.without:
                if word in text:
                    return False
        return not self.fields or all(_has(facts, field, value) for field, value in self.fields)


def parse(line: str) -> Filter:
    """Return the filter of a line. Every line is valid: a word that is no facet is a word to search."""
    words, without, states, fields = [], [], [], []
    above, below = -1.0, float("inf")
    between = dict.fromkeys(_AGES, _ALWAYS)
    for word in line.lower().split():
        match = _SIZE.fullmatch(word)
        field, colon, value = word.partition(":")
        limit = humanized.parse_size(match[2]) if match else None
        if match and limit is not None:
            if match[1].startswith(">"):
                above = limit - (0.5 if match[1] == ">=" else 0)
            else:
                below = limit + (0.5 if match[1] == "<=" else 0)
        elif colon and field in _AGES:
            between[field] = _narrowed(between[field], value)
        elif colon and (field in STATES or field == "orphan") and not value:
            states.append("unused" if field == "orphan" else field)
        elif colon and field in {"project", "name", "version", "python", "kind"}:
            if value:
                fields.append((field, value))
        elif word.startswith("-") and len(word) > 1:
            without.append(word[1:])
        elif word not in {"-", "<", ">", "<=", ">="}:
            words.append(word)
    ages = (between["stored"], between["idle"])
    is_any = ages == (_ALWAYS, _ALWAYS)
    return Filter(tuple(words), tuple(without), tuple(states), tuple(fields), above, below, () if is_any else ages)


def _narrowed(between: tuple[float, float], age: str) -> tuple[float, float]:
    """Return the part of a span of time that fits an age such as `>90d`. An unfinished age changes nothing."""
    match = _SIZE.fullmatch(age)
    seconds = humanized.parse_age(match[2]) if match else None
    if match is None or seconds is None:
        return between
    since, until = between
    then = time.time() - seconds
    return (since, min(until, then)) if match[1].startswith(">") else (max(since, then), until)


def _lies_within(seconds: float, between: tuple[float, float]) -> bool:
    return between[0] < seconds < between[1]


def toggled(line: str, facet: str) -> str:
    """Return the line with a facet added, or removed if the line has it."""
    words = line.split()
    return " ".join(word for word in words if word != facet) if facet in words else " ".join([*words, facet])


def tally(facts: Sequence[Facts]) -> Mapping[str, int]:
    """Return the number of entries in each state."""
    found = dict.fromkeys(STATES, 0)
    for item in facts:
        for state in set(item.states):
            found[state] += 1
    return found


def tally_named(facts: Sequence[Facts], settings: Preferences) -> Mapping[str, int]:
    """Return the number of entries that each named filter of the settings lets through, by its `@name`."""
    filters = {f"@{name}": parse(settings.expanded(f"@{name}")) for name in sorted(settings.filters)}
    return {name: sum(map(wanted.holds, facts)) for name, wanted in filters.items()}


def _has(facts: Facts, field: str, value: str) -> bool:
    if field == "project":
        return any(value in user.lower() for user in facts.users)
    if field == "kind":
        return any(kind.startswith(value) for kind in facts.kinds)
    return value in str(getattr(facts, field))
