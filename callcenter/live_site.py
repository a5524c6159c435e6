"""The site in use, and how another one takes its place without a restart: checked whole, kept, recorded, then used.

A site that can't be used changes nothing. One that can holds for the next decision: the floor and the switchboard
take it in the same moment, and every event from then on carries its digest. What lies outside (phones and prompts in
Asterisk, customers in the database) is seen to before and after; what has to wait is said in the notes.

At the start the folder holds, whatever was in use before; a difference is recorded and said.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from callcenter.clock import Clock
from callcenter.config.site import Site, load_site
from callcenter.errors import CallCenterError, DatabaseError
from callcenter.flow_files import put_files
from callcenter.ports import Append, Entry, Journal
from callcenter.site_history import Cause, Change, HistoryError, SiteHistory

STREAM = "site"
CHANGED = "site.changed"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a wish to change the site; `changed` is False if it was in use already.

    `notes` are what still waits: for a restart of Asterisk, for the database.
    """

    change: Change
    changed: bool
    warnings: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Users:
    """Who uses the site.

    `prepare(now, then)` makes Asterisk ready, without taking away what is in use, and answers what has to wait; it
    raises CallCenterError if it can't. `switch(then)` gives the site to everybody who decides, at once. `store(then)`
    puts its customers into the database; it raises DatabaseError.
    """

    prepare: Callable[[Site, Site], Awaitable[Sequence[str]]]
    switch: Callable[[Site], None]
    store: Callable[[Site], Awaitable[None]]


class FlowMoved(CallCenterError):
    """Another version of the flow is in use than whoever wants to change it has seen."""

    def __init__(self, flow_id: str, version: str | None) -> None:
        now = "is not in use" if version is None else f"is in use in version {version}"
        super().__init__(f"flow {flow_id!r} {now}, which is not what this change was made from; look at it again")
        self.flow_id = flow_id
        self.version = version


class LiveSite:
    """The site in use. Changes come one after the other."""

    def __init__(
        self, site: Site, *, folder: Path, history: SiteHistory, clock: Clock, journal: Journal, users: Users
    ) -> None:
        self._site = site
        self._folder = folder
        self._history = history
        self._clock = clock
        self._journal = journal
        self._users = users
        self._seq = 0
        self._turn = asyncio.Lock()

    @property
    def site(self) -> Site:
        """The site in use now."""
        return self._site

    @property
    def changes(self) -> Sequence[Change]:
        """The last changes, oldest first; the last one took the site of now into use."""
        return self._history.changes

    async def begin(self, seq: int) -> None:
        """The service starts with the site of its folder. `seq` is the last one of the stream `site`."""
        self._seq = seq
        latest = self._history.latest
        if latest is not None and latest.digest != self._site.digest:
            log.warning("the folder's site is not the one in use before", now=self._site.digest, before=latest.digest)
        try:
            self._site = await asyncio.to_thread(self._history.keep, self._site)
            if latest is None or latest.digest != self._site.digest:
                await self._remember(self._site, Cause.STARTED, "service", latest.digest if latest else None)
        except CallCenterError as error:
            log.error("the site is in use but not kept", why=str(error))  # noqa: TRY400 - no bug

    async def apply(self, by: str) -> Taken:
        """Take the folder's site into use. Raises SiteError with every mistake, or why it can't be; nothing changed."""
        async with self._turn:
            site = await asyncio.to_thread(load_site, self._folder)
            return await self._take(site, Cause.APPLIED, by)

    async def roll_back(self, digest: str, by: str) -> Taken:
        """Take a former site into use again. Raises SiteNotKept or SiteError, or why it can't be; nothing changed."""
        async with self._turn:
            site = await asyncio.to_thread(self._history.load, digest)
            return await self._take(site, Cause.ROLLED_BACK, by)

    def kept(self, digest: str) -> Site:
        """A site that was in use. Raises SiteNotKept, SiteError. Blocking."""
        return self._history.load(digest)

    def flow_text(self, digest: str, flow_id: str) -> str:
        """The text of a flow of a site that is kept, or in use. Raises OSError, SiteNotKept. Blocking."""
        if digest == self._site.digest:
            return (self._site.folder / "flows" / f"{flow_id}.toml").read_bytes().decode()
        return (self._history.folder(digest) / "flows" / f"{flow_id}.toml").read_bytes().decode()

    async def try_flows(self, texts: Mapping[str, str]) -> Site:
        """The site with these flows; nothing changes. Raises SiteError with every mistake, HistoryError."""
        async with self._turn:
            return await asyncio.to_thread(self._history.try_files, self._site, _files_of(texts))

    async def change_flows(
        self, texts: Mapping[str, str], cause: Cause, by: str, *, seen: Mapping[str, str | None]
    ) -> Taken:
        """Take the site with these flows into use; its folder gets them too, so that they hold after a restart.

        `seen` are the versions this change was made from (None: there was no such flow); FlowMoved if others are in
        use. Raises SiteError with every mistake, HistoryError, FolderDiffers, or why Asterisk can't; nothing changed.
        """
        async with self._turn:
            for flow_id, version in seen.items():
                in_use = self._site.flows.get(flow_id)
                if version != (in_use.version if in_use else None):
                    raise FlowMoved(flow_id, in_use.version if in_use else None)
            return await self._change_files(_files_of(texts), cause, by)

    async def change_files(self, files: Mapping[str, bytes | None], cause: Cause, by: str) -> Taken:
        """Take the site with these files, by their path in it, into use, and put them into its folder; None: without.

        Raises SiteError with every mistake, HistoryError, FolderDiffers, or why Asterisk can't; nothing changed.
        """
        async with self._turn:
            return await self._change_files(files, cause, by)

    async def _change_files(self, files: Mapping[str, bytes | None], cause: Cause, by: str) -> Taken:
        site = await asyncio.to_thread(self._history.with_files, self._site, files)
        put_back = await asyncio.to_thread(put_files, self._folder, self._site.folder, files)
        try:
            return await self._take(site, cause, by)
        except CallCenterError:
            await asyncio.to_thread(put_back)
            raise

    async def _take(self, site: Site, cause: Cause, by: str) -> Taken:
        before = self._site
        latest = self._history.latest
        if site.digest == before.digest and latest is not None and latest.digest == site.digest:
            return Taken(latest, changed=False, warnings=site.warnings)
        site = await asyncio.to_thread(self._history.keep, site)
        notes = list(await self._users.prepare(before, site))
        # From here to the switch nothing is awaited: no decision is made by one half of the center alone.
        change = self._record(site, cause, by, before.digest)
        self._site = site
        self._users.switch(site)
        log.info("site changed", digest=site.digest, before=before.digest, cause=cause.value, by=by)
        try:
            await asyncio.to_thread(self._history.note, change)
        except HistoryError as error:
            notes.append(str(error))
        try:
            await self._users.store(site)
        except DatabaseError as error:
            notes.append(f"the customers are not in the database yet, apply again when it is back: {error}")
        return Taken(change, changed=True, warnings=site.warnings, notes=tuple(notes))

    async def _remember(self, site: Site, cause: Cause, by: str, before: str | None) -> None:
        await asyncio.to_thread(self._history.note, self._record(site, cause, by, before))

    def _record(self, site: Site, cause: Cause, by: str, before: str | None) -> Change:
        """Write the change into the journal; raises JournalError, and nothing happened."""
        flows = {flow_id: flow.version for flow_id, flow in site.flows.items()}
        change = Change(site.digest, site.name, self._clock.now(), cause, by, before, flows)
        body = {"digest": site.digest, "before": before, "name": site.name, "by": by, "cause": cause, "flows": flows}
        entry = Entry(STREAM, self._seq + 1, change.at, CHANGED, 1, msgspec.json.encode(body), site.digest, cause)
        self._journal.append(Append((entry,)))
        self._seq += 1
        return change


def _files_of(texts: Mapping[str, str]) -> dict[str, bytes | None]:
    """Flows as files of a site."""
    return {f"flows/{flow_id}.toml": text.encode() for flow_id, text in texts.items()}
