#!/usr/bin/env bash
# Install all that lakehead needs, into this folder. Each step is skipped when its inputs have not
# changed since it was last completed; an interrupted step is done again.
set -euo pipefail
cd "$(dirname "$0")/.."

UV_VERSION=0.13.9
STAMPS=.tools/stamps
# Trust what the system trusts, and take no Python but the one that is installed.
export UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 UV_PYTHON_DOWNLOADS=never

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

# done_before STEP INPUT...: whether STEP was completed with these very inputs.
fingerprint() { cat -- "$@" | sha256sum | cut -d' ' -f1; }
done_before() { [ "$(cat "$STAMPS/$1" 2>/dev/null)" = "$2" ]; }
# step NAME FINGERPRINT TITLE FUNCTION
step() {
  local name=$1 print=$2 title=$3 began=$SECONDS
  done_before "$name" "$print" && return
  if [ ! -e "$STAMPS/announced" ]; then
    say "First set-up: about 2.5 GB of disk, and 2 to 6 minutes, most of it downloads."
    mkdir -p "$STAMPS" && touch "$STAMPS/announced"
  fi
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
  fail "Python 3.11 is missing" "sudo apt-get install python3.11 python3.11-venv"
}

install_uv() {
  rm -rf .tools/uv
  if ! "$PYTHON" -m venv .tools/uv 2>/dev/null; then
    apt_install python3-venv && rm -rf .tools/uv && "$PYTHON" -m venv .tools/uv \
      || fail "Python cannot make virtual environments" "sudo apt-get install python3-venv"
  fi
  .tools/uv/bin/pip install --quiet --disable-pip-version-check "uv==$UV_VERSION"
}

install_packages() { .tools/uv/bin/uv sync --frozen --python "$PYTHON"; }

java_is_17() {
  command -v javac >/dev/null && [ "$(javac -version 2>&1 | sed 's/[^0-9]*\([0-9]*\).*/\1/')" -ge 17 ]
}

check_java() {
  java_is_17 || apt_install openjdk-17-jdk-headless \
    || fail "a Java 17 development kit is missing" "sudo apt-get install openjdk-17-jdk-headless"
  command -v mvn >/dev/null || apt_install maven \
    || fail "Maven is missing" "sudo apt-get install maven"
}

build_jars() {
  mvn -f jvm/pom.xml -C -B -ntp -q -DskipTests verify \
    && (cd jvm/target/jars && sha256sum --check --quiet --strict ../../jars.lock)
}

PYTHON=$(find_python)
[ -x .tools/uv/bin/uv ] || rm -f "$STAMPS/uv"
step uv "$UV_VERSION $PYTHON" "uv $UV_VERSION" install_uv
[ -x .venv/bin/lakehead ] || rm -f "$STAMPS/packages"
step packages "$(fingerprint uv.lock pyproject.toml)" \
  "Python packages: Flink, Spark, DuckDB and the rest (1.4 GB)" install_packages
check_java
[ -d jvm/target/jars/kafka ] || rm -f "$STAMPS/jars"
mapfile -t sources < <(git ls-files jvm 2>/dev/null || find jvm -type f -not -path '*/target/*')
step jars "$(fingerprint "${sources[@]}")" \
  "jars: Kafka, Iceberg and the safe format (165 MB)" build_jars
