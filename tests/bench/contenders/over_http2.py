"""trio-mirror over HTTP/2: httpx's own pool, which sends many requests over one connection."""

from __future__ import annotations

import sys

import httpx

import trio_mirror

if __name__ == "__main__":
    url, concurrency = sys.argv[1], int(sys.argv[2])
    transport = httpx.AsyncHTTPTransport(http1=False, http2=True, verify=False)
    report = trio_mirror.run(url, transport=transport, concurrency=concurrency, insecure=True, no_journal=True)
    sys.exit(report.mirrored != report.listed)
