"""The numbers that the pages name are those of the code: a default that changes takes its sentence with it."""

import inspect
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from loadtest.capacity.probe import RELATIVE_MARGIN
from loadtest.capacity.search import _MARGINAL, RESOLUTION
from loadtest.engine.metrics_page import _SHARE
from loadtest.result.histogram import DIGITS
from loadtest.scenario.sample_size import requests_for
from loadtest.scenario.schema import GeneratorSettings
from slipway.cli import app
from slipway.client import Classifier, KeepAlive
from slipway.client._transports.grpc_transport import _SILENT_CALLS
from slipway.deploy._request import QUIET_SHARE
from slipway.deploy.values import OLD
from slipway.repository._push_claim import ABANDONED_S
from slipway.repository._scratch import ABANDONED_AFTER_S
from slipway.repository._store.timeouts import ANSWER_S, SLOWEST_BYTES_PER_S
from slipway.triton._supervise import _FIRST_PAUSE_S, _LONGEST_PAUSE_S, _WINDOW_S
from training.data.prepare import MAX_VALIDATION_IMAGES
from training.publication import MAX_SAMPLES
from training.recipe import ExportSettings

ROOT = Path(__file__).parents[2]
WORDS = {0.5: "half a", 1: "one", 2: "two", 3: "three", 4: "four", 10: "ten"}


def default_of(name):
    """Of an argument of the client."""
    return inspect.signature(Classifier).parameters[name].default


def option(command, name):
    """The default of an option of `slipway`."""
    (found,) = [each for each in typer.main.get_command(app).commands[command].params if each.name == name]
    return found.default


def build_argument(name):
    """The default of a `--build-arg` of the client's image."""
    text = (ROOT / "docker" / "client.Dockerfile").read_text()
    return re.search(rf"^ARG {name}=(.*)$", text, re.MULTILINE)[1]


CLAIMS = {
    "client.md": [
        f"`max_contract_age_s` ({default_of('max_contract_age_s'):g} s)",
        f"`max_connections={default_of('max_connections')}` at most",
        f"`max_batch_size={default_of('max_batch_size')}` images",
        f"`KeepAlive(interval_s={KeepAlive().interval_s:g}, timeout_s={KeepAlive().timeout_s:g})`",
        f"{WORDS.get(_SILENT_CALLS)} calls in a row without any answer",
    ],
    "serving.md": [
        f"`--restarts` times ({option('serve', 'restarts')}; 0 is never) within {WORDS.get(_WINDOW_S / 60)} minutes",
        f"from {WORDS.get(_FIRST_PAUSE_S)} second to {WORDS.get(_LONGEST_PAUSE_S / 60)} minute",
        f"ports {option('serve', 'http_port')}, {option('serve', 'grpc_port')}, {option('serve', 'metrics_port')}",
    ],
    "repository.md": [
        f"up to {MAX_SAMPLES:,} test images",
        f"after {'a day' if ABANDONED_AFTER_S == 86_400 else ABANDONED_AFTER_S} without a change",
        f"another one after {WORDS.get(ABANDONED_S / 60)} minutes",
        f"after {WORDS.get(ANSWER_S / 60)} minutes for a listing",
        f"{SLOWEST_BYTES_PER_S // 1_000} kB/s",
    ],
    "training.md": [
        f"one in six and {MAX_VALIDATION_IMAGES:,} at most",
        f"`opset`, at most {ExportSettings().opset}",
    ],
    "load-testing.md": [
        f"dispatched more than `generator.max_lag_ms` ({GeneratorSettings().max_lag_ms:g} ms) late",
        f"(`generator.max_cpu`, {100 * GeneratorSettings().max_cpu:g} % of a core)",
        f"`--utilisation-margin` ({100 * option('capacity', 'utilisation_margin'):g} %) free",
        f"bisects to {100 * RESOLUTION:g} %",
        f"{requests_for(99, relative_margin=RELATIVE_MARGIN):,} for p99",
        f"{requests_for(99, relative_margin=1 / 20, confidence=0.99):,} requests, for published results",
        f"by less than a factor of {WORDS.get(_MARGINAL)} is also repeated",
        f"within {100 * _SHARE:g} % and the edges of the window",
        f"with {WORDS.get(DIGITS)} significant digits",
    ],
    "values.md": [f"`--quiet-share` ({QUIET_SHARE:g})", f"more than {OLD.days} days old"],
    "images.md": [
        f"`{build_argument('PYTHON_IMAGE')}`",
        f"{datetime.fromtimestamp(int(build_argument('SOURCE_DATE_EPOCH')), UTC):%Y-%m-%d}",
    ],
}


@pytest.mark.parametrize("page", CLAIMS)
def test_a_page_names_the_numbers_of_the_code(page):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")

    assert [] == [claim for claim in CLAIMS[page] if claim not in text]
