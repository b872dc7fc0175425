"""The registry: one small file per environment that links the store. They are the roots of pruning.

A file says where an environment is, never what it links: that is read from its links. The device and mount point
that held it, noted at registration, tell a deleted folder from a disk that went away.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time

from pepip import paths
from pepip.host import filesystems, permissions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.store.home import Store


def file_name(environment: str) -> str:
    """Return the registry's file for an environment: its project's name, and a hash of its path."""
    project = os.path.basename(os.path.dirname(environment)) or "root"
    readable = "".join(character if character.isalnum() else "-" for character in project)[:40]
    return f"{readable}-{hashlib.sha256(environment.encode()).hexdigest()[:16]}.json"


def register(store: Store, environment: str) -> bool:
    """Note that `environment` (an absolute path) links the store. Idempotent; a damaged file is written anew.

    Returns False where this user may not write the registry, and so pruning can't know of the environment.
    """
    path = f"{paths.projects(store.home)}/{file_name(environment)}"
    document = {
        "format": 1,
        "environment": environment,
        "project": os.path.dirname(environment),
        "device": os.stat(environment).st_dev,
        "mount_point": filesystems.mount_point(environment),
    }
    if _is_registered(path, document):
        return True
    try:
        descriptor, temporary = tempfile.mkstemp(dir=paths.projects(store.home), prefix=".", suffix=".new")
    except PermissionError:
        return False
    except OSError:
        if store.is_writable():
            raise
        return False
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({**document, "registered_at": int(time.time())}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        permissions.make_file_readable(temporary, like=store.like)
        os.replace(temporary, path)
    except PermissionError:
        os.unlink(temporary)
        return os.path.exists(path)  # another user of the store registered it and keeps the file
    except BaseException:
        os.unlink(temporary)
        raise
    return True


def _is_registered(path: str, document: dict[str, object]) -> bool:
    try:
        with open(path, "rb") as file:
            known = json.loads(file.read())
        return all(known[key] == value for key, value in document.items())
    except (OSError, ValueError, KeyError, TypeError):
        return False
