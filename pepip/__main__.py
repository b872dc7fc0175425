"""The entry point of `pepip` and of `python -m pepip`."""

# Only built-in modules are imported here, not even `__future__`. Until `_distrust_path` has run, a file of the same
# name in a folder of PYTHONPATH would be imported instead.
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> int:
    """Run the command line and return its exit code."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from pepip import __version__

        sys.stdout.write(f"pepip {__version__}\n")
        return 0
    from pepip.cli.main import run

    return run(sys.argv[1:])


def start() -> "NoReturn":
    """Run the command line and end the process. `_distrust_path` keeps foreign modules out.

    Garbage collection, and the clean-up when the interpreter ends, would take as long as most commands. So
    collection is put off, and if no other thread runs, the process ends without the clean-up.
    """
    _distrust_path()
    _read_names_as_utf8()
    _open_streams()
    _write_utf8()
    import gc

    gc.set_threshold(100_000)
    code = 0
    try:
        code = main()
        sys.stdout.flush()
    except OSError as error:
        if not code:
            sys.stderr.write(f"error: {error.strerror}\n")
        code = code or 1
        _give_up_stdout()
    if not _has_threads():
        _leave(code)
    if sys.flags.inspect:  # PYTHONINSPECT: `sys.exit` would read commands from the terminal, and lose the exit code
        import atexit
        import threading

        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join()
        atexit._run_exitfuncs()
        _leave(code)
    sys.exit(code)


def _has_threads() -> bool:
    """Tell whether threads run beside the main one. `subprocess` imports `threading`, and starts no thread."""
    threading = sys.modules.get("threading")
    return threading is not None and threading.active_count() > 1


def _give_up_stdout() -> None:
    """Discard output that could not be written. Otherwise the interpreter writes it again at its end, and fails."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _leave(code: int) -> "NoReturn":
    """End the process at once."""
    import os

    sys.stderr.flush()
    os._exit(code)


def _distrust_path() -> None:
    """Look for modules in the standard library and beside pepip, not in folders of PYTHONPATH.

    A file `argparse.py` in the current folder or in one of PYTHONPATH does not stop uv, and must not stop pepip.
    Modules from such a folder that have a name of the standard library are removed from `sys.modules`. If
    pepip itself came from such a folder, its dependencies may be there, too: then the folders stay on the path, at
    its end. The interpreter imports some files before this function runs, so nothing protects against these:
    `encodings`, `sitecustomize`, the modules that `.pth` files name, and all files below PYTHONHOME.
    """
    import os

    archive = f"python{sys.version_info.major}{sys.version_info.minor}.zip"
    library = os.path.dirname(os.__file__)
    start = next((at for at, place in enumerate(sys.path) if place == library or place.endswith(archive)), 0)
    moved, trusted = sys.path[:start], sys.path[start:]
    own_folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sys.path[:] = [*trusted, *moved] if own_folder not in trusted else trusted
    foreign = set(moved).difference(trusted)
    for name in sys.stdlib_module_names & sys.modules.keys():
        folder = os.path.dirname(getattr(sys.modules[name], "__file__", None) or "")
        if folder in foreign or os.path.dirname(folder) in foreign:
            for module in [module for module in sys.modules if module.partition(".")[0] == name]:
                del sys.modules[module]


def _read_names_as_utf8() -> None:
    """Start the interpreter again in its UTF-8 mode if it reads names of files in another encoding.

    The locale can choose another encoding, for example ISO-8859-1. pepip would then read another path for the same
    folder than in a UTF-8 locale: an environment there would look deleted, and pepip could not pass its path to uv,
    which reads names as UTF-8 in every locale. The mode is an option of the interpreter, so programs that pepip
    starts do not inherit it.
    """
    if sys.getfilesystemencoding() == "utf-8" or not sys.executable:
        return
    import os

    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def _open_streams() -> None:
    """Open each of the three standard streams that the process was started without.

    Otherwise the next opened file gets the stream's number, and programs that pepip starts write into that file.
    """
    if sys.stdin is not None and sys.stdout is not None and sys.stderr is not None:
        return
    import os

    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)  # the lowest free number
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))


def _write_utf8() -> None:
    """Write UTF-8 into files and pipes on Windows, as uv does. Its code page lacks most characters of paths."""
    if sys.platform == "win32" and hasattr(sys.stdout, "reconfigure") and not sys.stdout.isatty():
        sys.stdout.reconfigure(encoding="utf-8")


if __name__ == "__main__":
    start()
