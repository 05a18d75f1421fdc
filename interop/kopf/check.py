"""Runs the controller of handlers.py against the server of $KUBECONFIG, and watches what it does with
the official Python client. Ends with code 1 when something does not happen in time."""

import os
import subprocess
import sys
import time

from kubernetes import client, config, watch

GROUP = ("infra.example.io", "v1")
NAMESPACE = f"kopf-{os.getpid()}"
PATIENCE = 60


def wait_for(what, devices, holds):
    """Reads a watch until an event of the Device is as it shall be."""
    events = watch.Watch().stream(
        devices.list_namespaced_custom_object, *GROUP, NAMESPACE, "devices", timeout_seconds=PATIENCE
    )
    for event in events:
        if holds(event["type"], event["object"]):
            print("ok", what)
            return
    sys.exit(f"FAILED {what}")


def says(message):
    return lambda _, device: device.get("status", {}).get("message") == message


config.load_kube_config()
spaces, devices = client.CoreV1Api(), client.CustomObjectsApi()
spaces.create_namespace({"metadata": {"name": NAMESPACE}})
handlers = os.path.join(os.path.dirname(os.path.abspath(__file__)), "handlers.py")
kopf = os.path.join(os.path.dirname(sys.executable), "kopf")
operator = subprocess.Popen(
    [kopf, "run", "--standalone", "--namespace", NAMESPACE, handlers], stderr=subprocess.PIPE
)
try:
    device = {
        "apiVersion": "/".join(GROUP),
        "kind": "Device",
        "metadata": {"name": "one"},
        "spec": {"name": "one", "location": "attic"},
    }
    devices.create_namespaced_custom_object(*GROUP, NAMESPACE, "devices", device)
    wait_for("the controller reports", devices, says("in attic"))
    move = {"spec": {"location": "cellar"}}
    devices.patch_namespaced_custom_object(*GROUP, NAMESPACE, "devices", "one", move)
    wait_for("the controller follows", devices, says("in cellar"))
    devices.delete_namespaced_custom_object(*GROUP, NAMESPACE, "devices", "one")
    deadline = time.monotonic() + PATIENCE
    while devices.list_namespaced_custom_object(*GROUP, NAMESPACE, "devices")["items"]:
        if time.monotonic() > deadline:
            sys.exit("FAILED the controller lets it go")
        time.sleep(0.1)
    print("ok the controller lets it go")
finally:
    operator.terminate()
    said = operator.communicate()[1].decode()
    spaces.delete_namespace(NAMESPACE)
    if "Traceback" in said:
        sys.exit(said)
