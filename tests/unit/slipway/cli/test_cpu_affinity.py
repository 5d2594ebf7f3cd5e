import os
import subprocess
import sys

import pytest

from slipway.cli._cpu_affinity import CpusInvalid, parse_cpus

EIGHT = frozenset(range(8))


@pytest.mark.parametrize(
    ("text", "cores"), [("0", {0}), ("0,2", {0, 2}), ("1-3", {1, 2, 3}), ("0, 4-5,7", {0, 4, 5, 7})]
)
def test_numbers_and_ranges_name_cores(text, cores):
    assert cores == parse_cpus(text, EIGHT)


@pytest.mark.parametrize("text", ["", "a", "0-", "-1", "8", "6-9", "3-1", "0;1"])
def test_what_names_no_available_core_is_refused(text):
    with pytest.raises(CpusInvalid, match="expected"):
        parse_cpus(text, EIGHT)


def test_children_of_a_bound_process_are_bound():
    core = min(os.sched_getaffinity(0))
    program = (
        f"from slipway.cli._cpu_affinity import set_cpu_affinity; set_cpu_affinity('{core}'); import subprocess, sys; "
        "print(subprocess.check_output([sys.executable, '-c', 'import os; print(os.sched_getaffinity(0))'], text=True))"
    )
    printed = subprocess.check_output([sys.executable, "-c", program], text=True)

    assert f"{{{core}}}" == printed.strip()
