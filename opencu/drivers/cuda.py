"""NVIDIA's GPUs."""

from opencu.drivers.interface import Target

# The PTX version is the oldest that knows the chip: a driver takes those up to its own.
TARGETS = {
    name: Target(name, "simt", "nvptx64-nvidia-cuda", name, ptx, 16, 255, 256, 32, 48 << 10, "ptx")
    for name, ptx in (("sm_80", "+ptx70"), ("sm_90a", "+ptx80"), ("sm_100", "+ptx86"))
}
