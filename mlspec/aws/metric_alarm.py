"""The alarms of CloudWatch on all requests of a function's clients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from mlspec.aws.action import Action, create, delete, differences, unexpected
from mlspec.aws.alarm_settings import MEASURES, MetricAlarm, service_alarm_name
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.ownership import check_ownership, foreign
from mlspec.aws.resource_tags import from_pairs, to_pairs

_SETTINGS: Final = (
    "AlarmActions", "AlarmDescription", "ComparisonOperator", "Dimensions", "EvaluateLowSampleCountPercentile",
    "EvaluationPeriods", "ExtendedStatistic", "MetricName", "Metrics", "Namespace", "OKActions", "Period", "Threshold",
    "TreatMissingData",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ServiceAlarm:
    """One alarm as it is, or as it is to be."""

    name: str
    settings: Mapping[str, JsonValue]
    """Input of PutMetricAlarm, but for name and tags."""
    tags: Mapping[str, str]
    arn: str = ""
    """Of one that exists."""


ServiceAlarms = Mapping[str, ServiceAlarm]
"""The alarms of a function by their names."""


def desired_alarms(alarms: Sequence[MetricAlarm]) -> ServiceAlarms:
    """The alarms of a spec."""
    return {one.name: ServiceAlarm(one.name, one.settings(), one.tags) for one in alarms}


@dataclass(frozen=True)
class MetricAlarmProvider:
    """Reads and changes the alarms on the requests to one alias."""

    target: AwsTarget
    alias: str
    project: str

    def read(self, name: str) -> ServiceAlarms:
        """Those of the function that exist, with their tags."""
        client = self.target.client("cloudwatch")
        names = [service_alarm_name(name, self.alias, measure) for measure in MEASURES]
        answer = client.describe_alarms(AlarmNames=names, AlarmTypes=["MetricAlarm"])
        return {one["AlarmName"]: self._existing(one) for one in answer["MetricAlarms"]}

    def _existing(self, answer: Mapping[str, JsonValue]) -> ServiceAlarm:
        arn = str(answer["AlarmArn"])
        tags = from_pairs(self.target.client("cloudwatch").list_tags_for_resource(ResourceARN=arn)["Tags"])
        settings = {key: answer[key] for key in _SETTINGS if answer.get(key) not in (None, [])}
        return ServiceAlarm(str(answer["AlarmName"]), settings, tags, arn)

    def diff(self, desired: ServiceAlarms | None, current: ServiceAlarms | None) -> list[Action]:
        """What creates and changes them, and removes the project's own that are not desired. Raises StageError for
        another project's."""
        needed, existing = desired or {}, current or {}
        return [
            *(action for one in needed.values() for action in self._converge(one, existing.get(one.name))),
            *(
                delete("alarm", one.name, None, {"AlarmNames": [one.name]})
                for one in existing.values()
                if one.name not in needed and not foreign(one.tags, self.project, self.target.owner)
            ),
        ]

    def _converge(self, desired: ServiceAlarm, current: ServiceAlarm | None) -> Iterator[Action]:
        request = {"AlarmName": desired.name, **desired.settings}
        if current is None:
            tags: JsonValue = [dict(pair) for pair in to_pairs(desired.tags)]
            yield create("alarm", desired.name, desired.settings["AlarmDescription"], {**request, "Tags": tags})
            return
        command = f"aws cloudwatch tag-resource --resource-arn {current.arn} --tags Key={{}},Value={{}}"
        check_ownership(f"alarm {desired.name}", current.tags, self.project, command, self.target.owner)
        absent = dict.fromkeys(sorted(current.settings.keys() - desired.settings.keys()))
        changes = differences({**desired.settings, **absent}, dict(current.settings))
        if changes:
            yield Action("alarm", desired.name, "set", changes, request)
        tagged = differences(dict(desired.tags), dict(current.tags))
        if tagged:
            pairs: JsonValue = [dict(pair) for pair in to_pairs(desired.tags)]
            yield Action("alarm", desired.name, "tag", tagged, {"ResourceARN": current.arn, "Tags": pairs})

    def apply(self, action: Action) -> None:
        """Execute an action on an alarm."""
        client = self.target.client("cloudwatch")
        match action.operation:
            case "create" | "set":
                client.put_metric_alarm(**action.arguments)
            case "tag":
                client.tag_resource(**action.arguments)
            case "delete":
                client.delete_alarms(**action.arguments)
            case _:
                raise unexpected(action)
