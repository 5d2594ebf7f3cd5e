"""A Go module of two lines, and the module proxy that it comes from, on loopback.

with ModuleProxy() as proxy:                 # GOPROXY=proxy.url
    proxy.gate.clear()                       # archives wait until it is set again
pin(folder)                                  # go.mod and go.sum of a program that is built from it
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from rich.console import Console

from rehearsal.cluster.toolchain import BuiltPrograms, ensure_programs
from rehearsal.cluster.toolchain.catalogue import ControlPlaneProgram

MODULE, VERSION = "example.test/tiny", "v1.2.3"
GO_MOD = f"module {MODULE}\n\ngo 1.26\n"
FILES = {
    "go.mod": GO_MOD,
    "cmd/tiny/main.go": 'package main\n\nvar version = "unknown"\n\nfunc main() { println("tiny", version) }\n',
    "cmd/broken/main.go": "package main\n\nfunc main() { nowhere() }\n",
    "config/crd/tiny.yaml": "kind: CustomResourceDefinition\n",
    "config/crd/more/tiny.yaml": "kind: CustomResourceDefinition\n",
    "config/other/tiny.yaml": "kind: Other\n",
}


def tiny(**changes) -> ControlPlaneProgram:
    """The program as the catalogue would have it."""
    fields = {
        "name": "tiny",
        "module": MODULE,
        "executables": {"tiny": f"{MODULE}/cmd/tiny"},
        "ldflags": ("-X main.version={version}/{major}/{minor}",),
        "files": ("config/crd/**/*.yaml",),
        "build_s": 1,
        "modules_mb": 1,
        "objects_mb": 1,
        "result_mb": 1,
    }
    return ControlPlaneProgram(**{**fields, **changes})


def pin(folder: Path, files: Mapping[str, str] = FILES) -> None:
    """Write go.mod and go.sum of the program, with the hashes of these files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "go.mod").write_text(
        f"// Is small.\nmodule slipway/tiny\n\ngo 1.26\n\ntool {MODULE}/cmd/tiny\n\n"
        f"require {MODULE} {VERSION} // indirect\n"
    )
    whole = _hash({f"{MODULE}@{VERSION}/{path}": text for path, text in files.items()})
    (folder / "go.sum").write_text(
        f"{MODULE} {VERSION} {whole}\n{MODULE} {VERSION}/go.mod {_hash({'go.mod': GO_MOD})}\n"
    )


def ensure_tiny(console: Console, workplace: Path, *programs: ControlPlaneProgram) -> BuiltPrograms:
    """Ask for programs whose pins are in `workplace/modules`, in a cache of its own."""
    return ensure_programs(
        console, catalogue=programs or (tiny(),), modules=workplace / "modules", cache=workplace / "cache"
    )


class ModuleProxy:
    """Serves the module by Go's proxy protocol.

    Attributes:
        asked: Paths that were asked for.
        gate: While it is clear, whoever asks for the archive waits.
        at_gate: Set when somebody asked for the archive.
    """

    def __init__(self, files: Mapping[str, str] = FILES) -> None:
        self.asked: list[str] = []
        self.gate, self.at_gate = threading.Event(), threading.Event()
        self.gate.set()
        base = f"/{MODULE}/@v/{VERSION}"
        self.answers = {
            f"{base}.info": json.dumps({"Version": VERSION, "Time": "2026-01-01T00:00:00Z"}).encode(),
            f"{base}.mod": GO_MOD.encode(),
            f"{base}.zip": _archive(files),
        }
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.gate.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    proxy: ModuleProxy

    def do_GET(self):
        self.proxy.asked.append(self.path)
        if self.path.endswith(".zip"):
            self.proxy.at_gate.set()
            self.proxy.gate.wait()
        answer = self.proxy.answers.get(self.path)
        try:
            self.send_response(200 if answer else 404)
            self.end_headers()
            self.wfile.write(answer or b"not found")
        except ConnectionError:
            pass  # whoever asked was killed

    def log_message(self, *_):
        pass


def _archive(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in files.items():
            archive.writestr(f"{MODULE}@{VERSION}/{path}", text)
    return buffer.getvalue()


def _hash(files: Mapping[str, str]) -> str:
    """Go's `h1:` hash of a set of files: golang.org/x/mod/sumdb/dirhash."""
    lines = "".join(f"{hashlib.sha256(text.encode()).hexdigest()}  {path}\n" for path, text in sorted(files.items()))
    return f"h1:{base64.b64encode(hashlib.sha256(lines.encode()).digest()).decode()}"
