"""Measurements: ratios to peers and to limits, taken interleaved in one process.

measure.py   the interleaving          peak.py     the FMA peak, reading and copying
workers.py   processes that measure    report.py   JSON, tables, HTML
gemm.py      gemm against the peers    latency.py  small calls, first calls, memory, equal bits
stream.py    streaming kernels         kernels.py  dnn and sparse     blas.py  levels 1 to 3
"""
