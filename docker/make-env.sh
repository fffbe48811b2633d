#!/usr/bin/env bash
# Write .env from .env.example, each empty value filled with 32 random bytes. An .env that is there stays.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -e .env ]; then
  echo ".env is there already; to make a new one, move it away first" >&2
  exit 1
fi
umask 077
rm -f .env.part
trap 'rm -f .env.part' EXIT
while IFS= read -r line; do
  case $line in
    '#'*) ;;
    *=) line+=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n') ;;
  esac
  printf '%s\n' "$line"
done <.env.example >.env.part
mv .env.part .env
echo "wrote .env" >&2
