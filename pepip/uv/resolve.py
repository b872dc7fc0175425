"""Asks uv for its plan for an environment, and for the exact wheels of that plan.

uv decides. `uv pip install --dry-run` lists the changes that it would make, given the distributions in the
environment. `uv pip compile --format pylock.toml` names the files and their hashes before anything is downloaded.
"""

from __future__ import annotations

import contextlib
import json
import os

from pepip import early_imports
from pepip.errors import UvError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import machine
from pepip.model import Artifact
from pepip.names import normalize_name
from pepip.uv import (
    answer_cache,
    arguments,
    asked_interpreter,
    cacheable,
    dry_run_output,
    known_pins,
    required_hashes,
    settings,
    versions,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pepip.model import Environment
    from pepip.uv.answer_cache import AnswerCache
    from pepip.uv.dry_run_output import Change, Changes
    from pepip.uv.request import Request


def changes(request: Request, environment: Environment, meanwhile: Callable[[], None] | None = None) -> Changes:
    """Return the changes that `uv pip install`, or `sync`, would make in an environment.

    `meanwhile` is called while uv works: see `process.run`.
    Raises UvError with uv's message if the request can't be met.
    """
    command = ["pip", "sync" if request.is_whole else "install", "--dry-run", "--output-format", "json"]
    command += ["--color", "never", *asked_interpreter.options_of_environment(request, environment)]
    command += arguments.as_given(request)
    result = versions.ask(command, meanwhile)
    with versions.readable():
        reported = json.loads(result.stdout)["changes"]
    return dry_run_output.read(reported, result.stderr)


def removals(
    request: Request, environment: Environment, meanwhile: Callable[[], None] | None = None
) -> tuple[Change, ...]:
    """Return the distributions that `uv pip uninstall` would remove from an environment.

    `meanwhile` is called while uv works. Raises UvError.
    """
    command = ["pip", "uninstall", "--dry-run", "--color", "never"]
    command += [*asked_interpreter.options_of_environment(request, environment), *arguments.as_given(request)]
    return dry_run_output.read_removals(versions.ask(command, meanwhile).stderr)


def resolve(request: Request, environment: Environment, known: AnswerCache | None = None) -> list[Artifact]:
    """Return the artifacts that the request needs in an empty environment.

    If uv would answer the same as before, the answer in `known` is used.
    """
    key = ""
    evidence: list[tuple[str, str]] = []
    if known and cacheable.is_offline(request) and cacheable.is_plain(request):
        python = os.path.realpath(environment.executable)
        named = [required_hashes.read(path) for path in cacheable.files(request)]
        asked = [*arguments.as_given(request), "", *named, "", *settings.texts()]
        key = answer_cache.key("resolution", python, answer_cache.state_of(python), *asked, *machine.facts())
        answer = known.recall(key)
        if answer is not None:
            return [Artifact(*row) for row in json.loads(answer)]
        evidence = cacheable.index_evidence()
    found = _compile(_whole(request, environment), no_deps=request.no_deps)
    if known and evidence and all(item.wheel and not item.local_path and not item.direct_url for item in found):
        known.remember(key, json.dumps(found), [*evidence, *cacheable.metadata_evidence(item.name for item in found)])
    return found


def locate(
    request: Request, wanted: Sequence[Change], environment: Environment, answers: AnswerCache | None = None
) -> list[Artifact]:
    """Return the artifacts of the distributions that uv plans to add, without those that can't be found.

    If the request may name sources or indexes, uv resolves the whole request again, with its plan as constraints.
    Otherwise pepip takes each artifact from `answers` as long as uv would name the same one, and asks uv for the
    others by name and version alone.
    """
    locks = [path for path in request.requirement_files if arguments.is_lock(path)]
    found: list[Artifact] = []
    for path in locks:
        text = required_hashes.read(path)
        if text == required_hashes.UNREADABLE:  # uv may be able to log in there: this lock is left to uv
            continue
        artifacts = _read_lock(text, os.path.dirname(os.path.abspath(path)), environment)
        found += _matching(_shareable(request, artifacts), wanted)
    is_asked = request.packages or request.requirement_files or request.editables or request.resolver_options
    is_plain = cacheable.is_plain(request)
    if not locks and is_asked and not is_plain:
        found = _matching(_of_request(request, wanted, environment), wanted)
    missing = {change.name for change in wanted} - {artifact.name for artifact in found}
    known = known_pins.of_request(answers, request, environment) if answers and is_asked and is_plain else None
    if known and missing:
        recalled = known.recall(change for change in wanted if change.name in missing)
        found += recalled
        missing -= {artifact.name for artifact in recalled}
    asked = [change for change in wanted if change.name in missing]
    pins = list(map(requirement_of, asked))
    if pins and (is_plain or not is_asked):  # otherwise an index would learn names that do not concern it
        bases = known.bases(asked) if known else {}
        try:
            artifacts = _compile(_Question(request, environment, pins), no_deps=True)
            if known:
                known.remember(_matching(artifacts, asked), bases)
        except UvError:
            artifacts = _of_request(request, wanted, environment) if is_plain else []
        found += [artifact for artifact in _matching(artifacts, wanted) if artifact.name in missing]
    return found


def _of_request(request: Request, wanted: Sequence[Change], environment: Environment) -> list[Artifact]:
    """Return the artifacts of the whole request, resolved with uv's plan as constraints. Empty if that fails."""
    try:
        pins = [requirement_of(change) for change in wanted if change.version and not change.url]
        return _compile(_whole(request, environment, pins), no_deps=request.no_deps or request.is_whole)
    except UvError:
        return []


def requirement_of(change: Change) -> str:
    """Return the requirement line that names exactly the distribution that a change adds."""
    return f"{change.name} @ {change.url}" if change.url else f"{change.name}=={change.version}"


def _whole(request: Request, environment: Environment, pins: Sequence[str] = ()) -> _Question:
    """Return the question for everything that a request asks for."""
    requirements = [*request.packages, *(f"-e {path}" for path in request.editables)]
    return _Question(request, environment, requirements, request.requirement_files, pins)


class _Question(NamedTuple):
    """Requirements that uv resolves for an environment, with the options of a request. `pins` are constraints."""

    request: Request
    environment: Environment
    requirements: Sequence[str]
    files: Sequence[str] = ()
    pins: Sequence[str] = ()


def _compile(question: _Question, *, no_deps: bool) -> list[Artifact]:
    """Return the artifacts to which uv resolves a question. Raises UvError."""
    options = ["--format", "pylock.toml", *(["--no-deps"] if no_deps else [])]
    with _compiled(question, options, "pylock.toml", _load_readers_of_locks) as (lock, folder):
        return _shareable(question.request, _read_lock(lock, folder, question.environment, question.request))


@contextlib.contextmanager
def _compiled(
    question: _Question, options: Sequence[str], name: str, meanwhile: Callable[[], None]
) -> Iterator[tuple[str, str]]:
    """Yield the text that uv compiles, and the folder to which its relative paths refer. Raises UvError.

    A temporary file has the pins, if there are any. uv then writes its answer beside it, into a file of this `name`.
    """
    if not question.pins and not settings.may_mention("output-file"):
        yield _run_compile(question, options, meanwhile), os.getcwd()
        return
    from pepip.host import temp_dirs

    with temp_dirs.folder() as folder:
        into = [*_as_constraints(question.pins, folder), "--output-file", f"{folder}/{name}"]
        _run_compile(question, [*options, *into], meanwhile)
        with open(f"{folder}/{name}", encoding="utf-8") as file:
            yield file.read(), folder


def _run_compile(question: _Question, options: Sequence[str], meanwhile: Callable[[], None]) -> str:
    from pepip.uv import process

    request, requirements = question.request, question.requirements
    python = asked_interpreter.for_facts(request, question.environment)
    command = ["pip", "compile", "--quiet", "--no-header", "--python", python]
    command += [*request.common_options, *request.resolver_options]
    for path in request.constraint_files:
        command += ["-c", path]
    sources = [*question.files, *(["-"] if requirements else [])]
    stdin = "".join(f"{line}\n" for line in requirements)
    return process.run([*command, *options, "--", *sources], meanwhile, stdin=stdin).stdout


def _as_constraints(pins: Sequence[str], folder: str) -> list[str]:
    path = f"{folder}/constraints.txt"
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in pins)
    return ["-c", path]


class Indexes(NamedTuple):
    """The indexes of a resolution: their URLs, with passwords, and the index that each distribution came from."""

    urls: tuple[str, ...]
    of: dict[str, str]

    def named(self, artifacts: Sequence[Artifact]) -> list[Artifact]:
        """Return the artifacts, each with the URL of its index in its package table, if that is known."""
        return [
            item._replace(package={**item.package, "index": self.of[item.name]})
            if item.name in self.of and item.is_of_index and "index" not in item.package
            else item
            for item in artifacts
        ]


def indexes(
    request: Request,
    artifacts: Sequence[Artifact],
    environment: Environment,
    meanwhile: Callable[[], None] = lambda: None,
) -> Indexes:
    """Return the indexes from which a resolution took these artifacts, as far as uv reports them.

    uv's locks of pip requests do not name the indexes. uv caches its downloads by index, so without the index it
    would download cached files again. No index is asked anew for this. If uv is started, `meanwhile` is called
    while it works.
    """
    unnamed = [item for item in artifacts if item.is_of_index and "index" not in item.package]
    if not unnamed or any(map(arguments.is_lock, request.requirement_files)):
        return Indexes((), {})
    pins = [f"{item.name}=={item.version}" for item in unnamed if item.version]
    options = ["--emit-index-url", "--emit-index-annotation", "--no-annotate", "--color", "never"]
    is_plain = cacheable.is_plain(request)  # only options name an index
    options += ["--no-deps"] if is_plain or request.no_deps else []
    question = _Question(request, environment, pins) if is_plain else _whole(request, environment, pins)
    try:
        with _compiled(question, options, "requirements.txt", meanwhile) as (text, _):
            return read_indexes(text)
    except (UvError, OSError):
        return Indexes((), {})


def read_indexes(output: str) -> Indexes:
    """Return the indexes in the output of `uv pip compile --emit-index-url --emit-index-annotation`."""
    from pepip.urls import without_credentials

    urls: list[str] = []
    of: dict[str, str] = {}
    name = ""
    for line in output.splitlines():
        option, _, value = line.partition(" ")
        if option in {"--index-url", "--extra-index-url", "--index", "--default-index"}:
            urls.append(value.strip())
        elif line.lstrip().startswith("# from ") and name:
            shown = line.partition("# from ")[2].strip()
            of[name] = next((url for url in urls if without_credentials(url) == shown), shown)
        elif line[:1].isalnum():
            name = normalize_name(line.partition("==")[0].partition("[")[0].strip())
    return Indexes(tuple(urls), of)


def artifacts_of_lock(
    request: Request, lock: str, wanted: Sequence[Change], environment: Environment
) -> list[Artifact]:
    """Return the artifacts that a lock, made in this folder, names for the distributions that uv plans to add."""
    artifacts = _read_lock(lock, os.getcwd(), environment)
    return _shareable(request, _matching(artifacts, wanted))


def _load_readers_of_locks() -> None:
    early_imports.load("pepip.toml", "pepip.uv.markers", "pepip.uv.pylock", "pepip.uv.shareable")


def _shareable(request: Request, artifacts: list[Artifact]) -> list[Artifact]:
    from pepip.uv import shareable  # not needed for files that uv named before

    return shareable.shareable(request, artifacts)


def _read_lock(lock: str, folder: str, environment: Environment, request: Request | None = None) -> list[Artifact]:
    from pepip.uv import markers, pylock

    preferred = required_hashes.of(request).allowed if request else None
    applies = markers.evaluator(environment)
    with versions.readable():
        found = pylock.artifacts(
            lock, environment.tags, folder, preferred=preferred, may_be_yanked=bool(request), applies=applies
        )
    counts: dict[str, int] = {}
    for item in found:
        counts[item.name] = counts.get(item.name, 0) + 1
    # If several artifacts have one name, only uv knows which of them it takes.
    return [item if counts[item.name] == 1 else pylock.left_to_uv(item) for item in found]


def _matching(artifacts: list[Artifact], wanted: Sequence[Change]) -> list[Artifact]:
    versions = {change.name: change.version for change in wanted}
    return [
        artifact
        for artifact in artifacts
        if artifact.name in versions
        and ("" in {artifact.version, versions[artifact.name]} or versions[artifact.name] == artifact.version)
    ]
