"""Who plays in the demo: parties of callers with their habits, and teams of agents with theirs. No clock, no lots."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from api.demo.sipp import Address, SippPlan, agent_uas, caller_direct, caller_menu

MAIN: Final = "0800000100"
VIP: Final = "0800000200"
CLOSED: Final = "0800000900"

CALLERS_A_SECOND: Final = 1.1  # what ten agents can serve with few waiting long
WELCOME_S: Final = 2.0  # until a caller presses a key
PATIENCE_S: Final = 120.0  # of those who stay until an agent has served them
START_S: Final = 60.0
CALLER_S: Final = 3.0  # far more than a caller takes of a run, on the slowest machine

# The customers of the demo site in every value tier, strangers, somebody abroad, and one who withholds the number.
CALLERS: Final = (
    *(f"09100000{number:02}" for number in range(1, 11)),
    *("0223456789", "0912345678", "+85221234567", "anonymous"),
)
VALUED: Final = ("0910000001", "0910000005", "0910000002", "0910000006", "0223456789")
KEYS: Final = ("1", "2", "1", "3", "0", "2", "3", "1", "2")


@dataclass(frozen=True, slots=True)
class Party:
    """Callers with the same habit. `calls` of them in all; `stays` if each of them waits until served."""

    name: str
    calls: int
    stays: bool
    plan: SippPlan


@dataclass(frozen=True, slots=True)
class Team:
    """Agents whose phones have the same habits, behind one port."""

    name: str
    agents: tuple[str, ...]
    ring_s: float
    talk_s: float
    declines: float = 0.0
    ignores: float = 0.0

    def phones(self, server: Address, port: int, time_limit_s: float) -> SippPlan:
        """The run that is the team's phones."""
        return agent_uas(
            server,
            port=port,
            ring_s=self.ring_s,
            talk_s=self.talk_s,
            declines=self.declines,
            ignores=self.ignores,
            time_limit_s=time_limit_s,
        )


TEAMS: Final = (
    Team("brisk", ("agent01", "agent02", "agent03", "agent04", "agent05"), ring_s=1.2, talk_s=3.5),
    Team(
        "relaxed",
        ("agent06", "agent07", "agent08", "agent09", "agent10"),
        ring_s=1.6,
        talk_s=5.0,
        declines=0.08,
        ignores=0.04,
    ),
)


def time_limit_s(calls: int) -> float:
    """How long a demo of so many callers may take at most."""
    return START_S + PATIENCE_S + CALLER_S * calls


def parties(calls: int, server: Address) -> tuple[Party, ...]:
    """`calls` callers who stay until they are served, and with them some who don't; all parties take the same time."""
    vip = calls // 5
    sizes = {
        "main": calls - vip,
        "vip": vip,
        "brief": math.ceil(calls * 0.08),
        "hasty": math.ceil(calls * 0.08),
        "closed": math.ceil(calls * 0.03),
    }
    lasts_s = sum(sizes.values()) / CALLERS_A_SECOND
    rate = {name: size / lasts_s for name, size in sizes.items()}
    limit_s = time_limit_s(calls)

    def menu(name: str, talk_s: float, at_once_max: int) -> SippPlan:
        return caller_menu(
            server,
            MAIN,
            menu_rows(),
            calls=sizes[name],
            welcome_s=WELCOME_S,
            talk_s=talk_s,
            rate=rate[name],
            at_once_max=at_once_max,
            time_limit_s=limit_s,
        )

    def direct(name: str, dialed: str, callers: Sequence[str], at_once_max: int) -> SippPlan:
        return caller_direct(
            server,
            dialed,
            callers,
            calls=sizes[name],
            talk_s=PATIENCE_S,
            rate=rate[name],
            at_once_max=at_once_max,
            time_limit_s=limit_s,
        )

    everybody = (
        Party("main", sizes["main"], stays=True, plan=menu("main", PATIENCE_S, 9)),
        Party("vip", sizes["vip"], stays=True, plan=direct("vip", VIP, VALUED, 3)),
        Party("brief", sizes["brief"], stays=False, plan=menu("brief", 4.0, 1)),  # hang up themselves, mid-talk
        Party("hasty", sizes["hasty"], stays=False, plan=menu("hasty", 0.9, 1)),  # gone before anybody answers
        Party("closed", sizes["closed"], stays=False, plan=direct("closed", CLOSED, CALLERS, 1)),
    )
    return tuple(party for party in everybody if party.calls > 0)


def menu_rows() -> list[tuple[str, str]]:
    """Every caller with every key, neighbours differing in both: 14 callers and 9 keys have no common divisor."""
    return [(CALLERS[n % len(CALLERS)], KEYS[n % len(KEYS)]) for n in range(len(CALLERS) * len(KEYS))]
