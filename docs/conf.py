"""The docs site: ``make docs``."""

from __future__ import annotations

from importlib.metadata import version as version_of
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "airflow-provider-canfar"
author = "The airflow-provider-canfar contributors"
release = version_of(project)

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
myst_heading_anchors = 4

nitpicky = True  # A reference that leads nowhere is a warning, and so an error.

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # The docstrings say what each parameter takes, in words.
autodoc_class_signature = "separated"

html_theme = "furo"
html_title = "Airflow on CANFAR"

REPOSITORY = "https://github.com/canfar/airflow-provider-canfar/blob/main/"


def link_repository(_app: Sphinx, page: str, source: list[str]) -> None:
    """Let links to files beside ``docs/``, which the site does not have, lead to the repository."""
    if "/" not in page:
        source[0] = source[0].replace("](../", f"]({REPOSITORY}")


def setup(app: Sphinx) -> None:
    """Register the hook, as Sphinx asks of a configuration."""
    app.connect("source-read", link_repository)
