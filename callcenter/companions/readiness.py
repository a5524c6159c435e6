"""When is Asterisk ready: AMI says that it has fully booted, ARI answers, and every module we need runs."""

import asyncio
import base64
import json
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import aiohttp

from callcenter.companions.errors import StartFailed
from callcenter.companions.process import POLL_S

ANSWER_S: Final = 3.0
MODULES_NEEDED: Final = (
    "app_dial.so",
    "app_mixmonitor.so",
    "app_playback.so",
    "app_record.so",
    "app_stasis.so",
    "chan_pjsip.so",
    "pbx_config.so",
    "res_ari_applications.so",
    "res_ari_bridges.so",
    "res_ari_channels.so",
    "res_ari_endpoints.so",
    "res_ari_events.so",
    "res_ari_playbacks.so",
    "res_musiconhold.so",
    "res_pjsip_registrar.so",
    "res_pjsip_sdp_rtp.so",
    "res_rtp_asterisk.so",
    "res_stasis_playback.so",
)


class NoAnswer(Exception):
    """Asterisk did not answer, or not as it should."""


class Doors(Protocol):
    """Where and as whom Asterisk is asked."""

    ari_url: str
    ari_user: str
    ari_password: str
    ami_host: str
    ami_port: int
    ami_user: str
    ami_password: str


async def wait_booted(doors: Doors, *, boot_s: float, ended: Callable[[], int | None] = lambda: None) -> None:
    """Return when Asterisk has booted with all we need; `ended()` tells the exit status of one that gave up.

    Raises StartFailed when it ended, refuses us, lacks a module, or is not ready after `boot_s`.
    """
    last = NoAnswer("it was not asked yet")
    try:
        async with asyncio.timeout(boot_s):
            while True:
                try:
                    await _fully_booted(doors)
                    await _check_modules(doors)
                except NoAnswer as error:
                    last = error
                else:
                    return
                status = ended()
                if status is not None:
                    raise StartFailed(f"Asterisk ended with status {status} while it started", "see the lines above")
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise StartFailed(
            f"Asterisk was not ready after {boot_s:.0f} s: {last}",
            "see its log/messages.log; is the machine overloaded?",
        ) from last


async def channels(ari_url: str, user: str, password: str) -> int:
    """How many channels live; NoAnswer if it can't be asked."""
    listed = await _ask(ari_url, user, password, "GET", "/channels")
    return len(listed)


async def reload(ari_url: str, user: str, password: str, modules: Sequence[str]) -> None:
    """Let the modules read their configuration again; NoAnswer if one refuses."""
    for module in modules:
        await _ask(ari_url, user, password, "PUT", f"/asterisk/modules/{module}")


async def _check_modules(doors: Doors) -> None:
    listed = await _ask(doors.ari_url, doors.ari_user, doors.ari_password, "GET", "/asterisk/modules")
    running = {str(module["name"]) for module in listed if module["status"] == "Running"}
    missing = [name for name in MODULES_NEEDED if name not in running]
    if missing:
        raise StartFailed(
            f"this Asterisk runs without {', '.join(missing)}",
            "install the complete package, or let `asterisk-config/provision.sh` make a root with one",
        )


async def _ask(ari_url: str, user: str, password: str, method: str, path: str) -> Any:
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    try:
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Basic {token}"}, timeout=timeout) as session,
            session.request(method, ari_url + path) as answer,
        ):
            body = await answer.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise NoAnswer(f"no answer from {ari_url}: {error}") from error
    if answer.status == 401:
        raise StartFailed(
            f"{ari_url} does not know our password",
            "another Asterisk has that port: choose another CALLCENTER_HTTP_PORT",
        )
    if answer.status == 404:
        raise StartFailed(
            f"{ari_url}{path} is not there: this Asterisk has no ARI",
            "load res_ari.so and its parts, or let `asterisk-config/provision.sh` make a root with them",
        )
    if answer.status >= 400:
        raise NoAnswer(f"{ari_url}{path} answered {answer.status}")
    return json.loads(body) if body else None


async def _fully_booted(doors: Doors) -> None:
    """Log in to AMI and wait for its word that everything is loaded."""
    try:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection(doors.ami_host, doors.ami_port)
            try:
                writer.write(
                    f"Action: Login\r\nUsername: {doors.ami_user}\r\nSecret: {doors.ami_password}\r\n\r\n".encode()
                )
                await _read_until_booted(reader)
            finally:
                writer.close()
                await writer.wait_closed()
    except (OSError, EOFError, TimeoutError, ValueError) as error:
        raise NoAnswer(f"AMI at port {doors.ami_port} does not say that it has booted: {error!r}") from error


async def _read_until_booted(reader: asyncio.StreamReader) -> None:
    while True:
        line = (await reader.readuntil(b"\n")).strip()
        if line == b"Event: FullyBooted":
            return
        if line == b"Message: Authentication failed":
            raise StartFailed(
                "the manager interface does not know our password",
                "another Asterisk has that port: choose another CALLCENTER_AMI_PORT",
            )
