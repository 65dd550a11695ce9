"""Measures a link: probe.py HOST asks, against probe.py without arguments on HOST. Prints the median round trip of a small datagram
in milliseconds and what a stream carries in Gbit/s."""
import socket
import statistics
import sys
import threading
import time

PORT, TRIPS, BYTES = 5000, 200, 50_000_000
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
if len(sys.argv) == 1:
    datagrams.bind(("", PORT))
    stream = socket.create_server(("", PORT))

    def echo():
        while True:
            datagrams.sendto(*datagrams.recvfrom(64))

    threading.Thread(target=echo, daemon=True).start()
    taken, _ = stream.accept()
    left = BYTES
    while left > 0:
        left -= len(taken.recv(1 << 20))
    taken.sendall(b"!")
else:
    datagrams.settimeout(1)
    trips = []
    while len(trips) < TRIPS:
        start = time.perf_counter()
        datagrams.sendto(b"?", (sys.argv[1], PORT))
        try:
            datagrams.recv(64)
        except TimeoutError:
            continue
        trips.append(time.perf_counter() - start)
    stream = socket.create_connection((sys.argv[1], PORT))
    start = time.perf_counter()
    stream.sendall(bytes(BYTES))
    stream.recv(1)
    took = time.perf_counter() - start
    print(f"{1e3 * statistics.median(trips):.3f} {8e-9 * BYTES / took:.3f}")
