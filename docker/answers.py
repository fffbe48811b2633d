"""A health check: exit code 0 when the address in the first argument answers over HTTP with 2xx."""

import sys
from http.client import HTTPException
from urllib.request import ProxyHandler, build_opener

TIMEOUT_SECONDS = 5

try:
    # No proxy: an engine may give every container one, which does not reach its loopback.
    with build_opener(ProxyHandler({})).open(sys.argv[1], timeout=TIMEOUT_SECONDS) as answer:
        answer.read()
except (OSError, HTTPException) as error:
    sys.exit(f"{sys.argv[1]}: {error}")
