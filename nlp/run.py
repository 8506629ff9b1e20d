"""The steps of the analysis over what is new: read, stance, topics, terms, changes. The only file here that writes to the database.

Each step selects its own work (what this version of it has not seen), commits in batches, and may be killed at any moment and
started again: nothing is lost and nothing is done twice. A failure on one document is a row in `failures`; the step goes on, and
the next run tries that document again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from db.models import (
    ActorRow,
    AffiliationRow,
    Document,
    InputError,
    Judgement,
    Mention,
    PropositionRow,
    RunStatus,
    SideRow,
    Statement,
    StepReport,
    StoredStatement,
    StoreError,
    TermRow,
)
from db.store import Store
from nlp import bursts as bursts_step
from nlp import changes as changes_step
from nlp import encoder, second_judge
from nlp import terms as terms_step
from nlp.debate import Debate
from nlp.reader import Reader, ReadFailure, Reading
from nlp.second_judge import LanguageModelJudge
from nlp.stance import StanceInput, StanceModel
from nlp.workers import open_workers

STEPS: Final = ("read", "stance", "topics", "terms", "changes")
Progress = Callable[[int, int, str], None]
JUDGED_AT_ONCE: Final = 256


class _Job(NamedTuple):
    """What every step is given."""

    store: Store
    debate: Debate
    batch: int
    workers: int
    cluster: str | None
    seed: int
    refit: bool
    progress: Progress


def analyze(
    store_path: Path,
    debate: Debate,
    *,
    steps: Sequence[str] = STEPS,
    workers: int = 1,
    seed: int = 0,
    refit: bool = False,
    batch: int = 32,
    cluster: str | None = None,
    judge: str | None = None,
    progress: Progress | None = None,
) -> list[StepReport]:
    """Runs the steps named, in the order of STEPS, over what is new, and says what each did.

    workers: processes that read (1: this one). cluster: a Dask scheduler's address, or "local" for one started here; it reads
    instead of a pool. batch: documents a commit. judge: "llm:MODEL", a second judge to ask about the statements at the end.
    progress: called with (done, total, what).
    Raises InputError for an unknown step or judge, StoreError when the database cannot be used or another analysis holds it,
    ModelError.
    """
    unknown = [step for step in steps if step not in STEPS]
    if unknown:
        raise InputError(f'no analysis step "{unknown[0]}"; the steps are {", ".join(STEPS)}')
    second = LanguageModelJudge(judge, debate) if judge else None
    with _alone(Path(store_path)), Store.open(store_path, create=False) as store:
        store.close_abandoned_runs((*STEPS, second_judge.STEP))
        _sync(store, debate)
        job = _Job(store, debate, batch, workers, cluster, seed, refit, progress or (lambda done, total, what: None))
        reports = [_RUNNERS[step](job) for step in STEPS if step in steps]
        return [*reports, _ask(job, second)] if second else reports


def _ask(job: _Job, judge: LanguageModelJudge) -> StepReport:
    """What a second judge says of the statements, beside what we say."""
    started = time.monotonic()
    tally = _Tally()

    def run(
        step: str, version: str, parameters: Mapping[str, object], models: Mapping[str, str]
    ) -> AbstractContextManager[int]:
        return _run(job.store, step, version, parameters, models, tally)

    second_judge.run_judge(job.store, judge, run, tally, job.progress)
    seconds = time.monotonic() - started
    return StepReport(second_judge.STEP, tally.done, tally.failed, 0, seconds, tuple(tally.notes))


# --- read -----------------------------------------------------------------------------------------------------------------


def _read(job: _Job) -> StepReport:
    """Names and statements of each new English document."""
    started = time.monotonic()
    store = job.store
    reader = Reader(job.debate)
    # What the judge turned away is gone from the database: another judge must be asked about all of it again.
    version = f"{reader.version}/{encoder.describe().key}"
    total = store.count_to_do("read", version)
    if not total:
        return StepReport("read", 0, 0, 0, time.monotonic() - started)
    parameters = {"workers": job.workers, "cluster": job.cluster, "batch": job.batch, "debate": job.debate.fingerprint}
    tally = _Tally()
    with (
        _run(store, "read", version, parameters, reader.models, tally) as run_id,
        open_workers(job.debate, reader, workers=job.workers, cluster=job.cluster) as workers,
    ):
        for documents, readings in workers.map(_batches_to_read(job, run_id, version, tally)):
            _save_readings(store, run_id, version, documents, readings, tally)
            job.progress(tally.done + tally.failed + tally.skipped, total, "reading")
    notes = list(dict.fromkeys(tally.notes))
    if tally.skipped:
        notes.append(f"{tally.skipped} documents are not in English and were not read")
    return StepReport("read", tally.done, tally.failed, tally.skipped, time.monotonic() - started, tuple(notes))


def _batches_to_read(job: _Job, run_id: int, version: str, tally: _Tally) -> Iterator[list[Document]]:
    after = 0
    while documents := job.store.documents_to_do("read", version, after=after, limit=job.batch, retry_run=run_id):
        after = documents[-1].id
        foreign = [d.id for d in documents if not _english(d)]
        if foreign:
            # Read by an older version, or under another language: what was found then must not stay.
            job.store.save_readings(run_id, "read", version, [(d, (), ()) for d in documents if not _english(d)])
            job.store.mark_steps(run_id, "read", version, foreign, "skipped")
            tally.skipped += len(foreign)
        if english := [d for d in documents if _english(d)]:
            yield english


def _english(document: Document) -> bool:
    """Whether to read it; a document of unknown language is read."""
    return document.language is None or document.language.split("-")[0].lower() == "en"


def _save_readings(
    store: Store,
    run_id: int,
    version: str,
    documents: Sequence[Document],
    readings: Sequence[Reading | ReadFailure],
    tally: _Tally,
) -> None:
    """One transaction for the batch; where something in it cannot be stored, one a document, so that only that one fails."""
    by_id = {document.id: document for document in documents}
    rows: list[tuple[Document, Sequence[Mention], Sequence[Statement]]] = []
    for reading in readings:
        document = by_id.pop(int(reading.id))
        if isinstance(reading, ReadFailure):
            error, _, detail = reading.error.partition(": ")
            store.fail_document(run_id, "read", version, document.id, error, detail)
            tally.failed += 1
            continue
        if reading.note:
            tally.notes.append(f"document {document.id}: {reading.note}")
        rows.append((document, reading.mentions, reading.statements))
    for document in by_id.values():
        store.fail_document(run_id, "read", version, document.id, "ReadFailure", "the reader gave nothing back")
        tally.failed += 1
    try:
        store.save_readings(run_id, "read", version, rows)
        tally.done += len(rows)
    except Exception:
        for row in rows:
            try:
                store.save_readings(run_id, "read", version, [row])
                tally.done += 1
            except Exception as error:
                store.fail_document(run_id, "read", version, row[0].id, type(error).__name__, str(error))
                tally.failed += 1


# --- terms ----------------------------------------------------------------------------------------------------------------


def _terms(job: _Job) -> StepReport:
    """Where each new document uses the terms of the debate, and of which model."""
    started = time.monotonic()
    store, terms = job.store, job.debate.terms
    # The models that a text names are those that the last reading found.
    read = store.last_run("read")
    digest = hashlib.sha256(repr((terms, read and read[1])).encode()).hexdigest()[:16]
    version = f"{terms_step.METHOD}/{digest}"
    total = store.count_to_do("terms", version)
    if not terms or not total:
        return StepReport("terms", 0, 0, 0, time.monotonic() - started)
    tally = _Tally()
    with _run(store, "terms", version, {"terms": len(terms)}, {}, tally) as run_id:
        after = 0
        while documents := store.documents_to_do("terms", version, after=after, limit=job.batch, retry_run=run_id):
            after = documents[-1].id
            models = store.model_mentions([d.id for d in documents])
            for document in documents:
                try:
                    uses = terms_step.find_uses(document.text, terms, models[document.id])
                    store.save_term_uses(run_id, version, [(document.id, uses)])
                    tally.done += 1
                except Exception as error:
                    store.fail_document(run_id, "terms", version, document.id, type(error).__name__, str(error))
                    tally.failed += 1
            job.progress(tally.done + tally.failed, total, "terms")
    return StepReport("terms", tally.done, tally.failed, 0, time.monotonic() - started)


# --- stance ---------------------------------------------------------------------------------------------------------------


def _stance(job: _Job) -> StepReport:
    """Side and propositions of each statement that this version has not judged."""
    started = time.monotonic()
    store = job.store
    model = StanceModel.for_debate(job.debate)
    version = model.version
    total = store.count_to_judge(version)
    if not total:
        return StepReport("stance", 0, 0, 0, time.monotonic() - started)
    tally = _Tally()
    with _run(store, "stance", version, {"debate": job.debate.fingerprint}, model.models, tally) as run_id:
        after = turned_away = 0
        while statements := store.statements_to_judge(version, after=after, limit=JUDGED_AT_ONCE):
            after = statements[-1].id
            judged = _judge(model, statements, store, run_id, tally)
            store.save_judgements(run_id, version, judged)
            tally.done += len(judged)
            turned_away += sum(judgement is None for _, judgement in judged)
            job.progress(tally.done + tally.failed, total, "judging")
    notes = list(model.notes)
    if turned_away:
        notes.append(f"{turned_away} stretches of text that the reader took for statements are none on the subject")
    return StepReport("stance", tally.done, tally.failed, 0, time.monotonic() - started, tuple(notes))


def _judge(
    model: StanceModel, statements: Sequence[StoredStatement], store: Store, run_id: int, tally: _Tally
) -> list[tuple[int, Judgement | None]]:
    try:
        judgements = model.judge([_to_stance_input(s) for s in statements])
        return [(s.id, j) for s, j in zip(statements, judgements, strict=True)]
    except Exception as error:
        if len(statements) == 1:
            store.record_failure(
                run_id, "stance", type(error).__name__, str(error), document_id=statements[0].document_id
            )
            tally.failed += 1
            return []
    # One of them is at fault: each on its own.
    return [pair for s in statements for pair in _judge(model, [s], store, run_id, tally)]


def _to_stance_input(statement: StoredStatement) -> StanceInput:
    return StanceInput(statement.text, statement.speaker.name, statement.context, statement.title)


# --- topics and changes ---------------------------------------------------------------------------------------------------


def _topics(job: _Job) -> StepReport:
    """Vectors for new documents, then their topics: assigned to the standing ones, or fitted anew."""
    from nlp.topic_step import run_topics

    started = time.monotonic()
    english = [d for d in job.store.documents() if _english(d)]
    tally = _Tally()

    @contextmanager
    def run(version: str, parameters: dict[str, object], models: dict[str, str]) -> Iterator[int]:
        with _run(job.store, "topics", version, parameters, models, tally) as run_id:
            yield run_id

    notes = run_topics(job.store, english, run, tally, refit=job.refit, progress=job.progress)
    return StepReport("topics", tally.done, tally.failed, tally.skipped, time.monotonic() - started, tuple(notes))


def _changes(job: _Job) -> StepReport:
    """Changes of position over all statements, and bursts of all topics; nothing is written when both are what they were in the
    last run."""
    started = time.monotonic()
    statements = job.store.judged_statements()
    weeks = job.store.topic_weeks()
    seen = [
        (s.id, s.speaker.name, s.speaker.actor_id, s.side, s.score, s.published_at, s.positions) for s in statements
    ]
    digest = hashlib.sha256(repr((seen, weeks)).encode()).hexdigest()[:16]
    version = f"{changes_step.METHOD}/{bursts_step.METHOD}/{digest}"
    last = job.store.last_run("changes")
    if last is not None and last[1] == version:
        return StepReport("changes", 0, 0, 0, time.monotonic() - started)
    tally = _Tally()
    with _run(job.store, "changes", version, {"seed": job.seed}, {}, tally) as run_id:
        found = changes_step.find_changes(statements, seed=job.seed)
        job.store.replace_position_changes(run_id, found)
        bursts = bursts_step.find_bursts(*weeks)
        job.store.replace_topic_bursts(run_id, bursts)
        tally.done = len(found)
        job.progress(1, 1, "changes of position")
    undated = sum(s.published_at is None for s in statements)
    notes = [f"{undated} statements without a date were left out"] if undated else []
    if bursts:
        notes.append(f"{len(bursts)} bursts of topics")
    return StepReport("changes", tally.done, 0, undated, time.monotonic() - started, tuple(notes))


_RUNNERS: Final[dict[str, Callable[[_Job], StepReport]]] = {
    "read": _read,
    "stance": _stance,
    "topics": _topics,
    "terms": _terms,
    "changes": _changes,
}


# --- what the steps share -------------------------------------------------------------------------------------------------


class _Tally:
    """What a run has done so far."""

    def __init__(self) -> None:
        self.done = self.failed = self.skipped = 0
        self.notes: list[str] = []


@contextmanager
def _run(
    store: Store, step: str, version: str, parameters: Mapping[str, object], models: Mapping[str, str], tally: _Tally
) -> Iterator[int]:
    """A row in `runs` around a step: done, partial (something failed), failed, or interrupted."""
    run_id = store.start_run(step, version, parameters=parameters, models=models)
    status: RunStatus = "failed"
    try:
        yield run_id
        status = "partial" if tally.failed else "done"
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        status = "interrupted"
        raise
    finally:
        store.finish_run(run_id, status, {"done": tally.done, "failed": tally.failed, "skipped": tally.skipped})


@contextmanager
def _alone(store_path: Path) -> Iterator[None]:
    """Holds the database for one analysis at a time: two would do the same work twice. The lock dies with its process."""
    try:
        import fcntl
    except ImportError:  # Windows: no advisory locks there; SQLite still keeps the rows whole.
        yield
        return
    if not store_path.exists():
        raise StoreError(f"{store_path}: no such database; `debatewatch crawl` or `debatewatch import` makes one")
    path = store_path.with_name(f"{store_path.name}.analyze.lock")
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreError(f"{store_path}: another analysis is running on it; wait for it to end") from error
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _sync(store: Store, debate: Debate) -> None:
    """Brings sides, propositions, actors, affiliations and terms of the database up to the debate file."""
    store.sync_debate(
        [SideRow(s.id, s.name, s.color, number, s.description) for number, s in enumerate(debate.sides)],
        [
            PropositionRow(p.id, p.text, p.label, p.supports or None, number)
            for number, p in enumerate(debate.propositions)
        ],
        [ActorRow(a.id, a.name, a.kind, a.aliases, a.wikidata, a.role or None, a.licence) for a in debate.actors],
        [
            AffiliationRow(actor.id, held.actor, held.role or None, held.start, held.end)
            for actor in debate.actors
            for held in actor.affiliations
        ],
    )
    store.sync_terms(
        TermRow(t.id, t.label, t.parts, t.fits, t.loosely, number) for number, t in enumerate(debate.terms)
    )
