"""The charts on a real control plane of this machine: GPU nodes are simulated, replicas are real tritonservers.

    slipway cluster up                  # kube-apiserver, scheduler, KServe, KEDA, Karpenter, Prometheus as processes
    slipway rehearse step               # six times the load: does the autoscaler follow, and what do users notice?

Packages, each with one job; imports go downwards:

* `experiment`   one rehearsal: scenario, faults, load, observations, verdict, report
* `cluster`      the control plane: its programs, processes and nodes, the node agent, gateway and monitoring
"""
