"""Why the tracker reads what it reads: the rule or the score behind each decision, in words. Pure.

Derived from the reading and the debate file alone, so that it can be said of any reading, also of one from the database.
"""

from __future__ import annotations

from db.models import AUTHOR, Judgement, Mention, Position, Statement
from nlp.debate import Actor, Debate


def why_name(debate: Debate, mention: Mention, surface: str) -> str:
    """By what a name was found, and linked to an actor or to none."""
    if mention.actor_id is None:
        return f"not in the debate file; a {mention.type} by its form and the words around it (weights reader-linear)"
    return f"{_link(debate.actor(mention.actor_id), surface)} of {mention.actor_id} in the debate file"


def _link(actor: Actor, surface: str) -> str:
    plain = " ".join(surface.split()).casefold()
    for name in sorted(actor.names, key=len, reverse=True):
        if plain == name.casefold() or plain.startswith(f"{name.casefold()} "):
            sure = not actor.ambiguous and not actor.context_for(name)
            return f"name {name!r}" + ("" if sure else ", ambiguous and decided by the words around it,")
    if any(description.casefold() in plain for description in actor.descriptions):
        return "description"
    if set(plain.split()) <= set(actor.name.casefold().split()):
        return "part of the name"
    return "role, affiliation or other form of the name"


def why_statement(statement: Statement) -> str:
    """By what a statement was given its speaker."""
    speaker = statement.speaker
    if speaker.text == AUTHOR:
        return "the text's own words, so its author's view"
    shown = "" if speaker.text == speaker.name else f", which means {speaker.name}"
    return f"{statement.rule or 'context'}: {speaker.text!r}{shown}"


def why_side(debate: Debate, judgement: Judgement) -> str:
    """The scores behind a side."""
    told = [_told(debate, position) for position in judgement.positions]
    return f"{judgement.side} with probability {judgement.score:.2f}; " + (
        "; ".join(told) or "no proposition is sure enough"
    )


def _told(debate: Debate, position: Position) -> str:
    supports = debate.proposition(position.proposition_id).supports or "no side"
    return f"{position.stance}s with {position.proposition_id} (which is for {supports}) with probability {position.score:.2f}"
