"""Specs that together have every resource of both stacks. `IAC` stands for the tool."""

from __future__ import annotations

from typing import Final

from tests.parts.targets import PACKAGE, REGISTRY

_ZIP: Final = "train: {}\nexport: {onnx: {}}\npackage: {zip: {bucket: team-artifacts}}\n"
_CI: Final = "ci: {github: {repository: octo-org/cola}}\n"

SPECS: Final = {
    "image": PACKAGE + REGISTRY + "deploy: {iac: IAC, lambda: {url: true}}\n",
    "everything": PACKAGE
    + REGISTRY.replace("}}", ', kms_key: "arn:aws:kms:eu-west-1:123456789012:key/a", pull_accounts: ["210987654321"]}}')
    + _CI
    + """\
bucket: {name: team-data, keep_replaced: 90, kms_key: "arn:aws:kms:eu-west-1:123456789012:alias/data"}
budget: {monthly: 20.50 USD, notify: [team@example.com, owner@example.com]}
deploy:
  iac: IAC
  rollout:
    strategy: canary
    steps: [20, 100]
    abort_if: {error_rate: "> 0.01", throttle_rate: ">= 0.02", p50_ms: "> 100", p95_ms: "> 300", p99_ms: "> 500"}
  lambda:
    url: {auth: none, cors_origins: ["https://example.org"]}
    environment: {LEVEL: 'say "$${hi}"'}
    vpc: {subnets: [subnet-1a2b3c4d], security_groups: [sg-1a2b3c4d, sg-3c4d5e6f]}
    concurrency: {reserved: 5}
    permissions_boundary: "arn:aws:iam::123456789012:policy/limits"
    tracing: true
    alarms:
      error_rate: ">= 0.05"
      throttle_rate: "> 0.02"
      p50_ms: "> 100"
      p95_ms: "> 400"
      p99_ms: "> 900"
      window: 10m
      notify: ["arn:aws:sns:eu-west-1:123456789012:on-call"]
""",
    "http-api": PACKAGE
    + REGISTRY.replace(', account: "123456789012"', "")
    + """\
ci:
deploy:
  iac: IAC
  rollout: {strategy: linear, steps: [10, 20, 30, 40, 50, 60, 70, 80, 90, 100], interval: 10m, abort_if: {error_rate: "> 0.01"}}
  lambda: {url: {type: http-api, cors_origins: ['*']}, concurrency: {reserved: 5}, alarms: {error_rate: '> 0.05'}}
""",
    "zip": _ZIP
    + "deploy: {iac: IAC, lambda: {region: us-gov-west-1, role: 'arn:aws-us-gov:iam::123456789012:role/x', "
    + "concurrency: {provisioned: 2}}}\n",
}  # fmt: skip
"""Text of a spec by a name."""
