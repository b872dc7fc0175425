"""Compatibility tags (PEP 425) and the bucket of the store that a wheel belongs in."""

from __future__ import annotations

from pepip.errors import InvalidWheelError
from pepip.fast_namedtuple import NamedTuple

PURE_BUCKET = "py3-none-any"
MIXED_BUCKET = "mixed"
"""The bucket of wheels for several interpreter ABIs or platforms that have no other bucket in common."""

# Platform tags and the words for them in a bucket's name. manylinux and plain linux mean glibc, musllinux means musl.
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
    """The parts of a wheel's file name. `build` and `variant` may be empty. `tag` may be a compressed set of tags."""

    distribution: str
    version: str
    build: str
    tag: str
    variant: str


def parse(file_name: str) -> WheelName:
    """Return the parts of a wheel's file name. Raises InvalidWheelError if the name is not valid.

    A build tag begins with a digit, which no Python tag does. A variant label follows the platform tag.
    Sources: "File name convention" of the binary distribution format, PEP 817.
    """
    parts = file_name.removesuffix(".whl").split("-")
    has_build = len(parts) > 5 and parts[2][:1].isdigit()
    tag = parts[3 if has_build else 2 :]
    if not file_name.endswith(".whl") or len(tag) not in {3, 4} or not all(parts):
        raise InvalidWheelError(f"{file_name} is not the file name of a wheel")
    build = parts[2] if has_build else ""
    return WheelName(parts[0], parts[1], build, "-".join(tag[:3]), tag[3] if len(tag) == 4 else "")


def tag_of_file_name(wheel: str) -> str:
    """Return the tag of a wheel's file name: `six-1.17.0-py2.py3-none-any.whl` has `py2.py3-none-any`.

    The tag of a wheel variant ends with the variant's label, as in `cp314-cp314-linux_x86_64+cu129`. No interpreter
    supports such a tag, so a variant never ranks among wheels: only uv can tell which variant fits a machine.
    Raises InvalidWheelError if the name is not a wheel's.
    """
    name = parse(wheel)
    return f"{name.tag}+{name.variant}" if name.variant else name.tag


def expand(tag: str) -> list[str]:
    """Return every single tag of a compressed set: `py2.py3-none-any` stands for two."""
    compressed, plus, variant = tag.partition("+")
    pythons, abis, platforms = compressed.split("-")
    return [
        f"{python}-{abi}-{platform}{plus}{variant}"
        for python in pythons.split(".")
        for abi in abis.split(".")
        for platform in platforms.split(".")
    ]


def bucket(tag: str) -> str:
    """Return the bucket of a wheel with this (possibly compressed) tag.

    | bucket | wheels in it work with |
    | --- | --- |
    | `py3-none-any` | every Python |
    | `py3-none-…` | every Python of one platform |
    | `abi3-…` | every CPython 3 of one platform |
    | `abi3.abi3t-…` | both kinds of builds of CPython 3 (PEP 803) |
    | `cpython-312-linux-x86_64` | one interpreter ABI |
    | `cpython-314-none-…` | one version of Python with any ABI: 3.14 and its free-threaded build |
    | `mixed` | any other set of ABIs or platforms |

    `buckets_for` returns this bucket for each interpreter that supports one of the tags.
    """
    if "." not in tag:
        return _bucket_of_one(tag)
    singles = expand(tag)
    found = {_bucket_of_one(single) for single in singles}
    if len(found) == 1:
        return found.pop()
    if PURE_BUCKET in found:
        return PURE_BUCKET
    platforms = {_platform(single.split("-")[2]) for single in singles}
    if len(platforms) == 1:
        platform = platforms.pop()
        if f"py3-none-{platform}" in found:
            return f"py3-none-{platform}"
        if found == {f"abi3-{platform}", f"abi3t-{platform}"}:
            return f"abi3.abi3t-{platform}"
    return MIXED_BUCKET


def buckets_for(tags: list[str]) -> list[str]:
    """Return the buckets that an interpreter with these supported tags may link, without duplicates, best first."""
    found = dict.fromkeys(map(_bucket_of_one, tags))
    for name in list(found):
        kind, _, platform = name.partition("-")
        if kind in {"abi3", "abi3t"}:
            found[f"abi3.abi3t-{platform}"] = None
    return [*found, MIXED_BUCKET]


def _bucket_of_one(tag: str) -> str:
    python, abi, platform = tag.split("-")
    system = _platform(platform)
    if abi in {"abi3", "abi3t"}:
        return f"{abi}-{system}"
    if abi == "none":
        if python in {"py2", "py3"}:
            return PURE_BUCKET if system == "any" else f"py3-none-{system}"
        return f"{_implementation(python)}-none-{system}"
    return f"{_implementation(abi if abi.startswith('cp') else python)}-{system}"


_platforms = {"any": "any"}
"""A cache of the words for platform tags in a bucket's name. An interpreter has forty of them, in a thousand tags."""


def _platform(tag: str) -> str:
    if tag in _platforms:
        return _platforms[tag]
    name, plus, variant = tag.partition("+")
    system = next((word for prefix, word in _SYSTEMS if name.startswith(prefix)), "other")
    architecture = next((known for known in _ARCHITECTURES if name.endswith(known)), name)
    names = {"amd64": "x86_64", "win32": "x86"}
    _platforms[tag] = f"{system}-{names.get(architecture, architecture)}{plus}{variant}"
    return _platforms[tag]


def _implementation(tag: str) -> str:
    prefix = tag.rstrip("0123456789tdmu_")
    return f"{_PYTHONS.get(prefix, prefix)}-{tag[len(prefix) :] or 'any'}"
