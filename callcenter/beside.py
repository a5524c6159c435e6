"""The programs beside us: PostgreSQL, Asterisk and its recordings, and what of it is ours to change."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from callcenter.asterisk.telephony import Access
from callcenter.config.settings import Settings
from callcenter.config.site import Site
from callcenter.recordings_folders import Folders, SecondFolder
from callcenter.sources import Answers


async def _nothing() -> None:
    """Nothing is ours to keep or to leave."""


async def _none() -> int:
    """No call ends with us."""
    return 0


@dataclass(frozen=True, slots=True)
class Beside:
    """The programs beside us, running: where PostgreSQL is, where Asterisk is, where its recordings lie.

    `adapt` gives Asterisk a changed site and answers what waits for its next start, as sentences; None: that Asterisk
    is not ours to change. `leave` lets go of what we started, so that it outlives us; `keep` takes it back.
    `calls` says how many channels an Asterisk has that ends with us. `second` is the second folder of recordings.
    `answers` knows what flows ask, in place of the database and other systems.
    """

    database_url: str
    asterisk: Access
    recordings_dir: Path
    adapt: Callable[[Site], Awaitable[Sequence[str]]] | None = None
    leave: Callable[[], Awaitable[None]] = _nothing
    keep: Callable[[], Awaitable[None]] = _nothing
    calls: Callable[[], Awaitable[int]] = _none
    second: SecondFolder | None = None
    answers: Answers | None = None

    def folders(self, settings: Settings) -> Folders:
        """Where recordings lie."""
        return Folders(self.recordings_dir, self.second, settings.recordings_low_mb * 1_000_000)
