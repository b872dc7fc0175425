"""The store manager in the terminal: a face of the same operations as the command line, and nothing of its own.

The only package that imports textual.
"""

from __future__ import annotations

import os

# A filter's rows are painted one to two frames after the key. At Textual's 60 a second that can be 33 ms of the 50
# that go unfelt; at 120 what is typed and what it filters are painted one by one, which takes longer again.
os.environ.setdefault("TEXTUAL_FPS", "90")
