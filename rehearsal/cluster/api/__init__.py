"""The rehearsal's Kubernetes client: requests, and watches of objects."""
