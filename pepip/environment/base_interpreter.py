"""The Python on which an environment is based, as an image takes it: the interpreter, its modules and libraries.

A Python can be moved if it finds its modules and libraries from its own place. CPython finds its modules this way;
this module checks its libraries. A Python that shares its folders with the system can't be moved.
"""

from __future__ import annotations

import os
import re

from pepip import paths
from pepip.errors import ImageError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files
from pepip.host.tar_stream import FILE, FOLDER, LINK, Member
from pepip.wheel import libraries, movable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pepip.model import BaseInterpreter

FOLDER_NAME = ".python"
"""The folder of an image that holds the Python."""

_OF_SYSTEM = frozenset(("/", "/usr"))
_C_LIBRARY = re.compile(
    r"(ld-linux.*|ld-musl.*|lib(c|m|pthread|dl|rt|util|resolv|anl|gcc_s|c\.musl-.*))\.so(\.\d+)*$"
)
_MOST_BYTES = 1 << 30


class Moved(NamedTuple):
    """The members of an image that make up a Python, and the folders of its modules, by path in the image.

    `needed` names libraries that the machine must have besides the C library.
    """

    members: dict[str, Member]
    module_folders: tuple[str, ...]
    needed: tuple[str, ...]


def members(base: BaseInterpreter, *, with_packages: bool) -> Moved:
    """Return the members for a Python, below `FOLDER_NAME`. With `with_packages`, they include its site-packages.

    Raises ImageError if it can't be moved.
    """
    if base.prefix in _OF_SYSTEM or os.path.lexists(f"{base.prefix}/conda-meta"):
        owner = "a conda environment" if base.prefix not in _OF_SYSTEM else "the system"
        raise ImageError(
            f"the Python in {base.prefix} belongs to {owner}, and can't be moved",
            hint="make the environment on a Python that `uv python install` provides, or leave out --with-python",
        )
    found: dict[str, Member] = {}
    program = f"bin/python{base.short_version}"
    for folder in base.module_folders:
        _add_tree(found, base, folder, with_packages=with_packages)
    for name in _names(base.prefix, "include"):
        if name.startswith(f"python{base.short_version}"):
            _add_tree(found, base, f"include/{name}", with_packages=True)
    for name in _names(base.prefix, "lib"):
        if re.match(r"(tcl|tk|itcl|thread)[\d.]+$", name):
            _add_tree(found, base, f"lib/{name}", with_packages=True)
    found[program] = Member(FILE, 0o755, base.program)
    needed = _move_programs(found, base)
    placed = {f"{FOLDER_NAME}/{path}": member for path, member in found.items()}
    for path in list(placed):
        for above in paths.ancestors(path):
            placed.setdefault(above, Member(FOLDER, 0o755))
    for name in ("python", "python3"):
        placed[f"{FOLDER_NAME}/bin/{name}"] = Member(LINK, 0o777, target=os.path.basename(program))
    folders = tuple(f"{FOLDER_NAME}/{folder}" for folder in base.module_folders)
    return Moved(placed, folders, needed)


def _names(prefix: str, folder: str) -> list[str]:
    try:
        return sorted(os.listdir(f"{prefix}/{folder}"))
    except OSError:
        return []


def _add_tree(found: dict[str, Member], base: BaseInterpreter, top: str, *, with_packages: bool) -> None:
    """Add a folder of the prefix without tests, archives of objects and bytecode of other Pythons.

    The site-packages of the Python is added only with `with_packages`.
    """
    unwanted = {"test"} if with_packages else {"test", "site-packages"}
    pending = [top]
    while pending:
        folder = pending.pop()
        found[folder] = Member(FOLDER, 0o755)
        with os.scandir(f"{base.prefix}/{folder}") as children:
            for child in children:
                path = f"{folder}/{child.name}"
                if folder in base.module_folders and child.name in unwanted:
                    continue
                if child.is_dir():
                    pending.append(path)
                elif child.is_file() and not child.name.endswith(".a") and is_wanted(path, base.tag):
                    is_program = child.stat().st_mode & 0o100
                    found[path] = Member(FILE, 0o755 if is_program else 0o644, child.path)


def is_wanted(path: str, tag: str) -> bool:
    """Tell whether an image holds a file: yes, except incomplete bytecode, or that of another Python."""
    return f"/{paths.PYCACHE}/" not in path or ".pyc" not in path or path.endswith(f".{tag}.pyc")


def _move_programs(found: dict[str, Member], base: BaseInterpreter) -> tuple[str, ...]:
    """Change the run paths of programs and libraries, and add the libraries of the prefix that they need.

    Return the libraries that the machine must have besides the C library.
    """
    outside: set[str] = set()
    modules = [path for path in found if libraries.is_library_name(path)]
    pending = [*(path for path in found if path.startswith("bin/")), *modules]
    own_library = ""
    for path in pending:
        place = f"{base.prefix}/{path}"
        content = files.read_regular(found[path].source, most_bytes=_MOST_BYTES, follows=True)
        if not content.startswith(movable.MAGIC):
            if path.startswith("bin/"):
                raise ImageError(f"cannot move {found[path].source}: it is a script that starts a Python")
            continue
        linkage = movable.moved(place, content, base.prefix)
        if linkage.content:
            found[path] = found[path]._replace(source="", content=linkage.content)
        for name in linkage.needed:
            if os.path.isfile(f"{base.prefix}/lib/{name}"):
                if name != own_library and not _reaches(place, linkage.run_paths, f"{base.prefix}/lib"):
                    raise ImageError(
                        f"cannot move {place}: it finds {name} only by settings of this machine",
                        hint="take a Python that `uv python install` provides, or leave out --with-python",
                    )
                if path.startswith("bin/") and name.startswith("libpython"):
                    own_library = name  # it is loaded already when a module needs it
                if f"lib/{name}" not in found:
                    found[f"lib/{name}"] = Member(FILE, 0o755, f"{base.prefix}/lib/{name}")
                    pending.append(f"lib/{name}")
            elif name.startswith("libpython") and path.startswith("bin/"):
                raise ImageError(
                    f"cannot move {place}: {name} is not in {base.prefix}/lib",
                    hint="take a Python that `uv python install` provides, or leave out --with-python",
                )
            elif not _C_LIBRARY.match(name):
                outside.add(name)
    return tuple(sorted(outside))


def _reaches(place: str, run_paths: Iterable[str], folder: str) -> bool:
    origin = os.path.dirname(place)
    expanded = (path.replace("${ORIGIN}", origin).replace("$ORIGIN", origin) for path in run_paths)
    return any(os.path.normpath(path) == folder for path in expanded)
