"""mlspec generates the native files of every tool in a machine-learning pipeline from one mlproject.yaml, and runs it.

The data flow, with a frozen type at each step (docs/architecture/00-overview.md has the details)::

    text -read-> Document -check-> Project -plan-> Plan -render-> files -compare-> ChangeSet -write-> disk
    Plan.stages -schedule-> engine -> Outcomes -> report
"""

__version__ = "0.1.0"
