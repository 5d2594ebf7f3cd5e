"""A Triton in this process, on the real wires: the V2 protocol over gRPC and over HTTP, with answers on demand.

What it answers for an image is known: the label is the image's first pixel modulo the number of classes.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import grpc
import numpy as np
from google.protobuf import json_format

from slipway import protocol as pb
from slipway.contract import ModelContract
from slipway.model_config import ServingProfile, parse_config, render_config

CONTRACT = ModelContract(name="mnist", image_shape=(28, 28, 1), labels=tuple("0123456789"), max_batch_size=16)


class Said(NamedTuple):
    """A refusal as each protocol says it; HTTP status 0 ends the connection without a word."""

    grpc: grpc.StatusCode
    http: int
    text: str


class Refused(Exception):
    def __init__(self, said):
        self.said = said


class FakeTriton:
    def __init__(self):
        self.contract = CONTRACT
        self.version = "1"
        self.ready = True
        self.server_ready = True
        self.states = [{"name": "mnist", "version": "1", "state": "READY"}]
        self.faults = deque()  # for the next inferences, one each
        self.always = None  # for every inference
        self.listing_fault = None
        self.config_fault = None
        self.metadata_fault = (grpc.StatusCode.UNAVAILABLE, 503, "not told")
        self.delay_s = 0.0
        self.output = "probabilities"
        self.page = None  # what HTTP answers to everything, when this is no Triton
        self.drip_s = 0.0  # between two bytes of an HTTP answer
        self.answers = 1  # that HTTP gives to one inference, in one packet
        self.gates = {}
        self.mangle = lambda probabilities: probabilities
        self.batches = []
        self.asked = Counter()
        self.authorizations = []
        self.headers = []  # of each request, names in small letters; gRPC's :authority as host
        self.peers = set()  # gRPC's connections
        self.timeouts_us = []
        self.retry_after_s = None
        self.url = ""
        self._lock = threading.Condition()

    def fail(self, *said, times=None):
        """Answer the next inferences, or all, with (gRPC status, HTTP status, text)."""
        if times is None:
            self.always = Said(*said)
        else:
            self.faults.extend([Said(*said)] * times)

    def hold(self, question):
        """Answer no such question until the returned event is set."""
        self.gates[question] = threading.Event()
        return self.gates[question]

    def release(self):
        for gate in self.gates.values():
            gate.set()

    def wait_until_asked(self, question):
        with self._lock:
            self._lock.wait_for(lambda: self.asked[question], timeout=30)

    def count(self, question):
        with self._lock:
            self.asked[question] += 1
            self._lock.notify_all()
        if question in self.gates:
            self.gates[question].wait(30)

    def config(self):
        self.count("config")
        if self.config_fault:
            raise Refused(Said(*self.config_fault))
        return parse_config(render_config(self.contract, ServingProfile(accelerator="cpu", instances=1)))

    def metadata(self):
        """Inputs and outputs, for a server that has no configuration to show; a Refused where `metadata_fault` is."""
        self.count("metadata")
        if self.metadata_fault:
            raise Refused(Said(*self.metadata_fault))
        labels = len(self.contract.labels)
        return [("image", "UINT8", [-1, *self.contract.image_shape])], [("probabilities", "FP32", [-1, labels])]

    def is_ready(self):
        self.count("ready")
        return self.ready

    def index(self):
        self.count("index")
        if self.listing_fault:
            raise Refused(Said(*self.listing_fault))
        return self.states

    def infer(self, pixels, shape, timeout_us):
        self.count("infer")
        with self._lock:
            self.timeouts_us.append(timeout_us)
            fault = self.faults.popleft() if self.faults else self.always
        time.sleep(self.delay_s)
        if fault:
            raise Refused(fault)
        images = np.frombuffer(pixels, np.uint8).reshape(shape)
        with self._lock:
            self.batches.append(images)
        classes = len(self.contract.labels)
        return self.mangle(np.eye(classes, dtype=np.float32)[images[:, 0, 0, 0] % classes])


def grpc_handler(fake):
    """The service `inference.GRPCInferenceService`, answered by `fake`."""
    methods = {
        "ModelConfig": (pb.ModelConfigRequest, lambda _: pb.ModelConfigResponse(config=fake.config())),
        "ModelInfer": (pb.ModelInferRequest, lambda request: grpc_inference(fake, request)),
        "ModelMetadata": (pb.ModelMetadataRequest, lambda _: grpc_metadata(*fake.metadata())),
        "ModelReady": (pb.ModelReadyRequest, lambda _: pb.ModelReadyResponse(ready=fake.is_ready())),
        "RepositoryIndex": (
            pb.RepositoryIndexRequest,
            lambda _: pb.RepositoryIndexResponse(
                models=[pb.RepositoryIndexResponse.ModelIndex(**state) for state in fake.index()]
            ),
        ),
        "ServerReady": (pb.ServerReadyRequest, lambda _: pb.ServerReadyResponse(ready=fake.server_ready)),
    }

    def handler(request_type, answer):
        def call(request, context):
            fake.peers.add(context.peer())
            host = context._rpc_event.call_details.host.decode()
            fake.headers.append({**dict(context.invocation_metadata()), "host": host})
            fake.authorizations.append(fake.headers[-1].get("authorization"))
            try:
                return answer(request)
            except Refused as exc:
                context.abort(exc.said.grpc, exc.said.text)

        return grpc.unary_unary_rpc_method_handler(
            call, request_deserializer=request_type.FromString, response_serializer=lambda m: m.SerializeToString()
        )

    return grpc.method_handlers_generic_handler(
        "inference.GRPCInferenceService", {name: handler(*method) for name, method in methods.items()}
    )


def grpc_metadata(inputs, outputs):
    def tensors(lines):
        tensor = pb.ModelMetadataResponse.TensorMetadata
        return [tensor(name=name, datatype=datatype, shape=shape) for name, datatype, shape in lines]

    return pb.ModelMetadataResponse(name="mnist", inputs=tensors(inputs), outputs=tensors(outputs))


def grpc_inference(fake, request):
    tensor = request.inputs[0]
    timeout_us = request.parameters["timeout"].int64_param
    probabilities = fake.infer(request.raw_input_contents[0], list(tensor.shape), timeout_us)
    response = pb.ModelInferResponse(model_name=request.model_name, model_version=fake.version)
    response.outputs.add(name=fake.output, datatype="FP32", shape=probabilities.shape)
    response.raw_output_contents.append(probabilities.tobytes())
    return response


class HttpHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet per answer
    fake: FakeTriton

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.reply()

    def do_POST(self):
        self.reply()

    def reply(self):
        self.fake.headers.append({name.lower(): value for name, value in self.headers.items()})
        self.fake.authorizations.append(self.headers.get("Authorization"))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            status, headers, content = self.answer(body)
        except Refused as exc:
            if exc.said.http == 0:
                self.close_connection = True
                return
            status, headers, content = exc.said.http, {}, json.dumps({"error": exc.said.text}).encode()
            if self.fake.retry_after_s is not None:
                headers["Retry-After"] = str(self.fake.retry_after_s)
        if not self.fake.drip_s:
            for _ in range(self.fake.answers if self.path.endswith("/infer") else 1):
                self.begin(status, headers, content)
                self.wfile.write(content)
            return
        self.begin(status, headers, content)
        for byte in content:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(self.fake.drip_s)

    def begin(self, status, headers, content):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()

    def answer(self, body):
        if self.fake.page is not None:
            return 200, {"Content-Type": "text/html"}, self.fake.page
        if self.path.endswith("/config"):
            return 200, {}, json_format.MessageToJson(self.fake.config()).encode()
        if self.path == "/v2/health/ready":
            return (200 if self.fake.server_ready else 400), {}, b""
        if self.path.endswith("/ready"):
            return (200, {}, b"") if self.fake.is_ready() else (400, {}, b'{"error":"Model version not ready"}')
        if self.path == "/v2/repository/index":
            return 200, {}, json.dumps(self.fake.index()).encode()
        return self.metadata() if self.command == "GET" else self.inference(body)

    def metadata(self):
        names = ("name", "datatype", "shape")
        tensors = zip(("inputs", "outputs"), self.fake.metadata(), strict=True)
        told = {kind: [dict(zip(names, line, strict=True)) for line in lines] for kind, lines in tensors}
        return 200, {"Content-Type": "application/json"}, json.dumps({"name": "mnist", **told}).encode()

    def inference(self, body):
        length = int(self.headers["Inference-Header-Content-Length"])
        header = json.loads(body[:length])
        timeout_us = header["parameters"].get("timeout", 0)
        probabilities = self.fake.infer(body[length:], header["inputs"][0]["shape"], timeout_us)
        content = probabilities.tobytes()
        output = {
            "name": self.fake.output,
            "datatype": "FP32",
            "shape": probabilities.shape,
            "parameters": {"binary_data_size": len(content)},
        }
        head = json.dumps({"model_name": "mnist", "model_version": self.fake.version, "outputs": [output]}).encode()
        return 200, {"Inference-Header-Content-Length": str(len(head))}, head + content


class HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *args):
        """Say nothing of a client that went away."""
