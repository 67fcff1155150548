"""What a person sees of the provider who asks an installed Airflow: its command line, its connection form."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_provider_canfar.connection_form import CONNECTION_FIELDS

if TYPE_CHECKING:
    from dev.airflow_rest import AirflowRest

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(400)]


@pytest.mark.parametrize(
    ("listing", "shown"),
    [
        ("list", {"airflow-provider-canfar"}),
        ("hooks", {"airflow_provider_canfar.hooks.canfar.CanfarHook"}),
        (
            "triggers",
            {f"airflow_provider_canfar.triggers.{name}" for name in ("asset", "sensors", "session")},
        ),
        (
            "links",
            {f"airflow_provider_canfar.links.{name}" for name in ("OpenSessionLink", "SciencePortalLink")},
        ),
    ],
)
def test_airflow_providers_lists_what_the_provider_has(listing: str, shown: set[str], tmp_path: Path) -> None:
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "airflow", "providers", listing, "--output", "json"]
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    # Other lines may come first.
    rows = json.loads(printed[printed.index("[{") :])
    assert shown <= {value for row in rows for value in row.values()}


def test_the_connection_form_has_all_fields(airflow: AirflowRest) -> None:
    types = airflow.request("GET", f"{airflow.url}/ui/connections/hook_meta")
    (form,) = [one for one in types if one["connection_type"] == "canfar"]
    assert form["hook_name"] == "CANFAR Science Platform"
    assert form["standard_fields"]["host"]["title"] == "Service URL"
    assert form["extra_fields"].keys() == CONNECTION_FIELDS.keys()
