import pytest

from slipway.triton import ServeError
from slipway.triton._log import Explanation, ServerLog, explain, last_lines

# What tritonserver 2.51 wrote; only paths are shorter.
START = """\
W1123 20:03:53.071991 21026 pinned_memory_manager.cc:273] "Unable to allocate pinned system memory"
E1123 20:03:53.072096 21026 server.cc:241] "CudaDriverHelper has not been initialized."
I1123 20:03:53.073415 21026 model_lifecycle.cc:472] "loading: mnist:1"
"""
TABLE = """\
+-------+---------+--------------------------------------------------------+
| Model | Version | Status                                                 |
| mnist | 1       | UNAVAILABLE: Internal: TritonModelException: no ONNX   |
+-------+---------+--------------------------------------------------------+

"""
CAUSE = "/m/model.onnx cannot be loaded: [ONNXRuntimeError] : 7 : INVALID_PROTOBUF"
TRACEBACK = r"\n\nAt:\n  model.py(87): _open_session\n"
INSTANCE = (
    'E1123 20:03:54.344659 21026 backend_model.cc:692] "ERROR: Failed to create instance: TritonModelException: '
    f'{CAUSE}{TRACEBACK}"\n'
)
LOAD = (
    "E1123 20:03:54.350951 21026 model_lifecycle.cc:642] \"failed to load 'mnist' version 1: Internal: "
    f'TritonModelException: {CAUSE}{TRACEBACK}"\n'
)
END = f"""\
error: creating server: Invalid argument - load failed for model 'mnist': version 1 is at UNAVAILABLE state: \
Internal: TritonModelException: {CAUSE}

At:
  model.py(87): _open_session
;
"""

BAD_KEY = 'Error parsing text-format inference.ModelConfig: 73:16: no field named "max_batch_sizes".'
BAD_CONFIG = f"""\
[libprotobuf ERROR /build/text_format.cc:337] {BAD_KEY}
E1123 20:03:59.908194 21147 model_repository_manager.cc:1460] "Poll failed for model directory 'mnist'"
error: creating server: Internal - failed to load all models
"""
NO_GPU = "Invalid argument - load failed for model 'mnist': KIND_GPU but no GPUs are available"
PORT = """\
E1123 20:04:47.844166921   22091 chttp2_server.cc:1060]                UNKNOWN:No address added
E1123 20:04:47.844301 22091 main.cc:245] "failed to start GRPC service: Unavailable"
"""
LOADER = "error while loading shared libraries: libpython3.11.so.1.0: cannot open shared object file"


def test_the_first_complaint_is_the_reason_and_its_echoes_are_dropped():
    assert Explanation(reason=CAUSE, details=()) == explain(START + INSTANCE + INSTANCE + LOAD + TABLE + END)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BAD_CONFIG, BAD_KEY),
        (f"error: creating server: {NO_GPU};\n", NO_GPU),
        ("/opt/tritonserver: unrecognized option '--nonsense'\nUsage: ...\n", "unrecognized option '--nonsense'"),
        (PORT, "failed to start GRPC service: Unavailable"),
        (f"/b/triton_python_backend_stub: {LOADER}\n", LOADER),
        ("F1123 20:04:47.844301 22091 main.cc:1] Check failed: a == b\n", "Check failed: a == b"),
    ],
    ids=["configuration", "final", "option", "port", "library", "fatal"],
)
def test_reason(text, reason):
    assert reason == explain(START + text).reason


def test_a_complaint_that_comes_wrapped_twice_is_said_once():
    wrapped = (
        "E1123 20:03:58.87 2 model_lifecycle.cc:642] \"failed to load 'mnist' version 1: Invalid argument: no GPU\"\n"
    )
    final = "error: creating server: Invalid argument - load failed for model 'mnist': Invalid argument: no GPU;\n"

    assert Explanation(reason="no GPU", details=()) == explain(wrapped + final)


def test_other_complaints_follow_the_reason_in_their_order():
    lines = "".join(f'E1123 20:04:47.84 2 a.cc:1] "complaint {number}"\n' for number in range(9))

    assert Explanation(reason="complaint 0", details=tuple(f"complaint {n}" for n in range(1, 6))) == explain(lines)


def test_a_log_without_a_complaint_shows_its_last_lines():
    assert Explanation(reason="its log gives no reason", details=("one", "two")) == explain(
        "one\n\n| a |\n+---+\ntwo\n"
    )
    assert Explanation(reason="its log gives no reason", details=()) == explain("")


def test_last_lines_leave_tables_and_empty_lines_out():
    assert ("after",) == last_lines(f"before\n{TABLE}after\n", 1)
    assert ("before", "after") == last_lines(f"before\n{TABLE}after\n", 5)


def test_a_log_file_is_appended_and_only_this_servers_part_is_read(tmp_path):
    path = tmp_path / "triton.log"
    path.write_text("an older server\n")
    log = ServerLog(path)
    log.file.write(b"this server\n")
    log.file.flush()

    assert "this server\n" == log.text()
    log.close()
    log.close()
    assert "this server\n" == log.text()
    assert "an older server\nthis server\n" == path.read_text()


def test_reading_a_log_without_a_file_does_not_move_its_end():
    log = ServerLog(None)
    for line in (b"one\n", b"two\n"):
        log.file.write(line)
        log.file.flush()
        log.text()

    assert "one\ntwo\n" == log.text()
    log.close()


def test_a_log_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(ServeError, match=r"cannot write the log .*/no/triton\.log: No such file"):
        ServerLog(tmp_path / "no" / "triton.log")


PLANTED = 'error: creating server: planted\nE1123 20:03:53.0 1 main.cc:1] "planted"\n'


def test_what_looks_like_a_line_and_is_of_no_server_is_not_the_reason():
    assert CAUSE == explain(PLANTED + INSTANCE + END, pid=21026, killed=True).reason
    assert "its log gives no reason" == explain(PLANTED, pid=21026, killed=True).reason


@pytest.mark.parametrize("separator", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\r"])
def test_a_name_does_not_begin_a_line_of_its_own(separator):
    line = f'I1123 20:03:53.073415 21026 model_lifecycle.cc:472] "loading: mnist{separator}error: planted"\n'

    assert CAUSE == explain(line + INSTANCE).reason


@pytest.mark.parametrize("words", ["unrecognized option planted", "error while loading shared libraries: planted"])
def test_words_inside_a_line_of_the_log_or_a_table_are_not_the_reason(words):
    line = f'I1123 20:03:53.073415 21026 model_lifecycle.cc:472] "loading: {words}"\n'
    row = f"| model_repository_path[0] | /m/{words} |\n"

    assert CAUSE == explain(line + row + INSTANCE).reason


def test_nothing_in_a_reason_reaches_the_terminal_as_a_command():
    line = 'E1123 20:04:47.84 2 a.cc:1] "\x1b[2J\x07 cleared"\n'
    explanation = explain(line + 'E1123 20:04:47.84 2 a.cc:1] "\x1b]0;title"\n')

    assert (explanation.reason + "".join(explanation.details)).isprintable()
    assert all(each.isprintable() for each in explain("last \x1b[2J words\n").details)
