"""Spaces of vectors, and the models besides chat that rows and lists tell of."""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files
from typing import Any

import pytest

from freerouter_core.catalogue.limit import Limit
from freerouter_core.catalogue.model import Catalogue, Model
from freerouter_core.catalogue.provider_rows import merge_rows, resolve_account
from freerouter_core.catalogue.providers import Provider
from freerouter_core.catalogue.served_rows import read_served, serving_models
from freerouter_core.catalogue.serving import MAX_FLOATS, Serving, Space
from freerouter_core.catalogue.spaces import SOURCES, SPACES, is_embedder, is_reranker, space_of
from freerouter_core.errors import BadSetting
from freerouter_core.settings import known_providers

BGE = SPACES["bge-m3"]
GEMINI = SPACES["gemini-embedding-001"]


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("@cf/baai/bge-m3", "bge-m3"),
        ("BAAI/bge-m3", "bge-m3"),
        ("bge-m3:latest", "bge-m3"),
        ("bge-m3:567m", "bge-m3"),
        ("baai/bge-m3:free", "bge-m3"),
        ("bge-m3:q4_0", "bge-m3:q4_0"),
        ("nomic-embed-text:latest", "nomic-embed-text-v1.5"),
        ("google/gemini-embedding-001", "gemini-embedding-001"),
        ("nvidia/llama-nemotron-embed-vl-1b-v2:free", "llama-nemotron-embed-vl-1b-v2"),
    ],
)
def test_a_models_name_tells_its_space(name: str, family: str) -> None:
    """A coarse quantisation is a space of its own."""
    assert space_of(name).family == family


@pytest.mark.parametrize(
    ("name", "embeds", "ranks"),
    [
        ("bge-m3:latest", True, False),
        ("text-embedding-nomic-embed-text-v1.5", True, False),
        ("bge-reranker-v2-m3", False, True),
        ("rerank-v3.5", False, True),
        ("llama3.2:3b", False, False),
        ("embed-v4.0", True, False),
        ("acme/new-embedder", True, False),
    ],
)
def test_a_name_tells_what_a_listed_model_does(name: str, embeds: bool, ranks: bool) -> None:
    assert (is_embedder(name), is_reranker(name)) == (embeds, ranks)


def test_each_family_has_a_source_and_a_date() -> None:
    for source in SOURCES.values():
        assert re.fullmatch(r"https://\S+, 2026-\d\d-\d\d", source), source


@pytest.mark.parametrize("name", [n for n, row in known_providers().items() if row.get("serves")])
def test_each_row_has_a_source_and_a_date(name: str) -> None:
    """They are left out of what is read, so the file is looked at."""
    text = files("freerouter_core.catalogue").joinpath("providers.toml").read_text("utf-8")
    for row in tomllib.loads(text)[name]["serves"]:
        assert row["source"].startswith("https://"), row["model"]
        assert row["checked"].year == 2026, row["model"]


@pytest.mark.parametrize(
    ("space", "wanted", "serves"),
    [
        (BGE, BGE, True),
        (BGE, Space(family="bge-m3"), True),
        (Space(family="bge-m3"), BGE, True),
        (BGE, Space(family="bge-m3", dimension=512), False),
        (BGE, Space(family="bge-m3", dimension=1024, revision="2"), False),
        (BGE, Space(family="bge-m3", dimension=1024, query_prefix="q: "), False),
        (GEMINI, GEMINI.of_dimension(768), True),
        (GEMINI, Space(family="gemini-embedding-001", dimension=100), False),
        (BGE, GEMINI, False),
    ],
)
def test_only_the_same_space_serves(space: Space, wanted: Space, serves: bool) -> None:
    assert space.serves(wanted) is serves


def test_a_space_of_another_dimension_is_another_space() -> None:
    short = GEMINI.of_dimension(768)

    assert (GEMINI.name, short.name) == ("gemini-embedding-001", "gemini-embedding-001/768")
    assert GEMINI.of_dimension(None) is GEMINI.of_dimension(3072) is GEMINI
    assert short.key != GEMINI.key
    assert Space(family="new", revision="2").of_dimension(8).name == "new@2/8"
    with pytest.raises(BadSetting, match="no vectors of dimension 5"):
        GEMINI.of_dimension(5)
    with pytest.raises(BadSetting, match="no vectors of dimension 5"):
        BGE.of_dimension(5)


def test_a_space_tells_its_prefixes_and_its_identity() -> None:
    space = SPACES["nomic-embed-text-v1.5"]

    assert space.prefix("query") == "search_query: "
    assert space.prefix("document") == "search_document: "
    assert space.as_data()["family"] == "nomic-embed-text-v1.5"


@pytest.mark.parametrize(
    ("serving", "sizes", "dimension", "taken"),
    [
        ({}, [10] * 100, 0, 64),
        ({}, [10] * 5, 0, 5),
        ({"batch": 3}, [10] * 5, 0, 3),
        ({"batch_tokens": 25}, [10] * 5, 0, 2),
        ({"batch_tokens": 5}, [10] * 5, 0, 1),
        ({"limits": (Limit(2, counts="texts"), Limit(9))}, [10] * 5, 0, 2),
        ({"limits": (Limit(tokens=30),), "batch_tokens": 45}, [10] * 5, 0, 3),
        ({"space": GEMINI, "batch": 100}, [10] * 100, 0, MAX_FLOATS // 3072),
        ({"space": GEMINI, "batch": 100}, [10] * 100, 512, 100),
        ({"space": GEMINI, "batch": 100, "base64": True}, [10] * 100, 0, 100),
        ({"space": Space(family="new")}, [10] * 100, 0, 64),
    ],
)
def test_a_request_has_the_texts_that_fit(
    serving: dict[str, Any], sizes: list[int], dimension: int, taken: int
) -> None:
    assert Serving(**serving).takes(sizes, dimension) == taken


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"model": 3},
        {"model": "x", "mode": "chat"},
        {"model": "x", "bach": 3},
        {"model": "x", "fields": {"a": {"b": 1}}},
        {"model": "x", "fields": {"a": [{"b": 1}]}},
    ],
)
def test_a_row_that_makes_no_sense_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(BadSetting):
        read_served(row)


def test_a_row_tells_all_facts() -> None:
    served = read_served(
        {
            "model": "bge-m3-turbo",
            "space": "bge-m3",
            "fields": {"truncate": "NONE", "types": ["float"]},
            "limits": [{"requests": 5, "counts": "texts"}],
            "free": False,
            "context": 100,
            "checked": "2026-11-29",
            "source": "https://acme.test",
        }
    )

    assert served.serving.space == BGE
    assert served.serving.fields == (("truncate", "NONE"), ("types", ("float",)))
    assert served.serving.limits == (Limit(5, counts="texts"),)
    assert not served.free
    assert served.context == 100
    assert read_served({"model": "x", "mode": "rerank"}).serving.space is None


def test_texts_are_counted_by_limits_on_requests_only() -> None:
    with pytest.raises(BadSetting, match="counts is"):
        Limit(tokens=3, counts="texts")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"requests": "sk-secret1"}, "requests of a Limit is a number, not str"),
        ({"requests": True}, "requests of a Limit is a number, not bool"),
        ({"tokens": ["sk-secret1"]}, "tokens of a Limit is a number, not list"),
        ({"concurrent": {"sk-secret1": 1}}, "concurrent of a Limit is a number, not dict"),
        ({"requests": 1, "per": None}, "per of a Limit is a number, not NoneType"),
        ({"requests": 1, "per": 0}, "per must be positive seconds"),
        ({"requests": -1}, "must state exactly one"),
        ({"requests": 1, "scope": "sk-secret1"}, r"scope of a Limit is one of .*, not '\[hidden"),
        ({"requests": 1, "reset": b"sk-secret1"}, "reset of a Limit is one of .*, not bytes"),
        ({"requests": 1, "counts": "words"}, "counts of a Limit is one of .*, not 'words'"),
        ({"requests": 1, "models": "sk-secret1"}, "models of a Limit are names"),
        ({"requests": 1, "models": ("a/b", "sk-secret1")}, "models of a Limit are names"),
        ({"requests": 1, "models": [{"sk-secret1": 1}]}, "models of a Limit are names"),
    ],
)
def test_a_wrong_limit_is_refused_and_shows_no_key(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(BadSetting, match=message) as caught:
        Limit(**wrong)
    assert "sk-secret1" not in str(caught.value)


def test_a_limit_is_about_one_model_or_several() -> None:
    assert Limit(1, models="a/b").models == ("a/b",)  # type: ignore[arg-type]
    assert Limit(1, models=["a/b", "c/d"]).models == ("a/b", "c/d")  # type: ignore[arg-type]


# -- models ----------------------------------------------------------------------------------------


def account_of(name: str, **options: Any) -> Any:
    rows = merge_rows(known_providers(), {})
    account = resolve_account(
        Provider(name, api_key="k", **options), rows, {"CLOUDFLARE_ACCOUNT_ID": "a"}
    )
    assert account is not None
    return account


def test_every_row_of_the_known_providers_resolves() -> None:
    named = [name for name, row in known_providers().items() if row.get("serves")]

    assert {"gemini", "mistral", "cohere", "nvidia", "cloudflare", "siliconflow"} <= set(named)
    for name in named:
        for served in account_of(name).serves:
            assert served.serving.space is not None or served.mode == "rerank"


def test_what_no_source_calls_free_is_not_free() -> None:
    assert [served.free for served in account_of("siliconflow").serves] == [False, False]


def test_a_row_counts_where_a_list_has_the_model_too() -> None:
    cloudflare, ollama = account_of("cloudflare"), account_of("ollama")
    listed = Catalogue.of(
        [
            Model("ollama:bge-m3:latest", "ollama", "bge-m3:latest", chat=False, context=9_999),
            Model("ollama:bge-reranker", "ollama", "bge-reranker", chat=False),
            Model("ollama:llama3.2", "ollama", "llama3.2"),
            Model("ollama:ocr", "ollama", "ocr", chat=False),
        ],
        5.0,
    )
    found = serving_models("embedding", listed, [cloudflare, ollama])
    again = serving_models("embedding", listed, [cloudflare, ollama])
    rankers = serving_models("rerank", listed, [cloudflare, ollama])

    assert found is again
    assert {m.id for m in found} == {"ollama:bge-m3:latest"} | {
        f"cloudflare:{served.model}" for served in cloudflare.serves
    }
    assert {m.context for m in found if m.id == "ollama:bge-m3:latest"} == {8192}
    assert [m.id for m in rankers] == ["ollama:bge-reranker"]
    assert found.fetched == 5.0


@pytest.mark.parametrize(
    "name", [name for name, row in known_providers().items() if row.get("serves")]
)
def test_the_models_of_every_row_can_be_listed_and_a_free_one_has_a_price(name: str) -> None:
    """With lists in its fields, a row was no key of what is remembered."""
    account = account_of(name)
    models = [
        *serving_models("embedding", Catalogue(), [account]),
        *serving_models("rerank", Catalogue(), [account]),
    ]

    assert {m.wire_name for m in models} == {served.model for served in account.serves}
    assert all((m.cost(5, 0) == 0.0) is m.free for m in models)


def test_openrouters_models_are_named_without_a_provider() -> None:
    rows = merge_rows({"openrouter": {"base_url": "https://o.test"}}, {})
    rows["openrouter"] = {
        **rows["openrouter"],
        "serves": (read_served({"model": "a/bge-m3:free"}),),
    }
    account = resolve_account(Provider("openrouter", api_key="k"), rows, {})
    assert account is not None

    assert [m.id for m in serving_models("embedding", Catalogue(), [account])] == ["a/bge-m3:free"]


def test_limits_addresses_and_rules_of_the_users_own_replace_the_rows() -> None:
    own = account_of("cohere", base_url="https://proxy.test/v1", limits=[], free=["embed-v4.0"])
    by_name = {served.model: served for served in own.serves}

    assert all(served.serving.limits is None for served in own.serves)
    assert all(not served.serving.path for served in own.serves)
    assert by_name["embed-v4.0"].free
    assert not by_name["rerank-v3.5"].free


def test_one_more_limit_holds_for_models_with_limits_of_their_own() -> None:
    cap = Limit(7, per=86_400.0)
    limited = account_of("gemini").limited(cap)

    assert limited.limits[-1] == cap
    assert all(served.serving.limits[-1] == cap for served in limited.serves)
    assert account_of("nvidia").limited(cap).serves[0].serving.limits is None


def test_models_besides_chat_may_have_a_list_of_their_own() -> None:
    openrouter, gemini = account_of("openrouter"), account_of("gemini")

    assert openrouter.of_others.models == "/embeddings/models"
    assert (openrouter.lists_others, openrouter.of_others.lists_others) == (False, True)
    assert gemini.of_others is gemini
