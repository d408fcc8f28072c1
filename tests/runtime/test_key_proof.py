"""A key is proven by what costs nothing."""

from __future__ import annotations

import httpx
import pytest

from freerouter_core.catalogue.provider_rows import resolve_account
from freerouter_core.catalogue.providers import Account, Provider
from freerouter_core.runtime.http.transport import Transport
from freerouter_core.runtime.key_proof import prove_key
from freerouter_core.settings.known_providers import known_providers
from freerouter_core.settings.sources import Source, Variables

KEY = "sk-proof-0123456789"
CASES = [
    (200, {"data": []}, "accepted"),
    (200, {"valid": False}, "refused"),
    (401, {"error": {"message": f"no such key: {KEY}"}}, "refused"),
    (403, {}, "refused"),
    (400, {"error": {"message": "API key not valid. Please pass a valid API key."}}, "refused"),
    (404, {"detail": "Not Found"}, "not proven"),
    (500, {}, "not proven"),
]


@pytest.mark.parametrize(("status", "body", "state"), CASES)
async def test_what_an_answer_says_of_a_key(
    status: int, body: dict[str, object], state: str
) -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(status, json=body)

    account = Account("p", "https://p.test/v1", KEY, proof=("GET", "/models"))
    proof = await prove_key(account, Transport(httpx.MockTransport(answer)), now=0.0)

    assert (proof.state, str(sent[0].url)) == (state, "https://p.test/v1/models")
    assert KEY not in proof.detail


async def test_an_address_that_is_not_there_proves_nothing() -> None:
    account = Account("p", "http://127.0.0.1:9/v1", KEY, proof=("GET", "/key"))

    transport = Transport()
    proof = await prove_key(account, transport, now=0.0)
    await transport.close()

    assert proof.state == "not reachable"


def test_each_row_that_proves_a_key_says_where_that_is_written() -> None:
    proofs = {name: row["proof"] for name, row in known_providers().items() if "proof" in row}

    assert {"openrouter", "groq", "gemini", "mistral"} <= set(proofs)
    for proof in proofs.values():
        assert proof["source"].startswith("https://")


def test_a_key_is_proven_at_its_own_address_only() -> None:
    """A whole address is the known provider's. Another base_url is not told of its key there."""
    environment = Variables([Source("environment", values={"COHERE_API_KEY": KEY})])
    known = resolve_account(Provider("cohere"), known_providers(), environment)
    moved = resolve_account(
        Provider("cohere", "https://mine.test/v1"), known_providers(), environment
    )

    assert known is not None and moved is not None
    assert known.proof == ("POST", "https://api.cohere.com/v1/check-api-key")
    assert moved.proof == ("", "")
