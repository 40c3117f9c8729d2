from __future__ import annotations

import pytest

from tests.parts.targets import EXPORT, LAMBDA, PACKAGE, REGISTRY, codes

CASES = [
    ("deploy: {lambda: {}}", ["section-needed", "section-needed"]),
    (PACKAGE + "deploy: {lambda: {}}", ["section-needed"]),
    ("deploy: {rollout: {}}", ["section-needed"]),
    ("deploy:", []),
]
FUNCTION = [
    ("{memory: 64}", ["out-of-range"]),
    ("{memory: 10241}", ["out-of-range"]),
    ("{timeout: 901}", ["out-of-range"]),
    ("{timeout: 0}", ["out-of-range"]),
    ("{ephemeral_storage: 511}", ["out-of-range"]),
    ("{architecture: riscv}", ["not-one-of"]),
    ("{architecture: arm64}", ["architecture-mismatch"]),
    ("{architecture: x86_64}", []),
    ("{log_retention: 31}", ["not-one-of"]),
    ("{environment: {AWS_REGION: x}}", ["bad-environment"]),
    ("{environment: {_HANDLER: x}}", ["bad-environment"]),
    ("{environment: {PYTHONPATH: x}}", ["bad-environment"]),
    ("{environment: {9A: x}}", ["bad-environment"]),
    ("{environment: {A: x}}", ["bad-environment"]),
    (f"{{environment: {{AB: {'x ' * 2047}}}}}", []),
    (f"{{environment: {{AB: {'x ' * 2048}}}}}", ["bad-environment"]),
    ("{environment: {AB: {env: SECRET}}}", []),
    ("{concurrency: {reserved: 1, provisioned: 2}}", ["concurrency-conflict"]),
    ("{concurrency: {reserved: 901}}", ["concurrency-over-quota?"]),
    ("{concurrency: {reserved: 900}}", []),
    ("{concurrency: {reserved: 0}}", ["concurrency-over-quota?"]),
    ("{timeout: 31, url: {type: http-api}}", ["slow-for-http-api"]),
    ("{timeout: 31, url: {type: function-url}}", []),
    ("{timeout: 30, url: {type: http-api}}", []),
    ('{url: {cors_origins: ["https://example.org:8443", "*", "https://*.example.org"]}}', []),
    ('{url: {cors_origins: ["https://example.org/"]}}', ["bad-format"]),
    ('{url: {cors_origins: ["example.org"]}}', ["bad-format"]),
    ("{url: {auth: none}}", ["public-url?"]),
    ("{url: true}", []),
    ("{role: admin}", ["bad-format"]),
    ('{alarms: {error_rate: "> 0.05", window: 24h, notify: ["arn:aws:sns:eu-west-1:123456789012:on-call"]}}', []),
    ('{alarms: {error_rate: "< 0.05"}}', ["abort-bound"]),
    ('{alarms: {p95_ms: "> 30000"}}', ["abort-bound"]),
    ("{alarms: {window: 5m}}", ["alarm-without-bound"]),
    ('{alarms: {error_rate: "> 0.05", window: 90s}}', ["alarm-window"]),
    ('{alarms: {error_rate: "> 0.05", window: 25h}}', ["alarm-window"]),
    ('{alarms: {error_rate: "> 0.05", notify: [on-call]}}', ["bad-format"]),
]
ROLLOUT = [
    ("{}", []),
    ("{strategy: blue-green}", []),
    ("{strategy: canary}", ["rollout-unwatched?"]),
    ("{strategy: linear}", ["rollout-unwatched?"]),
    ('{strategy: canary, abort_if: {p95_ms: "> 300"}}', []),
    ('{strategy: canary, steps: [10, 50], abort_if: {p95_ms: "> 300"}}', ["rollout-steps"]),
    ('{strategy: canary, steps: [50, 50, 100], abort_if: {p95_ms: "> 300"}}', ["rollout-steps"]),
    ('{strategy: canary, steps: [50, 10, 100], abort_if: {p95_ms: "> 300"}}', ["rollout-steps"]),
    ('{strategy: canary, steps: [7.5, 100], abort_if: {p95_ms: "> 300"}}', []),
    ("{strategy: canary, steps: [0, 100]}", ["out-of-range"]),
    ("{strategy: canary, steps: [10, 101]}", ["out-of-range"]),
    ("{strategy: all-at-once, steps: [10, 100]}", ["rollout-steps"]),
    ('{abort_if: {error_rate: "< 0.1"}}', ["abort-bound"]),
    ('{abort_if: {error_rate: "> 1"}}', ["abort-bound"]),
    ('{abort_if: {p99_ms: "> 30000"}}', ["abort-bound"]),
    ('{min_requests: 99, abort_if: {error_rate: "> 0.01"}}', ["rollout-few-requests?"]),
    ('{min_requests: 100, abort_if: {error_rate: "> 0.01"}}', []),
    ('{min_requests: 19, abort_if: {p95_ms: "> 300"}}', ["rollout-few-requests?"]),
    ("{interval: soon}", ["bad-format"]),
]


@pytest.mark.parametrize(("strategy", "expected"), [("canary", ["concurrency-conflict"]), ("blue-green", [])])
def test_provisioned_concurrency_and_split_traffic(strategy: str, expected: list[str], tmp_path) -> None:
    rollout = f'{{strategy: {strategy}, abort_if: {{error_rate: "> 0.1"}}}}'
    text = f"deploy: {{lambda: {{concurrency: {{provisioned: 1}}}}, rollout: {rollout}}}\n"
    assert codes(tmp_path, PACKAGE + REGISTRY + text) == expected


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_sections(text: str, expected: list[str], tmp_path) -> None:
    assert codes(tmp_path, text + "\n") == expected


@pytest.mark.parametrize(("text", "expected"), FUNCTION)
def test_functions(text: str, expected: list[str], tmp_path) -> None:
    assert codes(tmp_path, f"{PACKAGE}{REGISTRY}deploy: {{lambda: {text}}}\n") == expected


@pytest.mark.parametrize(("text", "expected"), ROLLOUT)
def test_rollouts(text: str, expected: list[str], tmp_path) -> None:
    assert codes(tmp_path, f"{PACKAGE}{REGISTRY}deploy: {{lambda: {{}}, rollout: {text}}}\n") == expected


@pytest.mark.parametrize(
    ("image", "expected"),
    [("{max_size: 10.1GB}", ["image-too-large"]), ("{max_size: 10GB}", []), ("{max_body: 7MB}", ["payload-too-large"])],
)
def test_what_lambda_requires_of_the_image(image: str, expected: list[str], tmp_path) -> None:
    assert codes(tmp_path, LAMBDA.replace("{docker: {}}", f"{{docker: {image}}}")) == expected
    assert codes(tmp_path, f"{EXPORT}package: {{docker: {image}}}\n") == []
