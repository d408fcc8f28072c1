"""Worlds for the clients: one that fails most of the time, and one whose streams break."""

from __future__ import annotations

from freerouter_core.runtime.loop.clock import Clock
from freerouter_core.simulator import SimModel, World
from freerouter_core.wire.json_values import Json

STORM = ["502", "429-upstream", "error-in-200", "empty", "truncated-tool", "cut"]
PLACES = ("Lisbon", "Porto", "Faro")
"""Where an agent looks, one after the other: three rounds."""


def looks(body: Json) -> list[tuple[str, Json]] | None:
    """An agent's rounds: it looks somewhere else after each result."""
    messages = body["messages"]
    if not any(tool["function"]["name"] == "look" for tool in body.get("tools") or ()):
        return None
    done = sum(message["role"] == "tool" for message in messages)
    return [("look", {"place": place}) for place in PLACES[done : done + 1]]


def storm() -> World[Clock]:
    """Six models that always fail, each in its own way, and one that answers."""
    failing = [
        SimModel(f"{fault}/m:free", first_token=0.0, speed=1e6, calls=looks, script=[fault] * 500)
        for fault in STORM
    ]
    sound = SimModel("c/m:free", first_token=0.0, speed=1e6, calls=looks, reasoning=True)
    return World([*failing, sound], clock="real")


def broken() -> World[Clock]:
    """One model, whose streams all break after some text."""
    script = ["mid-stream-error"] * 500
    return World([SimModel("a/m:free", first_token=0.0, speed=1e6, script=script)], clock="real")
