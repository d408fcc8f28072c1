"""Keys out of text. A server may quote the key it refused, or the request it did not understand."""

from __future__ import annotations

import re

from ..catalogue.providers import Account

_LIKE_A_KEY = re.compile(
    r"\b(?:sk-[A-Za-z0-9_\-]{6,}|gsk_[A-Za-z0-9]{8,}|AIza[A-Za-z0-9_\-]{16,}|nvapi-[A-Za-z0-9_\-]{8,}|hf_[A-Za-z0-9]{8,})"
    r"|(?<=[Bb]earer )[A-Za-z0-9._\-]{6,}"
)


def redact(text: str, account: Account | None = None) -> str:
    """`text` without the account's key, its headers' values, and anything that looks like a key."""
    if account is not None:
        secrets = [
            account.key,
            *(value for name, value in account.headers if name.lower() in _SECRET_HEADERS),
        ]
        for secret in secrets:
            if len(secret) >= 4:
                text = text.replace(secret, "[key]")
    return _LIKE_A_KEY.sub("[key]", text)


_SECRET_HEADERS = frozenset(
    {"authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "proxy-authorization"}
)
