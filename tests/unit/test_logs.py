"""Logging never holds anybody up: not even when nobody reads what is written."""

import logging
import os
import time

from api.cli.logs import NeverBlocks

LINES = 5_000


def test_lines_come_out_in_order() -> None:
    told: list[str] = []

    class Reader(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    log = NeverBlocks(Reader())
    for number in range(100):
        log.handle(logging.makeLogRecord({"msg": "line %d", "args": (number,)}))
    log.close()
    assert told == [f"line {number}" for number in range(100)]


def test_a_pipe_that_nobody_reads_costs_lines_and_no_time() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", buffering=1) as stuck:
        log = NeverBlocks(logging.StreamHandler(stuck), lines_max=100)
        began_at = time.monotonic()
        for _ in range(LINES):
            log.handle(logging.makeLogRecord({"msg": "x" * 1_000}))
        assert time.monotonic() - began_at < 2.0
        assert log.dropped > LINES / 2
        held = b""
        while b"were dropped" not in held:  # somebody reads again, and learns that they missed something
            held += os.read(reader, 65_536)
        log.close()
    os.close(reader)
    written = held.count(b"\n")
    assert f"{log.dropped} log lines were dropped".encode() in held
    assert written - 1 + log.dropped == LINES
