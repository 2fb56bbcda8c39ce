"""Where the stages meet: a study becomes tasks, tasks become records, records become a result."""
