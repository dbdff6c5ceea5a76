"""Questions to a model hub, by huggingface_hub: its errors in one line, without anything of the user's token.

The token itself is never touched here: huggingface_hub takes it from HF_TOKEN or from where `hf auth login` saved it.
"""

import os
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal, TypeVar

from cartoon_dist.errors import CheckpointError, ConfigError
from cartoon_dist.extras import missing
from cartoon_dist.hub.names import RepositoryName

if TYPE_CHECKING:
    from huggingface_hub import HfApi

Answer = TypeVar("Answer")
Purpose = Literal["read", "write"]

LIBRARY = "cartoon-dist"
"""How the hub names the program that reads a model."""
ANSWER_SECONDS = 10.0
"""A hub that says nothing for so long cannot be reached."""
_LOG_IN = "log in: hf auth login, or set HF_TOKEN"
_LIBRARIES = frozenset({"huggingface_hub", "requests", "httpx", "httpx2"})
"""Of huggingface_hub's own errors, and of the library for HTTP that its releases use, which it lets through."""


class UnreachableError(CheckpointError):
    """The hub gives no answer, or is not to be asked; `reason` says why and what to do."""

    def __init__(self, repository: RepositoryName, reason: str) -> None:
        super().__init__(f"{repository}: {reason}")
        self.reason = reason


def endpoint() -> str | None:
    """The hub's address where the user has set another one."""
    return os.environ.get("HF_ENDPOINT") or None


def open_api(repository: RepositoryName, purpose: Purpose) -> "HfApi":
    """huggingface_hub's client; ConfigError where the library is missing. The arguments are for its message."""
    try:
        from huggingface_hub import HfApi
    except ImportError:
        need = missing("huggingface_hub", "hub")
    else:
        return HfApi(endpoint=endpoint(), library_name=LIBRARY, library_version=version(LIBRARY))
    why = "there is no such path here, and to ask the hub" if purpose == "read" else "to write to the hub"
    raise ConfigError(f"{repository}: {why} {need}")


def ask(repository: RepositoryName, purpose: Purpose, question: Callable[[], Answer]) -> Answer:
    """The answer to a question to the hub.

    UnreachableError where it does not answer, CheckpointError where it refuses; one line that says what to do. An
    error of the library holds the whole request, with the token in it: ours has no link to it.
    """
    try:
        return question()
    except Exception as error:  # its errors, over all releases that are allowed, have no ancestor in common
        problem = _problem(error, repository, purpose)
        if problem is None:
            raise
    raise problem


def _problem(error: Exception, repository: RepositoryName, purpose: Purpose) -> CheckpointError | None:
    """What to tell the user; None where it is no error of the hub, but a bug."""
    from huggingface_hub import errors

    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, errors.GatedRepoError):
            return CheckpointError(
                f"{repository}: its owners give it on request; ask on its page on the hub, then {_LOG_IN}"
            )
        if isinstance(cause, errors.RevisionNotFoundError):
            return CheckpointError(f"{repository}: the repository has no such revision; name a branch, tag or commit")
        if isinstance(cause, errors.RepositoryNotFoundError):
            return _not_found(repository, purpose)
        status = getattr(getattr(cause, "response", None), "status_code", None)
        if isinstance(status, int):
            return _refused(status, repository, purpose)
    if any(isinstance(cause, errors.OfflineModeIsEnabled) for cause in causes):
        return UnreachableError(repository, "HF_HUB_OFFLINE is set; unset it to ask the hub")
    if any(_is_of_the_hub(cause) for cause in causes) or isinstance(error, (ConnectionError, TimeoutError)):
        return UnreachableError(repository, "the hub cannot be reached; check the connection, and HF_ENDPOINT")
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it was raised for."""
    following: BaseException | None = error
    while following is not None:
        yield following
        following = following.__cause__ or following.__context__


def _is_of_the_hub(error: BaseException) -> bool:
    return any(kind.__module__.partition(".")[0] in _LIBRARIES for kind in type(error).__mro__)


def _not_found(repository: RepositoryName, purpose: Purpose) -> CheckpointError:
    if purpose == "write":
        return CheckpointError(f"{repository}: there is no such owner, or your token may not write there; {_LOG_IN}")
    return CheckpointError(
        f"{repository}: there is no such run, checkpoint or export here, and no such repository on the hub that you "
        f"may read; check the name; for a private one {_LOG_IN}"
    )


def _refused(status: int, repository: RepositoryName, purpose: Purpose) -> CheckpointError:
    if status == 401:
        return CheckpointError(f"{repository}: the hub asks for a token that it accepts; {_LOG_IN}")
    if status == 403:
        return CheckpointError(f"{repository}: your token may not {purpose} it; make one that may, then {_LOG_IN}")
    if status == 404:
        return _not_found(repository, purpose)
    if status == 429 or status >= 500:
        return UnreachableError(repository, f"the hub answers with status {status}; try again later")
    return CheckpointError(f"{repository}: the hub refuses it with status {status}; check the name and its page")
