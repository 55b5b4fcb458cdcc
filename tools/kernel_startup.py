"""Run by each kernel of the tools before the first cell: progress bars are off, and no name is left behind.

They tell the time of one run, so they belong to the reader at the keyboard and not into stored outputs.
The variable TQDM_DISABLE would do, but tqdm's bars for notebooks do not heed it.
"""

import functools

import tqdm.notebook

tqdm.notebook.tqdm.__init__ = functools.partialmethod(tqdm.notebook.tqdm.__init__, disable=True)
del functools, tqdm
