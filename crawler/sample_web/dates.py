"""How the sample outlets write dates. Pure; independent of the machine's locale."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime

_EN = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_FR = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
]


def us_date(when: datetime) -> str:
    """March 14, 2024."""
    return f"{_EN[when.month - 1]} {when.day}, {when.year}"


def us_time(when: datetime) -> str:
    """9:30 a.m."""
    return f"{when.hour % 12 or 12}:{when.minute:02d} {'a.m.' if when.hour < 12 else 'p.m.'}"


def uk_date(when: datetime) -> str:
    """14 March 2024."""
    return f"{when.day} {_EN[when.month - 1]} {when.year}"


def short_date(when: datetime) -> str:
    """14 Mar 2024."""
    return f"{when.day} {_EN[when.month - 1][:3]} {when.year}"


def fr_date(when: datetime) -> str:
    """14 mars 2024, and 1er avril 2024."""
    return f"{'1er' if when.day == 1 else when.day} {_FR[when.month - 1]} {when.year}"


def clock(when: datetime) -> str:
    """09:30."""
    return f"{when:%H:%M}"


def iso(when: datetime) -> str:
    """2024-03-14T09:30:00-05:00, with the offset that the time carries; whole seconds."""
    return when.replace(microsecond=0).isoformat()


def zulu(when: datetime) -> str:
    """2024-03-14T14:30:00Z."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc822(when: datetime) -> str:
    """Thu, 14 Mar 2024 09:30:00 -0500, as RSS wants it."""
    return format_datetime(when.replace(microsecond=0))


FILTERS: dict[str, Callable[[datetime], str]] = {
    "us_date": us_date,
    "us_time": us_time,
    "uk_date": uk_date,
    "short_date": short_date,
    "fr_date": fr_date,
    "clock": clock,
    "iso": iso,
    "zulu": zulu,
    "rfc822": rfc822,
}
