# Serves one published version, and only the files that were listed in a manifest when it was published.
#
# What is listed is copied, and the copy is compared with the manifest: what Triton loads is what was checked, whoever
# changes the store meanwhile. What is in no manifest is not shown to Triton, which would run some names as code.
#
# The rules are those of slipway/repository/_manifest_text.py and _manifest.py; a test runs one table through both.
# Only bash, coreutils and findutils are used: the image has no more.
set -euo pipefail
export LC_ALL=C
umask_before="$(umask)"
umask 077

work="$MODEL_VIEW.new"
problem=""
declare -A listed folders # keys begin with ./ : bash takes @ and * for something else, and programs take - so

fail() {
  [ ! -s "$work/said" ] || cat "$work/said" >&2
  rm -rf "$work"
  echo "start-triton: $*" >&2
  exit 1
}

# Says why a check fails, and fails. What comes from the store is quoted.
wrong() {
  problem="$1"
  [ $# -eq 1 ] || problem="$problem $(printf '%q' "${2:0:200}")"
  return 1
}

is_file() {
  [ ! -L "$1" ] && [ -f "$1" ]
}

is_code() {
  local name="${1##*/}"
  case "${name,,}" in
    model.py | triton_python_backend_stub | *.so | *.so.* | *.tar | *.tar.* | *.tgz) return 0 ;;
  esac
  return 1
}

# Triton ends at a greater number: it does not fit into 64 bits.
is_version() {
  [[ "$1" =~ ^[1-9][0-9]{0,18}$ ]] && [[ ${#1} -lt 19 || ! "$1" > 9223372036854775807 ]]
}

newest() {
  local folder name
  for folder in "$model"/[1-9]*/; do
    name="$(basename "$folder")"
    is_version "$name" || continue
    # The manifest is published last: without it the version is not there yet.
    [ "$CHECK_INTEGRITY" = false ] || [ -f "$folder/manifest.sha256" ] || continue
    echo "$name"
  done | sort -n | tail -n 1
}

# Reads FOLDER/manifest.sha256 into `listed`, and the folders on the way to its files into `folders`.
read_manifest() {
  local copy="$work/manifest" line path number=0
  local -A seen=() # `file` or the folder's spelling, by the name in lower case
  listed=() folders=()
  is_file "$1/manifest.sha256" || wrong "it has no manifest.sha256" || return 1
  [ "$(stat -c %s -- "$1/manifest.sha256")" -le 1048576 ] || wrong "its manifest has over 1048576 bytes" || return 1
  rm -rf "$copy" && cp -RP -- "$1/manifest.sha256" "$copy" && is_file "$copy" ||
    wrong "its manifest.sha256 cannot be read" || return 1
  [ -s "$copy" ] || wrong "its manifest is empty" || return 1
  # No control character (a carriage return, NUL), no backslash (an escaped name), nothing beyond ASCII.
  [ "$(tr -d '\n\040-\133\135-\176' <"$copy" | wc -c)" -eq 0 ] ||
    wrong "its manifest has a backslash, or bytes that are no printable ASCII" || return 1
  [ "$(tail -c 1 "$copy" | wc -l)" -eq 1 ] || wrong "the last line of its manifest was cut off" || return 1
  [ "$(wc -l <"$copy")" -le 1000 ] || wrong "its manifest lists more than 1000 files" || return 1
  while IFS= read -r line; do
    number=$((number + 1)) path="${line:66}"
    [[ "${line:0:64}" =~ ^[0-9a-f]{64}$ && "${line:64:2}" = "  " && -n "$path" ]] ||
      wrong "line $number of its manifest is no '<sha256>  <path>':" "$line" || return 1
    is_inside "$path" || wrong "line $number of its manifest lists no path inside the folder:" "$path" || return 1
    ! is_code "$path" || wrong "line $number of its manifest lists what Triton would run as code:" "$path" || return 1
    is_new "$path" || wrong "line $number of its manifest lists a name twice, or in another case:" "$path" || return 1
    listed["./$path"]="${line:0:64}"
  done <"$copy"
}

# Whether a path can be nothing but a file below its folder, in its text.
is_inside() {
  case "/$1/" in *//* | */./* | */../* | */[A-Za-z]:*) return 1 ;; esac
  case "$1" in manifest.sha256 | -) return 1 ;; esac
  [ "${#1}" -le 1024 ]
}

# Whether neither a path nor a folder on the way to it is another entry on some file system. Notes both.
is_new() {
  local part key spelling=. rest="$1/"
  while [ -n "$rest" ]; do
    part="${rest%%/*}" rest="${rest#*/}"
    spelling="$spelling/$part" key="${spelling,,}"
    [ "${#part}" -le 255 ] || return 1
    if [ -z "$rest" ]; then
      [ -z "${seen["$key"]+known}" ] || return 1
      seen["$key"]=file
    else
      [ "${seen["$key"]:-$spelling}" = "$spelling" ] || return 1
      seen["$key"]="$spelling" folders["$spelling"]=1
    fi
  done
}

# Whether everything below FOLDER is a listed regular file, or a folder on the way to one. No file is opened.
check_tree() {
  local entry path
  local -A found=()
  find "$1" -mindepth 1 -printf '%y/%P\0' >"$work/found" || wrong "it cannot be listed" || return 1
  while IFS= read -r -d '' entry; do
    path="./${entry#*/}"
    case "${entry%%/*}" in
      f) [ "$path" = ./manifest.sha256 ] || [ -n "${listed["$path"]+known}" ] ||
        wrong "it holds a file that its manifest does not list:" "${path#./}" || return 1 ;;
      d) [ -n "${folders["$path"]+known}" ] ||
        wrong "it holds a folder without a listed file:" "${path#./}" || return 1 ;;
      *) wrong "it holds something that is no regular file:" "${path#./}" || return 1 ;;
    esac
    found["$path"]=1
  done <"$work/found"
  for path in "${!listed[@]}"; do
    [ -n "${found["$path"]+known}" ] || wrong "a file is missing:" "${path#./}" || return 1
  done
}

# Copies what is listed from FOLDER to TARGET, and compares the copy. With -RP no link is followed, no pipe is read.
copy_listed() {
  local path
  rm -rf "$2" "$work/said" && mkdir -p "$2" || wrong "no folder can be made beside $MODEL_VIEW" || return 1
  (cd "$1" && cp -RP --parents -t "$2" -- "${!listed[@]}") >"$work/said" 2>&1 ||
    wrong "a file cannot be copied, see above (is volumes.tmpSizeLimit larger than the model?)" || return 1
  for path in "${!listed[@]}"; do
    printf '%s  %s\n' "${listed["$path"]}" "$path"
  done >"$work/sums"
  [ -z "$(find "$2" ! -type f ! -type d -print -quit)" ] || wrong "a file is no regular file" || return 1
  [ "$CHECK_INTEGRITY" = false ] || (cd "$2" && sha256sum --check --strict --quiet "$work/sums") >"$work/said" 2>&1 ||
    wrong "see the files named above" || return 1
}

# Lists the files that all versions share and are there, for a start without the check.
list_shared() {
  local path
  listed=()
  for path in "$model"/config.pbtxt "$model"/labels.txt "$model"/configs/*.pbtxt; do
    ! is_file "$path" || listed[".${path#"$model"}"]=
  done
}

# Lists every regular file of a version but code, for a start without the check.
list_version() {
  local path
  listed=()
  find "$1" -type f -printf './%P\0' >"$work/found" || wrong "it cannot be listed" || return 1
  while IFS= read -r -d '' path; do
    [ "$path" = ./manifest.sha256 ] || is_code "$path" || listed["$path"]=
  done <"$work/found"
}

# A publisher replaces the shared files one by one, their manifest last: what differs now may agree in a moment.
take_shared() {
  local try path
  for try in 1 2 3 4 5; do
    if [ "$CHECK_INTEGRITY" = false ]; then
      list_shared
    else
      read_manifest "$model"
    fi && check_shared && copy_listed "$model" "$1" && return
    sleep 0.2
  done
  return 1
}

check_shared() {
  local path
  [ -n "${listed[./config.pbtxt]+known}" ] || wrong "its manifest does not list config.pbtxt" || return 1
  [ ! -L "$model/configs" ] || wrong "configs is a symbolic link" || return 1
  for path in "${!listed[@]}"; do
    [[ "$path" =~ ^\./(config\.pbtxt|labels\.txt|configs/[A-Za-z0-9_][A-Za-z0-9._-]*\.pbtxt)$ ]] ||
      wrong "its manifest lists more than config.pbtxt, labels.txt and configs/NAME.pbtxt:" "${path#./}" || return 1
    is_file "$model/$path" || wrong "a file is missing, or no regular file:" "${path#./}" || return 1
  done
}

take_version() {
  [ ! -L "$1" ] || wrong "it is a symbolic link" || return 1
  if [ "$CHECK_INTEGRITY" = false ]; then
    list_version "$1"
  else
    read_manifest "$1" && check_tree "$1"
  fi && copy_listed "$1" "$2"
}

model="$MODEL_STORE/$MODEL_NAME"
[ -f "$model/config.pbtxt" ] ||
  fail "expected $model/config.pbtxt, found none: model.storageUri must name the folder that holds $MODEL_NAME/"
version="${MODEL_VERSION:-$(newest)}"
[ -n "$version" ] || fail "no published version in $model: run the training job, or see which folders it holds"
is_version "$version" || fail "expected a version such as 3, got $(printf '%q' "$version"): see model.version"
[ -d "$model/$version" ] || fail "version $version is not in $model: set model.version to one that is published"

# Triton is shown this one version, so that every pod serves the same.
rm -rf "$work" "${MODEL_VIEW:?}"
mkdir -p "$work"
take_shared "$work/view/$MODEL_NAME" ||
  fail "the files that all versions of $MODEL_NAME share are not what was sealed: $problem. Publish again, or run" \
    "\`slipway models seal $MODEL_NAME\` on this repository if they are what is to be served"
take_version "$model/$version" "$work/view/$MODEL_NAME/$version" ||
  fail "version $version is not what was published: $problem. Publish it again, or set model.version to another"
mv "$work/view" "$MODEL_VIEW"
rm -rf "$work"
umask "$umask_before"
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
