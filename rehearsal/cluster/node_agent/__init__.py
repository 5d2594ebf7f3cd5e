"""The node agent: replaces the kubelet for real pods, whose containers run as local processes.

    python -m rehearsal.cluster.node_agent --cluster FOLDER ...

Real: the containers' own commands, arguments and environment; init containers; probes; preStop, SIGTERM and the grace
period; exit codes, restarts and their back-off; conditions, phases and events, as the kubelet reports them; logs, for
`kubectl logs`.

Not emulated:

* limits of CPU, memory and processes: no container is OOM-killed, all share this machine's cores
* user and group ids, capabilities, seccomp, a read-only root: containers run as the user who started the cluster
* mount and network namespaces: a mount path inside commands, arguments and environment is replaced by the local
  folder, `/dev/shm` is this machine's, every pod has its own loopback address, and a program that listens on
  0.0.0.0 listens on all of them
* process 1: SIGTERM ends a program without a handler; in a container it would not
* the node's address: `status.hostIP` is the pod's own
* network policy, DNS (names of predictors' Services become the gateway's address), Services
* image pulls: `tritonserver` is the local one, `slipway-client` this environment's `slipway`; other images end in
  ErrImagePull
* `kubectl exec` and `port-forward`
* times of log lines: `--timestamps` shows when a line was read, `--since` is rejected
* sidecars (init containers with `restartPolicy`), ephemeral containers, postStart, readiness gates, resizing in place
"""
