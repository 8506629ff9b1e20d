"""Reads what the crawls of a source saw, and keeps what is wrong with it until it recovers. Judges nothing: crawler.health does."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from db.connection import Connection
from db.models import Alert, PageSign, SourceHistory, StoredAlert, from_iso, to_iso, utc_now

DAYS = 101
"""Days with a page that are looked back at: a hundred gaps, months of a daily source and years of a weekly one."""
PAGES = 200
CRAWLS = 5

# One row for each page in the order in which it was first asked for, with what came of it last: a page that is refused at each
# crawl is one sign, not many. Rows from a clock that ran ahead wait until then.
_PAGES = """
SELECT min(id) AS first_id, max(id) AS last_id,
       min(min(fetched_at), coalesce(min(published_at), min(fetched_at))) AS published_at
FROM fetches WHERE source_id = :source AND target = 'page' AND outcome != 'unchanged' AND fetched_at <= :now GROUP BY url
"""


class Health(Connection):
    """The part of the store that watches over sources."""

    def source_history(self, source_id: str, now: datetime) -> SourceHistory:
        """What is known of a source up to `now`."""
        asked = {"source": source_id, "now": to_iso(now)}
        crawls = self._rows(
            f"""SELECT max(outcome NOT IN ('failed', 'disallowed')) AS answered FROM fetches
                WHERE source_id = :source AND fetched_at <= :now GROUP BY run_id ORDER BY run_id DESC LIMIT {CRAWLS}""",
            asked,
        )
        last_answer = self.db.conn.execute(
            """SELECT max(fetched_at) FROM fetches WHERE source_id = :source AND fetched_at <= :now
               AND outcome NOT IN ('failed', 'disallowed')""",
            asked,
        ).fetchone()[0]
        days = self._rows(
            f"SELECT DISTINCT substr(published_at, 1, 10) AS day FROM ({_PAGES}) ORDER BY day DESC LIMIT {DAYS}", asked
        )
        pages = self._rows(
            f"""SELECT f.fetched_at, f.outcome, f.status, f.reason, f.published_at, a.published_at AS dated, a.paywalled, d.words,
                       EXISTS (SELECT 1 FROM failures AS x WHERE x.run_id = f.run_id AND x.url = f.url
                               AND x.error = 'ExtractionError') AS unreadable
                FROM (SELECT * FROM ({_PAGES}) ORDER BY first_id DESC LIMIT {PAGES}) AS page
                JOIN fetches AS f ON f.id = page.last_id
                LEFT JOIN articles AS a ON a.id = f.article_id LEFT JOIN documents AS d ON d.id = a.document_id
                ORDER BY page.first_id""",
            asked,
        )
        return SourceHistory(
            source_id,
            tuple(bool(row["answered"]) for row in crawls)[::-1],
            from_iso(last_answer),
            tuple(date.fromisoformat(row["day"]) for row in days)[::-1],
            tuple(_sign(row) for row in pages),
        )

    def sources_asked(self, run_id: int) -> tuple[int, int]:
        """How many sources a crawl asked for anything, and how many of them answered."""
        asked, answered = self.db.conn.execute(
            """SELECT count(*), coalesce(sum(answered), 0) FROM (
                   SELECT max(outcome NOT IN ('failed', 'disallowed')) AS answered FROM fetches
                   WHERE run_id = ? GROUP BY source_id)""",
            [run_id],
        ).fetchone()
        return int(asked), int(answered)

    def open_alerts(self) -> list[StoredAlert]:
        """The alerts that stand, by source and kind."""
        return [
            StoredAlert(
                row["id"],
                Alert(row["source_id"], row["kind"], from_iso(row["since"]), row["detail"]),
                row["told_at"] is not None,
            )
            for row in self._rows("SELECT * FROM source_alerts WHERE closed_at IS NULL ORDER BY source_id, kind")
        ]

    def change_alerts(self, run_id: int, opened: Iterable[Alert], closed: Iterable[int]) -> None:
        """Opens alerts, found after a run, and closes those of these ids."""
        now = to_iso(utc_now())
        with self._write() as connection:
            connection.executemany(
                "UPDATE source_alerts SET closed_at = ? WHERE id = ?", [(now, alert_id) for alert_id in closed]
            )
            connection.executemany(
                """INSERT INTO source_alerts (source_id, kind, since, detail, run_id, opened_at) VALUES (?, ?, ?, ?, ?, ?)
                   ON CONFLICT DO NOTHING""",
                [(a.source_id, a.kind, to_iso(a.since), a.detail, run_id, now) for a in opened],
            )

    def mark_told(self, alert_ids: Iterable[int]) -> None:
        """Those who asked for alerts were told of these."""
        now = to_iso(utc_now())
        with self._write() as connection:
            connection.executemany(
                "UPDATE source_alerts SET told_at = ? WHERE id = ?", [(now, alert_id) for alert_id in alert_ids]
            )


_REFUSED = (401, 402, 403, 451)
"""Unauthorized, payment required, forbidden, unavailable for legal reasons (RFC 9110, 15.5; RFC 7725)."""


def _sign(row: dict[str, object]) -> PageSign:
    read = row["words"] is not None
    return PageSign(
        fetched_at=from_iso(str(row["fetched_at"])) or utc_now(),
        refused=row["outcome"] == "disallowed" or (row["outcome"] == "failed" and row["status"] in _REFUSED),
        paywalled=bool(row["paywalled"]) if read else None,
        undated=row["dated"] is None
        if read
        else row["published_at"] is None
        if row["outcome"] == "off_topic"
        else None,
        words=int(str(row["words"])) if read else 0 if row["unreadable"] else None,
    )
