"""The options of uv that pepip passes on, in tables, and the split of a command line by them.

pepip doesn't interpret the options of uv. It only needs to know which of them take a value, and which commands of uv
know them. A command that is repeated is split before argparse is imported.
"""

from __future__ import annotations

from pepip.fast_namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class UvOption(NamedTuple):
    """One option of uv: its names, whether it takes a value, and which calls of uv get it.

    `group` is the field of `Request` or `ProjectRequest` that collects it.
    """

    names: tuple[str, ...]
    takes_value: bool
    group: str


def _values(group: str, *names: str) -> list[UvOption]:
    return [UvOption(tuple(name.split("/")), True, group) for name in names]


def _flags(group: str, *names: str) -> list[UvOption]:
    return [UvOption(tuple(name.split("/")), False, group) for name in names]


_SHARED: tuple[UvOption, ...] = (
    *_values(
        "common_options",
        "--index", "--default-index", "--index-url/-i", "--extra-index-url", "--find-links/-f", "--index-strategy",
        "--keyring-provider", "--allow-insecure-host", "--config-setting/--config-settings/-C",
        "--config-settings-package", "--no-build-isolation-package", "--exclude-newer", "--exclude-newer-package",
        "--no-sources-package", "--cache-dir", "--config-file", "--refresh-package", "--link-mode", "--trusted-host",
        "--python-preference", "--python-fetch", "--preview-features",
    ),
    *_flags(
        "common_options",
        "--no-index", "--no-build-isolation", "--build-isolation", "--no-sources", "--no-cache/--no-cache-dir/-n",
        "--refresh", "--no-refresh", "--offline", "--no-offline", "--native-tls", "--no-native-tls", "--system-certs",
        "--no-system-certs", "--no-config", "--managed-python", "--no-managed-python", "--no-python-downloads",
        "--allow-python-downloads", "--require-build-hashes", "--no-require-build-hashes", "--preview",
        "--no-preview", "--no-installer-metadata",
    ),
    *_values(
        "resolver_options",
        "--resolution", "--prerelease", "--prerelease-package", "--fork-strategy", "--upgrade-package/-P",
        "--upgrade-group",
    ),
    *_flags("resolver_options", "--upgrade/-U", "--no-upgrade", "--pre"),
)  # fmt: skip

VALUES_OF_ALL = frozenset(name for option in _SHARED if option.takes_value for name in option.names)
"""The options with a value that nearly all commands of uv know."""

PIP_OPTIONS: tuple[UvOption, ...] = (
    *_SHARED,
    *_values(
        "common_options",
        "--cert", "--no-binary", "--only-binary", "--build-constraints/--build-constraint/-b", "--torch-backend",
    ),
    *_flags("common_options", "--no-build", "--build"),
    *_values("resolver_options", "--overrides/--override", "--excludes/--exclude", "--extra", "--group"),
    *_flags("resolver_options", "--all-extras", "--no-all-extras"),
    *_values("installer_options", "--reinstall-package", "--no-editable-package"),
    *_flags(
        "installer_options", "--reinstall/--force-reinstall", "--no-reinstall", "--exact", "--strict", "--no-strict",
        "--require-hashes", "--no-require-hashes", "--no-verify-hashes", "--verify-hashes", "--no-editable", "--deps",
        "--allow-empty-requirements", "--no-allow-empty-requirements", "--no-system", "--no-break-system-packages",
        "--no-compile-bytecode/--no-compile", "--disable-pip-version-check",
    ),
)  # fmt: skip

COMMON_PIP_OPTIONS = tuple(option for option in PIP_OPTIONS if option.group == "common_options")
"""The options of commands that look up no versions: indexes, builds, cache, network."""

LOCK_OPTIONS: tuple[UvOption, ...] = (
    *_SHARED,
    *_values("build_options", "--no-build-package", "--no-binary-package"),
    *_flags("build_options", "--no-build", "--build", "--no-binary", "--binary"),
    *_values("sync_options", "--no-install-package", "--only-install-package"),
    *_flags(
        "sync_options", "--no-compile-bytecode/--no-compile",
        "--active", "--no-active", "--no-install-project", "--no-install-workspace", "--no-install-local",
        "--only-install-project", "--only-install-workspace", "--only-install-local",
    ),
    *_values("reinstall_options", "--reinstall-package"),
    *_flags("reinstall_options", "--reinstall/--force-reinstall", "--no-reinstall", "--no-frozen", "--no-locked"),
)  # fmt: skip
"""The options of uv that `pepip add` and `pepip remove` pass on."""

PROJECT_OPTIONS: tuple[UvOption, ...] = (
    *LOCK_OPTIONS,
    *_values(
        "selection_options",
        "--extra", "--no-extra", "--group", "--no-group", "--only-group", "--package", "--no-editable-package",
    ),
    *_flags(
        "selection_options",
        "--all-extras", "--no-all-extras", "--dev", "--no-dev", "--only-dev", "--no-default-groups", "--all-groups",
        "--no-editable", "--editable", "--all-packages",
    ),
)  # fmt: skip
"""The options of uv that `pepip sync` and `pepip run` pass on."""

GLOBAL_VALUES = frozenset(
    {
        *("--color", "--directory", "--project", "--config-file", "--cache-dir", "--allow-insecure-host"),
        *("--trusted-host", "--preview-features", "--python-preference", "--python-fetch"),
    }
)
"""The options with a value that uv accepts before the name of a command."""

VALUES_OF_RUN = frozenset(
    (
        *("-w", "--with", "--with-editable", "--with-requirements", "--env-file", "-p", "--python"),
        *("--python-platform", "--directory", "--project", "--color"),
        *(name for option in PROJECT_OPTIONS if option.takes_value for name in option.names),
    )
)
"""The options of `pepip run` with a value."""

WITH = frozenset(("-w", "--with", "--with-editable", "--with-requirements"))
"""The options of `uv run` for which uv makes an environment in its cache."""

MODULE = frozenset(("-m", "--module"))
"""The option of `uv run` that makes the command a module."""


def split(words: Sequence[str], *, values: frozenset[str]) -> tuple[list[str], list[str]]:
    """Split a command line into its leading options and the rest, which begins at the first word that is no option.

    `values` are the options that take a value.
    """
    position = 0
    while position < len(words):
        word = words[position]
        if not word.startswith("-") or word in {"-", "--"}:
            break
        position += 2 if wants_next(word, values) else 1
    return list(words[:position]), list(words[position:])


def wants_next(word: str, with_value: frozenset[str]) -> bool:
    """Tell whether an option takes the next word as its value. `with_value` are all options that take one."""
    if word.startswith("--"):
        return word in with_value
    taking = next((at for at in range(1, len(word)) if f"-{word[at]}" in with_value), 0)
    return taking == len(word) - 1
