"""Worlds in which most models fail."""

from __future__ import annotations

from typing import Any

from freerouter_core.simulator import SimModel, World


def langchain_storm() -> World:
    """Two models that fail in turn and one that does not."""
    failing = ["empty", "429-upstream", "mid-stream-error", "error-in-200", "truncated-tool"]
    return World(
        [
            SimModel("a/m:free", script=failing),
            SimModel("b/m:free", script=["502", "hang"]),
            SimModel("c/m:free"),
        ]
    )


def llamaindex_storm(**last: Any) -> World:
    """Two models that fail in turn and one that does not. `last`: options of the third."""
    failing = ["empty", "429-upstream", "error-in-200", "truncated-tool"]
    return World(
        [
            SimModel("a/m:free", script=failing),
            SimModel("b/m:free", script=["502", "cut"]),
            SimModel("c/m:free", **last),
        ]
    )
