"""What the running service says of itself: lines on stderr, for people on a terminal, JSON for anything else.

The lines are written by a thread. Whoever reads them may be slow or stuck (a journal whose disk is full, a pipe that
nobody reads): then lines are dropped and counted, and no call waits for them.
"""

import atexit
import logging
import queue
import sys
import threading
from typing import Final

import structlog
from structlog.types import Processor

NOISY: Final = ("asyncio", "alembic", "sqlalchemy", "uvicorn", "panoramisk")

# About two seconds of the loudest log we have; beyond it nobody is reading.
LINES_MAX: Final = 10_000

# How long the end of the process waits for its last lines to be read.
LAST_LINES_S: Final = 1.0


class NeverBlocks(logging.Handler):
    """Hands records to a thread that gives them to `handler`; drops what does not fit, and says later how many."""

    def __init__(self, handler: logging.Handler, lines_max: int = LINES_MAX) -> None:
        super().__init__()
        self.dropped = 0
        self._handler = handler
        self._waiting: queue.Queue[logging.LogRecord | None] = queue.Queue(lines_max)
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record; never waits."""
        try:
            self._waiting.put_nowait(record)
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Let the last lines out, for as long as LAST_LINES_S; safe to repeat."""
        if self._thread.is_alive():
            try:
                self._waiting.put(None, timeout=LAST_LINES_S)
            except queue.Full:
                return
            self._thread.join(LAST_LINES_S)
        super().close()

    def _write(self) -> None:
        told = 0
        while (record := self._waiting.get()) is not None:
            self._handler.handle(record)
            if (dropped := self.dropped) != told and self._waiting.empty():
                lost = logging.LogRecord(
                    __name__, logging.WARNING, __file__, 0, "%d log lines were dropped", (dropped - told,), None
                )
                self._handler.handle(lost)
                told = dropped


def configure(level: str) -> None:
    """Send structlog's and the standard library's records, from `level` up, to stderr."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    for_people = sys.stderr.isatty()
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if for_people
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    finish()
    root = logging.getLogger()
    root.handlers = [NeverBlocks(handler)]
    atexit.register(finish)
    root.setLevel(level.upper())
    for name in NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *(step for step in shared if not isinstance(step, structlog.stdlib.ExtraAdder)),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def finish() -> None:
    """Let the last lines out; what is logged after that goes nowhere."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, NeverBlocks):
            handler.close()
