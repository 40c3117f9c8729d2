"""A small image that behaves as its variables say: what the rehearsal runs in place of a model's image."""

from __future__ import annotations

import subprocess
from pathlib import Path

SERVER = """
import json, os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

mode = os.environ.get("MODE", "good")
if mode == "crash":
    sys.exit("no module named model")
kept = []


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.say(200, {})

    def do_POST(self):
        row = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if mode == "leaky":
            kept.append(b"x" * 8_000_000)
        if mode == "slow":
            time.sleep(0.2)
        if mode == "failing":
            return self.say(500, {"error": "no"})
        label = "no" if mode == "wrong" else row["answer"]
        self.say(200, {"label": label, "probabilities": {"no": 0.5, "yes": 0.5}})

    def say(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
"""
DOCKERFILE = """
FROM python:3.11-slim-bookworm
COPY server.py /server.py
USER 10001:10001
EXPOSE 8080
CMD ["python", "-S", "/server.py"]
"""
TAG = "mlspec-test-rehearsed"


def build(docker: str, folder: Path) -> str:
    (folder / "server.py").write_text(SERVER)
    (folder / "Dockerfile").write_text(DOCKERFILE)
    environment = {"DOCKER_BUILDKIT": "1", "PATH": "/usr/bin:/bin"}
    subprocess.run(
        [docker, "build", "--quiet", "--tag", TAG, str(folder)], check=True, capture_output=True, env=environment
    )
    return TAG
