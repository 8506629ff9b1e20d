"""Words as positions: where a text uses the terms of the debate file, and of which model. Pure: text and mentions in, uses out.

Which model a term is said of is decided only where the words between the two leave little doubt: the term stands before the model
("open-source models such as Llama 2") or after it ("Llama 2, which Meta calls open source") with nothing but names and words of a
short list between them. Anything else ("an open-source alternative to GPT-4") is said of no model here, nor is what the sentence
disputes, asks, demands or takes back ("critics dispute that Llama 2 is open source"): a table that accuses somebody of misuse must
rather miss a case than make one up. "Not", "so-called", "whether" and the like beside the term make the use a denied one.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence

from db.models import Mention, TermUse
from nlp.debate import Term

METHOD = "terms-2"
MAX_GAP = 80
"""Characters between a term and the model it is said of."""
MAX_SENTENCE = 300
"""Characters of the sentence that are kept as evidence."""

_SENTENCE_END = re.compile(r"(?<=[.!?])[\"”’)\]]*\s+(?=[\"“‘(\[]?[A-Z0-9])|\n+")
_WORD = re.compile(r"[^\W_][\w'’.-]*")
_BREAK = re.compile(r"[;:—–]")


def _words(text: str) -> list[str]:
    return text.split()


_BEFORE_MODEL = frozenset(
    _words("""
ai language large small reasoning model models llm llms version versions release system systems family series chatbot
such as like called named known the its an a and other new latest including weights""")
)
"""What may stand between a term and a model after it."""
_AFTER_MODEL = frozenset(
    _words("""
is are was were be been being remains remain became become as called calls call calling described describes describe
billed touted marketed labelled labeled presented released which that it its an a the fully truly really genuinely
also now still and says say said under model models family""")
)
"""What may stand between a model and a term after it."""
_DENIALS = frozenset(
    _words("""
not never hardly nor isn't aren't wasn't weren't isn’t aren’t wasn’t weren’t no longer falsely wrongly misleadingly
so-called supposedly allegedly anything but whether if would could""")
)
"""Words with which a text denies the term of the model, or leaves it open."""
_SOMETHING_ELSE = re.compile(
    r"[\s-]+(?:alternatives?|rivals?|communit|developer|movement|advocate|definition|initiative|foundation|project|librar|tool|"
    r"framework|software|code|data|intelligence|camp|side|debate|licen[cs]e|ecosystem|approach|philosophy|principles?|efforts?)",
    re.IGNORECASE,
)
"""What follows a term that is said of something else than a model."""


_MIS = r"mis(?:lead|led|nomer|us|represent|describ|label|nam|brand)\w*"
_DISPUTED = re.compile(
    r"\b(?:not|never|nobody|no one|nothing|none|neither|nor|cannot|without|unless|if|whether|wrong|wrongly|incorrect\w*|"
    rf"{_MIS}|false\w*|myth|pretend\w*|den(?:y|ies|ied|ial)|disput\w+|reject\w*|refut\w+|doubt\w*|question\w*|contest\w*|"
    r"criticis\w+|criticiz\w+|object(?:s|ed|ions?)?)\b|n[’']t\b",
    re.IGNORECASE,
)
"""Words before both by which the sentence disputes what it says of the model."""
_DEMANDED = re.compile(
    # May is a month and Will a name.
    r"\b(?:should|must|ought|would|could|might|(?-i:may|will)|refus\w+|declin\w+|want\w*|wish\w*|hop(?:e|es|ed|ing)|urg\w+|"
    r"demand\w*|ask(?:s|ed|ing)?|plan(?:s|ned)?|promis\w+|pledg\w+|vow\w*|call(?:s|ed|ing)?\s+(?:for|on|to)|"
    r"to(?:\s+(?:make|turn|keep|release|publish))?\s*$)\b|[\s(]to\s*$",
    re.IGNORECASE,
)
"""Words before both by which it demands or foresees that the model become so. Of "models such as Llama 2" it is said already."""
_DOUBT_AFTER = re.compile(
    rf"\b(?:not|never|in name only|only in name|{_MIS}|wrong\w*|false\w*|disput\w+|contest\w+|marketing|myth|so-called)\b|"
    r"n[’']t\b|\?[\s\"”’']*$",
    re.IGNORECASE,
)
"""Words after both by which it takes that back; or it is a question."""


def term_pattern(term: Term) -> re.Pattern[str]:
    """Matches every form of a term, the longest first."""
    forms = sorted(term.forms, key=len, reverse=True)
    written = (r"[\s\u2010\u2011-]+".join(map(re.escape, re.split(r"[\s-]+", form))) for form in forms)
    return re.compile(rf"(?<!\w)(?:{'|'.join(written)})s?(?!\w)", re.IGNORECASE)


def find_uses(text: str, terms: Sequence[Term], models: Sequence[Mention]) -> list[TermUse]:
    """Every use of a term in a text, by place; where two forms overlap, the longer one.

    models: the mentions of models in the same text, with their actor ids. Offsets count characters of the text.
    """
    found = [(match.start(), match.end(), term) for term in terms for match in term_pattern(term).finditer(text)]
    uses: list[TermUse] = []
    end = 0
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    bounds = [0, *ends, len(text)]
    for start, stop, term in sorted(found, key=lambda use: (use[0], -use[1], use[2].id)):
        if start < end:
            continue
        end = stop
        sentence_number = bisect_right(ends, start)
        first, last = bounds[sentence_number], bounds[sentence_number + 1]
        inside = [m for m in models if first <= m.start and m.end <= last]
        model_id, denied = _said_of(text, start, stop, inside, first, last)
        sentence = text[first:last].strip() if model_id else ""
        uses.append(TermUse(term.id, start, stop, model_id, denied, _short(sentence)))
    return uses


def _short(sentence: str) -> str:
    return sentence if len(sentence) <= MAX_SENTENCE else sentence[: MAX_SENTENCE - 1].rstrip() + "…"


def _said_of(
    text: str, start: int, end: int, models: Sequence[Mention], first: int, last: int
) -> tuple[str | None, bool]:
    """The nearest model that the term at start:end is said of, and whether it is denied; (None, False) when of none.

    models: those in the term's sentence, which is text[first:last].
    """
    if _SOMETHING_ELSE.match(text, end):
        return None, False
    for model in sorted(models, key=lambda m: max(m.start - end, start - m.end)):
        after = model.start >= end
        gap = text[end : model.start] if after else text[model.end : start]
        if len(gap) > MAX_GAP or _BREAK.search(gap) or not _joins(gap, text[first:last], after=after):
            continue
        begin, finish = min(start, model.start), max(end, model.end)
        near = [*_words_of(gap), *_words_of(text[max(first, begin - 24) : begin])[-2:]]
        if any(word.casefold() in _DENIALS for word in near):
            return model.actor_id, True
        before = text[first:begin]
        becomes = not (after and _words_of(gap))
        if _DISPUTED.search(before) or (becomes and _DEMANDED.search(before)) or _DOUBT_AFTER.search(text[finish:last]):
            return None, False
        return model.actor_id, False
    return None, False


def _joins(gap: str, sentence: str, *, after: bool) -> bool:
    """Whether the words between a term and a model leave little doubt that one is said of the other. after: the model stands
    after the term."""
    words = _words_of(gap)
    if not after and (words[-1:] == ["and"] or (not words and "," in gap)):
        return False  # "GPT-4 and open models", "Unlike GPT-4, open models": another noun begins.
    allowed = (_BEFORE_MODEL if after else _AFTER_MODEL) | _DENIALS
    # Capitals are names of makers, but in a headline every word has them.
    names = any(word[0].islower() and len(word) > 3 for word in _words_of(sentence))
    return all(word.casefold() in allowed or (names and word[0].isupper()) for word in words)


def _words_of(text: str) -> list[str]:
    return [word.rstrip(".-’'") for word in _WORD.findall(text)]
