"""Borrowed agents: a queue lends them while it is healthy itself, with a dead band so that it does not flutter.

Each loan is a gate between the lender's agents and the borrower's lines. The gauge is read once a second. Between the
two thresholds the gate stays as it is; without data it stands as the loan says.
"""

from __future__ import annotations

from routing.board import WATCH, Board
from routing.forecast import Forecast
from routing.match import Gate
from routing.model import Gauge
from routing.pairing import Pairing

LOOK_S = 1.0

LOANS = "loans"
"""The name of the deadline at which loans are looked at."""

_LOANS = (WATCH, LOANS)


class Lending:
    """The gates of one board."""

    def __init__(self, board: Board, pairing: Pairing, forecast: Forecast) -> None:
        self._board, self._pairing, self._forecast = board, pairing, forecast
        self.reload()

    def reload(self) -> None:
        """The site has changed: all gates are new, and shut until the first look, which is due at once."""
        if self._board.matching.gates:
            self._board.deadlines.push(0.0, _LOANS)
        else:
            self._board.deadlines.remove(_LOANS)

    def look(self, now: float) -> None:
        """Read every gauge; where a gate moves, the borrower's contacts look again."""
        moved = {gate.borrower for gate in self._board.matching.gates if self._moves(gate, now)}
        self._board.deadlines.push(now + LOOK_S, _LOANS)
        if not moved:
            return
        waiting = [each for each in self._board.contacts.values() if each.waits and each.rules.queue in moved]
        for contact in waiting:
            self._board.pull(contact)
        self._pairing.place_all(waiting, now)

    def _moves(self, gate: Gate, now: float) -> bool:
        before = gate.open
        gate.open = self._healthy(gate, now)
        return gate.open is not before

    def _healthy(self, gate: Gate, now: float) -> bool:
        loan = gate.loan
        if loan.gauge is Gauge.WAIT:
            reading = self._forecast.wait_s(loan.lender, now)
            if reading is None:
                return loan.without_data
            return reading <= loan.begin if not gate.open else reading < loan.end
        level = self._forecast.service_level(loan.lender, now)
        if level is None:
            return loan.without_data
        return level >= loan.begin if not gate.open else level > loan.end
