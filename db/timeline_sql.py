"""The SQL of timelines: which articles, statements and sources count in a period. No database here; db.timelines runs it.

By month, in UTC and without filters it says what the views `topic_timeline`, `stance_timeline` and `stance_intervals` say (a test
holds them equal). Every text here is a constant of the program; values are always bound as parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

from db.polarisation import POSITIONED, taken

FILTERS = ("topic", "actor", "side", "proposition", "outlet", "source", "country", "kind", "language")


@dataclass(frozen=True, slots=True)
class TimelineSql:
    """The queries of a timeline. `moment` is the SQL function that gives the local time of a moment; None: moments stay in UTC."""

    moment: str | None = None

    @property
    def counts(self) -> dict[str, str]:
        """By kind of timeline: period, id and counts."""
        period, in_range = self._period, self._in_range
        return {
            "topics": f"""
                SELECT {period} AS period, CAST(c.topic_id AS TEXT) AS id,
                       count(DISTINCT a.document_id) AS documents, count(DISTINCT a.id) AS articles
                FROM articles AS a JOIN current_document_topics AS c USING (document_id)
                WHERE c.topic_id IS NOT NULL AND {in_range} AND {_CHOSEN} AND {_HAS_STATEMENT} GROUP BY 1, 2""",
            "stances": f"""
                SELECT {period} AS period, s.side AS id, count(DISTINCT s.id) AS statements,
                       count(DISTINCT a.document_id) AS documents, count(DISTINCT a.id) AS articles
                FROM articles AS a JOIN statements AS s USING (document_id)
                WHERE s.side IS NOT NULL AND {_SPOKEN} AND {in_range} AND {_CHOSEN} AND {_IN_TOPIC} GROUP BY 1, 2""",
            "actors": f"""
                SELECT {period} AS period, coalesce(s.actor_id, s.speaker_name) AS id, count(DISTINCT s.id) AS statements,
                       count(DISTINCT a.document_id) AS documents, count(DISTINCT a.id) AS articles
                FROM articles AS a JOIN statements AS s USING (document_id)
                WHERE {_SPOKEN} AND {in_range} AND {_CHOSEN} AND {_IN_TOPIC} GROUP BY 1, 2""",
            "terms": f"""
                SELECT {period} AS period, u.term_id AS id, count(DISTINCT a.document_id) AS documents,
                       count(DISTINCT a.id) AS articles, count(DISTINCT u.id) AS uses,
                       count(DISTINCT CASE WHEN {_IN_STATEMENT} THEN u.id END) AS uses_in_statements
                FROM articles AS a JOIN term_uses AS u USING (document_id)
                WHERE {_NOBODY_ASKED} OR {_IN_STATEMENT}) AND {in_range} AND {_CHOSEN} AND {_IN_TOPIC} GROUP BY 1, 2""",
            "polarisation": f"""
                SELECT {period} AS period, 'all' AS id, count(DISTINCT s.id) AS statements,
                       count(DISTINCT a.document_id) AS documents, count(DISTINCT a.id) AS articles
                FROM articles AS a JOIN statements AS s USING (document_id)
                WHERE {POSITIONED} AND {_SPOKEN} AND {in_range} AND {_CHOSEN} AND {_IN_TOPIC} GROUP BY 1""",
        }

    @property
    def mentions(self) -> str:
        """Articles that name an actor: period, id, mentions."""
        return f"""
            SELECT {self._period} AS period, m.actor_id AS id, count(DISTINCT a.id) AS mentions
            FROM articles AS a JOIN mentions AS m USING (document_id)
            WHERE m.actor_id IS NOT NULL AND (:actor IS NULL OR m.actor_id = :actor) AND {self._in_range} AND {_CHOSEN}
              AND {_IN_TOPIC} GROUP BY 1, 2"""

    @property
    def said(self) -> str:
        """Statements of each side in each text, all sides: what the bootstrap draws from."""
        return f"""
            SELECT {self._period} AS period, s.side AS side, a.document_id AS document_id, count(DISTINCT s.id) AS statements
            FROM articles AS a JOIN statements AS s USING (document_id)
            WHERE s.side IS NOT NULL AND {_SPOKEN_BY_ANY_SIDE} AND {self._in_range} AND {_CHOSEN} AND {_IN_TOPIC}
            GROUP BY 1, 2, 3"""

    @property
    def taken(self) -> str:
        """Positions on questions: what polarisation is counted from."""
        where = f"{self._in_range} AND {_CHOSEN} AND {_IN_TOPIC} AND {_SPOKEN}"
        return taken(self._period, where, proposition=":proposition")

    @property
    def collected(self) -> str:
        """Everything collected that the filters choose: period, collected, on_topic (1 when there is an article). Off-topic pages
        have no kind and no language: they count only without these two filters."""
        return f"""
            SELECT {self._period} AS period, count(*) AS collected, max(a.on_topic) AS on_topic FROM (
                SELECT source_id, published_at, language, kind, 1 AS on_topic FROM articles
                UNION ALL
                SELECT source_id, published_at, :language, :kind, 0 FROM collected
                WHERE on_topic = 0 AND :language IS NULL AND :kind IS NULL
            ) AS a WHERE {self._in_range} AND {_CHOSEN} GROUP BY 1"""

    @property
    def healthy(self) -> str:
        """Sources that worked in a period: period, healthy_sources."""
        return f"""
            SELECT {self._period} AS period, count(DISTINCT a.source_id) AS healthy_sources
            FROM source_signs AS a WHERE {self._in_range} AND {_OF_SOURCE} GROUP BY 1"""

    @property
    def speakers(self) -> str:
        """Who speaks most: id, label. :most bounds them."""
        return f"""
            SELECT coalesce(s.actor_id, s.speaker_name) AS id, coalesce(x.name, s.speaker_name) AS label
            FROM articles AS a JOIN statements AS s USING (document_id) LEFT JOIN actors AS x ON x.id = s.actor_id
            WHERE {_SPOKEN} AND {self._in_range} AND {_CHOSEN} AND {_IN_TOPIC}
            GROUP BY 1 ORDER BY count(DISTINCT s.id) DESC, 1 LIMIT :most"""

    @property
    def undated(self) -> str:
        """Articles that the filters choose and that have no date: n."""
        return f"SELECT count(*) AS n FROM articles AS a WHERE a.published_at IS NULL AND {_CHOSEN}"

    @property
    def events(self) -> str:
        """When a source was added, fell silent or came back: period, source_id, source, event, at."""
        return f"""
            SELECT {self._period} AS period, a.source_id, a.source, a.event, a.published_at AS at
            FROM (SELECT source_id, source, event, at AS published_at FROM source_events) AS a
            WHERE {self._in_range} AND {_OF_SOURCE} ORDER BY 5, 2"""

    @property
    def _moment(self) -> str:
        return f"{self.moment}(a.published_at)" if self.moment else "a.published_at"

    @property
    def _period(self) -> str:
        return f"period_of({self._moment}, :by)"

    @property
    def _in_range(self) -> str:
        return f"{self._moment} >= :since AND {self._moment} < :before"


SERIES = {
    "topics": """SELECT CAST(id AS TEXT) AS id, label FROM topics WHERE ended_run_id IS NULL
                 AND (:topic IS NULL OR id = CAST(:topic AS INTEGER)) ORDER BY size DESC, id""",
    "stances": "SELECT id, name AS label FROM sides WHERE :side IS NULL OR id = :side ORDER BY position",
    "terms": "SELECT id, label FROM terms ORDER BY position",
    "polarisation": "SELECT 'all' AS id, 'Polarisation' AS label",
}
"""By kind: the series that a timeline has whatever is counted."""

NAMES = {
    "topic": "SELECT label FROM topics WHERE CAST(id AS TEXT) = ? AND ended_run_id IS NULL",
    "side": "SELECT name FROM sides WHERE id = ?",
    "source": "SELECT id FROM sources WHERE id = ?",
    "outlet": "SELECT name FROM sources WHERE id = ?1 OR lower(name) = lower(?1)",
    "country": "SELECT upper(country) FROM sources WHERE upper(country) = upper(?)",
    "proposition": "SELECT label FROM propositions WHERE id = ?",
    "kind": "SELECT ?1 WHERE ?1 IN ('article', 'post', 'comment', 'paper')",
    "language": "SELECT language FROM articles WHERE language = ?",
    "actor": "SELECT name FROM actors WHERE id = ?1 UNION ALL SELECT speaker_name FROM statements WHERE speaker_name = ?1",
}
"""By filter: what a value of it is called, no row where the database does not know it."""

# An empty parameter chooses all. An outlet may have several sources (its feed and its sitemap), all of the same name.
_OF_SOURCE = """(:source IS NULL OR a.source_id = :source)
    AND (:outlet IS NULL OR a.source_id IN (SELECT id FROM sources WHERE id = :outlet OR lower(name) = lower(:outlet)))
    AND (:country IS NULL OR a.source_id IN (SELECT id FROM sources WHERE upper(country) = upper(:country)))"""
_CHOSEN = f"""{_OF_SOURCE} AND (:language IS NULL OR a.language = :language) AND (:kind IS NULL OR a.kind = :kind)"""
_IN_TOPIC = """(:topic IS NULL OR EXISTS (SELECT 1 FROM current_document_topics AS t
    WHERE t.document_id = a.document_id AND t.topic_id = CAST(:topic AS INTEGER)))"""
_SPOKEN_BY_ANY_SIDE = """(:actor IS NULL OR coalesce(s.actor_id, s.speaker_name) = :actor)
    AND (:proposition IS NULL OR EXISTS (SELECT 1 FROM positions AS p
         WHERE p.statement_id = s.id AND p.proposition_id = :proposition))"""
_SPOKEN = f"(:side IS NULL OR s.side = :side) AND {_SPOKEN_BY_ANY_SIDE}"
_NOBODY_ASKED = "(:side IS NULL AND :actor IS NULL AND :proposition IS NULL"
_HAS_STATEMENT = f"""{_NOBODY_ASKED}
    OR EXISTS (SELECT 1 FROM statements AS s WHERE s.document_id = a.document_id AND {_SPOKEN}))"""
# A use of a term counts as somebody's when it stands in a statement of theirs.
_IN_STATEMENT = f"""EXISTS (SELECT 1 FROM statements AS s WHERE s.document_id = u.document_id
    AND s.start <= u.start AND u."end" <= s."end" AND {_SPOKEN})"""
