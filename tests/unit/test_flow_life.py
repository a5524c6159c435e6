"""A flow's life without Asterisk: draft, check, publish, versions, rolling back; what is refused changes nothing."""

import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import callcenter.config
from callcenter.clock import AnchoredClock
from callcenter.companions.errors import CompanionError
from callcenter.config.site import Site, SiteError, load_site
from callcenter.db.journal import SqliteJournal
from callcenter.flow_drafts import DraftsError, FlowDrafts, NoDraft
from callcenter.flow_files import FolderDiffers, FolderReadOnly
from callcenter.flows import DraftMoved, Flows, NoVersion
from callcenter.live_site import FlowMoved, LiveSite, Users
from callcenter.site_history import SiteHistory

DEMO = Path(callcenter.config.__file__).parent / "demo_site"
INNER = 'start = "bye"\n[nodes.bye]\ntype = "return"\noutcome = "done"\n'
OUTER = (
    'start = "sub"\n[nodes.sub]\ntype = "sub_flow"\nflow = "inner"\noutcomes = { done = "end" }\n'
    '[nodes.end]\ntype = "queue"\nqueue = "product"\n'
)
CHOICES = '2 = "orders", 3 = "activities"'


class Place:
    """A site in use, its folder, and Asterisk that can be told to refuse."""

    def __init__(self, directory: Path, journal: SqliteJournal) -> None:
        self.folder = shutil.copytree(DEMO, directory / "site")
        self.history = directory / "sites"
        self.refuses = False
        self.used: list[Site] = []
        self.live = LiveSite(
            load_site(self.folder),
            folder=self.folder,
            history=SiteHistory(self.history),
            clock=AnchoredClock(),
            journal=journal,
            users=Users(self.prepare, self.used.append, self.store),
        )
        self.drafts = FlowDrafts(directory / "drafts")
        self.flows = Flows(self.live, self.drafts, AnchoredClock())

    async def prepare(self, _: Site, __: Site) -> Sequence[str]:
        if self.refuses:
            raise CompanionError("Asterisk refuses", "ask it again")
        return ()

    async def store(self, _: Site) -> None:
        """No database here."""

    def in_folder(self, flow: str = "main") -> str:
        return (self.folder / f"flows/{flow}.toml").read_text()

    @property
    def main(self) -> str:
        return self.flows.in_use["main"].version


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    clock = AnchoredClock()
    journal = SqliteJournal(tmp_path / "journal.sqlite", "n1", clock.now(), lambda _: None)
    await journal.open()
    place = Place(tmp_path, journal)
    await place.live.begin(0)
    yield place
    await journal.close()


def swapped(text: str) -> str:
    """The main flow with two choices changed about."""
    assert CHOICES in text
    return text.replace(CHOICES, '2 = "activities", 3 = "orders"')


async def test_a_published_draft_is_in_use_in_the_folder_and_a_version_and_the_draft_is_gone(place: Place) -> None:
    first, text = place.main, swapped(place.in_folder())
    checked = await place.flows.write("main", text, "admin")
    assert (checked.mistakes, checked.draft.based_on, place.main) == ((), first, first)
    published = await place.flows.publish("main", "admin", checked.draft.digest)
    assert published.version == checked.version == place.main != first
    assert place.used[-1].flows["main"].version == place.main
    assert place.in_folder() == text
    assert load_site(place.folder).digest == place.live.site.digest, "after a restart it is the same site"
    assert place.drafts.all() == []
    versions = place.flows.versions("main")
    assert [(one.version, one.in_use, one.since.cause.value) for one in versions] == [
        (place.main, True, "flow_published"),
        (first, False, "started"),
    ]
    assert await place.flows.version_text("main", first) != await place.flows.text("main") == text


async def test_rolling_back_brings_the_version_before_into_use_and_there_and_back_again(place: Place) -> None:
    first, before = place.main, place.in_folder()
    await place.flows.write("main", swapped(before), "admin")
    second = (await place.flows.publish("main", "admin")).version
    assert (await place.flows.roll_back("main", "admin")).version == first == place.main
    assert place.in_folder() == before
    assert (await place.flows.roll_back("main", "admin", second)).version == second
    assert [one.version for one in place.flows.versions("main")] == [second, first, second, first]
    assert [one.in_use for one in place.flows.versions("main")] == [True, False, False, False]
    again = await place.flows.roll_back("main", "admin", second)
    assert again.taken.changed is False
    for unknown in ("0" * 16, "../../etc"):
        with pytest.raises(NoVersion):
            await place.flows.roll_back("main", "admin", unknown)
    with pytest.raises(NoVersion):
        await place.flows.roll_back("after_hours", "admin")


async def test_rolling_back_a_flow_leaves_what_else_was_changed_since(place: Place) -> None:
    first = place.main
    await place.flows.write("main", swapped(place.in_folder()), "admin")
    await place.flows.publish("main", "admin")
    agents = place.folder / "agents.toml"
    agents.write_text(f"# another agent may come\n{agents.read_text()}")
    await place.live.apply("admin")
    await place.flows.roll_back("main", "admin", first)
    assert place.main == first
    assert (place.live.site.folder / "agents.toml").read_text().startswith("# another")
    assert load_site(place.folder).digest == place.live.site.digest


async def test_a_version_comes_back_with_the_sub_flows_it_had_and_the_others_are_told(place: Place) -> None:
    for flow, text in (("inner", INNER), ("outer", OUTER), ("other", OUTER)):
        await place.flows.write(flow, text, "admin")
        await place.flows.publish(flow, "admin")
    first = place.flows.in_use["outer"].version
    hello = '[nodes.hello]\ntype = "say"\nprompts = ["welcome"]\nnext = "bye"\n'
    await place.flows.write("inner", INNER.replace('"bye"\n', '"hello"\n', 1) + hello, "admin")
    changed = await place.flows.publish("inner", "admin")
    assert set(changed.others) == {"outer", "other"}
    assert place.flows.in_use["outer"].version != first
    back = await place.flows.roll_back("outer", "admin", first)
    assert (back.version, place.flows.in_use["outer"].version) == (first, first)
    assert set(back.others) == {"inner", "other"}
    assert place.in_folder("inner") == INNER


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("start = ", ["flows/broken.toml"]),
        ('start = "nowhere"\n[nodes.a]\ntype = "say"\nprompts = ["no_such"]\nnext = "b"\n', ["flows.broken."] * 3),
        ("", ["flows.broken."]),
    ],
)
async def test_a_draft_may_have_mistakes_all_are_said_and_it_is_not_published(
    place: Place, text: str, paths: list[str]
) -> None:
    site, changes = place.live.site, place.live.changes
    checked = await place.flows.write("broken", text, "admin")
    assert len(checked.mistakes) >= len(paths)
    assert checked.version is None
    assert all(mistake.startswith(paths[0]) for mistake in checked.mistakes)
    with pytest.raises(SiteError) as refusal:
        await place.flows.publish("broken", "admin")
    assert refusal.value.mistakes == checked.mistakes
    assert (place.live.site, place.live.changes) == (site, changes)
    assert not (place.folder / "flows/broken.toml").exists()
    assert (await place.flows.draft("broken")).draft == checked.draft, "it is still there, to be mended"
    assert sorted(each.name for each in place.history.iterdir()) == sorted({site.digest, "history.json"})


async def test_a_draft_that_breaks_another_flow_is_refused_with_that_flows_path(place: Place) -> None:
    for flow, text in (("inner", INNER), ("outer", OUTER)):
        await place.flows.write(flow, text, "admin")
        await place.flows.publish(flow, "admin")
    checked = await place.flows.write("inner", INNER.replace("done", "other"), "admin")
    assert any(mistake.startswith("flows.outer.nodes.sub.outcomes") for mistake in checked.mistakes)


async def test_two_who_change_a_flow_do_not_undo_each_other(place: Place) -> None:
    mine = await place.flows.write("main", swapped(place.in_folder()), "admin")
    await place.flows.write("main", f"# theirs\n{place.in_folder()}", "admin")
    with pytest.raises(DraftMoved):
        await place.flows.publish("main", "admin", mine.draft.digest)
    # The flow changes by another door: the draft was made from what is not in use any more.
    file = place.folder / "flows/main.toml"
    file.write_text(f"# by hand\n{file.read_text()}")
    await place.live.apply("admin")
    now = place.main
    with pytest.raises(FlowMoved):
        await place.flows.publish("main", "admin")
    assert (place.main, place.in_folder()[:9]) == (now, "# by hand")


async def test_a_folder_that_was_changed_by_hand_is_not_overwritten(place: Place) -> None:
    await place.flows.write("main", swapped(place.in_folder()), "admin")
    file = place.folder / "flows/main.toml"
    file.write_text("# half an idea\n")
    before = place.main
    with pytest.raises(FolderDiffers):
        await place.flows.publish("main", "admin")
    assert (place.main, file.read_text()) == (before, "# half an idea\n")


async def test_what_asterisk_refuses_changes_nothing_in_the_folder_either(place: Place) -> None:
    before, text = place.main, place.in_folder()
    await place.flows.write("main", swapped(text), "admin")
    await place.flows.write("new", 'start = "end"\n[nodes.end]\ntype = "hang_up"\nend_state = "closed"\n', "admin")
    place.refuses = True
    for flow in ("main", "new"):
        with pytest.raises(CompanionError):
            await place.flows.publish(flow, "admin")
    assert (place.main, place.in_folder()) == (before, text)
    assert not (place.folder / "flows/new.toml").exists()
    assert [draft.flow for draft in place.drafts.all()] == ["main", "new"]


async def test_a_folder_that_is_gone_refuses_and_nothing_changes(place: Place) -> None:
    before = place.main
    await place.flows.write("new", 'start = "end"\n[nodes.end]\ntype = "hang_up"\nend_state = "closed"\n', "admin")
    shutil.rmtree(place.folder)
    with pytest.raises(FolderReadOnly):
        await place.flows.publish("new", "admin")
    assert (place.main, "new" in place.flows.in_use, place.folder.exists()) == (before, False, False)


async def test_drafts_outlive_the_process_are_bounded_and_a_damaged_one_is_said(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.flows.write("main", "start = 1", "admin")
    again = FlowDrafts(tmp_path / "drafts")
    assert [draft.text for draft in again.all()] == ["start = 1"]
    monkeypatch.setattr("callcenter.flow_drafts.DRAFTS_MAX", 1)
    with pytest.raises(DraftsError):
        await place.flows.write("other", "start = 1", "admin")
    await place.flows.write("main", "start = 2", "admin")
    (tmp_path / "drafts/main.json").write_text("{")
    with pytest.raises(DraftsError):
        await place.flows.draft("main")
    assert again.all() == []
    await place.flows.drop("main")
    for ask in (place.flows.drop, place.flows.draft):
        asked: Any = ask
        with pytest.raises(NoDraft):
            await asked("main")


async def test_versions_outlive_the_process(place: Place, tmp_path: Path) -> None:
    await place.flows.write("main", swapped(place.in_folder()), "admin")
    await place.flows.publish("main", "admin")
    changes = SiteHistory(tmp_path / "sites").changes
    assert [change.flows["main"] for change in changes] == [one.version for one in place.flows.versions("main")][::-1]
