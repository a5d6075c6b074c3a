"""`andon bench`: what an item costs us, beside what it costs a peer, in one run.

Method. Each collector is started afresh for each signal and body size, before a fresh embedded engine whose own time
is not counted, and gets bodies of which no two are alike. It is warmed up, then

full speed   8 clients, each sending again as soon as it is acknowledged
half load    at half the rate that was stored at full speed, on a schedule; a late acknowledgement counts from when its
             body was due, so a collector that stalls cannot hide it by being sent less
load curve   on the same kind of schedule from 1 000 items a second to the machine's limit

CPU time is user and system of the collector's process and all below it, from the first byte sent until the last item
is in a table, so from gRPC bytes to insert body, with whatever the collector does meanwhile. Memory is the largest
resident size seen in a run. Andon works as it always does: acknowledged after the sync, promises counted. The peer
acknowledges from memory and counts nothing.

run          a whole benchmark: what is measured in which order
plan         what to measure, and for how long
cell         one collector, one signal, one size
evaluation   a look at every promise, over more and more of them
soak         saturation for minutes: does memory stay flat; how long starts take
work         our own work on the same bodies, step by step in this process
questions    what SQL costs that asks for a month of 200 objectives
collectors   the programs that are measured
engine       the embedded engine they write to
child        their processes: start, wait, end
ports        of loopback
usage        CPU time and memory of a process and those below it
load         clients at full speed or on a schedule
bodies       requests that no two are alike
template     how a request becomes the next one without being built again
machine      where and when this was measured
report       JSON, tables, markdown
"""

from pipeline.bench.plan import plan
from pipeline.bench.ports import free_ports
from pipeline.bench.questions import run_questions
from pipeline.bench.run import REPORT, run_bench

__all__ = ["REPORT", "free_ports", "plan", "run_bench", "run_questions"]
