"""A server with the native backend; with SLIPWAY_TEST_SANITIZERS set, one whose backend watches its own memory.

The variable names a folder for what the sanitizers report. The instrumented library is not in Slipway's cache: it comes
with a tritonserver of its own, a script that loads the sanitizers before the one of the wheel.
"""

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

import slipway.triton
from slipway.triton import ServerSettings, TritonServer, find_program

LIBRARY = "libtriton_onnxruntime.so"
_REPORTS = os.environ.get("SLIPWAY_TEST_SANITIZERS")
_SOURCES = Path(slipway.triton.__file__).parent / "onnxruntime_backend" / "native"
_SANITIZERS = (
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=undefined",
    "-fno-omit-frame-pointer",
    "-g",
    "-O1",
)
# tritonserver deadlocks at its exit under AddressSanitizer, before that would look for leaks.
_LEAK_CHECK = """
#undef TRITONBACKEND_Finalize
int __lsan_do_recoverable_leak_check(void);
void *finalize_backend(void *backend);
__attribute__((visibility("default"))) void *TRITONBACKEND_Finalize(void *backend)
{
  void *error = finalize_backend(backend);
  (void)__lsan_do_recoverable_leak_check();
  return error;
}
"""


@contextmanager
def native_server(repository, **options):
    """A running server; fails at its end if the sanitizers have something to say of the backend.

    They have of tritonserver: its HTTP front end leaks, its gRPC front end uses a cancelled request after it is freed.
    """
    settings = {"repository": repository, "verify": False} | options
    if not _REPORTS:
        with TritonServer(ServerSettings(backend="native", **settings)) as server:
            yield server
        return
    reports = Path(_REPORTS)
    settings |= {"tritonserver": _instrumented(reports), "exit_timeout_s": 1}
    with TritonServer(ServerSettings(**settings)) as server:
        yield server
    found = [part for path in reports.glob("report*") for part in path.read_text().split("\n\n") if LIBRARY in part]

    assert [] == found


def _instrumented(folder):
    executable = folder / "bin" / "tritonserver"
    if executable.is_file():
        return executable
    library = folder / "backends" / "onnxruntime" / LIBRARY
    for parent in (executable.parent, library.parent):
        parent.mkdir(parents=True)
    (folder / "leak_check.c").write_text(_LEAK_CHECK)
    flags = ("-std=c11", "-fPIC", "-shared", "-fvisibility=hidden", "-DTRITONBACKEND_Finalize=finalize_backend")
    sources = (*_SOURCES.glob("*.c"), folder / "leak_check.c")
    subprocess.run(["gcc", *flags, *_SANITIZERS, "-o", library, *sources, "-ldl", "-lpthread"], check=True)
    preloaded = [
        subprocess.check_output(["gcc", f"-print-file-name={name}"], text=True).strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    program = find_program(backend="native")
    variables = {
        **program.environment,
        "LD_PRELOAD": " ".join(preloaded),
        "ASAN_OPTIONS": f"log_path={folder}/report",
        "UBSAN_OPTIONS": f"print_stacktrace=1:log_path={folder}/report",
    }
    exports = "".join(f"export {name}='{value}'\n" for name, value in variables.items())
    executable.write_text(f"#!/bin/sh\n{exports}exec '{program.executable}' \"$@\"\n")
    executable.chmod(0o755)
    return executable
