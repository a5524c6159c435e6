"""Borrowed agents: a queue lends them while it is healthy itself, with a dead band so that it does not flutter.

Each loan is a gate between the lender's agents and the borrower's lines. The gauge is read when a contact enters the
borrowing queue, and once a second while any waits there. Between the two thresholds the gate stays as it is; without
data it stands as the loan says.
"""

from __future__ import annotations

from routing.acd.board import WATCH, Board
from routing.acd.contacts import Contact
from routing.acd.match import Gate
from routing.acd.pairing import Pairing
from routing.model import Gauge
from routing.waiting.forecast import Forecast

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
            self._board.deadlines.set(0.0, *_LOANS)
        else:
            self._board.deadlines.drop(*_LOANS)

    def look(self, now: float) -> None:
        """Read every gauge; where a gate moves, the borrower's contacts look again."""
        gates = self._board.matching.gates
        borrowers = {gate.borrower for gate in gates}
        moved = {gate.borrower for gate in gates if self._moves(gate, now)}
        waiting = [each for each in self._board.contacts.values() if each.waits and each.rules.queue in borrowers]
        if waiting:
            self._board.deadlines.set(now + LOOK_S, *_LOANS)
        affected = [contact for contact in waiting if contact.rules.queue in moved]
        for contact in affected:
            self._board.pull(contact)
        self._pairing.place_all(affected, now)

    def needed(self, contact: Contact, now: float) -> None:
        """A contact is about to wait in this queue: if it may borrow and nobody has been looking, look first."""
        if contact.rules.loans and _LOANS not in self._board.deadlines:
            self._board.deadlines.set(now + LOOK_S, *_LOANS)
            self.look(now)

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
