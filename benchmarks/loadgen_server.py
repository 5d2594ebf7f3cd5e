"""MLPerf's LoadGen, Server scenario, against a Triton over gRPC. Run by referees.py in the referees' environment.

python loadgen_server.py HOST:PORT MODEL RATE_RPS DURATION_S FOLDER
"""

from __future__ import annotations

import random
import sys

import grpc
import mlperf_loadgen as lg
from tritonclient.grpc import service_pb2 as pb

SAMPLES = 256
PIXELS = 28 * 28


def main(address: str, model: str, rate_rps: float, duration_s: float, folder: str) -> None:
    """Let LoadGen schedule; send each query at once, and complete it when its answer is here."""
    generator = random.Random(0)
    requests = [_request(model, generator.randbytes(PIXELS)) for _ in range(SAMPLES)]
    call = grpc.insecure_channel(address).unary_unary("/inference.GRPCInferenceService/ModelInfer")

    def issue(queries: list[lg.QuerySample]) -> None:
        for query in queries:
            future = call.future(requests[query.index])
            future.add_done_callback(lambda done, query_id=query.id: _complete(done, query_id))

    settings = lg.TestSettings()
    settings.scenario = lg.TestScenario.Server
    settings.mode = lg.TestMode.PerformanceOnly
    settings.server_target_qps = rate_rps
    settings.min_duration_ms = int(duration_s * 1000)
    settings.min_query_count = int(rate_rps * duration_s)
    settings.server_target_latency_ns = 1_000_000_000
    output = lg.LogOutputSettings()
    output.outdir = folder
    log = lg.LogSettings()
    log.log_output = output
    sut = lg.ConstructSUT(issue, lambda: None)
    qsl = lg.ConstructQSL(SAMPLES, SAMPLES, lambda _: None, lambda _: None)
    lg.StartTestWithLogSettings(sut, qsl, settings, log)
    lg.DestroyQSL(qsl)
    lg.DestroySUT(sut)


def _request(model: str, pixels: bytes) -> bytes:
    request = pb.ModelInferRequest(model_name=model, raw_input_contents=[pixels])
    request.inputs.add(name="image", datatype="UINT8", shape=[1, 28, 28, 1])
    content: bytes = request.SerializeToString()
    return content


def _complete(done: grpc.Future, query_id: int) -> None:
    done.result()  # a failed answer ends the run
    lg.QuerySamplesComplete([lg.QuerySampleResponse(query_id, 0, 0)])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]), sys.argv[5])
