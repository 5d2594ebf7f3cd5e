from slipway.triton._backend_processes import _in_words


def test_a_backend_that_a_nameless_signal_ended_is_told_of():
    status = 40  # as wait(2) gives it

    assert "was killed by signal 40" == _in_words(status)
