from slipway.triton._drain import Activity


class Clock:
    def __init__(self):
        self.now_s = 0.0

    def monotonic(self):
        self.now_s += 1
        return self.now_s


def watched(monkeypatch, tmp_path):
    monkeypatch.setattr("slipway.triton._drain.time", Clock())
    return Activity(tmp_path)


def count(tmp_path, **counters):
    for name, value in counters.items():
        (tmp_path / name).write_bytes(value.to_bytes(8, "little"))


def test_even_counters_that_stand_still_are_quiet(monkeypatch, tmp_path):
    count(tmp_path, a=0, b=256)
    activity = watched(monkeypatch, tmp_path)
    quiet_s = [activity.quiet_s() for _ in range(3)]

    assert [0, 1, 2] == quiet_s


def test_a_request_in_hand_and_one_that_came_and_went_are_not_quiet(monkeypatch, tmp_path):
    count(tmp_path, a=3, b=4)
    activity = watched(monkeypatch, tmp_path)
    busy = [activity.quiet_s() for _ in range(3)]
    count(tmp_path, a=4)
    answered = [activity.quiet_s() for _ in range(2)]
    count(tmp_path, a=6)

    assert [0, 0, 0] == busy
    assert [0, 1] == answered
    assert 0 == activity.quiet_s()


def test_a_backend_that_does_not_count_is_never_quiet(monkeypatch, tmp_path):
    activity = watched(monkeypatch, tmp_path / "none")

    assert [0, 0, 0] == [activity.quiet_s() for _ in range(3)]
