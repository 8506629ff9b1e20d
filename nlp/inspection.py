"""What the tracker reads in one text, for a person who wants to know why it thinks what it thinks. Stores nothing.

The same reader and the same judge as the analysis: what `inspect` shows is what the database would hold.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click

from db.models import AUTHOR, Judgement, Mention, Statement, paragraph
from nlp.debate import Debate
from nlp.explanations import why_name, why_side, why_statement
from nlp.reader import Reader, ReadFailure, Reading, ReadInput
from nlp.stance import StanceInput, StanceModel

_TERMINAL_COLORS = {"open": "blue", "closed": "red", "mixed": "magenta"}


@dataclass(frozen=True, slots=True)
class Inspection:
    """A text with what was read in it; `statements` and `judgements` go pairwise."""

    text: str
    debate: Debate
    mentions: tuple[Mention, ...]
    statements: tuple[Statement, ...]
    judgements: tuple[Judgement, ...]

    def to_json(self, *, explain: bool = False) -> dict[str, Any]:
        """`entities` and `statements` with the keys of the README's contract; with `explain` also `rule` and `why`."""
        return {
            "entities": [self._entity(mention, explain) for mention in self.mentions],
            "statements": [
                self._statement(statement, judgement, explain)
                for statement, judgement in zip(self.statements, self.judgements, strict=True)
            ],
        }

    def _entity(self, mention: Mention, explain: bool) -> dict[str, Any]:
        surface = self.text[mention.start : mention.end]
        found = {
            "start": mention.start,
            "end": mention.end,
            "text": surface,
            "type": mention.type,
            "actor": mention.actor_id,
            "name": mention.name,
        }
        return {**found, "why": why_name(self.debate, mention, surface)} if explain else found

    def _statement(self, statement: Statement, judgement: Judgement, explain: bool) -> dict[str, Any]:
        speaker = statement.speaker
        found = {
            "start": statement.start,
            "end": statement.end,
            "text": self.text[statement.start : statement.end],
            "speaker": {
                "text": speaker.text,
                "start": speaker.start,
                "end": speaker.end,
                "actor": speaker.actor_id,
                "name": speaker.name,
            },
            "kind": statement.kind,
            "side": judgement.side,
            "score": round(judgement.score, 4),
            "propositions": [
                {"id": position.proposition_id, "stance": position.stance, "score": round(position.score, 4)}
                for position in judgement.positions
            ],
        }
        if not explain:
            return found
        why = {"speaker": why_statement(statement), "side": why_side(self.debate, judgement)}
        return {**found, "rule": statement.rule, "why": why}

    def to_terminal(self, *, explain: bool = False) -> str:
        """The text with its statements coloured by side, and below it who says what; colours vanish where there is no terminal."""
        names = {side.id: side.name for side in self.debate.sides}
        lines = [self._marked(), ""]
        for number, (statement, judgement) in enumerate(zip(self.statements, self.judgements, strict=True), 1):
            speaker = statement.speaker
            who = speaker.name if speaker.text in (speaker.name, AUTHOR) else f"{speaker.name} ({speaker.text!r})"
            side = click.style(
                names.get(judgement.side, judgement.side), fg=_TERMINAL_COLORS.get(judgement.side), bold=True
            )
            lines.append(f"{number}. {click.style(who, bold=True)}: {side} {judgement.score:.2f}, {statement.kind}")
            lines.append(f"   {' '.join(self.text[statement.start : statement.end].split())}")
            for position in judgement.positions:
                proposition = self.debate.proposition(position.proposition_id)
                lines.append(f"   {position.stance}s {position.score:.2f}: {proposition.text}")
            if explain:
                actor = speaker.actor_id or "not in the debate file"
                where = f"characters {statement.start}-{statement.end}"
                lines.append(f"   speaker: {why_statement(statement)}; actor: {actor}; {where}")
                lines.append(f"   side: {why_side(self.debate, judgement)}")
        if not self.statements:
            lines.append("No statement found.")
        linked = sorted({f"{mention.name} [{mention.actor_id or mention.type}]" for mention in self.mentions})
        lines += ["", "Names: " + (", ".join(linked) or "none")]
        if explain:
            said = {
                text: why_name(self.debate, m, text) for m in self.mentions for text in [self.text[m.start : m.end]]
            }
            lines += [f"   {' '.join(surface.split())}: {why}" for surface, why in said.items()]
        return "\n".join(lines)

    def _marked(self) -> str:
        pieces, position = [], 0
        for statement, judgement in zip(self.statements, self.judgements, strict=True):
            if statement.start < position:
                continue  # A quotation within a statement: it has its own line below.
            pieces.append(self.text[position : statement.start])
            span = self.text[statement.start : statement.end]
            pieces.append(click.style(span, fg=_TERMINAL_COLORS.get(judgement.side), underline=True))
            position = statement.end
        return "".join([*pieces, self.text[position:]]).strip()


class Inspector:
    """Loads reader and judge once; reads any number of texts."""

    def __init__(self, debate: Debate) -> None:
        self._debate = debate
        self.reader = Reader(debate)
        self.stance = StanceModel.for_debate(debate)

    def inspect(self, text: str, *, author: str | None = None, published_at: datetime | None = None) -> Inspection:
        """One text. author: who signs it; an own opinion is filed under that name, else under AUTHOR."""
        return self._judged(text, self.reader.read_one(ReadInput("", text, author=author, published_at=published_at)))

    def inspect_lines(
        self,
        lines: Iterable[str],
        *,
        default_author: str | None = None,
        default_date: datetime | None = None,
        explain: bool = False,
    ) -> Iterator[dict[str, Any]]:
        """JSON objects {"id", "text", "author"?, "date"?}, one a line -> the object of `to_json` with its `id`, in order.

        A line that cannot be read becomes {"id", "error"}; blank lines are skipped.
        """
        batch: list[ReadInput | dict[str, Any]] = []
        for line in lines:
            if line.strip():
                batch.append(_parse(line, default_author, default_date))
            if len(batch) == 64:
                yield from self._inspect_batch(batch, explain)
                batch = []
        yield from self._inspect_batch(batch, explain)

    def _inspect_batch(self, batch: Sequence[ReadInput | dict[str, Any]], explain: bool) -> Iterator[dict[str, Any]]:
        readings = self.reader.read([item for item in batch if isinstance(item, ReadInput)])
        for item in batch:
            if isinstance(item, dict):
                yield item
                continue
            reading = next(readings)
            if isinstance(reading, ReadFailure):
                yield {"id": item.id, "error": reading.error}
            else:
                yield {"id": item.id, **self._judged(item.text, reading).to_json(explain=explain)}

    def _judged(self, text: str, reading: Reading) -> Inspection:
        inputs = [
            StanceInput(
                text=text[statement.start : statement.end],
                speaker=statement.speaker.name,
                context=paragraph(text, statement.start, statement.end),
                title="",
            )
            for statement in reading.statements
        ]
        judged = zip(reading.statements, self.stance.judge(inputs), strict=True)
        kept = [(statement, judgement) for statement, judgement in judged if judgement is not None]
        return Inspection(
            text, self._debate, reading.mentions, tuple(s for s, _ in kept), tuple(judgement for _, judgement in kept)
        )


def _parse(line: str, default_author: str | None, default_date: datetime | None) -> ReadInput | dict[str, Any]:
    try:
        values = json.loads(line)
    except ValueError as error:
        return {"id": None, "error": f"not JSON: {error}"}
    if not isinstance(values, dict) or not isinstance(values.get("text"), str):
        identity = values.get("id") if isinstance(values, dict) else None
        return {"id": identity, "error": 'needs {"id": ..., "text": "..."}'}
    try:
        published_at = datetime.fromisoformat(str(values["date"])) if values.get("date") else default_date
    except ValueError:
        return {"id": values.get("id"), "error": f"{values['date']!r} is not a date; write it as 2024-03-14"}
    if published_at is not None and published_at.tzinfo is None:
        published_at = published_at.replace(tzinfo=UTC)
    author = values.get("author")
    return ReadInput(
        values.get("id", ""),
        values["text"],
        author=str(author) if author else default_author,
        published_at=published_at,
    )
