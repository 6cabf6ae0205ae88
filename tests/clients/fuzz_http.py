"""Asks the HTTP server everything that its own document allows, and much that it does not.

Schemathesis makes requests from /openapi.json: no answer may be a 5xx, or another status, media type, header or
body than the document says. The seed is fixed, so that a failure can be looked at again.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

# A watch goes on until its reader leaves; here it ends by itself.
CONFIG = """
[[operations]]
include-path = "/v1/kv/watch"
parameters = { "query.timeout_ms" = 20 }
"""

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
]

address = os.environ["GENOMDB_ADDRESS"]
token = os.environ.get("GENOMDB_TOKEN")
headers = {"Authorization": f"Bearer {token}"} if token else {}
# Whoever is not let in would find nothing wrong.
asked = urllib.request.Request(f"http://{address}/v1/query?q=SELECT+1", headers=headers)
with urllib.request.urlopen(asked) as answer:
    assert answer.status == 200, answer.status
with tempfile.TemporaryDirectory() as folder:
    config = pathlib.Path(folder, "schemathesis.toml")
    config.write_text(CONFIG)
    command = [
        pathlib.Path(sys.executable).parent / "schemathesis",
        f"--config-file={config}",
        "run",
        f"http://{address}/openapi.json",
        "--checks=" + ",".join(CHECKS),
        "--phases=examples,coverage,fuzzing",
        "--max-examples=" + os.environ.get("GENOMDB_FUZZ_EXAMPLES", "20"),
        "--seed=20261120",
        "--generation-database=none",
        "--request-timeout=30",
        "--suppress-health-check=all",
        "--warnings=off",
        "--continue-on-failure",
        # Several parse Python at the same time, which CPython 3.11 does not always survive.
        "--workers=1",
        "--no-color",
    ]
    command += [f"--header={name}: {value}" for name, value in headers.items()]
    sys.exit(subprocess.run(command, cwd=folder, timeout=600).returncode)
