"""Draws what a terminal showed over time as one SVG that plays it, and that shows its end where nothing plays."""

from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

SIZE = 14  # pixels of a character's height
CELL = 8.43  # pixels of a character's width, as monospaced fonts have it at that size
LINE = 21  # pixels from line to line
SIDE, TOP, BOTTOM = 22, 46, 20  # pixels around the text
HOLD = 6.0  # seconds that the end is shown before it plays again
FONTS = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace"

LIGHT = {
    "back": "#ffffff",
    "edge": "#d1d9e0",
    "text": "#1f2328",
    "dim": "#6e7781",
    "green": "#1a7f37",
    "red": "#cf222e",
    "yellow": "#9a6700",
    "cyan": "#1b7c83",
}
DARK = {
    "back": "#0d1117",
    "edge": "#30363d",
    "text": "#e6edf3",
    "dim": "#8d96a0",
    "green": "#3fb950",
    "red": "#f85149",
    "yellow": "#d29922",
    "cyan": "#39c5cf",
}


class Run(NamedTuple):
    """Characters of one look, from a column on."""

    column: int
    text: str
    look: str  # names of LIGHT and DARK, and ``bold``, separated by spaces


Row = tuple[Run, ...]
Window = tuple[Row, ...]


class Frame(NamedTuple):
    """What the window showed from a moment on, in seconds."""

    at: float
    window: Window


def draw(frames: Sequence[Frame], columns: int, title: str) -> str:
    """Return the SVG of a recording."""
    rows = max(len(frame.window) for frame in frames)
    width = round(SIDE * 2 + columns * CELL)
    height = TOP + rows * LINE + BOTTOM
    known: dict[Row, str] = {}
    shown = [_frame(frame, known, number * width) for number, frame in enumerate(frames)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
            ' role="img" aria-labelledby="title">',
            f'<title id="title">{escape(title)}</title>',
            f"<style>{_style(frames, width)}</style>",
            "<defs>",
            *(_row(row, name) for row, name in known.items()),
            "</defs>",
            f'<clipPath id="window"><rect width="{width}" height="{height}" rx="10"/></clipPath>',
            f'<rect class="back edge" x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="10"/>',
            *(f'<circle class="dot" cx="{22 + 18 * dot}" cy="22" r="5.5"/>' for dot in range(3)),
            f'<g clip-path="url(#window)"><g class="play" transform="translate({-(len(frames) - 1) * width} 0)">',
            *shown,
            "</g></g>",
            "</svg>",
            "",
        ]
    )


def _style(frames: Sequence[Frame], width: int) -> str:
    last = frames[-1].at
    length = last + HOLD
    steps = "".join(
        f"{frame.at / length:.3%}{{transform:translateX(-{number * width}px)}}" for number, frame in enumerate(frames)
    )
    return (
        f"text{{font:{SIZE}px {FONTS};white-space:pre}}.bold{{font-weight:600}}"
        f"{_colours(LIGHT)}@media(prefers-color-scheme:dark){{{_colours(DARK)}}}"
        f"@keyframes play{{{steps}}}.play{{animation:play {length:.1f}s step-end infinite}}"
        "@media(prefers-reduced-motion:reduce){.play{animation:none}}"
    )


def _colours(theme: dict[str, str]) -> str:
    named = "".join(f".{name}{{fill:{colour}}}" for name, colour in theme.items() if name not in ("back", "edge"))
    return f".back{{fill:{theme['back']}}}.edge{{stroke:{theme['edge']}}}.dot{{fill:{theme['edge']}}}{named}"


def _frame(frame: Frame, known: dict[Row, str], left: int) -> str:
    uses = []
    for number, row in enumerate(frame.window):
        if row:
            name = known.setdefault(row, f"r{len(known)}")
            uses.append(f'<use href="#{name}" x="{left}" y="{TOP + number * LINE}"/>')
    return "".join(uses)


def _row(row: Row, name: str) -> str:
    spans = "".join(
        f'<tspan x="{SIDE + run.column * CELL:.1f}" class="{run.look}" textLength="{len(run.text) * CELL:.1f}"'
        f' lengthAdjust="spacingAndGlyphs">{escape(run.text)}</tspan>'
        for run in row
    )
    return f'<text id="{name}" y="{SIZE}">{spans}</text>'
