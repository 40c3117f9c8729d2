"""mlspec turns one mlproject.yaml into the native files of every tool in a machine-learning pipeline, and runs it.

The data flow; each step produces a new frozen type (docs/architecture.md has the details)::

    text -read-> Document -check-> Project -plan-> Plan -render-> files -compare-> ChangeSet -write-> disk
    Plan.stages -schedule-> engine -> Outcomes -> report
"""

__version__ = "0.1.0"
