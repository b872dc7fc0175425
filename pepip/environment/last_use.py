"""When an environment was last used: an interpreter was started in it, or a tool has changed it.

Each start of its Python reads `pyvenv.cfg`. Linux notes that in the file's time of last access, exact to a day (mount
option `relatime`, the default). pepip reads the file without changing that time. Starts leave no trace with
`noatime`, on a network file system (each machine answers reads from its own cache), and on other systems than Linux.
"""

from __future__ import annotations

import contextlib
import os
import sys

from pepip.environment import contents
from pepip.fast_namedtuple import NamedTuple
from pepip.host import filesystems


class LastUse(NamedTuple):
    """The time of the last use, in seconds since 1970; 0 if there is no `pyvenv.cfg`.

    Without `counts_starts` only changes count, since the disk notes no access.
    """

    at: float
    counts_starts: bool


def of(environment: str) -> LastUse:
    """Return the last use of an environment by a few system calls, and read no file. Raises OSError."""
    try:
        settings = os.stat(f"{environment}/pyvenv.cfg")
    except OSError:
        return LastUse(0, counts_starts=False)
    counts_starts = sys.platform == "linux" and not (
        os.statvfs(environment).f_flag & os.ST_NOATIME or filesystems.may_be_remote(environment, settings.st_dev)
    )
    times = [settings.st_mtime, *(settings.st_atime,) * counts_starts]
    for folder in contents.site_packages_of(environment):
        with contextlib.suppress(OSError):
            times.append(os.stat(folder).st_mtime)
    return LastUse(max(times), counts_starts)
