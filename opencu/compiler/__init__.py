"""The compiler: tile IR to code objects.

    simplify.py   constants, common values, dead code
    vector.py     one program = one sequential function: chunk loops over stores
    dot.py        the register-blocked nest that a dot becomes
    llvm.py       LLVM IR as text, optimised and emitted through llvmlite
    blob.py       an object file laid out as one position-independent blob
"""
