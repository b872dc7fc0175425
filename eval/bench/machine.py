"""Facts about the machine that a reader needs to judge the figures; no paths, no names."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from eval.bench import prepare
from eval.bench.tools import Programs


def facts(folder: Path) -> dict[str, object]:
    """Return processors, memory, kernel, and the file system of `folder`."""
    return {
        "processors": os.cpu_count(),
        "processor": _first_after("/proc/cpuinfo", "model name") or platform.processor(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "filesystem": _filesystem(folder),
        "load_average": os.getloadavg()[0],
    }


def versions(programs: Programs) -> dict[str, str]:
    """Return the versions of all programs that take part."""
    from pepip import __version__

    of_old = {}
    if programs.old_pepip:
        of_old = {"uv of pepip-0.0.10": prepare.uv_version(programs.old_pepip.with_name("uv"))}
    return {
        "pepip": __version__,
        "uv": prepare.uv_version(programs.uv),
        **of_old,
        "pip": prepare.pip_version(programs.python),
        "python of environments": ".".join(map(str, prepare.python_version(programs.python))),
        "python of pepip": ".".join(map(str, prepare.python_version(programs.pepip.with_name("python")))),
    }


def _first_after(path: str, key: str) -> str:
    try:
        text = Path(path).read_text()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in text.splitlines() if line.startswith(key)), "")


def _filesystem(folder: Path) -> str:
    """Return the kind of file system that holds `folder`, as the kernel names it."""
    try:
        lines = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    except OSError:
        return "unknown"
    real = os.path.realpath(folder)
    holding = [line for line in lines if os.path.commonpath([line[1], real]) == line[1]]
    device, _, kind, *_ = max(holding, key=lambda line: len(line[1]))
    journal = Path(f"/sys/fs/ext4/{os.path.basename(device)}/journal_task")
    return f"{kind} without a journal" if journal.exists() and "none" in journal.read_text() else kind
