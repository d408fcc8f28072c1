"""Errors of `ChatFreeRouter`: each is the core's own and the matching `ModelError`."""

from __future__ import annotations

import asyncio
import pickle

import pytest
from langchain_core.exceptions import (
    ContextOverflowError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelError,
    ModelInvalidRequestError,
    ModelNotFoundError,
    ModelPermissionDeniedError,
    ModelRateLimitError,
    ModelTimeoutError,
)
from langchain_core.messages import (
    AIMessage,
    HumanMessage,
)

from freerouter_core import errors
from freerouter_core.simulator import FAULTS, SimAccount, SimModel, World
from langchain_freerouter import ChatFreeRouter

from ..frameworks import (
    langchain_model,
    langchain_weather,
)

ERRORS = [
    (["401"] * 9, ModelAuthenticationError, False),
    (["429-day"] * 9, ModelRateLimitError, True),
    (["502"] * 9, ModelAPIError, True),
    (["404-gone"] * 9, ModelNotFoundError, False),
    (["hang"] * 9, ModelTimeoutError, True),
]


@pytest.mark.parametrize(("script", "kind", "retryable"), ERRORS)
@pytest.mark.parametrize("way", ["invoke", "stream", "ainvoke"])
def test_each_failure_raises_its_model_error(
    script: list[str], kind: type[ModelError], retryable: bool, way: str
) -> None:
    with World([SimModel("a/m:free", script=script)], [SimAccount("k", None)]) as world:
        llm = langchain_model(world, timeout=9.0)
        with pytest.raises(kind) as caught:
            if way == "ainvoke":
                asyncio.run(llm.ainvoke("x"))
            else:
                list(getattr(llm, way)("x"))

        assert isinstance(caught.value, errors.FreeRouterError)
        assert caught.value.is_retryable is retryable
        again = pickle.loads(pickle.dumps(caught.value))
        assert type(again) is type(caught.value)
        assert again.is_retryable is retryable


def test_every_fault_raises_a_model_error() -> None:
    for fault in FAULTS:
        if fault.startswith("vectors-"):  # to a chat these are no faults
            continue
        with World([SimModel("a/m:free", script=[fault] * 9)], [SimAccount("k", None)]) as world:
            llm = langchain_model(world, timeout=9.0, max_retries=0)
            for way in (llm.invoke, lambda x, llm=llm: list(llm.stream(x))):
                with pytest.raises(ModelError):
                    way("x")


def test_requests_that_cannot_be_answered_raise_the_matching_model_error() -> None:
    llm = ChatFreeRouter(api_key="k")
    with pytest.raises(ContextOverflowError), World([SimModel("a/m:free", context=1000)]) as world:
        langchain_model(world).invoke("word " * 9000)
    with pytest.raises(ModelNotFoundError), World([SimModel("a/m:free", tools=False)]) as world:
        langchain_model(world).bind_tools([langchain_weather]).invoke("x")
    for way in (llm.invoke, lambda x: list(llm.stream(x))):
        with pytest.raises(ModelInvalidRequestError):
            way([HumanMessage("")])
    with pytest.raises(ModelInvalidRequestError):
        list(ChatFreeRouter(api_key="k", strategy="zz").stream("x"))


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("refused", ModelConnectionError),
        ("cut", ModelConnectionError),
        ("408", ModelTimeoutError),
        ("400-invalid", ModelInvalidRequestError),
    ],
)
def test_the_error_names_what_all_attempts_have_in_common(
    fault: str, kind: type[ModelError]
) -> None:
    with World([SimModel("a/m:free", script=[fault] * 9)]) as world, pytest.raises(kind) as caught:
        langchain_model(world, max_retries=1).invoke("x")

    assert caught.value.is_retryable is (fault != "400-invalid")
    assert isinstance(caught.value, errors.FreeRouterError)


def test_a_refusal_is_a_permission_error_too() -> None:
    script = ["403-moderation"] * 9
    with (
        World([SimModel("a/m:free", script=script)]) as world,
        pytest.raises(ModelPermissionDeniedError),
    ):
        langchain_model(world).invoke("x")


def test_a_refusal_raises_one_error_and_reads_as_a_block() -> None:
    script = ["403-moderation"] * 9
    with World([SimModel("a/m:free", script=script), SimModel("b/m:free", script=script)]) as world:
        with pytest.raises(ModelPermissionDeniedError) as caught:
            langchain_model(world).invoke("x")

        assert caught.value.is_retryable is False
    message = AIMessage(
        "", additional_kwargs={"refusal": "no"}, response_metadata={"model_provider": "freerouter"}
    )
    [block] = message.content_blocks
    # Since langchain-core 1.7.5 a refusal is a block of its own; before, it was a non-standard one.
    refusal = block["value"] if block["type"] == "non_standard" else block
    assert dict(refusal)["refusal"] == "no"
