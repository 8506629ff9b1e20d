"""After a crawl: which sources it leaves in trouble or well again, kept in the database and told once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from crawler.health import judge, over
from crawler.notify import tell
from crawler.sources import AlertSettings
from db.models import Alert, CrawlReport, utc_now
from db.store import Store

MANY = 3
"""So many sources, and all of them without an answer, mean that it is this machine's network that is gone."""


def watch(store: Store, report: CrawlReport, settings: AlertSettings, *, now: datetime | None = None) -> list[str]:
    """Judges the sources of a crawl that looked at the present (not a backfill), remembers what is new, and tells it.

    Returns what to say on the terminal, one line each: new alerts, sources that recovered, receivers that could not be reached
    (tried again at the next call when nobody was). Raises StoreError.
    """
    now = now or utc_now()
    histories = [store.source_history(source.source_id, now) for source in report.sources if source.due_at is None]
    asked = [history for history in histories if history.answers]
    standing = {(stored.alert.source_id, stored.alert.kind): stored for stored in store.open_alerts()}
    tried, answered = store.sources_asked(report.run_id)
    if tried >= MANY and not answered:
        return [f"none of {tried} sources answered: is this machine's network there? No source is blamed for it"]
    by_id = {history.source_id: history for history in asked}
    found = [alert for history in asked for alert in judge(history)]
    opened = [alert for alert in found if (alert.source_id, alert.kind) not in standing]
    closed = [
        stored
        for (source_id, kind), stored in standing.items()
        if source_id in by_id and over(kind, by_id[source_id], stored.alert.since)
    ]
    store.change_alerts(report.run_id, opened, [stored.id for stored in closed])
    lines = _lines(opened, [stored.alert for stored in closed])
    untold = [stored for stored in store.open_alerts() if not stored.told]
    # Of one that nobody was told of, nobody needs to hear that it is over.
    recovered = [stored.alert for stored in closed if stored.told]
    news = _lines([stored.alert for stored in untold], recovered)
    if news:
        told, problems = tell(settings, [stored.alert for stored in untold], recovered, "\n".join(news))
        lines += problems
        if told:
            store.mark_told(stored.id for stored in untold)
    return lines


def _lines(opened: Sequence[Alert], closed: Sequence[Alert]) -> list[str]:
    return [
        *(f"{alert.source_id} is {alert.kind}: {alert.detail}" for alert in opened),
        *(f"{alert.source_id} is no longer {alert.kind}" for alert in closed),
    ]
