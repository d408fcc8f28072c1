"""Server-sent events: a push parser of bytes, without I/O."""

from __future__ import annotations

MAX_LINE_BYTES = 16_000_000
"""No honest server sends a longer line."""
MAX_EVENT_BYTES = 16_000_000
"""Nor a longer event. Each of its lines counts for `_LINE_COST` bytes more."""
_LINE_COST = 64
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class SSEDecoder:
    """Bytes in, the `data` of each complete event out. Comments and other fields are dropped.

    A piece may end inside a character or a line. Lines end with LF, CRLF or CR. Read as well: a
    byte order mark, comments and nothing as `data`, events without a blank line between them,
    JSON lines without `data:`, `data:` twice, in capitals, or after a space.
    """

    def __init__(self) -> None:
        self._rest = b""
        """The unfinished last line."""
        self._pieces: list[bytes] = []
        """What came of that line since: joined once, when its end comes."""
        self._pieces_size = 0
        self._data: list[bytes] = []
        self._data_size = 0

    def feed(self, piece: bytes) -> list[str]:
        """The events that `piece` completes. Raises `ValueError` if a line or event is too long."""
        events: list[str] = []
        if b"\n" not in piece and b"\r" not in piece:
            self._pieces.append(piece)
            self._pieces_size += len(piece)
            if self._pieces_size > MAX_LINE_BYTES:
                raise ValueError(f"a line of the stream is longer than {MAX_LINE_BYTES:,} bytes")
            return events
        buffer = b"".join((self._rest, *self._pieces, piece))
        self._pieces.clear()
        self._pieces_size = 0
        if b"\r" in buffer:
            buffer = _with_newlines(buffer)
        *lines, self._rest = buffer.split(b"\n")
        for line in lines:
            if not line:
                self._end_event(events)
            elif line.startswith(b"data:"):
                self._add(line[6:] if line[5:6] == b" " else line[5:], events)
            else:
                self._odd_line(line, events)
        return events

    def _odd_line(self, line: bytes, events: list[str]) -> None:
        """A line that is no field of that name: it may be meant as one."""
        line = line.removeprefix(_BYTE_ORDER_MARK).strip()
        if line[:5].lower() == b"data:":
            self._add(line[5:].lstrip(), events)
        elif line.startswith(b'{"') and line.endswith(b"}"):
            self._add(line, events)
        elif not line:
            self._end_event(events)

    def _add(self, data: bytes, events: list[str]) -> None:
        """A line of data. It ends the event before it if that is one whole object already."""
        if data.startswith(b"data:"):
            data = data[5:].lstrip()  # a proxy before a proxy
        if data[:1] != b"{" and (not data.strip() or data.lstrip()[:1] == b":"):
            return  # a heartbeat: nothing, or a comment where data belongs
        so_far = self._data
        if len(so_far) == 1 and so_far[0].startswith(b"{") and so_far[0].rstrip().endswith(b"}"):
            self._end_event(events)
        so_far.append(data)
        self._data_size += len(data) + _LINE_COST
        if self._data_size > MAX_EVENT_BYTES:
            raise ValueError(f"an event is longer than {MAX_EVENT_BYTES:,} bytes")

    def _end_event(self, events: list[str]) -> None:
        if self._data:
            events.append(b"\n".join(self._data).decode("utf-8", "replace"))
            self._data.clear()
            self._data_size = 0

    def close(self) -> list[str]:
        """The unfinished last event: some servers leave out the final blank line."""
        events = self.feed(b"\n\n")
        self._rest = b""
        return events


def _with_newlines(buffer: bytes) -> bytes:
    """`buffer` with LF for CRLF and CR. A CR at its end stays: its LF may still come."""
    end = b"\r" if buffer.endswith(b"\r") else b""
    body = buffer[: len(buffer) - len(end)]
    return body.replace(b"\r\n", b"\n").replace(b"\r", b"\n") + end
