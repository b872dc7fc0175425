"""The purpose of an environment: for a project, a script, a tool, or one run.

uv keeps the environments of scripts, tools and `--with` in folders of its own. A path there tells people nothing, so
such an environment is called by the name of its script or tool. Source: uv's documentation of its cache and of tools.
"""

from __future__ import annotations

import os
import re

from pepip import paths
from pepip.environment import makers, venv_id
from pepip.environment.venv_id import ScriptNote
from pepip.fast_namedtuple import NamedTuple

PROJECT = "project"
SCRIPT = "script"
TOOL = "tool"
RUN = "run"
KINDS = (PROJECT, SCRIPT, TOOL, RUN)

_BUCKET = re.compile(r"(environments|archive)-v\d+")


class Purpose(NamedTuple):
    """The kind of an environment, and its name for people.

    The name is the path of a project's environment or of a script, the name of a tool, or the label of a run. If a
    script came from stdin or a URL, it has no path, and `script` is None.
    """

    kind: str
    name: str = ""
    script: ScriptNote | None = None


def of(root: str, named: str = "") -> Purpose:
    """Return the purpose of the environment at `root`. If the environment is gone, its path alone decides.

    The environment of a project may lie elsewhere, as in uv's cache. Then `named` is the project's `.venv`, a link or
    a redirect file.
    """
    if os.path.lexists(f"{root}/{makers.TOOL_RECEIPT}"):
        return Purpose(TOOL, os.path.basename(root))
    bucket = _BUCKET.fullmatch(os.path.basename(os.path.dirname(root)))
    if os.path.basename(named) == ".venv" and named != root:
        project = paths.real(os.path.dirname(named))
        if project != os.path.dirname(root):
            return Purpose(PROJECT, f"{project}/.venv")
    if bucket is None:
        return Purpose(PROJECT, root)
    if bucket[1] == "archive":
        return Purpose(RUN, venv_id.label_of(root) or f"run {os.path.basename(root)}")
    script = venv_id.script_of(root)
    return Purpose(SCRIPT, script.path if script else f"script {os.path.basename(root)}", script)
