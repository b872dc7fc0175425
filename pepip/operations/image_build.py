"""Building an image: an environment with the files of all entries that it links, as one SquashFS file.

mksquashfs gets the files as a stream, from their places in the environment and the store: no copy is made first.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from pepip import digests, humanized, paths
from pepip.environment import (
    base_interpreter,
    contents,
    image_bytecode,
    image_editables,
    image_members,
    makers,
    skeleton,
)
from pepip.errors import ImageError, UsageError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files, filesystems, folder_use, locks, rights, tar_stream, temp_dirs
from pepip.host.tar_stream import FILE, FOLDER, LINK, Member
from pepip.model import Environment
from pepip.operations import recover, venvs
from pepip.operations.reporting import Progress
from pepip.uv import bytecode, squashfs, stage
from pepip.uv.request import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from pepip.environment.image_members import Found
    from pepip.model import BaseInterpreter, Installed
    from pepip.store.root import Store

TIME_SECONDS = 946_684_800
"""The time of all files in an image, in seconds since 1970: 2000-01-01, the time of the folders of entries."""

_SETTINGS = "pyvenv.cfg"
_ABOUT_BASE = frozenset(("home", "executable", "command", "base-prefix", "base-exec-prefix", "base-executable"))
_MEMBERS_A_STEP = 200
_LONGEST_NAME_BYTES = 240
_MOST_LINKS = 40  # Linux follows no more


class Options(NamedTuple):
    """How to build an image: with its Python, with editable projects as wheels, and with which compression."""

    with_python: bool = False
    no_editable: bool = False
    compression: str = "zstd"


class Image(NamedTuple):
    """A new image. `python` is the program that each machine must have; empty if the image brings its own.

    `needed` are the system's libraries that the image's own Python takes from each machine.
    """

    path: str
    size_bytes: int
    environment: str
    distributions: int
    files: int
    python: str
    needed: tuple[str, ...]


def build(store: Store, root: str, output: str, options: Options) -> Generator[Progress, None, Image]:
    """Make the image `output` of the environment at `root`, and return it.

    The environment is locked meanwhile: programs can use it, installers wait. Missing bytecode is compiled, and is
    written where Python itself would write it, if this user owns that folder. `output` is replaced in one step: a
    failed or killed build leaves the file that was there. If `output` is a link, the file that it leads to is
    replaced or made. Raises ImageError, UsageError, VenvError or OSError.
    """
    program = squashfs.packer()
    named, output = os.path.abspath(output), _place_of(output)
    _check_output(output)
    environment = venvs.open_environment(root, store)
    if store.exists() and os.access(root, os.W_OK) and recover.is_needed(store, environment):
        lost = yield from recover.recover(store, environment, Request())
        if lost:
            names = humanized.listed([name for name, _ in lost])
            raise ImageError(
                f"{names} left {root}: the store has lost the files, and they can't be fetched",
                hint="install what is missing from its original source, then build the image",
            )
    folder, name = os.path.split(output)
    if len(os.fsencode(name)) > _LONGEST_NAME_BYTES:  # the names made of it would be too long for most file systems
        name = digests.hexadecimal(os.fsencode(name))
    lock, made = f"{folder}/.{name}.pepip-lock", f"{folder}/.{name}.pepip-new"
    unfinished = f"{made}/image"  # in a folder of its own: nobody else can have put a link there
    with contextlib.ExitStack() as held:
        held.enter_context(locks.held(lock, remove=True))
        held.enter_context(folder_use.in_use(root))
        if store.exists():
            held.enter_context(store.linking())
        is_own = files.owner_id(root) == files.user_id()
        held.enter_context(locks.held(paths.environment_lock(root), shared=True, writes=is_own))
        scratch = held.enter_context(temp_dirs.folder())
        run = _Build(store, environment, options, scratch)
        yield from run.collect(without=[output, lock])
        with contextlib.suppress(FileNotFoundError):
            filesystems.remove(made)  # of a killed build
        os.mkdir(made, 0o700)
        try:
            yield from _pack(program, run.found.members, unfinished, options.compression)
            with open(unfinished, "rb") as file:
                os.fsync(file.fileno())
            os.replace(unfinished, output)
        finally:
            filesystems.remove_tree(made)
    count = sum(member.kind == FILE for member in run.found.members.values())
    size = os.stat(output).st_size
    return Image(named, size, root, len(run.present), count, run.python, run.needed)


def _place_of(output: str) -> str:
    """Return the path of the file that is made for `output`, without links.

    Raises UsageError if `output` is a link of another user, except root, or leads to such a link: that user would
    choose the file that is replaced. Raises UsageError also if the name is too long for the file system.
    """
    place = os.path.abspath(output)
    with contextlib.suppress(FileNotFoundError):
        for _ in range(_MOST_LINKS):
            try:
                status = os.lstat(place)
            except OSError as error:
                if error.errno != errno.ENAMETOOLONG:
                    raise
                raise UsageError(f"the name of {output} is too long", hint="name another file with -o") from error
            if not stat.S_ISLNK(status.st_mode):
                break
            if status.st_uid not in {0, files.user_id()}:
                owner = rights.name_of(status.st_uid)
                raise UsageError(f"{place} is a link that belongs to {owner}", hint="name the file itself with -o")
            place = os.path.join(os.path.dirname(place), os.readlink(place))
    return os.path.realpath(place)


def _check_output(output: str) -> None:
    folder = os.path.dirname(output)
    if os.path.isdir(output) or (os.path.lexists(output) and not os.path.isfile(output)):
        raise UsageError(f"{output} is no file, and can't be replaced by an image", hint="name a file with -o")
    if os.path.lexists(output) and not squashfs.may_be_replaced(output):
        raise UsageError(f"{output} is no image, and is not replaced by one", hint="remove it, or name another file")
    if not os.path.isdir(folder):
        raise UsageError(f"the folder {folder} does not exist", hint="make it, or name another file with -o")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"no permission to write {folder}", hint="name another file with -o")


def _pack(program: str, members: dict[str, Member], image: str, compression: str) -> Generator[Progress, None, None]:
    with squashfs.packing(program, image, compression, TIME_SECONDS) as stream:
        for number, path in enumerate(sorted(members)):
            if number % _MEMBERS_A_STEP == 0:
                yield Progress("image", os.path.basename(path), number, len(members))
            tar_stream.write(stream, path, members[path], TIME_SECONDS)
        tar_stream.end(stream)


class _Build:
    """Collects the members of one image. `scratch` is a folder for files that are made for it."""

    def __init__(self, store: Store, environment: Environment, options: Options, scratch: str) -> None:
        self.python = ""
        self.needed: tuple[str, ...] = ()
        self.present: list[Installed] = contents.installed(environment, store.known_roots)
        self.base: BaseInterpreter = bytecode.base_of(environment.executable)
        self.found: Found
        self._store = store
        self._environment = environment
        self._options = options
        self._scratch = scratch

    def collect(self, *, without: Sequence[str]) -> Generator[Progress, None, None]:
        """Collect all members, except the files at the paths `without`. These are left out under other names, too."""
        environment, roots = self._environment, self._store.known_roots
        inodes = [_inode(path) for path in without if os.path.exists(path)]
        self.found = image_members.of_environment(environment, roots, self.base.tag, without=inodes)
        members = self.found.members
        yield from self._take_editables()
        self._refuse_outside_links()
        changed = image_members.make_scripts_relocatable(
            members, environment.interpreter.scripts, self._take_skeleton()
        )
        image_members.rewrite_records(environment, self.found, roots, changed)
        folders = [environment.interpreter.site_packages]
        if self._options.with_python:
            folders += self._take_python()
        yield from self._take_bytecode(folders)

    def _take_editables(self) -> Generator[Progress, None, None]:
        editable = image_editables.editables(self._environment, self.present)
        if not editable:
            return
        if not self._options.no_editable:
            names = humanized.listed([item.distribution.name for item in editable])
            raise ImageError(
                f"an image can't hold editable projects: the code of {names} lies elsewhere ({editable[0].url})",
                hint="`--no-editable` builds editable projects as wheels for the image",
            )
        yield Progress("build", humanized.listed([item.distribution.name for item in editable]))
        prefix = f"{self._scratch}/wheels"
        os.mkdir(prefix)
        projects = {item.distribution.name: item.url for item in editable}
        for _ in stage.build_wheels(projects, self._environment.executable, prefix=prefix):
            pass
        built = self._environment._replace(root=prefix)
        wheels = image_members.of_environment(built, self._store.known_roots, self.base.tag)
        image_editables.replace(self.found.members, self._environment, editable, wheels.members)

    def _refuse_outside_links(self) -> None:
        root = self._environment.root
        for path, target in self.found.outside:
            other = _store_of(target)
            hint = "replace the link by the files, or remove it"
            if other:
                hint = f"set PEPIP_HOME={other}, the store that it leads into, or name it in PEPIP_LAYERS"
            raise ImageError(
                f"{root}/{path} is a link that leads out of the environment, to {target}",
                hint=hint,
            )
        for path, line in image_members.take_path_files(self._environment, self.found):
            raise ImageError(
                f"{root}/{path} names {line}, outside of the environment",
                hint="install its distribution as a wheel, or remove that file",
            )

    def _take_skeleton(self) -> Iterator[list[str]]:
        """Let uv make a relocatable environment, and take its settings and its links to an interpreter as members.

        Return the rows of `skeleton.read` for all its files.
        """
        environment, members = self._environment, self.found.members
        settings = makers.settings_of(environment.root)
        has_system = settings.get("include-system-site-packages", "").lower() == "true"
        made = f"{self._scratch}/relocatable"
        prompt = settings.get("prompt", "").strip("'\"")
        stage.make_relocatable(made, environment.executable, prompt=prompt, system_site_packages=has_system)
        scripts = environment.interpreter.scripts
        rows = skeleton.read(made)
        for kind, path, text in rows:
            if path == _SETTINGS:
                members[path] = Member(FILE, content=self._settings(text).encode())
            elif kind == "link" and os.path.dirname(path) == scripts:
                target = text
                if os.path.isabs(text):
                    self.python = "" if self._options.with_python else text
                    inside = f"../{base_interpreter.FOLDER_NAME}/bin/python{self.base.short_version}"
                    target = inside if self._options.with_python else text
                members[path] = Member(LINK, 0o777, target=target)
        members.setdefault(scripts, Member(FOLDER, 0o755))
        return iter(rows)

    def _settings(self, text: str) -> str:
        """Return `pyvenv.cfg` for the image. With its own Python it has no `home`."""
        if not self._options.with_python:
            return text
        lines = text.splitlines(keepends=True)
        return "".join(line for line in lines if line.partition("=")[0].strip().lower() not in _ABOUT_BASE)

    def _take_python(self) -> tuple[str, ...]:
        settings = makers.settings_of(self._environment.root)
        has_system = settings.get("include-system-site-packages", "").lower() == "true"
        moved = base_interpreter.members(self.base, with_packages=has_system)
        self.found.members.update(moved.members)
        self.needed = moved.needed
        return moved.module_folders

    def _take_bytecode(self, folders: list[str]) -> Generator[Progress, None, None]:
        members = self.found.members
        missing = image_bytecode.settle(members, folders, self.base, TIME_SECONDS)
        if missing:
            yield Progress("compile", humanized.count(len(missing), "module"))
            compiled_to = f"{self._scratch}/bytecode"
            os.mkdir(compiled_to)
            sources = [(path, members[path].source) for path in missing]
            layers = [layer.root for layer in self._store.layers]
            targets = list(image_bytecode.places(sources, self.base, compiled_to, layers=layers))
            rows = [(source, target) for (_, source), target in zip(sources, targets, strict=True)]
            bytecode.compile_files(self._environment.executable, rows, self._scratch)
            compiled = dict(zip(missing, targets, strict=True))
            image_bytecode.take_compiled(members, compiled, self.base, TIME_SECONDS)
        image_bytecode.drop_empty_folders(members)


def _store_of(target: str) -> str:
    """Return the root of the store that has the path `target` in one of its entries. Empty if there is none."""
    entry = next((above for above in paths.upward(target) if os.path.isfile(f"{above}/{paths.ENTRY_METADATA}")), "")
    return paths.layer_of(entry)


def _inode(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino
