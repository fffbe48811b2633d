#!/usr/bin/env bash
# Bills of materials (CycloneDX) of all that lakehead runs on: scripts/sbom.sh [FOLDER]
#
#   python.json  what uv.lock pins for the package and its extras, with the hash of every wheel
#   jars.json    the jars of Kafka and those beside Flink and Spark, with their hashes and licences
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "${1:-build/sbom}"
folder=$(cd "${1:-build/sbom}" && pwd)
uv=${UV:-.tools/uv/bin/uv}
export UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 UV_PYTHON_DOWNLOADS=never

"$uv" export --quiet --frozen --no-dev --all-extras --preview-features sbom-export \
  --format cyclonedx1.5 >"$folder/python.json.part"
mv "$folder/python.json.part" "$folder/python.json"
mvn -f jvm/pom.xml -C -B -ntp -q -Psbom -pl jars \
  org.cyclonedx:cyclonedx-maven-plugin:makeBom -Dcyclonedx.skipAttach=true \
  -DoutputFormat=json -DoutputName=jars -DoutputDirectory="$folder" >&2
echo "$folder/python.json $folder/jars.json"
