"""Decompression that cannot be made to fill the memory.

Responses are asked for in the encodings of zlib only: its decoder takes a limit on what it returns.
One in another encoding was not asked for, and is refused. Some servers name what is no encoding
(`utf-8`, `none`), so what is readable text anyway is read as it is.
"""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Iterable, Iterator

ACCEPT_ENCODING = "gzip, deflate"
PIECE = 8_192
"""Bytes of one piece: after each of them others get their turn on the loop."""
_NO_TEXT = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""Bytes that stand in no text of JSON, events or HTML."""
_AUTO = zlib.MAX_WBITS | 32
"""gzip or zlib, whichever its header says."""


class Undecodable(Exception):
    """The body is in an encoding that was not asked for, or is not in the one that it claims."""


class Decoder:
    """The body of one response in pieces of at most `PIECE` bytes. `encoding`: Content-Encoding."""

    def __init__(self, encoding: str) -> None:
        names = [name.strip().lower() for name in encoding.split(",")]
        names = [name for name in names if name not in ("", "identity")]
        self._is_plain = len(names) != 1 or names[0] not in ("gzip", "x-gzip", "deflate")
        self._doubted = _TEXT() if self._is_plain and names else None
        """Reads along whether the body in an encoding nobody knows is text."""
        if not self._is_plain:
            self._zlib = zlib.decompressobj(_AUTO)
        self._may_be_bare = names == ["deflate"]
        self._is_later_member = self._ended = False

    def pieces(self, data: bytes) -> Iterable[bytes]:
        """The decoded pieces of the next bytes, one at a time. Raises `Undecodable`."""
        if not self._is_plain:
            return self._decoded_pieces(data)
        if self._doubted is not None:
            _check_text(self._doubted, data)
        if len(data) <= PIECE:
            return (data,) if data else ()
        return (data[at : at + PIECE] for at in range(0, len(data), PIECE))

    def _decoded_pieces(self, data: bytes) -> Iterator[bytes]:
        while data and not self._ended:
            piece = self._decoded(data)
            if piece:
                self._is_later_member = False
                yield piece
            data = self._zlib.unconsumed_tail
            if self._zlib.eof:
                data = self._zlib.unused_data
                if data:  # a gzip file may have several members
                    self._zlib, self._may_be_bare = zlib.decompressobj(_AUTO), False
                    self._is_later_member = True

    def _decoded(self, data: bytes) -> bytes:
        try:
            piece = self._zlib.decompress(data, PIECE)
        except zlib.error:
            if self._is_later_member:  # it is none: something stands behind the last one
                self._ended = True
                return b""
            if not self._may_be_bare:
                raise Undecodable("the response is not in the encoding that it claims") from None
            self._zlib, self._may_be_bare = zlib.decompressobj(-zlib.MAX_WBITS), False
            return self._decoded(data)
        self._may_be_bare = False
        return piece


_TEXT = codecs.getincrementaldecoder("utf-8")


def _check_text(text: codecs.IncrementalDecoder, data: bytes) -> None:
    """Raise `Undecodable` unless these bytes go on with a text."""
    try:
        text.decode(data)
    except UnicodeDecodeError:
        is_text = False
    else:
        is_text = _NO_TEXT.search(data) is None
    if not is_text:
        raise Undecodable("the response has a content-encoding that was not asked for")
