"""What the server's code does, and a person would not expect; on the emulator, which follows that code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.errors import Rejected, SpecError
from airflow_provider_canfar.skaha.storage.uploader import LARGE_UPLOAD

if TYPE_CHECKING:
    from airflow_provider_canfar.fs._filesystem import ArcFileSystem
    from airflow_provider_canfar.testing import Emulator

#: All that RFC 3986 allows in a path's name besides letters and digits, and letters that it does not have.
SAFE = st.text("!$&'()*+,;=:@-._~aé星", min_size=1, max_size=12).filter(lambda name: name not in {".", ".."})


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(SAFE, min_size=2, max_size=2, unique=True))
def test_every_safe_name_reaches_the_file_of_that_name(
    arc: ArcFileSystem, base: str, mount: Path, names: list[str]
) -> None:
    """Tomcat would cut a name at ``;``, and httpx does not encode it."""
    folder, file = names
    here = mount / base[1:] / folder
    arc.pipe_file(f"{base}/{folder}/{file}", b"1")
    assert [one.name for one in here.iterdir()] == [file]
    assert arc.ls(f"{base}/{folder}", detail=False) == [f"{base}/{folder}/{file}"]
    assert arc.cat_file(f"{base}/{folder}/{file}") == b"1"
    arc.mv(f"{base}/{folder}/{file}", f"{base}/{folder}/moved{file}")
    assert [one.name for one in here.iterdir()] == [f"moved{file}"]
    arc.rm(f"{base}/{folder}", recursive=True)
    assert not here.exists()


def test_the_names_of_a_list_are_decoded(arc: ArcFileSystem, base: str, mount: Path) -> None:
    """The server encodes them, as sessions give files any name; the node's own it does not encode."""
    names = ["a b", "50%", "é;[1]", "a#b?", "%41"]
    for name in names:
        (mount / base[1:] / name).write_text(name)
    assert sorted(arc.ls(base, detail=False)) == sorted(f"{base}/{name}" for name in names)


@pytest.mark.parametrize("after", [0, 20])
def test_a_list_that_fails_while_it_is_sent_is_asked_for_again(
    arc: ArcFileSystem, base: str, mount: Path, emulator: Emulator, after: int
) -> None:
    """With more than 8 KiB, it arrives with status 200 and half of the document."""
    for number in range(40):
        (mount / base[1:] / f"{number:02}.csv").touch()
    emulator.faults(list_race={"count": 1, "after": after})
    try:
        assert len(arc.ls(base)) == 40
    finally:
        emulator.clear_faults()


def test_a_link_that_spoils_a_list_is_named(arc: ArcFileSystem, base: str, mount: Path) -> None:
    (mount / base[1:] / "link").symlink_to("a b")
    with pytest.raises(Rejected, match="a link whose target has a space"):
        arc.ls(base)


def test_a_link_to_a_file_is_not_written_through(arc: ArcFileSystem, base: str, mount: Path) -> None:
    folder = mount / base[1:]
    (folder / "run7.csv").write_text("whole")
    (folder / "latest.csv").symlink_to("run7.csv")
    for content in (b"new", bytes(LARGE_UPLOAD + 1)):
        with pytest.raises(Rejected, match=f"is a link to {base}/run7.csv, .* Write to the file itself"):
            arc.pipe_file(f"{base}/latest.csv", content)
    assert arc.cat_file(f"{base}/latest.csv") == b"whole"


def test_a_folder_is_not_overwritten(arc: ArcFileSystem, base: str) -> None:
    arc.mkdir(f"{base}/folder")
    for content in (b"new", bytes(LARGE_UPLOAD + 1)):
        with pytest.raises(IsADirectoryError):
            arc.pipe_file(f"{base}/folder", content)


def test_a_rename_onto_a_folder_moves_nothing_into_it(arc: ArcFileSystem, base: str) -> None:
    arc.pipe_file(f"{base}/x", b"x")
    arc.mkdir(f"{base}/folder")
    for source in (f"{base}/x", f"{base}/folder"):
        arc.makedirs(f"{base}/taken", exist_ok=True)
        with pytest.raises(FileExistsError):
            arc.mv(source, f"{base}/taken")
    assert arc.find(base) == [f"{base}/x"]


def test_a_folder_whose_path_contains_another_s_is_no_target_of_it(
    arc: ArcFileSystem, base: str, emulator: Emulator
) -> None:
    """The server compares text, and takes it for a descendant."""
    for folder in ("a", "ab"):
        arc.mkdir(f"{base}/{folder}")
    emulator.forget_requests()
    for target, rule in (("ab/c", "contains that text"), ("a/c", "into itself")):
        with pytest.raises(SpecError, match=rule):
            arc.mv(f"{base}/a", f"{base}/{target}")
    assert not [one for one in emulator.requests() if "transfers" in one]
    arc.mv(f"{base}/a", f"{base}/abc")
    arc.pipe_file(f"{base}/f", b"a file has no descendants")
    arc.mv(f"{base}/f", f"{base}/fab")
    assert sorted(arc.ls(base, detail=False)) == [f"{base}/ab", f"{base}/abc", f"{base}/fab"]
