"""Drives a Pintle server with curl and with Python's own HTTP client.

Usage: interop.py PROGRAM. Prints one line a check, then `N passed, N failed`.
The README's round trip is done by its own test; here are the things that a client of another make
may see differently: headers, connections, streams, and what is there after the server was killed.
"""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

PATIENCE = 20
JSON = {"Content-Type": "application/json"}
MERGE = {"Content-Type": "application/merge-patch+json"}


class Server:
    """A server of examples/devices with its data in `folder`."""

    def __init__(self, program, folder):
        self.command = [program, "serve", "examples/devices", "--listen=127.0.0.1:0"]
        self.command.append(f"--data-dir={folder}")
        self.log = open(os.path.join(folder, "log"), "ab")
        self.starts = 0
        self.process = self.port = self.url = None

    def start(self):
        ours = {k: v for k, v in os.environ.items() if not k.startswith("PINTLE_")}
        self.process = subprocess.Popen(
            self.command, stdout=self.log, stderr=subprocess.STDOUT, env=ours
        )
        self.starts += 1
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            # It picks a free port, and says which one when it is ready.
            ports = re.findall(r"address +http://127\.0\.0\.1:(\d+)", self.logged())
            if len(ports) == self.starts:
                self.port = int(ports[-1])
                self.url = f"http://127.0.0.1:{self.port}"
                return
            time.sleep(0.05)
        raise RuntimeError(f"the server did not start:\n{self.logged()}")

    def end(self, how):
        self.process.send_signal(how)
        return self.process.wait(PATIENCE)

    def logged(self):
        with open(self.log.name, "rb") as log:
            return log.read().decode(errors="replace")

    def send(self, method, path, body=None, headers=None):
        """Status, headers with lower-case names, and the body, which is JSON if it says so."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            text = json.dumps(body) if body is not None else None
            connection.request(method, path, text, headers or (JSON if text else {}))
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            data = answer.read()
            is_json = found.get("content-type", "").startswith("application/json")
            return answer.status, found, json.loads(data) if is_json and data else data

    def watch(self, path, headers=None):
        return Watch(self.port, path, headers or {})

    def curl(self, *arguments):
        """What curl prints for a path (the last argument) with these arguments."""
        *options, path = arguments
        command = ["curl", "-s", "--max-time", str(PATIENCE), *options, self.url + path]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class Watch:
    """Server-sent events, one at a time."""

    def __init__(self, port, path, headers):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self.connection.request("GET", path, headers=headers)
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.read()
        assert self.answer.getheader("Content-Type") == "text/event-stream"

    def next(self):
        """The next event as a dict of its fields, with `data` read as JSON; None at the end."""
        fields = {}
        while line := self.answer.readline().decode():
            line = line.rstrip("\n")
            if not line:
                return fields | {"data": json.loads(fields["data"])}
            name, value = line.split(": ", 1)
            fields[name] = value
        return None

    def until(self, kind):
        """The next event of this kind, past all others."""
        while (event := self.next()) and event["event"] != kind:
            pass
        assert event, f"the watch ended before {kind}"
        return event

    def close(self):
        self.connection.close()


def it_starts(server):
    server.start()
    status, _, text = server.send("GET", "/readyz")
    assert status == 200, text


def curl_reads_and_writes(server):
    device = json.loads(server.curl("/devices/dev-123"))
    assert device["metadata"]["generation"] == 1, device
    body = ["-H", "Content-Type: application/merge-patch+json", "-X", "PATCH", "-d"]
    device = json.loads(server.curl(*body, '{"spec":{"location":"a"}}', "/devices/dev-123"))
    assert (device["metadata"]["generation"], device["spec"]["location"]) == (2, "a"), device
    device = json.loads(server.curl(*body, '{"status":{"phase":"Ready"}}', "/devices/dev-123/status"))
    assert (device["metadata"]["generation"], device["status"]) == (2, {"phase": "Ready"}), device


def curl_follows_etags(server):
    head = server.curl("-I", "/devices/dev-123").lower()
    tag = next(line.split(": ")[1].strip() for line in head.splitlines() if line.startswith("etag"))
    code = ["-o", os.devnull, "-w", "%{http_code}"]
    same = server.curl(*code, "-H", f"If-None-Match: {tag}", "/devices/dev-123")
    assert same == "304", same
    stale = ["-X", "PATCH", "-H", 'If-Match: "1"', "-H", "Content-Type: application/json"]
    refused = server.curl(*code, *stale, "-d", '{"status":{"phase":"x"}}', "/devices/dev-123/status")
    assert refused in ("409", "412"), refused


def the_boundary_holds(server):
    _, _, before = server.send("GET", "/devices/dev-123")
    wanted = {"spec": {"location": "elsewhere"}, "status": {"phase": "Stolen"}}
    status, _, problem = server.send("PUT", "/devices/dev-123/status", wanted)
    assert (status, problem["reason"]) == (422, "SPEC_WRITE_FORBIDDEN"), problem
    _, _, after = server.send("GET", "/devices/dev-123")
    assert before == after, (before, after)


def one_connection_serves_many_requests(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    with contextlib.closing(connection):
        for number in range(20):
            body = json.dumps({"status": {"message": str(number)}})
            connection.request("PATCH", "/devices/dev-123/status", body, MERGE)
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status == 200, text
            assert json.loads(text)["status"]["message"] == str(number)
        assert connection.sock, "the server closed the connection"


def objects_come_and_go(server):
    body = {"metadata": {"name": "made"}, "spec": {"name": "made", "location": "here"}}
    status, headers, made = server.send("POST", "/devices", body)
    assert status == 201, made
    uid = made["metadata"]["uid"]
    assert headers["location"].endswith(uid), headers
    status, _, found = server.send("GET", f"/devices/{uid}")
    assert (status, found) == (200, made), found
    assert server.send("POST", "/devices", body)[0] == 409
    assert server.send("DELETE", f"/devices/{uid}")[0] == 200
    assert server.send("GET", f"/devices/{uid}")[0] == 404


def a_watch_tells_everything_once(server):
    watch = server.watch("/devices?watch=true")
    with contextlib.closing(watch):
        first = watch.next()
        assert first["event"] == "ADDED", first
        watch.until("BOOKMARK")
        versions = []
        for number in range(5):
            body = {"status": {"message": f"told {number}"}}
            _, _, device = server.send("PATCH", "/devices/dev-123/status", body, MERGE)
            versions.append(device["metadata"]["resourceVersion"])
        told = [watch.next() for _ in versions]
        assert [event["id"] for event in told] == versions, told
        assert all(event["data"]["object"]["spec"] == device["spec"] for event in told), told


def a_watch_resumes_where_it_broke_off(server):
    """Also across a server that was killed and started again."""
    watch = server.watch("/devices?watch=true")
    seen = watch.until("BOOKMARK")["id"]
    watch.close()
    missed = []
    for number in range(3):
        body = {"status": {"message": f"missed {number}"}}
        _, _, device = server.send("PATCH", "/devices/dev-123/status", body, MERGE)
        missed.append(device["metadata"]["resourceVersion"])
    server.end(signal.SIGKILL)
    server.start()
    watch = server.watch("/devices?watch=true", {"Last-Event-ID": seen})
    with contextlib.closing(watch):
        told = [watch.next() for _ in missed]
    assert [event["id"] for event in told] == missed, told
    _, _, after = server.send("GET", "/devices/dev-123")
    assert after == device, (after, device)


def nonsense_is_refused(server):
    for method, path, body, expected in [
        ("POST", "/devices", [], 400),
        ("POST", "/devices", {"metadata": {"name": "x"}, "spec": {"name": 1}}, 422),
        ("GET", "/devices?labelSelektor=a", None, 400),
        ("GET", "/devices?watch=true&resourceVersion=999999999", None, 400),
        ("GET", "/nothing-of-that-name", None, 404),
        ("DELETE", "/devices", None, 405),
    ]:
        status, _, problem = server.send(method, path, body)
        assert status == expected, (method, path, status, problem)
        assert problem["code"] == status and problem["error"] and problem["reason"], problem
    status, _, _ = server.send("GET", "/devices", None, {"Host": "example.io"})
    assert status == 403, status


def a_signal_ends_it_in_order(server):
    watch = server.watch("/devices?watch=true")
    with contextlib.closing(watch):
        watch.until("BOOKMARK")
        server.process.send_signal(signal.SIGTERM)
        assert watch.next() is None, "the watch goes on"
    code = server.process.wait(PATIENCE)
    assert code == 0, (code, server.logged())


CHECKS = [
    it_starts,
    curl_reads_and_writes,
    curl_follows_etags,
    the_boundary_holds,
    one_connection_serves_many_requests,
    objects_come_and_go,
    a_watch_tells_everything_once,
    a_watch_resumes_where_it_broke_off,
    nonsense_is_refused,
    a_signal_ends_it_in_order,
]


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        server = Server(sys.argv[1], folder)
        try:
            for check in CHECKS:
                name = check.__name__.replace("_", " ")
                try:
                    check(server)
                    print(f"ok      {name}")
                except Exception as problem:  # whatever it is, it is this check's failure
                    failed += 1
                    print(f"FAILED  {name}: {type(problem).__name__}: {problem}")
            if failed:
                print(f"the server said:\n{server.logged()}")
        finally:
            if server.process and server.process.poll() is None:
                server.end(signal.SIGKILL)
            server.log.close()
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    # Whoever stops this script stops the server with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main()
