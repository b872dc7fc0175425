"""`pepip run`: bring the environment of the project or the script up to date, then let uv run the command."""

from __future__ import annotations

import os

from pepip.cli import options, output, stdin, sync, uv_options
from pepip.cli.stores import open_store
from pepip.paths import known_store_root
from pepip.uv import handover, run_discovery, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pepip.operations.reporting import Progress
    from pepip.uv.request import ProjectRequest

_DESCRIPTION = """\
Bring the project's environment up to date, and run a command in it. Or run a script in an environment of its own.

uv starts the command, so all options of `uv run` work. A script with inline metadata (PEP 723) has its environment in
uv's cache. For `--with`, uv makes a further environment there, and pepip links its packages.
"""

_EXAMPLES = """\
examples:
  pepip run pytest -x
  pepip run python -c 'import requests'
  pepip run --with rich script.py
"""

_VALUES = ("-w/--with", "--with-editable", "--with-requirements")
_FLAGS = ("-m/--module", "-s/--script", "--gui-script", "--no-env-file", "--no-sync", "--isolated", "--no-project")


def run(words: Sequence[str]) -> int:
    """Run `pepip run` with the words that follow its name. Mostly this process then becomes uv.

    Otherwise (on Windows, or to link an environment in uv's cache afterwards) it returns uv's exit code.
    """
    parser = parser_of_run()
    of_run, command = uv_options.split(words, values=uv_options.VALUES_OF_RUN)
    arguments = parser.read_for_uv(of_run, ["run"], rest=command)
    command = command[1:] if command[:1] == ["--"] else command
    if run_discovery.is_ray_worker("".join(command[:1])):
        command = ["python", *command]
        words = [*of_run, *command]
    folder, variables = os.getcwd(), dict(os.environ)
    options.apply_general_options(arguments)
    _complete_interrupted(arguments)
    target = "".join(command[:1])
    is_synced = _sync_environment(arguments, target, ["run", *of_run])
    kind = run_discovery.kind_of(target, is_module=arguments.module)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    as_uv = ["run", *(["--no-sync"] if is_synced else []), *words]
    name = "" if arguments.no_sync else handover.name_of_pepip()
    if arguments.of_uv or kind in {run_discovery.STDIN, run_discovery.REMOTE}:
        from pepip.cli import tool

        has_probe = _has_probe(arguments, of_run, target, kind)
        return tool.run_as_uv(
            as_uv,
            of_uv=of_run,
            label=_label(arguments, target),
            probe=[*as_uv[: len(as_uv) - len(words)], *_without_module(of_run)] if has_probe else (),
            name=name,
            links_before_run=bool(has_probe and command and kind == run_discovery.COMMAND),
            content=stdin.text_kept() if kind == run_discovery.STDIN or "-" in (arguments.of_uv or ()) else "",
        )
    return handover.become(as_uv, name=name)


def parser_of_run() -> options.Parser:
    """Return the parser of `pepip run`."""
    parser = sync.parser_of("pepip run", _DESCRIPTION, _EXAMPLES, json=False)
    parser.add_argument("--exact", action="store_true", help="also remove packages that the project does not need")
    parser.add_argument("command", metavar="COMMAND", nargs="*", help="a command of the environment, or a script")
    parser.add_argument(
        "--env-file", metavar="FILE", action="append", default=[], help="read environment variables from this file"
    )
    for option in _VALUES:
        parser.add_argument(*option.split("/"), dest="of_uv", metavar="X", action="append")
    for option in _FLAGS:
        name = option.rpartition("--")[2].replace("-", "_")
        parser.add_argument(*option.split("/"), dest=name, action="store_true")
    options.add_options_for_uv_alone(parser, values=("--python-platform",), flags=("--show-settings",))
    parser.add_uv_options(uv_options.PROJECT_OPTIONS)
    return parser


def _has_probe(arguments: argparse.Namespace, of_run: Sequence[str], target: str, kind: str) -> bool:
    """Tell whether uv makes the same environment for another command with the same options.

    It does not for a script with inline metadata, or for one in another folder, whose project uv takes. The answer is
    also no if uv reads a file from stdin or from a pipe, which can be read only once.
    """
    read = [*(arguments.of_uv or ()), *arguments.env_file]
    is_clear = not arguments.module or not uv_options.MODULE.isdisjoint(of_run)
    if not is_clear or arguments.script or arguments.gui_script or any(map(stdin.is_read_once, read)):
        return False
    return not run_discovery.project_start(target, kind) and not _may_have_metadata(target, kind)


def _may_have_metadata(target: str, kind: str) -> bool:
    """Tell whether the command is a script that has, or may have, inline metadata."""
    if kind == run_discovery.STDIN:
        return run_discovery.names_metadata(stdin.read_and_keep() or b"")
    if kind == run_discovery.SCRIPT:
        return run_discovery.has_inline_metadata(target)
    return kind == run_discovery.REMOTE


def _without_module(of_run: Sequence[str]) -> list[str]:
    """Return the options of `uv run` without the one that makes the command a module."""
    return [word for word in of_run if word not in uv_options.MODULE]


def _label(arguments: argparse.Namespace, target: str) -> str:
    """Return the command for which uv makes an environment in its cache, in words."""
    return f"run --with {', '.join(arguments.of_uv)}" if arguments.of_uv else f"run {target}"


def _complete_interrupted(arguments: argparse.Namespace) -> None:
    """Complete the change of a killed run in the environment in which uv may run the command."""
    from pepip.cli import pip
    from pepip.operations import venvs

    if not arguments.isolated:
        pip.complete_interrupted(venvs.locate("", dict(os.environ), os.getcwd()))


def _sync_environment(arguments: argparse.Namespace, target: str, words: Sequence[str]) -> bool:
    """Bring the environment in which uv will run `target` up to date: the project's, or the script's own.

    Returns whether uv has nothing left to sync; False also if pepip can't tell.
    """
    if _fails_early(arguments):
        return False
    is_script = arguments.script or arguments.gui_script
    kind = run_discovery.kind_of(target, is_module=arguments.module, is_script=is_script)
    start = run_discovery.project_start(target, kind)
    if start:
        os.environ.setdefault("UV_PROJECT", start)
    if kind == run_discovery.SCRIPT and run_discovery.has_inline_metadata(target):
        _bring_script_up_to_date(arguments, target)
        return False  # uv checks the script's environment again
    if _leaves_project_alone(arguments) or not settings.project_folder():
        if options.is_repeatable(arguments):
            _note_without_sync(words, is_told=_leaves_project_alone(arguments))
        return False
    if arguments.module and kind == run_discovery.STDIN:
        return False  # uv refuses a module from stdin
    script = stdin.read_and_keep() if kind == run_discovery.STDIN else b""
    if script and run_discovery.names_metadata(script):
        return False
    if kind == run_discovery.REMOTE and not _needs_project(arguments, target):
        return False
    is_known = kind != run_discovery.REMOTE and script is not None
    return _bring_up_to_date(arguments, sync.request_of(arguments), words) and is_known


def _note_without_sync(words: Sequence[str], *, is_told: bool) -> None:
    """Note that these words of `pepip run` sync nothing: options say so (`is_told`), or there is no project."""
    from pepip.operations import up_to_date_notes, venvs

    store_root = known_store_root(os.environ)
    root = venvs.locate("", dict(os.environ), os.getcwd())
    if store_root:
        up_to_date_notes.note_without_sync(store_root, words, root, is_told=is_told)


def _bring_script_up_to_date(arguments: argparse.Namespace, script: str) -> None:
    """Sync the environment of a script with inline metadata. Options that mean nothing for scripts are left out."""
    if "--active" in arguments.sync_options:
        return
    settings.include_script(os.path.abspath(script))
    replaced = [word for word in arguments.reinstall_options if word not in {"--no-frozen", "--no-locked"}]
    request = sync.request_of(arguments)._replace(
        script=script, selection_options=(), sync_options=(), reinstall_options=tuple(replaced)
    )
    words = ("run", "--script", os.path.abspath(script)) if not _words_matter(arguments) else ()
    _bring_up_to_date(arguments, request, words)


def _words_matter(arguments: argparse.Namespace) -> bool:
    """Tell whether the result of a script's sync depends on options, and not on the script alone."""
    lists = (
        arguments.common_options,
        arguments.build_options,
        arguments.resolver_options,
        arguments.reinstall_options,
    )
    return any(lists) or bool(arguments.python or arguments.exact or arguments.locked or arguments.frozen)


def _needs_project(arguments: argparse.Namespace, url: str) -> bool:
    """Tell whether uv runs the script at `url` in the project's environment.

    uv always plans the sync of the environment. It downloads the script, to look at it, only if the sync would change
    something.
    """
    from pepip.errors import UvError
    from pepip.uv import project as projects

    request = sync.request_of(arguments)
    try:
        preview = projects.preview(request._replace(sync_options=(*request.sync_options, "--inexact")))
    except UvError:
        return False
    changes = preview.changes
    if preview.is_locked and not preview.is_made and changes.are_none:
        return True
    return not run_discovery.remote_has_metadata([*request.common_options, *request.selection_options], url)


def _bring_up_to_date(arguments: argparse.Namespace, request: ProjectRequest, words: Sequence[str]) -> bool:
    """Sync the environment that a request means. Returns whether uv could plan the sync.

    If uv could not, `uv run` reports the error. `words` are the words of the command line that the result depends on.
    """
    from pepip.errors import UvError
    from pepip.operations import project as projects

    if not arguments.exact:
        request = request._replace(sync_options=(*request.sync_options, "--inexact"))
    choice = projects.ProjectOptions(
        compile_bytecode=sync.compiles(arguments),
        words=tuple(words) if options.is_repeatable(arguments) else (),
    )
    reporter = _ReporterBesideUv(output.reporter(arguments))
    try:
        outcome = output.follow(projects.sync(open_store(), request, choice), reporter)
    except UvError:
        if reporter.is_decided:
            raise
        return False
    output.conclude(outcome.summary, arguments, only_changes=True)
    return True


class _ReporterBesideUv(output.Reporter):
    """Passes on the progress of a sync.

    Until the changes are decided, it drops uv's warnings: `uv run` repeats them.
    """

    def __init__(self, reporter: output.Reporter) -> None:
        super().__init__(verbosity=reporter.verbosity)
        self.is_decided = False
        self._reporter = reporter

    def show(self, step: Progress) -> None:
        """Report one step."""
        if self.is_decided or not step.is_of_uv:
            self.is_decided = self.is_decided or step.phase not in {"resolve", "warning"}
            self._reporter.show(step)

    def close(self) -> None:
        """End the display."""
        self._reporter.close()


def _leaves_project_alone(arguments: argparse.Namespace) -> bool:
    """Tell whether `uv run` would leave the project's environment as it is."""
    is_told = arguments.no_project or arguments.isolated or arguments.no_sync
    return bool(is_told) or any(map(settings.is_on, ("UV_NO_SYNC", "UV_ISOLATED", "UV_NO_PROJECT")))


def _fails_early(arguments: argparse.Namespace) -> bool:
    """Tell whether `uv run` fails before it looks for an environment, or only answers a question."""
    environment_files = [*arguments.env_file, *os.environ.get("UV_ENV_FILE", "").split()]
    return (
        bool(arguments.elsewhere)
        or sum((arguments.module, arguments.script, arguments.gui_script)) > 1
        or not (arguments.no_env_file or all(map(os.path.isfile, environment_files)))
    )
