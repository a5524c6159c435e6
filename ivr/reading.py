"""Read plain mappings (TOML, JSON) by type, collecting every mistake with its path, not only the first.

A `Reader` always returns a value of the asked type; where the source is wrong it records a mistake and
returns a neutral value ("", 0, ()), so reading goes on. Whoever reads throws the result away when there are
mistakes.
"""

import difflib
import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping

SUGGEST_FROM_MAX = 200  # comparing a typo with thousands of names costs more than the hint is worth
_SHOWN_MAX = 60


def shown(value: object) -> str:
    """`value` as a mistake shows it: quoted, one line, at most 60 characters."""
    text = repr(value if not isinstance(value, str) else value[: 2 * _SHOWN_MAX])
    return text if len(text) <= _SHOWN_MAX else text[: _SHOWN_MAX - 1] + "…"


def suggest(word: str, known: Collection[str]) -> str:
    """`; did you mean 'x'?` for the nearest known word, or an empty text."""
    if len(known) > SUGGEST_FROM_MAX or len(word) > _SHOWN_MAX:
        return ""
    near = difflib.get_close_matches(word, sorted(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def no_such(kind: str, name: str, known: Collection[str]) -> str:
    """The sentence for a name that is not among the known ones of its kind."""
    return f"no such {kind} {shown(name)}{suggest(name, known)}"


class Reader:
    """One mapping being read. `path` names it in mistakes; all readers of one source share `mistakes`."""

    __slots__ = ("_source", "_taken", "mistakes", "path")

    def __init__(self, source: object, path: str, mistakes: list[str]) -> None:
        self.path = path
        self.mistakes = mistakes
        self._taken: list[str] = []
        self._source: Mapping[str, object] = {}
        if isinstance(source, Mapping):
            self._source = {str(key): value for key, value in source.items()}
        else:
            mistakes.append(f"{path}: must be a table, not {shown(source)}")

    def at(self, key: str) -> str:
        """The path of `key` inside this mapping; a key that is no name but a novel is cut short."""
        name = key if len(key) <= _SHOWN_MAX else f"{key[: _SHOWN_MAX - 1]}…"
        return f"{self.path}.{name}" if self.path else name

    def wrong(self, key: str, sentence: str) -> None:
        """Record a mistake at `key`."""
        self.mistakes.append(f"{self.at(key)}: {sentence}")

    @property
    def names(self) -> tuple[str, ...]:
        """Every key of the source, in its order, read or not."""
        return tuple(self._source)

    def __contains__(self, key: str) -> bool:
        """True if the source has the key; asking makes the key a known one."""
        self._taken.append(key)
        return key in self._source

    def text(self, key: str, default: str | None = None) -> str:
        """A non-empty text; required when there is no default."""
        value = self._take(key, default)
        if value is None:
            return ""
        if isinstance(value, str) and (value or default == ""):
            return value
        self.wrong(key, f"must be a non-empty text, not {shown(value)}")
        return ""

    def optional_text(self, key: str) -> str | None:
        """A non-empty text, or None where the key is absent."""
        return self.text(key) if key in self else None

    def one_of(self, key: str, allowed: Collection[str], default: str | None = None) -> str:
        """One of the allowed words (tested, and named when it is not)."""
        value = self.text(key, default)
        if value and value not in allowed:
            self.wrong(key, f"must be one of {', '.join(allowed)}, not {shown(value)}{suggest(value, allowed)}")
            return ""
        return value

    def number(self, key: str, default: float | None, least: float, most: float) -> float:
        """A number with least <= number <= most."""
        value = self._take(key, default)
        if value is None:
            return least
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            if least <= value <= most:
                return float(value)
            self.wrong(key, f"must be between {least:g} and {most:g}, not {shown(value)}")
            return least
        self.wrong(key, f"must be a number, not {shown(value)}")
        return least

    def whole(self, key: str, default: int | None, least: int, most: int) -> int:
        """A whole number with least <= number <= most."""
        value = self.number(key, default, least, most)
        if value != int(value):
            self.wrong(key, f"must be a whole number, not {shown(value)}")
        return int(value)

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self._take(key, default)
        if isinstance(value, bool):
            return value
        self.wrong(key, f"must be true or false, not {shown(value)}")
        return default

    def texts(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """A list of distinct non-empty texts, or one text standing for a list of one."""
        value = self._take(key, default)
        if value is None:
            return ()
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)) or not all(isinstance(item, str) and item for item in items):
            self.wrong(key, f"must be a list of texts, not {shown(value)}")
            return ()
        for item in sorted(item for item, times in Counter(items).items() if times > 1):
            self.wrong(key, f"{shown(item)} is listed twice")
        return tuple(items)

    def text_map(self, key: str, *, required: bool) -> dict[str, str]:
        """A table of texts; an absent one is empty, and a mistake if required."""
        if not required and key not in self:
            return {}
        inner = self.table(key)
        found = {name: inner.text(name) for name in inner.names}
        if required and not found and isinstance(self._source.get(key), Mapping):
            self.wrong(key, "must not be empty")
        return {name: value for name, value in found.items() if value}

    def raw(self, key: str, default: object) -> object:
        """The value as it stands, or the default: for what the other readers can't tell apart."""
        return self._take(key, default)

    def table(self, key: str) -> "Reader":
        """The table at `key`, to be read further; an absent one is a mistake."""
        value = self._take(key, None)
        return Reader({} if value is None else value, self.at(key), self.mistakes)

    def tables(self) -> Iterator[tuple[str, "Reader"]]:
        """Every key with its table: for a mapping of names to things."""
        for key in self._source:
            yield key, self.table(key)

    def close(self) -> None:
        """Say of every key that nobody asked for that it is unknown, with the nearest one that is."""
        unread = [key for key in self._source if key not in self._taken]
        missing = [key for key in self._taken if key not in self._source]
        for key in unread:
            self.wrong(key, f"unknown key{suggest(key, missing or self._taken)}")

    def _take(self, key: str, default: object) -> object:
        """The raw value or the default; a missing value without default is a mistake and None."""
        self._taken.append(key)
        if key in self._source:
            return self._source[key]
        if default is None:
            self.wrong(key, "is missing")
        return default
