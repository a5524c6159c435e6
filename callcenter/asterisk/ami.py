"""AMI, for what ARI lacks or would block on: leases, MixMonitor on two legs, redirect, registrations."""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

from callcenter.asterisk.ami_wire import Connection, Fields
from callcenter.asterisk.faults import LinkDown, LoginRefused, Refused, backoff_s
from callcenter.errors import ChannelGone, TelephonyError

log = logging.getLogger(__name__)

CONNECT_S = 3.0
ACTION_S = 2.0

# A ping every 4 s and 3 s for its pong: a half-open connection is found within 7 s.
PING_S = 4.0
PONG_S = 3.0

# How Asterisk 22 says that a channel does not exist; each action has words of its own.
_GONE = ("no such channel", "channel not found", "channel does not exist", "channel not specified")


@dataclass(frozen=True, slots=True)
class Contact:
    """One registered phone: `endpoint` is the agent's SIP user name, `status` Asterisk's (Reachable …)."""

    endpoint: str
    uri: str
    status: str


class AmiClient:
    """A connection that is made again when it is lost; nothing is ever sent twice. `run` is a vital task.

    Actions raise LinkDown while there is no connection, TelephonyTimeout, ChannelGone, Refused,
    InjectionRefused.
    `channel` is a channel's name or its unique id: Asterisk takes either in every action below (tested).
    """

    def __init__(
        self,
        host: str,
        port: int,
        user: str,
        secret: str,
        *,
        rng: random.Random,
        on_event: Callable[[Fields], None] | None = None,
        on_state: Callable[[bool], None] | None = None,
        action_s: float = ACTION_S,
        ping_s: float = PING_S,
        pong_s: float = PONG_S,
    ) -> None:
        self._where = (host, port)
        self._login = {"Username": user, "Secret": secret, "Events": "system" if on_event else "off"}
        self._rng = rng
        self._on_event = on_event
        self._on_state = on_state
        self._action_s = action_s
        self._ping_s = ping_s
        self._pong_s = pong_s
        self._connection: Connection | None = None
        self._was_up = False
        self._attempt = 0

    @property
    def up(self) -> bool:
        """Whether we are connected and logged in."""
        return self._connection is not None

    @property
    def unanswered(self) -> int:
        """Actions on their way."""
        return self._connection.unanswered if self._connection else 0

    async def run(self) -> None:
        """Keep a connection; never returns. Raises LoginRefused when the first log-in is refused."""
        while True:
            try:
                await self._one_connection()
            except LoginRefused:
                if not self._was_up:
                    raise
                log.exception("ami login refused")
            except (TelephonyError, OSError, TimeoutError) as error:
                log.warning("ami link lost", extra={"cause": f"{type(error).__name__}: {error}"})
            await asyncio.sleep(backoff_s(self._attempt, self._rng))
            self._attempt += 1

    # What we ask -----------------------------------------------------------------------------------

    async def ping(self) -> None:
        """Whether Asterisk still answers; raises when it does not."""
        await self._ask("Ping", {}, "asterisk")

    async def absolute_timeout(self, channel: str, seconds: float) -> None:
        """Let the channel leave for extension T that many whole seconds from now; 0: never. Never blocks."""
        await self._ask("AbsoluteTimeout", {"Channel": channel, "Timeout": int(seconds)}, channel)

    async def set_variable(self, channel: str, name: str, value: str) -> None:
        """Set a channel variable or function, even while the channel plays something."""
        await self._ask("Setvar", {"Channel": channel, "Variable": name, "Value": value}, channel)

    async def mixmonitor(self, channel: str, file: str, options: str) -> None:
        """Record a channel; `file` may be empty when `options` name r(…) and t(…).

        Paths are relative to Asterisk's monitor folder; folders are made as needed.
        """
        await self._ask("MixMonitor", {"Channel": channel, "File": file, "Options": options}, channel)

    async def stop_mixmonitor(self, channel: str) -> None:
        """Stop every recording on the channel."""
        await self._ask("StopMixMonitor", {"Channel": channel}, channel)

    async def redirect(self, channel: str, *, context: str, extension: str, priority: int) -> None:
        """Send a channel to the dialplan from wherever it is, Stasis included."""
        fields = {"Channel": channel, "Context": context, "Exten": extension, "Priority": priority}
        await self._ask("Redirect", fields, channel)

    async def pjsip_contacts(self) -> list[Contact]:
        """Every registered phone."""
        try:
            answers = await self._ask("PJSIPShowContacts", {}, "contacts")
        except Refused as error:
            if "no contacts" in error.reason.lower():
                return []
            raise
        items = [item for item in answers if item.get("Event") == "ContactList"]
        return [Contact(item["Endpoint"], item["Uri"], item["Status"]) for item in items]

    async def _ask(self, name: str, fields: Fields, resource_id: str) -> list[Fields]:
        """The answers of an action that succeeded, else the fault."""
        if self._connection is None:
            raise LinkDown("no AMI connection")
        answers = await self._connection.act(name, fields, answer_s=self._action_s)
        if answers[0].get("Response") in {"Success", "Goodbye"}:
            return answers
        reason = str(answers[0].get("Message", "no reason given"))
        if reason.lower().startswith(_GONE):
            raise ChannelGone(resource_id)
        raise Refused(name, resource_id, 0, reason)

    # The connection -------------------------------------------------------------------------------

    async def _one_connection(self) -> None:
        """Connect, log in, watch; always ends with an error."""
        async with asyncio.timeout(CONNECT_S):
            connection = await Connection.open(*self._where, self._on_event)
        try:
            await self._log_in(connection)
            self._connection = connection
            self._was_up = True
            self._attempt = 0
            self._tell(True)
            while not await connection.ended_within(self._ping_s):
                await connection.act("Ping", {}, answer_s=self._pong_s)
            raise LinkDown("closed by Asterisk")
        finally:
            if self._connection is not None:
                self._connection = None
                self._tell(False)
            connection.close()

    async def _log_in(self, connection: Connection) -> None:
        (answer, *_) = await connection.act("Login", self._login, answer_s=CONNECT_S)
        if answer.get("Response") != "Success":
            raise LoginRefused("AMI", str(answer.get("Message", "no reason given")))

    def _tell(self, up: bool) -> None:
        if self._on_state is not None:
            self._on_state(up)
