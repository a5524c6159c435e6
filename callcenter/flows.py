"""The life of a flow: a draft is written and checked, published for the next call, and rolled back by version.

Publishing is a change of the site in use like any other (`live_site`): checked whole, kept, recorded, then used. Who is
in a flow finishes the version they began. The version of a flow, with which every contact is stamped, is made of its
text and of the texts of its sub-flows; so rolling back to a version brings back all of these.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from callcenter.clock import Clock
from callcenter.config.site import SiteError
from callcenter.contact.model import Contact, Phase
from callcenter.errors import CallCenterError
from callcenter.flow_drafts import Draft, FlowDrafts, NoDraft
from callcenter.live_site import LiveSite, Taken
from callcenter.site_history import Cause, Change
from ivr.model import Flow

log = structlog.get_logger()


class DraftMoved(CallCenterError):
    """The draft is another one now than whoever wants to publish it has seen."""

    def __init__(self, flow_id: str, digest: str) -> None:
        super().__init__(f"the draft of flow {flow_id!r} is {digest} now; look at it again before it is published")
        self.flow_id = flow_id
        self.digest = digest


class NoVersion(CallCenterError):
    """The flow had no such version in the last changes of the site."""

    def __init__(self, flow_id: str, version: str | None) -> None:
        what = "no version before this one" if version is None else f"no version {version!r}"
        super().__init__(f"{what} of flow {flow_id!r} is kept; 'callcenter flow versions {flow_id}' lists what is")
        self.flow_id = flow_id
        self.version = version


@dataclass(frozen=True, slots=True)
class Checked:
    """A draft and what the check says: every mistake with its path; the version it would be, None with mistakes."""

    draft: Draft
    mistakes: tuple[str, ...]
    version: str | None


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a flow, in use from the change `since` on; `site` is the digest of a kept site that has it."""

    version: str
    site: str
    since: Change
    in_use: bool


@dataclass(frozen=True, slots=True)
class Published:
    """What came of it. `version` is in use now; `others` are flows that changed with it, being or having sub-flows."""

    flow: str
    version: str
    taken: Taken
    others: Mapping[str, str]


class Flows:
    """Drafts and versions of the flows of the running site."""

    def __init__(self, live_site: LiveSite, drafts: FlowDrafts, clock: Clock) -> None:
        self._live = live_site
        self._drafts = drafts
        self._clock = clock
        self._begun: dict[tuple[str, str], Flow | None] = {}

    @property
    def in_use(self) -> Mapping[str, Flow]:
        """The flows of the site in use, by id."""
        return self._live.site.flows

    async def text(self, flow_id: str) -> str:
        """The text of a flow in use. Requires that there is one; raises NoVersion if our copy can't be read."""
        return await self._text(self._live.site.digest, flow_id)

    async def drafts(self) -> Sequence[Draft]:
        """Every draft, by the id of its flow."""
        return await asyncio.to_thread(self._drafts.all)

    async def draft(self, flow_id: str) -> Checked:
        """The draft of a flow, checked against the site of now. Raises NoDraft, DraftsError, HistoryError."""
        return await self._check(await self._kept(flow_id))

    async def write(self, flow_id: str, text: str, by: str) -> Checked:
        """Keep a draft, with mistakes or without, instead of a former one. Raises DraftsError, HistoryError."""
        draft = Draft(flow_id, text, self._version(flow_id), self._clock.now(), by)
        await asyncio.to_thread(self._drafts.put, draft)
        return await self._check(draft)

    async def drop(self, flow_id: str) -> None:
        """Forget a draft. Raises NoDraft, DraftsError."""
        if not await asyncio.to_thread(self._drafts.drop, flow_id):
            raise NoDraft(flow_id)

    async def publish(self, flow_id: str, by: str, digest: str | None = None) -> Published:
        """Take the draft into use for the next call; the draft is gone then. `digest`: only if it is this draft.

        Raises NoDraft, DraftMoved, FlowMoved (the flow was changed since the draft was written), SiteError with every
        mistake, or what LiveSite.change_flows raises; then nothing changed.
        """
        draft = await self._kept(flow_id)
        if digest is not None and digest != draft.digest:
            raise DraftMoved(flow_id, draft.digest)
        published = await self._change(
            flow_id, {flow_id: draft.text}, Cause.FLOW_PUBLISHED, by, {flow_id: draft.based_on}
        )
        if await asyncio.to_thread(self._drafts.get, flow_id) == draft:  # else somebody wrote the next one meanwhile
            await asyncio.to_thread(self._drafts.drop, flow_id)
        return published

    def versions(self, flow_id: str) -> Sequence[Version]:
        """The versions among the last changes of the site, newest first, each as often as it was taken into use."""
        found: list[Version] = []
        former: str | None = None
        changes = self._live.changes
        for change in changes:
            version = change.flows.get(flow_id)
            if version is not None and version != former:
                found.append(Version(version, change.digest, change, in_use=False))
            former = version
        if found and former == self._version(flow_id):
            last = found[-1]
            found[-1] = Version(last.version, last.site, last.since, in_use=True)
        return found[::-1]

    async def version_text(self, flow_id: str, version: str) -> str:
        """The text of the flow in this version. Raises NoVersion."""
        return await self._text(self._find(flow_id, version).site, flow_id)

    async def roll_back(self, flow_id: str, by: str, version: str | None = None) -> Published:
        """Take a former version into use again, sub-flows included; without one, the version before that of now.

        Raises NoVersion, or what LiveSite.change_flows raises; then nothing changed.
        """
        now = self._version(flow_id)
        if version is None:
            others = [one.version for one in self.versions(flow_id) if one.version != now]
            if not others:
                raise NoVersion(flow_id, None)
            version = others[0]
        site = self._find(flow_id, version).site
        former = await asyncio.to_thread(self._live.kept, site)
        texts = {each: await self._text(site, each) for each in _whole(former.flows[flow_id])}
        return await self._change(flow_id, texts, Cause.FLOW_ROLLED_BACK, by, {flow_id: now})

    async def begun(self, contact: Contact) -> Flow | None:
        """The flow that an adopted contact is in, where another version is in use now; None: none is, or it is gone.

        Each is read once, whoever is in it.
        """
        cursor = contact.cursor
        if contact.phase is not Phase.IVR or cursor is None or self._version(cursor.flow) == cursor.version:
            return None
        key = cursor.flow, cursor.version
        if key not in self._begun:
            self._begun[key] = await self._former(*key)
        return self._begun[key]

    async def _former(self, flow_id: str, version: str) -> Flow | None:
        try:
            site = await asyncio.to_thread(self._live.kept, self._find(flow_id, version).site)
        except CallCenterError as error:
            log.warning("callers start over in a flow", flow=flow_id, version=version, why=str(error))
            return None
        return site.flows[flow_id]

    async def _change(
        self, flow_id: str, texts: Mapping[str, str], cause: Cause, by: str, seen: Mapping[str, str | None]
    ) -> Published:
        before = {each: flow.version for each, flow in self.in_use.items()}
        taken = await self._live.change_flows(texts, cause, by, seen=seen)
        now = {each: flow.version for each, flow in self.in_use.items()}
        others = {each: version for each, version in now.items() if before.get(each) != version and each != flow_id}
        return Published(flow_id, now[flow_id], taken, others)

    async def _check(self, draft: Draft) -> Checked:
        try:
            site = await self._live.try_flows({draft.flow: draft.text})
        except SiteError as error:
            return Checked(draft, error.mistakes, None)
        return Checked(draft, (), site.flows[draft.flow].version)

    async def _kept(self, flow_id: str) -> Draft:
        draft = await asyncio.to_thread(self._drafts.get, flow_id)
        if draft is None:
            raise NoDraft(flow_id)
        return draft

    def _version(self, flow_id: str) -> str | None:
        flow = self.in_use.get(flow_id)
        return flow.version if flow is not None else None

    def _find(self, flow_id: str, version: str) -> Version:
        for one in self.versions(flow_id):
            if one.version == version:
                return one
        raise NoVersion(flow_id, version)

    async def _text(self, site: str, flow_id: str) -> str:
        try:
            return await asyncio.to_thread(self._live.flow_text, site, flow_id)
        except OSError as error:
            raise NoVersion(flow_id, self._version(flow_id)) from error


def _whole(flow: Flow) -> Sequence[str]:
    """The flow and every one inside it, each once."""
    found = {flow.id: flow}
    todo = [flow]
    while todo:
        for inner in todo.pop().inner.values():
            if inner.id not in found:
                found[inner.id] = inner
                todo.append(inner)
    return sorted(found)
