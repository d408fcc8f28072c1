"""Draws `Bars` with matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import BadSetting, MissingExtra
from .bars import Bars
from .tones import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NEUTRAL = "#8a94a3"
MAX_BARS = 25
"""Bars in one drawing. The others are left out, and the title says so."""


def plot(drawing: Bars, axes: Axes | None = None) -> Axes:
    """Draw bars on `axes`, by default on new ones. Returns the axes.

    Raises:
        MissingExtra: matplotlib is not installed.
        BadSetting: `drawing` is not `Bars`.
    """
    if not isinstance(drawing, Bars):
        raise BadSetting(
            f"{type(drawing).__name__} cannot be drawn", hint="call a report's own plot()"
        )
    if axes is None:
        axes = _new_axes()
    _draw(drawing, axes)
    return axes


def _new_axes() -> Axes:
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise MissingExtra(
            "plots need matplotlib", hint="pip install 'freerouter-llm[notebook]'"
        ) from error
    return pyplot.subplots(layout="constrained")[1]


def _draw(drawing: Bars, axes: Axes) -> None:
    bars = drawing.bars[:MAX_BARS]
    if len(drawing.bars) > MAX_BARS:
        axes.set_title(f"the first {MAX_BARS} of {len(drawing.bars)}", fontsize=9)
    places = range(len(bars))
    colours = [COLOURS.get(bar.tone, NEUTRAL) for bar in bars]
    drawn = axes.barh(places, [bar.value for bar in bars], color=colours, height=0.7)
    axes.bar_label(drawn, labels=[bar.label for bar in bars], padding=4, fontsize=8)
    if drawing.has_failures:
        failures = [-(bar.failures or 0.0) for bar in bars]
        axes.barh(places, failures, color=COLOURS["bad"], height=0.7)
        axes.axvline(0, color=NEUTRAL, linewidth=0.8)
    axes.set_yticks(places, [bar.name for bar in bars], fontsize=8, parse_math=False)
    axes.invert_yaxis()
    axes.margins(x=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(drawing.axis)
    if drawing.limits is not None:
        axes.set_xlim(*drawing.limits)
