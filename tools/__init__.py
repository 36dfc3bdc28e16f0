"""Scripts that made what is shipped, and benchmarks. Nothing here is imported by the program."""
