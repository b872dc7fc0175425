"""Compatibility tags (PEP 425) and the bucket of the store that a wheel belongs in."""

from __future__ import annotations

from pepip.records import NamedTuple

PURE_BUCKET = "py3-none-any"

# Platform tags to the words of a bucket's name. manylinux and plain linux are one libc, musllinux another.
_SYSTEMS = (
    ("manylinux", "linux"),
    ("musllinux", "musllinux"),
    ("linux", "linux"),
    ("macosx", "macos"),
    ("win", "windows"),
)
_ARCHITECTURES = (
    "x86_64", "aarch64", "arm64", "universal2", "i686", "i386", "armv7l", "armv6l", "ppc64le", "ppc64", "s390x",
    "riscv64", "loongarch64", "amd64", "win32",
)  # fmt: skip
_PYTHONS = {"cp": "cpython", "pp": "pypy", "graalpy": "graalpy"}


class WheelName(NamedTuple):
    """The parts of a wheel's file name. `build` and `variant` are empty where it has none; `tag` may be compressed."""

    distribution: str
    version: str
    build: str
    tag: str
    variant: str


def parse(file_name: str) -> WheelName | None:
    """Return the parts of a wheel's file name, None if it is no such name.

    A build tag begins with a digit; a variant label follows the platform tag (PEP 817).
    Source: "File name convention" of the binary distribution format.
    """
    parts = file_name.removesuffix(".whl").split("-")
    if not 5 <= len(parts) <= 7 or not all(parts):
        return None
    name, version, *rest = parts
    build = rest.pop(0) if len(rest) > 3 and rest[0][0].isdigit() else ""
    if not 3 <= len(rest) <= 4:
        return None
    return WheelName(name, version, build, "-".join(rest[:3]), rest[3] if len(rest) == 4 else "")


def of_filename(wheel: str) -> str:
    """Return the tag of a wheel's file name: `six-1.17.0-py2.py3-none-any.whl` has `py2.py3-none-any`.

    It is empty where the name is not a wheel's.
    """
    name = parse(wheel)
    return name.tag if name else ""


def expand(tag: str) -> list[str]:
    """Return every single tag of a compressed set: `py2.py3-none-any` stands for two."""
    pythons, abis, platforms = tag.split("-")
    return [
        f"{python}-{abi}-{platform}"
        for python in pythons.split(".")
        for abi in abis.split(".")
        for platform in platforms.split(".")
    ]


def bucket(tag: str) -> str:
    """Return the bucket of a wheel with this (possibly compressed) tag.

    `py3-none-any` holds what every Python shares, `abi3-…` and `py3-none-…` what every CPython 3 or every
    Python of one platform shares, and `cpython-312-linux-x86_64` what one interpreter ABI needs.
    """
    pythons, abis, platforms = tag.split("-")
    python, abi = pythons.split("."), abis.split(".")
    platform = _platform(platforms.split("."))
    if "abi3" in abi or "abi3t" in abi:
        return f"{'abi3t' if 'abi3' not in abi else 'abi3'}-{platform}"
    if abi == ["none"]:
        if "py3" in python or "py2" in python:
            return PURE_BUCKET if platform == "any" else f"py3-none-{platform}"
        return f"{_implementation(python[0])}-{platform}"
    return f"{_implementation(abi[0] if abi[0].startswith('cp') else python[0])}-{platform}"


def buckets_for(tags: list[str]) -> list[str]:
    """Return the buckets that an interpreter with these supported tags may link, each once, best first."""
    return list(dict.fromkeys(bucket(tag) for tag in tags))


def _platform(platforms: list[str]) -> str:
    first = platforms[0]
    if first == "any":
        return "any"
    system = next((word for prefix, word in _SYSTEMS if first.startswith(prefix)), "other")
    architecture = next((name for name in _ARCHITECTURES if first.endswith(name)), first.replace(".", "_"))
    names = {"amd64": "x86_64", "win32": "x86"}
    return f"{system}-{names.get(architecture, architecture)}"


def _implementation(tag: str) -> str:
    prefix = tag.rstrip("0123456789tdmu_")
    return f"{_PYTHONS.get(prefix, prefix)}-{tag[len(prefix) :] or 'any'}"
