# Serves one published version, and only if its files are those that the training job listed in its manifest.
set -euo pipefail
export LC_ALL=C

fail() {
  echo "start-triton: $*" >&2
  exit 1
}

newest() {
  for folder in "$model"/[1-9]*/; do
    name="$(basename "$folder")"
    case "$name" in *[!0-9]*) continue ;; esac
    # The manifest is published last: without it the version is not there yet.
    [ "$CHECK_INTEGRITY" = false ] || [ -f "$folder/manifest.sha256" ] || continue
    echo "$name"
  done | sort -n | tail -n 1
}

model="$MODEL_STORE/$MODEL_NAME"
[ -f "$model/config.pbtxt" ] ||
  fail "expected $model/config.pbtxt, found none: model.storageUri must name the folder that holds $MODEL_NAME/"
version="${MODEL_VERSION:-$(newest)}"
[ -n "$version" ] || fail "no published version in $model: run the training job, or see which folders it holds"
[ -d "$model/$version" ] || fail "version $version is not in $model: set model.version to one that is published"

if [ "$CHECK_INTEGRITY" = true ]; then
  cd "$model/$version"
  [ -f manifest.sha256 ] || fail "version $version has no manifest.sha256: publish it again"
  # Names each file that is changed or missing.
  sha256sum --check --strict --quiet manifest.sha256 >&2 ||
    fail "version $version is not what was published, see the files named above: publish it again, or set model.version"
  unlisted="$(comm -13 <(cut -c 67- manifest.sha256 | sort) <(find . ! -type d ! -path ./manifest.sha256 -printf '%P\n' | sort))"
  [ -z "$unlisted" ] || fail "version $version holds files that its manifest does not list: $unlisted"
  cd /
fi

# Triton is shown this one version, so that every pod serves the same and what was checked is what is loaded.
rm -rf "${MODEL_VIEW:?}/$MODEL_NAME"
mkdir -p "$MODEL_VIEW/$MODEL_NAME"
for entry in "$model"/*; do
  case "$(basename "$entry")" in *[!0-9]*) ln -s "$entry" "$MODEL_VIEW/$MODEL_NAME/" ;; esac
done
ln -s "$model/$version" "$MODEL_VIEW/$MODEL_NAME/$version"
echo "start-triton: serving version $version of $MODEL_NAME"

# Made anew at every start, and held by no object of the cluster. Not exported: Triton's children inherit its variables.
if [ "$RESTRICT_ADMIN_APIS" = true ]; then
  key="$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')"
  rm -f "$ADMIN_KEY_FILE"
  (umask 077 && echo "$key" >"$ADMIN_KEY_FILE")
  closed="model-repository,shared-memory,trace,logging:slipway-admin=$key"
  set -- "$@" --http-restricted-api="$closed" --grpc-restricted-protocol="$closed"
fi
exec tritonserver "$@"
