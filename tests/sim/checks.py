"""What must hold: looked at every second while the service serves, and at the end over the whole story."""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec

from callcenter.contact.model import Contact, Phase
from callcenter.db.projections import Fold, body_of
from callcenter.db.stored import Stored
from callcenter.ports import Entry
from callcenter.runtime import CallCenter
from routing.model import Activity
from tests.sim.asterisk import Channel
from tests.sim.service import journal_path
from tests.sim.site import NEVER_RECORDED

if TYPE_CHECKING:
    from tests.sim.world import World

SILENCE_S = 9
"""A caller in our hands hears something: a menu listens for 5 s, and a command may take 2 s."""
BRIEF_S = 0.1
"""Who hangs up so soon after the answer may be gone before the order to record them arrives."""
PATIENT_S = 1.0
"""Messages that are later than this by both ways let a request time out."""
FORGIVEN_S = 12.0
"""So long after a trouble nothing is held against the service: a lost link is found after 6 s."""

_WAITING = frozenset({Phase.QUEUED, Phase.CONNECTING, Phase.CALLBACK})


class Watch:
    """Looks at one world."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._silent: Counter[str] = Counter()
        self._recorded: Counter[str] = Counter()
        self._idle: Counter[str] = Counter()
        self._apart: Counter[str] = Counter()

    # --- every second ------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """What must hold at any moment; some of it only if nothing is on its way."""
        self._one_call_an_agent()
        world = self._world
        center = world.service.up
        if center is None or world.loop.time() - world.line.troubled_at < FORGIVEN_S:
            self._silent.clear()
            self._recorded.clear()
            self._idle.clear()
            self._apart.clear()
            return
        self._nobody_hears_nothing()
        self._nobody_is_recorded_in_the_dialplan()
        self._nobody_waits_beside_an_idle_agent(center)
        self._floor_and_contacts_agree(center)

    def _one_call_an_agent(self) -> None:
        talking = Counter(
            channel.name
            for channel in self._world.asterisk.channels.values()
            if channel.is_leg and channel.bridge is not None and len(channel.bridge.channels) > 1
        )
        for name, count in talking.items():
            if count > 1:
                self._world.tell("an agent has several callers", f"{name} has {count}")
        for bridge in self._world.asterisk.bridges.values():
            if len(bridge.channels) > 2:
                self._world.tell("a bridge holds more than two", bridge.bridge_id)

    def _nobody_hears_nothing(self) -> None:
        for channel in self._world.asterisk.channels.values():
            if channel.in_stasis and not channel.is_leg and not channel.heard:
                self._count(self._silent, channel.channel_id, SILENCE_S, "a caller hears nothing")
            else:
                self._silent.pop(channel.channel_id, None)

    def _nobody_is_recorded_in_the_dialplan(self) -> None:
        for channel in self._world.asterisk.channels.values():
            if channel.recorded and not channel.in_stasis and not channel.is_leg:
                self._count(self._recorded, channel.channel_id, 2, "a caller is recorded outside of a talk")
            else:
                self._recorded.pop(channel.channel_id, None)

    def _nobody_waits_beside_an_idle_agent(self, center: CallCenter) -> None:
        waiting = [
            view.entered.contact_id
            for queue in center.floor.snapshot().queues
            for view in queue.waiting
            if view.waiting and not view.offers
        ]
        for contact_id in waiting:
            explanation = center.floor.explain(contact_id)
            if explanation is not None and explanation.candidates:
                detail = f"{contact_id} could be served by {explanation.candidates}"
                self._count(self._idle, detail, 2, "somebody waits beside a ready agent")

    def _floor_and_contacts_agree(self, center: CallCenter) -> None:
        """A difference that lasts: what crosses on its way is gone a second later."""
        snapshot = center.floor.snapshot()
        contacts = {contact.contact_id: contact for contact in center.switchboard.contacts}
        differences: list[str] = []
        queued = {view.entered.contact_id: view for queue in snapshot.queues for view in queue.waiting}
        differences += [
            f"{contact.contact_id} is {contact.phase}, the floor thinks otherwise"
            for contact in contacts.values()
            if _waits(contact) is not (contact.contact_id in queued)
        ]
        for contact_id, view in queued.items():
            known = contacts.get(contact_id)
            if known is None:
                differences.append(f"{contact_id} waits on the floor and is no contact")
            elif known.waiting_since is not None and view.told.entered_at != known.waiting_since:
                differences.append(f"{contact_id} waits since {known.waiting_since}, not {view.told.entered_at}")
            elif {offer.offer_id for offer in view.offers} != {offer.offer_id for offer in known.offers}:
                differences.append(f"{contact_id} and the floor differ over its offers")
        for agent in snapshot.agents:
            talks = [c.contact_id for c in contacts.values() if c.busy_agent == agent.agent_id]
            if len(talks) > 1:
                self._world.tell("an agent has several contacts", f"{agent.agent_id}: {talks}")
            if talks != [agent.contact_id] * (agent.activity is Activity.TALKING):
                differences.append(f"{agent.agent_id} is {agent.activity} with {agent.contact_id}, and talks: {talks}")
        for difference in differences:
            self._count(self._apart, difference, 2, "floor and contacts differ")
        for gone in set(self._apart) - set(differences):
            del self._apart[gone]

    def _count(self, counter: Counter[str], subject: str, seconds: int, what: str) -> None:
        counter[subject] += 1
        if counter[subject] == seconds:
            self._world.tell(what, subject)

    # --- at the end --------------------------------------------------------------------------------------------------

    def at_the_end(self) -> None:
        """Nothing of ours is left in Asterisk."""
        self._nothing_was_mended_that_was_not_lost()
        asterisk = self._world.asterisk
        for what, left in (
            ("a channel is left", asterisk.channels),
            ("a bridge is left", asterisk.bridges),
            ("a playback is left", asterisk.playbacks),
        ):
            for name in left:
                self._world.tell(what, name)
        center = self._world.service.center
        if center is not None:
            for contact in center.switchboard.contacts:
                self._world.tell("a contact is left", f"{contact.contact_id} {contact.phase}")

    def _nothing_was_mended_that_was_not_lost(self) -> None:
        """Where only a connection or the disk failed, a look beside the running service has nothing to find."""
        plan, center = self._world.plan, self._world.service.center
        odds = plan.odds
        lossless = not (odds.lost or odds.refused or odds.unheard) and (not odds.late or odds.late_s < PATIENT_S)
        if center is not None and lossless and {fault.what for fault in plan.faults} <= {"link", "ami", "disk"}:
            mended = center.drift.mended
            if mended:
                self._world.tell("mended what was not lost", f"{mended} differences")

    def story(self) -> list[Stored]:
        """All events, judged."""
        rows = sqlite3.connect(journal_path(self._world.folder))
        found = rows.execute(
            "SELECT position, stream, seq, at, type, version, data, site, cause, hash, epoch FROM event ORDER BY 1"
        )
        story = [Stored(row[0], Entry(*row[1:9]), row[9], row[10]) for row in found]
        rows.close()
        Judge(self._world, story).judge()
        return story


class Judge:
    """Judges the whole story of a run."""

    def __init__(self, world: "World", story: Sequence[Stored]) -> None:
        self._world = world
        self._story = story
        self._streams: dict[str, list[Stored]] = defaultdict(list)
        for event in story:
            self._streams[event.entry.stream].append(event)

    def judge(self) -> None:
        """All rules."""
        for stream, events in self._streams.items():
            self._gapless(stream, events)
            if stream.startswith("contact/"):
                self._ends_well(stream, events)
                self._adds_up(stream, events)
                self._offers_settle(stream, events)
                self._recorded_as_the_policy_says(stream, events)
        self._agents_do_one_thing_at_a_time()
        self._nobody_dropped()
        self._feed()
        self._archive()
        self._epochs()

    def _gapless(self, stream: str, events: Sequence[Stored]) -> None:
        seqs = [event.entry.seq for event in events]
        if seqs != list(range(1, len(seqs) + 1)):
            self._world.tell("a stream has gaps", f"{stream} {seqs}")

    def _ends_well(self, stream: str, events: Sequence[Stored]) -> None:
        types = [event.entry.type for event in events]
        if types[0] != "contact.started" or types.count("contact.started") != 1:
            self._world.tell("a contact begins otherwise than once", f"{stream} {types}")
        if types[-1] != "contact.ended" or types.count("contact.ended") != 1:
            self._world.tell("a contact ends otherwise than once", f"{stream} {types}")
            return
        total = _body(events[-1])["seq_total"]
        if total != len(events):
            self._world.tell("a contact's total is wrong", f"{stream} {total} of {len(events)}")
        odds = self._world.plan.odds
        for event in events:
            if event.entry.type == "contact.failed" and not (odds.refused or odds.unheard):
                reason = _body(event)["reason"]
                if "could not be answered" not in reason:
                    self._world.tell("a contact failed", f"{stream} {reason}")

    def _adds_up(self, stream: str, events: Sequence[Stored]) -> None:
        """The fold of the events is the row that the last event tells of; waits are kept over a kill."""
        contact_id = stream.removeprefix("contact/")
        fold = Fold(contact_id, "n1", None)
        entered_at, waited_s = 0.0, 0.0
        for event in events:
            body = body_of(event.entry.type, event.entry.data)
            if body is not None:
                fold.add(event.entry.seq, event.entry.at, body)
            if event.entry.type == "queue.entered":
                entered_at = event.entry.at
            elif event.entry.type == "queue.left":
                waited_s += event.entry.at - entered_at
                if abs(_body(event)["wait_s"] - (event.entry.at - entered_at)) > 1e-3:
                    self._world.tell("a wait is wrong", f"{stream} {_body(event)['wait_s']}")
        view = fold.view()
        end = _body(events[-1])
        if view is None or not view.contact.closed or events[-1].entry.type != "contact.ended":
            self._world.tell("the fold is not closed", stream)
            return
        for name in ("wait_s", "talk_s", "hold_s", "end_state", "ended_by"):
            ours, theirs = getattr(view.contact, name), end[name]
            if ours != theirs and not (isinstance(ours, float) and abs(ours - theirs) < 1e-3):
                self._world.tell("the fold differs", f"{stream} {name}: {ours}, and it says {theirs}")
        if abs(waited_s - end["wait_s"]) > 1e-3:
            self._world.tell("a wait was lost", f"{stream} {end['wait_s']} of {waited_s}")

    def _offers_settle(self, stream: str, events: Sequence[Stored]) -> None:
        pending: set[str] = set()
        for event in events:
            match event.entry.type:
                case "offer.made":
                    offer_id = _body(event)["offer_id"]
                    if offer_id in pending or not offer_id.startswith(stream.removeprefix("contact/")):
                        self._world.tell("an offer is made twice", offer_id)
                    pending.add(offer_id)
                case "offer.settled":
                    offer_id = _body(event)["offer_id"]
                    if offer_id not in pending:
                        self._world.tell("an offer settles twice", offer_id)
                    pending.discard(offer_id)
        for offer_id in pending:
            self._world.tell("an offer never settles", offer_id)

    def _recorded_as_the_policy_says(self, stream: str, events: Sequence[Stored]) -> None:
        contact_id = stream.removeprefix("contact/")
        queue, wanted = "", []
        for event in events:
            if event.entry.type == "queue.entered":
                queue = _body(event)["queue"]
            elif event.entry.type == "talk.started" and queue != NEVER_RECORDED:
                wanted.append(event)
        made = [_body(event) for event in events if event.entry.type == "recording.started"]
        failed = sum(event.entry.type == "recording.failed" for event in events)
        if len(made) != len(wanted):
            self._world.tell("recorded otherwise than the policy says", f"{stream} {len(made)} of {len(wanted)}")
        files = {file for channel in self._all_channels() for file, _ in channel.recordings}
        talk_s = sum(_body(event)["talk_s"] for event in events if event.entry.type == "talk.ended")
        if talk_s < BRIEF_S:
            return
        missing = [body["caller_file"] for body in made if body["caller_file"] not in files]
        short = any(fault.what.startswith(("kill", "asterisk", "ami")) for fault in self._world.plan.faults)
        if len(missing) > failed and not short and not self._world.plan.odds.late:
            self._world.tell("a recording was never begun", f"{contact_id} {missing}")

    def _agents_do_one_thing_at_a_time(self) -> None:
        """No two talks of an agent overlap."""
        talks: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
        for stream, events in self._streams.items():
            began = {}
            for event in events:
                if event.entry.type == "talk.started":
                    began[_body(event)["agent_id"]] = event.entry.at
                elif event.entry.type == "talk.ended":
                    agent_id = _body(event)["agent_id"]
                    talks[agent_id].append((began.pop(agent_id), event.entry.at, stream))
        for agent_id, spans in talks.items():
            spans.sort()
            for (_, until, one), (since, _, other) in pairwise(spans):
                if since < until - 1e-6:
                    self._world.tell("an agent talks twice at a time", f"{agent_id}: {one} and {other}")

    def _nobody_dropped(self) -> None:
        """We hang up on a caller only after their agent did, or at the end of a way out."""
        ends: dict[str, list[Any]] = defaultdict(list)
        promised: set[str] = set()
        for stream, events in self._streams.items():
            if stream.startswith("contact/") and events[-1].entry.type == "contact.ended":
                channel_id = _body(events[0])["channel_id"]
                ends[channel_id].append(_body(events[-1]))
                ends[stream.removeprefix("contact/")].append(_body(events[-1]))
                if any(event.entry.type == "callback.promised" for event in events):
                    promised.add(channel_id)
        for channel in self._world.asterisk.ended:
            if channel.is_leg or channel.hung_up_by != "service" or channel.channel_id in promised:
                continue
            if channel.is_called and channel.state != "Up":
                continue  # an attempt given up
            # Whom we called may have come back by the fallback as a contact of its own, like any caller.
            called_by = channel.channel_id.partition(".c")[0] if channel.is_called else ""
            allowed = [
                end
                for end in (*ends[channel.channel_id], *ends[called_by])
                if end["ended_by"] in {"agent", "unknown"} or end["end_state"] in {"closed", "blocked"}
            ]
            if not allowed:
                self._world.tell("a caller was dropped by us", f"{channel.channel_id} {ends[channel.channel_id]}")

    def _feed(self) -> None:
        """The feed told each life all that it wrote after its start, in order."""
        positions = [event.position for event in self._story]
        for life, begin in self._world.service.feed_from.items():
            told = [position for number, position in self._world.service.feed if number == life]
            due = [position for position in positions if position > begin][: len(told)]
            if told != due:
                self._world.tell("the feed skipped something", f"life {life}: {len(told)} told")

    def _archive(self) -> None:
        """What was sent is what is there; nothing is under another's name."""
        archive = self._world.service.archive
        for fork in archive.forks:
            self._world.tell("a fork", fork)
        ours = {(event.entry.stream, event.entry.seq): event.hash for event in self._story}
        for key, event in archive.held.items():
            if ours.get(key) != event.hash:
                self._world.tell("what was sent is not in the journal", f"{key}")

    def _epochs(self) -> None:
        epochs = [event.epoch for event in self._story]
        if epochs != sorted(epochs):
            self._world.tell("an older epoch wrote after a newer one", "")

    def _all_channels(self) -> list[Channel]:
        return [*self._world.asterisk.ended, *self._world.asterisk.channels.values()]


def _waits(contact: Contact) -> bool:
    """Whether the floor is to know of the contact: it waits, or is called back before an agent is asked."""
    asked = contact.callback is not None and contact.callback.agent_id is not None
    return contact.phase in _WAITING or (contact.phase is Phase.DIALING and not asked)


def _body(event: Stored) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(event.entry.data)
    return body
