"""Plans that uv made before for the same project, without an environment, in another folder.

Worktrees and clones hold one project many times. If a project has no environment yet, uv's plan depends on the text
of its files, settings and lock, on options and variables, and on the interpreter. The path of the project is in the
plan only as the place of the environment, of the lock and of the project itself. A plan that names any other path in
the project is not kept.
Source: uv's documentation of projects, and `cacheable.files_of_project`.
"""

from __future__ import annotations

import json
import os

from pepip import digests, paths, urls
from pepip.fast_namedtuple import NamedTuple
from pepip.host import machine
from pepip.model import Artifact
from pepip.uv import (
    answer_cache,
    asked_interpreter,
    cacheable,
    interpreter,
    known_pins,
    project,
    python_choice,
    settings,
)
from pepip.uv.dry_run_output import Change, Changes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from pepip.uv.answer_cache import AnswerCache
    from pepip.uv.project import SyncPreview
    from pepip.uv.request import ProjectRequest

_FOLDER, _URL = "\0folder\0", "\0url\0"
_OF_ONE_FOLDER = ("UV_PROJECT_ENVIRONMENT", "VIRTUAL_ENV", "CONDA_PREFIX")
"""Variables that may name an environment. uv compares its path with the path of the project's own environment."""


class KnownPlan(NamedTuple):
    """A plan, and the artifacts that the lock names for it. Distributions of the project itself have no artifact."""

    preview: SyncPreview
    artifacts: list[Artifact]


class PlanQuestion(NamedTuple):
    """The question for the plan of the project in `folder`, and the places whose states the answer depends on."""

    answers: AnswerCache
    key: str
    evidence: list[tuple[str, str]]
    folder: str

    def recall(self) -> KnownPlan | None:
        """Return the known plan, with the paths of this folder. None if there is none."""
        answer = self.answers.recall(self.key)
        if answer is None:
            return None
        found = json.loads(answer)
        places = [(_URL, urls.of_path(self.folder)), (_FOLDER, self.folder)]
        document = _replaced(found["document"], places)
        added = tuple(Change(*_replaced(row, places)) for row in found["added"])
        artifacts = [Artifact(*row) for row in found["artifacts"]]
        return KnownPlan(project.read_preview(document, Changes((), added)), artifacts)

    def remember(self, preview: SyncPreview, artifacts: Sequence[Artifact]) -> None:
        """Keep a plan and its artifacts, after the environment was made.

        Nothing is kept if the plan may depend on other facts than the question. Each distribution must be a wheel of
        an index, or the project itself.
        """
        changes = preview.changes
        url = urls.of_path(self.folder)
        own = {change.name for change in changes.added if change.url == url}
        is_complete = own | {item.name for item in artifacts if known_pins.is_lasting(item)} == {
            change.name for change in changes.added
        }
        is_plain = preview.is_made and preview.is_locked and not (changes.removed or changes.warnings)
        if not (is_plain and is_complete and preview.environment == f"{self.folder}/.venv"):
            return
        places = {
            *(self.folder, f"{self.folder}/uv.lock", preview.environment),
            *(f"{preview.environment}/{program}" for program in interpreter.PROGRAMS),
            url,
        }
        added = [list(change) for change in changes.added]
        texts = _texts([preview.document, added])
        if any((self.folder in text or url in text) and text not in places for text in texts):
            return
        base = os.path.realpath(interpreter.executable(preview.environment))
        answer = {
            "document": _replaced(preview.document, [(url, _URL), (self.folder, _FOLDER)]),
            "added": _replaced(added, [(url, _URL), (self.folder, _FOLDER)]),
            "artifacts": [item for item in artifacts if item.name not in own],
        }
        self.answers.remember(self.key, json.dumps(answer), [*self.evidence, (base, answer_cache.state_of(base))])


def of_missing_environment(answers: AnswerCache, request: ProjectRequest) -> PlanQuestion | None:
    """Return the question for the plan of a project that has no environment.

    None if the plan may depend on the project's path, or on facts that the question does not contain. In a workspace,
    for example, the plan contains the paths of the members.
    """
    folder = settings.project_folder()
    if request.script or not folder or os.path.lexists(f"{folder}/.venv") or any(map(os.environ.get, _OF_ONE_FOLDER)):
        return None
    files = cacheable.files_of_project(request)
    python = python_choice.question(request.python or os.environ.get("UV_PYTHON", "")) if files else None
    is_elsewhere = settings.may_mention("find-links") or asked_interpreter.builds_in_environment(
        project.staging_request(request)
    )
    if python is None or is_elsewhere:
        return None
    options = [*request.common_options, "", *request.selection_options, "", *request.sync_options]
    texts = [digests.hexadecimal(settings.content(path)) for path in files if not os.path.isdir(path)]
    words = [request.lock_mode, *options, "", *texts, "", *python.words, "", *_relative_places(folder)]
    key = answer_cache.key("plan", *words, *machine.facts(), ignored={"UV_PROJECT", "PATH"})
    return PlanQuestion(answers, key, answer_cache.states(python.places), folder)


def _relative_places(folder: str) -> Iterator[str]:
    """Yield the paths of start folder and settings files: relative to `folder` if in or above the start folder."""
    yield os.path.relpath(settings.start_folder(), folder)
    above = set(paths.upward(settings.start_folder()))
    for path in settings.places():
        if settings.content(path):
            yield os.path.relpath(path, folder) if os.path.dirname(path) in above else path


def _replaced(value: Any, pairs: Sequence[tuple[str, str]]) -> Any:
    """Return a JSON value with old texts replaced by new ones, given as `pairs`.

    In each text only one place changes: the first place of the first pair whose old text is there.
    """
    if isinstance(value, dict):
        return {key: _replaced(inner, pairs) for key, inner in value.items()}
    if isinstance(value, list):
        return [_replaced(inner, pairs) for inner in value]
    if not isinstance(value, str):
        return value
    return next((value.replace(old, new, 1) for old, new in pairs if old in value), value)


def _texts(value: Any) -> Iterator[str]:
    """Yield all texts in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
