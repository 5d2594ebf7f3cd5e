"""Any process: a scenario says what is offered to whom, and what it must reach. One frozen value.

    scenario = check_scenario(document, where="my.yaml")
    scenario.arrivals.duration_s

Whatever a file gets wrong is told at once, with key, expected and got.
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
"""Context in which a scenario is written with the values of its headers, as `model_dump_json(context=...)`."""
PUBLISHED, RANDOM = "published", "random"

Milliseconds = Annotated[float, Field(gt=0)]
PositiveSeconds = Annotated[float, Field(gt=0)]


class TargetSettings(Settings):
    """Who is asked."""

    url: str = "grpc://localhost:8001"
    """grpc://, grpcs://, http:// or https://, host and port."""
    model: str = "mnist"
    """The model's name on the server."""
    version: Annotated[int, Field(ge=1)] | None = None
    """One version of it; none: the server's choice."""
    timeout_s: PositiveSeconds = 5.0
    """A request without an answer this long after it was due is an error."""
    ca_file: str | None = None
    """PEM file of the authorities to trust with grpcs:// and https://; none: the system's."""
    certificate_file: str | None = None
    """PEM file of this client's own certificate (mutual TLS), with `key_file`."""
    key_file: str | None = None
    """PEM file of the private key of `certificate_file`."""
    token_env: str | None = None
    """Environment variable that holds a bearer token; each process of the generator reads its own."""
    headers: dict[str, str] = Field(default_factory=dict, repr=False)
    """Further headers of each request, such as a gateway asks for; a secret belongs in `token_env`."""
    authority: str | None = None
    """The name by which a gateway knows the server (HTTP's Host, gRPC's authority, the certificate's name)."""
    keepalive_s: Annotated[float, Field(ge=1, le=100_000)] | None = 20.0
    """gRPC: silence after which a connection with calls on it is asked for a sign of life; null: never."""
    metrics_url: str | None = "auto"
    """Triton's metrics. `auto`: port 8002 on the target's host when that is this machine; null: do not ask."""

    @model_validator(mode="before")
    @classmethod
    def _headers_are_names_and_values(cls, section: Any) -> Any:  # noqa: ANN401 - whatever YAML holds
        """Refuse them here, where the message shows nothing of what they hold."""
        headers = section.get("headers", {}) if isinstance(section, dict) else {}
        if not isinstance(headers, dict) or any(not isinstance(part, str) for pair in headers.items() for part in pair):
            raise ValueError("headers: expected names and their values, all of them text (in quotation marks)")
        return section

    @field_serializer("headers")
    def _values_may_be_secret(self, headers: dict[str, str], info: FieldSerializationInfo) -> dict[str, str]:
        """Reports name the headers; only what goes to the generator's own processes says what is in them."""
        return headers if info.context == WITH_SECRETS else dict.fromkeys(headers, "…")

    @model_validator(mode="after")
    def _url_is_an_address(self) -> TargetSettings:
        try:
            parse_address(self.url)
        except InvalidAddress as exc:
            raise ValueError(str(exc)) from exc
        return self


class BatchShare(Settings):
    """How many images a share of the requests carries."""

    images: Annotated[int, Field(ge=1)]
    weight: Annotated[float, Field(gt=0)] = 1.0
    """Relative to the other weights."""


class PayloadSettings(Settings):
    """What is sent."""

    images: str = PUBLISHED
    """`published`: the samples that training published with the served version; `random`: noise that the seed draws,
    to which no answer is right; or the path of an .npz with images, labels (or x_test, y_test)."""
    batches: list[BatchShare] = Field(default_factory=lambda: [BatchShare(images=1)], min_length=1)
    """The mix of request sizes."""


class CorrectnessSettings(Settings):
    """Whether the answers are right."""

    check_share: Fraction = 0.1
    """Share of the answers that are read and compared with the known labels; a wrong one is an error."""


class Slo(Settings):
    """What must be reached over the measured window. A percentile that is not named is not judged."""

    p50_ms: Milliseconds | None = None
    p99_ms: Milliseconds | None = None
    p99_9_ms: Milliseconds | None = None
    error_rate: Fraction = 0.0
    """Largest share of due requests without a right answer in time."""
    min_rps: Annotated[float, Field(gt=0)] | None = None
    """Fewest right answers per second."""

    def latency_bounds_ms(self) -> dict[float, float]:
        """Bound in milliseconds by percentile, those that are named, ascending."""
        named = {50.0: self.p50_ms, 99.0: self.p99_ms, 99.9: self.p99_9_ms}
        return {percent: bound for percent, bound in named.items() if bound is not None}

    @model_validator(mode="after")
    def _percentiles_ascend(self) -> Slo:
        bounds = list(self.latency_bounds_ms().items())
        for (low, low_ms), (high, high_ms) in pairwise(bounds):
            if low_ms > high_ms:
                raise ValueError(
                    f"impossible: the bound of p{low:g} ({low_ms:g} ms) is above that of p{high:g} ({high_ms:g} ms); "
                    "a lower percentile is never the slower one"
                )
        return self


class GeneratorSettings(Settings):
    """The load generator itself, and when it counts as the limit."""

    max_in_flight: Annotated[int, Field(ge=1, le=10_000)] = 256
    """Most requests under way at once, over all workers; what is due meanwhile waits, and its latency runs."""
    connections: Annotated[int, Field(ge=1, le=256)] = 4
    """gRPC connections per process. HTTP has one per request under way."""
    max_lag_ms: Milliseconds = 5.0
    """Largest p99 of the generator's own lateness, from due to dispatched; above, the run is INVALID."""
    max_cpu: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Largest mean share of one core that a generator process may use; above, a FAIL is INVALID instead."""


class Scenario(Settings):
    """One experiment. Attributes are the sections of the file."""

    description: str
    target: TargetSettings = TargetSettings()
    payload: PayloadSettings = PayloadSettings()
    arrivals: Arrivals
    warmup_s: Annotated[float, Field(ge=0, le=3_600)] = 3.0
    """Offered before the measured window, at its first rate, and in no figure."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Two runs with one seed offer the same requests at the same nanoseconds."""
    slo: Slo
    correctness: CorrectnessSettings = CorrectnessSettings()
    generator: GeneratorSettings = GeneratorSettings()

    @model_validator(mode="after")
    def _noise_has_no_right_answer(self) -> Scenario:
        if self.payload.images == RANDOM and self.correctness.check_share:
            raise ValueError(
                f"payload.images: random images have no right answer, and {self.correctness.check_share:.0%} of the "
                "answers are to be checked; set correctness.check_share to 0, or name images with labels"
            )
        return self

    @model_validator(mode="after")
    def _slo_is_possible(self) -> Scenario:
        if isinstance(self.arrivals, ClosedArrivals):
            return self
        offered, mean_rps = self.arrivals.expected_requests, self.arrivals.mean_rps
        if self.slo.min_rps is not None and self.slo.min_rps > mean_rps:
            raise ValueError(
                f"slo.min_rps: impossible: {self.slo.min_rps:g} requests/s are wanted and {mean_rps:g} are offered; "
                f"raise the arrivals' rate or lower the bound"
            )
        for percent in self.slo.latency_bounds_ms():
            needed = fewest_requests(percent)
            if offered < needed:
                raise ValueError(
                    f"slo: p{percent:g} needs at least {needed:,} requests to mean anything, and the scenario offers "
                    f"about {offered:,.0f}; offer more, for longer, or judge a lower percentile"
                )
        return self


def changed(scenario: Scenario, changes: Mapping[str, object]) -> Scenario:
    """The scenario with other values by dotted key, checked like one that was read.

    Raises:
        ScenarioError: It is none with them.
    """
    document = scenario.model_dump(context=WITH_SECRETS)
    for key, value in changes.items():
        section, _, name = key.rpartition(".")
        (document[section] if section else document)[name] = value
    return check_scenario(document, where=f"the scenario with another {', '.join(changes)}")


def check_scenario(document: dict[str, Any], *, where: str) -> Scenario:
    """Turn a document into a scenario.

    Raises:
        ScenarioError: With key, expected, got, and the nearest known key for an unknown one.
    """
    return check_settings(document, Scenario, where=where, error=ScenarioError)
