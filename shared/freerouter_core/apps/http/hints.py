"""`over_http`: what an error says, for somebody who knows the service by HTTP and writes no Python.

Errors are worded where they arise, mostly for callers in Python. Here the words for arguments
become those for fields of a request, or for the options of the service.
"""

from __future__ import annotations

import re

from ...wire.request import RESERVED_HINT

_PHRASES: tuple[tuple[str, str], ...] = (
    # what a whole hint says
    ("set OPENROUTER_API_KEY or pass api_key=…", "set OPENROUTER_API_KEY where it is started"),
    ("OPENROUTER_API_KEY or pass api_key=…", "OPENROUTER_API_KEY where it is started"),
    ("allow more time with timeout=…, or lower max_tokens",
     "lower max_tokens, or start the service with a longer OPENROUTER_TIMEOUT"),
    ("the text so far is in .partial; ask again for the rest", "ask again for the rest"),
    ("ask for less, or widen the choice: fallback_models=None, more providers, allow_paid=True",
     "ask for less, or start the service with more providers"),
    ("check the network and base_url, or name a model, which needs no list",
     "check the network of the service, or name a model, which needs no list"),
    ("leave it out, or pass allow_paid=True", "leave it out"),
    ("; allow_paid=True would permit it", ""),
    ('cut it into chunks, or pass long="split" for the mean of its pieces', "cut it into chunks"),
    ("leave model and dimensions out, or embed everything anew with another pin=",
     "leave model and dimensions out"),
    ("None: all of them", "leave it out for all of them"),
    ("name a provider that has embeddings: providers=[…], FREEROUTER_PROVIDERS, or a local server",
     "start the service with a provider that has embeddings (FREEROUTER_PROVIDERS)"),
    (" (in LlamaIndex: context_window)", ""),
    ("pass messages as dicts", '"messages": [{"role": "user", "content": "…"}]'),
    ("messages and tools must be dicts as the OpenAI API words them",
     "messages and tools must be objects as the OpenAI API words them"),
    ("messages must be dicts as the OpenAI API words them",
     "messages must be objects as the OpenAI API words them"),
    ("each tool must be a dict", "each tool must be an object"),
    ("pass plain data: text, numbers, lists and dicts", "send text, numbers, lists and objects"),
    ("use text, or blocks of text, image, audio, video or file as dicts",
     "use text, or blocks of text, image, audio, video or file"),
    (RESERVED_HINT, "the options of the service are set where it is started"),
    ("router.bulk(…)", "freerouter bulk"),
    ("router.quota() shows", "GET /api/v1/quota shows"),
    ("router.free_models() lists them", "GET /v1/models lists them"),
    ("pass further fields of a request as extra_body={…}", "leave it out"),
)  # fmt: skip
_ARGUMENT = re.compile(
    r"\b([a-z_]{1,40})=([0-9.,]+|'[^']{0,99}'|\"[^\"]{0,99}\"|True|False|None|…|(?=\s|$))"
)
"""An argument of Python: `min_context=100,000`."""


def over_http(text: str) -> str:
    """A message or a hint without Python in it."""
    for python, http in _PHRASES:
        if python in text:
            text = text.replace(python, http)
    return _ARGUMENT.sub(_in_words, text)


def _in_words(match: re.Match[str]) -> str:
    name, value = match.groups()
    words = {"True": "true", "False": "false", "None": "null", "…": "set"}
    return f"{name} {words.get(value, value)}".rstrip()
