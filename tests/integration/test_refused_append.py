"""A step that the journal refuses (a bug of ours) must not leave its caller in silence."""

from callcenter.contact.model import Phase
from callcenter.ports import Append, Entry, StateChange
from tests.kit.hotline import Hotline
from tests.kit.phone import Phone
from tests.kit.waiting import until


async def test_a_contact_whose_step_the_journal_refuses_goes_to_the_fallback(hotline: Hotline, trunk: Phone) -> None:
    call = trunk.call("0800000200", caller="0910000003")
    contact = await hotline.until_phase(Phase.QUEUED)
    used = Entry(contact.stream, 1, hotline.center.clock.now(), "test.twice", 1, b"{}", "test")
    hotline.center.journal.append(Append((used,), (StateChange(contact.stream, b"{}"),)))
    await until(lambda: not hotline.contacts, "the contact is let go")
    assert hotline.center.switchboard.trunks_in_use == 0
    await call.hears_sound()
    assert call.is_up
    assert hotline.center.journal.healthy
    await call.hang_up()
    await hotline.until_ended()
