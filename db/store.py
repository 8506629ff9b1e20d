"""Every write, in one object. What it can do lies in nine parts, each with the tables it writes to.

Each public method that writes is one short transaction, so that a crawl, an analysis and a reader can share the file and a kill
at any moment loses at most the page in hand. Reads that people see live in db.queries; the few reads in the parts are those
that a write or a step needs to select its own work.
"""

from __future__ import annotations

from db.coding import Coding
from db.collecting import Collecting
from db.health import Health
from db.reading import Readings
from db.reviews import Reviews
from db.runs import Runs
from db.second_opinions import SecondOpinions
from db.terms import Terms
from db.topics import Topics


class Store(Runs, Collecting, Health, Readings, Terms, Topics, Coding, Reviews, SecondOpinions):
    """A Debatewatch database, open for writing: `with Store.open(path) as store: ...`."""
