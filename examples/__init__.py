"""Projects to copy: what each is about is in its README.md."""
