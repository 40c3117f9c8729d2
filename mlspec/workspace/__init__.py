"""Generated files on disk: which are mlspec's (the lock), what would change, and writing all or none of it.

The order of every command that reads or writes generated files::

    roots = find_roots(project)
    with hold(roots, "mlspec build"):
        recover(roots)
        changes = compare(build.files, roots, read_lock(roots), keep=keep, overwrite=overwrite)
        write(changes, roots)
"""
