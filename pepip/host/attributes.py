"""Extended attributes of files and folders that a user has set: notes of programs, and access lists (ACL).

Only Linux is asked for them. Attributes that the system itself maintains, such as the labels of SELinux, are left
alone.
"""

from __future__ import annotations

import contextlib
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_OF_USERS = "user."
_ACCESS_LISTS = ("system.posix_acl_access", "system.posix_acl_default")


def is_of_user(name: str) -> bool:
    """Tell whether an attribute is one that users set."""
    return name.startswith(_OF_USERS) or name in _ACCESS_LISTS


def read(path: str) -> dict[str, bytes]:
    """Return the attributes of a file or folder that users set, by name. A link is not followed."""
    if sys.platform != "linux":
        return {}
    try:
        names = os.listxattr(path, follow_symlinks=False)
        return {name: os.getxattr(path, name, follow_symlinks=False) for name in names if is_of_user(name)}
    except OSError:
        return {}


def write(path: str, attributes: Mapping[str, bytes]) -> None:
    """Give a file or folder these attributes, as far as its file system can keep them. A link is not followed."""
    if sys.platform != "linux":
        return
    for name, value in attributes.items():
        with contextlib.suppress(OSError):
            os.setxattr(path, name, value, follow_symlinks=False)
