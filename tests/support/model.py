"""Two projects with one store that several tools change. Each has a twin that pepip never changes, to compare."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.machines import Machine, Output, interpreter_of
from tests.support.parity import Level, Observation, observe
from tests.support.stores import problems_of
from tests.support.wheels import PKGUTIL_NAMESPACE, Wheel

_TOOL = {"console_scripts": {"tool": "alpha:main"}}


def _alpha(version: str) -> Wheel:
    files = {
        "alpha/__init__.py": f"V = {version!r}\ndef main():\n    print(V)\n",
        "alpha/core/__init__.py": f"V = {version!r}\n",
        "alpha/templates/kit/new.txt": version,
        f"alpha/only_in_{version[0]}.py": "",
    }
    return Wheel("alpha", version, files=files, data={"data/share/alpha/manual.txt": version}, entry_points=_TOOL)


WHEELS = (
    _alpha("1.0"),
    _alpha("2.0"),
    Wheel("plug", "1.0", files={"alpha/plug.py": "", "plug.py": "V = 1\n"}),
    Wheel("plug", "2.0", files={"alpha/core/plug.py": "", "plug/__init__.py": "V = 2\n"}),
    Wheel("cover", "1.0", files={"alpha/__init__.py": "V = 'cover'\n", "alpha/core/table.txt": "cover"}),
    Wheel("kit", "1.0", files={"alpha/templates/kit/more.txt": "", "loose/kit.txt": ""}),
    Wheel("rival", "1.0", files={"rival.py": "def main():\n    print('rival')\n"},
          data={"data/share/alpha/rival.txt": "rival"}, entry_points={"console_scripts": {"tool": "rival:main"}}),
    Wheel("wind-one", "1.0", files={"wind/one/__init__.py": "", "wind/LICENSE": "one"}),
    Wheel("wind-two", "1.0", files={"wind/two/__init__.py": "", "wind/LICENSE": "two"}),
    Wheel("wind-two", "2.0", files={"wind/two.py": ""}),
    Wheel("joint-one", "1.0", files={"joint/__init__.py": PKGUTIL_NAMESPACE, "joint/one/__init__.py": ""}),
    Wheel("joint-two", "1.0", files={"joint/__init__.py": PKGUTIL_NAMESPACE, "joint/two/__init__.py": ""}),
    Wheel("loose-data", "1.0", files={"loose/data.txt": "", "loose/deep/data.txt": ""}),
)  # fmt: skip
"""Distributions whose paths overlap: files in another package, namespaces, a shared script, and no modules."""

PINS = tuple(f"{wheel.name}=={wheel.version}" for wheel in WHEELS)
FIRST = "alpha==1.0"
"""The requirement that both projects have at first."""

NAMES = tuple(sorted({wheel.name for wheel in WHEELS}))


@dataclass
class Pair:
    """A project that pepip and other tools change, and its twin, which only uv and pip change in the same way."""

    project: Path
    twin: Path
    ever: set[str] = field(default_factory=set)
    """All pins that were requested since both environments were made."""

    @property
    def environments(self) -> tuple[Path, Path]:
        """Return both environments, pepip's first."""
        return self.project / ".venv", self.twin / ".venv"


class Studio:
    """A store, two pairs of projects, and the tools that change them. All belong to one user."""

    def __init__(self, user: Machine, folder: Path, wheelhouse: Path, interpreter: Path, pip: Path) -> None:
        self.user, self._interpreter, self._pip = user, interpreter, pip / "pip" / "__pip-runner__.py"
        self.source = ("--no-index", "--find-links", wheelhouse)
        self.pairs = tuple(
            Pair(user.make_folder(folder / name / "pepip"), user.make_folder(folder / name / "by-uv"))
            for name in ("one", "two")
        )
        for pair in self.pairs:
            self.make_anew(pair)
            for output in (
                self.pepip(pair, "install", FIRST, *self.source),
                self.uv(pair.twin, "install", FIRST, *self.source),
            ):
                assert output.returncode == 0, output.stderr
            pair.ever.add(FIRST)

    def make_anew(self, pair: Pair) -> None:
        """Give a pair empty environments."""
        for environment in pair.environments:
            if environment.exists():
                shutil.rmtree(environment)
            self.user.uv("venv", "-q", ".venv", "--python", self._interpreter, folder=environment.parent)
        pair.ever.clear()

    def other(self, pair: Pair) -> Pair:
        """Return the other of the two pairs."""
        return self.pairs[1] if pair is self.pairs[0] else self.pairs[0]

    def pepip(self, pair: Pair, *words: str | Path) -> Output:
        """Run pepip in a project."""
        return self.user.pepip(*words, folder=pair.project, check=False)

    def uv(self, folder: Path, *words: str | Path) -> Output:
        """Run a command of uv's pip interface in a project or in a twin."""
        return self.user.uv("pip", *words, folder=folder, check=False)

    def pip(self, folder: Path, *words: str | Path) -> Output:
        """Run pip on the environment of a project or of a twin."""
        return self.user.python(folder / ".venv", self._pip, *words, check=False)

    def observe(self, pair: Pair) -> Observation:
        """Observe the files of a project's environment. Links are followed."""
        return observe(pair.environments[0], self.user, level=Level.FILES)

    def listed(self, pair: Pair) -> tuple[dict[str, str], dict[str, str]]:
        """Return the versions by name that pepip lists in a project, and those that uv lists."""
        words = ("list", "--format", "json")
        by_pepip = self.pepip(pair, *words)
        by_uv = self.uv(pair.project, *words, "--python", interpreter_of(pair.environments[0]))
        return _versions(by_pepip), _versions(by_uv)

    def problems(self) -> list[str]:
        """Return the faults of the store that its files show or that `pepip store verify` finds."""
        verified = self.user.pepip("store", "verify", folder=self.user.home, check=False)
        found = self.changed_bytes()
        return found if verified.returncode == 0 else [*found, verified.stdout + verified.stderr]

    def changed_bytes(self) -> list[str]:
        """Return the faults of the store that its files show."""
        return problems_of(self.user.store, sealed=False)

    def contested(self, pair: Pair) -> set[str]:
        """Return the paths that several of the distributions claim that a pair ever had.

        uv removes such a file with the first of them. Repairs restore it if another one is linked.
        """
        return set(_claims(pair.ever))

    def differences(self, pair: Pair) -> list[str]:
        """Return a line for each difference between a project and its twin.

        Some paths are claimed by several distributions. Such a file may have the bytes of any of these that was ever
        requested. It may also exist only in pepip's environment, because uv removes it with its first owner. A
        version over which another tool installed another version is gone, but pip leaves its files and metadata.
        pepip removes a `.dist-info` folder whole. uv leaves its own note there, if pip has written RECORD without it.
        """
        ours, theirs = (
            observe(environment, self.user, level=Level.FILES) for environment in pair.environments
        )  # fmt: skip
        claims = _claims(pair.ever)
        superseded = _superseded({*theirs.files} - {*ours.files}, {*theirs.files})
        lines = [f"dangling: {path}" for path in sorted({*ours.dangling_links} - {*theirs.dangling_links})]
        for path in sorted(ours.files.keys() | theirs.files.keys()):
            here, there = ours.files.get(path), theirs.files.get(path)
            if here == there or (here is None and inside(path) in superseded):
                continue
            folder, is_metadata, name = path.partition(".dist-info/")
            if here is None and name == "uv_cache.json" and f"{folder}{is_metadata}METADATA" not in theirs.files:
                continue
            hashes = claims.get(inside(path), {})
            if len(hashes) > 1 and (here in set(hashes.values()) or path.startswith("bin/")) and here is not None:
                continue
            lines.append(f"{path}: {here or 'absent'}, in uv's {there or 'absent'}")
        return lines


def inside(path: str) -> str:
    """Return a path of an environment as its path in a wheel, for the wheels of this module."""
    return path.partition("/site-packages/")[2] or path


def _superseded(absent: set[str], there: set[str]) -> set[str]:
    """Return the paths of versions whose metadata is `absent`, while that of another version is there."""
    folders = {inside(path).partition("/")[0] for path in there if ".dist-info/" in path}
    found: set[str] = set()
    for wheel in WHEELS:
        info = f"{wheel.name.replace('-', '_')}-{wheel.version}.dist-info"
        others = {folder for folder in folders if folder.startswith(f"{info.partition('-')[0]}-")} - {info}
        gone = {inside(path) for path in absent if inside(path).startswith(f"{info}/")}
        if gone and others:
            outside = {f"share/{path.partition('share/')[2]}" for path in wheel.data}
            found |= gone | set(wheel.files) | outside
    return found


def _claims(pins: set[str]) -> dict[str, dict[str, str]]:
    """Return, for each path that several distributions claim, their names and the descriptions of their files."""
    found: dict[str, dict[str, str]] = {}
    for wheel in WHEELS:
        if f"{wheel.name}=={wheel.version}" in pins:
            outside = {f"share/{path.partition('share/')[2]}": text for path, text in wheel.data.items()}
            for path, text in {**wheel.files, **outside, **({"bin/tool": ""} if wheel.entry_points else {})}.items():
                found.setdefault(path, {})[wheel.name + wheel.version] = _described(text)
    return {path: hashes for path, hashes in found.items() if len({name[:-3] for name in hashes}) > 1}


def _described(text: str | bytes) -> str:
    return hashlib.sha256(text if isinstance(text, bytes) else text.encode()).hexdigest()[:16]


def _versions(output: Output) -> dict[str, str]:
    assert output.returncode == 0, output.stderr
    return {item["name"]: item["version"] for item in json.loads(output.stdout)}
