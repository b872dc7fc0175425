"""The same request, given to uv and to pepip, and all differences between their results.

A `Row` is one case. `compare` runs its steps three times, each time in a new project with an empty environment: by
uv, by pepip with an empty store, and by pepip again with the store that is now filled. The cache of pepip's uv is not
that of the plain uv. `compare` returns a line for each difference in

- exit codes, and outputs of programs of the environment;
- the environment, file by file, with links followed, and with metadata, `uv pip freeze` and scripts (if both fail,
  pepip may leave it unchanged);
- the files of the project, such as `uv.lock`;
- the requests to the indexes: pepip may make fewer, but asks no index for a project that uv did not ask this index
  for, and downloads no file more often than uv;

and a line for each traceback, and for the findings of `pepip store verify`.

**To add a row**, put it into the list of the module of its kind:

    Row(
        "two-builds-of-one-version",                             # the name of the test
        "pip install ink",                                       # a step; further steps follow
        indexes={"main": Index([replace(INK, build="1"), replace(INK, build="10")])},
    )

A step is one of
- the words that follow both `uv` and `pepip`: `pip install ink`, `sync --frozen`;
- `$ python -c …`: a program of the environment;
- `uv pip uninstall ink`: a command of uv in both environments;
- any of these after variables: `FLAG=1 pip install ink`;
- a function that gets the `Place` and changes it: a file of the project, of uv's cache, of a repository.

The index `main` is the default index. No other host can be reached, since the counting server is the proxy.
`files` are written into each project first. `before` are steps in a separate project that fill caches and the store.
In steps, files and variables these words are replaced:

    <url main>       the URL of an index              <folder main>          the folder with its files
    <flat main>      a page for --find-links          <sha256 NAME>          the hash of a file of some index, of
    <files main>     where its files can be had       <sha512 main/NAME>     one index, or of the word `wrong`
    <uri main>       its folder as a file: URL        <authority main>       `127.0.0.1:port`, for netrc and URLs
    <elsewhere>      a folder that all projects share, `<uri elsewhere>` its URL
    <python>         the interpreter below the environments

`KNOWN_TO_FAIL` in a module names the rows that fail today. A repair of the cause removes the name. Most rows belong
to the long list (`pytest -m "real_world or not real_world" tests/differential`). Each n-th row is part of every run,
and so are the rows in `ALWAYS`.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.environments import own_files
from tests.support.indexes import FILE, CountingServer, Index, Request
from tests.support.machines import Machine, Output
from tests.support.parity import Observation, differences, glance
from tests.support.snapshots import Snapshot, changes
from tests.support.wheels import Contents, Wheel

INK = Wheel(
    "ink",
    "1.0",
    files={"ink/__init__.py": "def main():\n    print('black')\n", "ink/blot.txt": "blot\n"},
    extras={"colour": []},
    entry_points={"console_scripts": {"ink": "ink:main"}},
)
"""A distribution without dependencies."""
PAPER = Wheel("paper", "1.0", files={"paper/__init__.py": "", "paper/sheet.txt": "white\n"})
LETTER = Wheel("letter", "1.0", files={"letter/__init__.py": ""}, dependencies=["ink", "paper"])

PROJECT = """[project]
name = "app"
version = "0.1.0"
requires-python = ">=3.9"
dependencies = [{}]
"""
"""A `pyproject.toml` without a build system. `format` fills in its dependencies."""


@dataclass(frozen=True)
class Place:
    """A project in which the steps of a row run, and the tool that runs them."""

    machine: Machine
    project: Path
    elsewhere: Path
    by: str
    """`uv` or `pepip`."""

    @property
    def environment(self) -> Path:
        """Return the project's environment."""
        return self.project / ".venv"

    def run(self, step: str) -> Output:
        """Run a step that is a command, whatever its exit code."""
        words = shlex.split(step)
        variables = {}
        while "=" in words[0]:
            name, _, value = words.pop(0).partition("=")
            variables[name] = value
        if words[0] == "$":
            words = [str(self.environment / "bin" / words[1]), *words[2:]]
            return self.machine.run(words, folder=self.project, check=False, variables=variables)
        if self.by == "uv" or words[0] == "uv":
            words = words[words[0] == "uv" :]
            return self.machine.uv(*words, folder=self.project, check=False, variables=variables)
        return self.machine.pepip(*words, folder=self.project, check=False, variables=variables)


Step = str | Callable[[Place], None]


@dataclass(frozen=True)
class Row:
    """One request with everything that it needs."""

    name: str
    steps: Step | Sequence[Step]
    """One step or several."""
    indexes: Mapping[str, Index] = field(default_factory=lambda: {"main": Index([INK, PAPER, LETTER])})
    files: Mapping[str, Contents] = field(default_factory=dict)
    """Contents by path from the project's folder."""
    variables: Mapping[str, str | None] = field(default_factory=dict)
    """Variables of uv and pepip. None removes a usual one."""
    before: Sequence[Step] = ()
    settings: str = ""
    """The text of `uv.toml` in the user's configuration."""
    setup: Callable[[Path, Machine], None] | None = None
    """Fills the folder that all projects share."""
    is_unproven: bool = False
    """Whether a verification fails, since RECORD is wrong and pepip has not read the wheel. A repair settles it."""


def parameters(
    rows: Sequence[Row],
    known_to_fail: Collection[str] = (),
    *,
    by_chance: Collection[str] = (),
    each: int = 1,
    always: Collection[str] = (),
) -> pytest.MarkDecorator:
    """Return a decorator that makes a test of each row.

    `@parameters(ROWS, KNOWN_TO_FAIL)` stands over a test that takes `row`. Rows in `known_to_fail` must fail. Rows in
    `by_chance` may differ. Each n-th row is part of every run, and so are the rows in `always`. All others belong to
    the long list.
    """
    names = [row.name for row in rows]
    assert len(set(names)) == len(names), f"two rows of one name: {Counter(names).most_common(1)}"
    named = {*known_to_fail, *by_chance, *always}
    assert named <= set(names), f"no such row: {named - set(names)}"
    made = []
    for number, row in enumerate(rows):
        marks = [] if number % each == 0 or row.name in always else [pytest.mark.real_world]
        if row.name in known_to_fail:
            marks.append(pytest.mark.xfail(strict=True, reason="pepip and uv differ here: see KNOWN_TO_FAIL"))
        if row.name in by_chance:
            marks.append(pytest.mark.xfail(strict=False, reason="uv ends its other downloads sooner or later"))
        made.append(pytest.param(row, id=row.name, marks=marks))
    return pytest.mark.parametrize("row", made)


@dataclass(frozen=True)
class ClosedMachine(Machine):
    """A machine that can reach only the counting server, and whose own settings have no effect."""

    settings: Mapping[str, str] = field(default_factory=dict)

    def variables(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the variables of a command: few, and of the tests' own only those that locate programs."""
        usual = super().variables(extra)
        kept = {name: usual[name] for name in ("HOME", "PATH", "PEPIP_HOME", "UV_CACHE_DIR", "UV_NO_PROGRESS")}
        kept.update({name: value for name, value in usual.items() if name in ("TMPDIR", "LD_LIBRARY_PATH")})
        return {
            **kept,
            "LANG": "C.UTF-8",
            "XDG_CONFIG_HOME": str(self.home / ".config"),
            "XDG_CONFIG_DIRS": str(self.home / ".config"),
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_HTTP_RETRIES": "0",
            **self.settings,
            **(extra or {}),
        }


@dataclass(frozen=True)
class Run:
    """The results of one run of a row's steps."""

    outcomes: Sequence[str]
    """For each command its exit code, and the output if it is a program of the environment."""
    is_failure: bool
    """Whether a command of uv or pepip failed."""
    complaints: Sequence[str]
    """Tracebacks."""
    messages: Sequence[str]
    """The outputs of the commands, stdout and stderr."""
    observation: Observation
    own_files: Snapshot
    requests: Sequence[Request]


@dataclass(frozen=True)
class Bench:
    """The bench that runs rows: a server and an interpreter for many rows, and a folder for this one."""

    folder: Path
    server: CountingServer
    interpreter: Path
    interpreter_answers: Path
    """A cache of uv with its answers about the interpreter, and nothing else."""

    def assert_same(self, row: Row) -> None:
        """Assert that uv and pepip do the same. A failure shows each difference."""
        lines = self.compare(row)

        assert not lines, "\n".join(["uv and pepip differ:", *lines])

    def compare(self, row: Row) -> list[str]:
        """Run a row, and return a line for each difference between uv and pepip.

        No line means that they are equal.
        """
        elsewhere = self._serve(row)
        machines = {by: self._machine(row, by, elsewhere) for by in ("uv", "pepip")}
        if row.setup:
            row.setup(elsewhere, machines["uv"])
        if row.before:
            for by, machine in machines.items():
                place = self._place(row, machine, elsewhere, by, f"first-of-{by}")
                for step in row.before:
                    self._take(step, place)
        uv = self._run(row, self._place(row, machines["uv"], elsewhere, "uv", "by-uv"))
        pepip = self._run(row, self._place(row, machines["pepip"], elsewhere, "pepip", "pepip"))
        lines = [f"first run: {line}" for line in self._differences(row, machines["uv"], uv, pepip)]
        if not uv.is_failure:
            again = self._run(row, self._place(row, machines["pepip"], elsewhere, "pepip", "again"))
            lines += [f"second run: {line}" for line in self._differences(row, machines["uv"], uv, again)]
        verified = None
        if row.is_unproven:
            found = machines["pepip"].pepip("store", "verify", folder=self.folder, check=False)
            lines += [] if found.returncode == 1 and "not read before" in found.stderr else ["nothing is unproven"]
            machines["pepip"].pepip("store", "repair", folder=self.folder)
        if any(machines["pepip"].store.glob("packages/*/*")):
            verified = machines["pepip"].pepip("store", "verify", folder=self.folder, check=False)
        if verified and verified.returncode:
            lines.append(f"pepip store verify: exit {verified.returncode}: {verified.stdout}{verified.stderr}")
        if lines:
            lines += [f"(uv said: {text})" for text in uv.messages] + [
                f"(pepip said: {text})" for text in pepip.messages
            ]
        return lines

    def place(self, row: Row) -> Place:
        """Return a project with everything that a row needs, to try pepip in by hand."""
        elsewhere = self._serve(row)
        machine = self._machine(row, "pepip", elsewhere)
        if row.setup:
            row.setup(elsewhere, machine)
        return self._place(row, machine, elsewhere, "pepip", "pepip")

    def _serve(self, row: Row) -> Path:
        """Serve the indexes of a row, and return the folder that all projects share."""
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir()
        self.server.clear()
        for name, index in row.indexes.items():
            self.server.add(name, index, elsewhere / name)
        for name, index in row.indexes.items():  # a second loop: they may name hashes of any index
            for file_name, text in index.extra_files.items():
                (elsewhere / name / file_name).write_bytes(self._filled_in(text, elsewhere))
        return elsewhere

    def _machine(self, row: Row, by: str, elsewhere: Path) -> ClosedMachine:
        home = self.folder / f"home-of-{by}"
        (home / ".config" / "uv").mkdir(parents=True)
        if row.settings:
            (home / ".config" / "uv" / "uv.toml").write_bytes(self._filled_in(row.settings, elsewhere))
        shutil.copytree(self.interpreter_answers, home / "uv-cache")
        proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), self.server.url)
        settings: dict[str, str | None] = {**proxies, "NO_PROXY": "127.0.0.1,localhost"}
        settings["UV_DEFAULT_INDEX"] = self.server.simple("main")
        settings.update(row.variables)
        filled_in = {
            name: self._filled_in(value, elsewhere).decode() for name, value in settings.items() if value is not None
        }
        return ClosedMachine(home, home / "store", home / "uv-cache", settings=filled_in)

    def _place(self, row: Row, machine: Machine, elsewhere: Path, by: str, folder: str) -> Place:
        project = self.folder / folder / "app"
        project.mkdir(parents=True)
        for name, contents in row.files.items():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).write_bytes(self._filled_in(contents, elsewhere))
        machine.uv("venv", "-q", "--no-config", "--no-project", "--python", self.interpreter, ".venv", folder=project)
        return Place(machine, project, elsewhere, by)

    def _run(self, row: Row, place: Place) -> Run:
        outcomes, complaints, messages = [], [], []
        is_failure = False
        self.server.take_requests()
        for step in [row.steps] if isinstance(row.steps, str) or callable(row.steps) else row.steps:
            output = self._take(step, place)
            if output is None:
                continue
            outcomes.append(f"exit {output.returncode}")
            messages.append(f"{output.stdout}{output.stderr}".strip())
            if isinstance(step, str) and step.startswith("$"):
                outcomes[-1] += f": {output.stdout.replace(str(place.project), '<project>')}"
            else:
                is_failure = is_failure or output.returncode != 0
                complaints += [f"{step}: {output.stderr}"] if "Traceback" in output.stderr else []
        requests = self.server.take_requests()
        return Run(
            outcomes,
            is_failure,
            complaints,
            messages,
            glance(place.environment, place.machine),
            own_files(place.project),
            requests,
        )

    def _differences(self, row: Row, machine: Machine, uv: Run, pepip: Run) -> list[str]:
        """Return the differences between two runs. If both failed, pepip may leave the environment unchanged."""
        lines = differences(uv.observation, pepip.observation)
        if isinstance(row.steps, str):  # after several steps, uv may have left a folder at a removal
            lines += _folder_differences(uv.observation, pepip.observation)
        if lines and uv.is_failure and pepip.is_failure:
            untouched = self._place(row, machine, self.folder / "elsewhere", "uv", "plain")
            if not differences(glance(untouched.environment, machine), pepip.observation):
                lines = []
        return [*_answer_differences(uv, pepip), *lines]

    def _take(self, step: Step, place: Place) -> Output | None:
        if isinstance(step, str):
            return place.run(self._filled_in(step, place.elsewhere).decode())
        step(place)
        return None

    def _filled_in(self, contents: Contents, elsewhere: Path) -> bytes:
        """Return contents with the words for URLs, folders and hashes replaced."""
        if isinstance(contents, bytes):
            return contents

        def replacement(match: re.Match[str]) -> str:
            word, name = match[1], match[2] or ""
            folder = elsewhere if name in ("", "elsewhere") else elsewhere / name
            match word:
                case "url" | "flat" | "files":
                    place = {"url": self.server.simple, "flat": self.server.flat, "files": self.server.files}[word]
                    return place(name)
                case "folder" | "elsewhere":
                    return str(folder)
                case "python":
                    return str(self.interpreter)
                case "uri":
                    return folder.as_uri()
                case "authority":
                    return self.server.url.partition("://")[2]
            return hashlib.new(word, _contents(name, elsewhere)).hexdigest()

        return re.sub(_WORDS, replacement, contents).encode()


_WORDS = (
    r"<(python|url|flat|files|folder|elsewhere|uri|authority|md5|sha1|sha224|sha256|sha384|sha512)(?: ([^<>\n]+))?>"
)


def _contents(name: str, elsewhere: Path) -> bytes:
    if name == "wrong":
        return b"wrong"
    found = sorted(elsewhere.glob(name if "/" in name else f"*/{name}"))
    assert found, f"no index has {name}"
    return found[0].read_bytes()


def _answer_differences(uv: Run, pepip: Run) -> Iterator[str]:
    for number, (of_uv, of_pepip) in enumerate(zip(uv.outcomes, pepip.outcomes, strict=True), 1):
        if of_uv != of_pepip:
            yield f"step {number}: uv's {of_uv}, pepip's {of_pepip}"
    yield from pepip.complaints
    yield from (f"project: {line}" for line in changes(uv.own_files, pepip.own_files))
    yield from request_differences(uv.requests, pepip.requests)


def _folder_differences(uv: Observation, pepip: Observation) -> Iterator[str]:
    yield from (f"folder {path}: only in uv's" for path in sorted(uv.directories - pepip.directories))


def request_differences(uv: Sequence[Request], pepip: Sequence[Request]) -> Iterator[str]:
    """Yield the requests that pepip made and uv did not, and the files that pepip downloaded more often."""
    asked = {(request.index, request.project) for request in uv}
    for request in dict.fromkeys(pepip):
        if (request.index, request.project) not in asked:
            yield f"request: {request}, which uv did not ask for {request.project or 'anything'}"
    downloads = [Counter(filter(_is_download, requests)) for requests in (uv, pepip)]
    for request, count in downloads[1].items():
        if count > downloads[0][request]:
            yield f"request: {count} × {request}, by uv {downloads[0][request]} ×"


def _is_download(request: Request) -> bool:
    return request.kind == FILE and request.status == 200 and request.file.endswith((".whl", ".tar.gz"))
