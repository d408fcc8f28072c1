"""Refusals that are no proof, and those that are."""

from __future__ import annotations

from freerouter_core import errors

from ..replies import HI, PERSON, WEATHER, answer, pieces, raw, refuse, streams
from ..row import (
    PICTURE,
    STRUCTURED,
    TOOLS,
    Call,
    Fails,
    Free,
    Object,
    Ready,
    Rests,
    Row,
    Unfit,
    Waits,
    hosts,
)

NO_EYES = refuse(400, "This model does not support image input")

ROWS = (
    Row(
        name="a bad gateway, then another model answers",
        source="K1",
        wire=hosts(openrouter={"a/x:free": raw("<h1>502</h1>", 502), "b/y:free": HI}),
        requests=2,
        learnt=[Rests("a/x:free", 10.0, 30.0), Ready("b/y:free"), Free("openrouter")],
    ),
    Row(
        name="a model without eyes, then one with",
        source="K1",
        wire=hosts(openrouter={"a/x:free": NO_EYES, "b/y:free": HI}),
        ask=PICTURE,
        requests=2,
        learnt=[Unfit("a/x:free", "takes no image")],
    ),
    Row(
        name="prose where an object was asked for, then an object",
        source="K2",
        wire=hosts(groq={"a/x": answer("As an AI I prefer prose."), "b/y": PERSON}),
        ask=STRUCTURED,
        want=Object(),
        requests=2,
    ),
    Row(
        name="a call of a tool nobody offered, then the right one",
        source="K3",
        wire=hosts(groq={"a/x": answer("", tool_calls=[]), "b/y": WEATHER}),
        ask=TOOLS,
        want=Call(),
        requests=2,
    ),
    Row(
        name="a stream that is cut after text was shown",
        source="K3",
        wire=hosts(
            groq={
                "a/x": streams(
                    pieces('data: {"choices": [{"delta": {"content": "Once"}}]}\n\n', cut=True)
                ),
                "b/y": HI,
            }
        ),
        streamed=Fails(errors.StreamBroken, partial="Once"),
        requests=1,
    ),
    Row(
        name="a refused key of the only account",
        source="K1",
        wire=hosts(groq={"a/x": refuse(401, "Invalid API Key"), "b/y": HI}),
        want=Fails(errors.AuthenticationFailed, "key"),
        requests=1,
        learnt=[Waits("groq", "key-refused")],
    ),
)
