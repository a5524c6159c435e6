"""The life of a prompt's audio: recorded, kept as a draft, published for the next that play it, or taken away.

Publishing is a change of the site in use like any other (`live_site`): checked whole, kept, recorded, then used.
Asterisk gets another file of the same name: who hears the former one hears it to its end.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from callcenter.errors import CallCenterError
from callcenter.flow_files import write
from callcenter.live_site import LiveSite, Taken
from callcenter.recorded import Recording
from callcenter.site_history import Cause
from ivr.prompts import Language, PromptId, is_prompt_id

DRAFTS_MAX = 1_000

Place = tuple[Language, PromptId]


class NoSuchPrompt(CallCenterError):
    """There is no such prompt, or no draft of it; the text says which."""


class PromptRefused(CallCenterError):
    """No prompt of the site can be made: its language or name is wrong, or there are too many drafts."""


class Prompts:
    """Drafts of prompts in a directory, `<language>/<id>.wav` each, and the prompts of the site in use."""

    def __init__(self, live_site: LiveSite, directory: Path) -> None:
        self._live = live_site
        self._directory = directory
        self._turn = asyncio.Lock()  # one recording at a time is converted: it takes a processor

    @property
    def in_use(self) -> Mapping[Language, frozenset[PromptId]]:
        """Every prompt of the site in use, by language."""
        return {language: frozenset(there) for language, there in self._live.site.prompts.items()}

    def drafts(self) -> Sequence[Place]:
        """Every draft. Blocking."""
        return sorted((file.parent.name, file.stem) for file in self._directory.glob("*/*.wav"))

    async def record(self, place: Place, content: bytes) -> Recording:
        """Keep a studio recording as the prompt's draft. Raises PromptRefused, BadRecording."""
        from callcenter.studio import studio  # noqa: PLC0415 - numpy is heavy, and the start should not be

        file = self._file(place)
        if not file.exists() and len(await asyncio.to_thread(self.drafts)) >= DRAFTS_MAX:
            raise PromptRefused(f"there are {DRAFTS_MAX} drafts already; publish or drop some")
        async with self._turn:
            recording = await asyncio.to_thread(studio, content)
            await asyncio.to_thread(_keep, file, recording.audio)
        return recording

    async def drop(self, place: Place) -> None:
        """Forget a draft. Raises NoSuchPrompt, PromptRefused."""
        try:
            await asyncio.to_thread(self._file(place).unlink)
        except FileNotFoundError:
            raise _no_draft(place) from None

    async def publish(self, place: Place, by: str) -> Taken:
        """Take a draft into use; it is gone then. Raises NoSuchPrompt, PromptRefused, or as LiveSite.change_files."""
        file = self._file(place)
        try:
            content = await asyncio.to_thread(file.read_bytes)
        except FileNotFoundError:
            raise _no_draft(place) from None
        taken = await self._live.change_files({_name(place): content}, Cause.PROMPT_PUBLISHED, by)
        await asyncio.to_thread(file.unlink, missing_ok=True)
        return taken

    async def remove(self, place: Place, by: str) -> Taken:
        """Take a prompt away that nothing says. Raises NoSuchPrompt, SiteError if something says it, or as above."""
        language, prompt = place
        if prompt not in self.in_use.get(language, ()):
            raise NoSuchPrompt(f"the site has no prompt {prompt!r} in {language!r}")
        return await self._live.change_files({_name(place): None}, Cause.PROMPT_REMOVED, by)

    def _file(self, place: Place) -> Path:
        language, prompt = place
        if language not in self._live.site.languages:
            raise PromptRefused(f"the site has no language {language!r}; it has {', '.join(self._live.site.languages)}")
        if not is_prompt_id(prompt):
            raise PromptRefused(f"{prompt!r} is not a prompt id (1-64 lower-case letters, digits, underscores)")
        return self._directory / language / f"{prompt}.wav"


def _name(place: Place) -> str:
    language, prompt = place
    return f"prompts/{language}/{prompt}.wav"


def _no_draft(place: Place) -> NoSuchPrompt:
    language, prompt = place
    return NoSuchPrompt(f"there is no draft of prompt {prompt!r} in {language!r}; upload one first")


def _keep(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    write(file, content)
