"""The commands of pepip, in one list. The dispatch, the help and the shell completion come from it."""

from __future__ import annotations

from pepip import __version__
from pepip.fast_namedtuple import NamedTuple


class Command(NamedTuple):
    """One command: its function in a module of this package, and its line in the help.

    `as_uv` is the command of uv that takes the same arguments: shells complete both alike. `as_uv` is empty if uv has
    no such command.
    """

    name: str
    module: str
    function: str
    text: str
    as_uv: str = ""


_GROUPS = (
    (
        "projects, linked from the store:",
        (
            Command("sync", "sync", "run_sync", "bring the lock and the environment up to date", "sync"),
            Command("add", "sync", "run_add", "add dependencies to the project", "add"),
            Command("remove", "sync", "run_remove", "remove dependencies from the project", "remove"),
            Command("run", "run", "run", "run a command in the project's environment, or a script in its own", "run"),
        ),
    ),
    (
        "tools, linked from the store:",
        (
            Command("tool", "tool", "run", "install, upgrade, uninstall, list tools", "tool"),
            Command("x", "tool", "run_x", "run a tool once, as `uvx` does", "tool run"),
        ),
    ),
    (
        "environments, linked from the store:",
        (
            Command("install", "install", "run", "install packages, files, URLs, folders", "pip install"),
            Command("uninstall", "uninstall", "run", "uninstall packages", "pip uninstall"),
            Command("upgrade", "upgrade", "run", "upgrade packages here, or in many environments at once"),
            Command("list", "pip", "run_list", "list the packages of an environment", "pip list"),
            Command("freeze", "pip", "run_freeze", "list the packages as requirements", "pip freeze"),
            Command("show", "pip", "run_show", "show a package of an environment", "pip show"),
            Command("check", "pip", "run_check", "check that the packages fit together", "pip check"),
            Command("pip", "pip", "run", "all of `uv pip`: install, sync, compile, tree, …", "pip"),
        ),
    ),
    (
        "the store:",
        (
            Command("store", "store", "run", "list, show, verify, repair, add, remove, init, publish, clean"),
            Command("projects", "projects", "run", "list environments, and the packages that each links"),
            Command("uses", "projects", "run_uses", "list environments that have a package"),
            Command("why", "why", "run", "say what needs a package, and what it needs"),
            Command("savings", "savings", "run", "measure the space that sharing saves"),
            Command("audit", "audit", "run", "ask which packages are vulnerable, yanked or outdated"),
            Command("diff", "diff", "run", "compare two environments, or one with its lock"),
            Command("prune", "prune", "run", "remove entries that no environment links"),
            Command("reclaim", "reclaim", "run", "list the space that can be freed, and pick a part of it"),
            Command("adopt", "adopt", "run", "link environments that other tools made"),
            Command("eject", "eject", "run", "give environments real files in place of all links"),
            Command("detach", "detach", "run", "make one package a private copy, to patch it"),
            Command("attach", "detach", "run_attach", "link a detached package from the store again"),
            Command("image", "image", "run", "make one file of an environment; run a command in it"),
            Command("doctor", "doctor", "run", "check everything that pepip needs"),
            Command("settings", "settings", "run", "show or change the settings of the app and the trash"),
            Command("ui", "ui", "run", "an app in the terminal for all of this"),
        ),
    ),
)
_UNLISTED = (Command("generate-shell-completion", "completion", "run", "", "generate-shell-completion"),)

COMMANDS = {command.name: command for _, group in (*_GROUPS, ("", _UNLISTED)) for command in group}
"""The commands by name, in the order of the help."""

OF_UV = frozenset(
    (
        "auth", "lock", "export", "tree", "format", "tool", "python", "pip", "venv", "build", "publish",
        "workspace", "cache", "self", "init", "version",
    )
)  # fmt: skip
"""Commands of uv that are known without asking uv.

Any other word that is no command of pepip goes to uv, too, unless it looks like a misspelled command of either.
"""

_END = """\
commands of uv, passed on unchanged:
  lock, tree, export, init, version, venv, python, build, publish, cache, auth, self, format, …
  uv …             any command of uv, even if pepip has a command of that name

options:
  -h, --help       show this help; `pepip help COMMAND` shows the help of a command
  -V, --version    show the version

examples:
  pepip adopt --dry-run                 show the space that sharing would free here
  pepip install requests 'numpy<2'      install into ./.venv, and make it if it is missing
  pepip sync                            sync the project here with uv.lock
  pepip run pytest                      run a command in the project's environment
  eval "$(pepip generate-shell-completion bash)"

The store is ~/.pepip, or the folder that PEPIP_HOME names."""


def usage() -> str:
    """Return the help of pepip as a whole."""
    lines = [
        f"pepip {__version__}: every package version once, in a shared store, linked into each project's environment",
        "",
        "usage: pepip COMMAND [OPTION ...]",
        "",
    ]
    for title, group in _GROUPS:
        lines += [title, *(f"  {command.name:<16} {command.text}" for command in group), ""]
    return "\n".join(lines) + "\n" + _END


def unlike_uv() -> list[str]:
    """Return the commands that uv lacks, or has with other arguments. Shells complete them in addition to uv's."""
    own = [command.name for command in COMMANDS.values() if command.as_uv != command.name]
    return [*own, "uv"]


def of_uv_pip() -> list[str]:
    """Return the commands that uv has below `uv pip`."""
    return [command.name for command in COMMANDS.values() if command.as_uv.startswith("pip ")]
