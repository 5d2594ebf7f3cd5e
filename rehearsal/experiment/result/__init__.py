"""The result of a rehearsal: observations, verdict and metrics, as values that the report keeps."""
