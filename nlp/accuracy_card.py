"""The accuracy card as a table, as JSON, and as a section of the README. Pure but for reading and writing those two files.

nlp/accuracy.json holds the committed figures; the section of the README between its markers is made of them and of nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from db.models import Counts, InputError
from nlp.bootstrap import OURS, Layer, Score

FIGURES: Final = Path(__file__).with_name("accuracy.json")
README: Final = Path(__file__).parents[1] / "README.md"
BEGIN: Final = "<!-- accuracy: written by `debatewatch eval --write-readme` -->"
END: Final = "<!-- end of accuracy -->"

_RULES: Final = (
    "A statement counts as found when its evidence and a labelled one overlap by half: of their union (strict), or of the shorter "
    "of the two (kind)."
)


@dataclass(frozen=True, slots=True)
class Card:
    """The accuracy card."""

    passages: int
    scores: tuple[Score, ...]
    notes: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    """Step -> the version that was scored."""

    def header(self) -> list[str]:
        """Column names of `rows`."""
        return ["layer", "overlap", "method", "measure", "score", "95 % interval", "right", "found", "labelled"]

    def rows(self) -> list[list[str]]:
        """One row a score, as text."""
        return [
            [
                score.layer.name,
                score.layer.rule,
                score.method,
                score.layer.measure,
                f"{score.value:.3f}",
                _interval(score),
                *(str(count) for count in (score.counts.right, score.counts.found, score.counts.labelled)),
            ]
            for score in self.scores
        ]

    def to_json(self) -> dict[str, Any]:
        """The same, for a program: `scores` is a list, so that a baseline stands beside what it is compared with."""
        return {
            "passages": self.passages,
            "versions": dict(self.versions),
            "scores": [
                {
                    "layer": score.layer.name,
                    "overlap": score.layer.rule or None,
                    "method": score.method,
                    "measure": score.layer.measure,
                    "value": score.value,
                    "low": score.low,
                    "high": score.high,
                    **asdict(score.counts),
                }
                for score in self.scores
            ],
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Card:
        """The card that `to_json` told of."""
        return cls(
            values["passages"],
            tuple(
                Score(
                    Layer(row["layer"], row["measure"], row["overlap"] or ""),
                    row["method"],
                    row["value"],
                    row["low"],
                    row["high"],
                    Counts(row["right"], row["found"], row["labelled"]),
                )
                for row in values["scores"]
            ),
            tuple(values["notes"]),
            values["versions"],
        )

    def to_markdown(self) -> str:
        """The section of the README: one line for each layer and method, both rules of overlap side by side."""
        lines = [
            f"`debatewatch eval` scores every layer on {self.passages} labelled passages that nothing was trained or tuned on, "
            "with 95 % bootstrap intervals and simple methods beside it.",
            _RULES,
            "Extraction was developed with the same public pages in view; CrossNER's names are its own.",
            "",
            "| layer | measure | method | strict, or no overlap needed | kind | labelled |",
            "|---|---|---|---|---|---|",
        ]
        kind = {(s.layer.name, s.method): s for s in self.scores if s.layer.rule == "half"}
        for score in self._strict_first():
            kinder = kind.get((score.layer.name, score.method))
            strict = "" if score is kinder else f"{score.value:.3f} ({_interval(score)})"
            counted = score.counts.found if score.layer.measure == "share" else score.counts.labelled
            cells = [
                score.layer.name,
                score.layer.measure,
                score.method,
                strict,
                f"{kinder.value:.3f} ({_interval(kinder)})" if kinder else "",
                str(counted),
            ]
            lines.append(f"| {' | '.join(cells)} |".replace("|  |", "| |"))
        return "\n".join(lines)

    def _strict_first(self) -> Iterator[Score]:
        """Each layer and method once, the strict score where there are two; what is compared stands together."""
        order = {name: at for at, name in reversed(list(enumerate(s.layer.name for s in self.scores)))}
        seen = set()
        for score in sorted(self.scores, key=lambda s: (order[s.layer.name], s.method != OURS)):
            if (score.layer.name, score.method) not in seen:
                seen.add((score.layer.name, score.method))
                yield score


def _interval(score: Score) -> str:
    return f"{score.low:.3f} to {score.high:.3f}"


def committed() -> Card:
    """The card of nlp/accuracy.json."""
    return Card.from_json(json.loads(FIGURES.read_text(encoding="utf-8")))


def with_section(readme: str, card: Card) -> str:
    """A README's text with the card between its markers; InputError when the markers are not there once."""
    if readme.count(BEGIN) != 1 or readme.count(END) != 1:
        raise InputError(f"{README}: needs the lines {BEGIN} and {END} once each")
    before, _, rest = readme.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{card.to_markdown()}\n\n{END}{rest.partition(END)[2]}"


def commit(card: Card) -> None:
    """Writes nlp/accuracy.json and the section of the README; InputError outside a checkout, or for a card that lacks a layer."""
    if not README.is_file():
        raise InputError(f"{README}: not there; --write-readme works in a checkout only")
    if card.notes:
        raise InputError(f"the card is not whole and was not written: {'; '.join(card.notes)}")
    text = with_section(README.read_text(encoding="utf-8"), card)
    FIGURES.write_text(json.dumps(card.to_json(), indent=1) + "\n", encoding="utf-8")
    README.write_text(text, encoding="utf-8")
