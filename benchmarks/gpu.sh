#!/usr/bin/env bash
# A server on the GPU beside the same server on the CPU, on a machine that has nothing but Python 3.12, a C compiler,
# NVIDIA's driver and libraries, and perhaps no network.
#
#     benchmarks/gpu.sh                    # results.json and the servers' logs in $OUT, or gpu-results/
#     benchmarks/gpu.sh --cpu-only --quick # every part that needs no GPU, in less than a minute
#
# Without network, bring along what is missing: benchmarks/gpu_bundle.py makes .gpu-bundle/site.tar.xz; without a C
# compiler, `python -m slipway.triton.prebuild` makes slipway/triton/onnxruntime_backend/prebuilt. What is not there
# (TensorRT, above all) is left out, and the results say so. It takes ten minutes at most, unpacking included.
set -euo pipefail
cd "$(dirname "$0")/.."
OUT=${OUT:-gpu-results}
PYTHON=${PYTHON:-python3}
bundle=${BUNDLE-.gpu-bundle/site.tar.xz}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PYTHONPATH=$PWD SLIPWAY_CACHE=${SLIPWAY_CACHE:-$work/cache}
repository=model_repository
if [ -f "$bundle" ]; then
  tar -xJf "$bundle" -C "$work"
  export PYTHONPATH=$PWD:$work/site
  repository=$work/site/model_repository
fi
mkdir -p "$OUT"
# Not longer than ten minutes, whatever happens: a driver may hang.
timeout --kill-after=10 560 "$PYTHON" benchmarks/gpu.py --repository "$repository" --output "$OUT" "$@"
