"""The site as the contact machine, the ACD and Asterisk want it: three views of one value."""

from pathlib import Path

from callcenter.companions.plan import AsteriskPlan
from callcenter.config.settings import Settings
from callcenter.config.site import Agent, Hotline, Queue, Site
from callcenter.contact.plan import HotlinePlan, Plan, QueuePlan
from routing.messages import Configured
from routing.model import AgentOrder, AgentProfile, QueueRules


def contact_plan(site: Site) -> Plan:
    """What the contact machine needs of the site."""
    return Plan(
        site=site.digest,
        hotlines={dialed: _hotline(hotline) for dialed, hotline in site.hotlines.items()},
        queues={
            queue.queue: QueuePlan(
                queue=queue.queue,
                requires=queue.requirement,
                music_class=queue.music_class,
                wrap_up_s=queue.wrap_up_s,
                recording=queue.recording,
                auto_answer=queue.auto_answer,
                callback=queue.callback,
                callback_key=queue.callback_key,
                comfort=queue.comfort,
                slots=queue.slots,
                hours=queue.hours,
            )
            for queue in site.queues.values()
        },
        flows=site.flows,
        calendars=site.calendars,
        tiers={tier: rank for rank, tier in enumerate(site.value_tiers)},
        default_tier=site.default_value_tier,
        languages=site.languages,
        rules=site.rules,
        closed_prompts=site.closed_prompts,
        callback_prompts=site.callback_prompts,
        called_back_prompts=site.called_back_prompts,
        dial_out=site.dial_out,
        zone=site.zone,
    )


def acd_configuration(site: Site) -> Configured:
    """What the ACD needs of the site."""
    return Configured(
        queues=tuple(map(_queue_rules, site.queues.values())),
        agents=tuple(map(_agent_profile, site.agents.values())),
        policy=site.policy,
        outbound_counts=site.outbound_counts,
        comeback_s=site.comeback_s,
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
        extra_modules=("chan_websocket",) if settings.recogniser is not None else (),
    )


def _hotline(hotline: Hotline) -> HotlinePlan:
    return HotlinePlan(hotline.dialed, hotline.flow, hotline.queue, hotline.language, hotline.announcement)


def _queue_rules(queue: Queue) -> QueueRules:
    return QueueRules(
        queue=queue.queue,
        requires=queue.requirement,
        steps=queue.steps,
        exit_to=queue.exit_to,
        exit_after_s=queue.exit_after_s,
        ring_s=queue.ring_s,
        wrap_up_s=queue.wrap_up_s,
        agent_order=AgentOrder(queue.agent_order),
        preferred_wait_s=queue.preferred_wait_s,
        ring_several=queue.ring_several,
        misses_max=queue.misses_max,
        no_answer_delay_s=queue.no_answer_delay_s,
        reject_delay_s=queue.reject_delay_s,
        busy_delay_s=queue.busy_delay_s,
        fault_delay_s=queue.fault_delay_s,
        answer_in_s=queue.sl_s,
        limits=queue.limits,
        loans=queue.loans,
        callback=queue.callback,
    )


def _agent_profile(agent: Agent) -> AgentProfile:
    return AgentProfile(
        agent_id=agent.agent_id,
        skills=agent.skills,
        experience=agent.experience,
        team=agent.team,
        location=agent.location,
        weight=agent.weight,
        memberships=agent.queues,
    )
