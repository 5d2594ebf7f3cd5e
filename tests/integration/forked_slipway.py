"""The `slipway` command many times: each in a process of its own, forked from one that has imported TensorFlow already.

    status, text = run_slipway(["train", "--recipe", "seed"], {"NO_COLOR": "1"}, tmp_path / "log")

TensorFlow takes longer to import than a small network to train. Nothing else is shared: what a command sets, opens or
starts ends with its process.
"""

import multiprocessing
import os
import sys

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["slipway.cli._app", "slipway.repository", "training.cli", "training.job"])


def run_slipway(words, environment, log, *, timeout_s=240):
    """Run it to its end.

    Args:
        words: The command line behind `slipway`.
        environment: Variables beside this process's.
        log: The file that its output goes to.
        timeout_s: Longest time, in seconds.

    Returns:
        Exit status, and what it printed on both streams.
    """
    process = _PROCESSES.Process(target=_main, args=([*words], {**os.environ, **environment}, str(log)))
    process.start()
    process.join(timeout_s)
    if process.is_alive():
        process.kill()
        process.join()
    return process.exitcode, log.read_text(encoding="utf-8")


def _main(words, environment, log):
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["slipway", *words]
    from slipway.cli import main

    main()
