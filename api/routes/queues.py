"""GET queues: the lines of waiting contacts, as configured and as they are now."""

from fastapi import APIRouter

from api.live_views import queues_live
from api.routes.common import NO_QUERY, BackendNow, QueuesViewer, problems
from api.schemas import Page, QueueBody, QueuesLive, StepBody, instant
from routing.requirement import show

router = APIRouter(prefix="/v1/queues", tags=["queues"], dependencies=[NO_QUERY])


@router.get("", responses=problems())
async def queues(backend: BackendNow, _: QueuesViewer) -> Page[QueueBody]:
    """Every queue of the site, by name: what it needs and how it hands out its contacts."""
    items = [
        QueueBody(
            queue=name,
            needs=dict(queue.needs),
            requires=show(queue.requirement),
            steps=[
                StepBody(after_s=step.after_s, requires=show(step.requires), skip_if_unstaffed=step.skip_if_unstaffed)
                for step in queue.steps
            ],
            ring_s=queue.ring_s,
            wrap_up_s=queue.wrap_up_s,
            agent_order=queue.agent_order,
            sl_s=queue.sl_s,
            recording=queue.recording,
        )
        for name, queue in sorted(backend.site().queues.items())
    ]
    return Page(items=items, next_cursor=None)


@router.get("/live", responses=problems())
async def live(backend: BackendNow, _: QueuesViewer) -> QueuesLive:
    """Every queue at this moment, its contacts in the order of service."""
    position = backend.hub.position
    seen = backend.floor.snapshot()
    return QueuesLive(position=position, at=instant(backend.clock.now()), items=queues_live(seen, backend))
