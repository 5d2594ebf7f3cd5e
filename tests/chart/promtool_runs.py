"""promtool on what the serving chart renders: rules checked, and rules run on series.

rules = Rules.of(values)
rules.alerts["SlipwayQueueTooLong"]["expr"]
passes(promtool, tmp_path, rules, series=..., checks=...)
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chart.rendering import Values, rendered

RELEASE = "mnist"
NAMESPACE = "serving"
POD = "mnist-predictor-5d8f7c9b6d-x2k4p"
Rule = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The PrometheusRule of one release.

    Attributes:
        groups: As in a rule file of Prometheus.
    """

    groups: list[dict[str, Any]]

    @classmethod
    def of(cls, values: Values, *, release: str = RELEASE) -> Rules:
        """Render the chart."""
        objects = rendered("serving", values, release=release, namespace=NAMESPACE)
        return cls(groups=objects["PrometheusRule", release]["spec"]["groups"])

    @property
    def all(self) -> list[Rule]:
        """Every rule, in the order of evaluation."""
        return [rule for group in self.groups for rule in group["rules"]]

    @property
    def alerts(self) -> dict[str, list[Rule]]:
        """Alerting rules by the alert's name."""
        named: dict[str, list[Rule]] = {}
        for rule in self.all:
            if "alert" in rule:
                named.setdefault(rule["alert"], []).append(rule)
        return named

    @property
    def records(self) -> dict[str, Rule]:
        """Recording rules by the record's name."""
        return {rule["record"]: rule for rule in self.all if "record" in rule}


def with_recorded(group: str, rules: Sequence[Mapping[str, Any]]) -> Rules:
    """Rules made by a test."""
    return Rules(groups=[{"name": group, "rules": [dict(rule) for rule in rules]}])


def check(promtool: Path, folder: Path, rules: Rules) -> None:
    """Let promtool parse the rules; it also complains about duplicates."""
    path = folder / "rules.yaml"
    path.write_text(json.dumps({"groups": rules.groups}))  # JSON is YAML
    done = subprocess.run(
        [promtool, "check", "rules", "--lint=all", "--lint-fatal", path], capture_output=True, text=True, check=False
    )

    assert 0 == done.returncode, done.stdout + done.stderr


def passes(
    promtool: Path,
    folder: Path,
    rules: Rules,
    *,
    series: Mapping[str, str],
    interval: str = "5s",
    evaluation: str = "30s",
    values: Sequence[Mapping[str, Any]] = (),
    alerts: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Run the rules on series and compare.

    Args:
        promtool: The program.
        folder: For its files.
        rules: What is evaluated.
        series: Values in promtool's notation by series.
        interval: Between two of them.
        evaluation: Between two evaluations.
        values: `promql_expr_test` of promtool.
        alerts: `alert_rule_test` of promtool.
    """
    (folder / "rules.yaml").write_text(json.dumps({"groups": rules.groups}))
    test = {
        "interval": interval,
        "input_series": [{"series": name, "values": text} for name, text in series.items()],
        "promql_expr_test": list(values),
        "alert_rule_test": list(alerts),
    }
    path = folder / "test.yaml"
    # Without an order promtool takes a new one at each run, and alerts may miss what was recorded at the same time.
    order = [group["name"] for group in rules.groups]
    settings = {"rule_files": ["rules.yaml"], "evaluation_interval": evaluation, "group_eval_order": order}
    path.write_text(json.dumps({**settings, "tests": [test]}))
    done = subprocess.run([promtool, "test", "rules", path], capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stdout + done.stderr


def expected_alert(rule: Rule, *, labels: Mapping[str, str], says: Sequence[str]) -> dict[str, Any]:
    """What promtool is to find: the rule's own texts, with what its placeholders become."""
    words = iter(says)
    annotations = {
        name: re.sub(r"\{\{.*?\}\}", lambda _: next(words), text) for name, text in sorted(rule["annotations"].items())
    }
    assert next(words, None) is None, f"{rule['alert']}: fewer placeholders than words"
    return {"exp_labels": {**rule["labels"], **labels}, "exp_annotations": annotations}


def metrics_in(expression: str) -> set[str]:
    """Names of the metrics that an expression reads."""
    return set(
        re.findall(r"\b((?:nv|kube|keda|DCGM)_[A-Za-z0-9_]+|slipway:[a-zA-Z0-9_:]+|up)\b(?=[{\[) ]|$)", expression)
    )
