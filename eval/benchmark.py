"""pepip against uv and pip: time, disk and memory of the same environments, made as users make them.

python eval/benchmark.py --projects 5 --packages tomli packaging requests numpy pandas

Every tool runs as its own process, by the program that it installs. Its cache and home are its own, on one file
system. The versions are pinned. They come, with hashes and metadata, from an index on the loopback device. After a
warm-up all tools are offline. Rounds are interleaved and the order rotates. Earlier writes are on disk before a clock
starts. Bytecode is written. The finished environments are compared with the pins.

Needs POSIX. Needs an index for the wheels, to which uv and pip are set. Needs room for all that is made, since
nothing is removed during a measurement (35 GB for five rounds of uv and pepip with `--set ml`). Nothing large may
have been removed in the six minutes before (see rounds.py).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))  # for this folder's packages, and the tests' disk measure

from eval.bench import disk, filesystems, index, machine, plot, prepare, report, sets, tools
from eval.bench.measure import FailedError
from eval.bench.network import Network
from eval.bench.rounds import Rounds, Work, clear
from eval.bench.rows import BYTES


def main() -> int:
    """Prepare, measure, print, and write the requested files. Return 1 if uv or pepip failed at a row."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the mounted file system is unmounted
    folder = (arguments.folder or Path(tempfile.mkdtemp(prefix="pepip-benchmark-"))).resolve()
    is_kept = bool(arguments.folder or arguments.no_cleanup)
    try:
        say("preparing tools")
        programs = prepare.install_tools(
            folder / "tools", arguments.python, with_old_pepip="pepip-0.0.10" in arguments.tools
        )
        outcome = compare(arguments, programs, folder)
    finally:
        if is_kept:
            say(f"kept: {folder}")
        else:
            clear(folder)
    print(f"\n{report.text(outcome)}")
    if arguments.json:
        arguments.json.write_text(json.dumps(report.document(outcome), indent=2) + "\n")
    if arguments.plot:
        arguments.plot.write_text(plot.draw(outcome, _title(arguments, outcome)))
    return int(any(tool in {report.BASELINE, report.SUBJECT} for _, tool in outcome.results.troubles))


def compare(arguments: argparse.Namespace, programs: tools.Programs, folder: Path) -> report.Outcome:
    """Measure everything in `folder`. Wheels that were downloaded there before are used again."""
    compared = [tools.make(name, programs) for name in arguments.tools]
    facts: dict[str, object] = {"command": _command(arguments), "machine": machine.facts(folder)}
    facts["versions"] = machine.versions(programs)
    selection, left_out = _selection(arguments, programs)
    say(f"resolving and downloading {', '.join(selection.packages)}")
    goods = prepare.collect(programs, selection, folder / "wheels", arguments.wheels)
    modules = [module for module in goods.modules if module not in left_out]
    work = Work(goods.pins, modules, programs.python, prepare.python_version(programs.python))
    scratch = folder / f"run-{time.time_ns()}"
    scratch.mkdir()
    with contextlib.ExitStack() as stack:
        if not arguments.no_cleanup:
            stack.callback(clear, scratch)
        wheels = list(map(index.read_wheel, goods.files))
        server = stack.enter_context(index.served(wheels))
        others = stack.enter_context(filesystems.another(scratch))
        supply = tools.Supply(server.url, folder / "wheels")
        rounds = Rounds(scratch, compared, work, supply, say)
        asked = rounds.warm(arguments.rounds, others, lambda: server.requests)
        rounds.cold(arguments.rounds)
        if arguments.network:
            slow = stack.enter_context(index.served(wheels, Network(arguments.network * 1e6)))
            rounds.network(arguments.rounds, tools.Supply(slow.url, folder / "wheels"))
        rounds.remove(arguments.rounds)
        footprints = _footprints(scratch, rounds, arguments.projects)
    other = "caches on another file system" if others else "uv made to copy"
    facts |= {
        "rounds": arguments.rounds,
        "distributions": len(work.pins),
        "left out, as no wheel is offered": left_out,
        "imported": work.modules,
        "two file systems": "a mounted ext4 image" if others else "none could be mounted: UV_LINK_MODE=copy",
        "requests to the index while offline": asked,
        "load average at the end": os.getloadavg()[0],
    }
    network = f"{arguments.network:g} MB/s"
    return report.Outcome(arguments.tools, arguments.set or "", other, facts, rounds.results, footprints, network)


def say(line: str) -> None:
    """Print a line of progress to stderr."""
    print(time.strftime("%H:%M:%S"), line, file=sys.stderr, flush=True)


def _selection(arguments: argparse.Namespace, programs: tools.Programs) -> tuple[sets.Selection, list[str]]:
    """Return the packages to install, and the packages of the set that no folder of wheels offers."""
    if arguments.packages:
        return sets.Selection(tuple(arguments.packages)), []
    found = [wheel for offer in arguments.wheels for wheel in sorted(offer.glob("*.whl"))]
    return sets.SETS[arguments.set].offered_by(found, prepare.python_version(programs.python)[:2])


def _footprints(folder: Path, rounds: Rounds, count: int) -> list[disk.Footprint]:
    footprints = []
    for tool in rounds.tools:
        say(f"disk: {count} projects of {tool.name}")
        try:
            footprints.append(disk.measure_projects(folder / "disk", tool, rounds.work, rounds.supply, count))
        except FailedError as failure:
            rounds.results.troubles[BYTES, tool.name] = str(failure)
    return footprints


def _title(arguments: argparse.Namespace, outcome: report.Outcome) -> str:
    what = arguments.set or " ".join(arguments.packages)
    return f"{what}: {outcome.facts['distributions']} distributions, medians of {arguments.rounds} rounds"


def _command(arguments: argparse.Namespace) -> str:
    """Return the command without paths: published figures must not tell the machine's folders."""
    what = ["--packages", *arguments.packages] if arguments.packages else ["--set", arguments.set]
    words = [*what, "--projects", str(arguments.projects), "--rounds", str(arguments.rounds)]
    offer = ["--wheels", "FOLDER"] if arguments.wheels else []
    return " ".join(["python eval/benchmark.py", *words, "--tools", ",".join(arguments.tools), *offer])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--set", choices=sets.SETS, help="packages that belong together (default: seed)")
    what.add_argument("--packages", nargs="+", metavar="PACKAGE", help="or these packages")
    parser.add_argument("--projects", type=_count, default=5, help="projects whose disk is measured (default: 5)")
    parser.add_argument("--rounds", type=_count, default=5, help="counted rounds, after a warm-up (default: 5)")
    parser.add_argument("--tools", type=_tools, default=list(tools.NAMES), help=f"of {','.join(tools.NAMES)}")
    parser.add_argument(
        "--network", type=float, default=25.0, metavar="MB/S", help="of the row with a slow network; 0 leaves it out"
    )
    parser.add_argument("--python", default="", help="of the environments: a path or version (default: this one)")
    parser.add_argument(
        "--wheels", type=Path, nargs="+", default=[], metavar="FOLDER", help="wheels that the machine offers"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="write a plot")
    parser.add_argument("--folder", type=Path, help="work here, and keep wheels and tools for the next run")
    parser.add_argument("--no-cleanup", action="store_true", help="keep all environments, caches and stores")
    arguments = parser.parse_args()
    if not arguments.packages and not arguments.set:
        arguments.set = "seed"
    return arguments


def _count(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError("at least one")
    return int(text)


def _tools(text: str) -> Sequence[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in tools.NAMES]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
