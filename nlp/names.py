"""Names of people, organisations and laws that debate.toml does not know, and the second mentions of those it does.

The kinds are decided by trained weights over the features of `nlp.name_runs`. No input or output.
"""

import re
from collections.abc import Iterable, Mapping

from spacy.tokens import Doc

from db.models import Mention
from nlp.lexicon import lexicon, surname
from nlp.name_runs import Features, name_rows, name_runs
from nlp.units import split_units
from nlp.weights import Linear

_LAW = re.compile(r"\b(?:Act|Bill|Directive|Regulation|Treaty|Convention)$")
_HANDLE = re.compile(r"(?<![\w@./])@([\w.-]*\w)")


def complete_names(doc: Doc, known: Iterable[Mention], kinds: Mapping[str, Linear]) -> tuple[Mention, ...]:
    """The known mentions and all other names of the text, in order; only a name inside a description overlaps another.

    A surname, or a first name, that stands alone means the person whose full name the text gives. `kinds`: the trained
    models for "person", "organisation", "law" and "none".
    """
    text = doc.text
    mentions = list(known)
    runs = name_runs(doc, [(m.start, m.end) for m in mentions])
    people: dict[str, Mention] = {}
    organisations: dict[str, Mention] = {}
    organisation_words = lexicon()["names"]["organisation_words"]
    for mention in mentions:
        if mention.type == "person":
            _remember(people, mention.name, mention)
    rows = name_rows(doc, runs)
    several = [(run, row) for run, row in zip(runs, rows, strict=True) if " " in run.text or "-" in run.text]
    single = [(run, row) for run, row in zip(runs, rows, strict=True) if not (" " in run.text or "-" in run.text)]
    # Full names first, wherever they stand: they tell whom the single words mean.
    for run, row in [*several, *single]:
        other = people.get(run.text.casefold()) or organisations.get(run.text.casefold())
        if other is not None:
            mentions.append(Mention(run.start, run.end, other.type, other.name, other.actor_id))
            continue
        kind = _sure_kind(run.text) or decide_kind(row, kinds)
        if kind is None:
            continue
        mention = Mention(run.start, run.end, _finer(run.text, kind), _full_name(run.text, kind), None)
        if kind == "person":
            _remember(people, mention.name, mention)
        elif kind == "organisation" and run.text.split()[0].casefold() not in organisation_words:
            # "Corvid" after "Corvid Labs".
            organisations.setdefault(run.text.split()[0].casefold(), mention)
        mentions.append(mention)
    for match in _HANDLE.finditer(text):
        mentions.append(Mention(match.start(), match.end(), "person", match.group(1), None))
    mentions.extend(_turns(text, mentions))
    return tuple(sorted(mentions, key=lambda m: (m.start, -m.end)))


def _turns(text: str, mentions: list[Mention]) -> list[Mention]:
    """The people whose names a transcript sets before their words, in capitals or not."""
    labels = sorted({unit.label for unit in split_units(text) if unit.label is not None})
    if len({text[left:right] for left, right in labels}) < 2:
        return []
    found = []
    for left, right in labels:
        name = text[left:right]
        if len(name) < 3 or name.casefold() in lexicon()["names"]["not_names"] or name.startswith("@"):
            continue
        if not any(m.start < right and left < m.end for m in mentions):
            same = next(
                (m for m in mentions if m.type == "person" and surname(m.name).casefold() == surname(name).casefold()),
                None,
            )
            full = _full_name(name, "person")
            found.append(Mention(left, right, "person", same.name if same else full, same.actor_id if same else None))
    return found


def _sure_kind(name: str) -> str | None:
    """What the words of a name leave no doubt about: "Grant & Moyle", "Model Weights Control Act"."""
    if " & " in name:
        return "organisation"
    return "law" if " " in name and _LAW.search(name) else None


def decide_kind(row: Features, kinds: Mapping[str, Linear]) -> str | None:
    """The likeliest kind of a name, None where it is likelier to be no name of an actor."""
    best = max(sorted(kinds), key=lambda kind: kinds[kind].score(row))
    return None if best == "none" else best


def _finer(name: str, kind: str) -> str:
    if kind != "organisation":
        return kind
    words = {word.casefold().strip(".,") for word in name.split()}
    if words & lexicon()["names"]["government_words"]:
        return "government"
    return "company" if words & lexicon()["names"]["company_words"] or "&" in name else "organisation"


def _remember(people: dict[str, Mention], name: str, mention: Mention) -> None:
    words = name.split()
    people.setdefault(name.casefold(), mention)
    if len(words) > 1:
        people.setdefault(surname(name).casefold(), mention)
        people.setdefault(words[0].casefold(), mention)
        people.setdefault(" ".join(words[1:]).casefold(), mention)
        if "-" in surname(name):
            for part in surname(name).split("-"):
                people.setdefault(part.casefold(), mention)


def _full_name(text: str, kind: str) -> str:
    name = " ".join(text.split())
    return name.title() if kind == "person" and name.isupper() and len(name) > 3 else name
