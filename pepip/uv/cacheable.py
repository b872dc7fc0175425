"""Finds requests that uv would answer the same way again, and the state on which the answer rests.

Only plain requests qualify: requirements by name, from indexes, without options whose effect can change unnoticed.
Offline, uv answers from its cache alone: as long as the folders of pages and metadata there are unchanged, the answer
is unchanged.
Source: uv's documentation of its cache, and the folders in that cache.
"""

from __future__ import annotations

import os

from pepip.uv import answer_cache, program, settings, writable_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pepip.uv.request import ProjectRequest, Request

_PLAIN_FLAGS = {
    *("--offline", "--no-build", "--no-sources", "--no-config", "--native-tls", "--system-certs", "--pre"),
    *("--no-python-downloads", "--managed-python", "--no-managed-python"),
}
_PLAIN_VALUES = {
    *("--index-strategy", "--keyring-provider", "--only-binary", "--no-binary", "--prerelease", "--resolution"),
    *("--link-mode", "--python-preference", "--fork-strategy"),
}
_PLAIN_INDEXES = {"--index", "--default-index", "--index-url", "-i", "--extra-index-url"}
ARCHIVES = (".whl", ".zip", ".gz", ".tar", ".tgz", ".bz2", ".tbz", ".xz", ".txz", ".zst", ".lzma", ".lz", ".tlz")
_OWN_SOURCES = {'source = { editable = "." }', 'source = { virtual = "." }'}
_UNSEEN_VARIABLES = (
    *("UV_FIND_LINKS", "UV_NO_CACHE", "UV_EXCLUDE_NEWER", "UV_OVERRIDE", "UV_CONSTRAINT", "UV_BUILD_CONSTRAINT"),
    *("UV_EXCLUDE", "UV_TORCH_BACKEND", "UV_NO_CONFIG"),
)
_INDEX_VARIABLES = ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL")
_UNSEEN_SETTINGS = (
    *("find-links", "cache-dir", "no-cache", "exclude-newer", "torch-backend", "index", "offline"),
    *("constraint-dependencies", "override-dependencies"),
)


def is_plain(request: Request) -> bool:
    """Tell whether a request names only distributions of indexes, and its options have the same effect each time."""
    return (
        not (request.editables or request.installer_options or request.is_whole)
        and all(map(_is_plain_requirement, request.packages))
        and all(map(_is_plain_file, (*request.requirement_files, *request.constraint_files)))
        and are_plain_options((*request.common_options, *request.resolver_options))
        and not any(map(os.environ.get, _UNSEEN_VARIABLES))
        and all(_are_remote(os.environ.get(name, "")) for name in _INDEX_VARIABLES)
        and not settings.may_mention(*_UNSEEN_SETTINGS)
    )


def is_offline(request: Request) -> bool:
    """Tell whether uv asks no index, so that its cache alone decides."""
    return "--offline" in request.common_options or settings.is_on("UV_OFFLINE")


def files(request: Request) -> list[str]:
    """Return the files that a plain request names, by their absolute paths."""
    return list(map(os.path.abspath, (*request.requirement_files, *request.constraint_files)))


def files_of_project(request: ProjectRequest) -> list[str]:
    """Return the files, besides settings, on which a sync of this project depends. Empty if other files may matter.

    The project must have static metadata. Apart from the project itself, its lock must name only distributions of
    indexes with HTTP URLs. A script without a lock is resolved anew by each sync, unless installed distributions may
    stay (`--inexact`).
    """
    folder = settings.project_folder()
    lock_path = f"{request.script}.lock" if request.script else f"{folder}/uv.lock"
    lock = _text(lock_path)
    sources = [line for line in lock.splitlines() if line.startswith("source = ")]
    is_script_kept = bool(request.script) and not lock and "--inexact" in request.sync_options
    is_plain = (
        (bool(sources) or is_script_kept)
        and not (request.resolver_options or request.reinstall_options or request.build_options)
        and set(request.sync_options) <= {"--inexact"}
        and are_plain_options(request.common_options)
        and all(line in _OWN_SOURCES or line.startswith('source = { registry = "http') for line in sources)
        and not any(map(os.environ.get, _UNSEEN_VARIABLES))
        and not settings.may_mention("workspace", "cache-keys", "dynamic", "exclude-newer", "cache-dir", "no-cache")
    )
    if not is_plain:
        return []
    from pepip.uv import python_choice

    if request.script:
        return [*map(os.path.abspath, (request.script, lock_path)), *python_choice.version_files()]
    names = ("pyproject.toml", "uv.lock", "setup.py", "setup.cfg", "src")
    return [*(f"{folder}/{name}" for name in names), *python_choice.version_files()]


def cache_folder(options: Sequence[str] = ()) -> str:
    """Return uv's cache folder for these options, empty if its place can't be known without asking uv."""
    if "--cache-dir" in options:
        return os.path.abspath(options[options.index("--cache-dir") + 1])
    return writable_cache.usual()


def index_evidence() -> list[tuple[str, str]]:
    """Return uv's program and the folders of index pages in its cache, with their states; empty if there are none.

    The states of these folders change whenever uv learns anything new from an index.
    """
    cache = cache_folder()
    if not cache:
        return []
    pages = [folder for bucket in folders(cache, "simple-v") for folder in (bucket, *below(bucket))]
    deeper = [inner for folder in pages for inner in below(folder)]
    return answer_cache.states([program.path(), *pages, *deeper]) if pages else []


def metadata_evidence(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return the folders in uv's cache that hold the metadata of these distributions, with their states."""
    wanted = list(names)
    buckets = [
        folder
        for kind in ("wheels-v", "sdists-v")
        for bucket in folders(cache_folder(), kind)
        for folder in below(bucket)
    ]
    named = [folder for folder in buckets if os.path.basename(folder) == "index"]  # holds one folder for each index
    places = [folder for folder in buckets if folder not in named] + [inner for one in named for inner in below(one)]
    return answer_cache.states(f"{folder}/{name}" for folder in places for name in wanted)


def _text(path: str) -> str:
    return settings.content(path).decode("utf-8", "surrogateescape")


def folders(parent: str, prefix: str = "") -> list[str]:
    """Return the paths in a folder of uv's cache whose names have this prefix; empty if the folder isn't there."""
    try:
        return [f"{parent}/{name}" for name in os.listdir(parent) if name.startswith(prefix)]
    except OSError:
        return []


def below(parent: str) -> Iterator[str]:
    """Yield the subfolders of a folder."""
    try:
        with os.scandir(parent) as children:
            yield from [child.path for child in children if child.is_dir()]
    except OSError:
        return


def _is_plain_requirement(text: str) -> bool:
    """Tell whether a requirement is a name, perhaps with extras, versions and a marker, but no path and no URL.

    uv reads a name with an archive's suffix as a path, and a word with a colon as a URL.
    """
    return (
        text[:1].isalnum()
        and text.isprintable()
        and not set(text) & {"/", "\\", "@", "#", "$", ":"}
        and "--" not in text
        and not text.split(";")[0].split("[")[0].split()[0].lower().endswith(ARCHIVES)
    )


def _are_remote(indexes: str) -> bool:
    """Tell whether all these indexes, each perhaps with a name, have HTTP URLs. A folder has none."""
    urls = (index.partition("=")[2] if "://" not in index.partition("=")[0] else index for index in indexes.split())
    return all(url.startswith(("http://", "https://")) for url in urls)


def _is_plain_file(path: str) -> bool:
    """Tell whether a requirements file holds only plain requirements and comments."""
    if "://" in path or path.endswith((".toml", ".py", ".cfg")) or not os.path.isfile(path):
        return False
    lines = settings.content(path).decode("utf-8", "replace").splitlines()
    return all(not line or line.startswith("#") or _is_plain_requirement(line) for line in map(str.strip, lines))


def are_plain_options(words: Sequence[str]) -> bool:
    """Tell whether options have the same effect each time, and name only indexes with HTTP URLs."""
    remaining = iter(words)
    for word in remaining:
        name, separator, value = word.partition("=")
        if name in _PLAIN_FLAGS:
            continue
        if name not in _PLAIN_VALUES | _PLAIN_INDEXES:
            return False
        if not separator:
            value = next(remaining, "")
        if name in _PLAIN_INDEXES and not (value and _are_remote(value)):
            return False
    return True
