# Measures Unicorn on the loop of the guest "alu": single steps with all registers read, and a false condition in a code hook.
import json, time
from unicorn import Uc, UC_ARCH_X86, UC_MODE_64, UC_HOOK_CODE
from unicorn import x86_const as x86

BASE = 0x400000
# add rax, rbx; xor rdx, rax; rol rdx, 5; dec rcx; jnz
LOOP = bytes.fromhex("4801d84831c248c1c20548ffc975f1")
NAMES = "RAX RBX RCX RDX RSI RDI RBP RSP R8 R9 R10 R11 R12 R13 R14 R15 RIP EFLAGS".split()
REGISTERS = [getattr(x86, "UC_X86_REG_" + name) for name in NAMES]


def fresh():
    uc = Uc(UC_ARCH_X86, UC_MODE_64)
    uc.mem_map(BASE, 0x1000)
    uc.mem_write(BASE, LOOP)
    uc.reg_write(x86.UC_X86_REG_RCX, 1 << 40)
    return uc


uc = fresh()
at = BASE
steps = []
for _ in range(3000):
    began = time.perf_counter()
    uc.emu_start(at, 0, count=1)
    for register in REGISTERS:
        uc.reg_read(register)
    at = uc.reg_read(x86.UC_X86_REG_RIP)
    steps.append((time.perf_counter() - began) * 1000)


def condition(uc, address, size, data):
    if uc.reg_read(x86.UC_X86_REG_RCX) == 0x7FFFFFFFFFFF:
        uc.emu_stop()


uc = fresh()
uc.hook_add(UC_HOOK_CODE, condition, begin=BASE, end=BASE)
HITS = 200000
began = time.perf_counter()
uc.emu_start(BASE, 0, count=HITS * 5)
print("RESULT " + json.dumps({"step": steps, "conditions": HITS / (time.perf_counter() - began)}))
