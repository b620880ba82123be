"""Pages that need nothing else: Markdown and HTML of runs and searches."""
