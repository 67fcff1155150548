"""The docs site has what it should; ``make docs`` builds it, and checks its links."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
REFERENCE = "\n".join(page.read_text() for page in (DOCS / "reference").glob("*.md"))


@pytest.mark.parametrize(
    "module",
    [
        f"{folder}.{path.stem}"
        for folder in ("decorators", "operators", "sensors")
        for path in (ROOT / "airflow_provider_canfar" / folder).glob("[a-z]*.py")
    ],
)
def test_each_operator_sensor_and_decorator_has_a_page(module: str) -> None:
    assert f"airflow_provider_canfar.{module}." in REFERENCE


def test_each_example_is_a_recipe() -> None:
    pages = "\n".join(page.read_text() for page in DOCS.rglob("*.md"))
    examples = [path.name for path in (ROOT / "example_dags").glob("*.py")]
    assert examples
    assert not [name for name in examples if f"example_dags/{name}" not in pages]


def test_each_page_is_in_the_table_of_contents() -> None:
    contents = (DOCS / "index.md").read_text().splitlines()
    pages = [str(page.relative_to(DOCS).with_suffix("")) for page in DOCS.rglob("*.md")]
    assert sorted({*pages} - {"index"} - {*contents}) == []
