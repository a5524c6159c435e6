"""The site as the contact machine, the ACD and Asterisk want it: three views of one value."""

from pathlib import Path

from callcenter.companions.plan import AsteriskPlan
from callcenter.config.settings import Settings
from callcenter.config.site import Hotline, Site
from callcenter.contact.plan import HotlinePlan, Plan, QueuePlan
from routing.messages import Configured
from routing.model import AgentOrder, AgentProfile, Needs, QueueRules


def contact_plan(site: Site) -> Plan:
    """What the contact machine needs of the site."""
    return Plan(
        site=site.digest,
        hotlines={dialed: _hotline(hotline) for dialed, hotline in site.hotlines.items()},
        queues={
            queue.queue: QueuePlan(
                queue=queue.queue,
                needs=queue.needs,
                music_class=queue.music_class,
                wrap_up_s=queue.wrap_up_s,
                recording=queue.recording,
            )
            for queue in site.queues.values()
        },
        flows=site.flows,
        calendars=site.calendars,
        tiers={tier: rank for rank, tier in enumerate(site.value_tiers)},
        default_tier=site.default_value_tier,
        languages=site.languages,
    )


def acd_configuration(site: Site) -> Configured:
    """What the ACD needs of the site."""
    return Configured(
        queues=tuple(
            QueueRules(
                queue=queue.queue,
                needs=Needs.of(queue.needs),
                ring_s=queue.ring_s,
                wrap_up_s=queue.wrap_up_s,
                agent_order=AgentOrder(queue.agent_order),
            )
            for queue in site.queues.values()
        ),
        agents=tuple(AgentProfile(agent.agent_id, agent.skills) for agent in site.agents.values()),
    )


def asterisk_plan(settings: Settings, site: Site, *, root: Path | None) -> AsteriskPlan:
    """The Asterisk that these settings and this site want, run from `root` (None: the machine's own)."""
    return AsteriskPlan(
        var=settings.var,
        root=root,
        instance=settings.instance,
        sip_host=settings.sip_host,
        sip_port=settings.sip_port,
        http_port=settings.http_port,
        ami_port=settings.ami_port,
        rtp_start=settings.rtp_start,
        rtp_end=settings.rtp_end,
        app=settings.app,
        lease_s=settings.lease_s,
        agents=tuple(site.agents),
        emergency_agents=site.emergency_agents,
        languages=site.languages,
        prompts_dir=site.prompts_dir,
    )


def _hotline(hotline: Hotline) -> HotlinePlan:
    return HotlinePlan(hotline.dialed, hotline.flow, hotline.queue, hotline.language, hotline.announcement)
