"""Measurements: ratios to peers and to limits, taken interleaved in one process.

measure.py   the interleaving          peak.py     the FMA peak and the copy bandwidth of a device
gemm.py      gemm against the peers    latency.py  small calls, first calls, memory, equal bits
report.py    JSON, tables, HTML
"""
