"""The word lists of lexicon.toml, read once. Nothing else."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any


@cache
def lexicon() -> dict[str, Any]:
    """The word lists of lexicon.toml, as sets of lower-case words."""
    with Path(__file__).with_name("lexicon.toml").open("rb") as file:
        return {
            section: {key: frozenset(words) for key, words in lists.items()}
            for section, lists in tomllib.load(file).items()
        }


def surname(name: str) -> str:
    """The last word of a name; suffixes such as "Jr." are no surname."""
    words = [word for word in name.split() if word.rstrip(".") not in ("Jr", "Sr", "II", "III", "PhD")]
    return words[-1] if words else name
