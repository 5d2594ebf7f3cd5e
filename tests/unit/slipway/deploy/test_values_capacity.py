"""`slipway values` reads what `slipway capacity` writes, and says what is wrong with anything else."""

from datetime import UTC, datetime

import pytest
import yaml

from loadtest.capacity.run import write_capacity
from slipway.capacity import Capacity as Written
from slipway.capacity import MeasuredCapacity, read_capacity
from slipway.deploy.values import CapacityUnreadable
from tests.unit.values_inputs import MEASURED, measured


@pytest.fixture
def document(tmp_path):
    """A capacity file as a mapping, and the function that writes it back and reads it."""
    path = tmp_path / "capacity.yaml"
    write_capacity(measured(), path)

    def read(values):
        path.write_text(yaml.safe_dump(values))
        return read_capacity(path)

    return yaml.safe_load(path.read_text()), read


def test_what_the_load_test_writes_is_read(tmp_path):
    path = tmp_path / "capacity.yaml"
    written = measured(version="12", limited_by="generator", images_per_request=2.5)
    write_capacity(written, path)
    read = read_capacity(path)

    assert (1.739, 864.9, 8.04) == (read.target.in_flight, read.target.requests_per_s, read.target.p99_ms)
    assert (4.134, 1081.0) == (read.replica.in_flight, read.replica.requests_per_s)
    assert MEASURED == read.measured
    assert ("mnist", "12", 16) == (
        read.target_server.model,
        read.target_server.version,
        read.target_server.max_batch_size,
    )
    assert ("generator", 2.5, 0.2, "AMD EPYC") == (
        read.limited_by,
        read.images_per_request,
        read.utilisation_margin,
        read.machine.machine,
    )
    assert {"p99_ms": 50.0, "error_rate": 0.001} == read.slo


def test_every_key_that_is_read_is_a_key_that_is_written():
    reader, writer = MeasuredCapacity.model_fields, Written.model_fields

    assert reader.keys() <= writer.keys()
    assert 2 == writer["format"].default


def test_the_margin_under_its_earlier_name_is_read(document):
    values, read = document
    margin = values.pop("utilisation_margin")

    assert 0.2 == read(values | {"format": 1, "head_room": margin}).utilisation_margin


def test_keys_that_nobody_needs_may_be_added(document):
    values, read = document

    assert 864.9 == read(values | {"comment": "from the cluster"}).target.requests_per_s


@pytest.mark.parametrize(
    "moment",
    [datetime(2026, 11, 24, 18, 27, tzinfo=UTC), datetime(2026, 11, 24, 18, 27), "2026-11-24T18:27:00"],  # noqa: DTZ001 - as YAML reads a date without a zone
    ids=["date-with-zone", "date-without-zone", "text-without-zone"],
)
def test_a_date_written_by_hand_is_taken_for_utc(document, moment):
    values, read = document

    assert MEASURED == read(values | {"measured": moment}).measured


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(format=3), r"expected format 1 or 2, got 3.*slipway capacity"),
        (lambda d: d.pop("format"), r"begins with `format: 2`; measure one replica"),
        (lambda d: d.pop("target"), r"expected the key target.*measure one replica"),
        (lambda d: d["target"].pop("in_flight"), r"target\.in_flight: missing"),
        (lambda d: d["target"].update(in_flight=0.0), r"target\.in_flight: .*greater than 0, got 0"),
        (lambda d: d["target"].update(in_flight="many"), r"target\.in_flight: .*valid number, got 'many'"),
        (lambda d: d["target"].update(requests_per_s=-1), r"target\.requests_per_s: .*greater than 0, got -1"),
        (lambda d: d["target"].update(in_flight=float("inf")), r"target\.in_flight: .*finite number, got inf"),
        (lambda d: d.update(utilisation_margin=1.0), r"utilisation_margin: .*less than 1, got 1"),
        (lambda d: d.pop("utilisation_margin"), r"utilisation_margin: missing"),
        (lambda d: d.update(head_room=d.pop("utilisation_margin") + 1), r"head_room: .*less than 1, got 1\.2"),
        (lambda d: d.update(measured="yesterday"), r"measured: .*got 'yesterday'"),
        (lambda d: d["target_server"].pop("model"), r"target_server\.model: missing"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_file_is_refused_with_key_expected_and_got(document, change, words):
    values, read = document
    change(values)

    with pytest.raises(CapacityUnreadable, match=words) as refused:
        read(values)
    assert "capacity.yaml" in str(refused.value)


@pytest.mark.parametrize("content", [None, "- 1\n", "a: [\n"], ids=["missing", "list", "no-yaml"])
def test_what_is_no_capacity_file_is_refused(tmp_path, content):
    path = tmp_path / "capacity.yaml"
    if content is not None:
        path.write_text(content)

    with pytest.raises(CapacityUnreadable, match=r"capacity\.yaml"):
        read_capacity(path)
