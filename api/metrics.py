"""The state of now as Prometheus metrics, read when they are scraped; nothing is counted twice on the way."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.backend import Backend, Health
from routing.snapshot import Snapshot

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class CallCenterCollector(Collector):
    """Reads health, floor and feed at each scrape."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def collect(self) -> Iterable[Metric]:
        """Every metric family, with values of this moment."""
        yield from _of_health(self._backend.health())
        yield from _of_floor(self._backend.floor.snapshot())
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


def _of_floor(snapshot: Snapshot) -> Iterable[Metric]:
    waiting = GaugeMetricFamily("callcenter_waiting_contacts", "Contacts in the queue", labels=["queue"])
    oldest = GaugeMetricFamily("callcenter_oldest_wait_seconds", "Longest wait in the queue now", labels=["queue"])
    for queue in snapshot.queues:
        waiting.add_metric([queue.queue], len(queue.waiting))
        entered_at = queue.oldest_entered_at
        oldest.add_metric([queue.queue], 0.0 if entered_at is None else snapshot.at - entered_at)
    yield waiting
    yield oldest
    agents = GaugeMetricFamily("callcenter_agents", "Agents by state", labels=["presence", "activity"])
    for (presence, activity), count in sorted(snapshot.agents_by_state().items()):
        agents.add_metric([presence.value, activity.value], count)
    yield agents
