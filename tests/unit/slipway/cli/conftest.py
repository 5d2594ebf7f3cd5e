"""The command line, and a page of metrics for it to read."""

import pytest
import typer
from typer.testing import CliRunner

from slipway.cli._check import check
from tests.unit.fake_triton import FakeTriton


@pytest.fixture
def slipway():
    """Run `slipway check` with arguments; returns its lines and what it raised, or None."""
    app = typer.Typer()
    app.command()(check)

    def run(*arguments):
        result = CliRunner().invoke(app, list(map(str, arguments)))
        return result.output.splitlines(), result.exception

    return run


@pytest.fixture
def metrics_url(open_http):
    """Serve a metrics page: `metrics_url(text)` returns its address."""

    def serve(page):
        fake = FakeTriton()
        fake.page = page.encode()
        return f"{open_http(fake)}/metrics"

    return serve
