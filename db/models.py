"""The values that cross a boundary between the rooms, and the one error tree. No input or output here.

Times are timezone-aware UTC datetimes. Offsets are character (code point) offsets into `Document.text`, start inclusive, end
exclusive, so that `text[start:end]` is the evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Literal

Outcome = Literal["stored", "unchanged", "off_topic", "duplicate", "disallowed", "failed"]
Target = Literal["page", "listing"]
ArticleKind = Literal["article", "post", "comment", "paper"]
StatementKind = Literal["direct", "indirect", "authorial"]
Stance = Literal["agree", "disagree"]
RunStatus = Literal["running", "done", "partial", "failed", "interrupted"]
AlertKind = Literal["failing", "silent", "refused", "paywalled", "thin", "undated"]

AUTHOR = "AUTHOR"
"""The speaker of an author's own opinion (shared/LABELLING.md, rule 1)."""


class DebatewatchError(Exception):
    """Anything this program reports in one line: the thing that is wrong, and the mend."""


class InputError(DebatewatchError):
    """Bad usage or bad input; the command line exits with 2."""


class DebateFileError(InputError):
    """debate.toml is wrong: names the file, the entry and the mend."""


class SourcesFileError(InputError):
    """sources.toml is wrong: names the file, the entry and the mend."""


class ExtractionError(DebatewatchError):
    """A page that cannot be turned into an article (empty, binary, too large, no text)."""


class ArchiveError(DebatewatchError):
    """The page archive cannot be written or read."""


class StoreError(DebatewatchError):
    """The database cannot be opened, is locked for too long, is of a newer version, or is damaged."""


class ModelError(DebatewatchError):
    """A model is missing, or its sha256 is not the one its card names."""


class UnknownNameError(InputError):
    """A source, actor, topic, step or export of that name does not exist; says which do."""


# --- collecting -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A source as the database keeps it; `config` is its entry in sources.toml."""

    id: str
    name: str
    url: str
    kind: str
    country: str | None = None
    language: str | None = None
    config: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Article:
    """One page (or one comment on it) turned into a record. `url` is the canonical URL."""

    url: str
    title: str
    text: str
    authors: tuple[str, ...] = ()
    published_at: datetime | None = None
    modified_at: datetime | None = None
    language: str | None = None
    kind: ArticleKind = "article"
    section: str | None = None
    sitename: str | None = None
    paywalled: bool = False
    sponsored: bool = False
    """True when the page says that somebody paid for it (advertorial, partner content)."""
    agency: str | None = None
    """The news agency that the page credits for its text, as written ("Harbour Wire")."""
    parent_url: str | None = None
    """For a comment: the canonical URL of the page it stands under."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """One request for one address, whatever came of it. `warc_*` say where the archived answer lies."""

    source_id: str
    url: str
    outcome: Outcome
    fetched_at: datetime
    target: Target = "page"
    final_url: str | None = None
    status: int | None = None
    reason: str | None = None
    """Why it failed or was left out, in words: "robots.txt", "HTTP 503", "no text found", "relevance 0.4 < 1"."""
    bytes: int | None = None
    seconds: float | None = None
    etag: str | None = None
    last_modified: str | None = None
    warc_file: str | None = None
    warc_offset: int | None = None
    warc_length: int | None = None
    published_at: datetime | None = None
    """Publication date of the page, kept for off-topic pages too: they belong to the denominator of their period."""
    due_at: datetime | None = None
    """Not to be asked for again before."""


@dataclass(frozen=True, slots=True)
class PageState:
    """What is known of an address from earlier fetches: enough for a conditional request."""

    url: str
    etag: str | None
    last_modified: str | None
    fetched_at: datetime
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class FailedTries:
    """When an address that has given nothing so far, or nothing any more, was first and last tried without success."""

    first: datetime
    last: datetime
    final: bool
    """The last answer was one that time alone seldom changes (not there, not allowed, nothing to read)."""


@dataclass(frozen=True, slots=True)
class SavedArticle:
    """What became of an article handed to the store.

    outcome: "stored" (new text or a new version), "duplicate" (a new address of a known document), "unchanged".
    """

    outcome: Outcome
    article_id: int
    document_id: int
    updated: bool = False
    """True when a known address now carries another text."""


@dataclass(frozen=True, slots=True)
class PageSign:
    """What one page that was asked for says of the health of its source; None where it says nothing."""

    fetched_at: datetime
    refused: bool
    """Not to be had: HTTP 401, 402, 403 or 451, or robots.txt."""
    paywalled: bool | None = None
    undated: bool | None = None
    words: int | None = None
    """Of its text; 0 when none was found in it."""


@dataclass(frozen=True, slots=True)
class SourceHistory:
    """What the crawls of a source saw. Days and pages in order, the newest last."""

    source_id: str
    answers: tuple[bool, ...]
    """Of each of the newest crawls, whether anything was answered."""
    last_answer: datetime | None
    """The last request that was answered: up to there it is known what the source published."""
    days: tuple[date, ...]
    """Days (UTC) on which it published, on topic or off."""
    pages: tuple[PageSign, ...]


@dataclass(frozen=True, slots=True)
class Alert:
    """Something is wrong with a source. `since`: when it began; `detail`: the figures behind it, in one line."""

    source_id: str
    kind: AlertKind
    since: datetime | None
    detail: str


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert that stands until its source recovers. `told`: whether those who asked for it were told."""

    id: int
    alert: Alert
    told: bool


# --- reading ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Document:
    """One unique text, whatever number of articles carry it. Dates and names are those of its earliest article."""

    id: int
    text: str
    title: str
    language: str | None
    published_at: datetime | None
    authors: tuple[str, ...] = ()
    kind: ArticleKind = "article"


@dataclass(frozen=True, slots=True)
class SideRow:
    """A side of the debate, in the order in which charts stack them."""

    id: str
    name: str
    color: str
    position: int
    description: str = ""


@dataclass(frozen=True, slots=True)
class PropositionRow:
    """A proposition; `supports` is the side that agreeing supports, None for neither."""

    id: str
    text: str
    label: str
    supports: str | None
    position: int


@dataclass(frozen=True, slots=True)
class TermRow:
    """A term of debate.toml as the database keeps it: see nlp.debate.Term."""

    id: str
    label: str
    parts: tuple[str, ...]
    fits: tuple[str, ...]
    loosely: tuple[str, ...]
    position: int


@dataclass(frozen=True, slots=True)
class AffiliationRow:
    """`actor_id` worked for `organisation_id`; `start` and `end` are YYYY, YYYY-MM or None when unknown or still so."""

    actor_id: str
    organisation_id: str
    role: str | None = None
    start: str | None = None
    end: str | None = None


@dataclass(frozen=True, slots=True)
class ActorRow:
    """An actor of debate.toml as the database keeps it."""

    id: str
    name: str
    kind: str
    aliases: tuple[str, ...] = ()
    wikidata: str | None = None
    role: str | None = None
    licence: str | None = None


@dataclass(frozen=True, slots=True)
class Mention:
    """A name in a text. `actor_id` is None when the name is of nobody in debate.toml; `name` is the canonical or full name."""

    start: int
    end: int
    type: str
    name: str
    actor_id: str | None = None


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who holds a view: the expression as written (None offsets for an author), and whom it means."""

    text: str
    name: str
    actor_id: str | None = None
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """A view that one identifiable speaker holds, found in a text, not yet judged. `rule` names what found it."""

    start: int
    end: int
    speaker: Speaker
    kind: StatementKind
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Position:
    """What a statement says of one proposition; score is the calibrated probability of that stance, 0 to 1."""

    proposition_id: str
    stance: Stance
    score: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """The side a statement takes and the propositions it rests on; score is the probability of the side, 0 to 1."""

    side: str
    score: float
    positions: tuple[Position, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredStatement:
    """A statement as the database holds it, with what a later step needs to judge or order it."""

    id: int
    document_id: int
    text: str
    context: str
    """The paragraph around the evidence, evidence included."""
    speaker: Speaker
    kind: StatementKind
    published_at: datetime | None
    title: str = ""
    side: str | None = None
    score: float | None = None
    positions: tuple[Position, ...] = ()


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as a fit found it. `id` is the identity that lives on over refits; `centroid` is float32 bytes, normalised."""

    id: int
    label: str
    keywords: tuple[str, ...]
    size: int
    centroid: bytes
    document_id: int | None = None
    """The most typical document."""
    floor: float = 0.45
    """Cosine similarity to the centroid that a document needs to belong."""
    edited: bool = False
    """Whether a user gave it its label."""


@dataclass(frozen=True, slots=True)
class TopicAssignment:
    """A document's topic; `topic_id` None means that it fits none. score: cosine similarity to the topic's centroid."""

    document_id: int
    topic_id: int | None
    score: float


@dataclass(frozen=True, slots=True)
class TopicEvent:
    """Birth, death, merge, split or drift of a topic, with the similarity that decided it."""

    kind: Literal["birth", "death", "merge", "split", "drift", "continue"]
    topic_id: int
    other_topic_id: int | None = None
    similarity: float | None = None


@dataclass(frozen=True, slots=True)
class PositionChange:
    """A speaker held one position before and another after. `changed_at` is the first statement of the new position."""

    speaker: str
    actor_id: str | None
    proposition_id: str | None
    """None: the side as a whole."""
    before: str
    after: str
    not_before: datetime
    """Date of the last statement of the old position."""
    changed_at: datetime
    strength: float
    """0 to 1; the method says what it means."""
    before_statements: tuple[int, ...]
    after_statements: tuple[int, ...]
    method: str


@dataclass(frozen=True, slots=True)
class TermUse:
    """A term in a text. `model_id`: the model that it is said of, None when of none or unknown; `denied`: that the
    text denies it of the model or leaves it open."""

    term_id: str
    start: int
    end: int
    model_id: str | None = None
    denied: bool = False
    sentence: str = ""
    """Where a model is named, the sentence around the term, cut to a quotation."""


@dataclass(frozen=True, slots=True)
class WeekCount:
    """Unique texts of a topic that first appeared in a week; `week` is its Monday (UTC)."""

    topic_id: int
    week: date
    documents: int


@dataclass(frozen=True, slots=True)
class TopicBurst:
    """Weeks in which a topic took an unusual share of the coverage; both days included, UTC."""

    topic_id: int
    started_on: date
    ended_on: date
    documents: int
    expected: float
    """Documents that its usual share would have given."""
    strength: float
    """How much likelier a burst makes these weeks, in nats."""
    method: str


@dataclass(frozen=True, slots=True)
class StepReport:
    """What one step of the analysis did."""

    step: str
    done: int
    failed: int
    skipped: int
    seconds: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What one source gave in a crawl: pages by outcome, and what went wrong."""

    source_id: str
    outcomes: Mapping[str, int]
    errors: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What a window of time did not reach, and why: no errors."""
    due_at: datetime | None = None
    """Set when the source was not asked at all, because it is not due before."""


@dataclass(frozen=True, slots=True)
class CrawlReport:
    """What a crawl or an import did. `ok` is False when a source gave nothing but failures."""

    run_id: int
    seconds: float
    sources: tuple[SourceReport, ...]
    documents: int
    """New unique texts."""
    updated: int
    interrupted: bool = False

    @property
    def ok(self) -> bool:
        """True when no source failed altogether and the run was not interrupted."""
        return not self.interrupted and not self.failing

    @property
    def failing(self) -> tuple[str, ...]:
        """Ids of the sources with errors of their own, or from which every page failed."""
        return tuple(
            s.source_id
            for s in self.sources
            if s.errors or (s.outcomes.get("failed", 0) and set(s.outcomes) <= {"failed"})
        )

    def total(self, outcome: Outcome) -> int:
        """Pages with that outcome over all sources."""
        return sum(s.outcomes.get(outcome, 0) for s in self.sources)


# --- scoring ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Counts:
    """What one passage or page adds to a score. right: found and labelled; found; labelled."""

    right: int = 0
    found: int = 0
    labelled: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.right + other.right, self.found + other.found, self.labelled + other.labelled)


def utc_now() -> datetime:
    """The present moment, in UTC, to the second: what the database stores."""
    return datetime.now(UTC).replace(microsecond=0)


def to_iso(moment: datetime | None) -> str | None:
    """A UTC moment as the database writes it, `2024-03-14T09:30:00Z`; naive datetimes are a programming error."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise ValueError(f"naive datetime {moment!r}: attach a time zone at the rim")
    return moment.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def from_iso(text: str | None) -> datetime | None:
    """The inverse of `to_iso`; also reads any ISO 8601 text with an offset."""
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def paragraph(text: str, start: int, end: int) -> str:
    """The paragraph around a span of a text: what a judge is shown beside a statement."""
    before, after = text.rfind("\n\n", 0, start), text.find("\n\n", end)
    return text[before + 2 if before >= 0 else 0 : after if after >= 0 else len(text)]
