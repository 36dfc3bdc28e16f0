"""Who does the work: the engine as a child process (default) or in this process."""
