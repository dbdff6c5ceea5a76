"""A model hub on 127.0.0.1: as much of its HTTP as huggingface_hub needs to read a repository and to write one.

Every request needs the token, as for a private repository; what came is kept, so that a test can look at it.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

TOKEN = "hf_TheTokenOfATestThatNobodyMaySee"


@dataclass
class Repository:
    """Its files by commit; the last commit is its main branch. claimed: sizes that it lies about."""

    private: bool = True
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    claimed: dict[str, int] = field(default_factory=dict)

    def add(self, files: dict[str, bytes]) -> str:
        """A commit with these files over those before; its hash."""
        merged = (list(self.commits.values())[-1] if self.commits else {}) | files
        commit = hashlib.sha1(repr((len(self.commits), sorted(merged.items()))).encode()).hexdigest()
        self.commits[commit] = merged
        return commit

    def at(self, revision: str) -> str | None:
        """The commit that a revision names."""
        return (
            (list(self.commits) or [None])[-1] if revision == "main" else revision if revision in self.commits else None
        )


@dataclass
class StandIn:
    """The server's state. status: what it answers with to everything, 0 for the right answer. lfs: whether weights come
    apart from the commit, as on a real hub."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    status: int = 0
    error_code: str = ""
    lfs: bool = False
    url: str = ""


@contextmanager
def serving() -> Iterator[StandIn]:
    """A running stand-in, ended at the end of the block."""
    state = StandIn()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": state}))
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    state: StandIn
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._route()

    def do_HEAD(self) -> None:
        self._route()

    def do_POST(self) -> None:
        self._route()

    def do_PUT(self) -> None:
        self._route()

    def _route(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(self.path.partition("?")[0])
        self.state.requests.append((self.command, path))
        if self.state.status:
            return self._say(self.state.status, {"error": "no"}, **{"X-Error-Code": self.state.error_code})
        if path.startswith("/lfs/"):  # signed addresses need no token
            self.state.objects[path[5:]] = body
            return self._say(200, {})
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._say(401, {"error": "no such user"}, **{"X-Error-Code": "RepoNotFound"})
        for pattern, answer in _ANSWERS:
            match = re.fullmatch(pattern, path)
            if match and (self.command in ("GET", "HEAD")) == (answer in _READS):
                return answer(self, body, **match.groupdict())
        return self._say(404, {"error": f"no {path}"}, **{"X-Error-Code": "RepoNotFound"})

    def _say(self, status: int, values: object, **headers: str) -> None:
        content = values if isinstance(values, bytes) else json.dumps(values).encode()
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _found(self, repo: str, revision: str | None) -> tuple[Repository, str] | None:
        repository = self.state.repositories.get(repo)
        if repository is None:
            return self._say(404, {"error": "no"}, **{"X-Error-Code": "RepoNotFound"})
        commit = repository.at(revision or "main")
        if commit is None:
            return self._say(404, {"error": "no"}, **{"X-Error-Code": "RevisionNotFound"})
        return repository, commit

    def info(self, _body: bytes, repo: str, revision: str | None = None) -> None:
        repository = self.state.repositories.get(repo)
        if repository is not None and not repository.commits:
            return self._say(200, {"id": repo, "private": repository.private, "sha": None, "siblings": []})
        found = self._found(repo, revision)
        if found is None:
            return None
        repository, commit = found
        files = [
            {"rfilename": name, "size": repository.claimed.get(name, len(content)), "blobId": _etag(content)}
            for name, content in repository.commits[commit].items()
        ]
        return self._say(200, {"id": repo, "private": repository.private, "sha": commit, "siblings": files})

    def resolve(self, _body: bytes, repo: str, revision: str, file: str) -> None:
        found = self._found(repo, revision)
        if found is None:
            return None
        repository, commit = found
        content = repository.commits[commit].get(file)
        if content is None:
            return self._say(404, {"error": "no"}, **{"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        return self._say(200, content, **{"ETag": f'"{_etag(content)}"', "X-Repo-Commit": commit})

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        repo = f"{asked.get('organization') or 'someone'}/{asked['name']}"
        if repo in self.state.repositories:
            return self._say(409, {"error": "is there", "url": f"{self.state.url}/{repo}"})
        private = asked.get("private", asked.get("visibility") == "private")
        self.state.repositories[repo] = Repository(private=private)
        return self._say(200, {"url": f"{self.state.url}/{repo}", "name": repo, "id": repo})

    def validate(self, body: bytes) -> None:
        good = json.loads(body)["content"].startswith("---\n")
        return self._say(200 if good else 400, {"errors": [] if good else [{"message": "no head"}], "warnings": []})

    def preupload(self, body: bytes, repo: str, revision: str) -> None:
        assert repo in self.state.repositories
        assert revision == "main"
        modes = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if self.state.lfs and file["path"].endswith(".safetensors") else "regular",
                "shouldIgnore": False,
                "oid": None,
            }
            for file in json.loads(body)["files"]
        ]
        return self._say(200, {"files": modes})

    def batch(self, body: bytes, repo: str) -> None:
        assert repo in self.state.repositories
        objects = [
            asked | {"actions": {"upload": {"href": f"{self.state.url}/lfs/{asked['oid']}", "header": {}}}}
            for asked in json.loads(body)["objects"]
        ]
        return self._say(200, {"transfer": "basic", "objects": objects})

    def commit(self, body: bytes, repo: str, revision: str) -> None:
        assert revision == "main"
        files: dict[str, bytes] = {}
        for line in body.splitlines():
            entry = json.loads(line)
            if entry["key"] == "file":
                files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
            elif entry["key"] == "lfsFile":
                files[entry["value"]["path"]] = self.state.objects[entry["value"]["oid"]]
        commit = self.state.repositories[repo].add(files)
        url = f"{self.state.url}/{repo}/commit/{commit}"
        return self._say(200, {"success": True, "commitOid": commit, "commitUrl": url, "hookOutput": ""})


def _etag(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


_REPO = r"(?P<repo>[^/]+/[^/]+)"
_READS = (_Handler.info, _Handler.resolve)
_ANSWERS: tuple[tuple[str, Any], ...] = (
    (rf"/api/models/{_REPO}", _Handler.info),
    (rf"/api/models/{_REPO}/revision/(?P<revision>.+)", _Handler.info),
    (rf"/{_REPO}/resolve/(?P<revision>[^/]+)/(?P<file>.+)", _Handler.resolve),
    (r"/api/repos/create", _Handler.create),
    (r"/api/validate-yaml", _Handler.validate),
    (rf"/api/models/{_REPO}/preupload/(?P<revision>.+)", _Handler.preupload),
    (rf"/{_REPO}\.git/info/lfs/objects/batch", _Handler.batch),
    (rf"/api/models/{_REPO}/commit/(?P<revision>.+)", _Handler.commit),
)
