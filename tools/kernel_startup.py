"""Run by each kernel of the tools before the first cell; no name is left behind.

`exit()` and `quit()` do not end the kernel: it would die a moment later, in a cell that has nothing to do with it.
Progress bars are off: they tell the time of one run, so they belong to the reader at the keyboard and not into stored outputs.
The variable TQDM_DISABLE would do, but tqdm's bars for notebooks do not heed it.
"""

import functools

import tqdm.notebook

tqdm.notebook.tqdm.__init__ = functools.partialmethod(tqdm.notebook.tqdm.__init__, disable=True)
get_ipython().ask_exit = lambda: None  # noqa: F821
del functools, tqdm
