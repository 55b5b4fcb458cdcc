"""Give points by hand: `python -m tools.grade_by_hand COURSE ASSIGNMENT STUDENT CELL POINTS ["a comment"]`.

CELL is a name as the table prints it, such as vae-gaussian-kl.
What nbgrader's own form does, for whoever has no browser at hand. The points stand until somebody gives others;
those of a machine are kept beside them. The comment is shown in the feedback.
"""

import sys
from pathlib import Path

from nbgrader.api import MissingEntry

from tools.grade_table import open_gradebook


def give(course, assignment, student, cell, points, comment=None):
    with open_gradebook(Path(course).expanduser().resolve()) as gradebook:
        try:
            submission = gradebook.find_submission(assignment, student)
        except MissingEntry:
            raise SystemExit(f"nothing by {student} was graded in {assignment}") from None
        grades = {grade.name: (notebook, grade) for notebook in submission.notebooks for grade in notebook.grades}
        cell = cell if cell in grades else f"{cell}-check"  # the table names the exercise, nbgrader its check
        if cell not in grades:
            known = ", ".join(name.removesuffix("-check") for name in grades)
            raise SystemExit(f"there is no {cell.removesuffix('-check')}; there are: {known}")
        notebook, grade = grades[cell]
        try:
            allowed = 0 <= float(points) <= grade.max_score
        except ValueError:
            allowed = False
        if not allowed:
            raise SystemExit(f"{cell} has {grade.max_score:g} points, and not {points}")
        grade.manual_score, grade.needs_manual_grade = float(points), False
        for remark in [c for c in notebook.comments if comment and c.name in (cell, cell.removesuffix("-check"))]:
            remark.manual_comment = comment
        gradebook.db.commit()
        print(f"{student}, {cell}: {float(points):g} of {grade.max_score:g}")


if __name__ == "__main__":
    if len(sys.argv) not in (6, 7):
        raise SystemExit(__doc__)
    give(*sys.argv[1:])
