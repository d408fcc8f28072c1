"""`split_text`: a text in pieces that a model surely takes whole."""

from __future__ import annotations

import re

from ...wire.embeddings import tokens_of

_BREAKS = (re.compile(r"\n\s*\n"), re.compile(r"(?<=[.!?。])\s*"), re.compile(r"\s+"))
"""Where a text may be cut, the best place first."""


def split_text(text: str, tokens: int) -> tuple[str, ...]:
    """The text in pieces of at most that many tokens, estimated high; cut at paragraphs, sentences
    or words where that is possible. No piece is blank."""
    pieces = list(_split(text, max(8, tokens), 0))
    return tuple(piece for piece in pieces if piece.strip())


def _split(text: str, tokens: int, level: int) -> list[str]:
    if tokens_of(text) <= tokens:
        return [text]
    if level == len(_BREAKS):
        size = max(1, tokens * len(text) // tokens_of(text) - 1)
        return [text[at : at + size] for at in range(0, len(text), size)]
    pieces: list[str] = []
    for part in filter(None, _BREAKS[level].split(text)):
        for piece in _split(part, tokens, level + 1):
            joined = f"{pieces[-1]} {piece}" if pieces else piece
            if pieces and tokens_of(joined) <= tokens:
                pieces[-1] = joined
            else:
                pieces.append(piece)
    return pieces
