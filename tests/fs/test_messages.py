"""A message begins with what happened to which path, and ends with the request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_canfar.fs._messages import message_of
from airflow_provider_canfar.operators._errors import LINE_LENGTH, first_sentence
from airflow_provider_canfar.skaha.errors import Rejected, RequestError, Unreachable
from airflow_provider_canfar.skaha.http.response import ApiResponse
from airflow_provider_canfar.skaha.storage.responses import storage_error

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_canfar.fs._filesystem import ArcFileSystem
    from airflow_provider_canfar.testing import Emulator

URL = "arc://canfar_default@home/jdoe"


def refused(status: int, words: str, request: str = "GET nodes/home/jdoe/m13/x.csv") -> RequestError:
    method, _, path = request.partition(" ")
    return storage_error(
        ApiResponse(method, path, "https://ws-uv.canfar.net/arc", status, {}, words.encode())
    )


def said(error: RequestError, user: str | None = None, conn_id: str = "canfar_default") -> str:
    return message_of(error, conn_id, user)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            refused(403, "PermissionDenied: vos://cadc.nrc.ca~arc/home/jdoe"),
            f"No access to {URL}: PermissionDenied.",
        ),
        (
            refused(403, "permission denied: write to /home/jdoe/m13/x.csv", "PUT files/home/jdoe/m13/x.csv"),
            f"Not allowed to write {URL}/m13/x.csv: permission denied: write.",
        ),
        (
            refused(403, "PermissionDenied: /home/jdoe/m13", "DELETE nodes/home/jdoe/m13"),
            f"Not allowed to delete {URL}/m13: PermissionDenied.",
        ),
        (
            refused(403, "permission denied: self-allocate is not enabled", "PUT nodes/home/jdoe"),
            f"Not allowed to create {URL}.",
        ),
        (
            refused(404, "NodeNotFound: Target vos://cadc.nrc.ca~arc/home/jdoe/m13/x.csv"),
            f"There is no {URL}/m13/x.csv: NodeNotFound.",
        ),
        (
            refused(404, "not found: parent container /home/jdoe/m13", "PUT files/home/jdoe/m13/x.csv"),
            f"There is no {URL}/m13: not found: parent container.",
        ),
        (refused(404, "", "HEAD files/home/jdoe/x%3Ay"), f"There is no {URL}/x:y."),
        (
            refused(409, "DuplicateNode: vos://cadc.nrc.ca~arc/home/jdoe/m13", "PUT nodes/home/jdoe/m13"),
            f"There is already a file or folder {URL}/m13: DuplicateNode.",
        ),
        (
            refused(401, "token is invalid or has expired"),
            f"Could not read {URL}/m13/x.csv: token is invalid or has expired.",
        ),
        (
            refused(413, "quota exceeded", "PUT files/home/jdoe/m13/x.csv"),
            f"Could not write {URL}/m13/x.csv: quota exceeded.",
        ),
        (refused(500, ""), f"Could not read {URL}/m13/x.csv."),
        (refused(503, "busy", "DELETE nodes/home/jdoe/m13"), f"Could not delete {URL}/m13: busy."),
        (
            Unreachable("No response from ...", method="GET", path="files/home/jdoe/m13/x.csv"),
            f"Could not read {URL}/m13/x.csv.",
        ),
    ],
)
def test_the_first_sentence_says_what_happened_to_which_path(error: RequestError, sentence: str) -> None:
    assert first_sentence(said(error)) == sentence
    assert len(sentence) <= LINE_LENGTH


def test_the_request_comes_last_with_the_path_if_another_was_refused() -> None:
    error = refused(403, "PermissionDenied: vos://cadc.nrc.ca~arc/home/jdoe")
    assert said(error).endswith(f" HTTP status 403 to GET nodes, for {URL}/m13/x.csv.")
    error = refused(404, "NodeNotFound: vos://cadc.nrc.ca~arc/home/jdoe/m13/x.csv")
    assert said(error) == f"There is no {URL}/m13/x.csv: NodeNotFound. HTTP status 404 to GET nodes."


def test_the_words_of_the_server_about_another_path_are_kept_whole() -> None:
    words = "PermissionDenied: vos://cadc.nrc.ca~arc/projects/m13"
    assert said(refused(403, words)).startswith(f"No access to {URL}/m13/x.csv. The storage says: {words}. ")


def test_many_words_of_the_server_are_a_sentence_of_their_own() -> None:
    words = "permission denied: self-allocate is not enabled"
    assert f"{URL}. The storage says: {words}. The folder home/jdoe" in said(
        refused(403, words, "PUT nodes/home/jdoe")
    )


def test_what_else_is_known_stays_between_the_two() -> None:
    refusal = refused(401, "token has expired")
    error = type(refusal)(f"{refusal} Get a new token.", **refusal.facts)
    assert said(error) == (
        f"Could not read {URL}/m13/x.csv: token has expired. Get a new token. HTTP status 401 to GET nodes."
    )


@pytest.mark.parametrize(
    ("user", "who"),
    [
        (
            None,
            "home/jdoe belongs to the user jdoe. Is that the account of connection 'canfar_default'? That ",
        ),
        (
            "mcurie",
            "home/jdoe belongs to the user jdoe, and the account of connection 'canfar_default' is mcurie.",
        ),
        ("jdoe", "Does the account of connection 'canfar_default', jdoe, have access?"),
    ],
)
def test_a_denied_access_says_whose_the_folder_is_and_who_the_account_is(user: str | None, who: str) -> None:
    assert who in said(refused(403, "PermissionDenied: vos://cadc.nrc.ca~arc/home/jdoe"), user)


@pytest.mark.parametrize("user", [None, "mcurie"])
def test_a_project_belongs_to_no_user(user: str | None) -> None:
    message = said(refused(403, "PermissionDenied", "GET nodes/projects/m13"), user)
    assert "belongs" not in message
    assert "Does the account of connection 'canfar_default'" in message
    assert (user or "have access") in message


def test_a_file_beside_the_homes_belongs_to_no_user() -> None:
    assert "belongs" not in said(refused(403, "permission denied", "PUT files/home/x.csv"), "mcurie")


def test_a_missing_file_in_another_home_says_who_the_account_is() -> None:
    assert "canfar_default' is mcurie. That account's own folder is home_path() " in said(
        refused(404, "NodeNotFound: x"), "mcurie"
    )
    assert (
        "mcurie"
        not in said(refused(404, "NodeNotFound: x", "GET nodes/home/mcurie/x"), "mcurie").partition(".")[2]
    )
    assert "belongs" not in said(refused(404, "NodeNotFound: x"))


def test_the_advice_names_another_connection() -> None:
    message = said(refused(403, "PermissionDenied"), "mcurie", "other_site")
    assert message.startswith("No access to arc://other_site@home/jdoe/m13/x.csv: PermissionDenied. ")
    assert "own folder is home_path('other_site') of airflow_provider_canfar.fs.paths." in message


def test_a_refused_certificate_is_not_about_the_path() -> None:
    assert "belongs" not in said(
        refused(403, "permission denied -- reason: invalid proxy certficate"), "mcurie"
    )


def test_a_refusal_of_the_client_s_own_is_left_as_it_is() -> None:
    refusal = Rejected("/home/jdoe/x is a link.", method="PUT", path="files/home/jdoe/x", status=400)
    assert said(refusal) == "/home/jdoe/x is a link."


def test_the_account_is_known_from_an_earlier_response(
    arc: ArcFileSystem, connection: str, mount: Path
) -> None:
    """The emulator's user is jdoe."""
    (mount / "home" / "mcurie").mkdir(exist_ok=True)
    arc.exists("/home/jdoe")
    with pytest.raises(PermissionError) as error:
        arc.pipe_file("/home/mcurie/x.csv", b"x")
    assert first_sentence(str(error.value)).startswith(
        f"Not allowed to write arc://{connection}@home/mcurie/x.csv"
    )
    assert "belongs to the user mcurie, and the account of connection 'canfar_default' is jdoe." in str(
        error.value
    )


def test_nobody_is_asked_who_the_account_is(connection: str, emulator: Emulator) -> None:
    path = ObjectStoragePath(f"arc://{connection}@home/nobody/x.csv")
    emulator.forget_requests()
    with pytest.raises(FileNotFoundError):
        path.read_text()
    assert sum(emulator.requests().values()) == 1
