import pytest

from slipway.triton import RestartsUsedUp, ServerDied, supervise


class Killed(ServerDied):
    def __init__(self):
        super().__init__("tritonserver was killed", exit_code=-9, reason="its log gives no reason")


class Clock:
    """In place of the module `time`: sleeping is instant, and a server that runs takes the time it says."""

    def __init__(self):
        self.now_s = 0.0
        self.pauses_s = []

    def monotonic(self):
        return self.now_s

    def sleep(self, seconds):
        self.pauses_s.append(seconds)
        self.now_s += seconds


class MortalServer:
    """Lives for so many seconds after each start; None at a start that fails."""

    def __init__(self, clock, lives_s):
        self.clock, self.lives_s, self.restarts = clock, iter(lives_s), 0
        self.life_s = next(self.lives_s)

    def restart(self):
        self.restarts += 1
        self.life_s = next(self.lives_s)
        if self.life_s is None:
            raise Killed

    def wait(self):
        self.clock.now_s += self.life_s
        raise Killed


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("slipway.triton._supervise.time", clock)
    return clock


def told(server, restarts):
    said = []
    with pytest.raises(ServerDied if restarts == 0 else RestartsUsedUp) as caught:
        supervise(server, restarts=restarts, tell=said.append)
    return said, str(caught.value)


def test_the_pause_doubles_and_the_limit_ends_it_with_the_reason(clock):
    server = MortalServer(clock, [1, 1, None, 1, 1, 1])
    said, reason = told(server, 5)

    assert 5 == server.restarts
    assert [0.5, 1, 2, 4, 8] == clock.pauses_s
    assert 4 == said.count("tritonserver answers again")
    assert "given up after 5 restarts in ten minutes (`--restarts`): tritonserver was killed" == reason


def test_a_pause_is_half_a_minute_at_the_most(clock):
    told(MortalServer(clock, [1] * 10), 9)

    assert [0.5, 1, 2, 4, 8, 16, 30, 30, 30] == clock.pauses_s


def test_failures_of_long_ago_do_not_count(clock):
    server = MortalServer(clock, [1] + [700] * 20 + [1, 1])
    told(server, 2)

    assert 22 == server.restarts
    assert {0.5} == set(clock.pauses_s[:21])


def test_no_restart_is_the_failure_itself(clock):
    server = MortalServer(clock, [1])

    assert ([], "tritonserver was killed") == told(server, 0)
