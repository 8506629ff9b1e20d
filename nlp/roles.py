"""Who is meant by an office: "the Baidu founder", "OpenAI's chief executive", "the chair of the FTC", on the text's date. Pure.

The affiliations of debate.toml answer; where they leave two people to choose from, nobody is meant.
"""

import re
from collections.abc import Sequence
from datetime import date

from db.models import Mention
from nlp.debate import Actor, Debate

_CHIEF = r"chief executive(?: officer)?|CEO|ceo|chief|boss|head"
_OFFICES = {
    rf"(?:{_CHIEF})": r"chief executive|\bceo\b",
    r"(?:co-?founder and )?chief scientist": r"chief scientist",
    r"chief AI scientist": r"chief ai scientist",
    r"(?:co-?)?founder": r"founder",
    r"(?:chair|chairman|chairwoman|chairperson)": r"chair",
    r"president": r"^president|and president|president and",
}
_OFFICE = "|".join(f"(?P<o{number}>{pattern})" for number, pattern in enumerate(_OFFICES))
_AFTER = re.compile(rf"(?:['’]s)? (?P<former>former |then |onetime |ex-)?(?:{_OFFICE})(?!\w|-| [A-ZÀ-Þ])")
_BEFORE = re.compile(rf"(?:[Tt]he|[Ii]ts) (?P<former>former |then |onetime |ex-)?(?:{_OFFICE}) (?:of|at) (?:the )?$")
_THE = re.compile(r"[Tt]he (?P<former>former |onetime |ex-)?$")


def find_offices(text: str, mentions: Sequence[Mention], debate: Debate, day: date | None) -> list[Mention]:
    """Persons of the debate file whom the text calls by office and organisation; `day` is the text's date, None when unknown.

    "the Meta chief Mark Zuckerberg" is left to the name.
    """
    taken = [(m.start, m.end) for m in mentions if m.type == "person"]
    found: list[Mention] = []
    for mention in mentions:
        if mention.actor_id is None or mention.type == "person":
            continue
        window = text[max(0, mention.start - 60) : mention.start]
        after, before = _AFTER.match(text, mention.end), _BEFORE.search(window)
        match = after or before
        if match is None:
            continue
        article = _THE.search(window)
        if after is not None:
            start, end = (mention.start - len(article.group()) if article else mention.start), after.end()
            former = bool(after.group("former")) or bool(article and article.group("former"))
        else:
            start, end = mention.start - len(window) + match.start(), mention.end
            former = bool(match.group("former"))
        office = next(role for number, role in enumerate(_OFFICES.values()) if match.group(f"o{number}"))
        holder = _holder(debate, mention.actor_id, office, day, former)
        if holder is not None and not any(a < end and start < b for a, b in taken):
            found.append(Mention(start, end, "person", holder.name, holder.id))
    return found


def _holder(debate: Debate, organisation: str, office: str, day: date | None, former: bool) -> Actor | None:
    """The one person who held the office there on the day; founders remain founders."""
    holders = []
    for actor in debate.actors:
        for held in actor.affiliations if actor.kind == "person" else ():
            if held.actor != organisation or not re.search(office, held.role, re.IGNORECASE):
                continue
            lasting = office == "founder"
            now = held.end is None if day is None else held.covers(day)
            if lasting or now != former:
                holders.append(actor)
                break
    return holders[0] if len(holders) == 1 else None


def holds(mention: Mention, text: str, mentions: Sequence[Mention], debate: Debate, day: date | None) -> bool:
    """Whether a description of a person by an office was still true on the day: "Meta's chief AI scientist" was until it was not.

    True where nothing speaks against it: no date, no organisation in it, or a founder's or a former office.
    """
    surface = text[mention.start : mention.end]
    if (
        day is None
        or mention.type != "person"
        or mention.actor_id is None
        or re.search(r"founder|former|ex-|then", surface)
    ):
        return True
    inside = {m.actor_id for m in mentions if mention.start <= m.start and m.end <= mention.end and m is not mention}
    at = [held for held in debate.actor(mention.actor_id).affiliations if held.actor in inside]
    return not at or any(held.covers(day) for held in at)
