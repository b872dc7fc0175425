"""The plot: a group of bars for each row. It is an SVG for light and dark pages.

The length of a bar is the ratio to uv's median.
"""

from __future__ import annotations

import html
import statistics

from eval.bench.report import Outcome
from eval.bench.rows import ROWS

WIDTH = 860
LEFT = 130  # where bars begin, after the names of the tools
UNIT = 180  # the length of uv's bar
LABEL = 90  # the greatest length of the text after a bar
CUT = 3.0  # longer bars are cut, with a gap before their end
BAR, STEP, HEAD = 12, 17, 24
_HUES = {
    "uv": "#8250df",
    "uv-copy": "#a884e6",
    "uv-symlink": "#c7b3ee",
    "pepip": "#1a7f37",
    "pepip-0.0.10": "#7bb98c",
    "pip": "#bf8700",
}
_STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600 }
  .note { fill: #59636e }
  .line { stroke: #59636e; stroke-dasharray: 2 3 }
  .gap { fill: #ffffff }
  .page { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .note { fill: #9198a1 }
    .line { stroke: #9198a1 }
    .gap, .page { fill: #0d1117 }
  }
"""


def draw(outcome: Outcome, title: str) -> str:
    """Return the SVG document of a run's times. Rows without a figure for uv's default are left out."""
    parts: list[str] = []
    top = 44
    for row in ROWS:
        shown = [(tool, ratio) for tool in outcome.tools if (ratio := outcome.ratio(row, tool)) is not None]
        if not shown:
            continue
        parts.append(_text(10, top + 12, outcome.title(row), "title"))
        top += HEAD
        first = top
        for tool, ratio in shown:
            parts += _bar(top, tool, ratio, statistics.median(outcome.results.seconds(row, tool)))
            top += STEP
        parts.append(f'<path class="line" d="M{LEFT + UNIT + 0.5} {first - 4}V{top - 1}"/>')
        top += 10
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" role="img">',
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{top}"/>',
        _text(10, 18, title, "title"),
        _text(10, 34, f"shorter is better; dotted: uv with its defaults; bars over {CUT:.0f}x are cut", "note"),
    ]
    return "\n".join([*head, *parts, "</svg>", ""])


def _bar(top: int, tool: str, ratio: float, seconds: float) -> list[str]:
    length, hue = max(min(ratio, CUT) * UNIT, 1), _HUES.get(tool, "#888888")
    parts = [
        _text(LEFT - 8, top + 10, tool, "note", anchor="end"),
        f'<rect x="{LEFT}" y="{top}" width="{length:.1f}" height="{BAR}" rx="2" fill="{hue}"/>',
    ]
    if ratio > CUT:
        parts.append(f'<rect class="gap" x="{LEFT + length - 16:.1f}" y="{top - 1}" width="5" height="{BAR + 2}"/>')
    label = LEFT + length + 8
    if label < LEFT + UNIT < label + LABEL:  # the dotted line would cross it
        label = LEFT + UNIT + 8
    return [*parts, _text(label, top + 10, f"{_shown(seconds)}  {ratio:.2f}x", "")]


def _shown(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 10 else f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def _text(x: float, y: float, words: str, kind: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y}" class="{kind}" text-anchor="{anchor}">{html.escape(words)}</text>'
