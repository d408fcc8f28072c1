"""The rows of providers.toml in use: joining, free models, privacy, a request through each."""

from __future__ import annotations

from typing import Any

import pytest

from freerouter_core import Provider, Router, errors
from freerouter_core.catalogue.model import Catalogue, Model
from freerouter_core.catalogue.parse import parse_models
from freerouter_core.catalogue.provider_rows import resolve_account
from freerouter_core.catalogue.providers import Account
from freerouter_core.client.resolve import resolve
from freerouter_core.routing.candidates import Candidates
from freerouter_core.routing.charges import charges_of
from freerouter_core.routing.health_book import HealthBook
from freerouter_core.routing.need import Need
from freerouter_core.routing.policy import Policy
from freerouter_core.routing.situation import Situation
from freerouter_core.runtime.hardware import memory
from freerouter_core.settings import Settings, known_providers
from freerouter_core.simulator import SimModel, World
from langchain_freerouter import ChatFreeRouter

ROWS = known_providers()
ASKED = sorted(name for name, row in ROWS.items() if not row.get("ended") and row.get("chat", True))


def accounts_of(**options: Any) -> dict[str, Any]:
    return resolve(Router(**options).config, Settings.load()).accounts


def free_name(name: str) -> str:
    """A model's name that the row takes for free."""
    free = ROWS[name]["free"]
    return "acme/able:free" if isinstance(free, str) else str(free[0])


@pytest.mark.parametrize("name", ASKED)
def test_each_provider_answers_a_request(name: str, serve: Any) -> None:
    """LangChain, over HTTP: listed, taken for free, asked in its own way, answered."""
    wire = free_name(name)
    world = World([SimModel(wire, first_token=0.0, reasoning=True)], clock="real")
    # The simulator asks for a key, and lists nothing that only one provider lists.
    own = "all" if ROWS[name].get("with_key") else None
    provider = Provider(name, serve(world), "sk-x", limits=[], free=own)
    llm = ChatFreeRouter(providers=[provider], timeout=20.0)
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


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"base_url": {"k": "sk-secret-1234"}}, "base_url must be text, not dict"),
        ({"base_url": b"sk-secret-1234"}, "base_url must be text, not bytes"),
        ({"limits": ["sk-secret-1234"]}, "limits are Limits, not str"),
        ({"limits": [{"requests": 5}]}, "limits are Limits, not dict"),
        ({"name": "sk-secret-1234"}, "a key in place of its name"),
        ({"free": ["a/b", "sk-secret-1234"]}, "a key in place of a model"),
    ],
)
def test_an_option_of_another_type_is_refused_without_its_value(
    wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(errors.BadSetting, match=message) as caught:
        Provider(**{"name": "mine", "base_url": "https://x.test/v1", **wrong})
    assert "sk-secret" not in str(caught.value)


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
def test_a_free_rule_is_exact_ids_a_price_a_suffix_or_what_the_list_says(name: str) -> None:
    """Names do not tell a price: `glm-*-flash` took in glm-5.3-flash, which costs."""
    row = ROWS[name]
    free = row["free"]
    words = ("suffix", "price", "tier=turbo")

    if free == "all":
        assert row.get("local") or row["plan"], "why is nobody charged for any of its models?"
    else:
        assert free in words or isinstance(free, tuple)
    for wire in (*(free if isinstance(free, tuple) else ()), *row.get("paid", ())):
        assert wire
        assert not set(wire) & set("*?[]()|^$ "), f"{wire} is a pattern"
    if row.get("ended"):
        assert not free
    assert "paid" not in row or free == "all"


PROOF: list[tuple[str, dict[str, Any], bool]] = [
    ("zai", {"id": "glm-4.7-flash"}, True),
    ("zai", {"id": "glm-4.6v-flash"}, True),
    ("zai", {"id": "glm-4.5-flash"}, True),
    ("zai", {"id": "glm-5.3-flash"}, False),
    ("zai", {"id": "glm-4.7-flashx"}, False),
    ("gemini", {"id": "models/gemini-3.6-flash"}, True),
    ("gemini", {"id": "models/gemini-flash-latest"}, True),
    ("gemini", {"id": "models/gemini-3.6-pro"}, False),
    ("ollama-cloud", {"id": "gpt-oss:120b"}, True),
    ("ollama-cloud", {"id": "minimax-m3"}, True),
    ("ollama-cloud", {"id": "kimi-k3"}, False),
    ("cloudflare", {"id": "x", "name": "@cf/openai/gpt-oss-120b"}, True),
    ("cloudflare", {"id": "x", "name": "@cf/moonshotai/kimi-k2.6"}, False),
    ("cloudflare", {"id": "x", "name": "@cf/deepseek-ai/deepseek-v4-pro-0813"}, False),
    ("huggingface", {"id": "meta-llama/Llama-3.1-8B-Instruct"}, False),
    ("sambanova", {"id": "gpt-oss-120b"}, False),
    ("llm7", {"id": "gpt-oss:20b", "tier": "turbo"}, True),
    ("llm7", {"id": "gpt-6", "tier": "pro"}, False),
    ("llm7", {"id": "unknown"}, False),
    ("kilo", {"id": "a/m:free", "pricing": {"prompt": "0"}}, True),
    ("kilo", {"id": "a/m", "pricing": {"prompt": "0"}}, False),
    ("agnes", {"id": "agnes-2.5-flash"}, False),
    ("agnes", {"id": "agnes-2.5-flash", "pricing": {"prompt": 0, "completion": 0}}, True),
    ("agnes", {"id": "agnes-2.5-flash", "pricing": {"prompt": 0.1, "completion": 0}}, False),
    ("requesty", {"id": "nvidia/x", "input_price": 0, "output_price": 0}, True),
    ("requesty", {"id": "nvidia/x", "input_price": 0, "output_price": 1e-6}, False),
    ("requesty", {"id": "nvidia/x"}, False),
    ("pollinations", {"id": "openai"}, False),
    ("aion", {"id": "aion-labs/aion-3.0"}, True),
    ("gonka", {"id": "MiniMaxAI/MiniMax-M2.7"}, True),
]


@pytest.mark.parametrize(
    ("provider", "row", "free"), PROOF, ids=[f"{p}-{r['id']}-{f}" for p, r, f in PROOF]
)
def test_which_models_of_a_provider_are_free(
    provider: str, row: dict[str, Any], free: bool
) -> None:
    account = resolve_account(Provider(provider, api_key="k"), ROWS, {"CLOUDFLARE_ACCOUNT_ID": "x"})
    assert account is not None
    [model] = parse_models(
        [row],
        provider=provider,
        free=account.free,
        paid=account.paid,
        needs_proof=account.needs_proof,
    )

    assert model.free is free


@pytest.mark.parametrize(
    "name",
    [
        "canopylabs/orpheus-v1-english",
        "gemini-2.5-flash-image",
        "gemini-3.1-flash-live-preview",
        "gemini-2.5-flash-native-audio-preview",
        "gemini-2.5-computer-use-preview",
        "gemini-2.5-flash-preview-tts",
        "imagen-4",
    ],
)
def test_models_that_put_out_no_text_are_no_chat_models(name: str) -> None:
    assert not parse_models([{"id": name}], provider="gemini", free="all")[0].chat
    assert parse_models([{"id": "gemini-flash-latest"}], free="all")[0].chat


def test_a_limit_may_be_about_some_models_only() -> None:
    account = resolve_account(Provider("groq", api_key="k"), ROWS, {})
    assert account is not None

    def a_day(name: str) -> int | None:
        charges = charges_of(account, Model(f"groq:{name}", "groq", name, free=True))
        return next(
            c.limit.requests for c in charges if c.limit.per == 86_400.0 and c.limit.requests
        )

    assert (a_day("groq/compound"), a_day("openai/gpt-oss-20b")) == (250, 1000)


def test_an_account_without_a_key_may_have_other_facts() -> None:
    accounts = [resolve_account(Provider("ovh", api_key=key), ROWS, {}) for key in ("", "k")]
    limits = [resolve_account(Provider("llm7", api_key=key), ROWS, {}) for key in ("", "k")]

    assert [account and account.free for account in accounts] == ["all", ()]
    assert [len(account.limits) for account in limits if account] == [4, 3]
    assert [account.limits[0].scope for account in limits if account] == ["ip", "account"]


def test_where_a_provider_does_not_train_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "k")
    with pytest.raises(errors.NoCandidates) as caught:
        accounts_of(providers=["gemini"], privacy="no-train")

    assert "does not train on prompts from the EEA, Switzerland and the UK" in caught.value.hint


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
