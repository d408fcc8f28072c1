"""`model_row`: a model as the lists of OpenAI and OpenRouter show it, with every field."""

from __future__ import annotations

from ...catalogue.model import Mode, Model
from ..as_json import JsonObject

_MODALITIES = ("text", "image", "file", "audio", "video")
"""Inputs, in OpenRouter's order."""
_OUTPUTS: dict[Mode, str] = {"chat": "text", "embedding": "embeddings", "rerank": "rerank"}


def model_row(model: Model) -> JsonObject:
    """OpenAI's fields, and OpenRouter's public ones. A free model is priced 0."""
    inputs = [kind for kind in _MODALITIES if kind in model.inputs]
    output = _OUTPUTS[model.mode]
    return {
        "id": model.id,
        "object": "model",
        "created": 0,
        "owned_by": model.provider,
        "canonical_slug": model.id,
        "hugging_face_id": None,
        "name": model.id,
        "description": "",
        "context_length": model.context,
        "architecture": {
            "modality": f"{'+'.join(inputs)}->{output}",
            "input_modalities": inputs,
            "output_modalities": [output],
            "tokenizer": "Other",
            "instruct_type": None,
        },
        "pricing": _pricing(model),
        "top_provider": {
            "context_length": model.context,
            "max_completion_tokens": model.max_output,
            "is_moderated": False,
        },
        "per_request_limits": None,
        "supported_parameters": sorted(model.parameters),
        "supported_voices": None,
        "default_parameters": None,
        "knowledge_cutoff": None,
        "expiration_date": None,
        "links": {"details": f"/api/v1/models/{model.id}/endpoints"},
    }


def endpoint_row(model: Model) -> JsonObject:
    """The one endpoint of a model at its provider."""
    return {
        "name": f"{model.provider} | {model.id}",
        "model_id": model.id,
        "model_name": model.id,
        "provider_name": model.provider,
        "tag": model.provider,
        "quantization": None,
        "context_length": model.context,
        "max_completion_tokens": model.max_output,
        "max_prompt_tokens": None,
        "pricing": _pricing(model),
        "supported_parameters": sorted(model.parameters),
        "supports_implicit_caching": False,
        "supports_tool_choice": {
            "auto": model.takes("tools"),
            "none": model.takes("tool_choice"),
            "required": model.takes("tool_choice"),
            "function": model.takes("tool_choice"),
        },
        "supports_voice_cloning": False,
        "status": 0,
        "uptime_last_5m": None,
        "uptime_last_1d": None,
        "uptime_last_30m": None,
        "latency_last_30m": None,
        "throughput_last_30m": None,
    }


def _pricing(model: Model) -> JsonObject:
    prompt, completion = model.prompt_price, model.completion_price
    if model.free:
        prompt = completion = 0.0
    return {
        name: "0" if not price else f"{price:.12f}".rstrip("0")
        for name, price in (
            ("prompt", prompt),
            ("completion", completion),
            ("request", 0.0),
            ("image", 0.0),
            ("web_search", 0.0),
            ("internal_reasoning", 0.0),
        )
    }
