"""A health check: exit code 0 when the address in the first argument answers over HTTP with 2xx."""

import sys
import urllib.request

TIMEOUT_SECONDS = 5

try:
    with urllib.request.urlopen(sys.argv[1], timeout=TIMEOUT_SECONDS) as answer:
        answer.read()
except OSError as error:
    sys.exit(f"{sys.argv[1]}: {error}")
