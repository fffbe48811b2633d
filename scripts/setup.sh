#!/usr/bin/env bash
# Install all that lakehead needs, into this folder. Each step is skipped when its inputs have not
# changed since it was last completed; an interrupted step is done again.
set -euo pipefail
cd "$(dirname "$0")/.."

UV_VERSION=0.13.9
STAMPS=.tools/stamps
DISK_MB=4500
# Trust what the system trusts, and take no Python but the one that is installed.
export UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 UV_PYTHON_DOWNLOADS=never
SYSTEM_CERTS=/etc/ssl/certs/ca-certificates.crt
[ ! -e "$SYSTEM_CERTS" ] || export PIP_CERT="${PIP_CERT:-$SYSTEM_CERTS}"

say() { printf '%s\n' "$*" >&2; }
fail() { say "setup: $1"; say "  do: $2"; exit 1; }

# Run a command as root: directly, or by a sudo that does not ask.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif sudo -n true 2>/dev/null; then sudo -n "$@"; else return 1; fi
}

apt_install() {
  command -v apt-get >/dev/null || return 1
  say "installing $* with apt"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq >&2 \
    && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

announce() {
  [ ! -e "$STAMPS/complete" ] || return 0
  say "First set-up: about 4.5 GB of disk, caches included, and 1 to 6 minutes, mostly downloads."
  local free
  free=$(df -Pm . | awk 'NR == 2 {print $4}')
  [ "$free" -ge "$DISK_MB" ] || say "Careful: only $free MB of disk are free here."
}

# The fingerprint covers names and content of the files, and further words from standard input.
fingerprint() { { cat; sha256sum -- "$@"; } | sha256sum | cut -d' ' -f1; }
# step NAME FINGERPRINT TITLE FUNCTION: skipped if it was completed with this very fingerprint.
step() {
  local name=$1 print=$2 title=$3 began=$SECONDS
  [ "$(cat "$STAMPS/$name" 2>/dev/null)" != "$print" ] || return 0
  say "==> $title"
  "$4" || fail "'$title' did not finish" "make setup   (what was downloaded is kept)"
  echo "$print" >"$STAMPS/$name"
  say "    $((SECONDS - began)) s"
}

find_python() {
  for candidate in python3.11 python3; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  fail "Python 3.11 is missing (3.12 and later will not do)" \
    "sudo apt-get install python3.11 python3.11-venv"
}

install_uv() {
  rm -rf .tools/uv
  if ! "$PYTHON" -m venv .tools/uv 2>/dev/null; then
    { apt_install python3.11-venv && rm -rf .tools/uv && "$PYTHON" -m venv .tools/uv; } \
      || fail "Python cannot make virtual environments" "sudo apt-get install python3.11-venv"
  fi
  .tools/uv/bin/pip install --quiet --disable-pip-version-check "uv==$UV_VERSION"
}

install_packages() { .tools/uv/bin/uv sync --frozen --python "$PYTHON"; }

# Maven and the stack both take JAVA_HOME first, then the path.
has_jdk() {
  local javac=${JAVA_HOME:+$JAVA_HOME/bin/}javac major
  major=$("$javac" -version 2>&1 | sed -n 's/^javac \([0-9]*\).*/\1/p') || return 1
  [ "${major:-0}" -ge 17 ]
}

check_java() {
  if ! has_jdk; then
    [ -z "${JAVA_HOME:-}" ] \
      || fail "JAVA_HOME is '$JAVA_HOME', which is no Java 17 development kit" "unset JAVA_HOME"
    { apt_install openjdk-17-jdk-headless && has_jdk; } \
      || fail "a Java 17 development kit is missing" "sudo apt-get install openjdk-17-jdk-headless"
  fi
  command -v mvn >/dev/null || apt_install maven \
    || fail "Maven is missing" "sudo apt-get install maven"
}

# Of what Maven says, the errors and how far its downloads are.
show_downloads() {
  local line files=0
  while IFS= read -r line; do
    case $line in
      *'Downloaded from'*)
        files=$((files + 1))
        [ $((files % 100)) != 0 ] || say "    $files files downloaded"
        ;;
      *ERROR*) say "$line" ;;
    esac
  done
}

build_jars() {
  mvn -f jvm/pom.xml -C -B -DskipTests verify 2>&1 | show_downloads || return
  (cd jvm/target/jars && sha256sum --check --quiet --strict ../../jars.lock) && return
  say "  If you changed a version in jvm/pom.xml: make lock-jars"
  return 1
}

jars_are_there() {
  local name
  while read -r _ name; do
    [ -s "jvm/target/jars/$name" ] || return 1
  done <jvm/jars.lock
  compgen -G 'jvm/target/jars/flink/lakehead-*.jar' >/dev/null
}

mkdir -p "$STAMPS"
# Two set-ups at once, such as "make demo" and "make test" in two windows, take turns.
exec 9>.tools/lock
flock -n 9 || { say "another set-up is at work; waiting for it"; flock 9; }

PYTHON=$(find_python)
# Environments know their own path: those of a tree that was moved or copied are of no use here.
if [ -e "$STAMPS/place" ] && [ "$(cat "$STAMPS/place")" != "$PWD" ]; then
  rm -rf .venv .tools/uv
fi
echo "$PWD" >"$STAMPS/place"
announce

[ -x .tools/uv/bin/uv ] || rm -f "$STAMPS/uv"
step uv "$UV_VERSION $PYTHON" "uv $UV_VERSION" install_uv

[ -x .venv/bin/python ] && [ -x .venv/bin/lakehead ] || rm -f "$STAMPS/packages"
step packages "$(fingerprint uv.lock pyproject.toml <<<"$PYTHON")" \
  "Python packages: Flink, Spark, DuckDB and the rest (1.4 GB)" install_packages

check_java
jars_are_there || rm -f "$STAMPS/jars"
mapfile -t sources < <(find jvm -type f -not -path '*/target/*' -not -path 'jvm/registry*' | LC_ALL=C sort)
step jars "$(fingerprint "${sources[@]}" </dev/null)" \
  "jars: Kafka, Iceberg, Avro and the safe format (200 MB)" build_jars

[ -e "$STAMPS/complete" ] || say "Set-up took $SECONDS s."
touch "$STAMPS/complete"
