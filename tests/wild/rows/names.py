"""Models that are asked for by name and cannot be used."""

from __future__ import annotations

import json

from freerouter_core import errors

from ..replies import HI, no_connection, raw, refuse
from ..row import Fails, Host, Row, hosts

ONLY_ABLE = raw(json.dumps({"data": [{"id": "acme/able:free"}]}))
GONE = refuse(404, "No endpoints found for acme/abel:free.")

ROWS: tuple[Row, ...] = (
    Row(
        name="a name that is misspelt",
        source="langchain-ai/openwiki#85",
        wire=(Host("openrouter", {"acme/abel:free": GONE, "acme/able:free": HI}, lists=ONLY_ABLE),),
        policy={"model": "acme/abel:free"},
        requests=2,
        warns="'acme/abel:free' was asked for and cannot be used: its provider has no such model"
        ".*acme/able:free answers instead; did you mean 'acme/able:free'",
    ),
    Row(
        name="the same, with nobody to follow",
        source="K10",
        wire=(Host("openrouter", {"acme/abel:free": GONE, "acme/able:free": HI}, lists=ONLY_ABLE),),
        policy={"model": "acme/abel:free", "fallback_models": ()},
        want=Fails(errors.FreeRouterError, hint="did you mean 'acme/able:free'"),
        requests=1,
    ),
    Row(
        name="a name of a provider that is not there",
        source="Continuum-AI-Corp/OrcaRouter-Lite#109",
        wire=(Host("openrouter", {"acme/able:free": HI}),),
        policy={"model": "grok:able"},
        requests=1,
        warns="'grok:able' was asked for and cannot be used: its provider is not among the"
        " router's.*did you mean 'acme/able:free'",
    ),
    Row(
        name="the same, with nobody to follow it",
        source="K10",
        wire=(Host("openrouter", {"acme/able:free": HI}),),
        policy={"model": "grok:able", "fallback_models": ()},
        want=Fails(errors.NoCandidates, "not among the router's", hint="did you mean"),
        requests=0,
    ),
    Row(
        name="a provider that is dead",
        source="mittwald/feature-requests#415",
        wire=hosts(groq={"a/x": no_connection()}, mistral={"b/y": HI}),
        policy={"model": "groq:a/x"},
        requests=4,
        warns="'groq:a/x' was asked for and cannot be used: its provider groq cannot be reached"
        ".*mistral:b/y answers instead",
    ),
    Row(
        name="a key that is refused",
        source="Continuum-AI-Corp/OrcaRouter-Lite#109",
        wire=hosts(groq={"a/x": refuse(401, "Invalid API Key")}, mistral={"b/y": HI}),
        policy={"model": "groq:a/x"},
        requests=2,
        warns="'groq:a/x' was asked for and cannot be used: its account refuses requests"
        ".*mistral:b/y answers instead",
    ),
    Row(
        name="a model that has been retired",
        source="BerriAI/litellm#25503",
        wire=hosts(groq={"llama-3.1": refuse(404, "model_not_found"), "llama-3.2": HI}),
        policy={"model": "groq:llama-3.1"},
        requests=3,
        calls=2,
        at_most={"llama-3.1": 1},
        warns="'groq:llama-3.1' was asked for.*did you mean 'groq:llama-3.2'",
    ),
)
