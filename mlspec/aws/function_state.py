"""Whether Lambda is still working on a function, and changes that wait until it is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.error_messages import code_of, message_of
from mlspec.aws.function_failures import failure
from mlspec.aws.waiting import until
from mlspec.errors import StageError

Answer = Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class FunctionState:
    """What Lambda reports of a function or version beside its settings; "" for what it does not report."""

    state: str = ""
    update: str = ""
    reason_code: str = ""
    """Why the state or the last update is `Failed`."""
    reason: str = ""
    revision: str = ""
    sha256: str = ""
    in_vpc: bool = False

    @classmethod
    def from_response(cls, answer: Answer) -> FunctionState:
        """The state in an answer of GetFunctionConfiguration."""
        state, update = (str(answer.get(key, "")) for key in ("State", "LastUpdateStatus"))
        prefix = "State" if state == "Failed" else "LastUpdateStatus"
        reason_code, reason = (str(answer.get(prefix + key, "")) for key in ("ReasonCode", "Reason"))
        revision, sha256 = (str(answer.get(key, "")) for key in ("RevisionId", "CodeSha256"))
        return cls(state, update, reason_code, reason, revision, sha256, bool(answer.get("VpcConfig")))

    @property
    def busy(self) -> bool:
        """Whether Lambda is creating or changing it."""
        return self.state == "Pending" or self.update == "InProgress"

    def failed(self, name: str) -> StageError | None:
        """Lambda's reason why the function is not usable; None where it is."""
        if "Failed" not in (self.state, self.update):
            return None
        return failure(f"lambda function {name}", self.reason_code, self.reason)


def idle(target: AwsTarget, name: str, qualifier: str = "") -> FunctionState:
    """The state once Lambda has finished, well or not: what failed before may be fixed by a change."""
    which = {"FunctionName": name} | ({"Qualifier": qualifier} if qualifier else {})

    def poll() -> FunctionState | None:
        state = FunctionState.from_response(target.client("lambda").get_function_configuration(**which))
        return None if state.busy else state

    return until(poll, f"lambda function {name} to become ready")


def settled(target: AwsTarget, name: str, qualifier: str = "") -> FunctionState:
    """The state once the function is usable. Raises StageError with Lambda's reason where it is not."""
    state = idle(target, name, qualifier)
    if error := state.failed(name):
        raise error
    return state


def when_free(target: AwsTarget, name: str, call: Callable[..., Answer]) -> Answer:
    """Change the function once no other change is in progress. Fails where another process changes it in the
    meantime: `call` gets the revision that was read."""

    def attempt() -> Answer | None:
        from botocore.exceptions import ClientError

        state = idle(target, name)
        revision = {"RevisionId": state.revision} if state.revision else {}
        try:
            return call(FunctionName=name, **revision)
        except ClientError as error:
            if code_of(error) == "ResourceConflictException" and "in progress" in message_of(error):
                return None
            raise

    return until(attempt, f"another change of lambda function {name} to finish")
