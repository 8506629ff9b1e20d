"""Names -> canonical actors: the spaCy component "debatewatch_actors", which fills `doc._.mentions`.

Names of debate.toml are matched as written, longest first; ambiguous ones are decided by the words around them. Everybody
else comes from `nlp.names`. What is not known stays unknown (`actor_id` None): this file never guesses an actor.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from spacy.language import Language
from spacy.tokens import Doc

from db.models import Mention
from nlp.debate import Actor, Debate, load_debate
from nlp.names import complete_names
from nlp.roles import find_offices, holds
from nlp.weights import load_weights

# Letters and digits apart, so that "Llama3", "Llama-3" and "Llama 3" are the same three ways of one name.
_TOKEN = re.compile(r"[^\W\d_]+|\d+(?:\.\d+)*")
# What may follow a model's name and still be that model: versions, sizes, editions.
_VERSION = re.compile(
    r"(?:[ -]?(?:v?\d+(?:\.\d+)*[a-z]?(?![\w%])|v?\d+(?:\.\d+)*(?:B|T|M|k)\b|\d+x\d+B\b|R\d\b|V\d(?:\.\d)?\b|K\d\b|"
    r"Behemoth|Maverick|Scout|Instruct|Chat|Turbo|[Mm]ini|Pro|Ultra|Flash|Nano|Opus|Sonnet|Haiku|Coder|Base|Guard|Thinking)\b)+"
)
_TAIL = re.compile(
    r"-(?:based|led|style|owned|backed|like|trained|powered|family|made|derived|class|funded|run|tuned|type)\b"
)
_NEXT_NAME = re.compile(r" (?:[A-Z][a-z]+|[A-Z]\.)")
_SHUNS_CAPITALS = re.compile(r"(?:[.!?] [a-z]|\bi\b(?![.)])|\b(?:lol|tbh|imo)\b)")
_YEARS = re.compile(r"\d{4}$")
# Words of the field: one of them beside an ambiguous name is enough where debate.toml asks for context.
_FIELD = re.compile(
    r"\b(?:A\.?I\.?|LLMs?|GPT|chatbots?|language models?|(?:open|closed)[- ](?:source|weights?|models?)|weights|checkpoints?|"
    r"parameters|fine-?tun\w+|open[- ]sourc\w+|artificial intelligence|machine learning|neural|GPUs?|frontier|Hugging Face)\b"
)
_FIELD_LOWER = re.compile(r"\bai\b|\bllms?\b|\bmodels?\b|\bquant\w*|\btorrent\b|\bhf\b|\bapi\b|\b\d+b\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Alias:
    text: str
    tokens: tuple[str, ...]
    actor: Actor
    description: bool


@dataclass(frozen=True, slots=True)
class Hit:
    """An alias found in a text; `exact` is False when only its capitals differ."""

    start: int
    end: int
    alias: str
    actor: Actor
    exact: bool
    description: bool

    @property
    def alias_context(self) -> tuple[str, ...]:
        """The words of which one must stand nearby; (): none need to."""
        return () if self.description else self.actor.context_for(self.alias)


def _best(text: str, found: list[Hit], sure: list[int]) -> Hit | None:
    """The longest of the names at one place that its surroundings bear out."""
    for end in sorted({hit.end for hit in found}, reverse=True):
        same = [hit for hit in found if hit.end == end]
        chosen = _decide(text, [hit for hit in same if hit.exact] or same, sure)
        if chosen is not None:
            return chosen
    return None


def _within(places: list[tuple[int, list[Hit]]], outer: Hit) -> list[Hit]:
    """The names inside a description: "Meta" in "Meta's chief AI scientist"."""
    inner: list[Hit] = []
    for _, found in places:
        for hit in found:
            inside = outer.start <= hit.start and hit.end <= outer.end and hit.actor.id != outer.actor.id
            if inside and hit.exact and not hit.description and (not inner or inner[-1].end <= hit.start):
                inner.append(hit)
                break
    return inner


class AliasIndex:
    """The names and descriptions of a debate's actors, ready to be looked up. Pure."""

    def __init__(self, debate: Debate) -> None:
        self._by_first: dict[str, list[_Alias]] = defaultdict(list)
        for actor in debate.actors:
            for text, description in [*((n, False) for n in actor.names), *((d, True) for d in actor.descriptions)]:
                tokens = tuple(token.casefold() for token in _TOKEN.findall(text))
                if tokens:
                    self._by_first[tokens[0]].append(_Alias(text, tokens, actor, description))
        for aliases in self._by_first.values():
            aliases.sort(key=lambda alias: (-len(alias.tokens), -len(alias.text), alias.text, alias.actor.id))

    def find(self, text: str) -> list[Hit]:
        """Every name in the text, longest first from left to right; only names inside a description overlap another."""
        tokens = list(_TOKEN.finditer(text))
        folded = [token.group().casefold() for token in tokens]
        places = [
            (index, found)
            for index, token in enumerate(tokens)
            if folded[index] in self._by_first and _boundary_before(text, token.start())
            if (found := list(self._at(text, tokens, folded, index)))
        ]
        # Actors that need no context are themselves context for the others.
        sure = [found[0].start for _, found in places if any(h.exact and not h.alias_context for h in found)]
        hits: list[Hit] = []
        taken = 0
        for _, found in places:
            if found[0].start < taken:
                continue
            chosen = _best(text, found, sure)
            if chosen is not None:
                hits.append(chosen)
                taken = chosen.end
                if chosen.description or chosen.actor.kind in ("law", "publication"):
                    hits.extend(_within(places, chosen))
        return hits

    def _at(self, text: str, tokens: list[re.Match[str]], folded: list[str], index: int) -> Iterator[Hit]:
        for alias in self._by_first.get(folded[index], ()):
            last = index + len(alias.tokens)
            if tuple(folded[index:last]) != alias.tokens:
                continue
            start, end = tokens[index].start(), tokens[last - 1].end()
            if not _joined(text, tokens[index:last], alias.text) or not _boundary_after(
                text, end, alias.actor, len(alias.text) < 4
            ):
                continue
            if not alias.description and alias.text[-1:] in "+!." and text.startswith(alias.text, start):
                end = start + len(alias.text)
            surface = text[start:end]
            exact = surface == alias.text or alias.description or _same_letters(surface, alias.text)
            if exact or _may_differ(text, start, surface, alias):
                yield Hit(start, end, alias.text, alias.actor, exact, alias.description)


def _boundary_before(text: str, start: int) -> bool:
    before = text[start - 1 : start]
    return not before or not (before.isalnum() or (before in "_.@/" and start > 1 and text[start - 2].isalnum()))


def _boundary_after(text: str, end: int, actor: Actor, short: bool) -> bool:
    after = text[end : end + 1]
    if after.isalpha() or after == "_":
        return False
    if after.isdigit():
        return actor.kind in ("model", "product")
    # "meta-analysis" is not Meta's; "Meta-led" is.
    if after == "-" and text[end + 1 : end + 2].islower() and (actor.ambiguous or short):
        return bool(_TAIL.match(text, end))
    return True


def _joined(text: str, tokens: list[re.Match[str]], alias: str) -> bool:
    """Whether the tokens stand together as in a name: at most a space, hyphen, point or apostrophe between two."""
    for left, right in pairwise(tokens):
        between = text[left.end() : right.start()]
        if between in ("", " ", "-", "\u2011", "\n", "\xa0"):
            continue
        if (
            between not in alias
            and between.replace("’", "'") not in alias
            and not (between in (".", ". ") and len(left.group()) == 1)
        ):
            return False
    return True


def _same_letters(surface: str, alias: str) -> bool:
    return [t.group() for t in _TOKEN.finditer(surface)] == [t.group() for t in _TOKEN.finditer(alias)]


def _may_differ(text: str, start: int, surface: str, alias: _Alias) -> bool:
    """Whether other capitals than those of the alias may still mean it: "OPENAI", "gpt-4", "llama 3" in a comment."""
    if not alias.actor.case_sensitive:
        return True
    if surface.isupper():
        return len(surface) > 3 and (len(alias.tokens) > 1 or len(surface) > 4)
    if not surface.islower():
        return (
            surface[0].isupper()
            and len(surface) > 4
            and alias.text.casefold() == surface.casefold()
            and not alias.actor.ambiguous
        )
    telling = any(c.isdigit() for c in alias.text) or any(c.isupper() for c in alias.text[1:].replace(" ", ""))
    if telling and len(alias.text) > 2:
        return True
    if alias.actor.kind == "person":
        return len(alias.tokens) > 1 or (len(surface) > 5 and not alias.actor.ambiguous and _informal(text))
    if alias.actor.kind == "model":
        return len(surface) > 4 and (not alias.actor.ambiguous or bool(_FIELD_LOWER.search(_around(text, start))))
    return (
        len(surface) > 4
        and _informal(text)
        and alias.actor.kind in ("company", "product", "publication", "organisation")
    )


def _informal(text: str) -> bool:
    """Whether the writer shuns capitals, as many comments do: only there is a name in lower case a name."""
    return text[:1].islower() or bool(_SHUNS_CAPITALS.search(text[:2000]))


def _around(text: str, start: int) -> str:
    """The paragraph around an offset, and a short neighbourhood beyond it."""
    left = text.rfind("\n\n", 0, start) + 1
    right = text.find("\n\n", start)
    return text[max(0, min(left, start - 200)) : max(right if right >= 0 else len(text), start + 200)]


def _decide(text: str, hits: list[Hit], sure: list[int]) -> Hit | None:
    """Of the actors that share a name at one place, the one that the words around it speak for; None: none of them."""
    fitting: list[tuple[int, Hit]] = []
    for hit in hits:
        around = _around(text, hit.start)
        if any(phrase.casefold() in around.casefold() for phrase in hit.actor.not_context):
            continue
        words = hit.alias_context
        if not words:
            fitting.append((0, hit))
            continue
        if _part_of_other_name(text, hit):
            continue
        near = around if hit.exact else text[max(0, hit.start - 80) : hit.end + 80]
        found = sum(bool(re.search(rf"(?<!\w){re.escape(word)}(?:s|es)?(?!\w)", near)) for word in words)
        if not found and len(hits) == 1 and hit.exact:
            left, right = text.rfind("\n\n", 0, hit.start), text.find("\n\n", hit.end)
            rest = around.replace(text[hit.start : hit.end], " ")
            found = int(
                bool(_FIELD.search(rest))
                or any(left < place < (right if right > 0 else len(text)) and place != hit.start for place in sure)
            )
        if found:
            fitting.append((found, hit))
    return max(fitting, key=lambda pair: pair[0])[1] if fitting else None


def _part_of_other_name(text: str, hit: Hit) -> bool:
    """Whether an ambiguous one-word name goes on as somebody else's: "Claude Monet", "Gemini Rights Trust"."""
    following = _NEXT_NAME.match(text, hit.end)
    if following is None or hit.actor.kind not in ("model", "product") or _VERSION.match(text, hit.end):
        return False
    return not following.group().strip().isupper()


def find_actors(text: str, index: AliasIndex) -> list[Mention]:
    """The mentions of known actors in the text, versions of a model included in its mention."""
    found: list[Mention] = []
    for hit in index.find(text):
        end = hit.end
        if hit.actor.kind == "model" and (version := _VERSION.match(text, end)) and not _YEARS.search(version.group()):
            end = version.end()
        found.append(Mention(hit.start, end, hit.actor.kind, hit.actor.name, hit.actor.id))
    return found


class ActorFinder:
    """The component: sets `doc._.mentions`, in order and without overlaps. `use` says which debate's actors it knows."""

    def __init__(self, debate: Debate) -> None:
        self.use(debate)

    def use(self, debate: Debate) -> None:
        """Takes the actors of this debate from now on."""
        self._index = AliasIndex(debate)
        self._debate = debate

    def __call__(self, doc: Doc) -> Doc:
        """Sets the extension and hands the document on."""
        doc._.mentions = complete_names(doc, self.known(doc.text, doc._.day), load_weights().kinds)
        return doc

    def known(self, text: str, day: date | None) -> list[Mention]:
        """The mentions of actors of the debate, by name, description or office; `day` is the date of the text."""
        named = find_actors(text, self._index)
        mentions = [mention for mention in named if holds(mention, text, named, self._debate, day)]
        return mentions + find_offices(text, mentions, self._debate, day)


@Language.factory("debatewatch_actors")
def create_actor_finder(nlp: Language, name: str) -> ActorFinder:
    """The component with the shipped debate; a configuration cannot carry a Debate, so `nlp.reader` hands over another one."""
    for extension, default in (("mentions", ()), ("day", None)):
        if not Doc.has_extension(extension):
            Doc.set_extension(extension, default=default)
    return ActorFinder(load_debate())
