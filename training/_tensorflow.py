"""The one place where TensorFlow and Keras are imported, quietly.

    from training._tensorflow import keras, tf

TensorFlow reads its environment when it is imported, and its C++ side greets on standard error before any log level
counts. What it writes while it is imported is shown only if the import fails.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["keras", "tf"]

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # errors only


@contextmanager
def _stderr_kept_back() -> Iterator[None]:
    """Buffer what C++ code writes to file descriptor 2; write it out only if the body raises."""
    sys.stderr.flush()
    stderr_fd = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(stderr_fd, kept.read())
            raise
        finally:
            os.dup2(stderr_fd, 2)
            os.close(stderr_fd)


with _stderr_kept_back():
    import keras
    import tensorflow as tf
