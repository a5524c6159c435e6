"""The one place that draws lots: named random streams and contact ids, all from one seed."""

import random
import secrets
import uuid


class Entropy:
    """Independent random streams by name, so that adding a consumer changes nobody else's draws.

    Seeded from the operating system unless a seed is given; with a seed, every draw repeats.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = secrets.randbits(64) if seed is None else seed
        self._ids = self.stream("ids")

    def stream(self, name: str) -> random.Random:
        """A generator of its own for `name`; the same seed and name give the same draws."""
        return random.Random(f"{self.seed}/{name}")  # noqa: S311 - jitter and ids, never secrets

    def contact_id(self, now: float) -> str:
        """A UUIDv7 (RFC 9562 §5.7): 48 bits of milliseconds, then 74 random bits; sorts by time of arrival.

        Made here rather than by a library because a replay must give the same ids for the same seed.
        """
        bits = (int(now * 1000) & (1 << 48) - 1) << 80
        bits |= 0x7 << 76 | self._ids.getrandbits(12) << 64 | 0b10 << 62 | self._ids.getrandbits(62)
        return str(uuid.UUID(int=bits))
