from pathlib import Path

import pytest

from rehearsal.cluster.toolchain.store import default_cache
from slipway.platform.cache import cache_folder


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"SLIPWAY_CACHE": "/big", "XDG_CACHE_HOME": "/xdg"}, "/big"),
        ({"SLIPWAY_CACHE": "", "XDG_CACHE_HOME": "/xdg"}, "/xdg/slipway"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/home/ada"}, "/home/ada/.cache/slipway"),
        ({"XDG_CACHE_HOME": "", "HOME": "/home/ada"}, "/home/ada/.cache/slipway"),
    ],
    ids=["chosen", "xdg", "relative xdg is ignored", "home"],
)
def test_one_rule_says_where_everything_is_kept(monkeypatch, variables, expected):
    monkeypatch.delenv("SLIPWAY_CACHE", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert Path(expected) == cache_folder()
    assert Path(expected, "rehearsal") == default_cache()


def test_a_relative_choice_is_below_the_working_directory(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLIPWAY_CACHE", "here")

    assert tmp_path / "here" == cache_folder()
