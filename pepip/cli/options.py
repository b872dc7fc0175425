"""The options of uv that pepip passes on, by the uv commands that know them.

pepip doesn't interpret them; it must only know which of them take a value.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

from pepip.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn


class UvOption(NamedTuple):
    """One option of uv: its names, whether it takes a value, and which calls of uv get it.

    `reach` is `everywhere`, `resolving` or `installing`, as in `Request`.
    """

    names: tuple[str, ...]
    takes_value: bool
    reach: str


def _values(reach: str, *names: str) -> list[UvOption]:
    return [UvOption(tuple(name.split("/")), True, reach) for name in names]


def _flags(reach: str, *names: str) -> list[UvOption]:
    return [UvOption(tuple(name.split("/")), False, reach) for name in names]


UV_OPTIONS: tuple[UvOption, ...] = (
    *_values(
        "everywhere",
        "--index", "--default-index", "--index-url/-i", "--extra-index-url", "--find-links/-f", "--index-strategy",
        "--keyring-provider", "--allow-insecure-host", "--cert", "--no-binary", "--only-binary",
        "--config-setting/--config-settings/-C", "--config-settings-package", "--no-build-isolation-package",
        "--build-constraints/--build-constraint/-b", "--exclude-newer", "--exclude-newer-package",
        "--no-sources-package", "--cache-dir", "--config-file", "--refresh-package", "--torch-backend", "--project",
        "--link-mode",
    ),
    *_flags(
        "everywhere",
        "--no-index", "--no-build", "--no-build-isolation", "--no-sources", "--no-cache/-n", "--refresh", "--offline",
        "--native-tls", "--system-certs", "--no-config", "--managed-python", "--no-managed-python",
        "--no-python-downloads", "--require-build-hashes",
    ),
    *_values(
        "resolving",
        "--resolution", "--prerelease", "--prerelease-package", "--fork-strategy", "--overrides/--override",
        "--excludes/--exclude", "--extra", "--group", "--upgrade-package/-P", "--upgrade-group",
    ),
    *_flags("resolving", "--pre", "--all-extras", "--upgrade/-U"),
    *_values("installing", "--reinstall-package", "--no-editable-package"),
    *_flags(
        "installing", "--reinstall/--force-reinstall", "--exact", "--strict", "--require-hashes",
        "--no-verify-hashes", "--verify-hashes", "--no-editable",
    ),
)  # fmt: skip


_HELP = {
    "--upgrade": "take the newest versions that are allowed",
    "--upgrade-package": "take the newest version of this package",
    "--reinstall": "install everything again, even what is there",
    "--prerelease": "whether to take pre-releases: disallow, allow, if-necessary, explicit, …",
    "--pre": "take pre-releases",
    "--offline": "use no network",
    "--index": "an index to search before the default one",
    "--default-index": "the index to use in place of the default one",
    "--find-links": "a folder or page of distributions to search too",
    "--no-index": "search no index",
    "--torch-backend": "which builds of PyTorch to take: auto, cpu, cu128, …",
}


class Parser(argparse.ArgumentParser):
    """A parser whose complaints look like every other error of pepip."""

    def error(self, message: str) -> NoReturn:
        """Raise the complaint as a misuse of the command."""
        raise UsageError(message, hint=f"`{self.prog} --help` shows what there is")


class _Forward(argparse.Action):
    """Collect an option and its value, as they were typed, for the calls of uv that know it."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Append the option to the list that `dest` names."""
        del parser
        collected = list(getattr(namespace, self.dest) or [])
        collected.append(str(option_string))
        if isinstance(values, str):
            collected.append(values)
        setattr(namespace, self.dest, collected)


def add_uv_options(parser: argparse.ArgumentParser) -> None:
    """Let `parser` take all options of uv. They end up in lists named for their reach."""
    group = parser.add_argument_group(
        "options of uv", "passed on as they are; so are its other options for indexes, resolver, builds and cache"
    )
    for option in UV_OPTIONS:
        shown = [_HELP[name] for name in option.names if name in _HELP]
        keywords: dict[str, Any] = {"action": _Forward, "dest": option.reach, "default": []}
        keywords["help"] = shown[0] if shown else argparse.SUPPRESS
        if option.takes_value:
            keywords["metavar"] = "X"
        else:
            keywords["nargs"] = 0
        group.add_argument(*option.names, **keywords)
