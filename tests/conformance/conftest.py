"""The one shim that LangChain's `test_serdes` needs, said openly.

`load(..., allowed_objects="all")`, which that test uses, admits only classes listed in LangChain's own mapping; no outside package
can pass it unaided. Here, and only in these tests, our class is added to that list. The package itself never touches it:
that would widen what every user's process deserializes. `tests/adapters/test_langchain.py` proves the round trip without the shim.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import pytest

PATH = ("langchain_freerouter", "chat_models", "ChatFreeRouter")


@pytest.fixture(autouse=True)
def admitted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if request.node.name == "test_serdes":
        load = importlib.import_module("langchain_core.load.load")
        monkeypatch.setitem(load.ALL_SERIALIZABLE_MAPPINGS, PATH, PATH)
        load._default_class_paths_cache.clear()
        yield
        load._default_class_paths_cache.clear()
    else:
        yield
