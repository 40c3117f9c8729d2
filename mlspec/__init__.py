"""mlspec turns one mlproject.yaml into the native files of every tool in a machine-learning line, and runs that line.

The way through the house, each step a new frozen type (docs/architecture/00-overview.md describes it)::

    text -read-> Document -check-> Project -plan-> Plan -render-> files -compare-> ChangeSet -write-> disk
    Plan.stages -schedule-> engine -> Outcomes -> report
"""

__version__ = "0.1.0"
