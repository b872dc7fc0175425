"""`pepip image`: an environment as one file, and programs that run in it."""

from __future__ import annotations

import os

from pepip import humanized
from pepip.cli import options, output, uv_options
from pepip.errors import UsageError
from pepip.uv import squashfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_DESCRIPTION = """\
Put a whole environment into one file, for machines without a store, and run commands in it.

`pepip image build` makes a SquashFS image of an environment with all files that it links.
`pepip image run` mounts such an image, runs a command in it, and unmounts it.
"""

_BUILD = """\
Make a SquashFS image of an environment. It has the files of all linked packages, and bytecode. It works wherever it
is mounted.
"""

_BUILD_EXAMPLES = """\
examples:
  pepip image build -o env.sqfs
  pepip image build --with-python .venv -o env.sqfs
"""

_RUN = """\
Mount an image, run a command with its environment, and unmount it. The exit code is that of the command.

For root, the kernel mounts the image. For other users, squashfuse mounts it. apptainer includes squashfuse.
"""

_RUN_EXAMPLES = """\
examples:
  pepip image run env.sqfs -- python train.py
"""


def run(words: Sequence[str]) -> int:
    """Run `pepip image build` or `pepip image run`. Returns the exit code."""
    before, rest = uv_options.split(words, values=uv_options.GLOBAL_VALUES)
    if rest[:1] == ["build"]:
        return _build([*before, *rest[1:]])
    if rest[:1] == ["run"]:
        return _run([*before, *rest[1:]])
    parser = options.Parser("pepip image", description=_DESCRIPTION, json=False)
    parser.add_argument("action", metavar="ACTION", nargs="?", help="build or run")
    arguments = parser.read(words)
    sentence = f"`pepip image` has no {arguments.action}" if arguments.action else "`pepip image` needs an action"
    raise UsageError(sentence, hint="use `pepip image build` or `pepip image run`")


def _build(words: Sequence[str]) -> int:
    from pepip.cli.stores import open_store
    from pepip.operations import image_build, venvs

    parser = options.Parser("pepip image build", description=_BUILD, examples=_BUILD_EXAMPLES)
    parser.add_argument(
        "environment",
        metavar="ENVIRONMENT",
        nargs="?",
        default="",
        help="the environment (the active or nearest one)",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        required=True,
        help="the file to write; an existing file is replaced once the image is complete",
    )
    parser.add_argument("--with-python", action="store_true", help="also include the environment's interpreter")
    parser.add_argument("--no-editable", action="store_true", help="include editable projects as wheels")
    parser.add_argument(
        "--compression", choices=sorted(squashfs.COMPRESSIONS), default="zstd", help="the compression (zstd)"
    )
    arguments = parser.read(words)
    options.apply_general_options(arguments)
    root = venvs.locate(arguments.environment, dict(os.environ), os.getcwd())
    choice = image_build.Options(
        with_python=arguments.with_python, no_editable=arguments.no_editable, compression=arguments.compression
    )
    reporter = output.reporter(arguments, is_quiet=arguments.json)
    image = output.follow(image_build.build(open_store(), root, arguments.output, choice), reporter)
    if arguments.json:
        output.write_json(
            {
                "image": image.path,
                "size_bytes": image.size_bytes,
                "environment": image.environment,
                "distributions": image.distributions,
                "files": image.files,
                "needs_python": image.python or None,
                "needs_libraries": list(image.needed),
            }
        )
        return 0
    if arguments.verbosity < 0:
        return 0
    held = f"{humanized.count(image.distributions, 'package')}, {humanized.count(image.files, 'file')}"
    output.say(f"{arguments.output}: {humanized.size(image.size_bytes)}, {held}")
    if image.python:
        output.say(f"Each machine must have {image.python}, unless you build the image with --with-python")
    if image.needed:
        output.say(f"Each machine must have these libraries for its Python: {', '.join(image.needed)}")
    return 0


def _run(words: Sequence[str]) -> int:
    from pepip.operations import image_run

    parser = options.Parser("pepip image run", description=_RUN, examples=_RUN_EXAMPLES, json=False)
    parser.add_argument("image", metavar="IMAGE", help="made by `pepip image build`")
    parser.add_argument("command", metavar="COMMAND", nargs="*", help="the command and its arguments")
    before, rest = uv_options.split(words, values=parser.options_with_value())
    arguments = parser.read([*before, *rest[:1]])
    options.apply_general_options(arguments)
    command = rest[1:]
    command = command[1:] if command[:1] == ["--"] else command
    if not command:
        raise UsageError("image run needs a COMMAND", hint="such as `pepip image run env.sqfs -- python train.py`")
    return image_run.run(arguments.image, command)
