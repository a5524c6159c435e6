"""ARI's requests as the model Asterisk answers them: method, path and body in, status and body out."""

import re
from collections.abc import Callable
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from callcenter.asterisk import events as ari
from callcenter.asterisk.quiet import MUSIC_CLASS
from tests.sim.asterisk import APP, Asterisk, Bridge, Channel, Refusal

_encode = msgspec.json.Encoder().encode
_STARTED = "2026-11-21T21:54:00.000+0000 life {}"

_CAUSES = {"normal": 16, "busy": 17, "congestion": 34, "no_answer": 19, "answered_elsewhere": 26}


class Rest:
    """Answers requests to one Asterisk."""

    def __init__(self, asterisk: Asterisk) -> None:
        self._asterisk = asterisk

    def ask(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        """Carry out one request, at once."""
        parts = urlsplit(path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        steps = [unquote(step) for step in parts.path.strip("/").split("/")]
        given = msgspec.json.decode(body) if body else {}
        try:
            answer = self._routed(method, steps, query, given)
        except Refusal as refusal:
            return refusal.status, _encode({"message": refusal.message})
        return (204, b"") if answer is None else (200, _encode(answer))

    def _routed(self, method: str, steps: list[str], query: dict[str, str], body: dict[str, object]) -> object:
        """The answer's body; None for none."""
        match steps:
            case "channels", channel_id, *rest:
                if "endpoint" in query:
                    return self._originate(channel_id, query, body)
                self._channel(method, self._found(channel_id), rest, query, body)
            case "bridges", bridge_id, *rest:
                return self._bridge(method, bridge_id, rest, query)
            case "playbacks", playback_id:
                if method == "GET":
                    return self._playback(playback_id)
                self._asterisk.stop_playback(playback_id)
            case "applications", _, "eventFilter":
                pass
            case "events", "user", word:
                self._asterisk.tell(word)
            case _:
                return self._listed(steps)
        return None

    def _listed(self, steps: list[str]) -> object:
        asterisk = self._asterisk
        match steps:
            case "asterisk", "info":
                return self._info()
            case ["channels"]:
                return [asterisk.seen(channel) for channel in asterisk.channels.values()]
            case ["bridges"]:
                return [_bridge(bridge) for bridge in asterisk.bridges.values()]
            case "endpoints", technology:
                return [
                    ari.Endpoint(channel_ids=[], resource=desk, state="online", technology=technology)
                    for desk in sorted(asterisk.registered)
                ]
            case _:
                raise AssertionError(f"the model Asterisk has no {'/'.join(steps)}")

    def _bridge(self, method: str, bridge_id: str, steps: list[str], query: dict[str, str]) -> object:
        match method, *steps:
            case ["POST"]:
                return _bridge(self._asterisk.make_bridge(bridge_id))
            case "POST", "addChannel":
                self._asterisk.join(bridge_id, query["channel"].split(","))
            case ["DELETE"]:
                self._asterisk.drop_bridge(bridge_id)
            case _:
                raise AssertionError(f"the model Asterisk has no {method} {'/'.join(steps)} of a bridge")
        return None

    def _channel(
        self, method: str, channel: Channel, steps: list[str], query: dict[str, str], body: dict[str, object]
    ) -> None:
        asterisk = self._asterisk
        if (method, steps) == ("DELETE", []):
            asterisk.hang_up(channel, "service", cause=_CAUSES[query["reason"]])
            return
        if not channel.in_stasis:
            raise Refusal(409, "Channel not in Stasis application")
        match method, *steps:
            case "POST", "variables":
                variables = body["variables"]
                assert isinstance(variables, dict)
                channel.variables |= variables
            case "POST", "answer":
                channel.state = "Up"
            case "POST", "play", playback_id:
                asterisk.play(channel, playback_id, query["media"].count("sound:"))
            case "POST", "moh":
                # The quiet behind a prompt ends in music too, but only when nobody cares for its caller any more.
                channel.music = query["mohClass"] != MUSIC_CLASS
            case "DELETE", "moh":
                channel.music = False
            case "POST", "continue":
                asterisk.leave(channel, query["context"])
            case _:
                raise AssertionError(f"the model Asterisk has no {method} {'/'.join(steps)}")

    def _originate(self, channel_id: str, query: dict[str, str], body: dict[str, object]) -> ari.Channel:
        variables = body["variables"]
        assert isinstance(variables, dict)
        desk = query["endpoint"].removeprefix("PJSIP/")
        timeout_s = float(query["timeout"])
        if "CC_CUSTOMER" in variables:
            self._asterisk.originate_out(
                channel_id, desk.removesuffix("@trunk"), query["appArgs"], timeout_s, variables
            )
            return self._asterisk.seen(self._asterisk.channels[channel_id])
        contact = str(variables["CC_CONTACT"])
        self._asterisk.originate(channel_id, desk, query.get("originator", ""), query["appArgs"], timeout_s, contact)
        return self._asterisk.seen(self._asterisk.channels[channel_id])

    def _playback(self, playback_id: str) -> ari.Playback:
        if playback_id not in self._asterisk.playbacks:
            raise Refusal(404, "Playback not found")
        return ari.Playback(id=playback_id, media_uri="", state="playing", target_uri="")

    def _found(self, channel_id: str) -> Channel:
        channel = self._asterisk.channels.get(channel_id)
        if channel is None:
            raise Refusal(404, "Channel not found")
        return channel

    def _info(self) -> ari.AsteriskInfo:
        started = _STARTED.format(self._asterisk.lives)
        return ari.AsteriskInfo(
            status=ari.StatusInfo(last_reload_time=started, startup_time=started),
            system=ari.SystemInfo(entity_id="00:00:00:00:00:01", version="22.10.1"),
        )


class Manager:
    """AMI's actions: what is asked of channels by another way than ARI."""

    def __init__(self, asterisk: Asterisk, now: Callable[[], float]) -> None:
        self._asterisk = asterisk
        self._now = now

    def absolute_timeout(self, channel_id: str, seconds: float) -> bool:
        """False if there is no such channel."""
        channel = self._asterisk.channels.get(channel_id)
        if channel is not None:
            self._asterisk.set_lease(channel, seconds)
        return channel is not None

    def mixmonitor(self, channel_id: str, options: str) -> bool:
        """False if there is no such channel."""
        channel = self._asterisk.channels.get(channel_id)
        if channel is not None:
            found = re.fullmatch(r"r\((.*)\)t\((.*)\)", options)
            assert found is not None, f"no two files in {options!r}"
            channel.recordings.append((found[1], self._now()))
            channel.recorded = True
        return channel is not None

    def stop_mixmonitor(self, channel_id: str) -> bool:
        """False if there is no such channel."""
        channel = self._asterisk.channels.get(channel_id)
        if channel is not None:
            channel.recorded = False
        return channel is not None

    def phones(self) -> list[str]:
        """Desks whose phones are registered."""
        return sorted(self._asterisk.registered)


def _bridge(bridge: Bridge) -> ari.Bridge:
    return ari.Bridge(
        bridge_class="stasis",
        bridge_type="mixing",
        channels=[channel.channel_id for channel in bridge.channels],
        creationtime="",
        creator="Stasis",
        id=bridge.bridge_id,
        name="",
        technology="simple_bridge",
        video_mode=None,
    )


assert APP == "callcenter", "the settings' default"
