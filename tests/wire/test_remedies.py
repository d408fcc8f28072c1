"""What is said about each failure names the right provider, key and page."""

from __future__ import annotations

import pytest

from freerouter_core.catalogue.provider_rows import resolve_account
from freerouter_core.catalogue.providers import Account, Provider
from freerouter_core.settings.known_providers import known_providers
from freerouter_core.wire.fault import Cause
from freerouter_core.wire.remedies import remedy

OWN = Account("own", "https://own.test/v1", "k")


def account(name: str) -> Account:
    found = resolve_account(Provider(name, api_key="k"), known_providers(), {})
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("cause", "provider", "words"),
    [
        (Cause.KEY_REFUSED, "groq", ["GROQ_API_KEY", "console.groq.com"]),
        (Cause.KEY_REFUSED, "gemini", ["GEMINI_API_KEY or GOOGLE_API_KEY"]),
        (Cause.ACCOUNT_FORBIDDEN, "nvidia", ["NVIDIA_API_KEY", "nvidia forbids"]),
        (Cause.DEBT, "openrouter", ["openrouter owes", "openrouter.ai/settings/credits"]),
        (Cause.DEBT, "sambanova", ["sambanova owes"]),
        (Cause.DATA_POLICY, "openrouter", ["OPENROUTER_API_KEY", "settings/privacy"]),
        (Cause.NO_PROVIDER, "openrouter", ["settings/privacy"]),
        (Cause.ACCOUNT_DAY, "groq", ["groq", "midnight UTC"]),
        (Cause.ACCOUNT_MONTH, "huggingface", ["on the first"]),
        (Cause.REDIRECTED, "groq", ["https://api.groq.com/openai/v1 redirects", "final address"]),
        (Cause.GATEWAY_FORBIDS, "groq", ["before groq", "a VPN", "https://api.groq.com/openai/v1"]),
        (Cause.OUTPUT_TOO_LARGE, "groq", ["lower max_tokens"]),
        (Cause.TOKEN_LIMIT, "groq", ["raise max_tokens"]),
    ],
)
def test_a_remedy_names_the_provider_and_its_key(
    cause: Cause, provider: str, words: list[str]
) -> None:
    said = remedy(cause, account(provider))

    assert all(word in said for word in words), said
    assert "openrouter" not in said.lower() or provider == "openrouter"
    assert "{" not in said


def test_a_provider_of_the_users_own_has_no_variable_and_no_page() -> None:
    assert remedy(Cause.KEY_REFUSED, OWN) == (
        "check the api_key of own: it is missing, mistyped, expired or revoked"
    )
    assert remedy(Cause.DEBT, OWN).endswith("blocks free models too")


def test_what_passes_by_itself_needs_no_remedy() -> None:
    assert remedy(Cause.SERVER, OWN) == ""
