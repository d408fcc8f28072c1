"""`prove_key`: whether a provider accepts a key. Nothing is spent, and no model is asked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from ..catalogue.providers import Account
from ..wire.json_values import as_mapping, parse_json
from ..wire.judge import judge_rejection
from ..wire.redact import redact_fault
from ..wire.rejection import read_rejection
from .http.transport import Transport, TransportFailed

TIMEOUT = 10.0
"""Seconds to wait for an answer."""
MAX_BODY = 1_000_000
"""Bytes of the answer that are read."""

ProofState = Literal["accepted", "refused", "not proven", "not needed", "not reachable"]
"""What is known of a key. "not needed": there is none, and the provider needs none."""


@dataclass(frozen=True, slots=True)
class KeyProof:
    """Whether a provider accepts a key.

    Attributes:
        provider: the account's provider.
        state: what is known of its key.
        detail: why, in the provider's words where it has some.
    """

    provider: str
    state: ProofState
    detail: str = ""


async def prove_key(account: Account, transport: Transport, now: float) -> KeyProof:
    """Ask what proves the account's key, if there is something (`Account.proof`)."""
    method, path = account.proof
    if account.simulated:
        return KeyProof(account.provider, "not needed", "simulated")
    if not account.key:
        return KeyProof(account.provider, "not needed")
    if not path:
        return KeyProof(account.provider, "not proven", "only a chat request would prove it")
    content = b"" if method == "POST" else None
    try:
        async with (
            asyncio.timeout(TIMEOUT),
            transport.open(account, method, path, content) as response,
        ):
            body = await response.read(MAX_BODY, whole=False)
    except TransportFailed as error:
        return KeyProof(account.provider, "not reachable", error.detail)
    except TimeoutError:
        return KeyProof(account.provider, "not reachable", f"no answer within {TIMEOUT:.0f} s")
    status = response.status
    if 200 <= status < 300:
        refused = _says_invalid(body)
        return KeyProof(account.provider, "refused" if refused else "accepted")
    fault = judge_rejection(read_rejection(status, response.headers, body), now)
    message = f"HTTP {status} {redact_fault(fault, account).message}".strip()
    if status in (401, 403) or fault.cause.effect.key_refused:
        return KeyProof(account.provider, "refused", message)
    return KeyProof(account.provider, "not proven", message)


def _says_invalid(body: bytes) -> bool:
    """Whether an answer with status 200 says that the key is none (Cohere's `valid`)."""
    try:
        return as_mapping(parse_json(body)).get("valid") is False
    except ValueError:
        return False
