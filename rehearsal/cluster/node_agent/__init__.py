"""The kubelet's part for the pods that kwok leaves alone: their containers run as processes of this machine.

    python -m rehearsal.cluster.node_agent --cluster FOLDER ...

Real: the containers' own commands, arguments and environment; init containers; probes; preStop, SIGTERM and the grace
period; exit codes, restarts and their back-off; conditions, phases and events, as the kubelet reports them; logs, as
`kubectl logs` asks for them.

Not emulated:

* limits of CPU, memory and processes: nothing is OOM-killed, every container shares this machine's cores
* user and group ids, capabilities, seccomp, a read-only root: containers run as the user who started the cluster
* mount and network namespaces: a mount path inside commands, arguments and environment is replaced by the local
  folder, `/dev/shm` is this machine's, every pod has a loopback address of its own, and a program that listens on
  0.0.0.0 listens for all of them
* process 1: a program that has no handler for SIGTERM ends by it, in a container it would not
* the node's address: `status.hostIP` is the pod's own
* network policy, DNS (names of predictors' Services become the gateway's address), Services
* image pulls: `tritonserver` is the one of this machine, `slipway-client` this environment's `slipway`; other images
  end in ErrImagePull
* `kubectl exec` and `port-forward`
* times of a log's lines: those of `--timestamps` are when a line was read, `--since` is refused
* sidecars (init containers with `restartPolicy`), ephemeral containers, postStart, readiness gates, resizing in place
"""
