"""nbgrader's `Execute`, for answers that do not stop, flood their output or kill the kernel.

As nbgrader has it, such a cell takes the grade of the whole notebook with it. Here it loses its own points:
the kernel is started again, and the cells are run again without that one.
"""

import time

from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat.v4 import new_output
from nbgrader.preprocessors import Execute
from nbgrader.utils import is_grade, is_solution
from traitlets import Integer

from tools.grade_confirm import NOT_CONFIRMED, refuted, unknown_student

DIED = "the kernel died here · 运行到这里时内核崩溃"
DEAF = "it did not stop, even when interrupted · 它没有停下，中断也无效"
OVER = "the notebook's time was over · 整本笔记本的时间已用完"
SLOW = "it did not stop in time and was interrupted · 它没有在限定时间内停下，已被中断"
NOT_RUN = "NotRun"  # the error of a cell that this file stopped; the table of `tools.grade` shows it


def is_check(cell):
    return is_grade(cell) and not is_solution(cell) and cell.cell_type == "code"


class ExecuteAll(Execute):
    """Run every cell that can be run, within the time of the cell, the check and the notebook."""

    check_timeout = Integer(30, help="seconds for a check, which takes much less").tag(config=True)
    notebook_timeout = Integer(600, help="seconds for the whole notebook").tag(config=True)
    longest_output = Integer(20_000, help="characters of printed text that are kept of a cell").tag(config=True)
    raise_on_iopub_timeout = True  # a kernel that cannot even be interrupted: it is started again
    shutdown_kernel = "immediate"

    def preprocess(self, nb, resources, km=None):
        self.end, self.lost, self.student = time.monotonic() + self.notebook_timeout, {}, unknown_student(nb)
        self.timeout_func = self.seconds
        while True:
            try:
                return super().preprocess(nb, resources, km)
            except (DeadKernelError, CellTimeoutError) as error:
                died = isinstance(error, DeadKernelError)
                self.lost[self.current] = DIED if died else DEAF
                self.log.error("Cell %d left out: %s", self.current, self.lost[self.current])

    def seconds(self, cell):
        limit = self.check_timeout if is_check(cell) else self.timeout
        return max(1, min(limit, round(self.end - time.monotonic())))

    def preprocess_cell(self, cell, resources, index):
        self.current, self.printed = index, 0
        why = self.lost.get(index) or (OVER if time.monotonic() > self.end else None)
        if why is None or cell.cell_type != "code":
            cell, resources = super().preprocess_cell(cell, resources, index)
            for out in cell.get("outputs", []):
                if out.output_type == "error" and out.ename == "CellTimeoutError":
                    out.evalue, out.traceback = SLOW, [f"{NOT_RUN}: {SLOW}"]
            if is_check(cell) and not any(out.output_type == "error" for out in cell.outputs):
                self.confirm(cell, resources, index)
            return cell, resources
        cell.outputs = [new_output("error", ename=NOT_RUN, evalue=why, traceback=[f"{NOT_RUN}: {why}"])]
        return cell, resources

    def confirm(self, check, resources, index):
        """An error joins a check whose numbers are not right where they are compared outside of the kernel."""

        def run(cell):
            return super(ExecuteAll, self).preprocess_cell(cell, resources, index)[0].outputs

        try:
            why = refuted(check.source, run, self.student)
        finally:
            self.nb.cells[index] = check  # nbclient puts what it ran in this place
        if why is not None:
            check.outputs.append(new_output("error", ename=NOT_CONFIRMED, evalue=why, traceback=why.splitlines()))

    def output(self, outs, msg, display_id, cell_index):
        """Keep the beginning of what is printed, and let the rest go: some print for as long as they may."""
        if msg["msg_type"] == "stream":
            room = self.longest_output - self.printed
            self.printed += len(msg["content"]["text"])
            if room <= 0:
                return None
            msg["content"]["text"] = msg["content"]["text"][:room]
        return super().output(outs, msg, display_id, cell_index)
