"""For developers of this project: a real Airflow on this machine, and the demo that runs on it.

From the bottom up::

    waiting           wait until a condition holds, a timeout passes, or the user stops the program
    watchdog          a process that terminates the programs of another process when that one dies
    programs          start programs that do not outlive this process
    airflow_database  prepare Airflow's SQLite database for the first task
    airflow_rest      Airflow's REST API, and one run of a DAG
    airflow_settings  the environment variables that configure an Airflow
    airflow_plugins/  a plugin: refuse foreign names and origins
    local_airflow     the four components of an Airflow
    platforms         where sessions run: an emulator or a real platform
    demo_home         the folder that one demo uses exclusively, and the user's own DAGs; `make clean`
    stars             the demo's run
    demo              `make demo` and `make up`

    licences          `make licences`

The end-to-end tests use the same modules.
"""

from __future__ import annotations
