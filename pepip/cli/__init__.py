"""The command line: it prints all results, and turns errors into messages and exit codes."""
