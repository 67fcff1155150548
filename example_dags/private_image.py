r"""Run an image that is not public.

The connection has the user name and the CLI secret of the image registry, which the registry shows in your
profile. They go along with each launch, and are seen nowhere else:

    airflow connections add canfar_private --conn-type canfar --conn-password <token> \
        --conn-extra '{"registry_username": "<user>", "registry_secret": "<CLI secret>"}'

With such a connection the platform also takes public images that it would otherwise not know, such as one
that was pushed minutes ago.
"""

from __future__ import annotations

from airflow.sdk import Param, dag

from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator


@dag(
    schedule=None,
    doc_md=__doc__,
    tags=["canfar", "example"],
    params={"image": Param("images.canfar.net/my-project/my-image:1.0", type="string")},
)
def private_image() -> None:
    CanfarHeadlessOperator(
        task_id="run",
        canfar_conn_id="canfar_private",
        image="{{ params.image }}",
        command=["echo", "Hello from an image of our own"],
    )


private_image()
