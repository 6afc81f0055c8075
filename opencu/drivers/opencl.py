"""OpenCL devices that take SPIR-V."""

from opencu.drivers.interface import Target

# Every OpenCL device has 32 KiB of local memory; most hold 128 threads of 128 registers.
TARGETS = {
    "spirv64": Target(
        "spirv64", "simt", "spirv64-unknown-unknown", "", "", 16, 128, 128, 1, 32 << 10, "spirv"
    )
}
