"""What an error of the storage says: first what happened to which path, then what to do. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.errors import AuthenticationError, NotFound, Rejected
from airflow_provider_canfar.skaha.http.response import summary
from airflow_provider_canfar.skaha.storage.names import ancestors
from airflow_provider_canfar.skaha.storage.reader import path_in

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.errors import RequestError

_DEFAULT_CONNECTION = "canfar_default"

#: What Airflow's page shows of a line without scrolling, in characters.
_LINE_LENGTH = 100

_VERBS = {"GET": "read", "HEAD": "read", "PUT": "write", "DELETE": "delete"}

# The server's words may end with a node: "PermissionDenied: vos://cadc.nrc.ca~arc/home/jdoe" (NodeFault).
_ABOUT_A_NODE = re.compile(r"(?P<words>.+?)(?::| to|: Target)? (?:vos://[^/ ]+)?(?P<path>/\S+?)\.?")


def url_of(path: str, conn_id: str) -> str:
    """Return a path as a DAG has it.

    >>> url_of("/home/jdoe", "canfar_default")
    'arc://canfar_default@home/jdoe'
    """
    return f"arc://{conn_id}@{path.lstrip('/')}"


def message_of(error: RequestError, conn_id: str, user: str | None = None) -> str:
    """Return what a failed request says to somebody who has asked for a path.

    :param error: of the storage's client.
    :param conn_id: the Airflow connection.
    :param user: the account's user name, if it is known.
    """
    path, message = path_in(error.path), str(error)
    if path is None:
        return message
    verb = "create" if (error.method, error.path[:5]) == ("PUT", "nodes") else _VERBS.get(error.method, "use")
    url = url_of(path, conn_id)
    began = summary(error.method, error.path, error.status, error.server_message)
    if not message.startswith(began):
        # A refusal of the client's own says which path it is about.
        own = message if isinstance(error, Rejected) else f"Could not {verb} {url}. {message}"
        return _joined(own, _who(error, path, conn_id, user))
    place, words = _place_and_words(error.server_message, path)
    return _joined(
        _first(f"{_what(error, verb, is_above=place != path)} {url_of(place, conn_id)}", words),
        message.removeprefix(began).strip(),
        _who(error, place, conn_id, user),
        f"HTTP status {error.status} to {error.method} {error.path.partition('/')[0]}"
        + ("." if place == path else f", for {url}."),
    )


def _first(what: str, words: str) -> str:
    """Say what happened and the server's words in one sentence, if it is short."""
    if not words:
        return f"{what}."
    sentence = f"{what}: {words}."
    return sentence if len(sentence) <= _LINE_LENGTH else f"{what}. The storage says: {words}."


def _joined(*sentences: str) -> str:
    return " ".join(filter(None, sentences))


def _place_and_words(quote: str, path: str) -> tuple[str, str]:
    """Return what the server's words are about, the path or one above it, and the words without that."""
    match = _ABOUT_A_NODE.fullmatch(quote)
    if match and match["path"] in (path, *ancestors(path)):
        return match["path"], match["words"]
    return path, quote.rstrip(".")


def _what(error: RequestError, verb: str, *, is_above: bool) -> str:
    if isinstance(error, NotFound):
        return "There is no"
    if error.status == 409:
        return "There is already a file or folder"
    if error.status == 403:
        return "No access to" if is_above or verb == "read" else f"Not allowed to {verb}"
    return f"Could not {verb}"


def _who(error: RequestError, path: str, conn_id: str, user: str | None) -> str:
    """Say whose the path is, and who the account is: an example's user name is easily left in place."""
    is_denied = error.status == 403 and not isinstance(error, AuthenticationError)
    if not (is_denied or isinstance(error, NotFound)):
        return ""
    owner = _owner(path, is_file=error.path.startswith("files"))
    account = f"the account of connection {conn_id!r}"
    home = "home_path()" if conn_id == _DEFAULT_CONNECTION else f"home_path({conn_id!r})"
    own_folder = f"That account's own folder is {home} of airflow_provider_canfar.fs.paths."
    if owner and user and owner != user:
        return f"The folder home/{owner} belongs to the user {owner}, and {account} is {user}. {own_folder}"
    if not is_denied:
        return ""
    if owner and not user:
        return f"The folder home/{owner} belongs to the user {owner}. Is that {account}? {own_folder}"
    return f"Does {account}{(user and f', {user},') or ''} have access?"


def _owner(path: str, *, is_file: bool) -> str | None:
    """Return the user in whose home a path is.

    >>> _owner("/home/jdoe", is_file=False), _owner("/home/x.csv", is_file=True)
    ('jdoe', None)
    """
    match = re.fullmatch(r"/home/([^/]+)/.+" if is_file else r"/home/([^/]+)(/.*)?", path)
    return match[1] if match else None
