"""The folder of a printed command."""

import pytest

from slipway.triton import ServeError, ServerSettings, prepare_to_print


def test_a_cache_that_cannot_be_written_names_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setenv("SLIPWAY_CACHE", str(tmp_path))
    (tmp_path / "printed").touch()
    with pytest.raises(ServeError, match=r"cannot make the folder .*/printed/slipway-printed-.*SLIPWAY_CACHE"):
        prepare_to_print(ServerSettings(repository=tmp_path))


def test_another_process_that_prints_the_same_at_once_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("SLIPWAY_CACHE", str(tmp_path))
    settings = ServerSettings(repository=tmp_path / "none")
    with pytest.raises(ServeError, match="none"):
        prepare_to_print(settings)
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)  # the other one makes it just after
    with pytest.raises(ServeError, match=r"File exists; .*print it again if another process prints the same"):
        prepare_to_print(settings)
