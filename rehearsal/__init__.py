"""The charts on a real control plane of this machine: GPU nodes are simulated, replicas are real tritonservers.

    slipway cluster up                  # kube-apiserver, scheduler, KServe, KEDA, Karpenter, Prometheus as processes
    slipway rehearse step               # six times the load: does the autoscaler follow, and what do users notice?

Packages, each with one job; imports go downwards:

* `scenarios` + `run`   an experiment: chart, load, faults, what was seen, verdict, report
* `agent`               runs the containers of InferenceService pods as local processes
* `gateway`             Envoy in front of the ready pods
* `monitoring`          what the Prometheus operator wrote, for the Prometheus process
* `controlplane`        certificates, ports, processes, health
* `build`               the Go programs, built once into the user's cache
"""
