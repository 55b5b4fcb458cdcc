"""Wrong answers to the exercises of ``flows``, as students write them, and what is needed to try the notebook."""

# The mistakes as students write them, and not as the list of mistakes computes them.
AS_WRITTEN = {
    ("flows-mean", "not divided"): lambda x: x.sum(),
}

# What students hand in, and what the checker has to say about it: {name: (source, English, Chinese)}.
WRONG = {}
# A function whose notebook cell also puts a checker of its own in the place of ours.
CHEATED = ("flows-mean", "def mean(x):\n    return x.sum()")
# What is made smaller so that the notebook runs quickly: (what stands there, what instead).
QUICK = ()
