"""What one process of the load generator offers and notes, against real gRPC and HTTP servers on this machine."""

import pytest

from tests.unit.generator_program import closed, metronome, offered, percentile_ms

NOT_SENT = "not sent: no room in flight"
STOPPED = "stopped: Locust stopped its user"
PATIENT = {"timeout_s": 30}


def test_latency_counts_from_when_a_request_was_due_however_long_it_waited_for_room(fake):
    fake.delay_s = 0.02
    told = offered(fake.url, arrivals=metronome(100, 1), target=PATIENT, generator={"max_in_flight": 1})
    latency_ms, service_ms = (kind.percentile_ns(50) / 1e6 for kind in (told.whole.latency, told.whole.service))
    published_ms = percentile_ms([latency_ns for latency_ns, _ in told.published], 50)

    assert (100, 100) == (told.whole.due, told.whole.answered)
    assert 20 <= service_ms
    assert 5 * service_ms <= latency_ms, "the server was the limit, and the wait for it is latency"
    assert pytest.approx(latency_ms, rel=0.05) == published_ms, "Locust's own statistics count from due, too"


def test_a_schedule_is_offered_whole_and_nothing_is_dispatched_early(fake):
    told = offered(fake.url, arrivals=metronome(200, 1), warmup_s=0.5)

    assert {-1: 100, 0: 200} == {second: part.due for second, part in told.parts.items()}
    assert 300 == told.whole.answered == told.whole.images
    assert 0 <= told.whole.lag.percentile_ns(0)
    assert 300 == told.whole.lag.count
    assert (True, "", 0) == (told.finished, told.failed, told.more)


def test_processes_share_one_schedule_and_send_each_request_once(grpc_fake):
    arrivals = metronome(100, 1)
    shares = [offered(grpc_fake.url, arrivals=arrivals, share=share, shares=3).whole.due for share in range(3)]

    assert [34, 33, 33] == shares
    assert 100 == grpc_fake.asked["infer"]


def test_a_request_that_finds_no_room_within_its_time_is_an_error_and_is_not_sent(grpc_fake):
    grpc_fake.delay_s = 0.1
    told = offered(
        grpc_fake.url,
        arrivals=metronome(100, 0.5),
        target={"timeout_s": 0.3},
        generator={"max_in_flight": 1},
    )
    not_sent = told.whole.errors[NOT_SENT]

    assert 50 == told.whole.due
    assert not_sent > 25
    assert 50 - not_sent >= grpc_fake.asked["infer"]
    assert told.whole.answered <= 5


def test_a_late_answer_is_an_error_at_the_time_from_due(fake):
    fake.delay_s = 1.5
    told = offered(fake.url, arrivals=metronome(10, 0.5), target={"timeout_s": 0.6})

    assert {"deadline": 5} == {kind.partition(" ")[0]: count for kind, count in told.whole.errors.items()}
    assert 0 == told.whole.answered == told.whole.latency.count


@pytest.mark.parametrize(("share", "wrong"), [(1.0, 40), (0.0, 0)])
def test_a_wrong_answer_is_an_error_where_answers_are_checked(grpc_fake, share, wrong):
    told = offered(grpc_fake.url, arrivals=metronome(40, 1), wrong_by=1, correctness={"check_share": share})

    assert wrong == told.whole.errors.get("wrong answer", 0)
    assert 40 - wrong == told.whole.answered
    assert wrong == sum(error == "wrong answer" for _, error in told.published)


def test_users_of_a_closed_loop_wait_for_each_answer_and_think(grpc_fake):
    grpc_fake.delay_s = 0.05
    arrivals = closed(users=2, duration_s=1.0, think_time_ms=50)
    told = offered(grpc_fake.url, arrivals=arrivals, users=2)

    assert 2 <= told.whole.due <= 22, "two users, at least a tenth of a second for each request"
    assert told.whole.latency.max_ns == told.whole.service.max_ns, "due is when it is sent"
    assert told.finished


def test_a_user_that_is_taken_away_leaves_its_request_as_an_error(grpc_fake):
    gate = grpc_fake.hold("infer")
    try:
        told = offered(grpc_fake.url, arrivals=metronome(20, 1), users=1, stop_s=0.5)
    finally:
        gate.set()

    assert {STOPPED: 1} == told.whole.errors
    assert not told.finished


def test_a_user_that_meets_what_no_request_can_bring_about_ends_the_run_with_its_reason(grpc_fake):
    told = offered(
        grpc_fake.url,
        arrivals=metronome(50, 30),
        defect="generator._open = lambda: (_ for _ in ()).throw(LookupError('no such door'))",
    )

    assert "LookupError: no such door" == told.failed
    assert not told.finished


def test_a_dispatcher_that_breaks_ends_the_run_with_its_reason(grpc_fake):
    told = offered(grpc_fake.url, arrivals=metronome(50, 30), defect="generator._ready = None")

    assert told.failed.startswith("AttributeError: ")
    assert not told.finished
