"""Checks that two environments are equal to their users, whether their files are links or not.

`observe` inspects an environment at a `Level`; `differences` compares two observations. The comparison follows links
and knows nothing of stores. Only things that always differ are left out: bytecode, locks, the text of RECORD (its
rows are compared), the prompt, the times that uv notes for a folder that it built, and the paths of the environment
and of its project.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import importlib.metadata
import json
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Any

from tests.support.machines import Machine, interpreter_of, site_packages_of
from tests.support.probe import described
from tests.support.snapshots import sha256_of
from tests.support.wheels import record_hash

PROBE = Path(__file__).with_name("probe.py")

SCRIPT_TIMEOUT_SECONDS = 30
"""The time limit for `--help` of a console script. Two scripts that both exceed it are equal."""

LOADED = "loaded"


class Level(enum.IntEnum):
    """The depth of an observation. Each level includes the levels before it."""

    FILES = 1
    METADATA = 2
    BEHAVIOUR = 3


@dataclass(frozen=True)
class Distribution:
    """One distribution as `importlib.metadata` sees it."""

    version: str
    requires: tuple[str, ...]
    entry_points: tuple[str, ...]
    record: Mapping[str, tuple[str, str]]
    """RECORD's rows: hash and size by path."""
    repeated_rows: tuple[str, ...]
    files: frozenset[str]
    missing_files: tuple[str, ...]


@dataclass(frozen=True)
class Observation:
    """The facts about one environment. Its path is written as `<environment>`, its project's as `<project>`."""

    environment: Path
    level: Level
    files: Mapping[str, str]
    """Hash and executable bit by path. Links are followed."""
    directories: frozenset[str]
    """All folders except `__pycache__`. Empty folders are included."""
    dangling_links: tuple[str, ...]
    answers: Mapping[str, str] = field(default_factory=dict)
    """The output of uv and pip, by command."""
    distributions: Mapping[str, Distribution] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    imports: Mapping[str, str] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)


def observe(
    environment: Path, machine: Machine, *, level: Level = Level.BEHAVIOUR, pip: Path | None = None
) -> Observation:
    """Observe an environment. `pip` is a folder with the package pip, for environments without pip.

    At `METADATA` the tests' interpreter reads the metadata. At `BEHAVIOUR` the environment's own interpreter does,
    and the environment's code is run. This may leave bytecode in the environment and in linked folders.
    """
    files, directories, dangling_links = _tree(environment)
    observation = Observation(environment, level, files, directories, dangling_links)
    if level < Level.METADATA:
        return observation
    scripts: dict[str, str] = {}
    report: dict[str, Any] = {}
    if level < Level.BEHAVIOUR:
        distributions = _distributions(environment)
    else:
        report = _probe(environment, machine)
        distributions = {found["name"]: _distribution(found) for found in report["distributions"]}
        names = _script_names(environment, distributions.values())
        with ThreadPoolExecutor(max_workers=2) as pool:
            scripts = dict(zip(names, pool.map(lambda name: _help(environment, machine, name), names), strict=True))
    return Observation(
        environment,
        level,
        files,
        directories,
        dangling_links,
        answers=_answers(environment, machine, pip),
        distributions=distributions,
        scripts=scripts,
        imports=_normalised(report.get("imports", {}), environment),
        libraries=_normalised(report.get("libraries", {}), environment),
    )


def glance(environment: Path, machine: Machine) -> Observation:
    """Observe an environment in some 50 ms: files, metadata, `uv pip freeze`, and the output of scripts.

    The tests' interpreter reads the metadata, and not the environment's own interpreter.
    """
    files, directories, dangling_links = _tree(environment)
    distributions = _distributions(environment)
    return Observation(
        environment,
        Level.METADATA,
        files,
        directories,
        dangling_links,
        answers=_answers(environment, machine, None, ["uv pip freeze"] if distributions else []),
        distributions=distributions,
        scripts={
            name: _help(environment, machine, name) for name in _script_names(environment, distributions.values())
        },
    )


def differences(uv: Observation, pepip: Observation) -> list[str]:
    """Return a line for each difference between the environments.

    If several distributions claim one path with different bytes, uv's parallel installs decide at random which one
    wins. So the bytes of any claimant are accepted. pepip's environment may lack empty folders that uv leaves behind.
    """
    claims = _contested_claims(uv.distributions)
    return [
        *_unequal("file", _settled(uv.files, claims), _settled(pepip.files, claims)),
        *(f"folder {path}: only in pepip's" for path in sorted(pepip.directories - uv.directories)),
        *(f"dangling link: {path}" for path in sorted(set(pepip.dangling_links) - set(uv.dangling_links))),
        *_unequal("answer of", uv.answers, pepip.answers),
        *_distribution_differences(uv, pepip),
        *_unequal("script", uv.scripts, pepip.scripts),
        *_unequal("import of", uv.imports, pepip.imports),
        *(
            f"library {path}: loads in uv's, but in pepip's: {pepip.libraries.get(path, 'absent')}"
            for path, outcome in sorted(uv.libraries.items())
            if outcome == LOADED and pepip.libraries.get(path) != LOADED
        ),
    ]


def _tree(environment: Path) -> tuple[dict[str, str], frozenset[str], tuple[str, ...]]:
    files: dict[str, str] = {}
    directories: set[str] = set()
    dangling_links: list[str] = []
    for folder, names in _walk(environment):
        relative = Path(folder).relative_to(environment)
        for name in names:
            path = Path(folder, name)
            shown = (relative / name).as_posix()
            if not path.exists():
                dangling_links.append(shown)
            elif shown not in {".lock", ".pepip-id", ".pepip-linked.json"}:
                files[shown] = _file_description(path, shown, environment)
        directories.add(relative.as_posix())
    return files, frozenset(directories), tuple(dangling_links)


def _walk(environment: Path) -> Iterator[tuple[str, list[str]]]:
    """Walk an environment and follow its links, except links to its own folders, such as `lib64`."""
    for folder, inner_folders, names in os.walk(environment, followlinks=True):
        for name in list(inner_folders):
            path = Path(folder, name)
            if name == "__pycache__":
                inner_folders.remove(name)
            elif path.is_symlink() and path.resolve().is_relative_to(environment.resolve()):
                inner_folders.remove(name)
                names.append(name)
        yield folder, names


def _file_description(path: Path, shown: str, environment: Path) -> str:
    if path.is_dir():
        return f"link to the environment's own {path.resolve().relative_to(environment.resolve())}"
    executable = ", executable" if path.stat().st_mode & stat.S_IXUSR else ""
    if shown.endswith(".dist-info/RECORD"):
        return f"RECORD{executable}"
    if shown == "pyvenv.cfg":
        lines = path.read_text().splitlines()
        return "\n".join(line for line in lines if not line.startswith("prompt"))
    if shown.startswith("bin/") and not path.is_symlink() and path.stat().st_size < 4 << 20:
        contents = path.read_bytes().replace(os.fsencode(environment), b"<environment>")
        return f"{hashlib.sha256(contents).hexdigest()[:16]}{executable}"
    if shown.endswith(_NOTE_OF_TIMES):
        return f"uv's note of {', '.join(sorted(json.loads(path.read_bytes())))}{executable}"
    if _names_the_project(path, environment):
        contents = path.read_bytes().replace(os.fsencode(environment.parent), b"<project>")
        return f"{hashlib.sha256(contents).hexdigest()[:16]} with the project's path{executable}"
    return f"{_hash_of_inode(path)}{executable}"


_NOTE_OF_TIMES = ".dist-info/uv_cache.json"


def _names_the_project(path: Path, environment: Path) -> bool:
    """Tell whether a file looks like one of an editable install: real, small, and with the project's path in it."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size > 1 << 16:
        return False
    is_outermost = path.parent.name == "site-packages" or path.parent.suffix == ".dist-info"
    return is_outermost and os.fsencode(environment.parent) in path.read_bytes()


def _hash_of_inode(path: Path) -> str:
    """Return a file's hash. An inode that several environments share is read once."""
    status = path.stat()
    identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    if identity not in _known_hashes:
        _known_hashes[identity] = sha256_of(path)[:16]
    return _known_hashes[identity]


_known_hashes: dict[tuple[int, ...], str] = {}


_COMMANDS = {
    "uv pip list": ("list", "--format", "json"),
    "uv pip freeze": ("freeze",),
    "uv pip check": ("check",),
    "uv pip tree": ("tree",),
}


def _answers(
    environment: Path, machine: Machine, pip: Path | None, titles: Iterable[str] = tuple(_COMMANDS)
) -> dict[str, str]:
    python = interpreter_of(environment)
    answers = {}
    with machine.scratch_folder() as folder:
        for title in titles:
            arguments = _COMMANDS[title]
            output = machine.uv("pip", *arguments, "--python", python, folder=folder, check=False)
            said = output.stdout + (output.stderr if title == "uv pip check" else "")
            answers[title] = f"exit {output.returncode}: {_normalised_text(said, environment)}"
        pip_command = _pip_command(environment, pip)
        if pip_command:
            output = machine.run([*pip_command, "list", "--format", "json"], folder=folder, check=False)
            answers["pip list"] = f"exit {output.returncode}: {_normalised_text(output.stdout, environment)}"
    return answers


def _pip_command(environment: Path, pip: Path | None) -> list[str | Path]:
    python = interpreter_of(environment)
    if any(environment.glob("lib/python3.*/site-packages/pip/__main__.py")):
        return [python, "-m", "pip"]
    return [python, pip / "pip" / "__pip-runner__.py"] if pip else []


def _distributions(environment: Path) -> dict[str, Distribution]:
    """Return the distributions by name, as the tests' interpreter reads their metadata."""
    found = importlib.metadata.distributions(path=[str(site_packages_of(environment))])
    return {str(item["name"]): _distribution(item) for item in map(described, found)}


def _probe(environment: Path, machine: Machine) -> dict[str, Any]:
    with machine.scratch_folder() as folder:
        variables = {"QT_QPA_PLATFORM": "offscreen", "MPLCONFIGDIR": str(folder)}
        command: list[str | Path] = [interpreter_of(environment), "-I", PROBE]
        output = machine.run(command, folder=folder, variables=variables)
    report: dict[str, Any] = json.loads(output.stdout)
    return report


def _distribution(found: dict[str, Any]) -> Distribution:
    rows = [(row[0], (row[1], row[2])) for row in found["record"]]
    paths = [path for path, _ in rows]
    return Distribution(
        version=found["version"],
        requires=tuple(found["requires"]),
        entry_points=tuple(found["entry_points"]),
        record=dict(reversed(rows)),
        repeated_rows=tuple(sorted(path for path, count in Counter(paths).items() if count > 1)),
        files=frozenset(found["files"]),
        missing_files=tuple(found["missing_files"]),
    )


def _script_names(environment: Path, distributions: Iterable[Distribution]) -> list[str]:
    """Return the names of all executables in `bin/` that a RECORD lists."""
    names = {
        Path(path).name
        for distribution in distributions
        for path in distribution.record
        if path.startswith("../") and Path(path).parent.name == "bin"
    }
    return sorted(name for name in names if os.access(environment / "bin" / name, os.X_OK))


def _help(environment: Path, machine: Machine, name: str) -> str:
    with machine.scratch_folder() as folder:
        try:
            output = machine.run(
                [environment / "bin" / name, "--help"],
                folder=folder,
                check=False,
                timeout_seconds=SCRIPT_TIMEOUT_SECONDS,
                variables={"QT_QPA_PLATFORM": "offscreen", "COLUMNS": "100"},
            )
        except TimeoutExpired:
            return "no end"
        except OSError as error:
            return f"cannot be started: {error.strerror}"
    said = (output.stdout.strip() or output.stderr.strip()).split("\n")[0]
    return f"exit {output.returncode}: {_normalised_text(said.replace(str(folder), '<folder>'), environment)}"


def _normalised(outcomes: Mapping[str, str], environment: Path) -> dict[str, str]:
    return {name: _normalised_text(outcome, environment) for name, outcome in outcomes.items()}


def _normalised_text(text: str, environment: Path) -> str:
    text = text.replace(os.fspath(environment), "<environment>").replace(os.fspath(environment.parent), "<project>")
    text = re.sub(r"0x[0-9a-fA-F]+", "<address>", text)
    return re.sub(r"\b\d[\d.]*m?s\b", "<time>", text).strip()


def _contested_claims(distributions: Mapping[str, Distribution]) -> dict[str, set[str]]:
    """Return the claimed hashes of each path that distributions claim with different bytes."""
    claims: dict[str, set[str]] = {}
    for distribution in distributions.values():
        for path, (row_hash, _) in distribution.record.items():
            claims.setdefault(path, set()).add(row_hash)
    return {path: hashes for path, hashes in claims.items() if len(hashes) > 1}


def _settled(files: Mapping[str, str], claims: Mapping[str, set[str]]) -> dict[str, str]:
    """Return the descriptions of files, with the same text for each contested file that matches one claimant."""
    settled = dict(files)
    for path, row_hashes in claims.items():
        for shown in [name for name in files if name.endswith(f"/site-packages/{path}")]:
            description, _, executable = files[shown].partition(", ")
            if description in {_hexadecimal(row_hash) for row_hash in row_hashes}:
                settled[shown] = f"the bytes of one claimant, {executable}"
    return settled


def _hexadecimal(row_hash: str) -> str:
    """Return the hash in a row of RECORD in the form of file descriptions: the first 16 hexadecimal digits."""
    encoded = row_hash.partition("=")[2]
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).hex()[:16]


def _unequal(what: str, uv: Mapping[str, str], pepip: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(uv.keys() | pepip.keys()):
        if name not in pepip:
            yield f"{what} {name}: only in uv's ({uv[name]})"
        elif name not in uv:
            yield f"{what} {name}: only in pepip's ({pepip[name]})"
        elif uv[name] != pepip[name]:
            yield f"{what} {name}: uv's {uv[name]!r}, pepip's {pepip[name]!r}"


def _distribution_differences(uv: Observation, pepip: Observation) -> Iterator[str]:
    for name in sorted(uv.distributions.keys() ^ pepip.distributions.keys(), key=str):
        yield f"distribution {name}: only in {'uv' if name in uv.distributions else 'pepip'}'s"
    for name in sorted(uv.distributions.keys() & pepip.distributions.keys(), key=str):
        ours, theirs = pepip.distributions[name], uv.distributions[name]
        for attribute in ("version", "requires", "entry_points"):
            if getattr(ours, attribute) != getattr(theirs, attribute):
                yield f"{attribute} of {name}: {getattr(theirs, attribute)} is {getattr(ours, attribute)}"
        yield from (f"RECORD of {name}: {line}" for line in _record_differences(uv, pepip, name))


def _record_differences(uv: Observation, pepip: Observation, name: str) -> Iterator[str]:
    ours, theirs = pepip.distributions[name], uv.distributions[name]
    for path, row in sorted(theirs.record.items()):
        if path not in ours.record:
            yield f"{path} is missing"
        elif ours.record[path] != row and _differs_by_nature(path, pepip.environment):
            if _is_true(path, row, uv.environment) and not _is_true(path, ours.record[path], pepip.environment):
                yield f"{path} has the hash of something else"
        elif ours.record[path] != row:
            yield f"{path} has {ours.record[path]} instead of {row}"
    for path in sorted(ours.record.keys() - theirs.record.keys()):
        linked = site_packages_of(pepip.environment) / path
        if ours.record[path] != ("", "") or not (linked.is_symlink() and linked.is_dir()):
            yield f"{path} is neither a row of uv's nor a link to a folder"
    yield from (f"files() lacks {path}" for path in sorted(theirs.files - ours.files))
    yield from (f"{path} does not exist" for path in sorted(set(ours.missing_files) - set(theirs.missing_files)))
    yield from (f"{path} is listed twice" for path in sorted(set(ours.repeated_rows) - set(theirs.repeated_rows)))


def _is_true(record_path: str, row: tuple[str, str], environment: Path) -> bool:
    """Tell whether a row of RECORD has no hash or the right one. A row without a file counts as right."""
    file = site_packages_of(environment) / record_path
    return not file.is_file() or row[0] in ("", record_hash(file.read_bytes()))


def _differs_by_nature(record_path: str, environment: Path) -> bool:
    """Tell whether a file may contain times, or the path of its environment or project, and so has another hash."""
    is_script = record_path.startswith("../") and Path(record_path).parent.name == "bin"
    file = site_packages_of(environment) / record_path
    return is_script or record_path.endswith(_NOTE_OF_TIMES) or _names_the_project(file, environment)
