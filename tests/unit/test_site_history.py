"""The sites that were in use are kept whole and come back as they were; what can't be kept is said."""

import shutil
from pathlib import Path

import pytest

import callcenter.config
import callcenter.site_history
from callcenter.config.site import Site, load_site
from callcenter.site_history import CHANGES_MAX, Cause, Change, HistoryError, SiteHistory, SiteNotKept

DEMO = Path(callcenter.config.__file__).parent / "demo_site"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the demo site, to be changed."""
    return shutil.copytree(DEMO, tmp_path / "site")


@pytest.fixture
def history(tmp_path: Path) -> SiteHistory:
    return SiteHistory(tmp_path / "sites")


def changed(folder: Path, n: int) -> Site:
    """The site after its n-th change."""
    queues = folder / "queues.toml"
    queues.write_text(f"# {n}\n{queues.read_text()}")
    return load_site(folder)


def take(history: SiteHistory, site: Site, n: int = 0) -> Change:
    """Keep the site and note that it was taken into use."""
    history.keep(site)
    before = history.latest.digest if history.latest else None
    change = Change(site.digest, site.name, 1_760_000_000.0 + n, Cause.APPLIED, "test", before)
    history.note(change)
    return change


def test_a_kept_site_is_the_same_site_whatever_becomes_of_its_folder(history: SiteHistory, folder: Path) -> None:
    site = load_site(folder)
    take(history, site)
    shutil.rmtree(folder)
    again = history.load(site.digest)
    assert again.digest == site.digest
    assert (again.queues, again.rules, again.policy, again.flows) == (site.queues, site.rules, site.policy, site.flows)
    assert (again.prompts_dir / "en/welcome.wav").read_bytes() == (DEMO / "prompts/en/welcome.wav").read_bytes()


def test_two_sites_share_the_files_that_did_not_change(history: SiteHistory, folder: Path) -> None:
    first, second = load_site(folder), changed(folder, 1)
    take(history, second, 1)
    shutil.copyfile(DEMO / "queues.toml", folder / "queues.toml")
    take(history, first, 2)
    one, other = (history.load(site.digest).folder for site in (first, second))
    assert (one / "agents.toml").samefile(other / "agents.toml")
    assert not (one / "queues.toml").samefile(other / "queues.toml")


def test_the_history_outlives_the_process(history: SiteHistory, folder: Path, tmp_path: Path) -> None:
    changes = [take(history, changed(folder, n), n) for n in range(3)]
    assert SiteHistory(tmp_path / "sites").changes == tuple(changes)


def test_the_last_changes_are_kept_and_no_more(
    history: SiteHistory, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert CHANGES_MAX == 50
    monkeypatch.setattr(callcenter.site_history, "CHANGES_MAX", 3)
    changes = [take(history, changed(folder, n), n) for n in range(5)]
    assert list(history.changes) == changes[-3:]
    kept = {each.name for each in (tmp_path / "sites").iterdir() if each.is_dir()}
    assert kept == {change.digest for change in changes[-3:]}
    with pytest.raises(SiteNotKept):
        history.load(changes[0].digest)


@pytest.mark.parametrize("digest", ["", "0" * 16, "../site", "/etc", "."])
def test_only_what_was_in_use_comes_back(history: SiteHistory, folder: Path, digest: str) -> None:
    take(history, load_site(folder))
    with pytest.raises(SiteNotKept):
        history.load(digest)


def test_a_folder_that_changes_while_it_is_copied_is_refused_and_leaves_nothing(
    history: SiteHistory, folder: Path, tmp_path: Path
) -> None:
    read = load_site(folder)
    changed(folder, 1)
    with pytest.raises(HistoryError, match="changed while it was read"):
        history.keep(read)
    assert [each.name for each in (tmp_path / "sites").iterdir()] == []


def test_a_copy_that_was_damaged_is_made_anew(history: SiteHistory, folder: Path) -> None:
    site = load_site(folder)
    take(history, site)
    (history.load(site.digest).folder / "queues.toml").write_text("")
    kept = history.keep(site)
    assert load_site(kept.folder).digest == site.digest


def test_an_unreadable_history_is_put_aside_and_begins_anew(history: SiteHistory, folder: Path, tmp_path: Path) -> None:
    take(history, load_site(folder))
    (tmp_path / "sites/history.json").write_text("[{]")
    anew = SiteHistory(tmp_path / "sites")
    assert anew.changes == ()
    assert (tmp_path / "sites/history.damaged").read_text() == "[{]"
    take(anew, load_site(folder))
    assert len(SiteHistory(tmp_path / "sites").changes) == 1


def test_a_disk_that_refuses_is_said(history: SiteHistory, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "sites").write_text("a file where the folder should be")
    with pytest.raises(HistoryError, match="can't be kept"):
        history.keep(load_site(folder))
