"""The console of Windows, which shows colours only if a process asks for them."""

from __future__ import annotations

import sys

_STANDARD_ERROR = 0xFFFFFFF4  # STD_ERROR_HANDLE, which is -12
_PROCESSES_SEQUENCES = 4  # ENABLE_VIRTUAL_TERMINAL_PROCESSING


def shows_colors() -> bool:
    """Tell whether the terminal on stderr shows colours by escape sequences. On Windows, ask the console to do so."""
    if sys.platform != "win32":
        return True
    import ctypes
    from ctypes import wintypes

    kernel = ctypes.WinDLL("kernel32")
    kernel.GetStdHandle.restype = wintypes.HANDLE
    kernel.GetStdHandle.argtypes = [wintypes.DWORD]
    kernel.GetConsoleMode.argtypes = [wintypes.HANDLE, ctypes.POINTER(wintypes.DWORD)]
    kernel.SetConsoleMode.argtypes = [wintypes.HANDLE, wintypes.DWORD]
    handle, mode = kernel.GetStdHandle(_STANDARD_ERROR), wintypes.DWORD()
    if not kernel.GetConsoleMode(handle, ctypes.byref(mode)):
        return False
    has_asked = mode.value & _PROCESSES_SEQUENCES
    return bool(has_asked or kernel.SetConsoleMode(handle, mode.value | _PROCESSES_SEQUENCES))
