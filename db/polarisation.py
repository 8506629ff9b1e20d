"""Polarisation in one number, in plain SQL, so that the view, the canned query, the file and the chart carry the same one.

Definition. The questions are whether to take each side of the debate (a statement of that side says 1, one of another side -1, a
mixed one 0, a neutral one nothing), and every proposition that belongs to no side (agree 1, disagree -1). In a period, an actor's
position on a question is the mean of what they said of it. The agreement of two actors is the mean product of their positions over
the questions that both spoke of: 1 always alike, -1 always opposed. Polarisation is twice the mean, over all pairs of actors who
share a question and over each actor with themselves, of how far that agreement lies below zero:

    P = 2 * mean over (i, j) of max(0, -agreement(i, j)), at most 1

0: nobody opposes anybody. 1: two camps of equal size, opposed on everything they both speak of. One dissenter among ten: 0.36 (a
share p of actors who oppose the others gives 4p(1 - p)). Pairs who agree on one question and differ on the next add nothing: it is
alignment that polarises. The agreements are those of the signed congruence network of discourse network analysis (Leifeld 2017),
each question counted once for a pair, however often they repeat themselves.
"""

from __future__ import annotations

POSITIONED = """(s.actor_id IS NOT NULL OR s.speaker_name != 'AUTHOR')
    AND (s.side = 'mixed' OR s.side IN (SELECT supports FROM propositions)
         OR EXISTS (SELECT 1 FROM positions AS p WHERE p.statement_id = s.id))"""
"""SQL over `s` (statements): somebody with a name takes a side or a position. Authors without a name are many people, not one
actor."""


def taken(period: str, where: str, *, proposition: str = "NULL") -> str:
    """SQL for what was said in a period: (period, actor, statement_id, question, position), one row a statement and question.

    period: an expression over `a` (articles); where: a condition over `a` and `s` (statements). proposition: an expression; where
    it is not empty, that proposition is the only question, whether it belongs to a side or not. A reprint repeats nothing.
    """
    said = "FROM articles AS a JOIN statements AS s USING (document_id)"
    who = "coalesce(s.actor_id, s.speaker_name)"
    return f"""
SELECT {period} AS period, {who} AS actor, s.id AS statement_id, 'side:' || contested.side AS question,
       CASE s.side WHEN contested.side THEN 1 WHEN 'mixed' THEN 0 ELSE -1 END AS position
{said} JOIN (SELECT DISTINCT supports AS side FROM propositions WHERE supports IS NOT NULL) AS contested
WHERE {proposition} IS NULL AND {POSITIONED} AND {where} AND (s.side = 'mixed' OR s.side IN (SELECT supports FROM propositions))
UNION
SELECT {period}, {who}, s.id, p.proposition_id, CASE p.stance WHEN 'agree' THEN 1 ELSE -1 END
{said} JOIN positions AS p ON p.statement_id = s.id JOIN propositions AS q ON q.id = p.proposition_id
WHERE CASE WHEN {proposition} IS NULL THEN q.supports IS NULL ELSE q.id = {proposition} END
  AND {POSITIONED} AND {where}"""


def polarisation(said: str) -> str:
    """SQL for polarisation: (period, actors, pairs, polarisation).

    said: what `taken` gives. actors: those who took a position; pairs: two actors with a question in common; polarisation: 0 to 1,
    empty without a pair. Actors with the same positions are compared once, for all of them: most speak once or twice in a
    period, and a thousand of them would make a million comparisons.
    """
    return f"""
WITH held AS MATERIALIZED (
    SELECT period, actor, question, round(avg(position), 6) AS position FROM ({said})
    GROUP BY period, actor, question ORDER BY period, actor, question
), profiles AS MATERIALIZED (
    SELECT period, actor, group_concat(question || ' ' || position, char(10)) AS profile FROM held GROUP BY period, actor
), alike AS MATERIALIZED (
    SELECT period, profile, count(*) AS actors, min(actor) AS actor FROM profiles GROUP BY period, profile
), positions_held AS MATERIALIZED (
    SELECT alike.period, alike.actor, alike.actors, held.question, held.position
    FROM alike JOIN held ON held.period = alike.period AND held.actor = alike.actor
), agreements AS (
    SELECT a.period AS period, a.actor AS one, a.actors * b.actors AS pairs, avg(a.position * b.position) AS agreement
    FROM positions_held AS a JOIN positions_held AS b ON b.period = a.period AND b.question = a.question
    GROUP BY a.period, a.actor, b.actor
), summed AS (
    SELECT period, sum(pairs) AS pairs, sum(pairs * max(0.0, -agreement)) AS opposed FROM agreements GROUP BY period
), spoken AS (
    SELECT period, sum(actors) AS actors FROM alike GROUP BY period
)
SELECT spoken.period AS period, actors, (pairs - actors) / 2 AS pairs,
       CASE WHEN pairs > actors THEN round(min(1.0, 2.0 * opposed / pairs), 4) END AS polarisation
FROM spoken JOIN summed USING (period)"""
