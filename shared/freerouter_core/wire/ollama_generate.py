"""Ollama's `/api/generate` and `/api/show` from the server's side.

A prompt is a chat of one message.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..catalogue.model import Model
from ..errors import BadRequest
from .json_values import Json
from .ollama import OllamaRequest, read_chat

_SAME = ("model", "format", "options", "stream", "think", "fresh")
"""Fields that mean in a chat what they mean here. `template`, `raw`, `context` and `keep_alive` are
for a model on this machine."""
_CAPABILITIES = {
    "tools": ("tools", "parameters"),
    "vision": ("image", "inputs"),
    "thinking": ("reasoning", "parameters"),
}
"""Ollama's words for what a model can do: what ours call it, and where it stands."""


def read_generate(body: object) -> OllamaRequest | None:
    """The request in a client's body. None: there is no prompt, only a model to load.

    Raises:
        BadRequest: a field is in no known form, or asks for what no chat model does.
    """
    if not isinstance(body, Mapping):
        raise BadRequest("the body must be an object with a prompt")
    prompt, system, images = (body.get(name) or "" for name in ("prompt", "system", "images"))
    if not isinstance(prompt, str) or not isinstance(system, str):
        raise BadRequest("prompt and system must be text")
    if body.get("suffix"):
        raise BadRequest(
            "suffix is not served: chat models fill no gaps",
            hint="leave suffix out, and say in the prompt what is to be written",
        )
    if not prompt and not images:
        return None
    said: Json = {"role": "user", "content": prompt}
    if images:
        said["images"] = images
    before = [{"role": "system", "content": system}] if system else []
    kept = {name: body[name] for name in _SAME if name in body}
    return read_chat({**kept, "messages": [*before, said]})


def write_generated(line: Json) -> Json:
    """A line of a chat as `/api/generate` has it."""
    rest = {name: value for name, value in line.items() if name != "message"}
    message = line["message"]
    thought = {"thinking": message["thinking"]} if "thinking" in message else {}
    return {**rest, "response": message["content"], **thought}


def write_loaded(body: object, at: str) -> Json:
    """The answer to a request without a prompt, by which clients have a model loaded."""
    model = body.get("model") if isinstance(body, Mapping) else None
    said = {"response": "", "done": True, "done_reason": "load"}
    return {"model": model or "auto", "created_at": at, **said}


def write_shown(model: Model, at: str) -> Json:
    """What is known of a model. Nothing of it is on this machine."""
    able = [
        word
        for word, (name, where) in _CAPABILITIES.items()
        if name in getattr(model, where) and name not in model.lacks
    ]
    return {
        "license": "",
        "modelfile": "",
        "parameters": "",
        "template": "{{ .Prompt }}",
        "details": {
            "parent_model": "", "format": "", "family": "", "families": None,
            "parameter_size": "", "quantization_level": "",
        },
        "model_info": {
            "general.architecture": "freerouter",
            "freerouter.context_length": model.context,
        },
        "capabilities": ["completion", *able],
        "modified_at": at,
    }  # fmt: skip
