"""Rules on the book's text: what each finds is a list of sentences, empty where all is well.

`python -m tools.text_rules` applies them to the book; `tests/book` plants a failure for each.
"""
