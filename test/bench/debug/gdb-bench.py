# Measures gdb from inside: gdb -batch -x gdb-bench.py PROGRAM. WHAT (environment) is "plain", "record" or "remote"; prints JSON.
import json, os, time
import gdb

gdb.execute("set pagination off")
gdb.execute("set confirm off")
gdb.execute("set height 0")
what = os.environ["WHAT"]
quiet = lambda command: gdb.execute(command, to_string=True)
out = {}


def samples(command, count, read):
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        quiet(command)
        if read:
            quiet("info registers")
            quiet("x/16xg $sp")
            quiet("bt")
        taken.append((time.perf_counter() - began) * 1000)
    return taken


def false_conditions(count):
    """A condition that is false that often and then true, so that the run ends."""
    quiet("tbreak *%s if $rcx == %d" % (loop, int(gdb.parse_and_eval("$rcx")) - count))
    began = time.perf_counter()
    quiet("continue")
    return count / (time.perf_counter() - began)


if what == "remote":
    quiet("target remote localhost:" + os.environ["PORT"])
else:
    quiet("starti")
quiet("stepi 4")
loop = hex(int(gdb.parse_and_eval("$pc")))
out["step"] = samples("stepi", 300, True)
if what == "record":
    quiet("set record full insn-number-max unlimited")
    quiet("record full")
    DEEP = 100000
    began = time.perf_counter()
    quiet("stepi %d" % DEEP)
    out["recorded"] = DEEP / (time.perf_counter() - began)
    out["back"] = samples("reverse-stepi", 300, False)
    began = time.perf_counter()
    quiet("reverse-continue")
    out["reverse"] = (DEEP - 300) / (time.perf_counter() - began)
else:
    quiet("tbreak *" + loop)
    quiet("continue")
    out["conditions"] = false_conditions(10000 if what == "plain" else 3000)
print("RESULT " + json.dumps(out))
gdb.execute("kill")
