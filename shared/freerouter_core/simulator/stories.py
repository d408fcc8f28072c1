"""What simulated models tell: a small story, so that a demo has answers one believes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .responder import text_of
from .response import Json


def tells(story: Mapping[str, str]) -> Callable[[Json], str | None]:
    """A `SimModel.says` that answers from a story.

    Args:
        story: answers by a part of the last message, which is the user's or a tool's. The first
            part that occurs decides, in any case. A message without any gets a composed answer.
    """
    parts = [(part.lower(), answer) for part, answer in story.items()]

    def says(request: Json) -> str | None:
        messages = request.get("messages") or [{}]
        last = text_of(messages[-1].get("content")).lower()
        return next((answer for part, answer in parts if part in last), None)

    return says
