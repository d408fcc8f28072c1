"""What LangChain's `test_serdes` needs of any package outside its core.

That test calls `load(..., allowed_objects="all")`, which admits only classes in LangChain's own
mapping. Here, and only in these tests, our class is added to that mapping. The package never
touches it: that would widen what every user's process deserializes. The round trip without this
is in `tests/langchain/test_identity.py`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import pytest

PATH = ("langchain_freerouter", "chat_models", "ChatFreeRouter")


@pytest.fixture(autouse=True)
def admit_our_class(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    if request.node.name == "test_serdes":
        load = importlib.import_module("langchain_core.load.load")
        monkeypatch.setitem(load.ALL_SERIALIZABLE_MAPPINGS, PATH, PATH)
        load._default_class_paths_cache.clear()
        yield
        load._default_class_paths_cache.clear()
    else:
        yield
