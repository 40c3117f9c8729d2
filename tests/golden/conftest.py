"""The golden trees hold generated tests, which are for the projects that they are generated into."""

collect_ignore_glob = ["projects/*"]
