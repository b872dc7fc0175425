"""Plans that uv made before for the same project in another folder, whose environment was missing.

Worktrees and clones hold one project many times. If a project has no environment yet, uv's plan depends on the text
of its files, settings and lock, on options and variables, and on the interpreter. The path of the project is in the
plan only as the place of the environment, of the lock and of the project itself. A plan with any other path is not
kept.
Source: uv's documentation of projects, and `cacheable.files_of_project`.
"""

from __future__ import annotations

import json
import os

from pepip import digests, paths
from pepip.fast_namedtuple import NamedTuple
from pepip.model import Artifact, Change, Changes
from pepip.uv import answer_cache, cacheable, interpreter, known_pins, project, settings, shareable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from pepip.model import ProjectRequest
    from pepip.uv.answer_cache import AnswerCache
    from pepip.uv.project import SyncPreview

_FOLDER = "\0folder\0"
_OF_ONE_FOLDER = ("UV_PROJECT_ENVIRONMENT", "VIRTUAL_ENV", "CONDA_PREFIX")
"""Variables that may name an environment. uv compares it with the project's own, whose path differs."""


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
        document = _replaced(found["document"], _FOLDER, self.folder)
        added = tuple(Change(*_replaced(row, _FOLDER, self.folder)) for row in found["added"])
        artifacts = [Artifact(*row) for row in found["artifacts"]]
        return KnownPlan(project.read_preview(document, Changes((), added)), artifacts)

    def remember(self, preview: SyncPreview, artifacts: Sequence[Artifact]) -> None:
        """Keep a plan and its artifacts, after the environment was made.

        Nothing is kept if the plan may depend on other facts than the question. Each distribution must be a wheel of
        an index, or the project itself.
        """
        changes = preview.changes
        own = {change.name for change in changes.added if change.url == f"file://{self.folder}"}
        is_complete = own | {item.name for item in artifacts if known_pins.is_lasting(item)} == {
            change.name for change in changes.added
        }
        is_plain = preview.is_made and preview.is_locked and not (changes.removed or changes.warnings)
        if not (is_plain and is_complete and preview.environment == f"{self.folder}/.venv"):
            return
        places = {
            *(self.folder, f"{self.folder}/uv.lock", preview.environment),
            *(f"{preview.environment}/{program}" for program in interpreter.PROGRAMS),
            *(f"file://{self.folder}",),
        }
        added = [list(change) for change in changes.added]
        if any(self.folder in text and text not in places for text in _texts([preview.document, added])):
            return
        base = os.path.realpath(interpreter.executable(preview.environment))
        answer = {
            "document": _replaced(preview.document, self.folder, _FOLDER),
            "added": _replaced(added, self.folder, _FOLDER),
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
    python = cacheable.environment_question(request.python or os.environ.get("UV_PYTHON", "")) if files else None
    is_elsewhere = settings.mention("find-links") or shareable.builds_in_environment(project.staging_request(request))
    if python is None or is_elsewhere:
        return None
    python_words, places = python
    options = [*request.common_options, "", *request.selection_options, "", *request.sync_options]
    texts = [digests.hexadecimal(settings.content(path)) for path in files if not os.path.isdir(path)]
    words = [request.lock_mode, *options, "", *texts, "", *python_words, "", *_arrangement(folder), *_machine()]
    key = answer_cache.key("plan", *words, ignored={"UV_PROJECT"})
    return PlanQuestion(answers, key, answer_cache.states(filter(None, places)), folder)


def _arrangement(folder: str) -> Iterator[str]:
    """Yield the start folder and the places of settings files: relative to `folder` if they lie there or above."""
    yield os.path.relpath(settings.start_folder(), folder)
    above = set(paths.upward(settings.start_folder()))
    for path in settings.places():
        if settings.content(path):
            yield os.path.relpath(path, folder) if os.path.dirname(path) in above else path


def _machine() -> Iterator[str]:
    """Yield the facts of this machine that markers and wheel tags may name. Several machines may share a home."""
    if hasattr(os, "uname"):
        system = os.uname()
        yield from (system.sysname, system.release, system.version, system.machine)


def _replaced(value: Any, old: str, new: str) -> Any:
    """Return a JSON value in which each text that begins with the path `old`, perhaps as a URL, has `new` there."""
    if isinstance(value, dict):
        return {key: _replaced(inner, old, new) for key, inner in value.items()}
    if isinstance(value, list):
        return [_replaced(inner, old, new) for inner in value]
    return value.replace(old, new, 1) if isinstance(value, str) else value


def _texts(value: Any) -> Iterator[str]:
    """Yield all texts in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
