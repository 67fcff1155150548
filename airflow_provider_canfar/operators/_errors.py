"""How this provider's errors end an Airflow task: what its log shows, and whether Airflow retries it."""

from __future__ import annotations

import copy
import re
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from types import TracebackType

#: Columns of a line of Airflow's log that its page shows without scrolling, in a window of 1400 pixels.
LINE_LENGTH = 100

#: The most characters of an exception's text, which mails and alerts show.
SENTENCE_LENGTH = 250


def airflow_errors(log: Any, *, is_folded: bool = False, may_skip: bool = False) -> AirflowErrors:
    """Log an error of this provider, and fail the task with a short one; without retries if none can help.

    First come the lines of the message. Airflow then logs the exception, with the message's first sentence
    and without causes: they are in the message. Callbacks find the whole message in the exception's notes,
    which Airflow's page does not show, and the error itself as its ``__context__``. It treats what
    :func:`~airflow_provider_canfar.hooks._explained.explained` has marked alike.

    :param log: Airflow's logger.
    :param is_folded: whether Airflow's page folds the lines of this phase, as it does until execute begins.
    :param may_skip: whether an exception that is marked may still skip the task, and is left alone.
    :raises AirflowFailException: for an invalid spec, a refused credential, and a request that the platform
        rejects. Other errors of this provider keep their class, and errors of others pass through.
    """
    return AirflowErrors(log, is_folded, may_skip)


class AirflowErrors:
    """A context manager."""

    def __init__(self, log: Any, is_folded: bool, may_skip: bool) -> None:
        self._log = log
        self._is_folded = is_folded
        self._may_skip = may_skip

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> Literal[False]:
        from airflow_provider_canfar.skaha.errors import CanfarError

        # Else the group that Airflow has opened hides the rest of the log (task_runner.startup).
        if self._is_folded and error is not None:
            self._log.info("::endgroup::")
        is_marked = getattr(error, "is_explained", False) and not self._may_skip
        is_ours = isinstance(error, CanfarError) or is_marked
        # A sensor's poke is within its execute.
        if error is not None and is_ours and not getattr(error, "is_logged", False):
            with suppress(OSError):  # As in LogLinesMixin.
                for line in log_lines(str(error)):
                    self._log.error("%s", line)
            raise shown(error) from None
        return False


def shown(error: BaseException) -> BaseException:
    """Return the exception that ends the task, with the first sentence of an error's message."""
    from airflow_provider_canfar.hooks._airflow_compat import AirflowFailException
    from airflow_provider_canfar.hooks._explained import explained

    message = str(error)
    if getattr(error, "retryable", True):
        short = copy.copy(error)
        short.args = (first_sentence(message),)
    else:
        short = explained(AirflowFailException(f"{type(error).__name__}: {first_sentence(message)}"))
    vars(short)["is_logged"] = True
    if first_sentence(message) != message:
        short.add_note(message)
    return short


def log_lines(message: str) -> Iterator[str]:
    r"""Break a message into lines that Airflow's page shows whole.

    A line of a session's log keeps its indentation, and a long URL stays in one piece.

    >>> [len(line) for line in log_lines("Its last lines:\n  " + "word " * 40)]
    [15, 96, 96, 11]
    """
    for line in message.splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        yield from textwrap.wrap(
            line,
            LINE_LENGTH,
            subsequent_indent=indent[: LINE_LENGTH // 2],
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]


def first_sentence(message: str) -> str:
    r"""Return the first sentence of a message, in at most :data:`SENTENCE_LENGTH` characters.

    >>> first_sentence("2 of 3 replicas failed.\nReplica 1 ..."), first_sentence("Invalid ram -1. Omit it.")
    ('2 of 3 replicas failed.', 'Invalid ram -1.')
    """
    first_line = message.strip().partition("\n")[0]
    sentence = re.split(r"(?<=[.!?]) +(?=[A-Z])", first_line, maxsplit=1)[0]
    return textwrap.shorten(sentence, SENTENCE_LENGTH, placeholder=" ...")
