"""The name of a repository on a model hub, as users type it: `owner/name`, `owner/name@revision`, `hf://owner/name`."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

SCHEME = "hf://"
"""Says that a repository is meant, whatever is on the disk."""

_PART = r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?P<owner>{_PART})/(?P<name>{_PART})(?:@(?P<revision>\w[\w./-]*))?", re.ASCII)
_MAX_ID_LENGTH, _MAX_REVISION_LENGTH = 96, 255
_FILE_SUFFIXES = frozenset({".safetensors", ".onnx", ".pt", ".pth", ".ckpt", ".bin", ".pkl", ".h5", ".md", ".yaml"})
"""What ends so is the name of a file, unless the name begins with `hf://`."""


@dataclass(frozen=True)
class RepositoryName:
    """A repository, `repo_id` in the hub's words, and a branch, tag or commit of it; None is its main branch."""

    repo_id: str
    revision: str | None = None

    def __str__(self) -> str:
        """As it is typed."""
        return self.repo_id if self.revision is None else f"{self.repo_id}@{self.revision}"


def parse_name(text: str) -> RepositoryName | None:
    """The repository that a text names; None where it is the name of none."""
    match = _NAME.fullmatch(text.removeprefix(SCHEME))
    if match is None:
        return None
    repo_id, revision = f"{match['owner']}/{match['name']}", match["revision"]
    if len(repo_id) > _MAX_ID_LENGTH or len(revision or "") > _MAX_REVISION_LENGTH:
        return None
    if any(wrong in repo_id for wrong in ("--", "..")) or repo_id.endswith(".git") or ".." in (revision or ""):
        return None  # the hub allows none of them
    if not text.startswith(SCHEME) and PurePosixPath(text).suffix.lower() in _FILE_SUFFIXES:
        return None
    return RepositoryName(repo_id, revision)
