"""Wheels that tests of several files install."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.support.wheels import PKGUTIL_NAMESPACE, Contents, Wheel


def with_script(name: str, version: str, files: Mapping[str, Contents] | None = None, **more: Any) -> Wheel:
    """Return a distribution with a package and a script of its name, which prints the version.

    `files` are further files, and `more` further arguments of `Wheel`.
    """
    return Wheel(
        name,
        version,
        files={f"{name}/__init__.py": f"VERSION = {version!r}\ndef main():\n    print(VERSION)\n", **(files or {})},
        entry_points={"console_scripts": {name: f"{name}:main"}},
        **more,
    )


def with_script_alone(name: str, version: str) -> Wheel:
    """Return a distribution with a package, a script, and a module that only this version has."""
    return with_script(name, version, {f"{name}/only_in_{version[0]}.py": ""})


def camera(more: str = "") -> Wheel:
    """Return a distribution with files of all kinds. The text of its package ends with `more`."""
    return Wheel(
        "camera",
        "1.0",
        files={
            "camera/__init__.py": "VERSION = '1.0'\ndef main():\n    print(VERSION)\n" + more,
            "camera/lenses/__init__.py": "",
            "camera/lenses/glass.txt": "clear\n",
            "camera/shutter": "#!/bin/sh\necho click\n",
            "camera_module.py": "VERSION = '1.0'\n",
        },
        data={
            "data/share/camera/manual.txt": "press it\n",
            "data/etc/camera.conf": "iso = 100\n",
            "headers/camera.h": "#define CAMERA 1\n",
            "scripts/camera-python": "#!python\nprint('python')\n",
            "scripts/camera-shell": "#!/bin/sh\necho shell\n",
        },
        entry_points={"console_scripts": {"camera": "camera:main"}},
        executables=["camera/shutter"],
    )


SHARED_FOLDERS = (
    Wheel("camera-contrib", "1.0", files={"camera/contrib.py": "", "camera/lenses/wide.py": ""}),
    Wheel("cloud-core", "1.0", files={"cloud/core/__init__.py": "NAME = 'core'\n"}),
    Wheel("cloud-store", "1.0", files={"cloud/store/__init__.py": "NAME = 'store'\n"}),
    Wheel("old-one", "1.0", files={"old/__init__.py": PKGUTIL_NAMESPACE, "old/one/__init__.py": ""}),
    Wheel("old-two", "1.0", files={"old/__init__.py": PKGUTIL_NAMESPACE, "old/two/__init__.py": ""}),
)
"""Distributions that share folders: with the camera, in a namespace, and in a namespace of the style of pkgutil."""
