#!/usr/bin/env python3
"""Loads nats-server and natrium in turn and prints medians and ratios.

    perf/compare.py --reference PATH --natrium PATH [--rounds N]

Speaks the raw protocol in large writes, so that the generator costs little. CPU is the sum over the server's threads as the
scheduler counts it; every message is waited for. Each round starts each server anew.
"""

import argparse
import os
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time

WRITE_BYTES = 256 * 1024


class Server:
    def __init__(self, command):
        self.port = free_port()
        command = [*command, "-a", "127.0.0.1", "-p", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    self.stop()
                    sys.exit(f"{command} does not listen")
                time.sleep(0.01)

    def stop(self):
        self.process.terminate()
        self.process.wait(10)

    def cpu_seconds(self):
        tasks = f"/proc/{self.process.pid}/task"
        nanoseconds = 0
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/schedstat") as figures:
                nanoseconds += int(figures.read().split()[0])
        return nanoseconds / 1e9

    def resident_mib(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            line = next(line for line in status if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def connect(self):
        client = socket.create_connection(("127.0.0.1", self.port))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        read_past(client, b"\r\n")
        client.sendall(b'CONNECT {"verbose":false}\r\n')
        flush(client)
        return client


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def read_past(client, end):
    seen = b""
    while end not in seen:
        got = client.recv(1 << 16)
        if not got:
            raise ConnectionError("the server closed")
        seen = seen[-len(end) :] + got


def flush(client):
    client.sendall(b"PING\r\n")
    read_past(client, b"PONG\r\n")


def bulk(server, size, count, subscribers, pairs=1):
    """`pairs` publishers send `count` messages of `size` bytes, each to `subscribers`. CPU and rate a delivery."""
    publishers, receivers = [], []
    for pair in range(pairs):
        publishers.append(server.connect())
        for _ in range(subscribers):
            receiver = server.connect()
            receiver.sendall(b"SUB load.%d 1\r\n" % pair)
            flush(receiver)
            receivers.append(receiver)
    message = b"PUB load.%d %d\r\n" % (0, size) + b"x" * size + b"\r\n"
    together = max(1, WRITE_BYTES // len(message))
    writes = count // together
    sent = writes * together
    delivered_bytes = sent * (len(b"MSG load.0 1 %d\r\n" % size) + size + 2)
    failures = []

    def publish(pair, publisher):
        block = message.replace(b"load.0", b"load.%d" % pair, 1)[: len(message)] * together
        for _ in range(writes):
            publisher.sendall(block)
        flush(publisher)

    def receive(receiver):
        left, buffer = delivered_bytes, bytearray(1 << 20)
        while left > 0:
            got = receiver.recv_into(buffer)
            if got == 0:
                failures.append("a subscriber was closed")
                return
            left -= got

    work = [threading.Thread(target=receive, args=(receiver,)) for receiver in receivers]
    work += [threading.Thread(target=publish, args=item) for item in enumerate(publishers)]
    cpu, start = server.cpu_seconds(), time.monotonic()
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    seconds, cpu = time.monotonic() - start, server.cpu_seconds() - cpu
    for client in publishers + receivers:
        client.close()
    if failures:
        raise ConnectionError(failures[0])
    messages = sent * pairs * max(1, subscribers)
    return cpu / messages * 1e6, messages / seconds


def request_reply(server, count):
    """One request at a time. CPU a request, and the median time in microseconds."""
    asking, serving = server.connect(), server.connect()
    serving.sendall(b"SUB service 1\r\n")
    flush(serving)
    asking.sendall(b"SUB inbox 1\r\n")
    flush(asking)

    def serve():
        for _ in range(count):
            serving.recv(4096)
            serving.sendall(b"PUB inbox 2\r\nok\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    times, cpu = [], server.cpu_seconds()
    for _ in range(count):
        start = time.perf_counter()
        asking.sendall(b"PUB service inbox 2\r\nhi\r\n")
        asking.recv(4096)
        times.append(time.perf_counter() - start)
    cpu = server.cpu_seconds() - cpu
    thread.join()
    asking.close()
    serving.close()
    return cpu / count * 1e6, statistics.median(times) * 1e6


def idle_connections(server, count):
    """KiB a connection, and connections a second."""
    before, start = server.resident_mib(), time.monotonic()
    clients = [server.connect() for _ in range(count)]
    seconds, after = time.monotonic() - start, server.resident_mib()
    for client in clients:
        client.close()
    return (after - before) * 1024 / count, count / seconds


SCENARIOS = {
    "resident at start (MiB, -)": lambda server: (server.resident_mib(), 0),
    "idle connections (KiB, conn/s)": lambda server: idle_connections(server, 4_000),
    "publish only, 16 B (us CPU, msg/s)": lambda server: bulk(server, 16, 2_000_000, 0),
    "publish only, 128 B": lambda server: bulk(server, 128, 1_000_000, 0),
    "1 -> 1, 16 B": lambda server: bulk(server, 16, 800_000, 1),
    "1 -> 1, 128 B": lambda server: bulk(server, 128, 400_000, 1),
    "1 -> 1, 1 KiB": lambda server: bulk(server, 1024, 100_000, 1),
    "4 pairs, 128 B": lambda server: bulk(server, 128, 200_000, 1, pairs=4),
    "1 -> 16, 128 B": lambda server: bulk(server, 128, 40_000, 16),
    "request-reply (us CPU, p50 us)": lambda server: request_reply(server, 4_000),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", required=True, help="the nats-server binary")
    parser.add_argument("--natrium", required=True, help="the natrium binary")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    servers = {
        "nats-server": [options.reference],
        "natrium, 1 shard": [options.natrium, "--shards", "1"],
        "natrium, 2 shards": [options.natrium, "--shards", "2"],
    }
    results = {name: {scenario: [] for scenario in SCENARIOS} for name in servers}
    for _ in range(options.rounds):
        for name, command in servers.items():
            server = Server(command)
            try:
                for scenario, run in SCENARIOS.items():
                    results[name][scenario].append(run(server))
            finally:
                server.stop()
    print("| | " + " | ".join(servers) + " |\n|---" * 1 + "|---" * len(servers) + "|")
    for scenario in SCENARIOS:
        cells, base = [], None
        for name in servers:
            first, second = (statistics.median(values) for values in zip(*results[name][scenario]))
            base = base or (first, second)
            ratio = f" ({first / base[0]:.2f}; {second / base[1]:.2f}x)" if base[1] else f" ({first / base[0]:.2f})"
            figure = f"{first:.3g}; {second:.4g}" if base[1] else f"{first:.3g}"
            cells.append(figure + ("" if name == "nats-server" else ratio))
        print(f"| {scenario} | " + " | ".join(cells) + " |")


main()
