"""`ChatFreeRouter` across event loops, threads and processes."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from freerouter_core.simulator import SimModel, World
from langchain_freerouter import ChatFreeRouter

from ..conftest import Serve
from ..frameworks import langchain_model


def test_a_model_works_in_many_loops_threads_and_batches() -> None:
    with World([SimModel("a/m:free")]) as world:
        llm = langchain_model(world)

        async def inside() -> str:
            return str(llm.invoke("inside a running loop").content) + str(
                (await llm.ainvoke("x")).content
            )

        assert all("a/m:free" in asyncio.run(inside()) for _ in range(3))
        with ThreadPoolExecutor(8) as pool:
            assert all(m.content for m in pool.map(llm.invoke, ["x"] * 24))
        assert len(llm.batch(["x"] * 8)) == 8
        assert len(asyncio.run(llm.abatch(["x"] * 8))) == 8


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_model_works_in_parent_and_child_after_a_fork(serve: Serve) -> None:
    llm = ChatFreeRouter(
        base_url=serve(World([SimModel("a/m:free", first_token=0.0)], clock="real")), api_key="sk-x"
    )
    assert llm.invoke("before").content
    child = os.fork()
    if child == 0:
        os._exit(0 if llm.invoke("in the child").content else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert llm.invoke("after").content
