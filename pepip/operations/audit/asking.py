"""Auditing: questions about the distributions of all registered environments, and the findings of the last answers.

Only `ask` uses the network, and only through uv. It changes no environment and no entry. The answers are kept with
their dates, so that the findings can be shown again without a question.
"""

from __future__ import annotations

import time

from packaging.version import Version

from pepip.fast_namedtuple import NamedTuple
from pepip.operations import census
from pepip.operations.audit import osv, pins
from pepip.operations.reporting import Progress
from pepip.store import audit_answers
from pepip.store.audit_answers import KINDS, OUTDATED, VULNERABLE, YANKED, Answer, Finding
from pepip.uv import questions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Mapping, Sequence

    from pepip.operations.audit.pins import Pins
    from pepip.operations.census import Census
    from pepip.store.audit_answers import Pin
    from pepip.store.root import Store
    from pepip.store.scan_cache import ScanCache


class AuditOptions(NamedTuple):
    """`kinds` of questions, and where the answers come from.

    `records` is the path of OSV records that are read in place of the network. `service_url` names another service
    of advisories than uv's own. Both may be empty.
    """

    kinds: tuple[str, ...] = KINDS
    records: str = ""
    service_url: str = ""


class Audit(NamedTuple):
    """The findings of the last answers about distributions that are installed now.

    `users` maps each pin to the environments that have it. `answers` has the last answer of each kind, and
    `unanswered` the pins that this answer does not cover. `local` and `unasked` are as in `pins.Pins`. `unread`
    counts the OSV records that could not be read.
    """

    findings: tuple[Finding, ...]
    users: dict[Pin, list[str]]
    answers: dict[str, Answer]
    unanswered: dict[str, frozenset[Pin]]
    local: frozenset[Pin] = frozenset()
    unasked: tuple[str, ...] = ()
    unread: int = 0

    @property
    def is_alarming(self) -> bool:
        """Whether a distribution is vulnerable or yanked. An outdated distribution is no alarm."""
        return any(finding.kind != OUTDATED for finding in self.findings)


def ask(
    store: Store, options: AuditOptions | None = None, *, memory: ScanCache | None = None
) -> Generator[Progress, None, Audit]:
    """Ask about the distributions of all registered environments, and return the findings.

    No pin is asked about twice for the same kind of question, settings and Python. With `records`, only advisories
    are looked up, in these records. Raises PepipError if a question gets no answer; earlier answers are kept.
    """
    options = options or AuditOptions()
    records = osv.read(options.records) if options.records else None
    kinds = (VULNERABLE,) if records else options.kinds
    if records is None:
        questions.refuse_offline()
    yield Progress("scan", "environments")
    known = pins.of_environments(census.take(store, memory=memory).projects)
    answers = audit_answers.read(store)
    for kind in kinds:
        yield Progress("ask", _ABOUT[kind], 0, len(known.every))
        if kind == VULNERABLE:
            covered, findings = known.every, _advisories(known, records, options.service_url)
        elif kind == YANKED:
            covered, findings = yield from _yanked(known)
        else:
            covered, findings = yield from _outdated(known)
        source = f"OSV records in {options.records}" if records else _SOURCES[kind]
        answers[kind] = Answer(kind, int(time.time()), source, covered, tuple(sorted(findings)))
        audit_answers.note(store, answers[kind])
    return _audit(known, answers, kinds)._replace(unread=records.unread if records else 0)


_ABOUT = {VULNERABLE: "for advisories", YANKED: "for yanked releases", OUTDATED: "for newer releases"}
_SOURCES = {VULNERABLE: "uv audit", YANKED: "uv pip compile", OUTDATED: "uv pip list --outdated"}


def known_answers(store: Store, seen: Census) -> Audit:
    """Return the findings of the last answers, without asking anything."""
    return _audit(pins.of_environments(seen.projects), audit_answers.read(store), KINDS)


def service_url(variables: Mapping[str, str]) -> str:
    """Return the service of advisories that the variable PEPIP_AUDIT_SERVICE_URL names, empty for uv's own."""
    return variables.get("PEPIP_AUDIT_SERVICE_URL", "")


def only(found: Audit, kinds: Collection[str]) -> Audit:
    """Return an audit with only the findings and answers of these kinds."""
    return found._replace(
        findings=tuple(finding for finding in found.findings if finding.kind in kinds),
        answers={kind: answer for kind, answer in found.answers.items() if kind in kinds},
        unanswered={kind: pins for kind, pins in found.unanswered.items() if kind in kinds},
    )


def _audit(known: Pins, answers: Mapping[str, Answer], kinds: Sequence[str]) -> Audit:
    found = [
        finding
        for kind in kinds
        if kind in answers
        for finding in answers[kind].findings
        if (finding.name, finding.version) in known.users
    ]
    unanswered = {
        kind: known.every - (answers[kind].pins if kind in answers else frozenset[tuple[str, str]]())
        for kind in kinds
    }
    shown = {kind: answers[kind] for kind in kinds if kind in answers}
    return Audit(tuple(found), known.users, shown, unanswered, known.local, known.unasked)


def _advisories(known: Pins, records: osv.Records | None, service_url: str) -> list[Finding]:
    """Return a finding for each advisory on a pin. A local build counts as the release that it was made from."""
    asked: dict[Pin, list[Pin]] = {}
    for name, version in known.every:
        asked.setdefault((name, pins.normalized(pins.public(version))), []).append((name, version))
    by_pin: dict[Pin, list[osv.Advisory]] = {}
    if records:
        by_pin = {pin: records.about(*pin) for pin in asked}
    else:
        for item in questions.advisories(asked, service_url=service_url):
            dependency = item["dependency"]
            pin = (str(dependency["name"]), pins.normalized(str(dependency["version"])))
            by_pin.setdefault(pin, []).append(_advisory(item))
    return [
        Finding(VULNERABLE, name, version, *advisory)
        for pin, found in by_pin.items()
        for name, version in asked.get(pin, ())
        for advisory in osv.merged(sorted(found))
    ]


def _advisory(item: Mapping[str, object]) -> osv.Advisory:
    """Return an advisory of uv's answer."""
    aliases, fixed = (
        tuple(str(text) for text in listed) if isinstance(listed := item.get(key), list) else ()
        for key in ("aliases", "fix_versions")
    )
    summary = str(item.get("summary") or item.get("description") or "").strip().partition("\n")[0][:300]
    return osv.Advisory(str(item["id"]), tuple(sorted(aliases)), summary, fixed, str(item.get("link") or ""))


def _yanked(known: Pins) -> Generator[Progress, None, tuple[frozenset[Pin], list[Finding]]]:
    """Return the pins that an index answered for, and the yanked ones of them."""
    covered: set[Pin] = set()
    findings: set[Finding] = set()
    asked: set[tuple[str, str, str]] = set()
    for number, group in enumerate(known.groups):
        yield Progress("ask", _ABOUT[YANKED], number, len(known.groups))
        wanted = {pin for pin in group.pins if "+" not in pin[1] and (group.folder, *pin) not in asked}
        if not wanted or not group.python:
            continue
        asked.update((group.folder, *pin) for pin in wanted)
        answer = questions.yanked(wanted, python=group.python, folder=group.folder)
        covered |= wanted - answer.unknown
        by_answer = {(name, pins.normalized(version)): (name, version) for name, version in wanted}
        for (name, version), reason in answer.reasons.items():
            pin = by_answer.get((name, pins.normalized(version)), (name, version))
            findings.add(Finding(YANKED, *pin, summary=reason))
    return frozenset(covered), [item for item in findings if (item.name, item.version) in covered]


def _outdated(known: Pins) -> Generator[Progress, None, tuple[frozenset[Pin], list[Finding]]]:
    """Return the pins that were asked about, and those with a newer release for their Python.

    Installed pre-releases are asked about in a question of their own: uv offers newer pre-releases only for these.
    """
    covered: set[Pin] = set()
    newest: dict[Pin, str] = {}
    for number, group in enumerate(known.groups):
        yield Progress("ask", _ABOUT[OUTDATED], number, len(known.groups))
        if not group.python:
            continue
        covered |= group.pins
        for chosen in _by_stage(group.pins):
            oldest: dict[str, str] = {}
            for name, version in chosen:
                oldest[name] = min(oldest.get(name, version), version, key=_order)
            latest = questions.newest(oldest, python=group.python, folder=group.folder)
            for name, version in chosen:
                release = latest.get(name, "")
                if release and _order(release) > _order(pins.public(version)):
                    newest[name, version] = max(release, newest.get((name, version), release), key=_order)
    return frozenset(covered), [Finding(OUTDATED, *pin, fixed=(release,)) for pin, release in newest.items()]


def _by_stage(chosen: Collection[Pin]) -> Iterable[list[Pin]]:
    stages: dict[bool, list[Pin]] = {False: [], True: []}
    for pin in sorted(chosen):
        stages[_order(pin[1]).is_prerelease].append(pin)
    return [stage for stage in stages.values() if stage]


def _order(version: str) -> Version:
    return Version(version)
