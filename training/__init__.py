"""The training job: data, network, augmentation, fit, evaluation, gates, export, publication.

    slipway train --recipe mnist                    the command
    training.job.train_and_publish(request, steps)  the same from Python

Importing this package loads no TensorFlow: only the modules that train do.
"""

__all__: list[str] = []
