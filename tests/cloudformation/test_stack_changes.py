"""What a template would change in a stack."""

from __future__ import annotations

import pytest

from mlspec.aws.aws_target import AwsTarget
from mlspec.cloudformation.change_set import ChangeSetRequest
from mlspec.cloudformation.existing_stack import read_stack
from mlspec.cloudformation.stack_changes import parameter_changes, template_changes
from mlspec.cloudformation.stack_template import StackTemplate

BEFORE = """\
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      RoleName: cola
      Arn: !GetAtt Other.Arn
  Topic:
    Type: AWS::SNS::Topic
  Api:
    Type: AWS::Old::Api
"""
AFTER = """\
Resources:
  Role:
    Type: AWS::IAM::Role
    DependsOn: [Queue]
    Metadata: {SamResourceId: Role}
    Properties:
      RoleName: other
      Arn: {"Fn::GetAtt": [Other, Arn]}
      Version: 2012-10-17
  Queue:
    Type: AWS::SQS::Queue
  Api:
    Type: AWS::New::Api
"""


def test_each_difference_is_a_change() -> None:
    changes = template_changes(StackTemplate.parse(AFTER), StackTemplate.parse(BEFORE))
    assert [(change.sign, change.field, change.old, change.new) for change in changes] == [
        ("~", "Role RoleName", "cola", "other"),
        ("+", "Role Version", None, "2012-10-17"),
        ("+", "Role DependsOn", None, ["Queue"]),
        ("+", "Queue", None, "AWS::SQS::Queue"),
        ("~", "Api", None, "AWS::New::Api"),
        ("-", "Topic", "AWS::SNS::Topic", None),
    ]


def test_equal_templates_and_new_stacks() -> None:
    parsed = StackTemplate.parse(AFTER)
    assert template_changes(parsed, parsed) == ()
    assert [change.sign for change in template_changes(parsed, None)] == ["+", "+", "+"]


def test_an_attribute_may_have_dots_and_an_id_has_none() -> None:
    """SAM deploys `!GetAtt Function.Version.Version` as the list that CloudFormation reads there."""
    template = "Resources: {{Alarm: {{Type: 'AWS::CloudWatch::Alarm', Properties: {{AlarmName: {}}}}}}}"
    short = StackTemplate.parse(template.format("!GetAtt Function.Version.Version"))
    long = StackTemplate.parse(template.format("{'Fn::GetAtt': [Function, Version.Version]}"))
    assert template_changes(short, long) == ()


def test_parameters() -> None:
    changes = parameter_changes({"A": "2", "B": "1", "New": "x"}, {"A": "1", "B": "1"})
    assert [(change.field, change.old, change.new) for change in changes] == [("parameter A", "1", "2")]


GROUP = (
    "  {}: {{Type: 'AWS::Logs::LogGroup', DeletionPolicy: {}, Properties: {{LogGroupName: {}, RetentionInDays: {}}}}}\n"
)
ROLE = """\
  Role:
    Type: AWS::IAM::Role
    Properties: {AssumeRolePolicyDocument: {Version: 2012-10-17, Statement: []}, Description: DESCRIPTION}
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (GROUP.format("A", "Delete", "a", 1), GROUP.format("A", "Delete", "a", 3)),
        (GROUP.format("A", "Delete", "a", 1), GROUP.format("A", "Retain", "a", 1)),
        (GROUP.format("A", "Delete", "a", 1), GROUP.format("A", "Delete", "b", 1)),
        (GROUP.format("A", "Delete", "a", 1), GROUP.format("B", "Delete", "b", 1)),
        (GROUP.format("A", "Delete", "a", 1), GROUP.format("A", "Delete", "a", 1) + ROLE),
        (ROLE, ROLE.replace(", Description: DESCRIPTION", "")),
        (ROLE, ROLE),
    ],
)
def test_the_changes_are_those_of_a_change_set(before: str, after: str, stack_target: AwsTarget) -> None:
    """A change set tells not whether a property is added, changed or removed, but whether it replaces the resource."""
    client = stack_target.client("cloudformation")
    client.create_stack(StackName="cola", TemplateBody=f"Resources:\n{before}")
    client.get_waiter("stack_create_complete").wait(StackName="cola", WaiterConfig={"Delay": 1})
    request = ChangeSetRequest(stack_target, "cola", read_stack(stack_target, "cola"), f"Resources:\n{after}")
    shown = {one.field.partition(" (")[0] for one in request.changes()}
    templates = [StackTemplate.parse(f"Resources:\n{one}") for one in (after, before)]
    assert {one.field for one in template_changes(templates[0], templates[1])} == shown
