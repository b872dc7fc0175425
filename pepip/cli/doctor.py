"""`pepip doctor`."""

from __future__ import annotations

from pepip.cli import options, output, tables
from pepip.cli.stores import open_store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def run(words: Sequence[str]) -> int:
    """Run `pepip doctor`. Returns 1 if a check found an error, otherwise 0."""
    from pepip.operations import doctor

    parser = options.Parser(
        "pepip doctor", description="Check everything that pepip needs: uv, the store, environments, file systems."
    )
    arguments = parser.read(words)
    options.apply_general_options(arguments)
    checks = list(doctor.examine(open_store()))
    if arguments.json:
        output.write_json([check._asdict() for check in checks])
    else:
        for check in checks:
            tables.say(f"{check.state:<8} {check.topic:<12} {check.sentence}")
            if check.hint and check.state != doctor.OK:
                tables.say(f"{'':<8} {'hint:':<12} {check.hint}")
    return 1 if any(check.state == doctor.ERROR for check in checks) else 0
