"""Decides which artifacts the store may keep: artifacts whose content depends on their identity alone.

A build from source depends on more, so the indexes that supply its build requirements are part of its identity. Some
builds are private to the project, and uv builds them for each project: builds that depend on settings, builds that
the user wants to repeat, and builds that may use Git LFS.
Source: uv's documentation of its cache ("dynamic metadata", "build isolation") and of Git LFS.
"""

from __future__ import annotations

import os

from pepip import digests
from pepip.names import normalize_name
from pepip.urls import without_credentials
from pepip.uv import arguments, pylock, required_hashes, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.model import Artifact
    from pepip.uv.request import Request

_OPTIONS = frozenset(
    (
        *("--config-setting", "--config-settings", "-C", "--config-settings-package", "--no-build-isolation"),
        *("--no-build-isolation-package", "--build-constraints", "--build-constraint", "-b"),
        "--require-build-hashes",
    )
)
_SETTINGS = ("config-settings", "extra-build", "build-isolation", "build-constraint", "require-build-hashes")
_INDEX_SETTINGS = ("index", "index-url", "extra-index-url", "find-links", "no-index")
_INDEX_VARIABLES = (
    *("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX"),
)
_HARMLESS_VARIABLES = frozenset(("UV_NO_BUILD", "UV_NO_BUILD_PACKAGE", "UV_CONCURRENT_BUILDS"))


def shareable(request: Request, artifacts: list[Artifact]) -> list[Artifact]:
    """Return the artifacts. The identity is empty for each artifact that must be private to this project."""
    if any("archive" in item.package for item in artifacts) and required_hashes.ignores_fragments(request):
        artifacts = [pylock.left_to_uv(item) if "archive" in item.package else item for item in artifacts]
    built = [item for item in artifacts if item.is_shared and not item.wheel]
    if not built:
        return artifacts
    is_told = _has_build_settings(request) or required_hashes.may_name_index(request)
    private = {item.name for item in built} if is_told else set(_built_anew(request, built))
    if _may_use_lfs(request, artifacts):
        private |= {item.name for item in built if "vcs" in item.package}
    context = _context(request)
    identities = {item.name: "" if item.name in private else f"{item.identity}{context}" for item in built}
    return [item._replace(identity=identities.get(item.name, item.identity)) for item in artifacts]


def _context(request: Request) -> str:
    """Return the part of a build's identity that names the indexes of its build requirements, as a digest.

    Empty if nothing names an index. uv, too, keeps builds from different indexes apart.
    """
    named = [word for word in request.common_options if word == "--no-index"]
    named += arguments.values_of(request.common_options, *arguments.INDEXES)
    named += [f"{name}={os.environ[name]}" for name in _INDEX_VARIABLES if os.environ.get(name)]
    is_configured = "--no-config" not in request.common_options and not settings.is_on("UV_NO_CONFIG")
    for setting in _INDEX_SETTINGS if is_configured else ():
        for value in settings.values(setting):
            listed = value if isinstance(value, list) else [value]
            named += [str(item) for item in listed if not (isinstance(item, dict) and item.get("explicit"))]
    places = [os.path.abspath(word) if os.path.isdir(word) else without_credentials(word) for word in named]
    return f"+{digests.hexadecimal(chr(0).join(places).encode('utf-8', 'surrogateescape'))[:16]}" if places else ""


def _has_build_settings(request: Request) -> bool:
    """Tell whether an option, variable or setting changes builds: other projects may lack it."""
    return (
        any(word.partition("=")[0] in _OPTIONS for word in request.common_options)
        or any(value and _reaches_builds(name) for name, value in os.environ.items())
        or settings.may_mention(*_SETTINGS)
    )


def _reaches_builds(variable: str) -> bool:
    is_of_builds = "BUILD" in variable or "CONFIG_SETTING" in variable
    return variable.startswith("UV_") and is_of_builds and variable not in _HARMLESS_VARIABLES


def _built_anew(request: Request, built: list[Artifact]) -> list[str]:
    """Return the names of the artifacts that uv is told to build anew: the store may have an older build."""
    words = (*request.common_options, *request.installer_options)
    is_all = "--refresh" in words or not arguments.REINSTALL.isdisjoint(words) or arguments.wants_no_cache(request)
    named = {normalize_name(name) for name in arguments.values_of(words, "--refresh-package", "--reinstall-package")}
    return [item.name for item in built if is_all or item.name in named]


def _may_use_lfs(request: Request, artifacts: list[Artifact]) -> bool:
    """Tell whether files of a Git source may come by LFS. uv's exported locks do not say whether they do.

    The projects that the request names, and the local folders that it needs, may ask for LFS in their sources.
    """
    folders = [str(item.package["directory"]["path"]) for item in artifacts if "directory" in item.package]
    projects = [path for path in request.requirement_files if path.endswith((".toml", ".py"))]
    projects += [f"{folder}/pyproject.toml" for folder in folders]
    return (
        any("lfs" in required_hashes.read(path) for path in projects)
        or settings.is_on("UV_GIT_LFS")
        or settings.may_mention("lfs")
        or any("lfs" in text for text in (*request.packages, *required_hashes.texts(request)))
    )
