"""Commands with a module of their own: arguments, one call of the API, what is printed, exit code."""
