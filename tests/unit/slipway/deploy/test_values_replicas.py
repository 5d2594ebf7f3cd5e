"""How many replicas: an arithmetic that a person can repeat."""

import pytest
import yaml

from slipway.deploy._chart_values import three_digits
from slipway.deploy._replicas import plan_replicas
from slipway.deploy.values import ValuesRefused
from tests.unit.values_inputs import made


def scale(tmp_path, **choices):
    """(minimum, maximum) of the file; None where the chart's own stays."""
    section = yaml.safe_load(made(tmp_path, **choices).text)["autoscaling"]
    return section.get("minReplicas"), section.get("maxReplicas")


@pytest.mark.parametrize(
    ("peak_rps", "minimum", "needed", "maximum"),
    [(1, 1, 1, 2), (1000, 1, 1, 2), (1000.1, 1, 2, 3), (3000, 1, 3, 4), (5000, 1, 5, 6), (5001, 2, 6, 7)],
)
def test_a_peak_is_divided_rounded_up_and_given_one_to_spare(peak_rps, minimum, needed, maximum):
    plan = plan_replicas(peak_rps=peak_rps, quiet_share=0.2, target_rps=1000)

    assert (minimum, needed, maximum) == (plan.minimum, plan.needed, plan.maximum)


def test_the_last_digits_of_a_float_are_no_replica():
    plan = plan_replicas(peak_rps=0.3, quiet_share=0, target_rps=0.1)

    assert 0.3 / 0.1 < 3 < 0.1 * 3 / 0.1
    assert 3 == plan.needed
    assert 3 == plan_replicas(peak_rps=0.1 * 3, quiet_share=0, target_rps=0.1).needed


@pytest.mark.parametrize("peak_rps", [0, -5, float("nan"), float("inf")])
def test_a_peak_that_is_none_is_refused(peak_rps):
    with pytest.raises(ValuesRefused, match=r"--peak-rps: expected requests per second, above 0, got"):
        plan_replicas(peak_rps=peak_rps, quiet_share=0.2, target_rps=100)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValuesRefused, match=r"--quiet-share: expected a share from 0 to 1"):
        plan_replicas(peak_rps=100, quiet_share=share, target_rps=100)


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ({}, (None, None)),
        ({"peak_rps": 3000}, (None, 5)),
        ({"peak_rps": 3000, "quiet_share": 0.5}, (2, 5)),
        ({"peak_rps": 3000, "min_replicas": 3}, (3, 5)),
        ({"peak_rps": 3000, "max_replicas": 9}, (None, 9)),
        ({"min_replicas": 2, "max_replicas": 2}, (2, 2)),
        ({"autoscaling": "none", "peak_rps": 3000}, (5, 5)),
        ({"autoscaling": "none", "max_replicas": 6}, (6, 6)),
        ({"autoscaling": "none", "min_replicas": 6}, (6, 6)),
        ({"autoscaling": "none"}, (None, None)),
    ],
    ids=str,
)
def test_the_bounds_are_the_asked_for_or_the_peaks_or_the_charts(tmp_path, choices, expected):
    assert expected == scale(tmp_path, **choices)


def test_a_minimum_above_the_maximum_is_refused_with_both_sources(tmp_path):
    with pytest.raises(
        ValuesRefused, match=r"minReplicas would be 6 \(--min-replicas\) and maxReplicas 5 \(--peak-rps"
    ):
        made(tmp_path, peak_rps=3000, min_replicas=6)


@pytest.mark.parametrize(("option", "count"), [("min", 0), ("max", 0), ("min", -1)])
def test_no_replicas_are_left_to_the_chart(tmp_path, option, count):
    with pytest.raises(ValuesRefused, match=rf"--{option}-replicas: expected at least 1, got {count}; .*wake\.query"):
        made(tmp_path, **{f"{option}_replicas": count})


@pytest.mark.parametrize(
    ("value", "expected"), [(864.9, "865"), (1.739, "1.74"), (12345.0, "12300"), (0.05678, "0.0568"), (8.0, "8")]
)
def test_a_capacity_is_written_with_three_digits(value, expected):
    assert expected == str(three_digits(value))
