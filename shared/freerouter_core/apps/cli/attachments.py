"""Attachments of `freerouter chat`: files, addresses and standard input as parts of a message."""

from __future__ import annotations

import base64
import sys
from pathlib import Path

from ...errors import BadRequest
from ...wire.json_values import Json

MAX_BYTES = 20_000_000
"""Bytes of an attachment."""
_IMAGES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)
_MP3 = (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")


def attachment(place: str) -> Json:
    """A part for what is at `place`: a path, an address, or "-" for standard input.

    Pictures, recordings (WAV, MP3) and PDFs are told by their content. Everything else must be
    text. An address is that of a picture; the provider fetches it.

    Raises:
        BadRequest: there is nothing, it is too large, or it is of no such kind.
    """
    if place.startswith(("http://", "https://")):
        return {"type": "image_url", "image_url": {"url": place}}
    name = "standard input" if place == "-" else Path(place).name
    try:
        if place == "-":
            content = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(place).expanduser().open("rb") as file:
                content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadRequest(
            f"{place} cannot be attached: {error.strerror}",
            hint="a path, an address, or - for input",
        ) from None
    if len(content) > MAX_BYTES:
        raise BadRequest(f"{name} has more than {MAX_BYTES:,} bytes", hint="attach a smaller file")
    return part_of(content, name)


def part_of(content: bytes, name: str) -> Json:
    """The part for a file's content. Raises `BadRequest` if it is of no known kind."""
    mime = _image_type(content)
    if mime:
        return {"type": "image_url", "image_url": {"url": _data_url(mime, content)}}
    if content.startswith(b"%PDF-"):
        data = _data_url("application/pdf", content)
        return {"type": "file", "file": {"filename": name, "file_data": data}}
    sound = _sound_format(content)
    if sound:
        data = base64.b64encode(content).decode()
        return {"type": "input_audio", "input_audio": {"data": data, "format": sound}}
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise BadRequest(
            f"{name} is neither text nor a picture, a recording or a PDF",
            hint="PNG, JPEG, GIF, WebP, WAV, MP3, PDF, or text in UTF-8",
        )
    return {"type": "text", "text": f"--- {name} ---\n{text}"}


def _image_type(content: bytes) -> str:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next((mime for magic, mime in _IMAGES if content.startswith(magic)), "")


def _sound_format(content: bytes) -> str:
    if content[:4] == b"RIFF" and content[8:12] == b"WAVE":
        return "wav"
    return "mp3" if content.startswith(_MP3) else ""


def _data_url(mime: str, content: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"
