"""The words of a command out of templates: each stays one argument, and stays as it was written."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from airflow.sdk import DAG
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_canfar.hooks._airflow_compat import AirflowFailException
from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from airflow_provider_canfar.skaha.command.encoding import encode
from airflow_provider_canfar.skaha.errors import SpecError
from airflow_provider_canfar.skaha.naming import Identity
from airflow_provider_canfar.task_sessions.batch import Batch
from tests.on_emulator import IMAGE

#: What a dag_run.conf may hold.
TITLE = """M13; "Hercules" & $friends 'q' $(HOME) \\ `id` {{ ds }}, 'a' 'b'\n é😀\t"""

#: Text in which Python reads something else.
TEXTS = ["7", "3.10", "1e3", "[1, 2]", "'a' 'b'", "None", "True", "", "{'a': 1}"]

PARAMS = {"title": TITLE, "texts": TEXTS, "words": ["echo", "a b"], "options": "-x --delete-all"}


def rendered(*, native: bool, **settings: Any) -> Any:
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
def test_a_string_of_arguments_without_a_template_stays_as_it_is(*, native: bool) -> None:
    for args in ("'a b'", "['a', 'b']", "a  b\n"):
        assert rendered(native=native, cmd="plot", args=args).args == args


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("{{ params.title }}", [TITLE]),
        ("  {{ params.title }} ", [TITLE]),
        ("--title {{ params.title }} -n 3", ["--title", TITLE, "-n", "3"]),
        ("--title={{ params.title }}", [f"--title={TITLE}"]),
        ("'--title {{ params.title }}' \"{{ 'a' }} {{ 'b' }}\"", [f"--title {TITLE}", "a b"]),
        ("{{ params.options }}", ["-x --delete-all"]),
        ("run {{ params.options }}{{ params.options }}", ["run", "-x --delete-all-x --delete-all"]),
        ("{{ params['options'] }} {{ '}}' }} {{ {'a': \"b c\"}['a'] }}", ["-x --delete-all", "}}", "b c"]),
        ("--mode={% if true %}fast{% else %}slow{% endif %} z", ["--mode=fast", "z"]),
        ("'{% for n in [1, 2] %}{{ n }} {% endfor %}' z", ["1 2 ", "z"]),
        ("{# a b #}a b", ["a", "b"]),
        ("{% raw %}{{ a b }}{% endraw %} z", ["{{ a b }}", "z"]),
        ("a {{- 1 -}} b", ["a1b"]),
        ("{{ '' }} z", ["", "z"]),
        ("\\{{ 1 }} '\\{{ 2 }}' \x1f0\x1f", ["1", "\\2", "\x1f0\x1f"]),
        ("{{ 1 }}\r\n'a\r\nb'", ["1", "a\r\nb"]),
    ],
)
def test_a_string_of_arguments_is_split_before_it_is_rendered(
    written: str, words: list[str], *, native: bool
) -> None:
    """So a value of the run's configuration adds no option."""
    operator = rendered(native=native, cmd="plot", args=written)
    assert operator.args == words
    spec = operator._spec({"params": PARAMS}, Batch(Identity("stars", "k3v5x2qamd", 0), 1, 1))
    assert spec.parameters == encode(cmd="plot", args=words)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), max_size=5))
def test_no_value_adds_or_removes_an_argument(values: list[str]) -> None:
    written = " ".join(["run", *(f"--x={{{{ params.all[{index}] }}}}" for index in range(len(values)))])
    with DAG("survey"):
        operator: Any = CanfarHeadlessOperator(task_id="plot", image=IMAGE, cmd="plot", args=written)
    operator.render_template_fields({"params": {"all": values}})
    expected = ["run", *(f"--x={value}" for value in values)]
    assert operator.args == (expected if values else written)


@pytest.mark.parametrize("same", ["{{ params.options }}", "{{ params.texts[0] }}"])
def test_a_program_that_is_written_as_its_arguments_are_stays_one_word(same: str) -> None:
    operator = rendered(native=False, cmd=same, args=same)
    assert isinstance(operator.cmd, str)
    assert operator.args == [operator.cmd]


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ("{% if true %}a b{% endif %}", "a block spans several words"),
        ("'{{ 1 }}", "No closing quotation"),
    ],
)
def test_a_string_that_cannot_be_split_fails_without_retries(args: str, reason: str) -> None:
    with pytest.raises(AirflowFailException, match=f"Invalid args: .*{reason}.* a list with one string"):
        rendered(native=False, cmd="plot", args=args)


def test_the_output_of_another_task_is_split_as_a_whole() -> None:
    """Its author gave all of it; a list has one string for each argument."""
    operator = rendered(native=False, cmd="plot", args="a")
    operator.args = "-x 'a b'"
    spec = operator._spec({"params": PARAMS}, Batch(Identity("stars", "k3v5x2qamd", 0), 1, 1))
    assert spec.parameters == encode(cmd="plot", args=["-x", "a b"])


@pytest.mark.parametrize("nothing", ["{{ '' }}", "{{ none }}"])
def test_arguments_that_render_to_nothing_are_an_error(nothing: str) -> None:
    operator = rendered(native=False, cmd="plot", args=nothing)
    with pytest.raises(SpecError, match="rendered to nothing"):
        operator._parsed()


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


def test_a_dag_may_have_delimiters_of_its_own() -> None:
    own = {"variable_start_string": "[[", "variable_end_string": "]]"}
    with DAG("survey", jinja_environment_kwargs=own) as dag:
        operator: Any = CanfarHeadlessOperator(
            task_id="plot", image=IMAGE, command=["{{ x }}", "[[ params.n ]]\r\n"], replicas="[[ params.n ]]"
        )
        CanfarHeadlessOperator.partial(task_id="many", image=IMAGE, replicas="[[ params.n ]]").expand(ram=[1])
    operator.render_template_fields({"params": {"n": 3}})
    assert operator.command == ["{{ x }}", "3\r\n"]
    assert operator._parsed()["replicas"] == 3
    assert dag.task_ids == ["plot", "many"]


def test_a_mapped_task_has_its_words_as_text_too() -> None:
    with DAG("survey", render_template_as_native_obj=True) as dag:
        CanfarHeadlessOperator.partial(task_id="plot", image=IMAGE).expand(command=[["plot", "3.10", ""]])
    mapped: Any = dag.get_task("plot")
    one = mapped.unmap({"command": ["plot", "3.10", ""]})
    one.render_template_fields({"params": PARAMS})
    assert one.command == ["plot", "3.10", ""]


#: Text with what Jinja treats as newlines, and with what begins no template.
PLAIN = st.text(
    st.one_of(st.characters(), st.sampled_from("\r\n\x1c\x1d\x1e{}%# \\'\"$")), max_size=30
).filter(lambda text: not any(two in f"{text}{{" for two in ("{{", "{%", "{#")))


@given(PLAIN, PLAIN, PLAIN, st.booleans())
def test_text_outside_of_expressions_arrives_byte_for_byte(
    before: str, between: str, after: str, native: bool
) -> None:
    """And so does each value, whatever is in it."""
    value = f"{after}{between}\x1c\x1d\x1e\r"
    written = f"{before}{{{{ params.value }}}}{between}{{% if true %}}{after}{{% endif %}}"
    expected = f"{before}{value}{between}{after}"
    with DAG("survey", render_template_as_native_obj=native):
        one = CanfarHeadlessOperator(task_id="one", image=IMAGE)
        one.command, one.env = ["plot", written, between], {"A": written, "B": after}
        two = CanfarHeadlessOperator(task_id="two", image=IMAGE)
        two.cmd, two.args = f"x{between}", [written, after]
    for operator in (one, two):
        operator.render_template_fields({"params": {"value": value}})
    assert one.command == ["plot", expected, between]
    assert one.env == {"A": expected, "B": after}
    assert (two.cmd, two.args) == (f"x{between}", [expected, after])


@given(before=PLAIN, value=PLAIN, native=st.booleans())
@example(before="\x1f", value="", native=False)
@example(before="\ue000", value="", native=False)
def test_a_quoted_string_of_arguments_arrives_byte_for_byte(before: str, value: str, native: bool) -> None:
    with DAG("survey", render_template_as_native_obj=native):
        operator: Any = CanfarHeadlessOperator(task_id="plot", image=IMAGE)
        operator.cmd, operator.args = "plot", f"{shlex.quote(before)}{{{{ params.value }}}} z"
    operator.render_template_fields({"params": {"value": value}})
    assert operator.args == [f"{before}{value}", "z"]


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize(
    ("written", "arrives"),
    [
        ("a line\n", "a line\n"),
        ("two\r\nlines", "two\r\nlines"),
        ("mac\rline", "mac\rline"),
        ("{{ 1 }}\n", "1\n"),
        ("{{ 1\r\n+ 1 }}\r\n", "2\r\n"),
        ("{{ 'a\r\nb' }}\r", "a\nb\r"),
        ("a \r\n{{- 1 -}}\r\n b", "a1b"),
        ("{% raw %}{{ x }}\r\n{% endraw %}\n", "{{ x }}\r\n\n"),
        ("{# a\rcomment #}\r\n", "\r\n"),
        ("\x1c\x1d\x1e\r{{ 1 }}", "\x1c\x1d\x1e\r1"),
    ],
)
def test_lines_end_as_they_were_written(written: str, arrives: str, *, native: bool) -> None:
    operator = rendered(native=native, command=["plot", written], env={"PEM": written})
    assert operator.command == ["plot", arrives]
    assert operator.env == {"PEM": arrives}
