"""An API server behind a transport: lists, one Deployment, and what it was told."""

import json

import httpx

from rehearsal.cluster.api.client import ApiClient

DEPLOYMENT = {"spec": {"replicas": 3}, "status": {"readyReplicas": 2, "updatedReplicas": 3}}


class Api:
    """An API server that answers with what it was given, and keeps what it was told."""

    def __init__(self, *, deployment=DEPLOYMENT, **lists):
        self.deployment = deployment
        self.lists = {"nodes": [], "pods": [], "nodepools": [], "events": [], **lists}
        self.told = []
        self.away = False

    def __call__(self, request):
        if self.away:
            raise httpx.ConnectError("no server listens", request=request)
        kind = request.url.path.rpartition("/")[2]
        if request.method != "GET":
            content = json.loads(request.content) if request.content else None
            self.told.append((request.method, request.url.path, content))
            if request.method == "DELETE":
                self.lists[request.url.path.split("/")[-2]] = []
            return httpx.Response(200, json={})
        if kind == "mnist-predictor" and self.deployment is not None:
            return httpx.Response(200, json=self.deployment)
        if kind not in self.lists:
            return httpx.Response(404, json={})
        return httpx.Response(200, json={"items": self.lists[kind]})

    def client(self):
        return ApiClient(httpx.AsyncClient(transport=httpx.MockTransport(self), base_url="https://api"))
