"""What to do about a create that the platform refuses. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.errors import Rejected, SpecError

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.account_models import ResourceOptions
    from airflow_provider_canfar.skaha.spec import SessionSpec

# The words of PostAction.
_UNKNOWN_IMAGE = "unknown or private image"
_FOREIGN_IMAGE = "must come from one of ["
_RESOURCE = re.compile(r"Invalid value for '(cores|ram|gpus)'")


def is_about_resources(error: Rejected) -> bool:
    """Whether a refusal is about cores, ram or gpus, so that :func:`explained` can say what there is."""
    return _RESOURCE.search(error.server_message) is not None


def explained(error: Rejected, spec: SessionSpec, offer: ResourceOptions | None = None) -> Rejected:
    """Return a refusal with what to do about it.

    :param spec: what was refused.
    :param offer: the resources that the platform offers, if known.
    """
    advice = ""
    if _UNKNOWN_IMAGE in error.server_message:
        advice = (
            f"The platform's list of public images does not have {spec.image!r}. Is its name right, and its "
            "tag? CanfarHook().images() lists each image by one of its tags; one with no label for a kind "
            "of session, or that is new (half an hour), is not listed. For a private image, or one that is "
            "not listed, fill in registry_username and registry_secret in the connection. The platform said:"
        )
        return Rejected(f"{advice} {error}", **error.facts)
    if _FOREIGN_IMAGE in error.server_message:
        advice = "Use an image from there, or push yours to it."
    elif offer is not None:
        try:
            spec.check_against(offer)
        except SpecError as rule:
            advice = str(rule)
    return Rejected(f"{error} {advice}", **error.facts) if advice else error
