"""The skeleton of a virtual environment: the files and links that uv makes. Only the root's path in them differs.

uv makes the first environment. Later environments are written from its skeleton, with their own root's path in it.
"""

from __future__ import annotations

import os

from pepip.host import files, links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_ROOT = "\0root\0"
_LAST = "pyvenv.cfg"  # this file makes a folder an environment
_LINK, _FOLDER, _FILE, _PROGRAM = "link", "folder", "file", "program"

# A path of only these characters needs no quotes in the activation script of any shell.
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+,")


def is_plain(root: str) -> bool:
    """Tell whether every script contains `root` without quotes, so that another root can replace it."""
    return os.name == "posix" and root.count("/") > 1 and not set(root) - _PLAIN


def read(root: str) -> list[list[str]]:
    """Return the skeleton of the new environment at `root`: rows of kind, path and content.

    The list is empty if a file is not UTF-8 text. The environment must hold no distributions yet.
    """
    rows: list[list[str]] = []
    pending = [""]
    for folder in pending:
        with os.scandir(f"{root}/{folder}") as children:
            for child in sorted(children, key=lambda child: child.name):
                path = f"{folder}{child.name}"
                if child.is_symlink():
                    rows.append([_LINK, path, os.readlink(child.path)])
                elif child.is_dir():
                    rows.append([_FOLDER, path, ""])
                    pending.append(f"{path}/")
                else:
                    kind = _PROGRAM if child.stat().st_mode & 0o100 else _FILE
                    try:
                        with open(child.path, encoding="utf-8", newline="") as file:
                            rows.append([kind, path, file.read().replace(root, _ROOT)])
                    except UnicodeDecodeError:
                        return []
    rows.sort(key=lambda row: row[1] == _LAST)
    return rows


def has_prompt(rows: Sequence[Sequence[str]], prompt: str) -> bool:
    """Tell whether the environment of a skeleton has this prompt."""
    return any(path == _LAST and f"prompt = {prompt}\n" in f"{content}\n" for _, path, content in rows)


def write(root: str, rows: Sequence[Sequence[str]]) -> None:
    """Make an environment at `root` from a skeleton. `root` may be an empty folder. Raises OSError.

    `pyvenv.cfg` is made last, by a rename. So a killed run leaves either no environment or a complete one.
    """
    os.makedirs(root, exist_ok=True)
    for kind, path, content in rows:
        place = f"{root}/{path}"
        if kind == _LINK:
            links.symbolic_link(content, place)
        elif kind == _FOLDER:
            os.mkdir(place)
        else:
            mode = 0o777 if kind == _PROGRAM else 0o666
            is_last = path == _LAST
            files.create(place + ".new" * is_last, content.replace(_ROOT, root).encode(), mode=mode)
            if is_last:
                os.rename(f"{place}.new", place)
