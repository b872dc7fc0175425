"""`pepip image build` against uv and mksquashfs: seconds and bytes of an image with bytecode, and imports from it.

    python eval/image.py --rounds 3
    python eval/image.py --packages numpy pandas --processes 64

uv's part is `uv venv`, `uv pip install --compile-bytecode`, and mksquashfs with the options that pepip gives it.
pepip's part is `pepip install` into a new environment, and `pepip image build`. Both caches and the store are filled
before: also the store's bytecode, as after a first image or import. The figure of a first image, without it, is
printed, too. At the end many processes import from the image at once, at two mount points; that needs root.

Needs Linux, squashfs-tools 4.5 or newer, and an index for the packages, to which uv is set.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from eval.bench.measure import Sample, clean_variables, measure
from eval.bench.rounds import clear
from eval.bench.sets import SETS
from pepip.operations.image_build import TIME_SECONDS
from pepip.uv.squashfs import COMPRESSIONS

TARGET_SECONDS, TARGET_BYTES = 0.5, 1.02
"""The most that an image may need, in shares of uv and mksquashfs."""

_OF_INDEXES = ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_FIND_LINKS", "UV_NO_INDEX")


def main() -> int:
    """Measure both ways in turn, print, and return 1 if a target is missed or an import fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", nargs="+", default=list(SETS["data"].packages), metavar="PACKAGE")
    parser.add_argument("--modules", nargs="+", default=["numpy", "pandas"], metavar="MODULE", help="to import")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=64, help="that import at once; 0 leaves that out")
    parser.add_argument("--compression", choices=sorted(COMPRESSIONS), default="zstd")
    parser.add_argument("--python", default=sys.executable, help="the interpreter of the environments")
    parser.add_argument("--uv", default=os.fspath(Path(sys.executable).with_name("uv")))
    parser.add_argument("--pepip", default=os.fspath(Path(sys.executable).with_name("pepip")))
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="pepip-image-"))
    try:
        return compare(folder, arguments)
    finally:
        clear(folder)


def compare(folder: Path, arguments: argparse.Namespace) -> int:
    """Measure in `folder`, and print. Returns the exit code of the script."""
    variables = _variables(folder, arguments)
    pins = _pins(folder, arguments, variables)
    ways = {"uv": _by_uv(folder / "uv", pins, arguments), "pepip": _by_pepip(folder / "pepip", pins, arguments)}
    for name in ways:
        (folder / name).mkdir()
        first = measure(ways[name], folder / name, variables)  # fills caches, store and bytecode
        print(f"{name:<6} {_shown([first])}, the first time", flush=True)
    samples: dict[str, list[Sample]] = {name: [] for name in ways}
    alone: list[Sample] = []
    for _ in range(arguments.rounds):
        for name, commands in ways.items():
            clear(folder / name)
            (folder / name).mkdir()
            samples[name].append(measure(commands, folder / name, variables))
        alone.append(measure(ways["pepip"][-1:], folder / "pepip", variables))
    images = {name: folder / name / "env.sqfs" for name in ways}
    medians = {name: statistics.median(sample.seconds for sample in found) for name, found in samples.items()}
    sizes = {name: image.stat().st_size for name, image in images.items()}
    for name in ways:
        print(f"{name:<6} {_shown(samples[name])}, {sizes[name]:,} bytes")
    print(f"pepip  {_shown(alone)}, of an environment that is there")
    missed = [
        _verdict("seconds", medians["pepip"] / medians["uv"], TARGET_SECONDS),
        _verdict("bytes", sizes["pepip"] / sizes["uv"], TARGET_BYTES),
    ]
    if arguments.processes and os.geteuid() == 0:
        missed.append(not imports(images["pepip"], folder, arguments))
    return int(any(missed))


def _shown(samples: Sequence[Sample]) -> str:
    """Return the medians in words: processor seconds are steadier on a busy machine."""
    seconds = statistics.median(sample.seconds for sample in samples)
    busy = statistics.median(sample.processor_seconds for sample in samples)
    return f"{seconds:8.2f} s ({busy:.2f} of the processors)"


def _variables(folder: Path, arguments: argparse.Namespace) -> dict[str, str]:
    home = folder / "home"
    home.mkdir()
    return {
        **clean_variables(),
        **{name: value for name, value in os.environ.items() if name.startswith(_OF_INDEXES)},
        "HOME": os.fspath(home),
        "UV_CACHE_DIR": f"{home}/uv-cache",
        "PEPIP_HOME": f"{home}/store",
        "UV_PYTHON": arguments.python,
        "UV_PYTHON_DOWNLOADS": "never",
    }


def _pins(folder: Path, arguments: argparse.Namespace, variables: Mapping[str, str]) -> list[str]:
    """Return exact versions, so that both ways install the same, and no index is asked for newer ones."""
    command = [arguments.uv, "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--only-binary", ":all:"]
    done = subprocess.run(
        [*command, "-"],
        input="\n".join(arguments.packages),
        cwd=folder,
        env=dict(variables),
        text=True,
        stdout=subprocess.PIPE,
        check=True,
    )
    return [line for line in done.stdout.splitlines() if re.match(r"[\w.-]+==", line)]


def _by_uv(folder: Path, pins: Sequence[str], arguments: argparse.Namespace) -> list[list[str]]:
    options = [*COMPRESSIONS[arguments.compression], "-noappend", "-all-root", "-no-xattrs", "-no-exports"]
    options += ["-mkfs-time", str(TIME_SECONDS), "-all-time", str(TIME_SECONDS), "-quiet", "-no-progress"]
    venv = f"{folder}/.venv"
    return [
        [arguments.uv, "venv", "--quiet", "--python", arguments.python, venv],
        [arguments.uv, "pip", "install", "--quiet", "--python", f"{venv}/bin/python", "--compile-bytecode", *pins],
        [shutil.which("mksquashfs") or "mksquashfs", venv, f"{folder}/env.sqfs", *options],
    ]


def _by_pepip(folder: Path, pins: Sequence[str], arguments: argparse.Namespace) -> list[list[str]]:
    python = ["--python", arguments.python]
    build = ["image", "build", "--quiet", "--compression", arguments.compression]
    return [
        [arguments.pepip, "install", "--quiet", *python, *pins],
        [arguments.pepip, *build, "-o", f"{folder}/env.sqfs", f"{folder}/.venv"],
    ]


def imports(image: Path, folder: Path, arguments: argparse.Namespace) -> bool:
    """Let many processes import from one image at two mount points. Print, and return whether all succeeded."""
    code = f"import {', '.join(arguments.modules)}"
    with _mounted(image, folder / "one") as one, _mounted(image, folder / "two") as two:
        began = time.monotonic()
        running = [
            subprocess.Popen([(one, two)[number % 2] / "bin" / "python", "-c", code], cwd="/")
            for number in range(arguments.processes)
        ]
        failed = sum(process.wait() != 0 for process in running)
        seconds = time.monotonic() - began
    print(f"{arguments.processes} processes at two mount points: {code}: {seconds:.2f} s, {failed} failed")
    return not failed


@contextlib.contextmanager
def _mounted(image: Path, place: Path) -> Iterator[Path]:
    place.mkdir()
    subprocess.run(["mount", "-t", "squashfs", "-o", "loop,ro", image, place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)
        place.rmdir()


def _verdict(name: str, ratio: float, limit: float) -> bool:
    """Print a ratio, and return whether it misses its target."""
    is_met = ratio <= limit
    print(f"{name:<8} {ratio:6.3f} of uv and mksquashfs  (target {limit}: {'met' if is_met else 'NOT MET'})")
    return not is_met


if __name__ == "__main__":
    sys.exit(main())
