"""Copy this into the folder of a course, as `nbgrader_config.py`: what the book's exercises want of nbgrader."""

c = get_config()  # noqa: F821

# As `make assignments` writes them: by these nbgrader knows an answer that was never begun.
c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE · 在此作答\nraise NotImplementedError()"}
c.ClearSolutions.text_stub = "YOUR ANSWER HERE · 在此作答"

# Without this a warning in a check, which goes to stderr, costs all points of a right answer.
c.IgnorePattern.enabled = True
c.IgnorePattern.pattern = r"(?s).*"

c.Execute.timeout = 120  # seconds that a cell may take; a check has `Execute.check_timeout`
c.CourseDirectory.course_id = "generative-models"
