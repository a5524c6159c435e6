"""queues.toml: how contacts wait, who may serve them and when, and the ways out; hotlines.toml and calendars.toml."""

import re
from dataclasses import replace
from zoneinfo import ZoneInfo

from callcenter.config.calling import read_callback
from callcenter.config.comfort import check_key, read_comfort
from callcenter.config.fields import (
    ID,
    SPAN_S_MAX,
    Names,
    check_id,
    known,
    known_or_none,
    levels,
    prompts,
    requirement,
    tables,
    way_out,
)
from callcenter.config.head import Head
from callcenter.config.model import AGENT_ORDERS, RECORDING_POLICIES, Hotline, Queue
from ivr.calendar import Calendar, parse_calendar
from ivr.reading import Reader, shown
from routing.model import Exit, Gauge, Limits, Loan, Step

RING_S_MAX, WRAP_UP_S_MAX, SL_S_MAX, DELAY_S_MAX = 120.0, 3_600.0, 3_600.0, 3_600.0
RING_SEVERAL_MAX, MISSES_MAX, WAITING_MAX = 10, 100, 1_000_000
SERVE = "serve"

_DIALED = re.compile(r"\+?[0-9*#]{1,20}")


def read_hotline(reader: Reader, dialed: str, head: Head, names: Names) -> Hotline:
    """One table of hotlines.toml."""
    if not _DIALED.fullmatch(dialed):
        reader.mistakes.append(f"{reader.path}: {shown(dialed)} can't be dialed; write digits")
    has_flow, has_queue = "flow" in reader, "queue" in reader
    if has_flow == has_queue:
        reader.mistakes.append(f"{reader.path}: needs exactly one of flow and queue")
    hotline = Hotline(
        dialed=dialed,
        flow=known(reader, "flow", "flow", names.flows) if has_flow else None,
        queue=known(reader, "queue", "queue", names.queues) if has_queue else None,
        language=known(reader, "language", "language", names.languages, head.default_language),
        announcement=prompts(reader, "announcement", names.prompts),
    )
    if hotline.announcement and has_flow:
        reader.wrong("announcement", "is for a hotline straight to a queue; a flow has its own")
    reader.close()
    return hotline


def read_calendar(reader: Reader, name: str, zone: ZoneInfo) -> Calendar:
    """One table of calendars.toml."""
    check_id(reader, name)
    return parse_calendar(reader, zone)


def read_queue(reader: Reader, queue: str, head: Head, names: Names) -> Queue:
    """One table of queues.toml."""
    check_id(reader, queue)
    if "needs" not in reader and "requires" not in reader:
        reader.mistakes.append(f'{reader.path}: needs one of needs and requires; requires = "anyone" lets all serve it')
    steps = _steps(reader, names)
    exit_to, exit_after_s = _exit(reader, steps, names)
    callback, callback_key, slots = read_callback(reader)
    found = Queue(
        queue=queue,
        needs=levels(reader, "needs", names) if "needs" in reader else {},
        ring_s=reader.number("ring_s", 20.0, 1.0, RING_S_MAX),
        wrap_up_s=reader.number("wrap_up_s", 15.0, 0.0, WRAP_UP_S_MAX),
        agent_order=reader.one_of("agent_order", AGENT_ORDERS, "longest_idle"),
        music_class=reader.text("music_class", "default"),
        recording=reader.one_of("recording", RECORDING_POLICIES, head.recording or "always"),
        sl_s=reader.number("sl_s", 20.0, 1.0, SL_S_MAX),
        requires=requirement(reader, "requires", names),
        steps=steps,
        exit_to=exit_to,
        exit_after_s=exit_after_s,
        preferred_wait_s=reader.number("preferred_wait_s", 0.0, 0.0, SPAN_S_MAX),
        ring_several=reader.whole("ring_several", 1, 1, RING_SEVERAL_MAX),
        auto_answer=reader.flag("auto_answer", default=False),
        misses_max=reader.whole("misses_max", 1, 1, MISSES_MAX),
        no_answer_delay_s=reader.number("no_answer_delay_s", 0.0, 0.0, DELAY_S_MAX),
        reject_delay_s=reader.number("reject_delay_s", 5.0, 0.0, DELAY_S_MAX),
        busy_delay_s=reader.number("busy_delay_s", 10.0, 0.0, DELAY_S_MAX),
        fault_delay_s=reader.number("fault_delay_s", 5.0, 0.0, DELAY_S_MAX),
        limits=_limits(reader, names),
        loans=tuple(_loan(table, queue, names) for table in tables(reader, "loans")),
        hours=known_or_none(reader, "hours", "calendar", names.calendars),
        closing=_closing(reader, names),
        closed_exit=way_out(reader, "closed_exit", names, "goodbye"),
        callback=callback,
        callback_key=callback_key,
        comfort=read_comfort(reader, names),
        slots=slots,
    )
    _check_together(reader, found, head)
    reader.close()
    return found


def _check_together(reader: Reader, queue: Queue, head: Head) -> None:
    """What is right in itself, but not beside the rest."""
    if queue.music_class and not ID.fullmatch(queue.music_class):
        reader.wrong("music_class", f"{shown(queue.music_class)} can't be a music class; use letters, digits, - and _")
    for language in queue.needs:
        if language in head.languages:
            reader.wrong("needs", f"{shown(language)} is the caller's choice: every contact needs its own language")
    if queue.auto_answer and queue.ring_several > 1:
        reader.wrong("auto_answer", f"goes with ring_several = 1 only: {queue.ring_several} phones would pick up")
    for key in ("closing", "closed_exit"):
        if queue.hours is None and key in reader:
            reader.wrong(key, "says nothing without hours")
    check_key(reader, queue)
    if queue.slots is not None and queue.hours is None:
        reader.wrong("callback.slot_max", "needs hours: slots are offered while the queue is open")
    lenders = [loan.lender for loan in queue.loans]
    for lender in sorted({lender for lender in lenders if lender and lenders.count(lender) > 1}):
        reader.wrong("loans", f"{shown(lender)} is listed twice")


def _steps(reader: Reader, names: Names) -> tuple[Step, ...]:
    """The steps in order; without any there is one, which asks for nothing more."""
    steps: list[Step] = []
    for table in tables(reader, "steps"):
        step = Step(
            requires=requirement(table, "requires", names),
            after_s=table.number("after_s", None if steps else 0.0, 0.0, SPAN_S_MAX),
            skip_if_unstaffed=table.flag("skip_if_unstaffed", default=False),
        )
        table.close()
        if not steps and step.after_s:
            table.wrong("after_s", "is 0 in the first step, which begins as the contact enters")
            step = replace(step, after_s=0.0)
        elif steps and "after_s" in table and step.after_s <= steps[-1].after_s:
            table.wrong("after_s", f"must be later than the step before, which begins after {steps[-1].after_s:g} s")
            continue
        steps.append(step)
    return tuple(steps) or (Step(),)


def _exit(reader: Reader, steps: tuple[Step, ...], names: Names) -> tuple[Exit | None, float]:
    """Where those go who waited too long, and after which time."""
    if "exit" not in reader:
        return None, 0.0
    table = reader.table("exit")
    to = way_out(table, "to", names)
    after_s = table.number("after_s", None, 1.0, SPAN_S_MAX)
    table.close()
    late = [n for n, step in enumerate(steps, 1) if step.after_s >= after_s]
    if late and "after_s" in table:
        never = f"steps[{late[0]}] begins after {steps[late[0] - 1].after_s:g} s and is never reached"
        table.wrong("after_s", f"must be later than the last step: {never}")
    return to, after_s


def _limits(reader: Reader, names: Names) -> Limits:
    if "limits" not in reader:
        return Limits()
    table = reader.table("limits")
    limits = Limits(
        waiting_max=table.whole("waiting_max", None, 0, WAITING_MAX) if "waiting_max" in table else None,
        wait_max_s=table.number("wait_max_s", None, 1.0, SPAN_S_MAX) if "wait_max_s" in table else None,
        unstaffed=table.flag("unstaffed", default=False),
        otherwise=way_out(table, "otherwise", names, "goodbye"),
    )
    table.close()
    return limits


def _loan(table: Reader, queue: str, names: Names) -> Loan:
    """One queue that lends its agents while it is healthy."""
    lender = known(table, "lender", "queue", names.queues)
    if lender == queue:
        table.wrong("lender", "a queue can't borrow from itself")
    gauge = Gauge(table.one_of("gauge", [gauge.value for gauge in Gauge], Gauge.WAIT.value) or "wait")
    by_wait = gauge is Gauge.WAIT
    most = SPAN_S_MAX if by_wait else 1.0
    loan = Loan(
        lender=lender,
        gauge=gauge,
        begin=table.number("begin", 10.0 if by_wait else None, 0.0, most),
        end=table.number("end", 30.0 if by_wait else None, 0.0, most),
        without_data=table.flag("without_data", default=True),
    )
    table.close()
    if by_wait and loan.begin >= loan.end:
        table.wrong("end", f"must be above begin ({loan.begin:g} s): lending ends when the lender's wait grows")
    elif not by_wait and loan.begin <= loan.end and "begin" in table and "end" in table:
        table.wrong("end", f"must be below begin ({loan.begin:g}): lending ends when the lender's service level falls")
    return loan


def _closing(reader: Reader, names: Names) -> Exit | None:
    """What becomes of those who wait when the hours end; None: they are served to the last."""
    if reader.raw("closing", SERVE) == SERVE:
        return None
    return way_out(reader, "closing", names)
