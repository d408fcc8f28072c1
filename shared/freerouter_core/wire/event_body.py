"""`answer_in_events`: the answer of a server that streams though nobody asked it to."""

from __future__ import annotations

from .answer import Answer
from .sse import SSEDecoder
from .stream import Assembler

_BEGINNINGS = (b"data:", b"event:", b": ", b":\n")


def answer_in_events(body: bytes | bytearray, requested_model: str = "") -> Answer | None:
    """The answer in a whole body of server-sent events; None: it is none."""
    if not bytes(body[:64]).lstrip(b"\xef\xbb\xbf \r\n").startswith(_BEGINNINGS):
        return None
    decoder, assembler = SSEDecoder(), Assembler(requested_model)
    for data in (*decoder.feed(bytes(body)), *decoder.close()):
        assembler.feed_data(data)
    assembler.close()
    return assembler.answer() if assembler.fed else None
