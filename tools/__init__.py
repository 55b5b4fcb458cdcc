"""The project's commands. What the console has no letters for is printed as an escape, and stops nothing."""

import sys

for stream in (sys.stdout, sys.stderr):
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
