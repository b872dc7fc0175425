"""Sets aside files that a change removes and can't make again, so that the change can be taken back.

These files are kept in the scratch folder, at the same relative paths as in the environment, and are removed with the
journal. Links need not be set aside, because the store has their targets.
"""

from __future__ import annotations

import os

from pepip import paths
from pepip.environment import contents
from pepip.environment.tree import frame_of
from pepip.host import filesystems, links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.model import Environment, Installed, StoreRoots


_METADATA = (".dist-info", ".egg-info")


def put(root: str, path: str) -> bool:
    """Set aside the file or folder at `path`, relative to the environment. Returns False if nothing is there.

    If that path was set aside before, the older version is kept and the newer one removed. A folder of metadata is
    kept or removed whole. Any other folder is merged into the one that was set aside before.
    """
    place, kept = f"{root}/{path}", f"{paths.aside(root)}/{path}"
    if not os.path.lexists(place):
        return False
    os.makedirs(os.path.dirname(kept), exist_ok=True)
    _join(place, kept)
    return True


def put_copy(root: str, path: str) -> None:
    """Set aside a copy of the file at `path`, which will be replaced. If there is an older copy, keep that one."""
    import shutil

    kept = f"{paths.aside(root)}/{path}"
    if not os.path.lexists(kept):
        os.makedirs(os.path.dirname(kept), exist_ok=True)
        unfinished = f"{paths.scratch(root)}/copy"
        shutil.copy2(f"{root}/{path}", unfinished, follow_symlinks=False)
        os.replace(unfinished, kept)


def distributions(environment: Environment, store_roots: StoreRoots) -> list[Installed]:
    """Return the distributions whose metadata was set aside."""
    return contents.installed_in(
        f"{paths.aside(environment.root)}/{environment.interpreter.site_packages}", store_roots
    )


def restore(environment: Environment, store_roots: StoreRoots) -> None:
    """Put all files back in their places, and replace the files that the change made there. Idempotent.

    A file stays aside if a folder above its place is a link that does not lead into the store. Folders of the frame
    may be such links: see `Tree`.
    """
    root = environment.root
    frame = {f"{root}/{folder}" for folder in frame_of(environment)}
    if _is_folder(paths.scratch(root)) and _is_folder(paths.aside(root)):
        _restore(paths.aside(root), root, store_roots, frame)


def _join(source: str, target: str) -> None:
    if not os.path.lexists(target):
        _rename(source, target)
    elif target.endswith(_METADATA) or not (_is_folder(source) and _is_folder(target)):
        filesystems.remove(source)
    else:
        for name in os.listdir(source):
            _join(f"{source}/{name}", f"{target}/{name}")
        os.rmdir(source)


def _rename(source: str, target: str) -> None:
    try:
        os.rename(source, target)
    except OSError as error:
        import errno

        if error.errno != errno.EXDEV:  # part of the environment may be on another disk
            raise
        import shutil

        shutil.move(source, target)


def _restore(folder: str, target: str, store_roots: StoreRoots, frame: set[str]) -> None:
    """Put back the contents of a folder that was set aside. Folders in `frame` may be links, as in `Tree`."""
    for name in sorted(os.listdir(folder)):
        kept, place = f"{folder}/{name}", f"{target}/{name}"
        if _is_folder(kept) and not kept.endswith(_METADATA):
            if place not in frame and links.read_link(place):
                if not contents.linked_entry(place, store_roots):
                    continue
                links.unlink(place)
            if not os.path.lexists(place):
                _rename(kept, place)
            elif os.path.isdir(place):
                _restore(kept, place, store_roots, frame)
        else:
            if os.path.lexists(place):
                filesystems.remove(place)
            _rename(kept, place)


def _is_folder(path: str) -> bool:
    return not links.read_link(path) and os.path.isdir(path)
