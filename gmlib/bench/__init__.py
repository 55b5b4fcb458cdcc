"""Ours beside the library that people would use instead, on the same job in one run: ``python -m gmlib.bench vae``.

A family is a module with ``contests(epochs)``, ``JOB`` and ``PEERS``. Peers come with the extra ``bench``; without
them our side runs alone.
"""
