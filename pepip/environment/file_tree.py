"""The files and folders of an environment, read once, with their states. No link is followed."""

from __future__ import annotations

import os
import stat

from pepip import paths
from pepip.host.links import is_folder, status_of


class FileTree:
    """All files and folders of an environment, by their relative path.

    `links` are all paths that are neither a regular file nor a folder. `bytecode` lists the `.pyc` files by the
    folder of their modules.
    """

    def __init__(self, root: str) -> None:
        self.files: dict[str, os.stat_result] = {}
        self.folders: dict[str, os.stat_result] = {"": os.lstat(root)}
        self.links: set[str] = set()
        self.bytecode: dict[str, list[str]] = {}
        pending = [""]
        while pending:
            folder = pending.pop()
            self._list(root, folder, pending)

    def _list(self, root: str, folder: str, pending: list[str]) -> None:
        prefix = f"{folder}/" if folder else ""
        is_bytecode = folder.endswith(paths.PYCACHE)
        with os.scandir(f"{root}/{folder}" if folder else root) as children:
            for child in children:
                try:
                    status = status_of(child)
                except FileNotFoundError:  # a program that runs in the environment has removed it
                    continue
                path = prefix + child.name
                if is_folder(status):
                    self.folders[path] = status
                    pending.append(path)
                elif stat.S_ISREG(status.st_mode):
                    self.files[path] = status
                    if is_bytecode and child.name.endswith(".pyc"):
                        self.bytecode.setdefault(folder[: -len(paths.PYCACHE) - 1], []).append(path)
                else:
                    self.links.add(path)
