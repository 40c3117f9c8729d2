"""DVC: the stages as a pipeline that `dvc repro` runs with or without mlspec."""
