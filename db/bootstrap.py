"""Bootstrap intervals in plain SQL, so that a view, a canned query, a file and a chart carry the same ones. No database here.

A side's share of a period's statements is a ratio over texts, and the statements of one text hang together: so whole texts are
drawn again, each with a Poisson(1) weight in every replicate (the online bootstrap of Oza and Russell 2001; Chamandy et al. 2012,
"Estimating Uncertainty for Massive Data Streams"), and the interval runs between the percentiles of the replicates' shares
(Efron and Tibshirani 1993, chapter 13). Beyond MAX_UNITS texts in a period they are drawn in as many bundles of equal size. The
weights come from a fixed hash: the same data give the same interval on every machine.
"""

from __future__ import annotations

REPLICATES = 201
"""The outermost 2.5 % on each side are then five replicates: enough for two digits. A multiple of _PACKED, and at
least that many times MAX_UNITS (one series of numbers serves both)."""
MAX_UNITS = 50
"""Estimates the width of an interval to about a tenth of itself (1 / sqrt(2 * 49)), at a cost that does not grow with the texts."""
SEED = 0
_MODULUS = 2_147_483_647
_PACKED, _BITS = 3, 21
"""Replicates whose sums share one integer, which takes a third of the time, and the bits of each: up to 524,287 statements of a
side in a period."""
_WEIGHTS = "0" * 37 + "1" * 37 + "2" * 18 + "3" * 6 + "4" * 2
"""Poisson(1) in hundredths: mean 0.99, variance 0.97."""


def weight(unit: str, replicate: str) -> str:
    """SQL for the weight of a text or bundle in a replicate, 0 to 4. Squares modulo a prime twice, with both numbers mixed in
    between: over 400 units and 200 replicates the weights of two units correlate no more than chance does (mean 0.000, deviation
    0.071 where chance gives 0.071)."""
    first = f"(({unit} * 48271 + {replicate} * 16807 + {SEED}) % {_MODULUS})"
    second = f"(({first} * {first} % {_MODULUS} + {unit} * 69621 + {replicate} * 40692) % {_MODULUS})"
    number = f"({second} * {second} % {_MODULUS}) / {_MODULUS // 100 + 1}"
    return f"CAST(substr('{_WEIGHTS}', 1 + {number}, 1) AS INTEGER)"


def share_intervals(said: str) -> str:
    """SQL for the 95 % intervals of each side's share: (period, side, low, high), shares from 0 to 1.

    said: a query with the columns period, side, document_id, statements, one row for each text and side in a period. A side that
    nobody took in a period has no row: nothing observed gives no interval.
    """
    packed = " + ".join(f"({weight('unit.n', f'({_PACKED} * block.n + {k})')} << {_BITS * k})" for k in range(_PACKED))
    return f"""
WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < {REPLICATES // _PACKED - 1}),
weights AS MATERIALIZED (
    SELECT unit.n AS unit, block.n AS block, {packed} AS weights
    FROM number AS unit CROSS JOIN number AS block WHERE unit.n < {MAX_UNITS}
), placed AS (
    SELECT period, side, statements,
           (dense_rank() OVER (PARTITION BY period ORDER BY document_id) - 1) % {MAX_UNITS} AS unit
    FROM ({said})
), units AS MATERIALIZED (
    SELECT period, side, unit, sum(statements) AS statements FROM placed GROUP BY period, side, unit
), summed AS MATERIALIZED (
    SELECT period, side, block, sum(statements * weights) AS sums
    FROM units JOIN weights ON weights.unit = units.unit GROUP BY period, side, block
), drawn AS (
    SELECT period, side, {_PACKED} * block + n AS replicate, (sums >> ({_BITS} * n)) & {2**_BITS - 1} AS statements
    FROM summed JOIN number ON n < {_PACKED}
), parts AS (
    SELECT period, side, statements * 1.0 / sum(statements) OVER (PARTITION BY period, replicate) AS part FROM drawn
), ordered AS (
    SELECT period, side, part, row_number() OVER (PARTITION BY period, side ORDER BY part) AS place,
           count(*) OVER (PARTITION BY period, side) AS replicates
    FROM parts WHERE part IS NOT NULL
)
SELECT period, side, round(min(CASE WHEN place > 0.025 * replicates THEN part END), 4) AS low,
       round(max(CASE WHEN place <= 0.975 * replicates THEN part END), 4) AS high
FROM ordered GROUP BY period, side"""
