"""Any process: a scenario says what is offered to whom, and what it must reach. One frozen value.

    scenario = check_scenario(document, where="my.yaml")
    scenario.arrivals.duration_s

All errors of a file are reported at once, with key, expected and got.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any

from pydantic import Field, FieldSerializationInfo, field_serializer, model_validator

from loadtest.errors import ScenarioError
from loadtest.scenario.arrivals import Arrivals, ClosedArrivals
from loadtest.scenario.sample_size import fewest_requests
from slipway.client import InvalidAddress
from slipway.client.wire import parse_address
from slipway.platform.settings import Fraction, Settings, check_settings

__all__ = [
    "BatchShare",
    "CorrectnessSettings",
    "GeneratorSettings",
    "PayloadSettings",
    "Scenario",
    "Slo",
    "TargetSettings",
    "changed",
    "check_scenario",
]

WITH_SECRETS = "with secrets"
"""Serialisation context that includes header values, as in `model_dump_json(context=...)`."""
PUBLISHED, RANDOM = "published", "random"

Milliseconds = Annotated[float, Field(gt=0)]
PositiveSeconds = Annotated[float, Field(gt=0)]


class TargetSettings(Settings):
    """The target server."""

    url: str = "grpc://localhost:8001"
    """grpc://, grpcs://, http:// or https://, host and port."""
    model: str = "mnist"
    """Name of the model on the server."""
    version: Annotated[int, Field(ge=1)] | None = None
    """Model version; none: chosen by the server."""
    timeout_s: PositiveSeconds = 5.0
    """A request without a response this long after it was due is an error."""
    ca_file: str | None = None
    """PEM file of the CA certificates to trust with grpcs:// and https://; none: the system's."""
    certificate_file: str | None = None
    """PEM file of the client certificate (mutual TLS), with `key_file`."""
    key_file: str | None = None
    """PEM file of the private key of `certificate_file`."""
    token_env: str | None = None
    """Environment variable that holds a bearer token; each process of the generator reads its own."""
    headers: dict[str, str] = Field(default_factory=dict, repr=False)
    """Additional headers of each request, for example for a gateway; a secret belongs in `token_env`."""
    authority: str | None = None
    """Host name to send instead of the URL's (HTTP Host, gRPC :authority, TLS server name)."""
    keepalive_s: Annotated[float, Field(ge=1, le=100_000)] | None = 20.0
    """gRPC: idle time after which a keep-alive ping is sent on a connection with calls; null: never."""
    metrics_url: str | None = "auto"
    """URL of Triton's metrics. `auto`: port 8002 of a local target; null: do not read them."""

    @model_validator(mode="before")
    @classmethod
    def _headers_are_names_and_values(cls, section: Any) -> Any:  # noqa: ANN401 - whatever YAML holds
        """Validate them here, where the message does not show the values."""
        headers = section.get("headers", {}) if isinstance(section, dict) else {}
        if not isinstance(headers, dict) or any(not isinstance(part, str) for pair in headers.items() for part in pair):
            raise ValueError("headers: expected names and values as strings (in quotation marks)")
        return section

    @field_serializer("headers")
    def _values_may_be_secret(self, headers: dict[str, str], info: FieldSerializationInfo) -> dict[str, str]:
        """Reports contain only header names; only the generator's own processes get the values."""
        return headers if info.context == WITH_SECRETS else dict.fromkeys(headers, "…")

    @model_validator(mode="after")
    def _url_is_an_address(self) -> TargetSettings:
        try:
            parse_address(self.url)
        except InvalidAddress as exc:
            raise ValueError(str(exc)) from exc
        return self


class BatchShare(Settings):
    """A request size, and its weight in the mix."""

    images: Annotated[int, Field(ge=1)]
    weight: Annotated[float, Field(gt=0)] = 1.0
    """Relative weight."""


class PayloadSettings(Settings):
    """The requests' content."""

    images: str = PUBLISHED
    """`published`: the samples that training published with the served version; `random`: seeded noise
    without labels; or the path of an .npz with images, labels (or x_test, y_test)."""
    batches: list[BatchShare] = Field(default_factory=lambda: [BatchShare(images=1)], min_length=1)
    """The mix of request sizes."""


class CorrectnessSettings(Settings):
    """Check of the responses."""

    check_share: Fraction = 0.1
    """Share of the responses that are compared with the known labels; a wrong one is an error."""


class Slo(Settings):
    """Objectives over the measured window. A percentile that is not set is not an objective."""

    p50_ms: Milliseconds | None = None
    p99_ms: Milliseconds | None = None
    p99_9_ms: Milliseconds | None = None
    error_rate: Fraction = 0.0
    """Largest share of due requests without a correct response in time."""
    min_rps: Annotated[float, Field(gt=0)] | None = None
    """Smallest rate of correct responses per second."""

    def latency_bounds_ms(self) -> dict[float, float]:
        """Bound in milliseconds by percentile, ascending; only those that are set."""
        named = {50.0: self.p50_ms, 99.0: self.p99_ms, 99.9: self.p99_9_ms}
        return {percent: bound for percent, bound in named.items() if bound is not None}

    @model_validator(mode="after")
    def _percentiles_ascend(self) -> Slo:
        bounds = list(self.latency_bounds_ms().items())
        for (low, low_ms), (high, high_ms) in pairwise(bounds):
            if low_ms > high_ms:
                raise ValueError(
                    f"impossible: the bound of p{low:g} ({low_ms:g} ms) is above that of p{high:g} ({high_ms:g} ms); "
                    "a lower percentile is never slower"
                )
        return self


class GeneratorSettings(Settings):
    """The load generator, and the limits beyond which it invalidates a run."""

    max_in_flight: Annotated[int, Field(ge=1, le=10_000)] = 256
    """Limit of requests in flight, over all workers; further due requests wait, and their latency counts."""
    connections: Annotated[int, Field(ge=1, le=256)] = 4
    """gRPC connections per process. HTTP has one per request in flight."""
    max_lag_ms: Milliseconds = 5.0
    """Largest p99 of the generator's own delay, from due to dispatched; above, the run is INVALID."""
    max_cpu: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Largest mean share of one core that a generator process may use; above, a FAIL is INVALID instead."""


class Scenario(Settings):
    """One experiment. Attributes are the sections of the file."""

    description: str
    target: TargetSettings = TargetSettings()
    payload: PayloadSettings = PayloadSettings()
    arrivals: Arrivals
    warmup_s: Annotated[float, Field(ge=0, le=3_600)] = 3.0
    """Warm-up at the window's first rate, which no metric includes."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Runs with equal seeds offer the same requests at the same times."""
    slo: Slo
    correctness: CorrectnessSettings = CorrectnessSettings()
    generator: GeneratorSettings = GeneratorSettings()

    @model_validator(mode="after")
    def _noise_has_no_right_answer(self) -> Scenario:
        if self.payload.images == RANDOM and self.correctness.check_share:
            raise ValueError(
                f"payload.images: random images have no labels, and {self.correctness.check_share:.0%} of the answers "
                "would be checked; set correctness.check_share to 0, or use images with labels"
            )
        return self

    @model_validator(mode="after")
    def _slo_is_possible(self) -> Scenario:
        if isinstance(self.arrivals, ClosedArrivals):
            return self
        offered, mean_rps = self.arrivals.expected_requests, self.arrivals.mean_rps
        if self.slo.min_rps is not None and self.slo.min_rps > mean_rps:
            raise ValueError(
                f"slo.min_rps: impossible: {self.slo.min_rps:g} requests/s are required and {mean_rps:g} are offered; "
                f"raise the arrivals' rate or lower the bound"
            )
        for percent in self.slo.latency_bounds_ms():
            needed = fewest_requests(percent)
            if offered < needed:
                raise ValueError(
                    f"slo: p{percent:g} needs at least {needed:,} requests, and the scenario offers "
                    f"about {offered:,.0f}; offer more, for longer, or set a lower percentile"
                )
        return self


def changed(scenario: Scenario, changes: Mapping[str, object]) -> Scenario:
    """The scenario with other values by dotted key, validated.

    Raises:
        ScenarioError: The changed scenario is invalid.
    """
    document = scenario.model_dump(context=WITH_SECRETS)
    for key, value in changes.items():
        section, _, name = key.rpartition(".")
        (document[section] if section else document)[name] = value
    return check_scenario(document, where=f"the scenario with another {', '.join(changes)}")


def check_scenario(document: dict[str, Any], *, where: str) -> Scenario:
    """Validate a parsed document.

    Raises:
        ScenarioError: With key, expected, got, and the nearest known key for an unknown one.
    """
    return check_settings(document, Scenario, where=where, error=ScenarioError)
