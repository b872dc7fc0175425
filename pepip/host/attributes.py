"""Extended attributes of files and folders that a user has set: notes of programs, and access lists (ACL).

Only Linux is asked for them. Attributes that the system itself maintains, such as the labels of SELinux, are left
alone.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_OF_USERS = "user."
_ACCESS_LISTS = ("system.posix_acl_access", "system.posix_acl_default")
_HEADER, _ROW = struct.Struct("<I"), struct.Struct("<HHI")  # the version; the tag, the rights and the id of a row
_OTHERS = (0x02, 0x08, 0x20)  # the tags of a user with an id, of a group with an id, and of all others
_WRITE = 2


def is_of_user(name: str) -> bool:
    """Tell whether an attribute is one that users set."""
    return name.startswith(_OF_USERS) or name in _ACCESS_LISTS


def lets_others_write(name: str, value: bytes) -> bool:
    """Tell whether an attribute is an access list that lets more users write than the owner and the owning group.

    A list of wrong length counts.

    Source: acl(5); `struct posix_acl_xattr_entry` of Linux.
    """
    if name not in _ACCESS_LISTS:
        return False
    rows, rest = divmod(len(value) - _HEADER.size, _ROW.size)
    if rest or rows < 0:
        return True
    return any(tag in _OTHERS and rights & _WRITE for tag, rights, _ in _ROW.iter_unpack(value[_HEADER.size :]))


def read(path: str) -> dict[str, bytes]:
    """Return the attributes of a file or folder that users set, by name. A link is not followed."""
    if sys.platform != "linux":
        return {}
    try:
        names = os.listxattr(path, follow_symlinks=False)
        return {name: os.getxattr(path, name, follow_symlinks=False) for name in names if is_of_user(name)}
    except OSError:
        return {}


def write_with_mode(path: str, attributes: Mapping[str, bytes], mode: int) -> None:
    """Give a file or folder these attributes and a mode. Its owner must be able to write it now.

    Access lists are written last, because a change of the mode changes them. All others are written first, while the
    file may still be written.
    """
    write(path, {name: value for name, value in attributes.items() if name not in _ACCESS_LISTS})
    os.chmod(path, mode)
    write(path, {name: value for name, value in attributes.items() if name in _ACCESS_LISTS})


def write(path: str, attributes: Mapping[str, bytes]) -> None:
    """Give a file or folder these attributes, as far as its file system can keep them. A link is not followed."""
    if sys.platform != "linux":
        return
    for name, value in attributes.items():
        with contextlib.suppress(OSError):
            os.setxattr(path, name, value, follow_symlinks=False)
