"""The trained reader of stances: a text, or a text and a claim -> logits. One pass through a transformer (ONNX) on the CPU.

Deterministic; no network, no database, no torch. How the weights came about and how right they are: models/stance-deberta/card.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from db.models import ModelError, Stance
from nlp.embeddings import check_sha256, cut, load_onnx

FOLDER: Final = Path(__file__).with_name("models") / "stance-deberta"
NAME: Final = FOLDER.name
MAX_TOKENS: Final = 160
"""Of all that is read at once. Of a longer statement the beginning counts, which is where most say what they want."""

BEFORE: Final = 24
AFTER: Final = 12
"""Tokens of the paragraph that are read with a statement: what it answers to, and how the sentence that holds it goes on."""

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Description:
    """What model.json says of the weights beside it."""

    debate: str
    sides: tuple[str, ...]
    """The columns of the side head; the last stands for "no statement"."""
    heads: tuple[tuple[str, Stance], ...]
    """The columns of the stance head: (proposition id, stance)."""
    claim: str
    """What follows every text that is read: the weights started from reading whether one sentence bears out another."""
    propositions: dict[str, str]
    """Proposition id -> the wording it was trained for; another wording is another proposition."""
    calibration: dict[str, float]
    sha256: str
    """Of model.onnx."""
    tokenizer_sha256: str

    @property
    def contested(self) -> list[int]:
        """The columns of the two sides that argue against each other."""
        return [column for column, side in enumerate(self.sides[:-1]) if side not in ("mixed", "neutral")]

    @property
    def key(self) -> str:
        """Names weights and calibration: the same text gets the same scores as long as it is the same."""
        told = json.dumps([self.sha256, self.calibration, self.heads, self.propositions], sort_keys=True)
        return f"{NAME}@{hashlib.sha256(told.encode()).hexdigest()[:12]}"


@lru_cache(maxsize=4)
def describe(folder: Path = FOLDER) -> Description:
    """Reads model.json of a folder; ModelError when it cannot be read."""
    try:
        found = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        return Description(
            debate=found["debate"],
            sides=tuple(found["sides"]),
            heads=tuple((proposition, stance) for proposition, stance in found["heads"]),
            claim=str(found["claim"]),
            propositions=dict(found["propositions"]),
            calibration=dict(found["calibration"]),
            sha256=found["sha256"],
            tokenizer_sha256=found["tokenizer_sha256"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder}: the stance model cannot be read ({error}); install debatewatch again") from error


class Encoder:
    """The model of one folder. `threads`: how many it may use (None: as many as the machine has); results do not depend on it.

    Raises ModelError when a file is missing, damaged, or is not the one that model.json names.
    """

    def __init__(self, folder: Path = FOLDER, *, threads: int | None = None) -> None:
        self.description = describe(folder)
        self.sha256 = _checked(folder)
        self._session, self._tokenizer = load_onnx(folder / "model.onnx", folder / "tokenizer.json", threads)
        self._claim = claim_tokens(self._tokenizer, self.description.claim)

    def read(self, text: str, context: str = "") -> tuple[Logits, Logits]:
        """A stretch of text, and the paragraph it stands in -> logits of the sides (sides,) and of the stances (heads,)."""
        sides, stances = self._run(marked(self._tokenizer, text, context, self._claim), ["sides", "stances"])
        return sides, stances

    def relate(self, text: str, claim: str) -> Logits:
        """A stretch of text and a claim -> logits (3,) that it agrees, disagrees, or says neither."""
        (relation,) = self._run(cut(self._tokenizer.encode(text, claim).ids, MAX_TOKENS), ["relation"])
        return relation

    def _run(self, ids: list[int], outputs: list[str]) -> list[Logits]:
        # One text at a time: in 8 bits the scale of a batch, and with it every score, would depend on its other texts.
        found: list[Any] = self._session.run(outputs, {"ids": np.array([ids], np.int64)})
        return [np.asarray(logits[0], np.float32) for logits in found]


def claim_tokens(tokenizer: Any, claim: str) -> list[int]:
    """The token ids of a claim, as `marked` puts them after a text."""
    return [*tokenizer.encode(claim, add_special_tokens=False).ids, tokenizer.token_to_id("[SEP]")]


def marked(
    tokenizer: Any,
    text: str,
    context: str = "",
    claim: Sequence[int] = (),
    window: tuple[int, int] = (BEFORE, AFTER),
) -> list[int]:
    """Token ids of a stretch of text in square brackets, amid the nearest tokens of its paragraph; at most MAX_TOKENS.

    tokenizer: one of the library tokenizers. claim: what follows (`claim_tokens`). window: tokens before and after. A context
    without the text is left out.
    """
    start = context.find(text)
    around = (context[:start], context[start + len(text) :]) if start >= 0 else ("", "")
    body, before, after = (tokenizer.encode(piece, add_special_tokens=False).ids for piece in (text, *around))
    first, last, opens, closes = (tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]", "▁[", "▁]"))
    most = MAX_TOKENS - 4 - len(claim)
    body = body[:most]
    room = most - len(body)
    before = before[max(0, len(before) - min(window[0], room)) :]
    after = after[: min(window[1], room - len(before))]
    return [first, *before, opens, *body, closes, *after, last, *claim]


@lru_cache(maxsize=4)
def _checked(folder: Path) -> str:
    """The sha256 of the weights, once they and the tokenizer have been found to be those of model.json."""
    description = describe(folder)
    check_sha256(folder / "tokenizer.json", description.tokenizer_sha256)
    return check_sha256(folder / "model.onnx", description.sha256)
