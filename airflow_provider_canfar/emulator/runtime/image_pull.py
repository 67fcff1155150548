"""What the kubelet says in a pod's events while it pulls an image. Pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_canfar.emulator.runtime.sessions import Event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_canfar.emulator.faults.pod_faults import Pull


def failed_pull_events(pull: Pull, image: str, job: str, at: float) -> Iterator[Event]:
    """Return the events of a pull that has failed.

    :param pull: says why.
    :param job: the name of the session's Job.
    :param at: seconds since 1970.
    """
    text = pull.text(image, job)
    if pull.reason == "config_error":
        yield pulled_event(image, at)
        yield Event("Warning", "Failed", f"Error: {text}", at)
    elif pull.reason == "invalid_name":
        yield Event("Warning", "InspectFailed", f'Failed to apply default image tag "{image}": {text}', at)
        yield Event("Warning", "Failed", "Error: InvalidImageName", at)
    else:
        yield Event("Warning", "Failed", f'Failed to pull image "{image}": {text}', at)
        yield Event("Warning", "Failed", "Error: ErrImagePull", at)
        yield Event("Normal", "BackOff", f'Back-off pulling image "{image}"', at)
        yield Event("Warning", "Failed", "Error: ImagePullBackOff", at)


def pulled_event(image: str, at: float) -> Event:
    """Return the event of a pull that has succeeded."""
    return Event("Normal", "Pulled", f'Successfully pulled image "{image}"', at)
