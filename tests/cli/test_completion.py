"""Completion in bash, zsh and fish: the script prints nothing, and TAB completes commands of pepip and uv.

The tests drive real shells: bash and zsh on a terminal, fish by its own `complete --do-complete`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.machines import Machine
from tests.support.terminals import run_on_terminal

COMPLETIONS = {
    "pepip unins": "uninstall",
    "pepip pip inst": "install",
    "pepip pip unins": "uninstall",
    "pepip sync --fro": "--frozen",
    "pepip install --upgrade-p": "--upgrade-package",
    "pepip install --require-h": "--require-hashes",
    "pepip uninstall --requirem": "--requirements",
    "pepip freeze --exclude-e": "--exclude-editable",
    "pepip venv --see": "--seed",
    "pepip tool unin": "uninstall",
    "pepip x --with-edit": "--with-editable",
    "pepip uv syn": "sync",
    "pepip ins": "install",
    "pepip generate-sh": "generate-shell-completion",
    "uv pip inst": "install",
    "uv pip install --upgrade-p": "--upgrade-package",
}
"""Each line, and its last word after TAB."""

BEYOND_UV_IN_ZSH = {
    "pepip install --upgrade-p",
    "pepip install --require-h",
    "pepip uninstall --requirem",
    "uv pip install --upgrade-p",
}
"""Lines that uv's own script for zsh does not complete, not even for uv itself."""

SOURCING = {
    "bash": "source script.bash",
    "zsh": "autoload -U compinit; compinit -D -u; source script.zsh",
    "fish": "source script.fish",
}


@pytest.fixture(params=sorted(SOURCING))
def shell(request: pytest.FixtureRequest, machine: Machine, project: Path) -> str:
    """Return a shell whose script is in the project as `script.<shell>`. Skip if the shell is not installed."""
    name: str = request.param
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    script = machine.pepip("generate-shell-completion", name, folder=project)
    assert script.stderr == ""
    (project / f"script.{name}").write_text(script.stdout)
    return name


def test_the_script_is_sourced_without_a_word(shell: str, machine: Machine, project: Path) -> None:
    """The script can be sourced twice, and prints nothing on stdout or stderr."""
    command = f"{SOURCING[shell]}\n{SOURCING[shell].rpartition(';')[2]}"

    output = machine.run([shell, *_without_configuration(shell), "-c", command], folder=project)

    assert (output.stdout, output.stderr) == ("", "")


def test_tab_completes(shell: str, machine: Machine, project: Path) -> None:
    """TAB completes the commands of pepip and uv, their subcommands and their options."""
    expected = {line: word for line, word in COMPLETIONS.items() if shell != "zsh" or line not in BEYOND_UV_IN_ZSH}

    if shell == "fish":
        answers = {line: _asked_of_fish(machine, project, line) for line in expected}
    else:
        answers = _typed_with_tab(machine, project, shell, list(expected))

    assert answers == expected


def test_an_unknown_shell_is_refused(machine: Machine, project: Path) -> None:
    """An unknown shell is refused with an error and exit code 2."""
    for words, named in (((), "SHELL"), (("nonsense",), "nonsense")):
        output = machine.pepip("generate-shell-completion", *words, folder=project, check=False)

        assert output.returncode == 2
        assert output.stdout == ""
        assert output.stderr.startswith("error:")
        assert named in output.stderr


@pytest.mark.parametrize("name", ["elvish", "nushell", "powershell"])
def test_the_other_shells_of_uv_get_uvs_script(machine: Machine, project: Path, name: str) -> None:
    """For other shells that uv supports, pepip prints uv's script unchanged."""
    of_uv = machine.uv("generate-shell-completion", name, folder=project)

    of_pepip = machine.pepip("generate-shell-completion", name, folder=project)

    assert of_pepip.stdout == of_uv.stdout != ""


def _without_configuration(shell: str) -> list[str]:
    return {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]


def _asked_of_fish(machine: Machine, project: Path, line: str) -> str:
    """Return the completion that fish offers for a line. If it offers several, join them with spaces."""
    command = f"{SOURCING['fish']}; complete --do-complete {line!r}"
    output = machine.run(["fish", "--no-config", "-c", command], folder=project)
    assert output.stderr == ""
    return " ".join(dict.fromkeys(offer.partition("\t")[0] for offer in output.stdout.splitlines()))


def _typed_with_tab(machine: Machine, project: Path, shell: str, lines: list[str]) -> dict[str, str]:
    """Type each line and TAB in a shell, and return the last word of each resulting command.

    In that shell, `pepip` and `uv` are functions that note their last argument.
    """
    (project / "setup").write_text(
        f"PS1='> '; {SOURCING[shell]}\n"
        "pepip() { printf '%s\\n' \"${@: -1}\" >> answers; echo answered; }\n"
        'uv() { pepip "$@"; }\n'
        "echo set up\n"
    )
    keys = [("", "source ./setup\n"), ("set up", "")]
    for line in lines:
        keys += [("", f"{line}\t\n"), ("answered", "")]
    command = [shell, *_without_configuration(shell), "-i"]
    run_on_terminal(machine, command, folder=project, answers=[*keys, ("", "exit\n")])
    return dict(zip(lines, (project / "answers").read_text().splitlines(), strict=True))
