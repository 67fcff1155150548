"""For people who work on this project: a real Airflow on this machine, and the demo that runs on it.

From the ground up::

    waiting           wait for a condition, as long as nobody asks to stop
    guardian          ends the programs that were started here when this process is gone
    programs          programs that run beside this one, and do not outlive it
    airflow_database  what Airflow's SQLite database needs before the first task
    airflow_rest      Airflow's REST API, and one run of a DAG
    local_airflow     the four components of an Airflow, on free ports
    platforms         the platform of the sessions: an emulator, or somebody's
    demo_home         the folder that a demo has for itself
    demo              what `make demo` and `make up` do

The end-to-end tests stand on the same ground.
"""

from __future__ import annotations
