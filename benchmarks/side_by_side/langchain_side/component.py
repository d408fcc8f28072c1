"""Being a component: pickled, copied, cached, bound."""

from __future__ import annotations

import copy
import json
import pickle

from behaviours import MODEL, OTHER, Package, staged
from langchain_core.caches import InMemoryCache
from langchain_core.load import dumpd
from langchain_core.messages import HumanMessage

from .fixtures import get_weather, shows
from .packages import KEY


@shows("pickled and deep-copied after use")
def _(package: Package) -> None:
    with staged(package) as stage:
        llm = stage.llm()
        llm.invoke("hi")
        assert pickle.loads(pickle.dumps(llm)).invoke("hi").content
        assert copy.deepcopy(llm).invoke("hi").content


@shows("serialised without its key")
def _(package: Package) -> None:
    with staged(package) as stage:
        dumped = dumpd(stage.llm())
        assert dumped["type"] == "constructor", dumped["type"]
        assert KEY not in json.dumps(dumped) + repr(stage.llm())


@shows("a copy with another model is not answered from the cache")
def _(package: Package) -> None:
    with staged(package) as stage:
        llm = stage.llm(cache=InMemoryCache())
        has_model_name = "model_name" in type(llm).model_fields and llm.model_name
        name = "model_name" if has_model_name else "model"
        llm.invoke("hi")
        changed = llm.model_copy(update={name: getattr(llm, name).replace(MODEL, OTHER)})
        changed.invoke("hi")
        assert stage.world.asked == [MODEL, OTHER], stage.world.asked


@shows("tokens counted offline")
def _(package: Package) -> None:
    with staged(package) as stage:
        assert stage.llm().get_num_tokens_from_messages([HumanMessage("one two three four")]) > 0


@shows("`with_fallbacks(...).bind_tools`")
def _(package: Package) -> None:
    with staged(package) as stage:
        both = stage.llm().with_fallbacks([stage.llm(OTHER)])
        assert both.bind_tools([get_weather]).invoke("get_weather in Paris").tool_calls


@shows("usage that summaries trust (`model_provider` is `ls_provider`)")
def _(package: Package) -> None:
    with staged(package) as stage:
        llm = stage.llm()
        params = llm._get_ls_params()  # noqa: SLF001
        assert llm.invoke("hi").response_metadata.get("model_provider") == params["ls_provider"]
