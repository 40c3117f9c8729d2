"""DVC's own files: `dvc.lock`, `.dvc`, `.dvcignore`, the cache, read and repaired."""
