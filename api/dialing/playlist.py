"""What Asterisk played, by its own events: a second listener, who knows nothing of what should have been played."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from callcenter.asterisk.ari import basic_auth
from callcenter.asterisk.telephony import Access

_playlists = itertools.count(1)


@dataclass
class Playlist:
    """Playback → its prompts in order, and which one was to come next, as Asterisk told."""

    played: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    next: dict[str, str] = field(default_factory=dict)

    def take(self, event: Mapping[str, Any]) -> None:
        """One event of Asterisk."""
        playback = event.get("playback", {})
        match event.get("type"):
            case "PlaybackStarted":  # for each medium of a list; PlaybackContinuing tells that another follows
                self.played[playback["id"]].append(_prompt(playback["media_uri"]))
                self.next[playback["id"]] = _prompt(playback.get("next_media_uri", ""))

    def said(self) -> list[list[str]]:
        """What was played, one list for each playback, in order."""
        return list(self.played.values())

    def wrong(self, playback: str, prompts: Sequence[str], *, whole: bool = False) -> str:
        """What differs from these prompts in what was played so far, and what was to come next; empty if nothing does.

        `whole`: nothing may be missing.
        """
        played, following = self.played[playback], self.next.get(playback, "")
        heard = [*played, following] if following else played
        expected = list(prompts if whole or not following else prompts[: len(heard)])
        if heard != expected or (whole and following):
            return f"hears {heard} instead of {list(prompts)}"
        return ""


@asynccontextmanager
async def playlist_of(access: Access) -> AsyncIterator[Playlist]:
    """A second listener to everything that this Asterisk does.

    Each by a name of its own: Asterisk may take leave of one only after the next of that name has come, and of both.
    """
    playlist = Playlist()
    url = f"{access.ari_url.replace('http', 'ws', 1)}/events?app=playlist{next(_playlists)}&subscribeAll=true"
    headers = {"Authorization": basic_auth(access.ari_user, access.ari_password)}
    async with aiohttp.ClientSession(headers=headers) as session, session.ws_connect(url) as socket:

        async def listen() -> None:
            async for message in socket:
                playlist.take(message.json())

        listening = asyncio.create_task(listen(), name="playlist")
        try:
            yield playlist
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


def _prompt(media_uri: str) -> str:
    return media_uri.rpartition("/")[2]
