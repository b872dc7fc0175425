"""The parts of `eval/benchmark.py` and `eval/startup.py`. Standard library and `packaging` only, POSIX only."""
