"""Tones: what a table cell or a bar says about its row, and the colour that shows it."""

from __future__ import annotations

from typing import Literal

Tone = Literal["good", "wait", "bad", "dim", ""]
"""`""` is neutral."""

COLOURS: dict[Tone, str] = {
    "good": "#1a7f4b",
    "wait": "#b06f00",
    "bad": "#c0362c",
    "dim": "#808893",
}
"""Readable on white, in HTML and in drawings."""
