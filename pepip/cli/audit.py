"""`pepip audit`: vulnerable, yanked and outdated distributions in all registered environments."""

from __future__ import annotations

import os

from pepip import humanized, paths
from pepip.cli import options, output, tables
from pepip.cli.stores import open_store
from pepip.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pepip.operations.audit.asking import Audit
    from pepip.store.audit_answers import Finding

_DESCRIPTION = """\
Ask which distributions in the registered environments are vulnerable, yanked or outdated. uv asks its service of
advisories, and the indexes in the settings of each project. Nothing is changed.

The exit code is 1 if a distribution is vulnerable or yanked, as with `uv audit`. `pepip uv audit` audits the lock of
one project.
"""

_EXAMPLES = """\
examples:
  pepip audit
  pepip audit --only vulnerable --json
  pepip audit --osv all.zip             offline, from OSV records
"""


def run(words: Sequence[str]) -> int:
    """Run `pepip audit`. Returns 1 if a distribution is vulnerable or yanked, else 0."""
    from pepip.operations.audit import asking
    from pepip.store.audit_answers import KINDS
    from pepip.store.scan_cache import ScanCache

    parser = options.Parser("pepip audit", description=_DESCRIPTION, examples=_EXAMPLES)
    parser.add_argument("--only", choices=KINDS, action="append", help="ask only for these findings; can be repeated")
    parser.add_argument("--osv", metavar="PATH", help="look up advisories in OSV records: a file, a folder or a zip")
    parser.add_argument("--service-url", metavar="URL", help="a service of advisories in place of uv's own")
    parser.add_argument("--last", action="store_true", help="show the last answers again; ask nothing")
    arguments = parser.read(words)
    options.apply_general_options(arguments)
    if arguments.osv and not set(arguments.only or ()) <= {KINDS[0]}:
        raise UsageError("OSV records tell nothing of yanked or outdated releases", hint="leave out --only, or --osv")
    store = open_store()
    memory = ScanCache(paths.cache(store.root))
    if arguments.last:
        from pepip.operations import census

        found = asking.known_answers(store, census.take(store, memory=memory))
        if arguments.only:
            found = asking.only(found, arguments.only)
    else:
        records = os.path.abspath(arguments.osv) if arguments.osv else ""
        kinds = tuple(kind for kind in KINDS if kind in (arguments.only or KINDS))
        meant = asking.AuditOptions(kinds, records, arguments.service_url or asking.service_url(os.environ))
        found = output.follow(asking.ask(store, meant, memory=memory), output.reporter(arguments))
    memory.save()
    if arguments.json:
        output.write_json(_document(found))
    else:
        _show(found)
    return 1 if found.is_alarming else 0


def _show(found: Audit) -> None:
    rows = [
        (
            finding.name,
            finding.version,
            finding.kind,
            humanized.listed([finding.id, *finding.aliases], 2) if finding.id else "",
            ", ".join(finding.fixed),
            str(len(found.users[finding.name, finding.version])),
            finding.summary,
        )
        for finding in found.findings
    ]
    if rows:
        titles = ("name", "version", "finding", "advisory", "fixed, or newest", "environments", "summary")
        tables.show(titles, rows, right=(5,))
    for kind, answer in found.answers.items():
        output.say(f"{_sentence(found, kind)}: {answer.source}, {humanized.day(answer.asked_at)}")
    for kind in sorted(found.unanswered.keys() - found.answers.keys()):
        output.say(f"{kind}: there is no answer yet")
    if found.local:
        local = humanized.count(len(found.local), "distribution is", "distributions are")
        output.say(f"{local} from no index, so uv was not asked")
    for environment in found.unasked:
        output.say(f"{environment} can't be read: its distributions are unknown")
    if found.unread:
        output.say(f"{humanized.count(found.unread, 'OSV record')} can't be read and were left out")


def _sentence(found: Audit, kind: str) -> str:
    pins = {(finding.name, finding.version) for finding in found.findings if finding.kind == kind}
    covered = found.answers[kind].pins & found.users.keys()
    unknown = len(found.unanswered[kind])
    more = f", {unknown} unanswered" if unknown else ""
    return f"{len(pins)} of {humanized.count(len(covered), 'distribution')} {kind}{more}"


def _document(found: Audit) -> dict[str, object]:
    return {
        "findings": [
            {**_as_json(finding), "environments": found.users[finding.name, finding.version]}
            for finding in found.findings
        ],
        "answers": {
            kind: {
                "asked_at": answer.asked_at,
                "source": answer.source,
                "distributions": len(answer.pins & found.users.keys()),
                "unanswered": [
                    {"name": name, "version": version} for name, version in sorted(found.unanswered[kind])
                ],
            }
            for kind, answer in found.answers.items()
        },
        "not_of_an_index": [{"name": name, "version": version} for name, version in sorted(found.local)],
        "unreadable_environments": list(found.unasked),
        "unread_records": found.unread,
    }


def _as_json(finding: Finding) -> dict[str, object]:
    return {**finding._asdict(), "aliases": list(finding.aliases), "fixed": list(finding.fixed)}
