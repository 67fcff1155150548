"""Start a DAG when sessions end, no matter what launched them.

The triggerer watches the platform for sessions whose names start with `night-`. When some have ended and none
is alive any more, it updates the asset, and Airflow starts this DAG.

A notebook, a colleague's batch, or another Airflow can thus start a DAG just by naming its sessions. Do not
launch sessions with such names from this DAG: it would start itself for ever.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset, AssetWatcher, dag, task

from airflow_provider_canfar.triggers.asset import CanfarSessionEventTrigger

night_is_over = Asset(
    "night_is_over",
    watchers=[
        AssetWatcher(name="night", trigger=CanfarSessionEventTrigger(prefix="night-", when_all_ended=True)),
    ],
)


@dag(schedule=[night_is_over], doc_md=__doc__, tags=["canfar", "example"])
def asset_driven() -> None:
    @task
    def report(triggering_asset_events: Any = None) -> list[str]:
        """Print which sessions have ended, and how."""
        names = []
        for event in triggering_asset_events[night_is_over]:
            for session in event.extra["payload"]["sessions"]:
                print(f"{session['name']} {session['session_id']}: {session['status']}")
                names.append(session["name"])
        return names

    report()


asset_driven()
