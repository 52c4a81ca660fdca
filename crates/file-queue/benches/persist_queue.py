"""The operations of in_turn.rs with Python's persist-queue: prints operations a second, a line each."""

import sys
import tempfile
import time

import persistqueue

count, item = int(sys.argv[1]), b"x" * 100


def measure(name, times, call):
    begin = time.perf_counter()
    for _ in range(times):
        call()
    print(name, times / (time.perf_counter() - begin), flush=True)


with tempfile.TemporaryDirectory(dir=sys.argv[2]) as folder:
    queue = persistqueue.SQLiteQueue(folder, auto_commit=True)
    measure("put", count, lambda: queue.put(item))
    measure("get", count, lambda: queue.get())

with tempfile.TemporaryDirectory(dir=sys.argv[2]) as folder:
    queue = persistqueue.SQLiteAckQueue(folder, auto_commit=True)
    for _ in range(count):
        queue.put(item)
    measure("task", count, lambda: queue.ack(queue.get()))

with tempfile.TemporaryDirectory(dir=sys.argv[2]) as folder:
    queue = persistqueue.SQLiteQueue(folder, auto_commit=False)
    batches = max(count // 10, 1)

    def batch():
        for _ in range(100):
            queue.put(item)
        queue.task_done()  # commits

    begin = time.perf_counter()
    for _ in range(batches):
        batch()
    print("batch", 100 * batches / (time.perf_counter() - begin), flush=True)
