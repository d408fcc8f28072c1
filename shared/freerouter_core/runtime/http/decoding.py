"""Decompression that cannot be made to fill the memory.

Responses are asked for in the encodings of zlib only: its decoder takes a limit on what it returns.
One in another encoding was not asked for, and is refused.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

ACCEPT_ENCODING = "gzip, deflate"
PIECE = 8_192
"""Bytes of one piece: after each of them others get their turn on the loop."""
_AUTO = zlib.MAX_WBITS | 32
"""gzip or zlib, whichever its header says."""


class Undecodable(Exception):
    """The body is in an encoding that was not asked for, or is not in the one that it claims."""


class Decoder:
    """The body of one response in pieces of at most `PIECE` bytes. `encoding`: Content-Encoding."""

    def __init__(self, encoding: str) -> None:
        self._is_plain = not encoding
        if self._is_plain:
            return
        names = [name.strip().lower() for name in encoding.split(",")]
        names = [name for name in names if name not in ("", "identity")]
        if len(names) > 1 or not set(names) <= {"gzip", "x-gzip", "deflate"}:
            raise Undecodable("the response has a content-encoding that was not asked for")
        self._is_plain = not names
        if names:
            self._zlib = zlib.decompressobj(_AUTO)
        self._may_be_bare = names == ["deflate"]

    def pieces(self, data: bytes) -> Iterable[bytes]:
        """The decoded pieces of the next bytes, one at a time. Raises `Undecodable`."""
        if not self._is_plain:
            return self._decoded_pieces(data)
        if len(data) <= PIECE:
            return (data,) if data else ()
        return (data[at : at + PIECE] for at in range(0, len(data), PIECE))

    def _decoded_pieces(self, data: bytes) -> Iterator[bytes]:
        while data:
            piece = self._decoded(data)
            if piece:
                yield piece
            data = self._zlib.unconsumed_tail
            if self._zlib.eof:
                data = self._zlib.unused_data
                if data:  # a gzip file may have several members
                    self._zlib, self._may_be_bare = zlib.decompressobj(_AUTO), False

    def _decoded(self, data: bytes) -> bytes:
        try:
            piece = self._zlib.decompress(data, PIECE)
        except zlib.error:
            if not self._may_be_bare:
                raise Undecodable("the response is not in the encoding that it claims") from None
            self._zlib, self._may_be_bare = zlib.decompressobj(-zlib.MAX_WBITS), False
            return self._decoded(data)
        self._may_be_bare = False
        return piece
