"""The documentation's pages, read for tests: the commands in blocks of shell, and the commands in running text.

A comment of HTML right above a block says how a test treats it; no reader of the page sees it:

    <!-- not run: REASON -->           its options are checked, and nothing more
    <!-- in .ci/run -->                `.ci/run` has each of its commands
    <!-- needs: root, group staff -->  run where the tests run as root and the group exists
    <!-- needs: network -->            run in the long list, with the machine's own index
    <!-- needs: program NAME -->       run where the program is installed

Every other block is run. Knows nothing of what the commands do.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests import ROOT

PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md")))
"""The pages whose commands are tested. The list of changes is no guide: its commands are of their time."""

PLACEHOLDERS = {"NAME": "requests", "FOLDER": "~/code", "PATH": "~/code/api/.venv", "GROUP": "staff", "USER": "root"}
"""Words that stand for the reader's own in running text, and words to put in their places."""

IN_CI, NOT_RUN, NEEDS = "in .ci/run", "not run:", "needs:"

_BLOCK = re.compile(r"(?:<!-- (?P<mark>[^\n]*) -->\n\n?)?```sh\n(?P<text>.*?)```", re.DOTALL)
_FENCE = re.compile(r"```.*?```", re.DOTALL)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_VARIABLE = re.compile(r"[A-Z_]+=")


@dataclass(frozen=True)
class Block:
    """A block of shell on a page. `mark` is the text of the comment above it, empty if there is none."""

    page: Path
    lines: tuple[str, ...]
    mark: str

    @property
    def needs(self) -> tuple[str, ...]:
        """What the machine must have, such as `root`."""
        if not self.mark.startswith(NEEDS):
            return ()
        return tuple(need.strip() for need in self.mark.removeprefix(NEEDS).split(","))

    @property
    def is_run(self) -> bool:
        """Whether a test runs it."""
        return not self.mark or bool(self.needs)

    def commands(self) -> Iterator[list[str]]:
        """Yield the words of each command, without comments."""
        for line in self.lines:
            yield from _commands(line)


def blocks(page: Path) -> list[Block]:
    """Return the blocks of shell on a page."""
    found = []
    for match in _BLOCK.finditer(page.read_text()):
        lines = tuple(line for line in match["text"].splitlines() if shlex.split(line, comments=True))
        found.append(Block(page, lines, match["mark"] or ""))
    return found


def spans(page: Path) -> list[list[str]]:
    """Return the words of each command in a page's running text, such as `pepip prune --dry-run`."""
    found = []
    for text in _SPAN.findall(_FENCE.sub("", page.read_text())):
        is_command = re.match(r"([A-Z_]+=\S+ )*(pepip|uv|uvx|python|\S*pytest)( |$)", text)
        if is_command and not re.search(r"…|\w\|\w", text):  # not the whole command, or a choice of words
            found += _commands(text)
    return found


def without_variables(words: Sequence[str]) -> list[str]:
    """Return a command without the variables that are set in front of it."""
    count = next((index for index, word in enumerate(words) if not _VARIABLE.match(word)), len(words))
    return list(words[count:])


def filled(words: Sequence[str]) -> list[str]:
    """Return a command of running text with the reader's own words in the places of placeholders."""
    return [PLACEHOLDERS.get(word, word) for word in words]


def is_name_alone(words: Sequence[str]) -> bool:
    """Tell whether words are the name of a command and nothing else, such as `pepip store add`."""
    names = without_variables(words)[1:]
    groups = {"store", "image", "projects", "pip", "tool", "uv", "cache"}
    is_plain = names == list(words)[1:] and not any(name.startswith("-") for name in names)
    return is_plain and len(names) <= (2 if names[:1] and names[0] in groups else 1)


def _commands(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&;|")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if set(word) <= set("&;|"):
            yield words
            words = []
        else:
            words.append(word)
    if words:
        yield words
