"""The terminal app. It runs the operations of the command line, and has no operation of its own.

The only package that imports textual.
"""

from __future__ import annotations

import os

# Textual paints the filtered rows one to two frames after the key. At its default of 60 frames a second that can take
# 33 of the 50 ms that a user does not notice. At 120 frames a second Textual paints the typed letter and the filtered
# rows in separate frames, which takes longer again.
os.environ.setdefault("TEXTUAL_FPS", "90")
