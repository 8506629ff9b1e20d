"""Reads the tables of a debate file by type, and says in one line in which entry a fault lies. No file is opened here."""

from __future__ import annotations

import re
from difflib import get_close_matches

from db.models import DebateFileError


class Entry:
    """One table of the file: hands out its values by type, and says in which entry a fault lies."""

    def __init__(self, file: str, label: str, values: object) -> None:
        self.where = f"{file}: {label}"
        if not isinstance(values, dict):
            raise DebateFileError(f"{self.where}: is not a table; write it as one, with key = value in it")
        self._values: dict[str, object] = values
        self._known: list[str] = []

    def fault(self, wrong_and_mend: str) -> DebateFileError:
        """The error to raise: names file, entry, fault and mend."""
        # One line, whatever the file holds.
        return DebateFileError(" ".join(f"{self.where}: {wrong_and_mend}".split()))

    def value(self, key: str) -> object:
        """The value under `key` as it stands there, None when it is absent."""
        self._known.append(key)
        return self._values.get(key)

    def text(self, key: str, *, required: bool = True) -> str:
        """The text under `key` with its white space made single spaces, "" when it is absent and not required."""
        value = self.value(key)
        if value is None and not required:
            return ""
        if not isinstance(value, str) or (required and not value.strip()):
            raise self.fault(f'needs text under "{key}"; write {key} = "..."')
        return " ".join(value.split())

    def texts(self, key: str, *, required: bool = False) -> tuple[str, ...]:
        """The list of texts under `key`, in its order, none of them empty."""
        value = self.value(key)
        if value is None and not required:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
            raise self.fault(f'needs a list of non-empty texts under "{key}"; write {key} = ["...", "..."]')
        if required and not value:
            raise self.fault(f'has an empty list under "{key}"; add at least one sentence')
        return tuple(" ".join(item.split()) for item in value)

    def flag(self, key: str, *, default: bool) -> bool:
        """The flag under `key`."""
        value = self.value(key)
        if value is not None and not isinstance(value, bool):
            raise self.fault(f'"{key}" is no flag; write {key} = true or {key} = false')
        return default if value is None else value

    def one_of(self, key: str, allowed: tuple[str, ...], value: str) -> str:
        """`value`, when it is one of those allowed."""
        if value not in allowed:
            raise self.fault(f'unknown {key} "{value}"; use one of {", ".join(allowed)}')
        return value

    def shaped(self, key: str, pattern: re.Pattern[str], example: str, value: str) -> str:
        """`value`, when the whole of it matches; `example` tells how to write it."""
        if not pattern.fullmatch(value):
            raise self.fault(f'malformed {key} "{value}"; write it like "{example}"')
        return value

    def done(self) -> None:
        """Refuses what nobody asked for: a misspelt key would otherwise be ignored without a word."""
        for key in self._values:
            if key not in self._known:
                close = get_close_matches(key, self._known, n=1)
                mend = f'did you mean "{close[0]}"?' if close else f"the keys here are {', '.join(self._known)}"
                raise self.fault(f'unknown key "{key}"; {mend}')
