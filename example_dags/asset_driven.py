"""Start when sessions end, whoever launched them.

An asset is watched: the triggerer looks at the platform, and when sessions whose names start with `night-`
have ended, and none of them is alive any more, it tells the asset. This DAG waits for the asset, and starts.

So a notebook, a colleague's batch, or another Airflow can start a DAG by nothing but the names of its
sessions. A DAG that launches sessions of such names itself would start itself for ever.
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
        """Say which sessions have ended, and how."""
        names = []
        for event in triggering_asset_events[night_is_over]:
            for session in event.extra["payload"]["sessions"]:
                print(f"{session['name']} {session['session_id']}: {session['status']}")
                names.append(session["name"])
        return names

    report()


asset_driven()
