"""The recipe of `nlp/models/stance-mpnet`: labelled passages -> a transformer that reads side, propositions and claims.

    python -m nlp.train --base DIR --pairs DIR [--labels nlp/labels ...] [--seed 0]

needs the extra `train` (torch, transformers, onnx) and the published all-mpnet-base-v2 (model.safetensors, config.json,
tokenizer.json). Of its lower eight layers the upper four are fine-tuned with three heads at once (Caruana 1997): the side of a
stretch of text (or that it carries no statement), its stance on each shipped proposition, and, given a text and any claim in plain
words, whether the text agrees. Then exported to ONNX in 8 bits (dynamic quantisation, one scale a channel), calibrated on passages
that were not trained on, scored on the held-out passages, and described in a card. Everything that torch is not needed for lives in
nlp/training_set.py and nlp/calibration.py.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional
from transformers import AutoModel

from nlp import training_set
from nlp.calibration import calibrate, description, held_out_scores
from nlp.debate import Debate, load_debate
from nlp.encoder import FOLDER, MAX_TOKENS
from nlp.model_card import write_card
from nlp.scoring import Passage
from nlp.training_set import NONE, PAIR_CLASSES, Example, Pair

LAYERS: Final = 8
"""Of 12: the upper ones serve the similarity of sentences; without them the file stays under 90 MB and a statement takes 17 ms."""
FROZEN: Final = 4
"""The lower layers stay as published; what they make of each text is computed once, which makes an epoch twice as fast."""
EPOCHS: Final = 6
BATCH: Final = 16
RATE: Final = 1e-4
HEAD_RATE: Final = 3e-4
SMOOTHING: Final = 0.05
STANCE_WEIGHT: Final = 24.0
"""Of the mean loss over all (proposition, stance) heads, of which nearly all are zeros."""
SILENT: Final = 0.4
"""Examples without a statement, for each one with."""
PAIRS: Final = 0.25
"""Pairs of text and claim in an epoch, for each example of the main task; each epoch has its own."""
MIN_EXAMPLES: Final = 10


class StanceNetwork(nn.Module):  # type: ignore[misc]
    """The encoder's lower layers with a head each for sides, stances and pairs, on the first and the mean token vector."""

    def __init__(self, base: Path, layers: int, sides: int, stances: int) -> None:
        super().__init__()
        self.encoder = AutoModel.from_pretrained(base, dtype=torch.float32)
        self.encoder.encoder.layer = self.encoder.encoder.layer[:layers]
        for fixed in (
            self.encoder.embeddings,
            self.encoder.encoder.relative_attention_bias,
            *self.encoder.encoder.layer[:FROZEN],
        ):
            fixed.requires_grad_(False)
        self.width = self.encoder.config.hidden_size
        self.dropout = nn.Dropout(0.1)
        self.sides, self.stances = nn.Linear(2 * self.width, sides), nn.Linear(2 * self.width, stances)
        self.relation = nn.Linear(2 * self.width, len(PAIR_CLASSES))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(n, tokens) ids and mask -> logits of sides (n, sides), stances (n, stances) and relations (n, 3)."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return self._heads(hidden, attention_mask)

    def lower(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """(n, tokens) ids and mask -> what the frozen layers make of them, (n, tokens, width)."""
        hidden = self.encoder.embeddings(input_ids=input_ids)
        return self._through(self.encoder.encoder.layer[:FROZEN], hidden, attention_mask)

    def upper(self, hidden: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The rest of `forward`, from what `lower` made."""
        hidden = self._through(self.encoder.encoder.layer[FROZEN:], hidden, attention_mask)
        return self._heads(hidden, attention_mask)

    def _through(self, layers: Sequence[nn.Module], hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        shut = (1.0 - attention_mask[:, None, None, :].to(hidden.dtype)) * torch.finfo(hidden.dtype).min
        places = self.encoder.encoder.compute_position_bias(hidden)
        for layer in layers:
            hidden = layer(hidden, shut, places)[0]
        return hidden

    def _heads(self, hidden: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
        mask = attention_mask[..., None].to(hidden.dtype)
        pooled = torch.cat([hidden[:, 0], (hidden * mask).sum(1) / mask.sum(1)], dim=1)
        pooled = self.dropout(pooled)
        return self.sides(pooled), self.stances(pooled), self.relation(pooled)


class _Texts:
    """Tokenised texts with what the frozen layers make of each, in batches of like length: little is computed on padding, and the
    two of a minimal pair, which are of like length, meet in one batch more often than not.
    """

    def __init__(self, network: StanceNetwork, encodings: Sequence[Any], pad: int) -> None:
        self._hidden: list[torch.Tensor] = [torch.empty(0)] * len(encodings)
        self._width = network.width
        order = sorted(range(len(encodings)), key=lambda i: len(encodings[i].ids))
        network.eval()
        with torch.no_grad():
            for start in range(0, len(order), 2 * BATCH):
                rows = order[start : start + 2 * BATCH]
                longest = len(encodings[rows[-1]].ids)
                ids = torch.full((len(rows), longest), pad)
                mask = torch.zeros((len(rows), longest), dtype=torch.long)
                for row, i in enumerate(rows):
                    ids[row, : len(encodings[i].ids)] = torch.tensor(encodings[i].ids)
                    mask[row, : len(encodings[i].ids)] = 1
                hidden = network.lower(ids, mask).half()
                for row, i in enumerate(rows):
                    self._hidden[i] = hidden[row, : len(encodings[i].ids)].clone()

    def batches(
        self, chosen: Sequence[int], rng: random.Random
    ) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor]]:
        """The chosen texts, each once: their numbers, hidden states (n, tokens, width) and mask (n, tokens)."""
        order = rng.sample(chosen, len(chosen))
        batches: list[list[int]] = []
        for start in range(0, len(order), BATCH * 20):
            chunk = sorted(order[start : start + BATCH * 20], key=lambda i: len(self._hidden[i]))
            batches += [chunk[i : i + BATCH] for i in range(0, len(chunk), BATCH)]
        for rows in rng.sample(batches, len(batches)):
            longest = max(len(self._hidden[i]) for i in rows)
            hidden = torch.zeros((len(rows), longest, self._width))
            mask = torch.zeros((len(rows), longest), dtype=torch.long)
            for row, i in enumerate(rows):
                hidden[row, : len(self._hidden[i])] = self._hidden[i].float()
                mask[row, : len(self._hidden[i])] = 1
            yield rows, hidden, mask


def train(
    network: StanceNetwork,
    tokenizer: Tokenizer,
    examples: Sequence[Example],
    pairs: Sequence[Pair],
    sides: Sequence[str],
    heads: Sequence[tuple[str, str]],
    rng: random.Random,
) -> None:
    """Fine-tunes the network in place; prints the mean loss and the seconds of each epoch."""
    pad = int(tokenizer.token_to_id("<pad>") or 0)
    texts = _Texts(network, tokenizer.encode_batch([example.text for example in examples]), pad)
    claims = _Texts(network, tokenizer.encode_batch([(pair.text, pair.claim) for pair in pairs]), pad)
    side = torch.tensor([sides.index(example.side) for example in examples])
    stance = torch.tensor([[float(head in example.stances) for head in heads] for example in examples])
    relation = torch.tensor([PAIR_CLASSES.index(pair.relation) for pair in pairs])
    share = len(pairs) // EPOCHS
    steps = EPOCHS * (math.ceil(len(examples) / BATCH) + math.ceil(share / BATCH))
    optimiser = torch.optim.AdamW(_groups(network))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1.0, (step + 1) / (0.06 * steps)) * max(0.0, (steps - step) / steps)
    )
    network.train()
    for epoch in range(EPOCHS):
        started, total, number = time.monotonic(), 0.0, 0
        main = texts.batches(range(len(examples)), rng)
        other = claims.batches(range(epoch * share, (epoch + 1) * share), rng)
        kinds = ["main"] * math.ceil(len(examples) / BATCH) + ["pairs"] * math.ceil(share / BATCH)
        for kind in rng.sample(kinds, len(kinds)):
            rows, hidden, mask = next(main if kind == "main" else other)
            side_logits, stance_logits, relation_logits = network.upper(hidden, mask)
            if kind == "main":
                loss = functional.cross_entropy(side_logits, side[rows], label_smoothing=SMOOTHING)
                loss = loss + STANCE_WEIGHT * functional.binary_cross_entropy_with_logits(stance_logits, stance[rows])
            else:
                loss = functional.cross_entropy(relation_logits, relation[rows], label_smoothing=SMOOTHING)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            total, number = total + loss.item(), number + 1
            if number % 100 == 0:
                print(f"  {number}/{len(kinds)} {total / number:.3f} {time.monotonic() - started:.0f} s", flush=True)
        print(f"epoch {epoch + 1}: loss {total / number:.3f}, {time.monotonic() - started:.0f} s", flush=True)


def _groups(network: StanceNetwork) -> list[dict[str, Any]]:
    """What is trained, heads faster than layers; no decay of weights on biases and norms."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            rate = RATE if name.startswith("encoder.") else HEAD_RATE
            decay = 0.0 if name.endswith(("bias", "LayerNorm.weight")) else 0.01
            groups.setdefault((rate, decay), []).append(parameter)
    return [{"params": p, "lr": rate, "weight_decay": decay} for (rate, decay), p in groups.items()]


def export(network: StanceNetwork, path: Path) -> None:
    """Writes the network as 8-bit ONNX: weights of products and of the vocabulary in int8, one scale a channel."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    network.eval()
    ids = torch.randint(5, 1000, (2, 24))
    whole = path.with_suffix(".float.onnx")
    dynamic = {"input_ids": {0: "n", 1: "tokens"}, "attention_mask": {0: "n", 1: "tokens"}}
    outputs = ["sides", "stances", "relation"]
    torch.onnx.export(
        network,
        (ids, torch.ones_like(ids)),
        str(whole),
        input_names=list(dynamic),
        output_names=outputs,
        dynamic_axes={**dynamic, **{name: {0: "n"} for name in outputs}},
        opset_version=17,
        dynamo=False,
    )
    quantize_dynamic(
        str(whole), str(path), per_channel=True, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gather"]
    )
    whole.unlink()


def run(
    labels: Sequence[Path], base: Path, public: Path, folder: Path, debate: Debate, *, seed: int, layers: int = LAYERS
) -> dict[str, Any]:
    """Trains, exports, calibrates and scores; writes model.onnx, model.json, tokenizer.json and card.md; returns the scores."""
    rng = random.Random(seed)  # noqa: S311 - seeded, so that it can be repeated
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    passages = training_set.load_labels(labels)
    learnt = [p for p in passages if training_set.part(p["id"]) == "train"]
    spoken = [example for passage in learnt for example in training_set.statements(passage)]
    training_set.check_sides(spoken, debate, MIN_EXAMPLES, ", ".join(map(str, labels)))
    silent = [e for passage in learnt for e in training_set.silences(passage, rng)]
    cut_otherwise, mistaken = training_set.as_read(debate, learnt)
    silent = [*mistaken, *rng.sample(silent, len(silent))][: max(len(mistaken), int(SILENT * len(spoken)))]
    heads = training_set.heads(spoken, debate, MIN_EXAMPLES)
    spoken += cut_otherwise
    pairs = training_set.debate_pairs(spoken, debate, rng) + list(training_set.public_pairs(public, rng))
    pairs = rng.sample(pairs, min(len(pairs), EPOCHS * int(PAIRS * (len(spoken) + len(silent)))))
    sides = (*(side.id for side in debate.sides), NONE)
    print(
        f"{len(spoken)} statements, {len(silent)} without ({len(mistaken)} mistaken), {len(pairs)} pairs, {len(heads)} heads"
    )
    network = StanceNetwork(base, layers, len(sides), len(heads))
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    train(network, tokenizer, [*spoken, *silent], pairs, sides, heads, rng)
    folder.mkdir(parents=True, exist_ok=True)
    export(network, folder / "model.onnx")
    shutil.copyfile(base / "tokenizer.json", folder / "tokenizer.json")
    told = description(folder, debate, sides, heads, seed)
    (folder / "model.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return finish(folder, debate, passages, public)


def finish(folder: Path, debate: Debate, passages: Sequence[Passage], public: Path) -> dict[str, Any]:
    """Calibrates the weights in a folder, scores them and writes their card; returns the scores."""
    calibrate(folder, debate, passages, public)
    scores = held_out_scores(folder, debate, passages, public)
    write_card(folder, scores, layers=LAYERS)
    return scores


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of the recipe."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, required=True, help="Folder of the published all-mpnet-base-v2.")
    parser.add_argument("--pairs", type=Path, required=True, help="Folder with perspectrum.jsonl.gz.")
    parser.add_argument("--labels", type=Path, action="append", help="Folder of labelled passages; may be repeated.")
    parser.add_argument("--output", type=Path, default=FOLDER)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    labels = options.labels or [Path(__file__).with_name("labels")]
    scores = run(labels, options.base, options.pairs, options.output, load_debate(), seed=options.seed)
    print(json.dumps(scores, indent=1))


if __name__ == "__main__":
    main()
