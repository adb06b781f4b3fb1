"""The logic of the jobs: pure Python, compiled by set-up where there is a C compiler (setup.py).

Which kind of class is used where was measured: mypyc reads the attributes of a plain class directly, those of a
NamedTuple through the interpreter. So what is read for every event is a plain class with slots, a NamedTuple is a small
row that is built once and unpacked, and a dataclass holds what is fixed for an operator or filled once a block.
"""

from pathlib import Path

from udfs.compilation import require_current

require_current(Path(__file__).parents[1])
