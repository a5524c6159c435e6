"""The state of now as Prometheus metrics, read when they are scraped; nothing is counted twice on the way."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.backend import Backend, Health
from api.live_views import tier_name
from callcenter.config.site import Site
from callcenter.feed.tally import Tally
from callcenter.listening import ENDS as LISTENING_ENDS
from callcenter.recordings_check import UNCHECKED
from callcenter.recordings_check import State as RecordingsState
from recordings.verify import Verdict
from routing.acd.snapshot import Snapshot
from routing.model import Outcome
from routing.waiting.calibration import Calibration

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class CallCenterCollector(Collector):
    """Reads health, floor and feed at each scrape."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def collect(self) -> Iterable[Metric]:
        """Every metric family, with values of this moment."""
        yield from _of_health(self._backend.health())
        yield from _of_floor(self._backend.floor.snapshot(), self._backend.site(), self._backend.clock.now())
        yield from _of_trunks(self._backend.trunks_in_use(), self._backend.site().trunks)
        yield from _of_tally(self._backend.tally)
        hub = self._backend.hub
        yield CounterMetricFamily("callcenter_events", "Events committed since the start", hub.events_total)
        yield GaugeMetricFamily("callcenter_feed_position", "Position of the last committed event", hub.position)
        yield GaugeMetricFamily("callcenter_feed_listeners", "Live feeds connected", hub.subscriptions)


def registry_of(backend: Backend) -> CollectorRegistry:
    """A registry of our own: two apps in one process do not meet."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(CallCenterCollector(backend))
    return registry


def exposition(registry: CollectorRegistry) -> bytes:
    """The metrics in Prometheus' text format."""
    return generate_latest(registry)


def _of_health(health: Health) -> Iterable[Metric]:
    contacts = GaugeMetricFamily("callcenter_contacts", "Contacts alive, by phase", labels=["phase"])
    for phase, count in sorted(health.contacts_by_phase.items()):
        contacts.add_metric([phase], count)
    yield contacts
    parts = GaugeMetricFamily("callcenter_part_up", "1 if this part of the system works", labels=["part"])
    for part in health.parts:
        parts.add_metric([part.name], float(part.ok))
    yield parts
    yield GaugeMetricFamily("callcenter_ready", "1 if callers can be served", float(health.ready))
    yield GaugeMetricFamily("callcenter_ari_up", "1 if the ARI link is up", float(health.ari_up))
    yield GaugeMetricFamily(
        "callcenter_journal_backlog_events", "Events in the journal, not yet in PostgreSQL", health.journal_backlog
    )
    yield GaugeMetricFamily(
        "callcenter_writer_lag_seconds", "Age of the oldest event not yet in PostgreSQL", health.writer_lag_s
    )
    if health.audit_findings is not None:
        yield GaugeMetricFamily(
            "callcenter_audit_findings",
            "What the last audit of the events found; 0 is as it should be",
            health.audit_findings,
        )
    yield GaugeMetricFamily(
        "callcenter_contacts_lost", "Contacts closed at the start, their state being lost", health.contacts_lost
    )
    yield CounterMetricFamily(
        "callcenter_drift_mended", "Signals of Asterisk that were lost on a healthy connection", health.drift_mended
    )
    yield from _of_recordings(health.recordings)
    yield from _of_listenings(health.listenings)


def _of_listenings(counts: Mapping[str, int]) -> Iterable[Metric]:
    started = CounterMetricFamily("callcenter_listenings_started", "Callers whom a recogniser was to hear")
    started.add_metric([], counts.get("started", 0))
    yield started
    ended = CounterMetricFamily("callcenter_listenings_ended", "Of them ended, by how", labels=["outcome"])
    for outcome in LISTENING_ENDS:
        ended.add_metric([outcome], counts.get(outcome, 0))
    yield ended


def _of_recordings(state: RecordingsState) -> Iterable[Metric]:
    checked = CounterMetricFamily(
        "callcenter_recordings_checked", "Recordings looked at since the start", labels=["verdict"]
    )
    for verdict in (*Verdict, UNCHECKED):
        checked.add_metric([str(verdict)], state.verdicts[str(verdict)])
    yield checked
    yield GaugeMetricFamily("callcenter_recordings_pending", "Recordings not looked at yet", state.pending)
    yield GaugeMetricFamily(
        "callcenter_recordings_second_folder", "1 while recordings go to the second folder", float(state.second)
    )


def _of_floor(snapshot: Snapshot, site: Site, now: float) -> Iterable[Metric]:
    waiting = GaugeMetricFamily("callcenter_waiting_contacts", "Contacts in the queue", labels=["queue"])
    by_tier = GaugeMetricFamily(
        "callcenter_waiting_contacts_by_tier", "The same by value tier", labels=["queue", "value_tier"]
    )
    oldest = GaugeMetricFamily("callcenter_oldest_wait_seconds", "Longest wait in the queue now", labels=["queue"])
    closed = GaugeMetricFamily("callcenter_queue_closed", "1 if the queue takes nobody more", labels=["queue"])
    shut = {closing.queue for closing in snapshot.closed}
    for queue in snapshot.queues:
        waiting.add_metric([queue.queue], len(queue.waiting))
        counts = Counter(tier_name(site, view.entered.value_tier) for view in queue.waiting)
        for tier in site.value_tiers:
            by_tier.add_metric([queue.queue, tier], counts[tier])
        entered_at = queue.oldest_entered_at
        oldest.add_metric([queue.queue], 0.0 if entered_at is None else max(0.0, now - entered_at))
        closed.add_metric([queue.queue], float(queue.queue in shut))
    yield waiting
    yield by_tier
    yield oldest
    yield closed
    agents = GaugeMetricFamily("callcenter_agents", "Agents by state", labels=["presence", "activity"])
    for (presence, activity), count in sorted(snapshot.agents_by_state().items()):
        agents.add_metric([presence.value, activity.value], count)
    yield agents


def _of_trunks(in_use: int, limit: int | None) -> Iterable[Metric]:
    yield GaugeMetricFamily("callcenter_trunks_in_use", "Callers on the line", in_use)
    if limit is not None:
        yield GaugeMetricFamily("callcenter_trunks_limit", "Calls at a time that the trunk carries", limit)


def _of_tally(tally: Tally) -> Iterable[Metric]:
    offers = CounterMetricFamily("callcenter_offers", "Offers settled since the start", labels=["outcome"])
    for outcome in Outcome:
        offers.add_metric([outcome.value], tally.offers[outcome.value])
    yield offers
    diverted = CounterMetricFamily(
        "callcenter_diverted_contacts",
        "Contacts that left a queue by rule, since the start",
        labels=["queue", "reason"],
    )
    for (queue, reason), count in sorted(tally.diverted.items()):
        diverted.add_metric([queue, reason], count)
    yield diverted
    yield from _of_calibration(tally.calibration())


def _of_calibration(found: Calibration) -> Iterable[Metric]:
    """What of the latest forecasts came true; families without a value yet are left out."""
    judged = GaugeMetricFamily("callcenter_estimates_judged", "Latest forecasts compared with waits", labels=["of"])
    judged.add_metric(["told"], found.forecasts)
    judged.add_metric(["answered"], found.answered)
    judged.add_metric(["no_end_in_sight"], found.unknown)
    yield judged
    shares = GaugeMetricFamily(
        "callcenter_estimate_share", "Share of waits, by where they fell; 0.5, 0.4 and 0.1 are right", labels=["part"]
    )
    parts = (("beyond_p50", found.beyond_p50), ("p50_to_p90", found.between), ("beyond_p90", found.beyond_p90))
    for part, share in parts:
        if share is not None:
            shares.add_metric([part], share)
    yield shares
    for name, text, value in (
        ("callcenter_estimate_median_error_ratio", "Median of |median told - wait| / wait", found.median_error),
        ("callcenter_estimate_bias_seconds", "Mean of wait - mean told; above 0: too much promised", found.bias_s),
    ):
        if value is not None:
            yield GaugeMetricFamily(name, text, value)
