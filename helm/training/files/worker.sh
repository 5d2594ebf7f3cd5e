# Trains as one worker of several: says who they are in TF_CONFIG, which is how TensorFlow finds them.
set -eu
trained="$RUN_DIR/trained"

# Whoever comes back after the last epoch would wait for the others for ever: the first goes on alone, with what is on disk.
if [ ! -e "$trained" ]; then
  workers=""
  i=0
  while [ "$i" -lt "$WORKERS" ]; do
    workers="$workers${workers:+,}\"$JOB_NAME-$i.$WORKER_DOMAIN:$WORKER_PORT\""
    i=$((i + 1))
  done
  export TF_CONFIG="{\"cluster\":{\"worker\":[$workers]},\"task\":{\"type\":\"worker\",\"index\":$JOB_COMPLETION_INDEX}}"
elif [ "$JOB_COMPLETION_INDEX" != 0 ]; then
  exit 0
fi

[ "$JOB_COMPLETION_INDEX" != 0 ] || exec slipway "$@"
slipway "$@" &
training=$!
# A shell that is a container's first process passes no signal on by itself.
trap 'kill "$training"; wait "$training"' TERM
wait "$training"
mkdir -p "$RUN_DIR"
: >"$trained"
