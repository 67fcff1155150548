"""Whether tasks defer where their DAG does not say so."""

from __future__ import annotations

import os
from collections.abc import Mapping

from airflow_provider_canfar.operators._argument_parsers import flag

#: Airflow's option [operators] default_deferrable. Airflow itself writes ``default_deferrable = False`` into
#: each airflow.cfg that it generates, so there it says nothing of what its user wants. This variable does.
VARIABLE = "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE"


def is_deferrable(given: bool | None, variables: Mapping[str, str] = os.environ) -> bool:
    """Return whether a task waits in the triggerer: as its DAG says, as Airflow is set, or else it does.

    >>> off = {VARIABLE: "False"}
    >>> is_deferrable(None, {}), is_deferrable(None, off), is_deferrable(True, off)
    (True, False, True)

    :param given: the argument ``deferrable``; None if it is left out.
    :raises SpecError: for anything except a flag.
    """
    if given is not None:
        return flag("deferrable", given)
    return flag(VARIABLE, variables.get(VARIABLE, "True"))
