"""Measurements: ratios to peers and to limits, taken interleaved in one process.

measure.py   the interleaving          peak.py     the FMA peak, reading and copying
workers.py   processes that measure    report.py   JSON, tables, HTML
gemm.py      gemm against the peers    suites.py   dtypes and shapes for it
stream.py    streaming kernels         latency.py  small calls, first calls, memory, equal bits
"""
