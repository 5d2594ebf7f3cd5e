#!/usr/bin/env bash
# GPU node pools on an existing GKE Standard cluster, spot and on-demand, from zero.
#
#   PROJECT=my-project CLUSTER=slipway LOCATION=europe-west1 k8s/nodes/gke/node-pool.sh
#
# In a region, name with ZONES=europe-west1-b,europe-west1-c the zones that have the GPU, where not all of them do.
# GKE brings the driver and its own device plugin. Do not install the GPU operator beside them.
set -euo pipefail
: "${PROJECT:?name the project: PROJECT=my-project}"
: "${CLUSTER:?name the cluster: CLUSTER=slipway}"
: "${LOCATION:?name its region or zone: LOCATION=europe-west1}"

make_pool() { # make_pool <name> <largest size> <further options>...
  local name=$1 most=$2
  shift 2
  options=(
    --project "$PROJECT" --cluster "$CLUSTER" --location "$LOCATION" ${ZONES:+--node-locations "$ZONES"}
    # One L4 a node. GKE installs the driver that belongs to its version; `latest` is newer and less tested.
    --machine-type g2-standard-8
    --accelerator type=nvidia-l4,count=1,gpu-driver-version=default
    # From zero over all zones together. ANY takes the zone that has GPUs; BALANCED would wait for the one that has none.
    --enable-autoscaling --num-nodes 0 --total-min-nodes 0 --total-max-nodes "$most" --location-policy ANY
    # GKE sets this taint itself on GPU nodes beside others. Stated, it also holds in a cluster without other nodes.
    --node-taints nvidia.com/gpu=present:NoSchedule
    # Triton's image is large: a container starts while its image still streams in.
    --image-type COS_CONTAINERD --enable-image-streaming
    --disk-type pd-balanced --disk-size 100
    # Pods get their own identity, not the node's.
    --workload-metadata GKE_METADATA
    # A new node version comes one node at a time, the new one first.
    --max-surge-upgrade 1 --max-unavailable-upgrade 0
  )
  gcloud container node-pools create "$name" "${options[@]}" "$@"
}

# GKE's autoscaler takes the cheaper pool where both fit, so spot first. A spot node gives pods 15 seconds to end: too
# short for the serving chart's defaults. Set `shutdown: {drainSeconds: 5, exitTimeoutSeconds: 8, marginSeconds: 2}`, or
# keep a service off spot with `nodeSelector: {cloud.google.com/gke-accelerator: nvidia-l4, slipway/capacity: on-demand}`.
make_pool gpu-l4-spot 8 --spot --node-labels slipway/capacity=spot
make_pool gpu-l4-on-demand 4 --node-labels slipway/capacity=on-demand

# Removes idle nodes sooner, and packs pods on fewer. Headroom (the serving chart's `headroom`) is what keeps a GPU
# node warm, not a slow scale-down.
gcloud container clusters update "$CLUSTER" --project "$PROJECT" --location "$LOCATION" \
  --autoscaling-profile optimize-utilization
