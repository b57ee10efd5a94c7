"""WHAT is asked of every file that is read: a right result or one sentence, in bounded time and memory.

python -m tests.fuzz --minutes 10

    mutate.py     how a good input becomes a bad one: bytes, text, JSON, tables
    kinds.py      the kinds of inputs; kinds_tables.py, kinds_files.py, kinds_runs.py have them
    judge.py      what counts as a finding
    child.py      a process with limits, in which the readers run
    test_fuzz.py  a short run for each kind
"""
