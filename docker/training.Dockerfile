# check=error=true
#
# The training job, its gates and publishing, for CPUs or for NVIDIA GPUs; built from the repository's root:
#
#     docker build -f docker/training.Dockerfile -t slipway-training:0.1.0 .
#     docker build -f docker/training.Dockerfile -t slipway-training:0.1.0-gpu --build-arg ACCELERATOR=gpu .
#
# The GPU variant needs no CUDA base image: its lock brings NVIDIA's libraries as wheels, the node brings the driver.

ARG PYTHON_IMAGE=python:3.11.15-slim-trixie

FROM ${PYTHON_IMAGE} AS build
ARG ACCELERATOR=cpu
# Bytecode is compiled here, for the folder is read-only later; it names its source by a hash, not by a time.
ENV PIP_ROOT_USER_ACTION=ignore \
    PYC_INVALIDATION_MODE=UNCHECKED_HASH \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /src
COPY requirements/uv.txt requirements/build.txt requirements/ziglang.txt requirements/training.txt requirements/training-gpu.txt requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m pip install --require-hashes -r requirements/uv.txt -r requirements/build.txt -r requirements/ziglang.txt
RUN --mount=type=cache,target=/root/.cache/uv \
    case "${ACCELERATOR}" in \
        cpu) lock=requirements/training.txt ;; \
        gpu) lock=requirements/training-gpu.txt ;; \
        *) echo "ACCELERATOR: expected cpu or gpu, got '${ACCELERATOR}'" >&2; exit 1 ;; \
    esac \
    && uv venv --python /usr/local/bin/python /opt/slipway \
    && uv pip install --python /opt/slipway/bin/python --no-deps --require-hashes -r "${lock}"
COPY pyproject.toml README.md LICENSE ./
COPY slipway slipway
COPY training training
COPY loadtest loadtest
COPY rehearsal rehearsal
# The wheel and its bytecode hold this time, not that of their making: two builds hold the same bytes.
ARG SOURCE_DATE_EPOCH=1577836800
RUN python -m hatchling build --target wheel --directory /dist \
    && python -m pip --python /opt/slipway/bin/python install --no-cache-dir --no-deps --no-index --find-links /dist slipway-serving
# The server's native backend is compiled here: the image has no compiler.
RUN CC="python -m ziglang cc -target $(uname -m)-linux-gnu.2.17" /opt/slipway/bin/python -I -m slipway.triton.prebuild

FROM ${PYTHON_IMAGE}
ARG PYTHON_IMAGE
ARG VERSION=0.1.0
ARG REVISION=""
LABEL org.opencontainers.image.title="slipway-training" \
      org.opencontainers.image.description="Training job of Slipway: fit, gates, export, publish" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}"
# The user has a name for what asks for it, and one folder of its own. The base image's installers have done their work;
# the environment holds a pip of its own, out of the lock, for MNIST may come as a wheel.
RUN python -m pip uninstall --yes --root-user-action=ignore pip setuptools wheel \
    && echo 'slipway:x:1000:1000::/tmp:/usr/sbin/nologin' >> /etc/passwd \
    && echo 'slipway:x:1000:' >> /etc/group \
    && install --directory --owner=1000 --group=1000 /work
COPY --from=build /opt/slipway /opt/slipway
# With a read-only root file system, /tmp is all that must be writable, and the output folders of a command.
# Which GPUs a container sees is the node's decision; the capabilities say what of the driver it needs.
ENV PATH=/opt/slipway/bin:$PATH \
    HOME=/tmp \
    TMPDIR=/tmp \
    XDG_CACHE_HOME=/tmp/cache \
    KERAS_HOME=/tmp/keras \
    MPLCONFIGDIR=/tmp/matplotlib \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    ORT_DISABLE_TELEMETRY=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /work
USER 1000:1000
# Kubernetes probes; nothing else should.
HEALTHCHECK NONE
ENTRYPOINT ["slipway"]
CMD ["--help"]
