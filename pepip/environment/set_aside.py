"""What a change removes and can't make again is set aside, so that the change can be taken back.

It lies in the scratch folder, each path as in the environment, and goes with the journal. Links are not set aside:
the store has what they lead to.
"""

from __future__ import annotations

import os

from pepip import paths
from pepip.environment import contents
from pepip.host import filesystems, links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.model import Environment, Installed


_METADATA = (".dist-info", ".egg-info")


def put(root: str, path: str) -> bool:
    """Set aside what is at `path`, relative to the environment. Returns False if nothing is there.

    What was set aside of that path before is older, and stays: the newer is removed. A folder of metadata is one
    thing; other folders join what was set aside of them.
    """
    place, kept = f"{root}/{path}", f"{paths.aside(root)}/{path}"
    if not os.path.lexists(place):
        return False
    os.makedirs(os.path.dirname(kept), exist_ok=True)
    _join(place, kept)
    return True


def put_copy(root: str, path: str) -> None:
    """Set aside a copy of the file at `path`, which is about to be replaced, unless an older one is there."""
    import shutil

    kept = f"{paths.aside(root)}/{path}"
    if not os.path.lexists(kept):
        os.makedirs(os.path.dirname(kept), exist_ok=True)
        unfinished = f"{paths.scratch(root)}/copy"
        shutil.copy2(f"{root}/{path}", unfinished, follow_symlinks=False)
        os.replace(unfinished, kept)


def distributions(environment: Environment, store_roots: tuple[str, ...]) -> list[Installed]:
    """Return the distributions whose metadata was set aside."""
    return contents.installed_in(
        f"{paths.aside(environment.root)}/{environment.interpreter.site_packages}", store_roots
    )


def restore(environment: Environment, store_roots: tuple[str, ...]) -> None:
    """Put everything back where it was, in place of what the change made there. Idempotent.

    What would go through a link of somebody's own is left aside, but for site-packages itself.
    """
    root, site_packages = environment.root, environment.interpreter.site_packages
    ways = {f"{root}/{folder}" for folder in (*paths.ancestors(site_packages), site_packages)}
    if _is_folder(paths.scratch(root)) and _is_folder(paths.aside(root)):
        _restore(paths.aside(root), root, store_roots, ways)


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

        if error.errno != errno.EXDEV:  # part of the environment may be a disk of its own
            raise
        import shutil

        shutil.move(source, target)


def _restore(folder: str, target: str, store_roots: tuple[str, ...], ways: set[str]) -> None:
    """Put back what a folder aside holds. `ways` may be links: whoever installs here goes through them too."""
    for name in sorted(os.listdir(folder)):
        kept, place = f"{folder}/{name}", f"{target}/{name}"
        if _is_folder(kept) and not kept.endswith(_METADATA):
            if place not in ways and links.read_link(place):
                if not contents.linked_entry(place, store_roots):
                    continue
                links.unlink(place)
            if not os.path.lexists(place):
                _rename(kept, place)
            elif os.path.isdir(place):
                _restore(kept, place, store_roots, ways)
        else:
            if os.path.lexists(place):
                filesystems.remove(place)
            _rename(kept, place)


def _is_folder(path: str) -> bool:
    return not links.read_link(path) and os.path.isdir(path)
