"""The debate: its sides, propositions and actors, read from a TOML file and checked once.

Reads one file and nothing else: no network, no database, no text to analyse. Nothing here knows what any debate is
about; the shipped one is `debate.toml` beside this file, whose first lines explain every key. Whoever gets a `Debate` may
trust it: ids are unique, every id that is named exists, and a name leads to one actor or says which words tell its actors
apart.
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Final, TypeVar

from db.models import DebateFileError, UnknownNameError
from nlp.toml_entry import Entry

T = TypeVar("T")

SHIPPED: Final = Path(__file__).with_name("debate.toml")

KINDS: Final = ("person", "company", "organisation", "government", "model", "law", "product", "publication")
LICENCES: Final = ("open-source", "open-weights", "restricted", "proprietary")
PARTS: Final = ("weights", "code", "data", "licence")

_ID = re.compile(r"[a-z0-9]+(?:[-.][a-z0-9]+)*")
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}")
_WIKIDATA = re.compile(r"Q[1-9][0-9]*")
_MONTH = re.compile(r"[0-9]{4}(?:-(?:0[1-9]|1[0-2]))?")


@dataclass(frozen=True, slots=True)
class Side:
    """A side that a statement can take; `color` is "#RRGGBB"."""

    id: str
    name: str
    description: str
    color: str


# A statement can argue both ways or take no side in every debate, so a file that does not name these two gets them.
# Purple and grey stay apart from the usual pairs of colours for colour-blind readers (Okabe and Ito, 2008).
_UNIVERSAL_SIDES: Final = (
    Side("mixed", "Mixed", "Argues both ways, or says that it depends.", "#8C6BB1"),
    Side("neutral", "Neutral", "Speaks on the subject without taking a side.", "#8A8A8A"),
)


@dataclass(frozen=True, slots=True)
class Proposition:
    """A sentence to agree or disagree with; agreeing supports the side `supports` ("": no side)."""

    id: str
    text: str
    supports: str
    label: str
    agree: tuple[str, ...]
    disagree: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Term:
    """A way to name things in the debate. Said of a model whose licence is in `fits` it is right, in `loosely` it is loose, of
    another it is misused; without `fits` nothing is judged."""

    id: str
    label: str
    forms: tuple[str, ...]
    """As written; capitals, hyphens for spaces and a plural s do not matter."""
    parts: tuple[str, ...] = ()
    """The parts of a model that the term promises to be open."""
    fits: tuple[str, ...] = ()
    loosely: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Affiliation:
    """Where somebody works or worked; `start`, `end`: "YYYY" or "YYYY-MM", both inclusive; None: unknown, or still so."""

    actor: str
    role: str
    start: str | None
    end: str | None

    def covers(self, day: date) -> bool:
        """Whether nothing known speaks against the affiliation on `day` (a date, or a datetime in UTC)."""
        # ISO 8601 sorts as text, and cutting the day to the given precision makes both ends inclusive.
        iso = day.isoformat()
        return not (self.start and iso[: len(self.start)] < self.start) and not (
            self.end and iso[: len(self.end)] > self.end
        )


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody or something that takes part in the debate or is talked about in it."""

    id: str
    name: str
    kind: str
    aliases: tuple[str, ...] = ()
    wikidata: str | None = None
    role: str = ""
    descriptions: tuple[str, ...] = ()
    ambiguous: bool = False
    context: tuple[str, ...] = ()
    not_context: tuple[str, ...] = ()
    alias_context: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    case_sensitive: bool = True
    affiliations: tuple[Affiliation, ...] = ()
    maker: str | None = None
    licence: str | None = None
    licence_name: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The name and then every alias."""
        return (self.name, *self.aliases)

    def context_for(self, name: str) -> tuple[str, ...]:
        """The words of which one must stand in the same passage for `name` to mean this actor; (): the name is enough.

        `alias_context` speaks first; then an ambiguous actor asks its `context` of every name of letters only
        ("Claude"), while longer names ("Claude 3 Opus") stand for themselves.
        """
        if name in self.alias_context:
            return self.alias_context[name]
        return self.context if self.ambiguous and name.isalpha() else ()

    def affiliation_at(self, day: date) -> Affiliation | None:
        """The affiliation on `day` (a date, or a datetime in UTC): of several the one begun last, then the first listed."""
        covering = [a for a in self.affiliations if a.covers(day)]
        return max(covering, key=lambda a: a.start or "", default=None)


@dataclass(frozen=True, slots=True)
class Debate:
    """One debate, checked. Lookups by id raise UnknownNameError, for ids come from files and older databases."""

    id: str
    name: str
    question: str
    description: str
    neutral_note: str
    sides: tuple[Side, ...]
    propositions: tuple[Proposition, ...]
    actors: tuple[Actor, ...]
    terms: tuple[Term, ...] = ()
    actors_by_alias: Mapping[str, tuple[Actor, ...]] = field(init=False, repr=False, compare=False)
    """Every name and alias as written -> its actors; more than one only where `Actor.context_for` tells them apart."""
    fingerprint: str = field(init=False, repr=False, compare=False)
    """sha256 (hex) of the content that texts are read by: sides, propositions, actors. Comments, layout, defaults that are written
    out, and terms do not change it."""
    _actors: Mapping[str, Actor] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_alias: dict[str, tuple[Actor, ...]] = {}
        for actor in self.actors:
            for name in actor.names:
                by_alias[name] = (*by_alias.get(name, ()), actor)
        content = [self.id, self.name, self.question, self.description, self.neutral_note]
        parts = [[asdict(part) for part in group] for group in (self.sides, self.propositions, self.actors)]
        canonical = json.dumps([content, parts], sort_keys=True, ensure_ascii=False)
        object.__setattr__(self, "actors_by_alias", by_alias)
        object.__setattr__(self, "fingerprint", hashlib.sha256(canonical.encode()).hexdigest())
        object.__setattr__(self, "_actors", {actor.id: actor for actor in self.actors})

    def actor(self, actor_id: str) -> Actor:
        """The actor with this id; UnknownNameError when there is none."""
        return self._find("actor", actor_id, self._actors)

    def proposition(self, proposition_id: str) -> Proposition:
        """The proposition with this id; UnknownNameError when there is none."""
        return self._find("proposition", proposition_id, {p.id: p for p in self.propositions})

    def side(self, side_id: str) -> Side:
        """The side with this id; UnknownNameError when there is none."""
        return self._find("side", side_id, {side.id: side for side in self.sides})

    def _find(self, kind: str, entry_id: str, entries: Mapping[str, T]) -> T:
        if (entry := entries.get(entry_id)) is not None:
            return entry
        close = get_close_matches(entry_id, entries, n=1)
        mend = f'did you mean "{close[0]}"?' if close else f"add a [[{kind}]] with that id to the debate file"
        raise UnknownNameError(f'the debate "{self.id}" has no {kind} "{entry_id}"; {mend}')

    @property
    def contested_sides(self) -> tuple[Side, ...]:
        """The sides that some proposition supports, in the order of the file: never mixed or neutral."""
        supported = {proposition.supports for proposition in self.propositions}
        return tuple(side for side in self.sides if side.id in supported)


def load_debate(path: Path | None = None) -> Debate:
    """Reads and checks a debate file (None: the shipped one).

    Raises DebateFileError on the first fault, in one line that names the file, the entry and the mend.
    """
    source = SHIPPED if path is None else Path(path)
    try:
        document = tomllib.loads(source.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DebateFileError(f"{source}: no such file; name an existing debate file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DebateFileError(f"{source}: cannot be read as UTF-8 text ({error}); name a readable TOML file") from error
    except tomllib.TOMLDecodeError as error:
        raise DebateFileError(
            f"{source}: not valid TOML: {' '.join(str(error).split())}; mend the file there"
        ) from error
    return _Reader(source.name).debate(document)


class _Reader:
    """Turns the parsed file into a `Debate`; `file` is the name under which faults are reported."""

    def __init__(self, file: str) -> None:
        self._file = file

    def debate(self, document: dict[str, object]) -> Debate:
        top = Entry(self._file, "top level", document)
        head = Entry(self._file, "[debate]", top.value("debate") or {})
        sides = tuple(self._side(entry) for entry in self._entries(top, "side"))
        own = {side.id for side in sides}
        universal = {side.id for side in _UNIVERSAL_SIDES}
        contested = tuple(side.id for side in sides if side.id not in universal)
        sides += tuple(side for side in _UNIVERSAL_SIDES if side.id not in own)
        propositions = tuple(self._proposition(entry, contested) for entry in self._entries(top, "proposition"))
        actors = tuple(self._actor(entry) for entry in self._entries(top, "actor"))
        terms = tuple(self._term(entry) for entry in self._entries(top, "term", required=False))
        top.done()
        self._refuse_unknown_actors(actors)
        self._refuse_shared_names(actors)
        self._refuse_shared_forms(terms)
        debate = Debate(
            id=head.shaped("id", _ID, "open-closed-ai", head.text("id")),
            name=head.text("name"),
            question=head.text("question"),
            description=head.text("description"),
            neutral_note=head.text("neutral_note"),
            sides=sides,
            propositions=propositions,
            actors=actors,
            terms=terms,
        )
        head.done()
        return debate

    def _entries(self, top: Entry, table: str, *, required: bool = True) -> Iterator[Entry]:
        """Every [[table]] of the file; their ids are well formed and differ."""
        values = top.value(table)
        if values is None and not required:
            return
        if not isinstance(values, list) or not values:
            raise top.fault(f"has no [[{table}]]; add at least one")
        seen: set[str] = set()
        for number, value in enumerate(values, start=1):
            entry_id = value.get("id") if isinstance(value, dict) else None
            label = f'[[{table}]] "{entry_id}"' if isinstance(entry_id, str) else f"[[{table}]] number {number}"
            entry = Entry(self._file, label, value)
            checked = entry.shaped("id", _ID, "lower-case-words", entry.text("id"))
            if checked in seen:
                raise entry.fault("the id is used twice; give one of them another id, or merge the two")
            seen.add(checked)
            yield entry

    def _side(self, entry: Entry) -> Side:
        side = Side(
            id=entry.text("id"),
            name=entry.text("name"),
            description=entry.text("description"),
            color=entry.shaped("color", _COLOR, "#0072B2", entry.text("color")),
        )
        entry.done()
        return side

    def _proposition(self, entry: Entry, contested: tuple[str, ...]) -> Proposition:
        supports = entry.text("supports", required=False)
        if supports and supports not in contested:
            raise entry.fault(
                f'supports "{supports}", which is no side to support; use one of {", ".join(contested)}, or ""'
            )
        proposition = Proposition(
            id=entry.text("id"),
            text=entry.text("text"),
            supports=supports,
            label=entry.text("label"),
            agree=entry.texts("agree", required=True),
            disagree=entry.texts("disagree", required=True),
        )
        entry.done()
        return proposition

    def _term(self, entry: Entry) -> Term:
        def listed(key: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(entry.one_of(key, allowed, value) for value in entry.texts(key))

        term = Term(
            id=entry.text("id"),
            label=entry.text("label"),
            forms=entry.texts("forms", required=True),
            parts=listed("parts", PARTS),
            fits=listed("fits", LICENCES),
            loosely=listed("loosely", LICENCES),
        )
        entry.done()
        both = set(term.fits) & set(term.loosely)
        if both:
            raise entry.fault(f'"{min(both)}" stands in fits and in loosely; remove it from one of them')
        return term

    def _actor(self, entry: Entry) -> Actor:
        wikidata = entry.text("wikidata", required=False)
        licence = entry.text("licence", required=False)
        actor = Actor(
            id=entry.text("id"),
            name=entry.text("name"),
            kind=entry.one_of("kind", KINDS, entry.text("kind")),
            aliases=entry.texts("aliases"),
            wikidata=entry.shaped("wikidata", _WIKIDATA, "Q21708200", wikidata) if wikidata else None,
            role=entry.text("role", required=False),
            descriptions=entry.texts("descriptions"),
            ambiguous=entry.flag("ambiguous", default=False),
            context=entry.texts("context"),
            not_context=entry.texts("not_context"),
            alias_context=self._alias_context(entry),
            case_sensitive=entry.flag("case_sensitive", default=True),
            affiliations=self._affiliations(entry),
            maker=entry.text("maker", required=False) or None,
            licence=entry.one_of("licence", LICENCES, licence) if licence else None,
            licence_name=entry.text("licence_name", required=False) or None,
        )
        entry.done()
        if actor.ambiguous and not actor.context:
            raise entry.fault(
                'is ambiguous but has no "context"; list words of which one must stand in the same passage'
            )
        if actor.context and not actor.ambiguous:
            raise entry.fault('has a "context" that nothing asks for; add ambiguous = true, or use alias_context')
        for alias in actor.alias_context:
            if alias not in actor.names:
                raise entry.fault(f'alias_context speaks of "{alias}", which is none of its names; add it to aliases')
        return actor

    def _alias_context(self, entry: Entry) -> dict[str, tuple[str, ...]]:
        value = entry.value("alias_context")
        if value is None:
            return {}
        table = Entry(self._file, f"{entry.where.removeprefix(f'{self._file}: ')}: alias_context", value)
        return {alias: table.texts(alias, required=True) for alias in (value if isinstance(value, dict) else {})}

    def _affiliations(self, entry: Entry) -> tuple[Affiliation, ...]:
        value = entry.value("affiliations")
        if value is None:
            return ()
        if not isinstance(value, list):
            raise entry.fault('"affiliations" must be a list; write affiliations = [{actor = "...", role = "..."}]')
        label = f"{entry.where.removeprefix(f'{self._file}: ')}: affiliation"
        return tuple(self._affiliation(Entry(self._file, label, item)) for item in value)

    def _affiliation(self, entry: Entry) -> Affiliation:
        start, end = entry.text("from", required=False), entry.text("to", required=False)
        for key, day in (("from", start), ("to", end)):
            if day:
                entry.shaped(f'date under "{key}"', _MONTH, "2023-07", day)
        # Compared at the precision they share: from "2023-07" to "2023" is fine.
        if start and end and start[: len(end)] > end[: len(start)]:
            raise entry.fault(f'ends ("{end}") before it begins ("{start}"); mend one of the dates')
        affiliation = Affiliation(entry.text("actor"), entry.text("role", required=False), start or None, end or None)
        entry.done()
        return affiliation

    def _refuse_unknown_actors(self, actors: tuple[Actor, ...]) -> None:
        known = {actor.id for actor in actors}
        for actor in actors:
            named = [("maker", actor.maker)] if actor.maker else []
            named += [("affiliation", affiliation.actor) for affiliation in actor.affiliations]
            for key, target in named:
                if target not in known:
                    raise DebateFileError(
                        f'{self._file}: [[actor]] "{actor.id}": {key} names the actor "{target}", '
                        "which is not defined; add it or mend the name"
                    )

    def _refuse_shared_forms(self, terms: tuple[Term, ...]) -> None:
        forms: dict[str, Term] = {}
        for term in terms:
            for form in term.forms:
                other = forms.setdefault(form.casefold().replace("-", " "), term)
                if other is not term:
                    raise DebateFileError(
                        f'{self._file}: [[term]] "{term.id}": shares the form "{form}" with "{other.id}"; '
                        "remove it from one of them"
                    )

    def _refuse_shared_names(self, actors: tuple[Actor, ...]) -> None:
        """One name leads to one actor, or each of its actors names other words that must stand beside it."""
        names: dict[str, tuple[Actor, str]] = {}
        descriptions: dict[str, Actor] = {}
        for actor in actors:
            where = f'{self._file}: [[actor]] "{actor.id}"'
            if len(set(actor.names)) < len(actor.names):
                twice = next(name for name in actor.names if actor.names.count(name) > 1)
                raise DebateFileError(f'{where}: has the name "{twice}" twice; remove one of them')
            for name in actor.names:
                # Capitals do not tell two actors apart: comments and headlines follow no such rule.
                other, theirs = names.setdefault(name.casefold(), (actor, name))
                mine, others = set(actor.context_for(name)), set(other.context_for(theirs))
                if other is not actor and (not mine or not others or mine == others):
                    raise DebateFileError(
                        f'{where}: shares the name "{name}" with "{other.id}"; remove it from one of them, '
                        "or give both a context that tells them apart"
                    )
            for description in actor.descriptions:
                if (owner := descriptions.get(description.casefold())) is not None:
                    raise DebateFileError(
                        f'{where}: the description "{description}" already stands for "{owner.id}"; '
                        "remove it, or write one that only fits this actor"
                    )
                descriptions[description.casefold()] = actor
