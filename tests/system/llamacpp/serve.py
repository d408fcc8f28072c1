"""Serves a tiny model of random weights with llama.cpp's own server, until standard input ends.

It runs in an environment of its own. The model is made on the spot: two layers, a token for each
byte. Printed are the addresses of three servers: for chats, for embeddings, and one
that embeds other weights under the same name.
"""

from __future__ import annotations

import sys
from pathlib import Path

import gguf
import numpy as np
import xllamacpp

WIDTH, LAYERS, HEADS, INNER = 64, 2, 4, 128
CONTEXT = 2_048
START, END, CALL = range(256, 259)
"""Tokens besides those of the bytes. `CALL` is one token, so that a caller can ask for it."""
SPECIAL = ("<|im_start|>", "<|im_end|>", "<tool_call>\n")
TEMPLATE = Path(__file__).with_name("template.jinja").read_text("utf-8")


def letters() -> list[str]:
    """The letter that stands for each byte in a GPT-2 vocabulary."""
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    other = iter(range(256, 512))
    return [chr(byte) if byte in plain else chr(next(other)) for byte in range(256)]


def write_model(path: Path, seed: int) -> None:
    tokens = [*letters(), *SPECIAL, "th"]
    kinds = gguf.TokenType
    types = [kinds.NORMAL] * 256 + [kinds.CONTROL, kinds.CONTROL, kinds.USER_DEFINED, kinds.NORMAL]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(["t h"])
    writer.add_bos_token_id(START)
    writer.add_eos_token_id(END)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
    random = np.random.default_rng(seed)

    def drawn(name: str, *shape: int) -> None:
        values = random.standard_normal(shape) * 0.2
        writer.add_tensor(f"{name}.weight", values.astype(np.float32))

    def ones(name: str) -> None:
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))

    drawn("token_embd", len(tokens), WIDTH)
    ones("output_norm")
    drawn("output", len(tokens), WIDTH)
    for layer in (f"blk.{n}" for n in range(LAYERS)):
        ones(f"{layer}.attn_norm")
        ones(f"{layer}.ffn_norm")
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            drawn(f"{layer}.{part}", WIDTH, WIDTH)
        drawn(f"{layer}.ffn_gate", INNER, WIDTH)
        drawn(f"{layer}.ffn_up", INNER, WIDTH)
        drawn(f"{layer}.ffn_down", WIDTH, INNER)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def server(path: Path, name: str, pooling: str = "") -> xllamacpp.Server:
    settings = xllamacpp.CommonParams()
    settings.model.path = str(path)
    settings.model_alias = {name}
    settings.hostnames = ["127.0.0.1"]
    settings.port = 0
    settings.n_ctx = CONTEXT
    # With several slots, a text's vector depends on the texts that travel with it.
    settings.n_parallel = 1 if pooling else 2
    settings.cpuparams.n_threads = 1
    settings.warmup = False
    settings.use_jinja = True
    if pooling:
        settings.embedding = True
        kind = f"LLAMA_POOLING_TYPE_{pooling}"
        settings.pooling_type = getattr(xllamacpp.llama_pooling_type, kind)
    return xllamacpp.Server(settings)


def main(folder: Path) -> None:
    write_model(folder / "tiny.gguf", seed=7)
    write_model(folder / "other.gguf", seed=8)
    servers = [
        server(folder / "tiny.gguf", "tiny"),
        server(folder / "tiny.gguf", "tiny-embed", "MEAN"),
        server(folder / "other.gguf", "tiny-embed", "MEAN"),
    ]
    sys.stdout.write(" ".join(server.listening_address for server in servers) + "\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
