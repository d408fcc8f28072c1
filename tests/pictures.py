"""What a command prints in a terminal as an SVG, still or with lines that come in turn.

A moving one loops without a script. For readers who want no motion, and programs that know none, it
shows the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

ROWS = 21
"""Lines that are seen at once. Earlier ones move up and out."""
LETTER, LINE, BAR, MARGIN = 8.0, 20, 34, 16
"""Pixels: the width of a letter, the height of a line, of the title, and of the edge."""
OUTCOMES = ("✗", "✓")
"""What a part of a line begins with that comes later than the line."""
PAUSES = {"title": 0.7, "outcome": 0.45, "line": 0.2}
"""Seconds before what comes next."""
LAST = 6.0
"""Seconds that the end is shown."""
COLOURS = {
    "": "#d7dce4", "dim": "#8b95a5", "red": "#ff8f86", "green": "#6fd3a0", "yellow": "#edc06a",
    "cyan": "#7cc4f5",
}  # fmt: skip
ANSI = {1: "red", 2: "green", 3: "yellow", 6: "cyan"}
FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace"


def picture(printed: str, title: str, columns: int, *, moving: bool = False) -> str:
    """The picture of a text with its escape sequences. `moving`: at most `ROWS` lines at once."""
    console = Console(width=columns, legacy_windows=False)
    lines = [list(Text.from_ansi(line).render(console)) for line in printed.rstrip().split("\n")]
    rows = ROWS if moving else len(lines)
    height = rows * LINE
    whole, width = BAR + height + 2 * MARGIN, round(columns * LETTER) + 2 * MARGIN
    styles = [
        f"text{{font:14px {FONTS};white-space:pre;fill:{COLOURS['']}}}",
        *(f".{name}{{fill:{colour}}}" for name, colour in COLOURS.items() if name),
        ".bold{font-weight:700}",
        *(_motion(lines) if moving else ()),
    ]
    body = "\n".join(_rows(lines))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {whole}" role="img">
<title>{escape(title)}</title>
<style>{"".join(styles)}</style>
<rect width="{width}" height="{whole}" rx="10" fill="#161b22"/>
<circle cx="20" cy="17" r="5" fill="#ff5f57"/><circle cx="38" cy="17" r="5" fill="#febc2e"/>
<circle cx="56" cy="17" r="5" fill="#28c840"/>
<text class="dim" x="{width / 2:g}" y="22" text-anchor="middle">{escape(title)}</text>
<svg y="{BAR + MARGIN}" width="{width}" height="{height}"><g class="all">
{body}
</g></svg>
</svg>
"""


def _motion(lines: list[list[Segment]]) -> Iterator[str]:
    """The styles that let each part of each line come at its time, and all of them move up."""
    shown, seconds = _timeline(lines)
    moves = max(0, len(lines) - ROWS)
    begins = [at for (_, part), at in shown.items() if part == 0]
    steps = "".join(
        f"{_percent(begins[ROWS + n], seconds)}{{transform:translateY({-LINE * (n + 1)}px)}}"
        for n in range(moves)
    )
    yield f".all{{transform:translateY({-LINE * moves}px)}}"
    yield "@media (prefers-reduced-motion:no-preference){"
    yield f".all,g g{{animation:{seconds:.1f}s step-end infinite}}"
    yield f".all{{animation-name:up}}@keyframes up{{0%{{transform:none}}{steps}}}"
    for key, at in shown.items():
        if at > 0:
            name = _name(key)
            yield f".{name}{{animation-name:{name}}}@keyframes {name}"
            yield f"{{0%{{opacity:0}}{_percent(at, seconds)}{{opacity:1}}}}"
    yield "}"


def _parts(line: list[Segment]) -> Iterator[tuple[int, int, Segment]]:
    """Each piece of a line that is seen: its part (1: an outcome), its column, and itself."""
    column, part = 0, 0
    for segment in line:
        part = max(part, int(segment.text.startswith(OUTCOMES)))
        if segment.text.strip():
            yield part, column, segment
        column += cell_len(segment.text)


def _timeline(lines: list[list[Segment]]) -> tuple[dict[tuple[int, int], float], float]:
    """When each part of each line comes, and seconds of all."""
    shown: dict[tuple[int, int], float] = {}
    at = 0.0
    for row, line in enumerate(lines):
        shown[row, 0] = at
        if any(part for part, _, _ in _parts(line)):
            at += PAUSES["outcome"]
            shown[row, 1] = at
        at += PAUSES["line" if line else "title"]
    return shown, at + LAST


def _rows(lines: list[list[Segment]]) -> Iterator[str]:
    for row, line in enumerate(lines):
        y = row * LINE + 14
        parts: dict[int, list[str]] = {}
        for part, column, segment in _parts(line):
            text = segment.text
            x = MARGIN + (column + len(text) - len(text.lstrip())) * LETTER
            length = cell_len(text.strip()) * LETTER
            parts.setdefault(part, []).append(
                f'<text{_class(segment.style)} x="{x:g}" y="{y}" textLength="{length:g}">'
                f"{escape(text.strip())}</text>"
            )
        for part, texts in parts.items():
            yield f'<g class="{_name((row, part))}">{"".join(texts)}</g>'


def _class(style: Style | None) -> str:
    if style is None:
        return ""
    number = style.color.number if style.color else None
    colour = "" if number is None else ANSI[number]
    names = [colour, "bold" if style.bold else "", "dim" if style.dim else ""]
    return f' class="{" ".join(filter(None, names))}"' if any(names) else ""


def _name(key: tuple[int, int]) -> str:
    return f"{'ab'[key[1]]}{key[0]}"


def _percent(at: float, seconds: float) -> str:
    return f"{100 * at / seconds:.2f}%"
