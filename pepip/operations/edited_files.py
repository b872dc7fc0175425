"""The files that `uv add` edits. They are restored if it fails, or if the sync after it fails."""

from __future__ import annotations

import contextlib
import os

from pepip import paths
from pepip.errors import UvError
from pepip.host import files
from pepip.uv import project, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@contextlib.contextmanager
def restored_on_failure(package: str) -> Iterator[None]:
    """Restore the files that `uv add` writes, if the body fails or is interrupted. New files are removed.

    uv names these files. The workspace member `package` may lie anywhere, so uv is asked before the body. Without
    `package`, the files lie in the start folder or above it, and uv is asked only if the body fails. If uv can't name
    them then, those of the project are restored.
    """
    places: Sequence[str] = [
        f"{folder}/{name}" for folder in paths.upward(settings.start_folder()) for name in project.FILES
    ]
    if package:
        places = []
        with contextlib.suppress(UvError):  # no such project: `uv add` says so
            places = project.written(package)
    before = {path: _content(path) for path in places}
    try:
        yield
    except BaseException:
        if not package:
            own = [f"{settings.project_folder()}/{name}" for name in project.FILES]
            with contextlib.suppress(UvError, KeyboardInterrupt):
                own = project.written("")
            real = set(map(os.path.realpath, own))
            before = {path: content for path, content in before.items() if os.path.realpath(path) in real}
        for path, content in before.items():
            if content is None:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
            elif _content(path) != content:
                files.replace_content(path, content)
        raise


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
