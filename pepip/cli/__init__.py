"""The command line: the only place that prints, and the one map from errors to words and exit codes."""
