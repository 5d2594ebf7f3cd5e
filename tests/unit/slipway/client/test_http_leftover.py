"""What a server sends without being asked is nobody's answer."""

import pytest

from tests.unit.client_variants import VARIANTS, using


@pytest.mark.parametrize("variant", VARIANTS)
def test_second_answer_to_one_question_is_not_the_answer_to_the_next(unserved, open_http, digits, variant):
    unserved.answers = 2

    def use(ask):
        return [ask("predict", digits([digit])).labels for digit in (3, 7, 5)]

    assert [("3",), ("7",), ("5",)] == using(variant, open_http(unserved), use)


@pytest.mark.parametrize("variant", VARIANTS)
def test_second_answer_that_comes_through_a_proxy_is_not_one_either(unserved, through_proxy, digits, variant):
    unserved.answers = 2

    def use(ask):
        return [ask("predict", digits([digit])).labels for digit in (3, 7)]

    assert [("3",), ("7",)] == using(variant, through_proxy, use)


@pytest.fixture
def through_proxy(unserved, open_http, monkeypatch):
    """A URL whose requests all go to a proxy, which answers in the server's place."""
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", open_http(unserved))
    return "http://models.example"
