"""AMD's GPUs."""

from opencu.drivers.interface import Target

TARGETS = {
    name: Target(name, "simt", "amdgcn-amd-amdhsa", name, "", 16, 255, 256, wave, 64 << 10, "elf")
    for name, wave in (("gfx90a", 64), ("gfx942", 64), ("gfx1100", 32))
}
