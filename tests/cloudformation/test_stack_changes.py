"""What a template would change in a stack."""

from __future__ import annotations

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


def test_parameters() -> None:
    changes = parameter_changes({"A": "2", "B": "1", "New": "x"}, {"A": "1", "B": "1"})
    assert [(change.field, change.old, change.new) for change in changes] == [("parameter A", "1", "2")]
