"""One query, or many, through the dynamics of a memory; nothing else integrates."""
