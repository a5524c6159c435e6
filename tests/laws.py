"""The laws of the ACD, each a check of one moment: they hold whatever is told, in whatever order, under any site."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from routing.acd.engine import Acd
from routing.acd.snapshot import ContactView
from routing.acd.trace import Why
from routing.messages import (
    CallbackChosen,
    CallbackOver,
    Configured,
    CustomerDialed,
    DialCustomer,
    DialOutcome,
    DialsHeld,
    Diverted,
    Entered,
    Left,
    MakeOffer,
    OfferSettled,
    RescindOffer,
    StepTaken,
)
from routing.model import Activity, Outcome, Presence
from routing.requirement import Named, met
from tests.days import Moment
from tests.reach import GRAIN_S

Law = Callable[[Moment], None]


def work_is_conserved(moment: Moment) -> None:
    """No contact waits while an agent who may serve it is ready."""
    floor = moment.floor
    ready = [agent_id for agent_id in floor.agents if floor.ready(agent_id)]
    for view in floor.waiting():
        able = [agent_id for agent_id in ready if floor.may_serve_surely(agent_id, view)]
        assert not able, f"{view.entered.contact_id} waits while {able} are ready"


def offers_go_to_who_may_serve(moment: Moment) -> None:
    """Every offer goes to a member who meets all that is required and sees the contact."""
    floor = moment.floor
    pending = {offer.offer_id: view for view in floor.contacts() for offer in view.offers}
    for made in moment.decisions:
        if not isinstance(made, MakeOffer) or made.offer_id not in pending or made.agent_id not in floor.profiles:
            continue  # settled again in the same step, or its agent has left the site
        view, profile = pending[made.offer_id], floor.profiles[made.agent_id]
        if made.trace.why is Why.AFFINITY or made.trace.requires == Named(made.agent_id):
            assert made.agent_id == view.entered.preferred_agent
            assert floor.may_be_preferred(made.agent_id, view), "the preferred agent may not serve"
        else:
            assert floor.sees(profile, view), f"{made.agent_id} does not see {made.contact_id}"
            assert met(floor.of_step(view, view.step), profile), f"{made.agent_id} may not serve {made.contact_id}"
            assert met(made.trace.requires, profile), "the offer tells what was required"


def steps_are_taken_for_a_reason(moment: Moment) -> None:
    """A step begins when its time has come, or because nobody is logged in who meets those before it."""
    floor = moment.floor
    there = {view.entered.contact_id: view for view in floor.contacts()}
    for told in moment.decisions:
        view = there.get(told.contact_id) if isinstance(told, StepTaken) else None
        if view is None or not isinstance(told, StepTaken) or isinstance(moment.given, Configured | Entered):
            continue
        steps = floor.queues[told.queue].steps
        if told.why == "time":
            assert steps[told.step].after_s <= view.clock_s + GRAIN_S
        else:
            assert told.why == "unstaffed"
            assert steps[told.step - 1].skip_if_unstaffed
            assert not floor.staffed(floor.of_step(view, told.step - 1), told.queue)


def an_agent_has_one_offer_and_a_contact_no_more_than_its_queue_rings(moment: Moment) -> None:
    """At most `ring_several` offers a contact and one an agent; who is reserved is reserved by an offer."""
    floor = moment.floor
    pending = [offer for view in floor.contacts() for offer in view.offers]
    reserved = [view for view in floor.agents.values() if view.activity is Activity.RESERVED]
    assert sorted((offer.agent_id, offer.contact_id) for offer in pending) == [
        (view.agent_id, view.contact_id) for view in reserved
    ]
    for view in floor.contacts():
        assert len(view.offers) <= floor.queues[view.entered.queue].ring_several
        assert len({offer.agent_id for offer in view.offers}) == len(view.offers)
        assert all(offer.expires_at > moment.now for offer in view.offers), "an offer is settled by its deadline"


def the_step_clock_stands_still_while_a_phone_rings(moment: Moment) -> None:
    """It runs by the time passed while the contact waits, and not at all while an offer of it is pending."""
    passed_s = moment.after.at - moment.before.at
    # Who enters again, or takes up a callback of theirs, goes on with the greater clock.
    told_again = moment.given.contact_id if isinstance(moment.given, Entered | CallbackChosen) else None
    before = {view.entered.contact_id: view for queue in moment.before.queues for view in queue.waiting}
    touched = {each.contact_id for each in moment.decisions if isinstance(each, MakeOffer | RescindOffer)}
    touched |= {moment.given.offer_id.split(".")[0]} if isinstance(moment.given, OfferSettled) else set()
    for view in moment.floor.contacts():
        was = before.get(view.entered.contact_id)
        if was is None or view.entered.contact_id == told_again:
            continue
        ran_s = view.clock_s - was.clock_s
        if was.offers and {offer.offer_id for offer in was.offers} & {offer.offer_id for offer in view.offers}:
            assert ran_s == 0.0, "a phone rang all the time"
        elif was.offers:
            assert -GRAIN_S < ran_s < GRAIN_S, "the phones rang until now"
        elif not (touched & {view.entered.contact_id}):
            assert abs(ran_s - passed_s) < GRAIN_S, "it waited all the time"
        else:
            assert -GRAIN_S < ran_s < passed_s + GRAIN_S


def the_overdue_are_served_first(moment: Moment) -> None:
    """A free agent is given an overdue contact if they may serve any, the one first that is overdue longest."""
    made = [each for each in moment.decisions if isinstance(each, MakeOffer)]
    if moment.late or len(made) != 1 or made[0].trace.why is not Why.AGENT_FREE:
        return
    floor, (offer,) = moment.floor, made
    chosen = next((view for view in floor.contacts() if view.entered.contact_id == offer.contact_id), None)
    if chosen is None:
        return
    back = {each.contact_id for each in moment.decisions if isinstance(each, RescindOffer)}  # after the agent was free
    others = [
        view
        for view in floor.waiting()
        if view.entered.contact_id not in back and floor.may_serve_surely(offer.agent_id, view)
    ]
    due_at = min(map(floor.due_at, others), default=moment.now + 1.0)
    if due_at <= moment.now:
        assert offer.trace.overdue, "another was overdue"
        assert floor.due_at(chosen) <= due_at
    assert offer.trace.overdue is (floor.due_at(chosen) <= moment.now)


def nobody_is_called_on_a_trunk_that_is_kept(moment: Moment) -> None:
    """Customer first: while a tier is held, none of its customers is called; nor does one of them stand in line."""
    held = moment.after.dials_held
    there = {view.entered.contact_id: view for queue in moment.before.queues for view in queue.waiting}
    for decision in moment.decisions:
        if isinstance(decision, DialCustomer) and decision.contact_id in there:
            view = there[decision.contact_id]
            assert view.offers or view.entered.value_tier not in held, "only an agent who was asked before may accept"
    if isinstance(moment.given, DialsHeld) and moment.after.at == moment.now:
        for queue in moment.after.queues:
            for view in queue.waiting:
                kept = view.entered.callback and not view.offers and min(view.entered.value_tier, 2) in held
                assert not kept or view.away is not None


def who_logs_in_begins_level_with_the_others(moment: Moment) -> None:
    """With as many contacts as whoever has fewest of those at work, and no less of a share than anybody has."""
    if isinstance(moment.given, OfferSettled):
        return  # in that very step somebody may have been given one contact more
    there = [view for view in moment.before.agents if view.presence is not Presence.LOGGED_OUT]
    out = {view.agent_id: view for view in moment.before.agents if view.presence is Presence.LOGGED_OUT}
    for view in moment.after.agents:
        was = out.get(view.agent_id)
        if was is not None and view.presence is not Presence.LOGGED_OUT:
            assert view.contacts == min([each.contacts for each in there], default=0)
            assert view.stride == max(was.stride, min([each.stride for each in there], default=0.0))


MOMENTARY: tuple[Law, ...] = (
    work_is_conserved,
    offers_go_to_who_may_serve,
    steps_are_taken_for_a_reason,
    an_agent_has_one_offer_and_a_contact_no_more_than_its_queue_rings,
    the_step_clock_stands_still_while_a_phone_rings,
    the_overdue_are_served_first,
    nobody_is_called_on_a_trunk_that_is_kept,
    who_logs_in_begins_level_with_the_others,
)


@dataclass
class Books:
    """Laws that take a memory: nobody is lost, an offer settles once, one callback a customer and queue."""

    there: set[str] = field(default_factory=set)
    calling: set[str] = field(default_factory=set)
    pending: dict[str, str] = field(default_factory=dict)  # offer → contact
    made: set[str] = field(default_factory=set)
    callbacks: set[str] = field(default_factory=set)

    def check(self, moment: Moment) -> None:
        """Enter this moment, and compare."""
        self._hear(moment)
        for decision in moment.decisions:
            match decision:
                case MakeOffer():
                    assert decision.offer_id not in self.made, "an offer id repeats"
                    self.made.add(decision.offer_id)
                    self.pending[decision.offer_id] = decision.contact_id
                case RescindOffer():
                    assert decision.offer_id in self.pending, "an offer settles once"
                    del self.pending[decision.offer_id]
                case Diverted():
                    self.there.discard(decision.contact_id)
                case CallbackOver():
                    self.there.discard(decision.contact_id)
                    self.calling.discard(decision.contact_id)
        seen = moment.floor.contacts()
        assert {view.entered.contact_id for view in seen} == self.there, "somebody is lost, or stays too long"
        assert {view.entered.contact_id for view in moment.after.calling} == self.calling
        assert {offer.offer_id for view in seen for offer in view.offers} == set(self.pending)
        self._one_callback((*seen, *moment.after.calling))

    def _hear(self, moment: Moment) -> None:
        given = moment.given
        match given:
            case Entered():
                if given.contact_id not in self.calling:
                    self.there.add(given.contact_id)
            case Left():
                self.there.discard(given.contact_id)
                self.calling.discard(given.contact_id)
            case OfferSettled(offer_id, outcome) if offer_id in self.pending:
                self._settled(self.pending.pop(offer_id), outcome, moment)
            case OfferSettled(offer_id, Outcome.ACCEPTED):
                self._picked_up(offer_id, moment)
            case CustomerDialed(contact_id, outcome) if contact_id in self.calling:
                self.calling.discard(contact_id)
                if outcome in {DialOutcome.FAILED, DialOutcome.HELD_BACK}:
                    self.there.add(contact_id)
            case _:
                pass

    def _settled(self, contact_id: str, outcome: Outcome, moment: Moment) -> None:
        if outcome is Outcome.ACCEPTED:
            self._talks(contact_id, moment)
        elif outcome is Outcome.CALLER_GONE:
            self.there.discard(contact_id)

    def _picked_up(self, offer_id: str, moment: Moment) -> None:
        """The session took up an offer that the ACD withdrew: the contact is theirs, unless another race was lost."""
        contact_id = offer_id.split(".", maxsplit=1)[0]
        refusals = [refused for queue in moment.before.queues for view in queue.waiting for refused in view.refusals]
        withdrawn = {Outcome.NO_ANSWER, Outcome.UNREACHABLE, Outcome.RESCINDED}
        if any(refused.offer_id == offer_id and refused.outcome in withdrawn for refused in refusals):
            self._talks(contact_id, moment)

    def _talks(self, contact_id: str, moment: Moment) -> None:
        self.there.discard(contact_id)
        if any(view.entered.contact_id == contact_id for view in moment.after.calling):
            self.calling.add(contact_id)

    def _one_callback(self, seen: Iterable[ContactView]) -> None:
        """One callback a customer and queue, those aside whose customer called again while they were worked on."""
        keys = Counter(
            (view.entered.customer_id, view.entered.queue)
            for view in seen
            if view.entered.callback and view.entered.customer_id is not None and view.superseded_by is None
        )
        assert all(count == 1 for count in keys.values()), f"two callbacks of one customer: {keys}"


def estimates_and_explanations_agree(acd: Acd, moment: Moment) -> None:
    """No question raises; a waiting contact has no candidate; every agent is accounted for once."""
    for view in moment.floor.contacts():
        contact_id = view.entered.contact_id
        estimate, explained = acd.estimate(contact_id, moment.now), acd.explain(contact_id, moment.now)
        assert estimate is not None
        assert explained is not None
        assert estimate.position >= 1
        assert 0.0 <= estimate.p50_s <= estimate.p90_s
        assert (explained.situation == "offered") == bool(view.offers)
        due_at = acd.next_at()
        if explained.situation == "waiting" and (due_at is None or due_at > moment.now + GRAIN_S):
            assert explained.candidates == ()
            named = {agent_id for each in explained.excluded for agent_id in each.examples}
            assert named == {*moment.floor.agents} - {moment.floor.waited_for(view)} | named, (
                "an agent without a reason"
            )
