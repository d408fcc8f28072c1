"""Being a component: pickled, copied, serialised, used by an index."""

from __future__ import annotations

import copy
import json
import pickle

from behaviours import Package, staged
from llama_index.core import Document, SummaryIndex

from .fixtures import shows
from .packages import KEY


@shows("a window wide enough that a query is one call")
def _(package: Package) -> None:
    with staged(package) as stage:
        documents = [Document(text="word " * 900) for _ in range(4)]
        SummaryIndex.from_documents(documents).as_query_engine(llm=stage.llm()).query("what?")
        assert len(stage.bodies) == 1, f"{len(stage.bodies)} calls"


@shows("pickled and deep-copied after use")
def _(package: Package) -> None:
    with staged(package) as stage:
        llm = stage.llm()
        llm.complete("hi")
        assert pickle.loads(pickle.dumps(llm)).complete("hi").text
        assert copy.deepcopy(llm).complete("hi").text


@shows("`to_dict`, `to_json` and `repr` without its key")
def _(package: Package) -> None:
    with staged(package) as stage:
        llm = stage.llm()
        assert KEY not in json.dumps(llm.to_dict()) + llm.to_json() + repr(llm)


@shows("events carry a model and a temperature")
def _(package: Package) -> None:
    with staged(package) as stage:
        payload = stage.llm().to_payload()
        assert payload.get("model")
        assert payload.get("temperature") is not None
