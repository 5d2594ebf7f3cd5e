"""Run the charts on a real local control plane: GPU nodes are simulated, replicas are real tritonservers.

    slipway cluster up                  # kube-apiserver, scheduler, KServe, KEDA, Karpenter, Prometheus as processes
    slipway rehearse step               # the load rises sixfold: how the autoscaler reacts, and what users notice

Packages, each with one job; imports go downwards:

* `experiment`   one rehearsal: scenario, faults, load, observations, verdict, report
* `cluster`      the control plane: its programs, processes and nodes, the node agent, gateway and monitoring
"""
