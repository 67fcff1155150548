"""The parameters of a create, as the platform's own client builds them."""

from __future__ import annotations

from canfar.utils.build import create_parameters

from airflow_provider_canfar.skaha import wire
from airflow_provider_canfar.skaha.models import SessionSpec


def test_the_parameters_match_those_of_the_platforms_client() -> None:
    """In any order."""
    theirs = create_parameters(
        "stars", "skaha/astroml:24.07", 2, 8, gpu=1, cmd="ls", args="-la /arc", env={"BAND": "r"}, replicas=3
    )
    spec = SessionSpec(
        name="stars",
        image="skaha/astroml:24.07",
        cores=2,
        ram=8,
        gpus=1,
        cmd="ls",
        args="-la /arc",
        env={"BAND": "r"},
        replicas=3,
    )
    for replica, parameters in enumerate(theirs, start=1):
        assert sorted(wire.create_form(spec, replica)) == sorted(
            (name, str(value)) for name, value in parameters
        )
