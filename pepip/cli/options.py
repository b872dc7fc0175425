"""The parser of all commands. It accepts the options of uv that are listed in `pepip.cli.uv_options`."""

from __future__ import annotations

import argparse
import os

from pepip.cli import uv_options
from pepip.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

    from pepip.cli.uv_options import UvOption


_HELP = {
    "--upgrade": "take the newest versions that are allowed",
    "--upgrade-package": "take the newest version of this package",
    "--reinstall": "install everything again, even installed packages",
    "--prerelease": "when to take pre-releases: disallow, allow, if-necessary, explicit, …",
    "--pre": "take pre-releases",
    "--offline": "use no network",
    "--index": "an index to search before the default one",
    "--default-index": "the index to use in place of the default one",
    "--find-links": "a folder or page of distributions to search too",
    "--no-index": "search no index",
    "--torch-backend": "which builds of PyTorch to take: auto, cpu, cu128, …",
    "--exact": "remove packages that the request does not need",
    "--extra": "with the dependencies of this extra",
    "--all-extras": "with the dependencies of all extras",
    "--group": "with the dependencies of this group",
    "--all-groups": "with the dependencies of all groups",
    "--only-group": "with the dependencies of this group alone",
    "--no-dev": "without the group of development dependencies",
    "--package": "only this member of the workspace",
    "--all-packages": "all members of the workspace",
    "--no-editable": "install the project and its workspace as real files, not editable",
    "--no-install-project": "leave the project itself out",
    "--active": "use the active environment, not the project's",
}


# argparse looks up translations of its messages. Python ships none, and the lookup takes as long as reading the
# options. This change applies to the whole process, which speaks English anyway.
argparse._ = str  # type: ignore[attr-defined]


class Parser(argparse.ArgumentParser):
    """A parser whose errors look like all errors of pepip. All commands share its general options."""

    def __init__(self, prog: str, *, description: str, examples: str = "", json: bool = True) -> None:
        self._help_width: int | None = 80
        super().__init__(
            prog=prog,
            description=description,
            epilog=examples,
            formatter_class=self._formatter,
            allow_abbrev=False,
        )
        self._tables: list[tuple[argparse._ArgumentGroup, Sequence[UvOption]]] = []
        general = self.add_argument_group("general options")
        general.add_argument("-q", "--quiet", action="count", default=0, help="print only errors")
        general.add_argument("-v", "--verbose", action="count", default=0, help="print every step")
        if json:
            general.add_argument("--json", action="store_true", help="write one JSON document to stdout")
        general.add_argument("--color", choices=("auto", "always", "never"), help="when to use colours")
        never = argparse.SUPPRESS
        general.add_argument("--no-color", dest="color", action="store_const", const="never", help=never)
        general.add_argument("--no-progress", action="store_true", help="show no progress")
        general.add_argument("--directory", metavar="PATH", help="work in this folder")
        general.add_argument("--project", metavar="PATH", help="the folder of the project")

    def error(self, message: str) -> NoReturn:
        """Raise the message as a UsageError."""
        raise UsageError(message, hint=f"`{self.prog} --help` shows all options")

    def add_uv_options(self, table: Sequence[UvOption]) -> None:
        """Accept these options of uv. They are collected in lists that are named after their groups."""
        group = self.add_argument_group(
            "options of uv", "passed on unchanged, like uv's other options for indexes, resolver, builds and cache"
        )
        self._tables.append((group, table))
        self.set_defaults(**{option.group: [] for option in table})

    def _take_options_in(self, words: Sequence[str]) -> None:
        """Add only the options of uv that `words` may contain: uv has about a hundred, and most commands use none."""
        given = {word.partition("=")[0] for word in words}
        given.update(f"-{letter}" for word in words if word[:1] == "-" != word[1:2] for letter in word[1:])
        wants_help = not given.isdisjoint(("-h", "--help"))
        if wants_help:
            self._help_width = None
        for group, table in self._tables:
            for option in table:
                if wants_help or not given.isdisjoint(option.names):
                    _add_uv_option(group, option)
        self._tables.clear()

    def _formatter(self, prog: str) -> argparse.HelpFormatter:
        """Return the help formatter. argparse asks for one at every option; only help needs the terminal's width."""
        return argparse.RawDescriptionHelpFormatter(prog, width=self._help_width)

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """Return the arguments in `words`. Positional arguments may stand anywhere among the options."""
        self._take_options_in(words)
        arguments = self.parse_args(self._separated(words))
        arguments.json = getattr(arguments, "json", False)
        arguments.verbosity = -1 if arguments.json else arguments.verbose - arguments.quiet
        return arguments

    def _separated(self, words: Sequence[str]) -> list[str]:
        """Return the words with all options on one side, because argparse does not accept every mixture."""
        with_value = self.options_with_value()
        given: list[str] = []
        positional: list[str] = []
        position = 0
        while position < len(words):
            word = words[position]
            position += 1
            if word == "--":
                positional += words[position:]
                break
            if word == "-" or not word.startswith("-"):
                positional.append(word)
                continue
            given.append(word)
            if uv_options.wants_next(word, with_value) and position < len(words):
                given.append(words[position])
                position += 1
        if any(word.startswith("-") for word in positional):
            return [*given, "--", *positional]
        return [*positional, *given]  # so that an option without a value does not take a positional argument

    def read_for_uv(
        self, words: Sequence[str], command: Sequence[str], *, rest: Sequence[str] = ()
    ) -> argparse.Namespace:
        """Return the arguments in `words`. If only uv knows an option, warn, and let uv run `command` instead.

        `rest` are words that pepip does not read.
        """
        try:
            return self.read(words)
        except UsageError as error:
            if not error.message.startswith("unrecognized arguments: -"):
                raise
            from pepip.cli import output
            from pepip.uv import handover

            unknown = error.message.partition(": ")[2].split()[0]
            output.Reporter(verbosity=0).warn(f"pepip does not know {unknown}: uv alone runs this, and links nothing")
            raise SystemExit(handover.become([*command, *words, *rest])) from None

    def options_with_value(self) -> frozenset[str]:
        """Return the names of all options that take a value."""
        own = (name for action in self._actions if action.nargs != 0 for name in action.option_strings)
        of_uv = (name for _, table in self._tables for item in table if item.takes_value for name in item.names)
        return frozenset((*own, *of_uv))


def _add_uv_option(group: argparse._ArgumentGroup, option: UvOption) -> None:
    shown = [_HELP[name] for name in option.names if name in _HELP]
    keywords: dict[str, Any] = {"action": _Forward, "dest": option.group, "default": []}
    keywords["help"] = shown[0] if shown else argparse.SUPPRESS
    if option.takes_value:
        keywords["metavar"] = "X"
    else:
        keywords["nargs"] = 0
    group.add_argument(*option.names, **keywords)


def add_options_for_uv_alone(parser: Parser, *, values: Sequence[str], flags: Sequence[str]) -> None:
    """Accept options of uv that pepip does not handle: if one is given, uv runs the whole command.

    The argument `elsewhere` is true then.
    """
    for option in values:
        parser.add_argument(*option.split("/"), dest="elsewhere", metavar="X", help=argparse.SUPPRESS)
    for option in flags:
        parser.add_argument(option, dest="elsewhere", action="store_true", help=argparse.SUPPRESS)


def apply_general_options(arguments: argparse.Namespace) -> None:
    """Apply the general options to this process.

    `--color` overrides the variables NO_COLOR, FORCE_COLOR and CLICOLOR_FORCE. The folder of `--directory`, or else
    of UV_WORKING_DIR, becomes the current one. `--project` and `--config-file` set the variables of uv that mean the
    same, so that all code has to look only at the variables.

    Raises UsageError if that folder can't be entered.
    """
    if arguments.color:
        for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE"):
            os.environ.pop(name, None)
        if arguments.color != "auto":
            os.environ["FORCE_COLOR" if arguments.color == "always" else "NO_COLOR"] = "1"
    directory = working_directory(arguments.directory)
    if directory:
        for name in _WORKING_DIRECTORY:
            os.environ.pop(name, None)
        try:
            os.chdir(directory)
        except OSError as error:
            raise UsageError(f"cannot go to {directory}: {error.strerror}") from error
    if arguments.project:
        os.environ["UV_PROJECT"] = arguments.project
    words = list(getattr(arguments, "common_options", ()))
    for at, word in enumerate(words):
        if word == "--config-file" or word.startswith("--config-file="):
            os.environ["UV_CONFIG_FILE"] = word.partition("=")[2] or words[at + 1]


_WORKING_DIRECTORY = ("UV_WORKING_DIR", "UV_WORKING_DIRECTORY")  # uv still obeys the second, older name


def working_directory(named: str | None) -> str:
    """Return the folder that `--directory` or else a variable names. It is empty if neither is set."""
    return named or next(filter(None, map(os.environ.get, _WORKING_DIRECTORY)), "")


def is_repeatable(arguments: argparse.Namespace) -> bool:
    """Tell whether pepip may note that this command has nothing to do, and end it early when it is repeated here."""
    return not (
        arguments.directory
        or arguments.project
        or arguments.compile_bytecode
        or os.environ.get("UV_COMPILE_BYTECODE")
        or arguments.json
        or getattr(arguments, "output_format", None)
        or arguments.verbosity > 0
    )


class _Forward(argparse.Action):
    """Collect an option and its value, for the calls of uv that know the option."""

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
        if isinstance(values, str) and values.startswith("-"):
            collected.append(f"{option_string}={values}")
        else:
            collected += [str(option_string), *([values] if isinstance(values, str) else [])]
        setattr(namespace, self.dest, collected)
