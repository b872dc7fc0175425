"""Builds wheels, source trees and sdists for tests, without a network.

A description, a `Wheel`, is written as a `.whl`, as a source tree with its own PEP 517 backend, or as an sdist of
that tree. The same description always gives the same bytes. A description may be broken or hostile: the faults that
`record_rows`, `wrong_hashes` and `links` describe are in the archive. Knows nothing of pepip.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Contents = str | bytes

Row = tuple[str, str, str]
"""A row of RECORD."""

PKGUTIL_NAMESPACE = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
"""The `__init__.py` of a pkgutil-style namespace package."""

PKG_RESOURCES_NAMESPACE = "__import__('pkg_resources').declare_namespace(__name__)\n"
"""The `__init__.py` of a pkg_resources-style namespace package; needs setuptools before 82 at import."""

_ARCHIVE_TIME = (2020, 1, 1, 0, 0, 0)
_ARCHIVE_EPOCH_SECONDS = 1577836800

_BACKEND = '''\
"""A build backend that zips the folder `wheel` beside it: no build requirement, Python 3.8 and newer."""

import base64
import hashlib
import os
import time
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
CONTENTS = os.path.join(HERE, "wheel")


def _contents():
    for folder, folders, names in os.walk(CONTENTS):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(names):
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                yield os.path.relpath(path, CONTENTS).replace(os.sep, "/"), file.read(), os.stat(path).st_mode


def _write(wheel_directory, members):
    metadata = next(name for name, _, _ in members if name.endswith(".dist-info/METADATA"))
    dist_info = metadata.split("/")[0]
    tag = open(os.path.join(CONTENTS, dist_info, "WHEEL")).read().split("Tag: ")[1].split()[0]
    filename = dist_info[: -len(".dist-info")] + "-" + tag + ".whl"
    rows = []
    with zipfile.ZipFile(os.path.join(wheel_directory, filename), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, contents, mode in members:
            digest = base64.urlsafe_b64encode(hashlib.sha256(contents).digest()).rstrip(b"=").decode()
            rows.append("%s,sha256=%s,%d" % (name, digest, len(contents)))
            member = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            member.external_attr = mode << 16
            archive.writestr(member, contents)
        rows.append(dist_info + "/RECORD,,")
        record = zipfile.ZipInfo(dist_info + "/RECORD", (2020, 1, 1, 0, 0, 0))
        archive.writestr(record, "\\n".join(rows) + "\\n")
    return filename


def _note(members, config_settings):
    """Return a module that says what this build was told."""
    variables, helpers = [line.split() for line in open(os.path.join(HERE, "notes")).read().split("\\n")[:2]]
    facts = {"settings": config_settings or {}}
    facts.update((name, os.environ.get(name)) for name in variables)
    for name in helpers:
        try:
            facts[name] = __import__(name).VERSION
        except ImportError:
            facts[name] = "absent"
    module = next(name for name, _, _ in members if name.endswith("/__init__.py"))
    path = os.path.dirname(module) + "/build_notes.py"
    return path, ("FACTS = %r\\n" % sorted(facts.items())).encode(), 0o100644


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    members = list(_contents())
    if os.path.exists(os.path.join(HERE, "stamped")):
        module = next(name for name, _, _ in members if name.endswith(".py"))
        stamp = os.path.dirname(module) + "/build_stamp.py" if "/" in module else "build_stamp.py"
        members.append((stamp, ("BUILT_AT_NANOSECONDS = %d\\n" % time.time_ns()).encode(), 0o100644))
    if os.path.exists(os.path.join(HERE, "notes")):
        members.append(_note(members, config_settings))
    return _write(wheel_directory, members)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    members = [member for member in _contents() if ".dist-info/" in member[0]]
    name = members[0][0].split("-")[0]
    members.append(("__editable__." + name + ".pth", (CONTENTS + "\\n").encode(), 0o100644))
    return _write(wheel_directory, members)


def build_sdist(sdist_directory, config_settings=None):
    raise NotImplementedError("the tests write their sdists themselves")
'''


@dataclass(frozen=True)
class Wheel:
    """The contents of a wheel of one distribution version, including faults."""

    name: str
    version: str
    files: Mapping[str, Contents] = field(default_factory=dict)
    """Contents of files, by path relative to the wheel's root, with forward slashes."""
    data: Mapping[str, Contents] = field(default_factory=dict)
    """Contents of files, by path below `<name>-<version>.data/`, such as `scripts/greet` or `data/share/doc.txt`."""
    entry_points: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Object references by name, by group, such as `{"console_scripts": {"greet": "greeting:main"}}`."""
    dependencies: Sequence[str] = ()
    extras: Mapping[str, Sequence[str]] = field(default_factory=dict)
    requires_python: str = ""
    tag: str = "py3-none-any"
    build: str = ""
    """The build number in the file name, or empty for none."""
    variant: str = ""
    """A text for the summary, so that otherwise equal wheels have different bytes."""
    executables: Collection[str] = ()
    """Paths that have the executable bit. `.data/scripts` always have it."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Symbolic links in the archive: target by path."""
    record_rows: Sequence[Row] = ()
    """Rows to append to RECORD unchanged, whether such files exist or not."""
    unrecorded: Collection[str] = ()
    """Paths that RECORD leaves out."""
    wrong_hashes: Collection[str] = ()
    """Paths whose RECORD row has the hash of other bytes."""
    rewrite_record: Callable[[list[Row]], list[Row]] | None = None
    """A function that changes the rows of RECORD."""
    folders: Sequence[str] = ()
    """Folders that get their own archive members, including empty folders."""
    modes: Mapping[str, int] = field(default_factory=dict)
    """Permission bits by path, if they are not the usual ones."""
    own_stem: str = ""
    """The `name-version` of the wheel's own folders, if it is not the one in its file name."""
    build_notes: Sequence[str] = ()
    """Environment variables that a build from source notes in `build_notes.py`.

    The note also has the build's settings and the `VERSION` of each module in `build_requires`.
    """
    build_requires: Sequence[str] = ()
    """Distributions that a build from source needs."""

    @property
    def stem(self) -> str:
        """Return `name-version` as the wheel's own folders spell it."""
        return f"{self.name.replace('-', '_').replace('.', '_')}-{self.version}"

    @property
    def dist_info(self) -> str:
        """Return the name of the `.dist-info` folder."""
        return f"{self.own_stem or self.stem}.dist-info"

    @property
    def data_folder(self) -> str:
        """Return the name of the `.data` folder."""
        return f"{self.own_stem or self.stem}.data"

    @property
    def filename(self) -> str:
        """Return the wheel's file name."""
        build = f"-{self.build}" if self.build else ""
        return f"{self.stem}{build}-{self.tag}.whl"

    def write(self, directory: Path) -> Path:
        """Write the wheel into `directory`, and return its path.

        A missing directory is made, and an existing wheel is replaced.
        """
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / self.filename
        members = self._members()
        with zipfile.ZipFile(path, "w") as archive:
            for name in self.folders:
                folder = zipfile.ZipInfo(f"{name}/", _ARCHIVE_TIME)
                folder.create_system = 3
                folder.external_attr = (stat.S_IFDIR | 0o755) << 16 | 0x10
                archive.writestr(folder, "")
            for name, contents in members.items():
                archive.writestr(self._zip_member(name), contents, zipfile.ZIP_DEFLATED, 6)
            for name, target in self.links.items():
                link = zipfile.ZipInfo(name, _ARCHIVE_TIME)
                link.create_system = 3
                link.external_attr = (stat.S_IFLNK | 0o777) << 16
                archive.writestr(link, target)
            archive.writestr(self._zip_member(f"{self.dist_info}/RECORD"), self._record(members))
        return path

    def write_source(self, directory: Path, *, stamped: bool = False) -> Path:
        """Write a source tree into `directory`, and return it. It builds this wheel, also as editable.

        With `stamped`, each build has different bytes, like builds that record their time.
        """
        for name, contents in self._source_files(stamped=stamped).items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(contents)
            path.chmod(self._source_mode(name))
        return directory

    def write_sdist(self, directory: Path, *, stamped: bool = False) -> Path:
        """Write an sdist of the source tree into `directory`, and return its path. A missing directory is made."""
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{self.stem}.tar.gz"
        unpacked = io.BytesIO()
        with tarfile.open(fileobj=unpacked, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for name, contents in self._source_files(stamped=stamped).items():
                member = tarfile.TarInfo(f"{self.stem}/{name}")
                member.size = len(contents)
                member.mtime = _ARCHIVE_EPOCH_SECONDS
                member.mode = self._source_mode(name)
                archive.addfile(member, io.BytesIO(contents))
        path.write_bytes(gzip.compress(unpacked.getvalue(), mtime=_ARCHIVE_EPOCH_SECONDS))
        return path

    def _members(self) -> dict[str, bytes]:
        members = {name: _bytes(contents) for name, contents in sorted(self.files.items())}
        for name, contents in sorted(self.data.items()):
            members[f"{self.data_folder}/{name}"] = _bytes(contents)
        members[f"{self.dist_info}/METADATA"] = self._metadata().encode()
        pure = "true" if self.tag.endswith("-none-any") else "false"
        members[f"{self.dist_info}/WHEEL"] = (
            f"Wheel-Version: 1.0\nGenerator: pepip-tests\nRoot-Is-Purelib: {pure}\n".encode()
        )
        members[f"{self.dist_info}/WHEEL"] += "".join(f"Tag: {tag}\n" for tag in self._tags()).encode()
        members[f"{self.dist_info}/WHEEL"] += f"Build: {self.build}\n".encode() if self.build else b""
        if self.entry_points:
            members[f"{self.dist_info}/entry_points.txt"] = self._entry_points().encode()
        return members

    def _tags(self) -> list[str]:
        """Return the single tags that the file name's tag stands for."""
        pythons, abis, platforms = (part.split(".") for part in self.tag.split("-"))
        return [f"{python}-{abi}-{platform}" for python in pythons for abi in abis for platform in platforms]

    def _metadata(self) -> str:
        lines = ["Metadata-Version: 2.1", f"Name: {self.name}", f"Version: {self.version}"]
        lines += [f"Summary: {self.variant}"] if self.variant else []
        lines += [f"Requires-Python: {self.requires_python}"] if self.requires_python else []
        lines += [f"Requires-Dist: {dependency}" for dependency in self.dependencies]
        for extra, dependencies in self.extras.items():
            lines.append(f"Provides-Extra: {extra}")
            lines += [f'Requires-Dist: {dependency} ; extra == "{extra}"' for dependency in dependencies]
        return "\n".join(lines) + "\n"

    def _entry_points(self) -> str:
        return "\n".join(
            "\n".join([f"[{group}]", *(f"{name} = {reference}" for name, reference in names.items())]) + "\n"
            for group, names in self.entry_points.items()
        )

    def _record(self, members: Mapping[str, bytes]) -> str:
        rows: list[Row] = []
        for name, contents in members.items():
            if name not in self.unrecorded:
                hashed = b"something else" if name in self.wrong_hashes else contents
                rows.append((name, record_hash(hashed), str(len(contents))))
        for name, target in self.links.items():
            rows.append((name, record_hash(target.encode()), str(len(target))))
        rows.append((f"{self.dist_info}/RECORD", "", ""))
        rows += self.record_rows
        rows = self.rewrite_record(rows) if self.rewrite_record else rows
        return "".join(f"{','.join(_quoted(cell) for cell in row)}\n" for row in rows)

    def _zip_member(self, name: str) -> zipfile.ZipInfo:
        member = zipfile.ZipInfo(name, _ARCHIVE_TIME)
        member.create_system = 3
        member.compress_type = zipfile.ZIP_DEFLATED
        member.external_attr = (stat.S_IFREG | self._mode(name)) << 16
        return member

    def _mode(self, name: str) -> int:
        if name in self.modes:
            return self.modes[name]
        script = name.startswith(f"{self.data_folder}/scripts/")
        return 0o755 if script or name in self.executables else 0o644

    def _source_mode(self, name: str) -> int:
        return self._mode(name.removeprefix("wheel/"))

    def _source_files(self, *, stamped: bool) -> dict[str, bytes]:
        dependencies = "".join(f"    {dependency!r},\n" for dependency in self.dependencies)
        project = [
            "[build-system]",
            f"requires = {list(self.build_requires)!r}",
            'build-backend = "backend"',
            'backend-path = ["."]',
            "[project]",
            f'name = "{self.name}"',
            f'version = "{self.version}"',
            f"dependencies = [\n{dependencies}]",
        ]
        project += [f'requires-python = "{self.requires_python}"'] if self.requires_python else []
        sources = {f"wheel/{name}": contents for name, contents in self._members().items()}
        sources["PKG-INFO"] = self._metadata().encode()
        sources["pyproject.toml"] = ("\n".join(project) + "\n").encode()
        sources["backend.py"] = _BACKEND.encode()
        if self.build_notes or self.build_requires:
            helpers = [requirement.partition("=")[0].partition("<")[0] for requirement in self.build_requires]
            sources["notes"] = f"{' '.join(self.build_notes)}\n{' '.join(helpers)}\n".encode()
        if stamped:
            sources["stamped"] = b""
        return sources


def nspkg_pth(namespace: str) -> str:
    """Return the `-nspkg.pth` line that setuptools once wrote for members of a top-level `namespace` package."""
    return (
        "import sys, types, os;"
        f"p = os.path.join(sys._getframe(1).f_locals['sitedir'], *({namespace!r},));"
        "importlib = __import__('importlib.util');__import__('importlib.machinery');"
        f"m = sys.modules.setdefault({namespace!r}, importlib.util.module_from_spec("
        f"importlib.machinery.PathFinder.find_spec({namespace!r}, [os.path.dirname(p)])));"
        "mp = m.__dict__.setdefault('__path__',[]);(p not in mp) and mp.append(p)\n"
    )


def record_hash(contents: bytes) -> str:
    """Return the hash that RECORD has for a file with these contents."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(contents).digest()).rstrip(b"=").decode()
    return f"sha256={digest}"


def _bytes(contents: Contents) -> bytes:
    return contents if isinstance(contents, bytes) else contents.encode()


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if "," in cell or '"' in cell else cell
