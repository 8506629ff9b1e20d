"""The schema, as sqlite-utils migrations. Only ever add one at the end: a migration that has landed is never edited.

Every table is STRICT. Times are UTC, ISO 8601 with a trailing Z. Offsets count characters (code points), as SQLite's substr and
Python's slices both do, so that substr(text, start + 1, end - start) is the evidence.
"""

from __future__ import annotations

from sqlite_utils import Database, Migrations

from db.bootstrap import share_intervals
from db.polarisation import polarisation, taken

migrations = Migrations("debatewatch")

_TABLES = """
CREATE TABLE sources (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    kind TEXT NOT NULL,
    country TEXT,
    language TEXT,
    config TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(config)),
    added_at TEXT NOT NULL,
    removed_at TEXT
) STRICT;

CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    step TEXT NOT NULL,
    version TEXT NOT NULL,
    parameters TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(parameters)),
    versions TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(versions)),
    models TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(models)),
    counts TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(counts)),
    status TEXT NOT NULL CHECK (status IN ('running', 'done', 'partial', 'failed', 'interrupted')),
    started_at TEXT NOT NULL,
    finished_at TEXT
) STRICT;

CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    sha256 TEXT NOT NULL UNIQUE,
    language TEXT,
    kind TEXT NOT NULL DEFAULT 'article',
    authors TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(authors)),
    published_at TEXT,
    words INTEGER NOT NULL,
    run_id INTEGER NOT NULL REFERENCES runs(id),
    added_at TEXT NOT NULL
) STRICT;

CREATE TABLE document_bands (
    band INTEGER NOT NULL,
    hash INTEGER NOT NULL,
    document_id INTEGER NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
    PRIMARY KEY (band, hash, document_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE articles (
    id INTEGER PRIMARY KEY,
    url TEXT NOT NULL UNIQUE,
    source_id TEXT NOT NULL REFERENCES sources(id),
    document_id INTEGER NOT NULL REFERENCES documents(id),
    title TEXT NOT NULL,
    authors TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(authors)),
    published_at TEXT,
    modified_at TEXT,
    language TEXT,
    kind TEXT NOT NULL CHECK (kind IN ('article', 'post', 'comment', 'paper')),
    paywalled INTEGER NOT NULL DEFAULT 0 CHECK (paywalled IN (0, 1)),
    section TEXT,
    sitename TEXT,
    agency TEXT,
    parent_url TEXT,
    run_id INTEGER NOT NULL REFERENCES runs(id),
    added_at TEXT NOT NULL,
    updated_at TEXT
) STRICT;
CREATE INDEX articles_document ON articles(document_id);
CREATE INDEX articles_source ON articles(source_id, published_at);
CREATE INDEX articles_published ON articles(published_at);

CREATE TABLE fetches (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES runs(id),
    source_id TEXT NOT NULL REFERENCES sources(id),
    article_id INTEGER REFERENCES articles(id),
    url TEXT NOT NULL,
    final_url TEXT,
    target TEXT NOT NULL CHECK (target IN ('page', 'listing')),
    outcome TEXT NOT NULL CHECK (outcome IN ('stored', 'unchanged', 'off_topic', 'duplicate', 'disallowed', 'failed')),
    reason TEXT,
    status INTEGER,
    bytes INTEGER,
    seconds REAL,
    etag TEXT,
    last_modified TEXT,
    warc_file TEXT,
    warc_offset INTEGER,
    warc_length INTEGER,
    published_at TEXT,
    fetched_at TEXT NOT NULL
) STRICT;
CREATE INDEX fetches_url ON fetches(url, id);
CREATE INDEX fetches_source ON fetches(source_id, fetched_at);
CREATE INDEX fetches_article ON fetches(article_id);
CREATE INDEX fetches_outcome ON fetches(outcome, target, published_at);

CREATE TABLE article_versions (
    id INTEGER PRIMARY KEY,
    article_id INTEGER NOT NULL REFERENCES articles(id),
    document_id INTEGER NOT NULL REFERENCES documents(id),
    fetch_id INTEGER REFERENCES fetches(id),
    title TEXT NOT NULL,
    seen_at TEXT NOT NULL,
    UNIQUE (article_id, document_id)
) STRICT;
CREATE INDEX article_versions_document ON article_versions(document_id);

CREATE TABLE sides (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    color TEXT NOT NULL,
    position INTEGER NOT NULL,
    description TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE propositions (
    id TEXT PRIMARY KEY,
    label TEXT NOT NULL,
    text TEXT NOT NULL,
    supports TEXT,
    position INTEGER NOT NULL
) STRICT;

CREATE TABLE actors (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    role TEXT,
    wikidata TEXT,
    licence TEXT,
    aliases TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(aliases))
) STRICT;

CREATE TABLE affiliations (
    id INTEGER PRIMARY KEY,
    actor_id TEXT NOT NULL REFERENCES actors(id) ON DELETE CASCADE,
    organisation_id TEXT NOT NULL REFERENCES actors(id) ON DELETE CASCADE,
    role TEXT,
    start TEXT,
    "end" TEXT
) STRICT;
CREATE INDEX affiliations_actor ON affiliations(actor_id);
CREATE INDEX affiliations_organisation ON affiliations(organisation_id);

CREATE TABLE document_steps (
    document_id INTEGER NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
    step TEXT NOT NULL,
    version TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('done', 'failed', 'skipped')),
    run_id INTEGER NOT NULL REFERENCES runs(id),
    PRIMARY KEY (document_id, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE mentions (
    id INTEGER PRIMARY KEY,
    document_id INTEGER NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
    actor_id TEXT REFERENCES actors(id),
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    run_id INTEGER NOT NULL REFERENCES runs(id),
    CHECK (start >= 0 AND "end" > start)
) STRICT;
CREATE INDEX mentions_document ON mentions(document_id, start);
CREATE INDEX mentions_actor ON mentions(actor_id, document_id);

CREATE TABLE statements (
    id INTEGER PRIMARY KEY,
    document_id INTEGER NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
    text TEXT NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    speaker TEXT NOT NULL,
    speaker_name TEXT NOT NULL,
    actor_id TEXT REFERENCES actors(id),
    speaker_start INTEGER,
    speaker_end INTEGER,
    kind TEXT NOT NULL CHECK (kind IN ('direct', 'indirect', 'authorial')),
    rule TEXT NOT NULL DEFAULT '',
    side TEXT,
    score REAL,
    run_id INTEGER NOT NULL REFERENCES runs(id),
    stance_run_id INTEGER REFERENCES runs(id),
    stance_version TEXT,
    CHECK (start >= 0 AND "end" > start)
) STRICT;
CREATE INDEX statements_document ON statements(document_id, start);
CREATE INDEX statements_actor ON statements(actor_id, side);
CREATE INDEX statements_speaker ON statements(speaker_name);
CREATE INDEX statements_stance ON statements(stance_version);

CREATE TABLE positions (
    id INTEGER PRIMARY KEY,
    statement_id INTEGER NOT NULL REFERENCES statements(id) ON DELETE CASCADE,
    proposition_id TEXT NOT NULL REFERENCES propositions(id),
    stance TEXT NOT NULL CHECK (stance IN ('agree', 'disagree')),
    score REAL NOT NULL,
    run_id INTEGER NOT NULL REFERENCES runs(id),
    UNIQUE (statement_id, proposition_id)
) STRICT;
CREATE INDEX positions_proposition ON positions(proposition_id, stance);

CREATE TABLE embeddings (
    document_id INTEGER NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
    model TEXT NOT NULL,
    vector BLOB NOT NULL,
    PRIMARY KEY (document_id, model)
) STRICT, WITHOUT ROWID;

CREATE TABLE topics (
    id INTEGER PRIMARY KEY,
    label TEXT NOT NULL,
    label_edited INTEGER NOT NULL DEFAULT 0 CHECK (label_edited IN (0, 1)),
    keywords TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(keywords)),
    size INTEGER NOT NULL,
    document_id INTEGER REFERENCES documents(id),
    centroid BLOB NOT NULL,
    run_id INTEGER NOT NULL REFERENCES runs(id),
    ended_run_id INTEGER REFERENCES runs(id)
) STRICT;

CREATE TABLE document_topics (
    document_id INTEGER NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
    run_id INTEGER NOT NULL REFERENCES runs(id),
    topic_id INTEGER REFERENCES topics(id),
    score REAL NOT NULL,
    PRIMARY KEY (document_id, run_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX document_topics_topic ON document_topics(topic_id, document_id);

CREATE TABLE topic_events (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES runs(id),
    kind TEXT NOT NULL CHECK (kind IN ('birth', 'death', 'merge', 'split', 'drift', 'continue')),
    topic_id INTEGER NOT NULL REFERENCES topics(id),
    other_topic_id INTEGER REFERENCES topics(id),
    similarity REAL
) STRICT;
CREATE INDEX topic_events_topic ON topic_events(topic_id);

CREATE TABLE position_changes (
    id INTEGER PRIMARY KEY,
    actor_id TEXT REFERENCES actors(id),
    speaker_name TEXT NOT NULL,
    proposition_id TEXT REFERENCES propositions(id),
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    not_before TEXT NOT NULL,
    changed_at TEXT NOT NULL,
    strength REAL NOT NULL,
    method TEXT NOT NULL,
    run_id INTEGER NOT NULL REFERENCES runs(id)
) STRICT;

CREATE TABLE position_change_statements (
    change_id INTEGER NOT NULL REFERENCES position_changes(id) ON DELETE CASCADE,
    statement_id INTEGER NOT NULL REFERENCES statements(id) ON DELETE CASCADE,
    moment TEXT NOT NULL CHECK (moment IN ('before', 'after')),
    PRIMARY KEY (change_id, statement_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE failures (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES runs(id),
    step TEXT NOT NULL,
    document_id INTEGER REFERENCES documents(id) ON DELETE CASCADE,
    url TEXT,
    error TEXT NOT NULL,
    detail TEXT NOT NULL DEFAULT '',
    failed_at TEXT NOT NULL
) STRICT;
CREATE INDEX failures_run ON failures(run_id)
"""

_VIEWS = """
-- Everything collected, one row a page or comment: articles, and pages that were read and found off topic.
CREATE VIEW collected AS
SELECT url, source_id, published_at, substr(published_at, 1, 7) AS month, 1 AS on_topic
FROM articles
UNION ALL
SELECT coalesce(final_url, url), source_id, max(published_at), substr(max(published_at), 1, 7), 0
FROM fetches
WHERE outcome = 'off_topic' AND target = 'page' AND article_id IS NULL
  AND coalesce(final_url, url) NOT IN (SELECT url FROM articles)
GROUP BY coalesce(final_url, url), source_id;

-- Every month from the first to the last article, also those in which nothing was collected.
CREATE VIEW months AS
WITH RECURSIVE calendar(month, last) AS (
    SELECT min(substr(published_at, 1, 7)), max(substr(published_at, 1, 7))
    FROM articles WHERE published_at IS NOT NULL
    UNION ALL
    SELECT strftime('%Y-%m', month || '-01', '+1 month'), last FROM calendar WHERE month < last
)
SELECT calendar.month AS month, count(collected.url) AS collected
FROM calendar LEFT JOIN collected ON collected.month = calendar.month
WHERE calendar.month IS NOT NULL
GROUP BY calendar.month;

-- The newest assignment of each document.
CREATE VIEW current_document_topics AS
SELECT document_id, topic_id, score, run_id
FROM document_topics AS assignment
WHERE run_id = (SELECT max(run_id) FROM document_topics AS other WHERE other.document_id = assignment.document_id);

CREATE VIEW topic_timeline AS
WITH counted AS (
    SELECT substr(articles.published_at, 1, 7) AS month, current_document_topics.topic_id AS topic_id,
           count(DISTINCT articles.document_id) AS documents, count(*) AS articles
    FROM articles JOIN current_document_topics USING (document_id)
    WHERE articles.published_at IS NOT NULL AND current_document_topics.topic_id IS NOT NULL
    GROUP BY 1, 2
)
SELECT months.month AS month, topics.id AS topic_id, topics.label AS topic,
       CASE WHEN months.collected > 0 THEN coalesce(counted.documents, 0) END AS documents,
       CASE WHEN months.collected > 0 THEN coalesce(counted.articles, 0) END AS articles,
       months.collected AS collected,
       CASE WHEN months.collected > 0 THEN round(coalesce(counted.articles, 0) * 1.0 / months.collected, 6) END AS share
FROM months CROSS JOIN topics
LEFT JOIN counted ON counted.month = months.month AND counted.topic_id = topics.id
WHERE topics.ended_run_id IS NULL;

CREATE VIEW stance_timeline AS
WITH counted AS (
    SELECT substr(articles.published_at, 1, 7) AS month, statements.side AS side,
           count(DISTINCT statements.id) AS statements, count(DISTINCT articles.document_id) AS documents,
           count(DISTINCT articles.id) AS articles
    FROM articles JOIN statements USING (document_id)
    WHERE articles.published_at IS NOT NULL AND statements.side IS NOT NULL
    GROUP BY 1, 2
)
SELECT months.month AS month, sides.id AS side,
       CASE WHEN months.collected > 0 THEN coalesce(counted.statements, 0) END AS statements,
       CASE WHEN months.collected > 0 THEN coalesce(counted.documents, 0) END AS documents,
       CASE WHEN months.collected > 0 THEN coalesce(counted.articles, 0) END AS articles,
       months.collected AS collected,
       CASE WHEN months.collected > 0 THEN round(coalesce(counted.articles, 0) * 1.0 / months.collected, 6) END AS share
FROM months CROSS JOIN sides
LEFT JOIN counted ON counted.month = months.month AND counted.side = sides.id;

-- What each speaker was found to say of each proposition, over all time.
CREATE VIEW actor_positions AS
SELECT coalesce(actors.name, statements.speaker_name) AS speaker, statements.actor_id AS actor_id,
       propositions.id AS proposition_id, propositions.label AS proposition,
       sum(positions.stance = 'agree') AS agree, sum(positions.stance = 'disagree') AS disagree,
       min(documents.published_at) AS first_at, max(documents.published_at) AS last_at,
       round(avg(positions.score), 3) AS mean_score
FROM positions
JOIN statements ON statements.id = positions.statement_id
JOIN propositions ON propositions.id = positions.proposition_id
JOIN documents ON documents.id = statements.document_id
LEFT JOIN actors ON actors.id = statements.actor_id
WHERE EXISTS (SELECT 1 FROM articles WHERE articles.document_id = statements.document_id)
GROUP BY coalesce(statements.actor_id, statements.speaker_name), propositions.id;

-- How each source is doing: a source that gives nothing but failures is failing, one without a new article for 30 days silent.
CREATE VIEW source_health AS
WITH fetched AS (
    SELECT source_id, count(*) AS fetches, sum(outcome = 'failed') AS failed, sum(outcome = 'disallowed') AS disallowed,
           max(fetched_at) AS last_fetch_at,
           max(CASE WHEN outcome NOT IN ('failed', 'disallowed') THEN fetched_at END) AS last_success_at
    FROM fetches GROUP BY source_id
), latest AS (
    SELECT fetches.source_id, sum(outcome NOT IN ('failed', 'disallowed')) AS answered
    FROM fetches
    JOIN (SELECT source_id, max(run_id) AS run_id FROM fetches GROUP BY source_id) AS last USING (source_id, run_id)
    GROUP BY fetches.source_id
), written AS (
    SELECT source_id, count(*) AS articles, max(added_at) AS last_new_at, max(published_at) AS last_published_at,
           sum(added_at >= strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-7 days')) AS articles_7_days,
           round(avg(published_at IS NULL), 3) AS undated_share
    FROM articles GROUP BY source_id
)
SELECT sources.id AS source_id, sources.name AS source,
       CASE
           WHEN sources.removed_at IS NOT NULL THEN 'removed'
           WHEN fetched.fetches IS NULL THEN 'never fetched'
           WHEN latest.answered = 0 THEN 'failing'
           WHEN written.last_new_at IS NULL THEN 'no articles'
           WHEN written.last_new_at < strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-30 days') THEN 'silent'
           ELSE 'ok'
       END AS state,
       fetched.last_success_at AS last_success_at, fetched.last_fetch_at AS last_fetch_at,
       coalesce(fetched.fetches, 0) AS fetches, coalesce(fetched.failed, 0) AS failed,
       coalesce(fetched.disallowed, 0) AS disallowed, coalesce(written.articles, 0) AS articles,
       coalesce(written.articles_7_days, 0) AS articles_7_days, written.last_published_at AS last_published_at,
       written.undated_share AS undated_share
FROM sources
LEFT JOIN fetched ON fetched.source_id = sources.id
LEFT JOIN latest ON latest.source_id = sources.id
LEFT JOIN written ON written.source_id = sources.id
"""

_TOPIC_MERGES = """
CREATE TABLE topic_merges (
    topic_id INTEGER PRIMARY KEY REFERENCES topics(id),
    into_id INTEGER NOT NULL REFERENCES topics(id),
    centroid BLOB NOT NULL,
    into_centroid BLOB NOT NULL,
    run_id INTEGER NOT NULL REFERENCES runs(id)
) STRICT;
"""

# The parts of the view `source_health` before and after the newest fifty pages of each source.
_HEALTH_BEFORE, _HEALTH_AFTER = (
    """
DROP VIEW source_health;

CREATE VIEW source_health AS
WITH fetched AS (
    SELECT source_id, count(*) AS fetches, sum(outcome = 'failed') AS failed, sum(outcome = 'disallowed') AS disallowed,
           max(fetched_at) AS last_fetch_at,
           max(CASE WHEN outcome NOT IN ('failed', 'disallowed') THEN fetched_at END) AS last_success_at
    FROM fetches GROUP BY source_id
), latest AS (
    SELECT fetches.source_id, sum(outcome NOT IN ('failed', 'disallowed')) AS answered
    FROM fetches
    JOIN (SELECT source_id, max(run_id) AS run_id FROM fetches GROUP BY source_id) AS last USING (source_id, run_id)
    GROUP BY fetches.source_id
""",
    """), written AS (
    SELECT source_id, count(*) AS articles, max(added_at) AS last_new_at, max(published_at) AS last_published_at,
           sum(added_at >= strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-7 days')) AS articles_7_days,
           round(avg(published_at IS NULL), 3) AS undated_share
    FROM articles GROUP BY source_id
), pace AS (
    SELECT source_id, sum(at >= strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-7 days')) AS week,
           round(sum(at < strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-7 days')) / 12.0, 1) AS usual_week
    FROM (SELECT source_id, coalesce(published_at, added_at) AS at FROM articles)
    WHERE at >= strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-91 days') GROUP BY source_id
), standing AS (
    SELECT source_id, min(since) AS since, group_concat(kind, ', ') AS alerts, group_concat(detail, '; ') AS why,
           max(kind = 'silent') AS silent, max(kind = 'refused') AS refused, max(kind = 'paywalled') AS paywalled,
           max(kind = 'thin') AS thin, max(kind = 'undated') AS undated
    FROM (SELECT * FROM source_alerts WHERE closed_at IS NULL ORDER BY kind) GROUP BY source_id
)
SELECT sources.id AS source_id, sources.name AS source,
       CASE
           WHEN sources.removed_at IS NOT NULL THEN 'removed'
           WHEN fetched.fetches IS NULL THEN 'never fetched'
           WHEN latest.answered = 0 THEN 'failing'
           WHEN standing.silent THEN 'silent'
           WHEN standing.refused THEN 'refused'
           WHEN standing.paywalled THEN 'paywalled'
           WHEN standing.thin THEN 'thin'
           WHEN standing.undated THEN 'undated'
           WHEN written.last_new_at IS NULL THEN 'no articles'
           ELSE 'ok'
       END AS state,
       standing.why AS why, standing.since AS since,
       fetched.last_success_at AS last_success_at, fetched.last_fetch_at AS last_fetch_at,
       coalesce(fetched.fetches, 0) AS fetches, coalesce(fetched.failed, 0) AS failed,
       coalesce(fetched.disallowed, 0) AS disallowed, coalesce(written.articles, 0) AS articles,
       coalesce(written.articles_7_days, 0) AS articles_7_days, coalesce(pace.week, 0) AS week,
       coalesce(pace.usual_week, 0.0) AS usual_week, written.last_published_at AS last_published_at,
       recent.failed_share AS failed_share, recent.refused_share AS refused_share,
       recent.paywalled_share AS paywalled_share, recent.mean_words AS mean_words, written.undated_share AS undated_share
FROM sources
LEFT JOIN fetched ON fetched.source_id = sources.id
LEFT JOIN latest ON latest.source_id = sources.id
LEFT JOIN recent ON recent.source_id = sources.id
LEFT JOIN written ON written.source_id = sources.id
LEFT JOIN pace ON pace.source_id = sources.id
LEFT JOIN standing ON standing.source_id = sources.id
""",
)
_NEWEST_PAGES_NUMBERED = """), numbered AS (
    SELECT source_id, outcome, status, article_id, row_number() OVER (PARTITION BY source_id ORDER BY id DESC) AS place
    FROM fetches WHERE target = 'page' AND outcome != 'unchanged'
), recent AS (
    SELECT numbered.source_id, round(avg(outcome IN ('failed', 'disallowed')), 3) AS failed_share,
           round(avg(status IN (401, 402, 403, 451) AND outcome = 'failed' OR outcome = 'disallowed'), 3) AS refused_share,
           round(avg(articles.paywalled), 3) AS paywalled_share, round(avg(documents.words)) AS mean_words
    FROM numbered LEFT JOIN articles ON articles.id = numbered.article_id
    LEFT JOIN documents ON documents.id = articles.document_id
    WHERE place <= 50 GROUP BY numbered.source_id
"""
# The same without looking at every page that was ever asked for.
_NEWEST_PAGES = """), recent AS (
    SELECT of.id AS source_id, round(avg(page.outcome IN ('failed', 'disallowed')), 3) AS failed_share,
           round(avg(page.status IN (401, 402, 403, 451) AND page.outcome = 'failed' OR page.outcome = 'disallowed'), 3)
               AS refused_share,
           round(avg(articles.paywalled), 3) AS paywalled_share, round(avg(documents.words)) AS mean_words
    FROM sources AS of JOIN fetches AS page ON page.id IN (
        SELECT newest.id FROM fetches AS newest
        WHERE newest.source_id = of.id AND newest.target = 'page' AND newest.outcome != 'unchanged'
        ORDER BY newest.fetched_at DESC, newest.id DESC LIMIT 50)
    LEFT JOIN articles ON articles.id = page.article_id LEFT JOIN documents ON documents.id = articles.document_id
    GROUP BY of.id
"""

# What stands until a source recovers is in a table, so that it is told once; db/health.py writes it after each crawl. A source
# is failing at its first crawl without an answer, and told when that is no passing trouble.
_SOURCE_ALERTS = """
CREATE TABLE source_alerts (
    id INTEGER PRIMARY KEY,
    source_id TEXT NOT NULL REFERENCES sources(id),
    kind TEXT NOT NULL CHECK (kind IN ('failing', 'silent', 'refused', 'paywalled', 'thin', 'undated')),
    since TEXT,
    detail TEXT NOT NULL,
    run_id INTEGER NOT NULL REFERENCES runs(id),
    opened_at TEXT NOT NULL,
    told_at TEXT,
    closed_at TEXT
) STRICT;
CREATE UNIQUE INDEX source_alerts_open ON source_alerts(source_id, kind) WHERE closed_at IS NULL;

"""


def _execute_all(db: Database, script: str) -> None:
    """Runs each statement of a script inside the caller's transaction (sqlite3's executescript would commit it)."""
    for statement in script.split(";\n"):
        if statement.strip():
            db.execute(statement)


_SAID_BY_MONTH = """
    SELECT substr(a.published_at, 1, 7) AS period, s.side AS side, a.document_id AS document_id,
           count(DISTINCT s.id) AS statements
    FROM articles AS a JOIN statements AS s USING (document_id)
    WHERE a.published_at IS NOT NULL AND s.side IS NOT NULL GROUP BY 1, 2, 3"""

# Another way of drawing is another migration that makes `stance_intervals` anew.
_TIMELINE_VIEWS = f"""
DROP VIEW topic_timeline;
DROP VIEW stance_timeline;
DROP VIEW months;

-- Signs that a source worked, by their date: a page dated then (on topic or off), or a request made then that was answered.
CREATE VIEW source_signs AS
SELECT source_id, published_at FROM collected WHERE published_at IS NOT NULL
UNION ALL
SELECT source_id, fetched_at FROM fetches WHERE outcome NOT IN ('failed', 'disallowed');

-- Every month from the first to the last article, also those in which nothing was collected. No healthy source: no data.
CREATE VIEW months AS
WITH RECURSIVE calendar(month, last) AS (
    SELECT min(substr(published_at, 1, 7)), max(substr(published_at, 1, 7))
    FROM articles WHERE published_at IS NOT NULL
    UNION ALL
    SELECT strftime('%Y-%m', month || '-01', '+1 month'), last FROM calendar WHERE month < last
), pages AS (
    SELECT month, count(*) AS collected FROM collected GROUP BY month
), signs AS (
    SELECT substr(published_at, 1, 7) AS month, count(DISTINCT source_id) AS sources FROM source_signs GROUP BY 1
)
SELECT calendar.month AS month, coalesce(pages.collected, 0) AS collected, coalesce(signs.sources, 0) AS healthy_sources
FROM calendar LEFT JOIN pages ON pages.month = calendar.month LEFT JOIN signs ON signs.month = calendar.month
WHERE calendar.month IS NOT NULL;

CREATE VIEW topic_timeline AS
WITH counted AS (
    SELECT substr(articles.published_at, 1, 7) AS month, current_document_topics.topic_id AS topic_id,
           count(DISTINCT articles.document_id) AS documents, count(*) AS articles
    FROM articles JOIN current_document_topics USING (document_id)
    WHERE articles.published_at IS NOT NULL AND current_document_topics.topic_id IS NOT NULL
    GROUP BY 1, 2
)
SELECT months.month AS month, topics.id AS topic_id, topics.label AS topic,
       CASE WHEN healthy_sources > 0 THEN coalesce(counted.documents, 0) END AS documents,
       CASE WHEN healthy_sources > 0 THEN coalesce(counted.articles, 0) END AS articles,
       months.collected AS collected,
       round(coalesce(counted.articles, 0) * 1.0 / nullif(months.collected, 0), 6) AS share,
       healthy_sources,
       CASE WHEN healthy_sources = 0 THEN 'no data' WHEN counted.articles > 0 THEN 'counted' ELSE 'zero' END AS state
FROM months CROSS JOIN topics
LEFT JOIN counted ON counted.month = months.month AND counted.topic_id = topics.id
WHERE topics.ended_run_id IS NULL;

CREATE VIEW stance_timeline AS
WITH counted AS (
    SELECT substr(articles.published_at, 1, 7) AS month, statements.side AS side,
           count(DISTINCT statements.id) AS statements, count(DISTINCT articles.document_id) AS documents,
           count(DISTINCT articles.id) AS articles
    FROM articles JOIN statements USING (document_id)
    WHERE articles.published_at IS NOT NULL AND statements.side IS NOT NULL
    GROUP BY 1, 2
)
SELECT months.month AS month, sides.id AS side,
       CASE WHEN healthy_sources > 0 THEN coalesce(counted.statements, 0) END AS statements,
       CASE WHEN healthy_sources > 0 THEN coalesce(counted.documents, 0) END AS documents,
       CASE WHEN healthy_sources > 0 THEN coalesce(counted.articles, 0) END AS articles,
       months.collected AS collected,
       round(coalesce(counted.articles, 0) * 1.0 / nullif(months.collected, 0), 6) AS share,
       round(coalesce(counted.statements, 0) * 1.0
             / (SELECT sum(other.statements) FROM counted AS other WHERE other.month = months.month), 4) AS statement_share,
       healthy_sources,
       CASE WHEN healthy_sources = 0 THEN 'no data' WHEN counted.statements > 0 THEN 'counted' ELSE 'zero' END AS state
FROM months CROSS JOIN sides
LEFT JOIN counted ON counted.month = months.month AND counted.side = sides.id;

-- How sure each side's share of a month's statements is: 95 % bootstrap intervals over texts (db/bootstrap.py).
CREATE VIEW stance_intervals AS
SELECT period AS month, side, low, high FROM ({share_intervals(_SAID_BY_MONTH)});

-- What changes the base of all counts: the first day of a source, and gaps in what it gives that are out of its character
-- (longer than 30 days and five times its mean distance between days with a page, the longest left out; it needs three such
-- days), up to the newest page of all sources.
CREATE VIEW source_events AS
WITH days AS (
    SELECT DISTINCT source_id, substr(published_at, 1, 10) || 'T00:00:00Z' AS at
    FROM collected WHERE published_at IS NOT NULL
), following AS (
    SELECT source_id, at, lead(at) OVER (PARTITION BY source_id ORDER BY at) AS next_at FROM days
), pace AS (
    SELECT source_id, min(at) AS first_at, count(*) AS days,
           max(30, 5 * (julianday(max(at)) - julianday(min(at)) - coalesce(max(julianday(next_at) - julianday(at)), 0))
                   / max(1, count(*) - 2)) AS patience
    FROM following GROUP BY source_id
), gaps AS (
    SELECT following.source_id, following.at, following.next_at
    FROM following JOIN pace ON pace.source_id = following.source_id AND pace.days > 2
    WHERE julianday(coalesce(following.next_at, (SELECT max(at) FROM days))) - julianday(following.at) > pace.patience
)
SELECT events.source_id AS source_id, sources.name AS source, events.event AS event, events.at AS at
FROM (SELECT source_id, 'added' AS event, first_at AS at FROM pace
      UNION ALL SELECT source_id, 'silent', at FROM gaps
      UNION ALL SELECT source_id, 'back', next_at FROM gaps WHERE next_at IS NOT NULL) AS events
JOIN sources ON sources.id = events.source_id
"""

_POLARISATION_VIEW = f"""
-- How polarised each month was, in one number (db/polarisation.py defines it; another definition is another migration).
CREATE VIEW polarisation_timeline AS
SELECT months.month AS month, found.actors AS actors, found.pairs AS pairs, found.polarisation AS polarisation,
       months.healthy_sources AS healthy_sources
FROM months LEFT JOIN (
    {polarisation(taken("substr(a.published_at, 1, 7)", "a.published_at IS NOT NULL"))}
) AS found ON found.period = months.month
"""

_EVENTS = """
CREATE TABLE topic_bursts (
    id INTEGER PRIMARY KEY,
    topic_id INTEGER NOT NULL REFERENCES topics(id) ON DELETE CASCADE,
    started_on TEXT NOT NULL,
    ended_on TEXT NOT NULL,
    documents INTEGER NOT NULL,
    expected REAL NOT NULL,
    strength REAL NOT NULL,
    method TEXT NOT NULL,
    run_id INTEGER NOT NULL REFERENCES runs(id)
) STRICT;
CREATE INDEX topic_bursts_topic ON topic_bursts(topic_id);

-- Who entered the debate after its first 90 days, when everybody is new: an actor of debate.toml at once, anybody else with a
-- second text, because one text may have made a name up of something else.
CREATE VIEW new_actors AS
WITH spoken AS (
    SELECT coalesce(s.actor_id, s.speaker_name) AS who, s.actor_id, s.speaker_name, s.id AS statement_id, s.document_id,
           d.published_at,
           row_number() OVER (PARTITION BY coalesce(s.actor_id, s.speaker_name) ORDER BY d.published_at, s.id) AS place
    FROM statements AS s JOIN documents AS d ON d.id = s.document_id
    WHERE d.published_at IS NOT NULL AND (s.actor_id IS NOT NULL OR s.speaker_name != 'AUTHOR')
      AND d.id IN (SELECT document_id FROM articles)
), counted AS (
    SELECT who, count(*) AS statements, count(DISTINCT document_id) AS documents FROM spoken GROUP BY who
)
SELECT coalesce(actors.name, spoken.speaker_name) AS speaker, spoken.actor_id AS actor_id, spoken.published_at AS entered_at,
       statements.side AS side, spoken.statement_id AS statement_id, counted.statements AS statements,
       counted.documents AS documents
FROM spoken JOIN counted ON counted.who = spoken.who JOIN statements ON statements.id = spoken.statement_id
LEFT JOIN actors ON actors.id = spoken.actor_id
WHERE spoken.place = 1 AND (spoken.actor_id IS NOT NULL OR counted.documents > 1)
  AND julianday(spoken.published_at) > (SELECT julianday(min(published_at)) + 90 FROM spoken)
"""

_TERMS = """
CREATE TABLE terms (
    id TEXT PRIMARY KEY,
    label TEXT NOT NULL,
    parts TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(parts)),
    fits TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(fits)),
    loosely TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(loosely)),
    position INTEGER NOT NULL
) STRICT;

CREATE TABLE term_uses (
    id INTEGER PRIMARY KEY,
    document_id INTEGER NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
    term_id TEXT NOT NULL REFERENCES terms(id) ON DELETE CASCADE,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    model_id TEXT REFERENCES actors(id),
    denied INTEGER NOT NULL DEFAULT 0 CHECK (denied IN (0, 1)),
    sentence TEXT NOT NULL DEFAULT '',
    run_id INTEGER NOT NULL REFERENCES runs(id),
    CHECK (start >= 0 AND "end" > start)
) STRICT;
CREATE INDEX term_uses_document ON term_uses(document_id, start);
CREATE INDEX term_uses_term ON term_uses(term_id, document_id);

CREATE VIEW term_timeline AS
WITH counted AS (
    SELECT substr(a.published_at, 1, 7) AS month, u.term_id, count(DISTINCT a.document_id) AS documents,
           count(DISTINCT a.id) AS articles, count(DISTINCT u.id) AS uses, count(DISTINCT CASE WHEN EXISTS (
               SELECT 1 FROM statements AS s WHERE s.document_id = u.document_id AND s.start <= u.start AND u."end" <= s."end"
           ) THEN u.id END) AS uses_in_statements
    FROM articles AS a JOIN term_uses AS u USING (document_id) WHERE a.published_at IS NOT NULL GROUP BY 1, 2
)
SELECT months.month AS month, terms.id AS term_id, terms.label AS term,
       CASE WHEN healthy_sources > 0 THEN coalesce(counted.documents, 0) END AS documents,
       CASE WHEN healthy_sources > 0 THEN coalesce(counted.articles, 0) END AS articles,
       CASE WHEN healthy_sources > 0 THEN coalesce(counted.uses, 0) END AS uses,
       CASE WHEN healthy_sources > 0 THEN coalesce(counted.uses_in_statements, 0) END AS uses_in_statements,
       months.collected AS collected,
       round(coalesce(counted.articles, 0) * 1.0 / nullif(months.collected, 0), 6) AS share,
       healthy_sources,
       CASE WHEN healthy_sources = 0 THEN 'no data' WHEN counted.uses > 0 THEN 'counted' ELSE 'zero' END AS state
FROM months CROSS JOIN terms LEFT JOIN counted ON counted.month = months.month AND counted.term_id = terms.id;

-- Terms that promise something of a model, said of models whose licence debate.toml knows.
CREATE VIEW term_verdicts AS
SELECT u.id AS use_id, u.term_id AS term_id, terms.label AS term, u.model_id AS model_id, actors.name AS model,
       actors.licence AS licence,
       CASE WHEN u.denied THEN 'denied'
            WHEN actors.licence IN (SELECT value FROM json_each(terms.fits)) THEN 'right'
            WHEN actors.licence IN (SELECT value FROM json_each(terms.loosely)) THEN 'loose'
            ELSE 'misuse' END AS verdict,
       u.sentence AS sentence, u.document_id AS document_id, u.start AS start, u."end" AS "end"
FROM term_uses AS u JOIN terms ON terms.id = u.term_id JOIN actors ON actors.id = u.model_id
WHERE actors.licence IS NOT NULL AND terms.fits != '[]'
"""

_REVIEWS = """
-- Kept by text and place, not by statement: statements are replaced whenever their text is read again.
CREATE TABLE reviews (
    id INTEGER PRIMARY KEY,
    document_sha256 TEXT NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    reviewer TEXT NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('right', 'wrong side', 'wrong speaker', 'no statement')),
    side TEXT,
    speaker TEXT,
    shown_side TEXT NOT NULL,
    shown_speaker TEXT NOT NULL,
    reviewed_at TEXT NOT NULL,
    UNIQUE (document_sha256, start, "end", reviewer),
    CHECK (start >= 0 AND "end" > start),
    CHECK ((verdict = 'no statement') = (side IS NULL) AND (side IS NULL) = (speaker IS NULL))
) STRICT;

CREATE VIEW review_agreement AS
WITH placed AS (
    SELECT r.*, d.id AS document_id, s.id AS statement_id, s.side AS model_side,
           coalesce(a.name, s.speaker_name) AS model_speaker,
           -- Several people may say one passage (a joint letter): the one who was shown counts.
           row_number() OVER (PARTITION BY r.id ORDER BY coalesce(a.name, s.speaker_name) = r.shown_speaker DESC, s.id) AS place
    FROM reviews AS r JOIN documents AS d ON d.sha256 = r.document_sha256
    LEFT JOIN statements AS s ON s.document_id = d.id AND s.start = r.start AND s."end" = r."end" AND s.side IS NOT NULL
    LEFT JOIN actors AS a ON a.id = s.actor_id
)
SELECT id AS review_id, document_id, statement_id, reviewer, verdict, side AS said_side, model_side, speaker AS said_speaker,
       model_speaker, side IS model_side AS agree, reviewed_at
FROM placed WHERE place = 1
"""

_SECOND_OPINIONS = """
CREATE TABLE second_opinions (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES runs(id),
    judge TEXT NOT NULL,
    version TEXT NOT NULL,
    document_sha256 TEXT NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    speaker_name TEXT NOT NULL,
    side TEXT NOT NULL,
    positions TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(positions)),
    UNIQUE (document_sha256, start, "end", speaker_name, version),
    CHECK (start >= 0 AND "end" > start)
) STRICT;

CREATE VIEW judge_agreement AS
SELECT s.id AS statement_id, s.document_id AS document_id, coalesce(a.name, s.speaker_name) AS speaker, s.text AS text,
       s.side AS our_side, s.score AS our_score, o.judge AS judge, o.side AS judge_side, s.side = o.side AS agree,
       (SELECT json_group_object(p.proposition_id, p.stance) FROM positions AS p WHERE p.statement_id = s.id) AS our_positions,
       o.positions AS judge_positions, o.run_id AS run_id
FROM second_opinions AS o JOIN documents AS d ON d.sha256 = o.document_sha256
JOIN statements AS s ON s.document_id = d.id AND s.start = o.start AND s."end" = o."end" AND s.speaker_name = o.speaker_name
LEFT JOIN actors AS a ON a.id = s.actor_id
WHERE s.side IS NOT NULL
"""


_REPRINTS = """
CREATE TABLE article_texts (
    sha256 TEXT PRIMARY KEY,
    document_id INTEGER NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX article_texts_document ON article_texts(document_id);

-- Articles that share a document with others, or that name an agency: where their text comes from.
CREATE VIEW reprints AS
WITH agencies AS (
    SELECT a.id AS article_id, min(o.id) AS original_id
    FROM articles AS a
    JOIN articles AS o ON o.document_id = a.document_id AND o.id != a.id
    JOIN sources ON sources.id = o.source_id
    WHERE a.agency IS NOT NULL
      AND (lower(sources.name) = lower(a.agency) OR lower(o.sitename) = lower(a.agency))
    GROUP BY a.id
), earliest AS (
    SELECT id AS article_id, document_id, count(*) OVER (PARTITION BY document_id) AS shared_by, first_value(id) OVER (
               PARTITION BY document_id ORDER BY published_at IS NULL, published_at, url) AS first_id
    FROM articles WHERE kind != 'comment'
)
SELECT a.id AS article_id, a.url AS url, a.source_id AS source_id, a.document_id AS document_id, a.agency AS agency,
       o.id AS original_id, o.url AS original_url, e.shared_by AS shared_by
FROM earliest AS e JOIN articles AS a ON a.id = e.article_id LEFT JOIN agencies ON agencies.article_id = a.id
LEFT JOIN articles AS o ON o.id = coalesce(agencies.original_id, CASE WHEN a.agency IS NULL THEN e.first_id END) AND o.id != a.id
WHERE a.agency IS NOT NULL OR (e.shared_by > 1 AND e.first_id != a.id)
"""

_TOPICS_OF_CARRIED_TEXTS = """
DROP VIEW current_document_topics;

-- The newest assignment of each document that an article carries: an earlier version of an article counts no more.
CREATE VIEW current_document_topics AS
SELECT document_id, topic_id, score, run_id
FROM document_topics AS assignment
WHERE run_id = (SELECT max(run_id) FROM document_topics AS other WHERE other.document_id = assignment.document_id)
  AND EXISTS (SELECT 1 FROM articles WHERE articles.document_id = assignment.document_id);

UPDATE topics SET size = (SELECT count(*) FROM current_document_topics AS c WHERE c.topic_id = topics.id)
"""


@migrations()
def m001_tables(db: Database) -> None:
    """Tables and indexes."""
    _execute_all(db, _TABLES)


@migrations()
def m002_full_text_search(db: Database) -> None:
    """Full-text search over documents and statements, kept in step by triggers."""
    db.table("documents").enable_fts(["title", "text"], create_triggers=True, tokenize="porter unicode61")
    db.table("statements").enable_fts(["text", "speaker_name"], create_triggers=True, tokenize="porter unicode61")


@migrations()
def m003_views(db: Database) -> None:
    """The views that timelines, exports and the site read; the same figures everywhere."""
    _execute_all(db, _VIEWS)


@migrations()
def m004_article_texts(db: Database) -> None:
    """The digest of an article's own text, which a reprint does not share with its document: an unchanged reprint that is
    fetched again must not look like an update."""
    db.execute("ALTER TABLE articles ADD COLUMN sha256 TEXT")


@migrations()
def m005_timelines_with_healthy_sources(db: Database) -> None:
    """No data means that no source was healthy; intervals for the share of each side; when sources were added or fell silent."""
    _execute_all(db, _TIMELINE_VIEWS)


@migrations()
def m006_polarisation(db: Database) -> None:
    """Polarisation by month."""
    _execute_all(db, _POLARISATION_VIEW)


@migrations()
def m007_bursts_and_new_actors(db: Database) -> None:
    """Weeks in which a topic takes an unusual share of the coverage, and who enters the debate."""
    _execute_all(db, _EVENTS)


@migrations()
def m008_terms(db: Database) -> None:
    """How the debate names things: terms, where texts use them, and of which model."""
    _execute_all(db, _TERMS)


@migrations()
def m009_topic_merges(db: Database) -> None:
    """What a document needs to belong to a topic, by topic; and merges by a user, which every later fit keeps."""
    db.execute("ALTER TABLE topics ADD COLUMN floor REAL NOT NULL DEFAULT 0.45")
    _execute_all(db, _TOPIC_MERGES)


@migrations()
def m010_sponsored_articles(db: Database) -> None:
    """Articles that say that somebody paid for them."""
    db.execute("ALTER TABLE articles ADD COLUMN sponsored INTEGER NOT NULL DEFAULT 0 CHECK (sponsored IN (0, 1))")


@migrations()
def m011_source_alerts(db: Database) -> None:
    """What is wrong with a source stands until it recovers, and is found by its own history instead of a fixed number of days."""
    _execute_all(db, _SOURCE_ALERTS)
    _execute_all(db, _HEALTH_BEFORE + _NEWEST_PAGES_NUMBERED + _HEALTH_AFTER)


@migrations()
def m012_reviews(db: Database) -> None:
    """What people say of statements, and how far the model agrees."""
    _execute_all(db, _REVIEWS)


@migrations()
def m013_second_opinions(db: Database) -> None:
    """What a second judge says of statements, beside our own judgement."""
    _execute_all(db, _SECOND_OPINIONS)


@migrations()
def m014_due_times(db: Database) -> None:
    """From when on an address may be asked for again: by its own hints, and by how quiet its source is."""
    db.execute("ALTER TABLE fetches ADD COLUMN due_at TEXT")


@migrations()
def m015_reprints(db: Database) -> None:
    """The texts of reprints, so that a document's text does not depend on which of them came first; and what each points to."""
    _execute_all(db, _REPRINTS)


@migrations()
def m016_source_health_of_large_databases(db: Database) -> None:
    """The same figures in a fraction of the time, once there are hundreds of thousands of fetches."""
    db.execute("CREATE INDEX fetches_health ON fetches(source_id, run_id, outcome, fetched_at)")
    _execute_all(db, _HEALTH_BEFORE + _NEWEST_PAGES + _HEALTH_AFTER)


@migrations()
def m017_topics_of_carried_texts(db: Database) -> None:
    """Earlier versions of articles no longer count for their topics, nor in their sizes."""
    _execute_all(db, _TOPICS_OF_CARRIED_TEXTS)


@migrations()
def m018_vectors_of_own_words(db: Database) -> None:
    """Which words a vector is of, where an outlet's boilerplate was left out."""
    db.execute("ALTER TABLE embeddings ADD COLUMN sha256 TEXT")
