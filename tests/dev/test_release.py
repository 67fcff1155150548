"""What a release is checked for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from dev.release import foreign_in, missing_from, next_steps, notes_of, relative_links

ROOT = Path(__file__).parent.parent.parent
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_changelog_has_notes_for_the_version_that_is_released() -> None:
    assert "\n### Added\n" in notes_of(CHANGELOG, PROJECT["version"])


def test_notes_end_where_the_next_version_begins() -> None:
    changelog = "## [Unreleased]\n\n- c\n\n## [0.2.0] - 2027-01-01\n\n- b\n\n## [0.1.0] - 2026-01-01\n\n- a\n"
    assert notes_of(changelog, "0.2.0") == "- b\n"
    assert notes_of(changelog, "0.1.0") == "- a\n"


@pytest.mark.parametrize("changelog", ["", "## [0.1.0]\n- a\n", "## [0.1.0] - 2026-01-01\n\n## [0.0.9]\n"])
def test_a_version_without_a_date_or_entries_is_not_released(changelog: str) -> None:
    with pytest.raises(ValueError, match=r"no section '## \[0.1.0\]"):
        notes_of(changelog, "0.1.0")


@pytest.mark.parametrize("changelog", ["", "## [Unreleased]\n\n## [0.1.0] - 2026-01-01\n\n- a\n"])
def test_the_commands_that_publish_are_said_when_every_change_is_in_the_notes(changelog: str) -> None:
    text = next_steps(changelog, "0.1.0")
    assert "gh release create v0.1.0 " in text
    assert "twine upload dist/*" in text


def test_a_change_that_no_version_has_yet_is_not_published() -> None:
    text = next_steps("## [Unreleased]\n\n### Fixed\n\n- b\n\n## [0.1.0] - 2026-01-01\n\n- a\n", "0.1.0")
    assert "Not ready to publish" in text
    assert "Unreleased" in text
    assert "twine" not in text


def test_a_wheel_has_the_package_and_nothing_else() -> None:
    wheel = ["airflow_provider_canfar/a.py", "airflow_provider_canfar-0.1.0.dist-info/METADATA", "tests/b.py"]
    assert foreign_in(wheel) == {"tests/b.py"}
    assert missing_from(wheel, ["airflow_provider_canfar/a.py", "airflow_provider_canfar/py.typed"]) == {
        "airflow_provider_canfar/py.typed"
    }


def test_links_that_an_index_cannot_follow_are_found() -> None:
    text = "[a](docs/a.md) ![b](b.png) [c](https://example.org) [d](#d)"
    assert relative_links(text) == ["docs/a.md", "b.png"]


def test_the_readme_has_no_relative_link_after_the_substitutions_of_the_build() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    text = (ROOT / "README.md").read_text()
    assert relative_links(text)
    for one in tool["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        text = re.sub(one["pattern"], one["replacement"], text)
    assert not relative_links(text)
    assert re.search(r"!\[[^]]+\]\(https://raw\.[^)]+/docs/images/[^)]+\.png\)", text)


def test_the_citation_is_of_this_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {PROJECT['version']}\n" in citation
    (date,) = re.findall(r'date-released: "(.+)"', citation)
    assert f"## [{PROJECT['version']}] - {date}\n" in CHANGELOG
    assert PROJECT["urls"]["Repository"] in citation
