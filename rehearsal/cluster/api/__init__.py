"""The Kubernetes API as the rehearsal uses it: a kubeconfig's client, and objects followed by a watch."""
