"""Messages and hints in the shell's words: `--max-wait`, not `max_wait=…`."""

from __future__ import annotations

import re

_PHRASES: tuple[tuple[str, str], ...] = (
    (
        r"set ([A-Z_]+_API_KEY) or pass api_key=…",
        r"keep it with `freerouter keys set`, or set \1",
    ),
    (r"fallback_models=None, more providers, allow_paid=True", "--model auto, or more providers"),
    (r",? or pass allow_paid=True|; allow_paid=True would ask its paid (models|ones)", ""),
    (r"; allow_paid=True would permit it", ""),
    (r"once it is mended, router\.reset\(\) asks at once", "once it is mended, ask again"),
    (
        "check its name, or give requests to begin it",
        "check its name; freerouter bulk IN -o OUT --job JOB begins it",
    ),
    (r"router\.free_models\(\) lists them", "`freerouter models` lists them"),
    (r"the text so far is in \.partial; ask again for the rest", "ask again for the rest"),
    (r"router\.bulk\(…\)", "`freerouter bulk`"),
    (r"router\.quota\(\)", "`freerouter stats`"),
    (r", or pass base_url=…|, or base_url$", ""),
    (r"; else Provider\([^()]*\)", "; others belong in the settings file"),
    (r"check the network and base_url", "check the network and OPENROUTER_BASE_URL"),
    (r"(?:, )?or give it in code: Provider\([^()]*\)", ""),
    (r",? or pass Provider\([^()]*\) in code", ""),
    (r'privacy="no-train"', "the setting privacy = no-train"),
    (r"providers=\[…\], FREEROUTER_PROVIDERS", "FREEROUTER_PROVIDERS"),
    (r"\btimeout=…|\bthe timeout\b", "--timeout"),
    (r"\bmax_(tokens|wait)(?:=…)?", r"--max-\1"),
    (r"\btimeout=", "--timeout "),
    (r'\bchanged="merge"', "--merge"),
    (r'\bpace="asap"', "--pace asap"),
    (r"\buntil=…", "--until"),
)
_RULES = tuple((re.compile(pattern), words) for pattern, words in _PHRASES)


_OF_A_JOB = (
    ("--timeout", "OPENROUTER_TIMEOUT"),
    ("--max-tokens", "max_tokens in its row"),
    ("job.retry_failed() tries it again", "`freerouter bulk retry --failed` tries it again"),
    ("pass messages as dicts", 'such as {"role": "user", "content": "Hello"}'),
    ("messages must be dicts as the OpenAI API words them", "write messages as OpenAI's API does"),
)
"""Options that `freerouter bulk` does not have, and what its rows say in their place."""


def in_bulk(text: str) -> str:
    """A text about a row, for users of `freerouter bulk`."""
    text = in_shell(text)
    for words, instead in _OF_A_JOB:
        text = text.replace(words, instead)
    return text


def in_shell(text: str) -> str:
    """A text that was written for callers of the library, for users of the command."""
    for pattern, words in _RULES:
        text = pattern.sub(words, text)
    return text
