"""The same request, given to uv and to pepip, and all in which the two then differ.

A `Row` is one case. `compare` runs its steps three times, each time in a new project with an empty environment: by
uv, by pepip with an empty store, and by pepip again with the store that is now filled. uv and pepip each have a cache
of their own. It returns a line for each difference in

- exit codes, and what programs of the environment print;
- the environment, file by file, links followed, with metadata, `uv pip freeze` and scripts (where both fail, pepip
  may leave it as it was);
- the files of the project, such as `uv.lock`;
- the requests that reached the indexes: pepip may make fewer, but asks no index for a project that uv did not ask
  this index for, and downloads no file more often than uv;

and for each traceback, and for what `pepip store verify` finds.

**To add a row**, put it into the list of the module of its kind:

    Row(
        "two-builds-of-one-version",                             # the name of the test
        "pip install ink",                                       # a step; further steps follow
        indexes={"main": Index([replace(INK, build="1"), replace(INK, build="10")])},
    )

A step is one of
- the words that follow both `uv` and `pepip`: `pip install ink`, `sync --frozen`;
- `$ python -c …`: a program of the environment;
- `uv pip uninstall ink`: a command of uv's in either environment;
- any of these after variables: `FLAG=1 pip install ink`;
- a function that gets the `Place` and changes it: a file of the project, of uv's cache, of a repository.

The index `main` is the default index. There is no other way out: what asks any other host asks the counting server.
`files` are written into each project first. `before` are steps that fill caches and the store from a project of their
own. In steps, files and variables these words are replaced:

    <url main>       the URL of an index              <folder main>          the folder with its files
    <flat main>      a page for --find-links          <sha256 NAME>          the hash of a file of some index, of
    <files main>     where its files can be had       <sha512 main/NAME>     one index, or of the word `wrong`
    <uri main>       its folder as a file: URL        <authority main>       `127.0.0.1:port`, for netrc and URLs
    <elsewhere>      a folder that all projects share, `<uri elsewhere>` its URL
    <python>         the interpreter below the environments

A row that fails today is named in the `KNOWN_TO_FAIL` of its module. Who repairs it takes the name out. Most rows
belong to the long list (`pytest -m "real_world or not real_world" tests/differential`); `ALWAYS` names those of every
run, and so is each n-th.
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
"""A distribution that needs nothing."""
PAPER = Wheel("paper", "1.0", files={"paper/__init__.py": "", "paper/sheet.txt": "white\n"})
LETTER = Wheel("letter", "1.0", files={"letter/__init__.py": ""}, dependencies=["ink", "paper"])

PROJECT = """[project]
name = "app"
version = "0.1.0"
requires-python = ">=3.9"
dependencies = [{}]
"""
"""A `pyproject.toml` without a build system, to be given its dependencies by `format`."""


@dataclass(frozen=True)
class Place:
    """One project in which the steps of a row run, and who runs them."""

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
        """Run a step that is a command, whatever it ends with."""
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
    """One request, and all that it needs."""

    name: str
    steps: Step | Sequence[Step]
    """One step or several."""
    indexes: Mapping[str, Index] = field(default_factory=lambda: {"main": Index([INK, PAPER, LETTER])})
    files: Mapping[str, Contents] = field(default_factory=dict)
    """Contents by path from the project's folder."""
    variables: Mapping[str, str | None] = field(default_factory=dict)
    """Variables of uv and pepip; None takes one of the usual ones away."""
    before: Sequence[Step] = ()
    settings: str = ""
    """The text of `uv.toml` in the user's configuration."""
    setup: Callable[[Path, Machine], None] | None = None
    """Fills the folder that all projects share."""


def parameters(
    rows: Sequence[Row],
    known_to_fail: Collection[str] = (),
    *,
    by_chance: Collection[str] = (),
    each: int = 1,
    always: Collection[str] = (),
) -> pytest.MarkDecorator:
    """Return what makes a test of each row: `@parameters(ROWS, KNOWN_TO_FAIL)`, over a test that takes `row`.

    Rows that are known to fail must fail, those that differ `by_chance` may. Each n-th row is part of every run, and
    so are those named in `always`; the others belong to the long list.
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
    """A machine on which nothing but the counting server can be reached, and whose own settings play no part."""

    settings: Mapping[str, str] = field(default_factory=dict)

    def variables(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the variables of a command: few, and none of the tests' own but where programs are."""
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
    """What was seen of one run of a row's steps."""

    outcomes: Sequence[str]
    """For each command how it ended, and what a program of the environment printed."""
    is_failure: bool
    """Whether a command of uv's or pepip's failed."""
    complaints: Sequence[str]
    """Tracebacks."""
    messages: Sequence[str]
    """What commands wrote to stderr."""
    observation: Observation
    own_files: Snapshot
    requests: Sequence[Request]


@dataclass(frozen=True)
class Bench:
    """Where rows are run: one server and one interpreter for many of them, and a folder for this one."""

    folder: Path
    server: CountingServer
    interpreter: Path
    interpreter_answers: Path
    """A cache of uv's that knows the interpreter and nothing else."""

    def assert_same(self, row: Row) -> None:
        """Assert that uv and pepip do the same, and show each difference where they do not."""
        lines = self.compare(row)

        assert not lines, "\n".join(["uv and pepip differ:", *lines])

    def compare(self, row: Row) -> list[str]:
        """Run a row, and return a line for each difference between uv and pepip; nothing where they are equal."""
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
        """Return a project in which pepip can be tried by hand, with all that a row needs."""
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
        for name, index in row.indexes.items():  # only now: they may name the hashes of any index
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
        """Return what differs between two runs. Where both failed, pepip may leave the environment as it was."""
        lines = differences(uv.observation, pepip.observation)
        if isinstance(row.steps, str):  # else a folder may be one that uv left behind when it removed a distribution
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
        """Return contents with what stands for URLs, folders and hashes replaced."""
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
    """Yield what pepip asked and uv did not, and the files that it downloaded more often."""
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
