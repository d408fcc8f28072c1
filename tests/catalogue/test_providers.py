"""The rows of providers.toml in use: joining, free models, privacy, a request through each."""

from __future__ import annotations

from typing import Any

import pytest

from freerouter_core import Provider, Router, errors
from freerouter_core.catalogue.model import Catalogue
from freerouter_core.catalogue.parse import parse_models
from freerouter_core.catalogue.provider_rows import resolve_account
from freerouter_core.catalogue.providers import Account
from freerouter_core.client.resolve import resolve
from freerouter_core.routing.candidates import Candidates
from freerouter_core.routing.health_book import HealthBook
from freerouter_core.routing.need import Need
from freerouter_core.routing.policy import Policy
from freerouter_core.routing.situation import Situation
from freerouter_core.runtime.hardware import memory
from freerouter_core.settings import Settings, known_providers
from freerouter_core.simulator import SimModel, World
from langchain_freerouter import ChatFreeRouter

ROWS = known_providers()
ASKED = sorted(name for name, row in ROWS.items() if not row.get("ended"))


def accounts_of(**options: Any) -> dict[str, Any]:
    return resolve(Router(**options).config, Settings.load()).accounts


def free_name(name: str) -> str:
    """A model's name that the row takes for free."""
    free = ROWS[name]["free"]
    return "acme/able:free" if isinstance(free, str) else free[0].replace("*", "1")


@pytest.mark.parametrize("name", ASKED)
def test_each_provider_answers_a_request(name: str, serve: Any) -> None:
    """LangChain, over HTTP: listed, taken for free, asked in its own way, answered."""
    wire = free_name(name)
    world = World([SimModel(wire, first_token=0.0, reasoning=True)], clock="real")
    llm = ChatFreeRouter(providers=[Provider(name, serve(world), "sk-x", limits=[])], timeout=20.0)
    message = llm.invoke("hello", max_tokens=64, temperature=0.5)

    assert message.response_metadata["provider"] == name
    assert message.response_metadata["requested_model"] in (wire, f"{name}:{wire}")
    assert not any(seen.problem for seen in world.requests)
    assert ("max_price" in str(world.requests[0].body)) is (name == "openrouter")


def test_a_provider_joins_only_when_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that lies in the environment is not used unasked."""
    for variable in ("OPENROUTER_API_KEY", "GROQ_API_KEY", "MISTRAL_API_KEY", "CEREBRAS_API_KEY"):
        monkeypatch.setenv(variable, "k")

    assert set(accounts_of()) == {"openrouter"}
    assert set(accounts_of(providers=["groq"])) == {"groq"}
    assert set(accounts_of(providers="all")) == {"openrouter", "groq", "mistral"}
    monkeypatch.setenv("FREEROUTER_PROVIDERS", "groq")
    assert set(accounts_of()) == {"openrouter", "groq"}


def test_keyless_and_local_providers_join_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "k")
    keyless = {name for name, row in ROWS.items() if row.get("keyless")}

    assert set(accounts_of(keyless=True)) == {"openrouter", *keyless}
    assert accounts_of(providers=["ollama"])["ollama"].base_url == "http://localhost:11434/v1"
    monkeypatch.setenv("OLLAMA_BASE_URL", "http://10.0.0.2:11434/v1")
    assert accounts_of(providers=["ollama"])["ollama"].base_url == "http://10.0.0.2:11434/v1"


def test_a_provider_without_a_free_tier_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "k")
    accounts_of(providers=["github"])

    assert "retired on 2026-07-30" in caplog.text
    assert not [
        model
        for model in parse_models([{"id": "a/b"}], provider="github", free=ROWS["github"]["free"])
        if model.free
    ]


def test_an_address_with_a_placeholder_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "k")
    with pytest.raises(errors.BadSetting, match="CLOUDFLARE_ACCOUNT_ID"):
        accounts_of(providers=["cloudflare"])
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", "abc")
    account = accounts_of(providers=["cloudflare"])["cloudflare"]

    assert "/accounts/abc/ai/v1" in account.base_url
    assert "/accounts/abc/ai/models/search" in account.models


def test_no_train_leaves_out_providers_that_train_on_prompts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable in ("OPENROUTER_API_KEY", "GROQ_API_KEY", "MISTRAL_API_KEY", "NVIDIA_API_KEY"):
        monkeypatch.setenv(variable, "k")

    assert set(accounts_of(providers="all", privacy="no-train")) == {"openrouter", "groq"}
    with pytest.raises(errors.NoCandidates, match="no-train"):
        accounts_of(providers=["mistral"], privacy="no-train")
    own = Provider("mine", "https://mine.example/v1", "k")
    assert set(accounts_of(providers=[own], privacy="no-train")) == {"mine"}


@pytest.mark.parametrize(
    ("provider", "row", "wire"),
    [
        (
            "gemini",
            {"id": "models/gemini-3.1-flash-lite", "object": "model"},
            "gemini-3.1-flash-lite",
        ),
        (
            "cloudflare",
            {"id": "429b9e8b", "name": "@cf/meta/llama-4", "task": {"name": "Text Generation"}},
            "@cf/meta/llama-4",
        ),
        ("cohere", {"name": "command-a", "context_length": 256_000}, "command-a"),
        (
            "groq",
            {"id": "openai/gpt-oss-20b", "context_window": 131_072, "active": True},
            "openai/gpt-oss-20b",
        ),
        ("mistral", {"id": "mistral-small", "max_context_length": 131_072}, "mistral-small"),
        ("vllm", {"id": "Qwen/Qwen3-8B", "max_model_len": 40_960}, "Qwen/Qwen3-8B"),
    ],
)
def test_the_model_list_of_each_provider_is_read(
    provider: str, row: dict[str, Any], wire: str
) -> None:
    body: Any = (
        {"result": [row]}
        if provider == "cloudflare"
        else {"models": [row]}
        if provider == "cohere"
        else {"data": [row]}
    )
    [model] = parse_models(body, provider=provider, free=ROWS[provider]["free"])

    assert (model.wire_name, model.free) == (wire, True)
    assert model.context == next(
        (
            v
            for k, v in row.items()
            if k in ("context_length", "context_window", "max_context_length", "max_model_len")
        ),
        32_768,
    )


@pytest.mark.parametrize("name", sorted(ROWS))
def test_every_row_is_complete(name: str) -> None:
    row = ROWS[name]

    assert row["privacy"] in ("no-train", "trains", "endpoint", "unknown")
    assert str(row["checked"]).startswith("2026-")
    assert row["source"].startswith("https://")
    assert row.get("local") or (row["base_url"].startswith("https://") and row["keys"])
    assert isinstance(row["limits"], tuple)
    environment = {"CLOUDFLARE_ACCOUNT_ID": "x", **dict.fromkeys(row.get("keys", ()), "k")}
    assert resolve_account(Provider(name), ROWS, environment) is not None


# -- on this machine -------------------------------------------------------------------------------


def test_local_models_that_fit_in_memory_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ollama's own list tells sizes; what the machine cannot hold is asked last."""
    sizes = {"a/huge": 40_000_000_000, "b/small": 4_000_000_000, "c/unknown": 0}
    models = parse_models(
        {"models": [{"name": name, "size": size} for name, size in sizes.items()]},
        provider="ollama",
        free="all",
    )
    policy = Policy(memory=16_000_000_000, strategy="context")
    account = resolve_account(Provider("ollama"), ROWS, {})
    assert account is not None
    field = Candidates.of(
        Catalogue.of(models, 0.0),
        {"ollama": account},
        Situation(need=Need(), policy=policy, book=HealthBook(), now=0.0),
    )

    assert [c.model.wire_name for c in field.all] == ["b/small", "c/unknown", "a/huge"]
    assert account.models == "http://localhost:11434/api/tags"
    elsewhere = resolve_account(Provider("ollama", base_url="http://10.0.0.2:9/v1"), ROWS, {})
    assert elsewhere is not None
    assert elsewhere.models == "http://10.0.0.2:9/api/tags"
    assert memory() > 0


def test_a_local_model_is_benched_for_five_seconds_at_most(serve: Any) -> None:
    world = World([SimModel("a/local", script=["503"] * 3, first_token=0.0)], clock="real")
    router = Router(
        providers=[Provider("vllm", serve(world), "k", limits=[])], timeout=3.0, max_retries=0
    )
    for _ in range(3):
        with pytest.raises(errors.Exhausted) as caught:
            router.chat("x")

    assert caught.value.retry_after is not None
    assert caught.value.retry_after <= 5.0


def test_a_password_in_an_address_is_in_no_scope() -> None:
    """Scopes name windows and notes in a shared store, and are logged."""
    plain, one, other = (
        Account("mine", url, "k")
        for url in (
            "http://host/v1",
            "http://bob:sesame@host/v1",
            "http://bob:open@host/v1?key=sesame",
        )
    )
    assert "sesame" not in one.scope + one.address + other.scope + other.address
    assert len({plain.scope, one.scope, other.scope}) == 3
    assert plain.address == "http://host/v1"
