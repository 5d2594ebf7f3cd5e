"""The gateway of a rehearsal: a real Envoy in front of the ready pods, configured like by a Gateway API controller.

    python -m rehearsal.cluster.gateway --cluster FOLDER      # ends when Envoy ends

* `services`        pods, InferenceServices and HTTPRoutes to what a gateway knows of them
* `resources`       that to Envoy's clusters, endpoints and routes
* `envoy`           what Envoy is started with, its process, and the folder it reads
* `__main__`        from the API server's changes to Envoy's files
"""

__all__: list[str] = []
