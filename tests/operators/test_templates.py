"""The words of a command out of templates: each stays one argument, and stays as it was written."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from airflow_provider_canfar.skaha.naming import Identity
from airflow_provider_canfar.task_sessions.batch import Batch
from tests.on_emulator import IMAGE

#: What a dag_run.conf may hold.
TITLE = """M13; "Hercules" & $friends 'q' $(HOME) \\ `id` {{ ds }}, 'a' 'b'\n é😀\t"""

#: Text in which Python reads something else.
TEXTS = ["7", "3.10", "1e3", "[1, 2]", "'a' 'b'", "None", "True", "", "{'a': 1}"]

PARAMS = {"title": TITLE, "texts": TEXTS, "words": ["echo", "a b"]}


def rendered(*, native: bool, **settings: Any) -> CanfarHeadlessOperator:
    with DAG("survey", render_template_as_native_obj=native):
        operator = CanfarHeadlessOperator(task_id="plot", image=IMAGE, **settings)
    operator.render_template_fields({"params": PARAMS})
    return operator


@pytest.mark.parametrize("native", [False, True])
def test_a_value_stays_the_one_argument_that_it_is(*, native: bool) -> None:
    words = ["plot", "{{ params.title }}", "--title={{ params.title }}"]
    operator = rendered(native=native, command=words, cores="{{ 2 }}")
    assert operator.command == ["plot", TITLE, f"--title={TITLE}"]
    assert rendered(native=native, cmd="plot", args=words[1:]).args == [TITLE, f"--title={TITLE}"]
    assert operator.cores == (2 if native else "2")


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("index", range(len(TEXTS)), ids=TEXTS)
def test_a_word_stays_text_whatever_python_would_read_in_it(index: int, *, native: bool) -> None:
    written = ["plot", TEXTS[index], f"{{{{ params.texts[{index}] }}}}"]
    assert rendered(native=native, command=written).command == ["plot", TEXTS[index], TEXTS[index]]
    assert rendered(native=native, cmd=TEXTS[index] or "plot", args=written[1:]).args == [TEXTS[index]] * 2


@pytest.mark.parametrize("native", [False, True])
def test_a_string_of_arguments_keeps_its_quotes(*, native: bool) -> None:
    for args in ("'a b'", "['a', 'b']", "{{ params.title }}"):
        assert rendered(native=native, cmd="plot", args=args).args == args.replace(
            "{{ params.title }}", TITLE
        )


def test_one_template_may_give_all_the_words_as_a_native_list() -> None:
    assert rendered(native=True, command="{{ params.words }}").command == ["echo", "a b"]
    assert rendered(native=True, cmd="echo", args="{{ params.words }}").args == ["echo", "a b"]


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("index", range(len(TEXTS)), ids=TEXTS)
def test_the_value_of_a_variable_stays_text_as_well(index: int, *, native: bool) -> None:
    """They are rendered by themselves: Airflow would store them."""
    env = {"WRITTEN": TEXTS[index], "RENDERED": f"{{{{ params.texts[{index}] }}}}", "N": 7}
    operator = rendered(native=native, command=["env"], env=env)
    spec = operator._spec({"params": PARAMS}, Batch(Identity("stars", "k3v5x2qamd", 0), 1, 1))
    assert spec.env == {"WRITTEN": TEXTS[index], "RENDERED": TEXTS[index], "N": "7"}


def test_a_mapped_task_has_its_words_as_text_too() -> None:
    with DAG("survey", render_template_as_native_obj=True) as dag:
        CanfarHeadlessOperator.partial(task_id="plot", image=IMAGE).expand(command=[["plot", "3.10", ""]])
    mapped: Any = dag.get_task("plot")
    one = mapped.unmap({"command": ["plot", "3.10", ""]})
    one.render_template_fields({"params": PARAMS})
    assert one.command == ["plot", "3.10", ""]
