"""The phases of one install, with the time and the processor seconds of each.

python eval/bench/phases.py PYTHON REQUIREMENTS

Run it in the folder of a project, in a process of its own. It prints JSON: for each phase its title, its seconds, the
processor seconds of this process, and those of child processes that ended in that phase. The children are uv, the
interpreter that reports about itself, and the second process that links.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.append(str(Path(__file__).resolve().parents[2]))

from pepip.operations import install
from pepip.operations.reporting import Progress, Summary
from pepip.paths import configured_store_root
from pepip.store.root import Store
from pepip.uv.request import Request

TITLES = {
    "": "environment made",
    "resolve": "resolved by uv, and looked up",
    "download": "downloaded, unpacked and linked by uv",
    "store": "told apart, checked, laid out, described, published",
    "link": "linked into the environment",
}
"""The work in each phase of an install into a new environment, up to the beginning of the next one."""


class Phase(NamedTuple):
    """The cost of one phase."""

    title: str
    seconds: float
    own_processor_seconds: float
    childrens_processor_seconds: float


class Clock(NamedTuple):
    """The time, and the processor seconds of this process and of its children."""

    seconds: float
    own: float
    children: float

    @classmethod
    def now(cls) -> Clock:
        """Read all three."""
        import resource

        own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return cls(time.perf_counter(), own.ru_utime + own.ru_stime, children.ru_utime + children.ru_stime)

    def until(self, end: Clock, title: str) -> Phase:
        """Return the phase between two readings."""
        return Phase(title, end.seconds - self.seconds, end.own - self.own, end.children - self.children)


def main() -> None:
    """Install, and print the phases."""
    python, requirements = sys.argv[1:]
    request = Request(requirement_files=(os.path.abspath(requirements),))
    options = install.InstallOptions(os.path.abspath(".venv"), python)
    operation = install.install(Store(configured_store_root(os.environ)), request, options)
    print(json.dumps([phase._asdict() for phase in phases(operation)]))


def phases(operation: Generator[Progress, None, Summary]) -> Iterator[Phase]:
    """Run an operation to its end, and yield its phases."""
    name, began = "", Clock.now()
    for step in operation:
        if step.phase in TITLES and step.phase != name:
            now = Clock.now()
            yield began.until(now, TITLES[name])
            name, began = step.phase, now
    yield began.until(Clock.now(), TITLES[name])


if __name__ == "__main__":
    main()
