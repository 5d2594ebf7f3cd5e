"""Slipway takes a Keras classifier from training to an autoscaled GPU service on Kubernetes.

The public doors are the subpackages:

    slipway.contract      what a served model promises: tensors, labels, largest batch
    slipway.model_config  Triton's config.pbtxt, written from a contract and read back into one
    slipway.samples       labelled images that travel with a version
    slipway.repository    versions on disk: publish, verify, roll back, prune
    slipway.triton        a real tritonserver on this machine
    slipway.client        classify images over gRPC or HTTP
"""

__all__: list[str] = []
