"""Each command of ours → the requests to Asterisk that carry it out. The way out; translate.py is the way in."""

import contextlib
import math
import re
from collections.abc import Callable, Mapping
from typing import assert_never

from callcenter.asterisk.ami import AmiClient
from callcenter.asterisk.ari import Ari
from callcenter.asterisk.faults import Unreachable
from callcenter.asterisk.leases import Leases
from callcenter.asterisk.quiet import Quiet
from callcenter.contact.commands import (
    CapLease,
    DialOut,
    DialOutside,
    DropBridge,
    HangUp,
    HoldLease,
    Join,
    RingDesk,
    Say,
    SendToFallback,
    SendToVoicemail,
    StartMusic,
    StartRecording,
    StartRinging,
    StopMusic,
    StopRecording,
    StopRinging,
    StopSaying,
    TakeCall,
    TelephonyCommand,
)
from callcenter.errors import ChannelGone, TelephonyError
from ivr.prompts import media

FALLBACK_CONTEXT = "fallback"
VOICEMAIL_CONTEXT = "message"

# How a phone is asked to pick up by itself; phones know one or the other. The address is never asked for anything.
AUTO_ANSWER = {
    "Call-Info": "<sip:callcenter.invalid>;answer-after=0",
    "Alert-Info": "<sip:callcenter.invalid>;info=alert-autoanswer;delay=0",
}

# The floor ends an offer at its deadline; Asterisk's own ring timeout is only for the case that we don't.
RING_GRACE_S = 2

# From here on `POST /channels/{id}/variables` exists.
VARIABLES_SINCE = (22, 10)

# After them who is called hears something else, or is not in our hands any more.
_BREAKS_QUIET = (StartMusic, StopMusic, StartRinging, TakeCall, HangUp, SendToFallback, SendToVoicemail)

_NUMBER = re.compile(r"\+[1-9][0-9]{2,14}")
_OUTSIDE = re.compile(r"\+[1-9][0-9]{2,14}|[0-9]{2,8}")
_DESK = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FILE = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._/-]{0,250}")
_UNSHOWABLE = re.compile(r'["<>\\\x00-\x1f\x7f]')
_UNDIALABLE = re.compile(r"[^0-9A-Za-z+*#_.-]")


def dial_string(trunk: str, number: str) -> str:
    """What Asterisk is to dial: `trunk` with the number in it, or, where it is a host, the number there."""
    return trunk.replace("{number}", number) if "{number}" in trunk else f"PJSIP/trunk/sip:{number}@{trunk}"


class Requests:
    """Carries out one command at a time for whoever asks; may be asked for many at once.

    `recordings` says what to put before a recording's file names: nothing, or another folder as Asterisk sees it.
    `trunk` is where calls go that we make (see `dial_string`); None: nowhere.
    """

    def __init__(
        self,
        ari: Ari,
        ami: AmiClient,
        leases: Leases,
        quiet: Quiet,
        *,
        sounds: str,
        recordings: Callable[[], str] = str,
        trunk: str | None = None,
    ) -> None:
        self._ari = ari
        self._trunk = trunk
        self._recordings = recordings
        self._sounds = sounds
        self._ami = ami
        self._leases = leases
        self._quiet = quiet
        self.version: tuple[int, ...] = (0,)

    async def carry_out(self, command: TelephonyCommand) -> None:  # noqa: C901, PLR0912 - one case per command
        """Return when Asterisk has said yes to all of it; raises TelephonyError."""
        if isinstance(command, _BREAKS_QUIET):
            self._quiet.broken(command.channel_id)
        match command:
            case TakeCall(channel_id, contact_id):
                await self._take(channel_id, contact_id)
            case CapLease(channel_id):
                await self._leases.cap(channel_id)
            case HoldLease(channel_id):
                await self._leases.take_up(channel_id)
            case Say(channel_id, playback_id, prompts, language):
                files = [f"sound:{file}" for file in media(prompts, language, self._sounds)]
                await self._ari.play(channel_id, playback_id, files, language=language)
                await self._quiet.follow(channel_id, playback_id)
            case StopSaying(_, playback_id):
                await self._ari.stop_playback(playback_id)
            case StartMusic(channel_id, music_class):
                await self._ari.start_music(channel_id, music_class)
            case StopMusic(channel_id):
                await self._ari.stop_music(channel_id)
            case RingDesk():
                await self._ring(command)
            case StartRinging(channel_id):
                await self._ari.start_ringing(channel_id)
            case StopRinging(channel_id):
                await self._ari.stop_ringing(channel_id)
            case DialOut():
                await self._dial(command)
            case DialOutside():
                await self._dial_outside(command)
            case HangUp(channel_id, reason):
                self._leases.forget(channel_id)
                await self._ari.hang_up(channel_id, reason=reason)
            case Join(bridge_id, channel_ids, cut_prompt):
                await self._end_quiet(channel_ids[0])
                await self._ari.create_bridge(bridge_id)
                await self._ari.add_channels(bridge_id, channel_ids, may_block=cut_prompt)
            case DropBridge(bridge_id):
                await self._ari.delete_bridge(bridge_id)
            case StartRecording():
                await self._record(command)
            case StopRecording(_, channel_id):
                await self._stop_recording(channel_id)
            case SendToFallback(channel_id):
                await self._to_dialplan(channel_id, FALLBACK_CONTEXT)
            case SendToVoicemail(channel_id):
                await self._to_dialplan(channel_id, VOICEMAIL_CONTEXT)
            case _:
                assert_never(command)

    async def _end_quiet(self, caller_channel: str) -> None:
        """Nothing comes up behind the last prompt, maybe an earlier process's: it would go on under the talk."""
        self._quiet.broken(caller_channel)
        await self._ari.stop_music(caller_channel)

    async def _take(self, channel_id: str, contact_id: str) -> None:
        # First our id, then the answer: whoever finds an answered call after a crash finds whose it is.
        variables = {"CC_CONTACT": contact_id, "CC_ROLE": "caller"}
        self._leases.hold(channel_id)
        try:
            await self._name_and_answer(channel_id, variables)
        except TelephonyError:
            # A caller who left before we came told so already; nobody else would end this lease.
            self._leases.forget(channel_id)
            raise

    async def _name_and_answer(self, channel_id: str, variables: Mapping[str, str]) -> None:
        if self.version >= VARIABLES_SINCE:
            await self._ari.set_variables(channel_id, variables)
        else:
            for name, value in variables.items():
                await self._ari.set_variable(channel_id, name, value)
        await self._ari.answer(channel_id)

    async def _ring(self, command: RingDesk) -> None:
        assert _DESK.fullmatch(command.agent_id), "an agent id is a SIP user name, nothing more"
        display = _UNSHOWABLE.sub("", command.display)[:80]
        number = _UNDIALABLE.sub("", command.caller)[:32]
        variables = {"CC_CONTACT": command.contact_id, "CC_ROLE": "agent", "CC_OFFER": command.leg_id}
        if command.auto_answer:
            # Asterisk sets them on the new channel before it dials, so that they are headers of the INVITE.
            variables |= {f"PJSIP_HEADER(add,{name})": value for name, value in AUTO_ANSWER.items()}
        await self._ari.originate(
            command.leg_id,
            endpoint=f"PJSIP/{command.agent_id}",
            app_args=f"agent,{command.contact_id}",
            originator=command.caller_channel,
            timeout_s=math.ceil(command.ring_s) + RING_GRACE_S,
            caller_id=f'"{display}" <{number}>',
            variables=variables,
        )

    async def _dial(self, command: DialOut) -> None:
        assert _NUMBER.fullmatch(command.number), "only a number in E.164 is dialed"
        if self._trunk is None:
            raise Unreachable("no trunk to call out by: CALLCENTER_TRUNK")
        # The variables are for whom the fallback has to care for: who they are, and whom they had called.
        variables = {
            "CC_CONTACT": command.contact_id,
            "CC_ROLE": "customer",
            "CC_DIALED": command.dialed,
            "CC_CUSTOMER": command.number,
        }
        await self._ari.originate(
            command.leg_id,
            endpoint=dial_string(self._trunk, command.number),
            app_args=f"customer,{command.contact_id}",
            originator="",
            timeout_s=math.ceil(command.ring_s),
            caller_id=f"<{_UNDIALABLE.sub('', command.shown)[:32]}>",
            variables=variables,
        )

    async def _dial_outside(self, command: DialOutside) -> None:
        assert _OUTSIDE.fullmatch(command.number), "only a number in E.164 or an extension is dialed"
        if self._trunk is None:
            raise Unreachable("no trunk to call out by: CALLCENTER_TRUNK")
        await self._ari.originate(
            command.leg_id,
            endpoint=dial_string(self._trunk, command.number),
            app_args=f"outside,{command.contact_id}",
            originator=command.caller_channel,
            timeout_s=math.ceil(command.ring_s),
            caller_id=f"<{_UNDIALABLE.sub('', command.shown)[:32]}>",
            variables={"CC_CONTACT": command.contact_id, "CC_ROLE": "outside"},
        )

    async def _record(self, command: StartRecording) -> None:
        for file in (command.caller_file, command.agent_file):
            assert _FILE.fullmatch(file), "a recording's file name has no blanks, brackets or parent folders"
        # Received is what the caller says; transmitted is what the caller hears.
        folder = self._recordings()
        options = f"r({folder}{command.caller_file})t({folder}{command.agent_file})"
        await self._ami.mixmonitor(command.channel_id, "", options)

    async def _stop_recording(self, channel_id: str) -> None:
        with contextlib.suppress(ChannelGone):  # its recordings ended with it
            await self._ami.stop_mixmonitor(channel_id)

    async def _to_dialplan(self, channel_id: str, context: str) -> None:
        self._leases.forget(channel_id)
        await self._ari.continue_in_dialplan(channel_id, context=context, extension="s", priority=1)


def version_of(text: str) -> tuple[int, ...]:
    """`22.10.1~dfsg+…` → (22, 10, 1); what is not a number ends it."""
    numbers: list[int] = []
    for part in text.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
        if digits != part:
            break
    return tuple(numbers)
